import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate import formats, record
from evaluate.statistics import winrate

OK = {"prompt_id": "p", "model_a": "base", "model_b": "mine", "judge": "j", "status": "ok"}
PUBLISHED = {
    # win_rate, standard_error, n_wins, n_wins_base, n_draws, discrete_win_rate, avg_length:
    # alpaca_eval, leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv.
    "alpaca-7b": (2.591450540223603, 0.4870855382635108, 17, 785, 3, 2.298136645962733, 396),
    "gemma-7b-it": (6.937294379677018, 0.7869665731853178, 50, 754, 1, 6.273291925465839, 1115),
    "gpt-3.5-turbo-1106_concise": (7.41586497762733, 0.8374438113826953, 57, 744, 4, 7.329192546583851, 431),
    "gpt4_1106_preview": (50.0, 0.0, 0, 0, 805, 50.0, 2049),
    "vicuna-7b": (4.16261116226087, 0.6135107768217068, 28, 775, 2, 3.602484472049689, 1044),
}


def judged(*rows):
    frame = pl.DataFrame([{"prompt_id": f"p{i}", **row} for i, row in enumerate(rows)], infer_schema_length=None)
    fixed = [pl.lit(value).alias(name) for name, value in OK.items() if name not in frame.columns]
    filled = [pl.col(name).fill_null(value) for name, value in OK.items() if name in frame.columns]
    return record.judgements(frame.with_columns(*fixed, *filled), "here")


def rates(*rows, **options):
    return winrate.win_rates(winrate.join_orders(judged(*rows)), "base", **options).row(0, named=True)


def test_ties_count_half_or_nothing_or_are_left_out():
    # NEFTune's human study: 88 wins and 22 draws of 140, 74.6 % with the draws left out (arXiv:2310.05914).
    row = rates(*[{"verdict": "b"}] * 88, *[{"verdict": "tie"}] * 22, *[{"verdict": "a"}] * 30)
    assert (row["n_wins"], row["n_draws"], row["n_losses"], row["n_total"]) == (88, 22, 30, 140)
    assert row["win_rate"] == pytest.approx(100 * 99 / 140)
    assert row["win_rate_ties_dropped"] == pytest.approx(100 * 88 / 118)
    assert row["win_rate_ties_lost"] == pytest.approx(100 * 88 / 140)


def test_only_ties_leave_no_rate_without_them():
    row = rates({"verdict": "tie"}, {"verdict": "tie"})
    assert (row["win_rate"], row["standard_error"], row["win_rate_ties_dropped"]) == (50.0, 0.0, None)


def test_the_standard_error_is_that_of_a_mean():
    row = rates({"probability": 0.0}, {"probability": 0.5}, {"probability": 1.0})
    # Values 100, 50, 0: standard deviation 50 with two degrees of freedom.
    assert row["standard_error"] == row["clustered_standard_error"] == pytest.approx(50 / math.sqrt(3))


def test_one_judgement_has_no_standard_error():
    row = rates({"verdict": "b"})
    assert (row["win_rate"], row["standard_error"], row["clustered_standard_error"]) == (100.0, None, None)


def test_a_repeated_prompt_is_one_unit_of_the_clustered_error():
    rows = [
        {"prompt_id": prompt, "sample": i, "verdict": v} for prompt, v in (("p", "b"), ("q", "a")) for i in range(50)
    ]
    row = rates(*rows)
    assert (row["n_total"], row["n_prompts"]) == (100, 2)
    # Two units of 100 and 0: a standard deviation of 70.7 over √2.
    assert row["clustered_standard_error"] == pytest.approx(50)
    assert row["standard_error"] == pytest.approx(50 / math.sqrt(99))


def test_a_failed_judgement_is_bounded_and_never_scored():
    row = rates({"verdict": "b"}, {"verdict": "a"}, {"status": "parse_failed"}, {"status": "api_error"})
    assert (row["n_total"], row["n_failed"], row["n_failed_judgements"]) == (2, 2, 2)
    assert (row["worst_case"], row["win_rate"], row["best_case"]) == (25.0, 50.0, 75.0)


