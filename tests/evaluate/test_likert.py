import polars as pl
import pytest
from scipy import stats

from curate.errors import InputError
from evaluate.record import judgements
from evaluate.statistics import likert


def graded(rows):
    """Judgements of single answers from (prompt, model, sample, score or None)."""
    table = pl.DataFrame(rows, schema=["prompt_id", "model_a", "sample", "score"], orient="row", strict=False)
    status = pl.when(pl.col("score").is_null()).then(pl.lit("parse_failed")).otherwise(pl.lit("ok"))
    return judgements(table.with_columns(judge=pl.lit("j"), status=status), "rows")


def test_samples_of_a_prompt_are_one_prompt_for_the_interval():
    rows = [
        ("p", "x", 0, 4.0),
        ("p", "x", 1, 6.0),
        ("q", "x", 0, 3.0),
        ("q", "x", 1, 3.0),
        ("r", "x", 0, 1.0),
        ("r", "x", 1, 1.0),
    ]
    row = likert.grades(graded(rows)).row(0, named=True)
    expected = stats.ttest_1samp([5.0, 3.0, 1.0], 0).confidence_interval(0.95)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((3, expected.low, expected.high))
    assert (row["prompts"], row["grades"], row["failed"]) == (3, 6, 0)
    assert row["counts"] == [2, 0, 2, 1, 0, 1]
    # Deviations of the samples: √2, 0, 0.
    assert row["within"] == pytest.approx(2**0.5 / 3)


def test_a_failed_grade_is_counted_bounds_the_mean_and_is_no_grade():
    row = likert.grades(graded([("p", "x", 0, 5.0), ("q", "x", 0, 3.0), ("r", "x", 0, None)])).row(0, named=True)
    assert (row["mean"], row["grades"], row["failed"]) == (4, 2, 1)
    assert row["mean_worst"] == pytest.approx((5 + 3 + 1) / 3)
    assert row["mean_best"] == pytest.approx((5 + 3 + 6) / 3)


def test_models_stand_best_first_and_without_grades_last():
    rows = [("p", "mild", 0, 3.0), ("p", "good", 0, 5.0), ("p", "mute", 0, None)]
    table = likert.grades(graded(rows))
    assert table["model"].to_list() == ["good", "mild", "mute"]
    assert table["mean"].to_list() == [5, 3, None]
    assert table["low"].null_count() == 3


def test_a_grade_outside_the_scale_is_an_error():
    with pytest.raises(InputError, match=r"1 grades lie outside 1 to 6, the first 7.0 \(prompt p, judge j\)"):
        likert.grades(graded([("p", "x", 0, 7.0)]))
    assert likert.grades(graded([("p", "x", 0, 7.0)]), scale=(1, 10)).height == 1


def test_the_audit_of_lima_has_its_published_shares():
    # LIMA, section 4.3 (Figure 3): of 50 answers 12 % fail, 38 % pass, 50 % are excellent; 88 % follow the prompt.
    words = ["Fail"] * 6 + ["pass"] * 19 + ["excellent"] * 25
    table = likert.audit(pl.DataFrame({"prompt_id": range(50), "model": "lima", "label": words}))
    assert table["label"].to_list() == ["fail", "pass", "excellent", "pass or excellent"]
    assert table["share"].to_list() == pytest.approx([0.12, 0.38, 0.5, 0.88])
    wilson = stats.binomtest(6, 50).proportion_ci(0.95, method="wilson")
    assert table.row(0)[4:] == pytest.approx((wilson.low, wilson.high), abs=3e-3)


def test_a_word_that_is_no_label_is_an_error_and_no_label_is_left_out():
    labels = pl.DataFrame({"prompt_id": ["p", "q"], "model": "x", "label": ["pass", None]})
    assert likert.audit(labels)["answers"].to_list() == [0, 1, 0, 1]
    with pytest.raises(InputError, match=r"'excelent' is not a label\. Did you mean 'excellent'"):
        likert.audit(labels.with_columns(label=pl.lit("excelent")))


def test_an_audit_draws_the_same_prompts_for_every_model():
    answers = pl.DataFrame({"prompt_id": [f"p{i}" for i in range(20)] * 2, "generator": ["x"] * 20 + ["y"] * 20})
    drawn = likert.draw_for_audit(answers, 5, seed=1)
    assert drawn.height == 10
    assert drawn["prompt_id"].n_unique() == 5
    assert drawn.equals(likert.draw_for_audit(answers, 5, seed=1))
    assert (
        likert.draw_for_audit(answers.reverse(), 5, seed=1)
        .sort("generator", "prompt_id")
        .equals(drawn.sort("generator", "prompt_id"))
    )
    assert likert.draw_for_audit(answers, 50).height == 40
