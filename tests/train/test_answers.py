"""Answers to dev prompts: what is drawn, and what is written."""

import json

import pytest
import torch

from curate.chat import prompt_id
from curate.lm import generation, rendering
from curate.lm.decoding import Decoding
from curate.lm.generation import Generated
from train import answers, base, packed
from train.prompts import Prompt
from train.settings import Sft

SHORT = Decoding(max_new_tokens=12)
GREEDY = Decoding(max_new_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def voice(make_settings):
    """A model that takes our batches."""
    return made(make_settings(adapter={"kind": "full"}))


def made(settings):
    words = base.tokenizer(settings)
    template = rendering.template(words, settings.template, settings.base)
    torch.manual_seed(1)
    model = base.adapt(base.load(settings, words, "cpu"), settings, words)
    packed.install(model, Sft(), packing=settings.adapter.kind != "prompt")
    return generation.answerer(model, words, template, sorted(template.end_ids), "float32", answers.TOGETHER)


def answered(voice, asked, decoding, seed):
    """Rows in the order of the prompts."""
    rows = [row for batch in answers.answer(voice, asked, decoding, seed, "epoch-03") for row in batch]
    return sorted(rows, key=lambda row: [one.id for one in asked].index(row["prompt_id"]))


def prompt(text):
    messages = [{"role": "user", "content": text}]
    return Prompt(prompt_id(messages), messages, None, None)


PROMPTS = [prompt(text) for text in ("Name a gem.", "Why is the sky blue at noon and red at dusk?", "Go on")]


def test_greedy_answers_are_those_of_the_library_one_by_one(voice):
    words = voice.tokenizer
    for one, row in zip(PROMPTS, answered(voice, PROMPTS, GREEDY, 1), strict=True):
        ids = torch.tensor([rendering.prompt_ids(one.messages, words, voice.template)])
        expected = voice.network.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            repetition_penalty=1.2,
            max_new_tokens=12,
            eos_token_id=sorted(voice.ends),
            pad_token_id=0,
            use_cache=True,
        )[0, ids.shape[1] :]
        assert row["output"] == words.decode(expected, skip_special_tokens=True)


def test_an_answer_does_not_depend_on_what_is_answered_beside_it(voice):
    together = answered(voice, PROMPTS, SHORT, 3)
    alone = [answered(voice, [one], SHORT, 3)[0] for one in PROMPTS]
    assert together == alone
    assert len({row["seed"] for row in together}) == 3


def test_another_seed_gives_another_answer_and_the_same_the_same(voice):
    once, again, other = (answered(voice, PROMPTS, SHORT, seed) for seed in (1, 1, 2))
    assert once == again
    assert [row["output"] for row in once] != [row["output"] for row in other]


def test_answers_end_with_the_end_token_or_the_limit_and_count_their_tokens(voice, monkeypatch):
    ids = voice.tokenizer("Opal.", add_special_tokens=False).input_ids
    made_up = {len(PROMPTS[0].instruction): [*ids, min(voice.ends)], len(PROMPTS[1].instruction): ids}
    asked = {tuple(generation.prompt_ids(one.messages, voice)): made_up[len(one.instruction)] for one in PROMPTS[:2]}
    monkeypatch.setattr(generation, "_continued", lambda rows, *_: [asked[tuple(row)] for row in rows])
    stopped, cut = answered(voice, PROMPTS[:2], SHORT, 1)
    assert (stopped["output"], stopped["finish"], stopped["tokens"]) == ("Opal.", "stop", len(ids) + 1)
    assert (cut["output"], cut["finish"], cut["tokens"]) == ("Opal.", "length", len(ids))


def test_a_prompt_that_fills_the_window_is_an_error_and_the_others_are_answered(voice):
    long = prompt("gem " * 2100)
    rows = answered(voice, [long, PROMPTS[0]], SHORT, 1)
    assert [row["finish"] for row in rows] == ["error", "length"]
    assert (rows[0]["output"], rows[0]["tokens"]) == (None, 0)
    assert rows[1] == answered(voice, [PROMPTS[0]], SHORT, 1)[0]


