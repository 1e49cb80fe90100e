"""The judge's choice of an epoch, perplexity's beside it."""

import json

import pytest

from curate.errors import ConfigError, InputError, RunError
from train import choose


@pytest.fixture
def run(tmp_path):
    """Four epochs; held-out perplexity is best at the second and rises after it, as LIMA's did."""
    for epoch, perplexity in ((1, 9.0), (2, 8.0), (3, 8.5), (4, 9.5)):
        folder = tmp_path / "run" / f"epoch-{epoch:02d}"
        folder.mkdir(parents=True)
        own = {"epoch": epoch, "loss": 2.0 / epoch, "perplexity": perplexity, "bits_per_byte": perplexity / 10}
        (folder / "metrics.json").write_text(json.dumps(own))
    return tmp_path / "run"


def judged(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pair(prompt, a, verdict, b="reference", **more):
    base = {"prompt_id": prompt, "model_a": a, "model_b": b, "verdict": verdict, "probability": None, "score": None}
    return {**base, "first": "a", "status": "ok", "judge": "hand", **more}


def against_the_reference(wins):
    """`wins`: of 20 prompts, how many each epoch wins; it loses the rest."""
    return [
        pair(f"p{i:02d}", f"epoch-{epoch:02d}", "a" if i < count else "b")
        for epoch, count in wins.items()
        for i in range(20)
    ]


def test_the_judge_is_followed_where_perplexity_says_otherwise_and_both_are_kept(run, tmp_path):
    records = judged(tmp_path / "j.jsonl", against_the_reference({1: 2, 2: 6, 3: 18, 4: 12}))
    found = choose.select(run, records)
    assert (found["best"], found["by_perplexity"]) == ("epoch-03", "epoch-02")
    assert [row["judged"] for row in found["epochs"]] == pytest.approx([0.1, 0.3, 0.9, 0.6])
    assert [row["perplexity"] for row in found["epochs"]] == [9.0, 8.0, 8.5, 9.5]
    assert found["tied_with"] == []
    assert (run / "best").read_text() == "epoch-03\n"
    assert json.loads((run / "select.json").read_text()) == json.loads(json.dumps(found))
    text = choose.table(found)
    assert "epoch-03       90.0%" in text
    assert "← judge" in text
    assert "← perplexity" in text
    assert "epoch-03: ahead of all others. Judged by hand." in text


def test_only_epochs_of_the_window_can_win(run, tmp_path):
    records = judged(tmp_path / "j.jsonl", against_the_reference({1: 2, 2: 6, 3: 18, 4: 12}))
    found = choose.select(run, records, (1, 2))
    assert (found["best"], found["window"]) == ("epoch-02", (1, 2))
    assert [row["epoch"] for row in found["epochs"]] == ["epoch-01", "epoch-02"]


def test_the_interval_is_the_bootstraps_over_prompts(run, tmp_path):
    # 18 of 20: the standard error of a mean of 0/1 values is sqrt(0.9 * 0.1 / 20) = 0.067, the 95 % interval +-0.13.
    records = judged(tmp_path / "j.jsonl", against_the_reference({1: 2, 2: 6, 3: 18, 4: 12}))
    third = choose.select(run, records)["epochs"][2]
    assert third["low"] == pytest.approx(0.9 - 1.96 * 0.067, abs=0.04)
    assert third["high"] == pytest.approx(1.0, abs=0.01)


def test_a_lead_that_prompts_could_turn_is_called_a_tie(run, tmp_path):
    records = judged(tmp_path / "j.jsonl", against_the_reference({1: 10, 2: 11, 3: 11, 4: 2}))
    found = choose.select(run, records)
    # Equal: the earlier. One prompt of twenty: not to be told. Nine of twenty: told.
    assert (found["best"], found["tied_with"]) == ("epoch-02", ["epoch-01", "epoch-03"])
    assert "epoch-02: not to be told from epoch-01, epoch-03 on 20 prompts" in choose.table(found)


def test_both_orders_ties_and_probabilities_are_averaged_on_each_prompt(run, tmp_path):
    rows = [
        pair("p", "epoch-01", "a", first="a"),
        pair("p", "epoch-01", "b", first="b"),  # (1 + 0) / 2
        pair("p", "epoch-02", "tie"),  # 1/2
        pair("p", "reference", "b", b="runs/mine/epoch-03"),  # the epoch stands second and wins: 1
        pair("p", "epoch-04", "a", probability=0.7),
    ]
    found = choose.select(run, judged(tmp_path / "j.jsonl", rows))
    assert [row["judged"] for row in found["epochs"]] == pytest.approx([0.5, 0.5, 1.0, 0.7])


def test_epochs_compared_with_one_another_need_no_reference(run, tmp_path):
    names = [f"epoch-{epoch:02d}" for epoch in (1, 2, 3, 4)]
    rows = [pair(f"p{i}", a, "b", b=b) for i in range(3) for a in names for b in names if a < b]
    found = choose.select(run, judged(tmp_path / "j.jsonl", rows))
    assert [row["judged"] for row in found["epochs"]] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_scores_of_single_answers(run, tmp_path):
    rows = [
        {
            "prompt_id": prompt,
            "model_a": f"epoch-{epoch:02d}",
            "model_b": None,
            "score": score,
            "status": "ok",
            "judge": "j",
        }
        for epoch, scores in ((1, (3, 5)), (2, (6, 6)), (3, (2, 2)), (4, (6, 5)))
        for prompt, score in zip("pq", scores, strict=True)
    ]
    found = choose.select(run, judged(tmp_path / "j.jsonl", rows))
    assert (found["best"], found["measure"]) == ("epoch-02", "score")
    assert [row["judged"] for row in found["epochs"]] == [4, 6, 2, 5.5]
    assert "epoch-02        6.00  6.00 – 6.00" in choose.table(found)


def test_failed_judgements_leave_their_prompt_out_for_all_epochs_and_are_counted(run, tmp_path):
    rows = against_the_reference({1: 2, 2: 6, 3: 18, 4: 12})
    rows[-1] = {**rows[-1], "status": "parse_failed", "verdict": None}
    found = choose.select(run, judged(tmp_path / "j.jsonl", rows))
    assert (found["prompts"], found["prompts_left_out"], found["judgements_failed"]) == (19, 1, {"parse_failed": 1})


def test_the_same_records_in_another_order_give_the_same_choice(run, tmp_path):
    rows = against_the_reference({1: 2, 2: 6, 3: 18, 4: 12})
    one = choose.select(run, judged(tmp_path / "j.jsonl", rows))
    assert choose.select(run, judged(tmp_path / "k.jsonl", rows[::-1])) == one


def test_records_that_cannot_decide_are_refused(run, tmp_path):
    rows = against_the_reference({1: 2, 2: 6, 3: 18})
    with pytest.raises(InputError, match=r"j\.jsonl: no judgement of epoch-04\. Judge all epochs of the window, or"):
        choose.select(run, judged(tmp_path / "j.jsonl", rows))
    other = pair("p00", "epoch-04", "a", b="another")
    with pytest.raises(InputError, match="epoch-01 was not compared with another, as other epochs were"):
        choose.select(run, judged(tmp_path / "j.jsonl", [*rows, other]))
    with pytest.raises(InputError, match=r"j\.jsonl:1: lacks model_a, status; expected a judgement of evaluate"):
        choose.select(run, judged(tmp_path / "j.jsonl", [{"prompt_id": "p"}]))
    with pytest.raises(InputError, match=r"j\.jsonl:1: neither verdict nor score"):
        choose.select(run, judged(tmp_path / "j.jsonl", [pair("p", "epoch-01", None)]))
    score = {**pair("p", "epoch-04", None, b=None), "score": 5}
    with pytest.raises(InputError, match="holds pairs and scores of single answers"):
        choose.select(run, judged(tmp_path / "j.jsonl", [*rows, score]))
    apart = [pair(f"p{epoch}", f"epoch-0{epoch}", "a") for epoch in (1, 2, 3, 4)]
    with pytest.raises(InputError, match="no prompt was judged for all of epoch-01, epoch-02"):
        choose.select(run, judged(tmp_path / "j.jsonl", apart))
    with pytest.raises(ConfigError, match="--window 5 10: the run has epoch-01, epoch-02, epoch-03, epoch-04"):
        choose.select(run, tmp_path / "j.jsonl", (5, 10))
    with pytest.raises(RunError, match="expected the folder of a run of python -m train"):
        choose.select(tmp_path, tmp_path / "j.jsonl")
    assert not (run / "best").exists()
