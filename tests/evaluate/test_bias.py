import polars as pl
import pytest
from scipy import stats

from curate.errors import InputError
from evaluate.record import judgements
from evaluate.statistics import bias


def judged(rows, **columns):
    """Judgements from (prompt, model a, model b, first, verdict); a verdict of None is a refusal."""
    table = pl.DataFrame(rows, schema=["prompt_id", "model_a", "model_b", "first", "verdict"], orient="row")
    status = pl.when(pl.col("verdict").is_null()).then(pl.lit("refused")).otherwise(pl.lit("ok"))
    given = {name: pl.Series(values) for name, values in columns.items()}
    return judgements(table.with_columns(**{"judge": pl.lit("j"), "status": status, **given}), "rows")


def test_both_orders_are_consistent_tied_half_tied_or_flipped():
    rows = [
        ("p", "x", "y", "a", "a"),  # x, shown first
        ("p", "x", "y", "b", "a"),  # x again
        ("q", "x", "y", "a", "a"),
        ("q", "x", "y", "b", "b"),  # the first place both times
        ("r", "x", "y", "a", "b"),
        ("r", "y", "x", "a", "b"),  # the same pair with its names exchanged: the second place both times
        ("s", "x", "y", "a", "tie"),
        ("s", "x", "y", "b", "a"),
        ("t", "x", "y", "a", "tie"),
        ("t", "x", "y", "b", "tie"),
        ("u", "x", "y", "a", "a"),  # one order only
        ("v", "x", "y", "a", "a"),
        ("v", "x", "y", "b", None),
    ]
    row = bias.position(judged(rows)).row(0, named=True)
    kinds = ("both_orders", "consistent", "tied", "half_tied", "flipped", "flipped_to_first")
    assert [row[kind] for kind in kinds] == [5, 1, 1, 1, 2, 1]
    assert row["flip_rate"] == pytest.approx(2 / 5)
    # Winners: first second, first first, second second, second, first, first: 5 of 9.
    assert row["decisive"] == 9
    assert row["first"] == pytest.approx(5 / 9)


def test_a_judge_that_only_sees_places_is_found_out():
    rows = [(f"p{i}", "x", "y", first, first) for i in range(20) for first in ("a", "b")]
    row = bias.position(judged(rows)).row(0, named=True)
    assert (row["first"], row["flip_rate"], row["flipped_to_first"]) == (1, 1, 20)
    assert row["first_low"] == pytest.approx(stats.binomtest(20, 20).proportion_ci(0.95, method="wilson").low)


def test_a_fair_judge_has_an_interval_around_a_half():
    rows = [(f"p{i}", "x", "y", first, "a" if i % 3 else "b") for i in range(30) for first in ("a", "b")]
    row = bias.position(judged(rows)).row(0, named=True)
    assert row["first"] == 0.5
    assert row["first_low"] <= 0.5 <= row["first_high"]
    assert (row["flipped"], row["consistent"]) == (0, 30)


def test_judges_stand_apart_and_one_without_orders_has_nothing():
    rows = [("p", "x", "y", "a", "a"), ("p", "x", "y", None, "b"), ("q", "x", "y", "b", "a")]
    table = bias.position(judged(rows, judge=["j", "human", "j"]))
    assert table["judge"].to_list() == ["human", "j"]
    assert table["first"].to_list() == [None, 0.5]
    assert table["flip_rate"].to_list() == [None, None]


def test_a_pair_is_one_pair_only_within_a_sample():
    rows = [("p", "x", "y", "a", "a"), ("p", "x", "y", "b", "b")]
    assert bias.position(judged(rows, sample=[0, 1]))["both_orders"].item() == 0


def test_the_longer_answer_counts_where_it_is_longer_by_more_than_thirty_characters():
    rows = [
        ("p", "x", "y", "a", "a"),
        ("q", "x", "y", "a", "b"),
        ("r", "x", "y", "a", "a"),
        ("s", "x", "y", "a", "tie"),
    ]
    outputs = {"output_a": ["m" * 31, "m" * 5, "m" * 30, "m" * 99], "output_b": ["", "é" * 40, "", ""]}
    row = bias.verbosity(judged(rows, **outputs)).row(0, named=True)
    assert (row["judge"], row["decisive"], row["longer"]) == ("j", 2, 1)
    assert 0 < row["longer_low"] < row["longer_high"] == 1
    everything = bias.verbosity(judged(rows, **outputs), longer_by=0).row(0, named=True)
    assert everything["decisive"] == 3


def test_a_judge_who_prefers_the_shorter_answer_is_below_a_half():
    rows = [(f"p{i}", "x", "y", "a", "b") for i in range(12)]
    row = bias.verbosity(judged(rows, output_a=["m" * 200] * 12, output_b=["m"] * 12)).row(0, named=True)
    assert row["longer"] == 0
    assert row["longer_high"] < 0.5


def test_without_answers_there_is_no_length():
    with pytest.raises(InputError, match="verbosity: no column output_a; join the answers"):
        bias.verbosity(judged([("p", "x", "y", "a", "a")]))
