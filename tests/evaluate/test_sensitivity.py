import numpy as np
import polars as pl
import pytest

from curate.errors import InputError
from evaluate.record import judgements
from evaluate.statistics.sensitivity import sensitivity


def judged(wins):
    """Judgements from {(judge, a, b): share of 40 prompts that a wins}."""
    rows = []
    for (judge, a, b), share in wins.items():
        rows += [(f"p{i}", a, b, "a" if i < share * 40 else "b", judge) for i in range(40)]
    table = pl.DataFrame(rows, schema=["prompt_id", "model_a", "model_b", "verdict", "judge"], orient="row")
    return judgements(table.with_columns(status=pl.lit("ok")), "rows")


def test_a_conclusion_survives_where_every_judge_confirms_it():
    # Both say best > worst. One says mild > worst for certain, the other the opposite.
    wins = {
        ("j", "best", "worst"): 0.9,
        ("j", "best", "mild"): 0.8,
        ("j", "mild", "worst"): 0.8,
        ("k", "best", "worst"): 0.9,
        ("k", "best", "mild"): 0.95,
        ("k", "mild", "worst"): 0.15,
    }
    found = sensitivity(judged(wins), rounds=60)
    by_pair = {(row["better"], row["worse"]): row for row in found.conclusions.rows(named=True)}
    best = by_pair["best", "worst"]
    assert (best["judges"], best["confirmed"], best["contradicted"], best["survives"]) == (2, 2, 0, True)
    assert by_pair["best", "mild"]["survives"]
    other = by_pair.get(("mild", "worst")) or by_pair["worst", "mild"]
    assert (other["confirmed"], other["contradicted"], other["survives"]) == (1, 1, False)


def test_the_order_of_judges_is_compared_by_kendalls_tau():
    wins = {(judge, a, b): 0.7 for judge in "jk" for a, b in (("x", "y"), ("y", "z"), ("x", "z"))}
    wins["k", "y", "z"] = 0.3
    row = sensitivity(judged(wins), rounds=40).order.row(0, named=True)
    # Of three pairs of models, k turns one: (2 - 1) / 3.
    assert (row["judge_a"], row["judge_b"], row["models"]) == ("j", "k", 3)
    assert row["kendall_tau"] == pytest.approx(1 / 3)
    assert row["low"] <= 1 / 3 <= row["high"]


def test_what_only_one_judge_rated_does_not_survive():
    wins = {("j", "x", "y"): 0.9, ("j", "x", "z"): 0.9, ("k", "x", "y"): 0.9}
    found = sensitivity(judged(wins), rounds=30)
    survives = {
        frozenset((row["better"], row["worse"])): (row["judges"], row["survives"])
        for row in found.conclusions.rows(named=True)
    }
    assert survives == {frozenset("xy"): (2, True), frozenset("xz"): (1, False), frozenset("yz"): (1, False)}
    assert found.order.row(0, named=True)["models"] == 2


def test_equal_judges_have_equal_ratings_and_intervals():
    wins = {(judge, a, b): 0.7 for judge in "jk" for a, b in (("x", "y"), ("y", "z"))}
    found = sensitivity(judged(wins), rounds=30)
    j, k = (found.ratings.filter(judge=judge).drop("judge") for judge in "jk")
    assert j.equals(k)
    assert np.isclose(found.order["low"].item(), 1)


def test_one_judge_is_an_error():
    with pytest.raises(InputError, match="two judges with votes are needed to compare them, found: j"):
        sensitivity(judged({("j", "x", "y"): 0.5}))
