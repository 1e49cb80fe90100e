import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluate.statistics import logistic


def test_the_fit_is_that_of_scikit_learn_on_rows_split_into_wins_and_losses():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(3)
    x = np.column_stack([random.normal(size=(40, 2)), np.ones(40)])
    y, weight = random.uniform(size=40), random.uniform(0.1, 2, size=40)
    ours = logistic.fit(x, y, weight[None], np.zeros((1, 3)))[0]
    # C = 1 / ridge, so that both have the same penalty.
    oracle = LogisticRegression(C=1 / logistic.RIDGE, fit_intercept=False, solver="newton-cholesky", tol=1e-10)
    labels = np.repeat([1, 0], 40)
    oracle.fit(np.concatenate([x, x]), labels, np.concatenate([weight * y, weight * (1 - y)]))
    np.testing.assert_allclose(ours, oracle.coef_[0], atol=1e-6)


@given(
    won=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=8),
    spread=st.integers(0, 3),
)
def test_the_fit_is_the_minimum_however_the_data_separate(won, spread):
    rows = len(won)
    x = np.column_stack([np.tanh(np.arange(rows) * spread), np.zeros(rows), np.ones(rows)])
    y, weight = np.asarray(won), np.ones((1, rows))
    beta = logistic.fit(x, y, weight, np.zeros((1, 3)))
    p = 1 / (1 + np.exp(-(x @ beta[0])))
    np.testing.assert_allclose((p - y) @ x + logistic.RIDGE * beta[0], 0, atol=1e-8)


def test_every_round_of_a_bootstrap_is_fitted_as_it_would_be_alone():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(20, 3)), random.uniform(size=20)
    weight = random.integers(0, 3, size=(4, 20)).astype(float)
    together = logistic.fit(x, y, weight, np.zeros((4, 3)))
    alone = [logistic.fit(x, y, one[None], np.ones((1, 3)))[0] for one in weight]
    np.testing.assert_allclose(together, alone, atol=1e-8)