def test_a_model_whose_judgements_all_failed_has_bounds_and_no_rate():
    row = rates({"status": "refused"})
    assert (row["n_total"], row["n_failed"], row["win_rate"]) == (0, 1, None)
    assert (row["worst_case"], row["best_case"]) == (0.0, 100.0)


def both(first, second, **more):
    """One pair shown in both orders: verdicts where a was first, and where b was."""
    ways = (("a", first), ("b", second))
    return [
        {"prompt_id": "p", "first": side, **(v if isinstance(v, dict) else {"verdict": v}), **more} for side, v in ways
    ]


@pytest.mark.parametrize(
    ("first", "second", "orders", "mean", "agree"),
    [
        ("a", "a", "consistent", 1.0, 1.0),
        ("b", "b", "consistent", 0.0, 0.0),
        ("a", "b", "inconsistent", 0.5, 0.5),
        ("b", "a", "inconsistent", 0.5, 0.5),
        ("tie", "tie", "tie", 0.5, 0.5),
        ("a", "tie", "tie", 0.75, 0.5),
        ({"probability": 0.9}, {"probability": 0.6}, "consistent", 0.75, 0.75),
        ("a", {"status": "truncated"}, None, 1.0, 1.0),
    ],
)
def test_two_orders_become_one_preference(first, second, orders, mean, agree):
    frame = judged(*both(first, second, model_a="a", model_b="b"))
    for rule, expected in (("mean", mean), ("agree", agree)):
        joined = winrate.join_orders(frame, rule)
        assert joined.schema == winrate.JOINED
        row = joined.row(0, named=True)
        assert row["orders"] == orders
        assert row["preference_a"] == pytest.approx(expected)


def test_one_failed_order_leaves_the_other_and_bounds_it():
    joined = winrate.join_orders(judged(*both("a", {"status": "truncated"}, model_a="a", model_b="b")))
    assert joined.select("preference_a", "worst_a", "best_a", "n_ok", "n_failed", "weight").row(0) == (
        1,
        0.5,
        1,
        1,
        1,
        1,
    )


def test_a_pair_with_its_models_exchanged_is_the_same_pair():
    rows = [
        {
            "prompt_id": "p",
            "model_a": "x",
            "model_b": "y",
            "first": "a",
            "verdict": "a",
            "output_a": "X",
            "output_b": "Y",
        },
        {
            "prompt_id": "p",
            "model_a": "y",
            "model_b": "x",
            "first": "a",
            "verdict": "b",
            "output_a": "Y",
            "output_b": "X",
        },
    ]
    row = winrate.join_orders(judged(*rows)).row(0, named=True)
    assert (row["model_a"], row["model_b"], row["orders"], row["preference_a"]) == ("x", "y", "consistent", 1.0)
    assert (row["output_a"], row["output_b"]) == ("X", "Y")


def test_the_two_orders_of_a_judge_are_counted():
    pairs = [("a", "a"), ("a", "b"), ("b", "a"), ("a", "b"), ("tie", "b"), ("a", {"status": "refused"})]
    pairs.append(({"status": "refused"}, {"status": "refused"}))
    rows = [{**row, "prompt_id": str(i)} for i, pair in enumerate(pairs) for row in both(*pair)]
    assert winrate.order_counts(judged(*rows)).to_dicts() == [
        {
            "judge": "j", "consistent": 1, "tie": 1, "inconsistent": 3, "first_both": 2, "second_both": 1,
            "one_order": 1, "failed": 1, "flip_rate": 60.0,
        }
    ]  # fmt: skip


def test_strong_verdicts_count_as_often_as_arena_hard_counts_them():
    # Games "A>>B" (the baseline wins strongly), "A>B" (the model wins): arena-hard's scores 0, 0, 0, 1.
    rows = both("a", "b", model_a="base", model_b="mine")
    row = rates({**rows[0], "weight": 3.0}, {**rows[1], "weight": 1.0})
    assert row["win_rate"] == pytest.approx(25.0)


