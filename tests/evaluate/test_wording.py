import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import InputError
from evaluate.statistics import wording


def test_repetition_is_the_share_of_n_grams_that_were_there_before():
    words = ["a", "b", "a", "b", "c"]
    # Bigrams: ab ba ab bc, three different ones of four.
    assert wording.repetition(words, 2) == pytest.approx(0.25)
    assert wording.repetition(words, 3) == 0
    assert math.isnan(wording.repetition(words, 6))


def test_log_diversity_as_defined_and_as_published():
    # 1 - 0.75 * 0.8 * 0.9 = 0.46
    assert wording.log_diversity([0.25, 0.2, 0.1]) == pytest.approx(-math.log(0.46))
    # 1 - 0.9975 * 0.998 * 0.999 = 0.00549...
    assert wording.log_diversity([0.25, 0.2, 0.1], 100) == pytest.approx(-math.log(1 - 0.9975 * 0.998 * 0.999))


def test_a_text_without_any_repetition_stops_at_the_floor():
    assert wording.log_diversity([0, 0, 0]) == pytest.approx(20)


@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=60))
def test_log_diversity_falls_as_repetition_grows_and_stays_in_its_bounds(words):
    repetitions = [wording.repetition(words, n) for n in (2, 3, 4)]
    assert 0 <= wording.log_diversity(repetitions) <= 20 + 1e-9
    more = [rep + (1 - rep) / 2 for rep in repetitions]
    assert wording.log_diversity(more) <= wording.log_diversity(repetitions)


def outputs(*lengths):
    return pl.Series([" ".join(["word"] * n) for n in lengths])


def test_the_first_words_are_the_longest_of_the_papers_that_half_of_the_answers_have():
    assert wording.first_words(outputs(200, 150, 160, 10)) == 150
    assert wording.first_words(outputs(60, 50, 99, 99)) == 50
    assert wording.first_words(outputs(20, 30, 40)) == 30


def test_answers_of_a_few_words_are_too_short_for_repetition():
    with pytest.raises(InputError, match="fewer than 10 words"):
        wording.first_words(outputs(3, 4, 200))


ANSWERS = pl.DataFrame(
    [
        ("plain", "p", "one two one two one two one two"),
        ("plain", "q", "one two three four five six seven eight"),
        ("noised", "p", "one two three four five six seven eight nine ten"),
        ("noised", "q", "one two"),
        ("noised", "r", None),
    ],
    schema=["generator", "prompt_id", "output"],
    orient="row",
)


def test_an_answer_that_is_too_short_has_a_length_and_no_repetition():
    rows = wording.measured(ANSWERS, 8)
    assert rows.height == 4
    short = rows.filter((pl.col("generator") == "noised") & (pl.col("prompt_id") == "q")).to_dicts()[0]
    assert (short["words"], short["characters"], short["rep_2"], short["log_diversity"]) == (2, 7, None, None)
    looping = rows.row(0, named=True)
    # Bigrams of the first eight words: seven, two of them different.
    assert looping["rep_2"] == pytest.approx(1 - 2 / 7)


def test_a_summary_is_the_mean_over_the_answers_that_have_the_figure():
    found = {(row["generator"], row["measure"]): row for row in wording.summary(wording.measured(ANSWERS, 8))}
    assert found["plain", "rep_2"]["value"] == pytest.approx((5 / 7) / 2)
    # Two answers, 5/7 and 0: Student's t would reach from -4.2 to 4.9.
    assert (found["plain", "rep_2"]["low"], found["plain", "rep_2"]["high"]) == (0, pytest.approx(4.89, abs=0.01))
    assert found["noised", "rep_2"]["answers"] == 1
    assert found["noised", "words"]["value"] == 6
    assert found["plain", "mtld"] == {
        "generator": "plain", "measure": "mtld", "value": None, "low": None, "high": None, "answers": 0,
    }  # fmt: skip


def test_differences_are_paired_by_prompt():
    found = {row["measure"]: row for row in wording.differences(wording.measured(ANSWERS, 8))}
    # p: 10 - 8, q: 2 - 8.
    assert (found["words"]["value"], found["words"]["prompts"]) == (-2, 2)
    assert (found["rep_2"]["value"], found["rep_2"]["prompts"]) == (pytest.approx(-5 / 7), 1)
    assert (found["words"]["generator"], found["words"]["against"]) == ("noised", "plain")
