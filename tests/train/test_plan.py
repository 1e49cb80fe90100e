"""Plans on examples of made-up sizes: what an epoch has, what a step has, what a pass holds."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError, InputError
from train.plan import collate, mixture, pass_budget, plan
from train.record import Document, Example
from train.settings import Dataset, Optimizer, Settings


def example(length, name="a.jsonl", number=0, documents=1, **more):
    document = Document(list(range(1, length + 1)), [-100, *range(2, length + 1)])
    return Example(f"{name}:{number}", name, (document,) * documents, **more)


def examples(lengths, name="a.jsonl"):
    return [example(length, name, number) for number, length in enumerate(lengths)]


def settings(*data, **more):
    return Settings(
        base="toy",
        data=data or (Dataset(path=Path("a.jsonl")),),
        optimizer=Optimizer(lr=1e-3),
        **{"epochs": 1, "batch_examples": 4, "pass_tokens": 20, **more},
    )


LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=40)


@given(LENGTHS, st.integers(1, 9), st.integers(20, 60), st.integers(1, 3), st.integers(1, 3))
def test_every_step_has_its_examples_in_equally_many_passes_under_the_budget(lengths, size, budget, epochs, processes):
    given_ = settings(batch_examples=size, pass_tokens=budget, epochs=epochs)
    found = plan([examples(lengths)], given_, processes=processes)
    assert len(found.steps) == epochs * -(-len(lengths) // size)
    for epoch in range(1, epochs + 1):
        steps = [step for step in found.steps if step.epoch == epoch]
        assert sorted(i for step in steps for one in step.passes for i in one) == list(range(len(lengths)))
        assert all(step.examples == size for step in steps[:-1])
    for step in found.steps:
        loads = [sum(lengths[i] for i in one) for one in step.passes]
        assert len(loads) == found.passes
        assert found.passes % processes == 0
        assert max(loads) <= budget
        assert sum(loads) == step.tokens
        assert step.documents == step.examples == sum(map(len, step.passes))
        assert step.trained == step.tokens - step.documents


def test_passes_are_of_about_one_length():
    found = plan([examples([12, 9, 8, 6, 5, 4])], settings(batch_examples=6, pass_tokens=22))
    loads = [sum([12, 9, 8, 6, 5, 4][i] for i in one) for one in found.steps[0].passes]
    assert loads == [22, 22] or max(loads) - min(loads) <= 2


def test_a_step_that_needs_fewer_passes_has_empty_ones():
    found = plan([examples([20, 20, 20])], settings(batch_examples=2))
    assert [len(one) for one in found.steps[1].passes] == [1, 0]


def test_without_packing_each_example_is_a_pass():
    found = plan([examples([3, 4, 5])], settings(batch_examples=2), packing=False, processes=3)
    assert found.passes == 3
    assert [len(one) for step in found.steps for one in step.passes] == [1, 1, 0, 1, 0, 0]


def test_a_single_example_makes_a_run():
    found = plan([examples([7])], settings(epochs=2))
    assert [(step.epoch, step.passes, step.trained) for step in found.steps] == [(1, ((0,),), 6), (2, ((0,),), 6)]
    assert found.epoch_ends == {1: 1, 2: 2}


def test_a_run_without_examples_is_refused():
    with pytest.raises(InputError, match="there is no example to train on"):
        plan([[]], settings())


def test_a_set_without_examples_is_named():
    data = Dataset(path=Path("a.jsonl")), Dataset(path=Path("b.jsonl"))
    with pytest.raises(InputError, match=r"b\.jsonl: no example to draw from"):
        plan([examples([3])], settings(*data))


def test_the_same_seed_gives_the_same_plan_and_another_seed_another_order():
    given_ = examples(range(1, 20))
    assert plan([given_], settings(epochs=3)) == plan([given_], settings(epochs=3))
    assert plan([given_], settings(epochs=3)) != plan([given_], settings(epochs=3, seed=2))
    first, second = (
        [
            i
            for step in plan([given_], settings(epochs=2)).steps
            if step.epoch == epoch
            for one in step.passes
            for i in one
        ]
        for epoch in (1, 2)
    )
    assert first != second


def test_the_order_of_an_epoch_is_the_same_on_every_machine():
    assert mixture(examples([1] * 8), [Dataset(path=Path("a.jsonl"))], 1, seed=1) == [3, 0, 2, 5, 4, 1, 6, 7]


def test_the_order_does_not_depend_on_where_the_data_lie():
    def order(folder):
        rows = [example(1, f"{folder}/{name}") for name in ("a", "b", "a", "b", "a")]
        return mixture(rows, [Dataset(path=Path(f"{folder}/a")), Dataset(path=Path(f"{folder}/b"))], 1, seed=1)

    assert order("here") == order("elsewhere")


def test_the_budget_grows_to_the_longest_example_unless_it_is_set():
    assert pass_budget(examples([5]), settings(pass_tokens=None), "cpu") == 2048
    assert pass_budget(examples([5]), settings(pass_tokens=None), "cuda") == 16384
    assert pass_budget(examples([5000]), settings(pass_tokens=None), "cpu") == 5000
    with pytest.raises(ConfigError, match=r"pass_tokens=20: example a\.jsonl:1 has 21 tokens"):
        pass_budget(examples([5, 21]), settings(), "cpu")


def test_examples_are_drawn_without_repeating_until_the_set_is_used_up():
    data = [Dataset(path=Path("a.jsonl"), examples=3)]
    drawn = [i for epoch in range(1, 11) for i in mixture(examples([1] * 5), data, epoch, seed=1)]
    assert all(max(Counter(drawn[: 3 * epochs]).values()) == -(-3 * epochs // 5) for epochs in range(1, 11))
    assert Counter(drawn) == dict.fromkeys(range(5), 6)


def test_a_small_set_repeats_within_an_epoch():
    data = [Dataset(path=Path("a.jsonl"), examples=5)]
    assert Counter(Counter(mixture(examples([1] * 2), data, 1, seed=1)).values()) == {2: 1, 3: 1}


def test_a_share_counts_of_the_whole_epoch():
    data = [Dataset(path=Path("a.jsonl")), Dataset(path=Path("b.jsonl"), share=0.2)]
    both = examples([1] * 40) + examples([1] * 30, "b.jsonl")
    order = mixture(both, data, 1, seed=1)
    assert len(order) == 50
    assert sum(i >= 40 for i in order) == 10


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.5)])
def test_shares_that_leave_nothing_for_the_others_are_refused(shares):
    names = ["a.jsonl", "b.jsonl"][: len(shares)]
    data = [Dataset(path=Path(name), share=share) for name, share in zip(names, shares, strict=True)]
    with pytest.raises(ConfigError, match="at least one must give no share"):
        mixture([example(1, name) for name in names], data, 1, seed=1)


def test_stages_follow_one_another_with_epochs_counted_on():
    data = Dataset(path=Path("a.jsonl")), Dataset(path=Path("b.jsonl"), stage=2)
    found = plan([examples([1] * 3), examples([2] * 2, "b.jsonl")], settings(*data, epochs=2, batch_examples=3))
    assert [(step.epoch, sorted(i for one in step.passes for i in one)) for step in found.steps] == [
        (1, [0, 1, 2]),
        (2, [0, 1, 2]),
        (3, [3, 4]),
        (4, [3, 4]),
    ]
    assert found.epoch_ends == {1: 1, 2: 2, 3: 3, 4: 4}


def test_collated_documents_stand_one_after_the_other_and_predict_their_own_next_token():
    batch = collate([example(3), example(1), example(2)], 5, filler=9)
    assert {name: value.tolist() for name, value in batch.items() if name != "max_length"} == {
        "input_ids": [[1, 2, 3, 1, 1, 2]],
        "shift_labels": [[2, 3, -100, -100, 2, -100]],
        "cu_seq_lens": [0, 3, 4, 6],
        "position_ids": [[0, 1, 2, 0, 0, 1]],
        "groups": [0, 1, 2],
        "step_items": 5,
    }
    assert batch["max_length"] == 3


def test_rivals_of_one_example_share_a_group_and_bring_their_scores():
    batch = collate([example(2, documents=2, scores=(1.0, 0.5)), example(1, documents=2, scores=(0.0, 2.0))], 2, 9)
    assert batch["groups"].tolist() == [0, 0, 1, 1]
    assert batch["scores"].tolist() == [1.0, 0.5, 0.0, 2.0]
    assert "reference" not in batch


def test_an_empty_pass_is_one_token_that_trains_nothing():
    batch = collate([], 5, filler=9)
    assert batch["input_ids"].tolist() == [[9]]
    assert batch["shift_labels"].tolist() == [[-100]]
    assert batch["groups"].tolist() == [-1]


def test_virtual_tokens_count_positions_themselves():
    assert "position_ids" not in collate([example(3)], 2, 9, packing=False)
