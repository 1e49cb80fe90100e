"""Instruction-following difficulty: the two ratios, their direction, the template."""

import math

import polars as pl
import pytest
from pydantic import ValidationError

from curate.lm import local
from curate.lm.models import Settings
from curate.quality import ifd
from curate.quality.ifd import Template
from curate.record import examples
from tests.curate import language_models

BARE = Template(opening="", system="{content} ", user="{content} ", tool="{content} ", assistant="{content} ")


def rows(*pairs, **more):
    return examples("s", [{"key": str(i), "prompt": p, "response": r, **more} for i, (p, r) in enumerate(pairs)])


@pytest.fixture
def said(monkeypatch):
    """What a made-up model says of each (context, answer): (logprob, tokens, greedy, status); and what it was asked."""
    asked = []

    def use(table):
        def logprobs(contexts, continuations, settings):
            asked.extend(zip(contexts, continuations, strict=True))
            schema = {"logprob": pl.Float64, "tokens": pl.UInt32, "greedy": pl.Boolean, "status": pl.String}
            return pl.DataFrame([table[pair] for pair in asked], schema=schema, orient="row")

        monkeypatch.setattr(local, "logprobs", logprobs)
        return asked

    return use


def ratios(frame):
    return frame.select(ifd=ifd.IFD, superfilter=ifd.SUPERFILTER).row(0)


def test_the_ratios_are_those_of_the_papers(said):
    # 10 tokens: 0.5 nats a token given the instruction, 2 alone.
    said({("Q A:", "x"): (-5.0, 10, False, "ok"), ("", "x"): (-20.0, 10, False, "ok")})
    found = ifd.losses(
        rows(("Q", "x")), Settings(model="m"), Template(opening="", user="{content} ", assistant="A:{content}")
    )
    assert found.row(0) == (0.5, 2.0, 10, "ok")
    loss_ratio, perplexity_ratio = ratios(found)
    assert loss_ratio == 0.25
    assert perplexity_ratio == pytest.approx(math.exp(0.5) / math.exp(2.0))


def test_both_ratios_pass_one_together_where_the_instruction_stops_to_help():
    frame = pl.DataFrame({"loss_given": [1.9, 2.0, 2.1], "loss_alone": [2.0, 2.0, 2.0]})
    both = frame.select(ifd=ifd.IFD, superfilter=ifd.SUPERFILTER)
    assert (both["ifd"] < 1).to_list() == (both["superfilter"] < 1).to_list() == [True, False, False]


def test_an_answer_that_costs_nothing_alone_has_no_ratio():
    assert pl.DataFrame({"loss_given": [0.0], "loss_alone": [0.0]}).select(ifd.IFD).item() is None


@pytest.mark.parametrize("status", ["empty", "too_long", "context_cut", "not_finite"])
def test_a_loss_that_is_not_whole_is_null_and_says_why(said, status):
    given = (-5.0 if status == "context_cut" else None, 10, None, status)
    said({("Q A:", "x"): given, ("", "x"): (-20.0, 10, False, "ok")})
    template = Template(opening="", user="{content} ", assistant="A:{content}")
    found = ifd.losses(rows(("Q", "x")), Settings(model="m"), template)
    assert found.row(0) == (None, None, 10, status)


def test_of_many_turns_the_last_answer_is_measured_given_all_before_it(said):
    turns = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    before = "Do.<be {brief}>[one]=two;(4)="
    asked = said({(before, "five"): (-1.0, 1, True, "ok"), ("", "five"): (-2.0, 1, True, "ok")})
    template = Template(
        opening="Do.", system="<{content}>", user="[{content}]", tool="({content})", assistant="={content};"
    )
    frame = rows(("4", "five"), system="be {brief}", history=turns, prompt_role="tool")
    assert ifd.losses(frame, Settings(model="m"), template)["loss_given"].to_list() == [1.0]
    assert asked == [(before, "five"), ("", "five")]


def test_the_template_keeps_alpacas_fields():
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    assert ifd.context(turns, Template()).endswith("\n\n### Instruction:\nWhy?\n\n### Response:\n")


def test_a_turn_of_a_template_has_one_place_for_its_text():
    for wrong in ("no place", "{content} {content}"):
        with pytest.raises(ValidationError, match="it stands once"):
            Template(user=wrong)


def test_no_rows_give_the_same_columns(said):
    said({})
    assert ifd.losses(rows(), Settings(model="m"), BARE).schema == {
        "loss_given": pl.Float64,
        "loss_alone": pl.Float64,
        "loss_tokens": pl.UInt32,
        "ifd_status": pl.String,
    }


def test_a_real_pass_gives_the_same_loss_as_asking_for_each_text(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    settings = Settings(model=language_models.causal(tmp_path))
    found = ifd.losses(rows(("what is a cat ?", "an animal"), ("why ?", "")), settings, BARE)
    given, alone = (
        local.logprobs(["what is a cat ? ", ""], ["an animal"] * 2, settings).select("logprob", "tokens").rows()
    )
    assert found.row(0) == (-given[0] / given[1], -alone[0] / alone[1], given[1], "ok")
    assert found.row(1) == (None, None, 0, "empty")


def test_the_start_of_a_story_makes_its_end_likelier_and_noise_does_not(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path))
    settings = Settings(model=shared_data("models/stories260K/hf"))
    start, end = (
        "Once upon a time, there was a little dog named Max. He lost his red ball.",
        "Max was sad without his ball.",
    )
    story, noise = ifd.losses(rows((start, end), ("qj xz 7391 vvkw zzq 00 kq xj wq zx", end)), settings, BARE).select(
        ratio=ifd.IFD
    )["ratio"]
    assert story < 1
    assert noise > story + 0.05