def test_judgements_of_single_answers_are_no_pairs():
    single = {"model_a": "mine", "model_b": None, "score": 7.0}
    frame = record.judgements(pl.DataFrame([{**OK, **single}], schema_overrides={"model_b": pl.String}), "here")
    assert winrate.join_orders(frame).is_empty()
    assert winrate.win_rates(winrate.join_orders(frame)).is_empty()
    assert winrate.common_opponent(frame) is None


def test_the_model_in_every_pair_is_the_baseline():
    def opponent(*pairs):
        return winrate.common_opponent(judged(*[{"model_a": a, "model_b": b, "verdict": "a"} for a, b in pairs]))

    assert opponent(("base", "x"), ("y", "base"), ("base", "base")) == "base"
    assert opponent(("x", "y")) == "x"
    assert opponent(("x", "y"), ("y", "z"), ("z", "x")) is None


def test_rates_stand_by_model_and_category():
    rows = [{"verdict": "b", "category": "code"}, {"verdict": "a", "category": None}]
    table = winrate.win_rates(winrate.join_orders(judged(*rows)), by=["category"])
    assert table.select("category", "model", "win_rate").rows() == [
        ("code", "mine", 100.0), ("code", "base", 0.0), (None, "base", 100.0), (None, "mine", 0.0),
    ]  # fmt: skip


def test_a_models_answer_is_measured_once_however_often_it_was_judged():
    rows = both("a", "b", model_a="x", model_b="y", output_a="1234567890", output_b=None)
    rows += [{"prompt_id": "q", "model_a": "x", "model_b": "y", "verdict": "a", "output_a": "é\u2028", "output_b": "1"}]
    rows += [{"prompt_id": "r", "model_a": "z", "model_b": "y", "verdict": "a", "output_a": None, "output_b": "12"}]
    assert sorted(winrate.average_lengths(judged(*rows)).rows()) == [("x", 6), ("y", 1), ("z", None)]


@given(st.lists(st.tuples(st.sampled_from("abt-"), st.sampled_from("abt-")), min_size=1, max_size=12))
def test_two_models_share_what_there_is_and_bounds_hold(pairs):
    verdicts = {"a": "a", "b": "b", "t": "tie", "-": {"status": "truncated"}}
    rows = [{**row, "prompt_id": str(i)} for i, pair in enumerate(pairs) for row in both(*(verdicts[v] for v in pair))]
    joined = winrate.join_orders(judged(*rows))
    table = {row["model"]: row for row in winrate.win_rates(joined).to_dicts()}
    mine, base = table["mine"], table["base"]
    assert mine["worst_case"] + base["best_case"] == pytest.approx(100)
    if mine["win_rate"] is not None:
        assert mine["win_rate"] + base["win_rate"] == pytest.approx(100)
        assert mine["n_wins"] == base["n_losses"]
    # Whatever the failed judgements might have said, the rate lies between the bounds.
    filled = [{**row, "status": "ok", "verdict": row.get("verdict", "b")} for row in rows]
    best = {row["model"]: row for row in winrate.win_rates(winrate.join_orders(judged(*filled))).to_dicts()}
    assert best["mine"]["win_rate"] == pytest.approx(mine["best_case"])


def test_alpaca_evals_published_figures_are_reproduced(shared_data):
    folder = shared_data("evaluation/alpaca_eval")
    judgements = formats.read(sorted(folder.glob("*/*/annotations.json")))
    baseline = winrate.common_opponent(judgements)
    table = winrate.win_rates(winrate.join_orders(judgements), baseline)
    table = table.join(winrate.average_lengths(judgements), on="model")
    columns = ["win_rate", "standard_error", "n_wins", "n_losses", "n_draws", "discrete_win_rate", "avg_length"]
    ours = {row["model"]: tuple(row[name] for name in columns) for row in table.to_dicts()}
    null_model = ours.pop("example")
    assert null_model[:2] == pytest.approx((76.919792, 0.909010), abs=5e-7)
    assert ours.keys() == PUBLISHED.keys()
    for model, figures in PUBLISHED.items():
        np.testing.assert_allclose(ours[model], figures, rtol=0, atol=1e-9)
