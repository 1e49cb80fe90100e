import polars as pl
import pytest

from curate.errors import InputError
from evaluate.statistics import memorised

REFERENCES = pl.DataFrame({"prompt_id": ["p", "q"], "reference": ["the cat sat on the mat", "rain falls on the plain"]})


def answers(*rows):
    return pl.DataFrame(rows, schema=["generator", "prompt_id", "output"], orient="row")


def test_an_answer_learned_by_heart_scores_one_and_an_empty_one_nothing():
    found = memorised.scored(answers(("m", "p", "the cat sat on the mat"), ("m", "q", "")), REFERENCES)
    assert found.rows() == [("m", "p", pytest.approx(1), pytest.approx(1)), ("m", "q", 0, 0)]


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence():
    found = memorised.scored(answers(("m", "p", "the cat lay on a mat")), REFERENCES)
    # the cat . on . mat: four of six words in order, on both sides.
    assert found["rouge_l"][0] == pytest.approx(4 / 6)


def test_answers_to_other_prompts_are_left_out_and_their_absence_is_said():
    both = answers(("m", "p", "the cat"), ("m", "elsewhere", "the cat"))
    assert memorised.scored(both, REFERENCES)["prompt_id"].to_list() == ["p"]
    with pytest.raises(InputError, match="no answer is to a prompt of the training set"):
        memorised.scored(both.filter(pl.col("prompt_id") == "elsewhere"), REFERENCES)