def test_answers_leave_the_random_numbers_and_the_mode_of_training_alone(voice):
    voice.network.train()
    before = torch.get_rng_state()
    answered(voice, PROMPTS, SHORT, 1)
    assert torch.equal(before, torch.get_rng_state())
    assert voice.network.training


def test_a_file_of_answers_has_evaluates_form(voice, tmp_path):
    path = tmp_path / "dev" / "epoch-03.jsonl"
    answers.write(path, voice, PROMPTS, SHORT, 1)
    assert not path.exists()
    answers.merge(path, PROMPTS)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["prompt_id"] for row in rows] == [one.id for one in PROMPTS]
    assert list(rows[0]) == [
        *("prompt_id", "instruction", "messages", "output", "generator", "dataset", "category"),
        *("sample", "seed", "finish", "tokens", "decoding"),
    ]
    assert rows[0]["generator"] == "epoch-03"
    assert rows[0]["decoding"] == {
        "top_p": 0.9, "temperature": 0.7, "repetition_penalty": 1.2, "max_new_tokens": 12, "max_length": None,
        "batch": 8, "precision": "float32",
    }  # fmt: skip
    assert [path.name for path in path.parent.iterdir()] == ["epoch-03.jsonl"]


def test_interrupted_answers_go_on_where_they_stopped_and_two_processes_give_the_same_file(
    voice, tmp_path, monkeypatch
):
    asked = [prompt(f"Name gem {number}.") for number in range(20)]
    whole, broken, shared = (tmp_path / name / "epoch-01.jsonl" for name in ("whole", "broken", "shared"))
    answers.write(whole, voice, asked, SHORT, 1)
    answers.merge(whole, asked)
    for rank in (0, 1):
        answers.write(shared, voice, asked, SHORT, 1, (rank, 2))
    answers.merge(shared, asked)
    assert shared.read_bytes() == whole.read_bytes()
    own, sizes = generation.generate, []

    def generate(*given):
        for batch in own(*given):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(generation, "generate", generate)
    answers.write(broken, voice, asked, SHORT, 1)
    part = broken.with_name(".epoch-01.part-0")
    # A kill in the middle of the second batch's lines.
    part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:11])[:-40])
    answers.write(broken, voice, asked, SHORT, 1)
    answers.merge(broken, asked)
    assert sizes == [8, 8, 4, 8, 2]
    assert broken.read_bytes() == whole.read_bytes()


def test_an_answer_may_hold_any_line_end_of_unicode(voice, tmp_path, monkeypatch):
    said = Generated("one\u2028two\x85three", "stop", 3)
    monkeypatch.setattr(generation, "generate", lambda asked, *_: [[(i, said) for i in range(len(asked))]])
    path = tmp_path / "epoch-01.jsonl"
    for _ in range(2):
        answers.write(path, voice, PROMPTS[:1], SHORT, 1)
    answers.merge(path, PROMPTS[:1])
    assert json.loads(path.read_text(encoding="utf-8"))["output"] == "one\u2028two\x85three"


def test_virtual_tokens_stand_as_near_to_a_short_prompt_as_to_a_long_one(make_settings):
    voice = made(make_settings(adapter={"kind": "prompt", "tokens": 4}))
    # Large weights, as trained ones are: an untrained network hardly looks where it attends.
    with torch.no_grad():
        for name, value in voice.network.named_parameters():
            value.mul_(10 if "_proj" in name or value.requires_grad else 1)
    together = answered(voice, PROMPTS, GREEDY, 1)
    assert together == [answered(voice, [one], GREEDY, 1)[0] for one in PROMPTS]
    ids = torch.tensor([generation.prompt_ids(PROMPTS[1].messages, voice)])
    with torch.inference_mode():
        first = voice.network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1]
    plain = GREEDY.model_copy(update={"repetition_penalty": 1.0, "max_new_tokens": 1})
    assert answered(voice, PROMPTS, plain, 1)[1]["output"] == voice.tokenizer.decode([int(first.argmax())])
