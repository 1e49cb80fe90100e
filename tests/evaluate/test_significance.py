import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curate.errors import InputError
from evaluate.statistics import significance


def scores(rows):
    return pl.DataFrame(rows, schema=["prompt_id", "model", "score"], orient="row")


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_prompts():
    # By hand: P(at most 1 of 6 heads), twice: 2 (1 + 6) / 64.
    assert significance.mcnemar(1, 5) == pytest.approx(14 / 64)
    assert significance.mcnemar(5, 1) == pytest.approx(14 / 64)
    assert significance.mcnemar(0, 0) == 1


def test_holm_multiplies_by_how_many_are_left_and_never_falls():
    # Holm (1979), by hand: 0.01 x 4, 0.03 x 3, then 0.02 x ... in rising order.
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(significance.holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_raises_every_p_and_keeps_their_order(p):
    adjusted = significance.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()


def test_wilcoxon_by_hand():
    # Ranks 1..5, all positive: one of the 2^5 signs is as extreme on either side.
    assert significance.wilcoxon([1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    assert significance.wilcoxon([0, 0, 0]) == 1
    # Three of 0 take the first ranks, 4 to 7 remain, the 7 positive: five of 16 sets of ranks sum to at most 7.
    assert significance.wilcoxon([0, 0, 0, -1, -2, -3, 4]) == pytest.approx(2 * 5 / 16)


def test_the_detectable_difference_is_found_with_the_power_that_was_asked_for():
    # 2.8016 = 1.9600 + 0.8416.
    assert significance.detectable_difference(100, 0.5) == pytest.approx(2.8016 * 0.05, abs=1e-5)
    difference = significance.detectable_difference(200, 1.0)
    samples = np.random.default_rng(0).normal(difference, 1, (2000, 200))
    found = np.abs(stats.ttest_1samp(samples, 0, axis=1).statistic) > stats.t.ppf(0.975, 199)
    assert 0.77 < found.mean() < 0.83


def test_a_comparison_counts_prompts_not_samples():
    rows = [("p", "x", 1.0), ("p", "x", 0.0), ("p", "y", 0.25), ("q", "x", 1.0), ("q", "y", 0.5), ("r", "x", 0.0)]
    rows += [("q", "y", None), ("s", "x", 0.5), ("s", "y", 0.5)]
    row = significance.compare(scores(rows), rounds=200).row(0, named=True)
    assert (row["model_a"], row["model_b"], row["prompts"]) == ("x", "y", 3)
    assert (row["a_better"], row["b_better"]) == (2, 0)
    assert row["difference"] == pytest.approx((0.25 + 0.5 + 0) / 3)
    assert row["p_mcnemar"] == pytest.approx(0.5)
    assert row["low"] >= 0


def test_a_difference_of_every_prompt_is_found_and_none_is_not():
    random = np.random.default_rng(1)
    rows = []
    for i in range(60):
        base = random.random()
        rows += [(f"p{i}", "x", base), (f"p{i}", "y", base + 0.1 + 0.1 * random.random())]
        rows.append((f"p{i}", "z", base + 0.2 * (random.random() - 0.5)))
    found = significance.compare(scores(rows))
    by_pair = {(row["model_a"], row["model_b"]): row for row in found.rows(named=True)}
    assert by_pair["x", "y"]["high"] < 0
    assert by_pair["x", "y"]["p_bootstrap"] == pytest.approx(2 / 2001)
    assert by_pair["x", "y"]["p_bootstrap_holm"] == pytest.approx(6 / 2001)
    assert by_pair["x", "y"]["p_mcnemar"] == pytest.approx(2 * 0.5**60)
    assert by_pair["x", "z"]["p_bootstrap"] > 0.05
    assert by_pair["x", "z"]["p_wilcoxon"] > 0.05
    assert by_pair["x", "y"]["detectable"] < 0.02


def test_the_paired_bootstrap_is_that_of_scipy():
    differences = np.random.default_rng(2).normal(0.2, 1, 80)
    found, p = significance.paired_bootstrap(differences, rounds=5000)
    expected = stats.bootstrap(
        (differences,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    )
    assert found.value == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.03)


def test_one_shared_prompt_has_no_interval_and_none_is_an_error():
    row = significance.compare(scores([("p", "x", 1.0), ("p", "y", 0.0)]), rounds=50).row(0, named=True)
    assert row["low"] is None
    assert row["detectable"] is None
    assert row["p_bootstrap"] == 1
    with pytest.raises(InputError, match="no two models have scores on one prompt"):
        significance.compare(scores([("p", "x", 1.0), ("q", "y", 0.0)]))


def test_under_no_difference_few_tests_err():
    random = np.random.default_rng(3)
    errors = 0
    for i in range(200):
        wins = random.choice([-1.0, 0.0, 1.0], 60)
        errors += significance.paired_bootstrap(wins, rounds=300, seed=i)[1] < 0.05
    assert errors / 200 < 0.1


def test_head_to_head_counts_prompts_by_their_majority():
    rows = [
        ("p", "x", "y", 1.0),
        ("p", "y", "x", 0.0),
        ("q", "x", "y", 1.0),
        ("q", "y", "x", 1.0),
        ("r", "y", "x", 1.0),
    ]
    rows += [(None, "x", "y", 1.0), (None, "x", "y", 1.0), ("p", "x", "z", 0.0)]
    frame = pl.DataFrame(rows, schema=["prompt_id", "model_a", "model_b", "score"], orient="row")
    table = significance.head_to_head(frame)
    first = table.row(0, named=True)
    # p to x, q to neither, r to y, and two votes of no prompt to x.
    assert [first[name] for name in ("model_a", "model_b", "prompts", "a_better", "b_better")] == ["x", "y", 5, 3, 1]
    assert first["win_rate_a"] == pytest.approx(3.5 / 5)
    assert first["p_sign"] == pytest.approx(10 / 16)
    assert first["p_sign_holm"] == 1
    assert table.row(1, named=True)["low"] is None
