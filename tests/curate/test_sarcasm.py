import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from curate.rules import sarcasm
from curate.rules.sarcasm_cues import CUES

PLAIN = "Water boils at a lower temperature on a mountain, so pasta needs a minute or two more."
SARCASTIC = (
    "Oh great, another update. I just LOVE it when it restarts in the middle of a call!!! Sooo helpful, well done 🙄"
)
KOREAN = "ㅋㅋㅋ 진짜 대단하다 ㅎㅎ"
TEXTS = [
    PLAIN,
    SARCASTIC,
    KOREAN,
    "",
    "🙄",
    "```\nyeah right!\n```",
    f"{PLAIN}\n> oh great, sure\n{PLAIN}",
    "Definitely do that. /s",
]


CASES = [
    ("Keep your password on a sticky note. /s", "marker", 1),
    ("That went well #sarcasm", "marker", 1),
    ("I had so much fun... NOT!", "marker", 1),
    ("Yeah, right. As if he knew.", "stock_phrase", 2),
    ("Can’t wait. Nice try.", "stock_praise", 2),
    ("What a wonderful day to lose my keys.", "hyperbole", 1),
    ("Such an expert, everyone knows.", "exaggeration", 2),
    ("Obviously, of course.", "certainty", 2),
    ("I guess, apparently.", "feigned_doubt", 2),
    ("Yeah, that works.", "opening_agreement", 1),
    ("Nah, it does not.", "opening_objection", 1),
    ("A lovely, brilliant idea.", "praise", 2),
    ("Wow. Gee. It is late.", "interjection", 2),
    ("Really? Is it? Yes", "question", 2),
    ("That helps, right?", "tag_question", 1),
    ('Ask the "experts" and the “very wise” ones.', "scare_quotes", 2),
    ("That is sooo greaaat.", "elongation", 2),
    ("I LOVE HTML, REALLY.", "capitals", 2),
    ("Good! Great! Yes", "exclamation", 2),
    ("What?! No!!", "run", 2),
    ("Well... maybe… no", "ellipsis", 2),
    ("Sure 🙄 😏 ;)", "face", 3),
    (KOREAN, "korean_laughter", 2),
]


def score(text: str | None, popularity: int | None = None) -> float:
    frame = pl.DataFrame({"response": [text], "score": [popularity]}, schema={"response": pl.String, "score": pl.Int64})
    return frame.select(sarcasm.score()).item()


def hits(text: str, popularity: int | None = None) -> dict[str, int]:
    frame = pl.DataFrame({"response": [text], "score": [popularity]}, schema={"response": pl.String, "score": pl.Int64})
    return {name: n for name, n in frame.select(**sarcasm.cues()).row(0, named=True).items() if n}


def test_a_plain_answer_scores_low_and_a_sarcastic_one_high():
    assert score(PLAIN) < 0.2
    assert score(SARCASTIC) > 0.9


def test_the_score_of_a_text_without_cues_is_the_logistic_of_the_constant_alone():
    assert sarcasm.INTERCEPT == -1.82
    assert score("Water boils at 100 degrees.") == pytest.approx(0.1394, abs=1e-4)


def test_the_score_is_the_logistic_function_of_the_contributions():
    frame = pl.DataFrame({"response": [SARCASTIC], "score": [3]})
    added = frame.select(**sarcasm.contributions()).row(0, named=True)
    assert score(SARCASTIC) == pytest.approx(1 / (1 + 2.718281828459045 ** -(sarcasm.INTERCEPT + sum(added.values()))))
    assert added["marker"] == 0.0
    assert added["face"] == pytest.approx(sarcasm.WEIGHTS["face"])


@pytest.mark.parametrize(("text", "cue", "n"), CASES)
def test_each_cue_counts_what_it_is_named_for(text, cue, n):
    assert hits(text)[cue] == n


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("The train runs at 12 m /s", "marker"),
        ("Put it in /srv or in /s/ for short.", "marker"),
        ("Chapter III of www.example.org, colour #fff", "elongation"),
        ("Use HTML, SQL and NASA data.", "capitals"),
        ("if (a != b) then !done", "exclamation"),
        ("Go up with ../lib", "ellipsis"),
        ('It "does not mean what you think it means" here.', "scare_quotes"),
        ("The cable is unsure about otherwise.", "interjection"),
    ],
)
def test_look_alikes_are_not_cues(text, cue):
    assert cue not in hits(text)


def test_every_cue_has_a_case():
    assert {cue for _, cue, _ in CASES} == {cue.name for cue in CUES}


@pytest.mark.parametrize(
    "quoted", ["```\nyeah right! 🙄 lol\n```", "`oh great!!!`", "> Oh great, sooo helpful!!!\n> lol"]
)
def test_code_and_quoted_blocks_do_not_count(quoted):
    assert hits(f"Water boils here.\n\n{quoted}\n\nIt does.") == {}


def test_one_cue_weighs_less_in_a_long_answer_than_in_a_short_one():
    assert score("Obviously. " + PLAIN) > score("Obviously. " + 10 * PLAIN)


def test_an_explicit_marker_decides_however_long_the_text():
    assert score(20 * PLAIN + " /s") > 0.9


def test_a_popular_one_liner_is_more_suspect_than_a_popular_answer():
    assert hits("Because the chicken had no choice.", 5000) == {"popular_one_liner": 1, "opening_agreement": 1}
    assert score("Forty-two.", 5000) > score("Forty-two.", 3) == score("Forty-two.")
    assert score(3 * PLAIN, 5000) == score(3 * PLAIN)


def test_a_text_column_alone_is_enough():
    frame = pl.DataFrame({"text": [PLAIN, SARCASTIC]})
    assert frame.select(sarcasm.score(pl.col("text"))).to_series().to_list() == [score(PLAIN), score(SARCASTIC)]


def test_no_text_has_no_score_and_an_empty_text_the_constant():
    assert score(None) is None
    assert score("") == pytest.approx(0.1394, abs=1e-4)


def test_names_and_types_are_as_documented():
    frame = pl.DataFrame({"response": [PLAIN], "score": [1]})
    assert frame.select(sarcasm.score()).schema == {"sarcasm": pl.Float64}
    assert set(frame.select(**sarcasm.cues()).dtypes) == {pl.UInt32}
    assert set(frame.select(**sarcasm.contributions()).dtypes) == {pl.Float64}


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(len(TEXTS))), cut=st.integers(0, len(TEXTS)))
def test_a_score_depends_on_neither_order_nor_neighbours(order, cut):
    texts = pl.DataFrame({"text": TEXTS})
    shuffled = texts[list(order)]
    whole = texts.select(sarcasm.score(pl.col("text")))
    parts = [part.select(sarcasm.score(pl.col("text"))) for part in (shuffled[:cut], shuffled[cut:])]
    assert_frame_equal(pl.concat(parts), whole[list(order)], check_exact=True)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_scores_between_zero_and_one(text):
    assert 0 <= score(text) <= 1


def test_lazy_and_eager_agree():
    frame = pl.DataFrame({"response": TEXTS, "score": [None, 1, 200, 5, 1000, 3, 2, 1]})
    assert_frame_equal(frame.select(sarcasm.score()), frame.lazy().select(sarcasm.score()).collect(), check_exact=True)


def test_less_than_two_in_a_hundred_lima_answers_pass_the_default_limit(shared_data):
    lima = json.loads(shared_data("instruction/lima/lima.json").read_text("utf-8"))
    scores = pl.DataFrame({"text": [row["output"] for row in lima]}).select(sarcasm.score(pl.col("text"))).to_series()
    assert (scores > 0.5).mean() < 0.02
