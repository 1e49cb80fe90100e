"""Answers to dev prompts: what is drawn, and what is written."""

import json
import math

import pytest
import torch

from train import answers, base, packed, prompts, rendering
from train.prompts import Prompt
from train.settings import Decoding, Sft

SHORT = Decoding(max_new_tokens=12)
GREEDY = Decoding(max_new_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def voice(make_settings):
    """A model that takes our batches, its tokenizer and template."""
    settings = make_settings(adapter={"kind": "full"})
    words = base.tokenizer(settings)
    template = rendering.template(words, settings)
    model = base.load(settings, words, "cpu")
    packed.install(model, Sft())
    return model, words, template


def prompt(text):
    messages = [{"role": "user", "content": text}]
    return Prompt(prompts.prompt_id(messages), messages, None, None)


PROMPTS = [prompt(text) for text in ("Name a gem.", "Why is the sky blue at noon and red at dusk?", "Go on")]


def test_greedy_answers_are_those_of_the_library_one_by_one(voice):
    model, words, template = voice
    found = answers.answer(model, words, template, PROMPTS, GREEDY, seed=1)
    for one, row in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([rendering.prompt_ids(one.messages, words, template)])
        expected = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            repetition_penalty=1.2,
            max_new_tokens=12,
            eos_token_id=sorted(template.end_ids),
            pad_token_id=0,
            use_cache=True,
        )[0, ids.shape[1] :]
        assert row["output"] == words.decode(expected, skip_special_tokens=True)


def test_an_answer_does_not_depend_on_what_is_answered_beside_it(voice):
    together = answers.answer(*voice, PROMPTS, SHORT, seed=3)
    alone = [answers.answer(*voice, [one], SHORT, seed=3)[0] for one in PROMPTS]
    assert together == alone
    assert len({row["seed"] for row in together}) == 3


def test_another_seed_gives_another_answer_and_the_same_the_same(voice):
    once, again, other = (answers.answer(*voice, PROMPTS, SHORT, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert [row["output"] for row in once] != [row["output"] for row in other]


def test_gumbel_noise_makes_the_greatest_score_a_draw_from_the_softmax():
    scores = torch.log(torch.tensor([0.5, 0.3, 0.2])).repeat(4000, 1)
    drawn = answers.Gumbel(range(4000), torch.device("cpu"))(None, scores).argmax(-1)
    shares = torch.bincount(drawn, minlength=3) / 4000
    # Four standard errors of a share of a half: 4 · sqrt(0.25 / 4000).
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.032)


def test_a_token_that_top_p_shuts_out_is_never_drawn():
    scores = torch.tensor([[0.0, -math.inf, 0.0]]).repeat(500, 1)
    assert 1 not in answers.Gumbel(range(500), torch.device("cpu"))(None, scores).argmax(-1).tolist()


def test_answers_end_with_the_end_token_or_the_limit_and_count_their_tokens(voice, monkeypatch):
    model, words, template = voice
    end = min(template.end_ids)
    ids = words("Opal.", add_special_tokens=False).input_ids
    monkeypatch.setattr(answers, "_generate", lambda *_: [[*ids, end], ids])
    stopped, cut = answers.answer(model, words, template, PROMPTS[:2], SHORT, seed=1)
    assert (stopped["output"], stopped["finish"], stopped["tokens"]) == ("Opal.", "stop", len(ids) + 1)
    assert (cut["output"], cut["finish"], cut["tokens"]) == ("Opal.", "length", len(ids))


def test_a_prompt_that_fills_the_window_is_an_error_and_the_others_are_answered(voice):
    long = prompt("gem " * 2100)
    rows = answers.answer(*voice, [long, PROMPTS[0]], SHORT, seed=1)
    assert [row["finish"] for row in rows] == ["error", "length"]
    assert rows[0]["output"] == ""
    assert rows[1] == answers.answer(*voice, [PROMPTS[0]], SHORT, seed=1)[0]


def test_answers_leave_the_random_numbers_and_the_mode_of_training_alone(voice):
    model, words, template = voice
    model.train()
    before = torch.get_rng_state()
    answers.answer(model, words, template, PROMPTS, SHORT, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training


def test_a_file_of_answers_has_evaluates_form(voice, tmp_path):
    path = tmp_path / "dev" / "epoch-03.jsonl"
    answers.write(path, *voice, PROMPTS, SHORT, 1)
    assert not path.exists()
    answers.merge(path, PROMPTS)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["prompt_id"] for row in rows] == [one.id for one in PROMPTS]
    assert list(rows[0]) == [
        *("prompt_id", "instruction", "messages", "output", "generator", "dataset", "category"),
        *("sample", "seed", "finish", "tokens", "decoding"),
    ]
    assert rows[0]["generator"] == "epoch-03"
    assert rows[0]["decoding"] == {"top_p": 0.9, "temperature": 0.7, "repetition_penalty": 1.2, "max_new_tokens": 12}
    assert [path.name for path in path.parent.iterdir()] == ["epoch-03.jsonl"]


def test_interrupted_answers_go_on_where_they_stopped_and_two_processes_give_the_same_file(
    voice, tmp_path, monkeypatch
):
    asked = [prompt(f"Name gem {number}.") for number in range(20)]
    whole, broken, shared = (tmp_path / name / "epoch-01.jsonl" for name in ("whole", "broken", "shared"))
    answers.write(whole, *voice, asked, SHORT, 1)
    answers.merge(whole, asked)
    for rank in (0, 1):
        answers.write(shared, *voice, asked, SHORT, 1, (rank, 2))
    answers.merge(shared, asked)
    assert shared.read_bytes() == whole.read_bytes()
    own, sizes = answers.answer, []

    def answer(model, words, template, batch, *rest):
        sizes.append(len(batch))
        return own(model, words, template, batch, *rest)

    monkeypatch.setattr(answers, "answer", answer)
    answers.write(broken, *voice, asked, SHORT, 1)
    part = broken.with_name(".epoch-01.part-0")
    # A kill in the middle of the second batch's lines.
    part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:11])[:-40])
    answers.write(broken, *voice, asked, SHORT, 1)
    answers.merge(broken, asked)
    assert sizes == [8, 8, 4, 8, 4]
    assert broken.read_bytes() == whole.read_bytes()


def test_an_answer_may_hold_any_line_end_of_unicode(voice, tmp_path, monkeypatch):
    row = {"output": "one\u2028two\x85three", "seed": 1, "finish": "stop", "tokens": 3, "decoding": {}}
    monkeypatch.setattr(answers, "answer", lambda *_: [row])
    path = tmp_path / "epoch-01.jsonl"
    for _ in range(2):
        answers.write(path, *voice, PROMPTS[:1], SHORT, 1)
    answers.merge(path, PROMPTS[:1])
    assert json.loads(path.read_text(encoding="utf-8"))["output"] == "one\u2028two\x85three"


def test_virtual_tokens_stand_as_near_to_a_short_prompt_as_to_a_long_one(make_settings):
    settings = make_settings(adapter={"kind": "prompt", "tokens": 4})
    words = base.tokenizer(settings)
    template = rendering.template(words, settings)
    torch.manual_seed(1)
    model = base.adapt(base.load(settings, words, "cpu"), settings, words)
    packed.install(model, Sft(), packing=False)
    # Large weights, as trained ones are: an untrained network hardly looks where it attends.
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.mul_(10 if "_proj" in name or value.requires_grad else 1)
    together = answers.answer(model, words, template, PROMPTS, GREEDY, seed=1)
    assert together == [answers.answer(model, words, template, [one], GREEDY, seed=1)[0] for one in PROMPTS]
