import numpy as np
import pytest
from scipy import stats

from evaluate.statistics import intervals


def test_a_mean_of_one_value_a_prompt_has_the_usual_t_interval():
    values = [1.0, 2.0, 4.0, 5.0]
    found = intervals.clustered_mean(values, ["p", "q", "r", "s"])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found == pytest.approx((3.0, expected.low, expected.high))


def test_copies_of_a_prompts_values_do_not_narrow_its_interval():
    values, prompts = [1.0, 2.0, 4.0, 5.0], ["p", "q", "r", "s"]
    once = intervals.clustered_mean(values, prompts)
    assert intervals.clustered_mean(values * 10, prompts * 10) == pytest.approx(once)
    share = intervals.clustered_share([1, 0, 1, 1], prompts)
    assert intervals.clustered_share([1, 0, 1, 1] * 10, prompts * 10) == pytest.approx(share)


def test_a_share_of_independent_values_has_wilsons_interval():
    # 10 % of 100, with the error's factor 100/99: Wilson's interval of 10 out of 100 is 0.0552 to 0.1744.
    found = intervals.clustered_share([1] * 10 + [0] * 90, range(100))
    wilson = stats.binomtest(10, 100).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((0.1, wilson.low, wilson.high), abs=1e-3)
    assert wilson.low == pytest.approx(0.0552, abs=1e-4)


def test_a_share_of_all_still_has_an_interval_of_some_width():
    assert intervals.clustered_share([1.0] * 8, [1, 1, 2, 2, 3, 3, 4, 4]) == pytest.approx((1, 0.5101, 1), abs=1e-4)
    assert intervals.clustered_share([0.0] * 4, [1, 2, 3, 4]) == pytest.approx((0, 0, 0.4899), abs=1e-4)


@pytest.mark.parametrize("function", [intervals.clustered_mean, intervals.clustered_share])
def test_one_prompt_and_no_prompt_have_no_interval(function):
    one = function([1.0, 0.0], ["p", "p"])
    assert one.value == 0.5
    assert np.isnan([one.low, one.high]).all()
    assert np.isnan(function([], [])).all()


def test_resamples_do_not_depend_on_the_size_of_blocks():
    whole = np.concatenate([*intervals.resamples(5, 6, seed=3)])
    parts = [*intervals.resamples(5, 6, seed=3, width=10_000_000)]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert (np.concatenate(parts) == whole).all()
    assert (whole.sum(axis=1) == 5).all()


def test_the_interval_of_a_mean_covers_what_it_should():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        prompts = np.repeat(np.arange(30), 5)
        values = random.normal(size=30)[prompts] + random.normal(size=150)
        _, low, high = intervals.clustered_mean(values, prompts)
        hits += low < 0 < high
    assert 0.92 < hits / 400 < 0.98
