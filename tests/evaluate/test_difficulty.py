import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from evaluate.statistics import difficulty


def wins(models, prompts, won, seed=0):
    random = np.random.default_rng(seed)
    rows = [(f"m{m}", f"p{p}", won(m, p), random.normal(), 1.0) for m in range(models) for p in range(prompts)]
    return pl.DataFrame(rows, schema=["model", "prompt_id", "won", "length", "weight"], orient="row")


def test_the_fit_is_the_most_probable_one():
    random = np.random.default_rng(1)
    n_models, n_prompts = 3, 4
    model, prompt = (each.ravel() for each in np.indices((n_models, n_prompts)))
    length, won, weight = random.normal(size=12), random.uniform(0.2, 0.8, size=12), random.uniform(0.5, 2, size=12)
    rows = difficulty.Rows(model, prompt, length, won, weight)
    theta, easier = difficulty.fit(rows, np.zeros((n_models, 2)), np.zeros(n_prompts))

    def less_probable(x):
        a, b, d = x[:3], x[3:6], x[6:]
        z = a[model] * length + b[model] + d[prompt]
        p = 1 / (1 + np.exp(-z))
        return -weight @ (won * np.log(p) + (1 - won) * np.log(1 - p)) + (d**2).sum() / 2

    oracle = minimize(less_probable, np.zeros(10), method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose([*theta[:, 0], *theta[:, 1], *easier], oracle, atol=1e-3)


def test_a_prompt_that_others_win_is_an_easy_one():
    table = difficulty.from_others(wins(6, 20, lambda m, p: 0.9 if p % 2 else 0.2))
    is_easy = table["prompt_id"].str.slice(1).cast(pl.Int64) % 2 == 1
    assert table.filter(is_easy)["instruction_difficulty"].min() > 0.5
    assert table.filter(~is_easy)["instruction_difficulty"].max() < -0.5


@pytest.mark.parametrize("models", [5, 12])
def test_what_a_model_won_itself_has_no_part_in_its_difficulties(models):
    one = wins(models, 6, lambda m, p: (m * p % 5) / 4)
    other = one.with_columns(won=pl.when(pl.col("model") == "m1").then(1 - pl.col("won")).otherwise("won"))
    before, after = (difficulty.from_others(frame) for frame in (one, other))
    own = pl.col("model") == "m1"
    np.testing.assert_allclose(
        before.filter(own)["instruction_difficulty"], after.filter(own)["instruction_difficulty"], atol=1e-6
    )
    changed = before["instruction_difficulty"] - after["instruction_difficulty"]
    assert changed.abs().max() > 0.1


def test_a_prompt_that_nobody_else_has_is_an_average_one():
    frame = pl.concat([wins(5, 3, lambda m, p: 0.7), wins(1, 4, lambda m, p: 0.1).filter(pl.col("prompt_id") == "p3")])
    table = difficulty.from_others(frame)
    found = dict(table.filter(pl.col("prompt_id") == "p3").select("model", "instruction_difficulty").iter_rows())
    assert found["m0"] == pytest.approx(0, abs=1e-9)
    assert found["m1"] < -0.1


def test_few_models_say_nothing_about_prompts():
    assert difficulty.from_others(wins(4, 3, lambda m, p: 0.5)) is None
    assert difficulty.from_others(wins(4, 3, lambda m, p: 0.5).clear()) is None
