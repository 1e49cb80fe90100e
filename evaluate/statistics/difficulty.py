"""How hard each prompt is for a model, from what other models won on it: what length control needs on a new prompt set.

Without it, length stands in for difficulty: on prompts that the baseline answers shortly anybody wins more often, and the
regression takes that for a love of short answers. AlpacaEval fitted its difficulties once, over all its models
(`instruction_difficulty` of alpaca_eval, metrics/glm_winrate.py); here a model's own judgements have no part in the
difficulties that it is measured with.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from . import logistic
from .intervals import Floats, Ints, codes

# Fewer models than this say little about a prompt beyond their own luck on it.
MIN_MODELS = 5
# Models are left out in so many groups, one by one where there are no more of them.
_GROUPS = 10
# The difficulties' prior: normal, of standard deviation 1 on the scale of log-odds. The result hardly depends on it.
_PRIOR = 1.0
_STEPS = 100
_CLOSE = 1e-12


class Rows(NamedTuple):
    """What models won: arrays of shape (rows,) with the numbers of model and prompt, the length term, [0, 1], weight."""

    model: Ints
    prompt: Ints
    length: Floats
    won: Floats
    weight: Floats

    def of(self, mask: np.ndarray) -> "Rows":
        """The rows where `mask` is true."""
        return Rows(*(column[mask] for column in self))


def from_others(frame: pl.DataFrame) -> pl.DataFrame | None:
    """`model`, `prompt_id`, `instruction_difficulty`: of every prompt for every model, without that model's own judgements.

    `frame` has `model`, `prompt_id`, `length` (the length term), `won` and `weight`. Higher is easier to win, 0 the
    average; a prompt that no other model was judged on has 0. Null where there are fewer than MIN_MODELS models.
    """
    names = frame["model"].unique().sort().to_list()
    if len(names) < MIN_MODELS:
        return None
    model, _ = codes(frame["model"].to_numpy())
    prompt, n_prompts = codes(frame["prompt_id"].to_numpy())
    rows = Rows(model, prompt, *(frame[name].to_numpy().astype(float) for name in ("length", "won", "weight")))
    theta, start = fit(rows, np.zeros((len(names), 2)), np.zeros(n_prompts))
    groups = np.arange(len(names)) % min(_GROUPS, len(names))
    found = {group: fit(rows.of(groups[rows.model] != group), theta, start)[1] for group in np.unique(groups)}
    prompts = frame["prompt_id"].unique().sort()
    tables = [
        pl.DataFrame({"prompt_id": prompts, "instruction_difficulty": found[groups[place]]}).with_columns(
            model=pl.lit(name)
        )
        for place, name in enumerate(names)
    ]
    return pl.concat(tables)


def fit(rows: Rows, theta: Floats, difficulty: Floats) -> tuple[Floats, Floats]:
    """Coefficients of length and level of each model (models, 2), and the difficulties (prompts,), from where to begin.

    The most probable values of logit P(won) = θ₀ · length + θ₁ + difficulty, the difficulties normal with deviation 1.
    Newton's method; the many prompts are eliminated first, as their part of the second derivatives is diagonal.
    """
    loss = _loss(rows, theta, difficulty)
    for _ in range(_STEPS):
        step, easier, gain = _newton(rows, theta, difficulty)
        if gain < _CLOSE:
            return theta, difficulty
        size = 1.0
        while (reached := _loss(rows, theta - size * step, difficulty - size * easier)) > loss + 1e-10 * (1 + loss):
            size /= 2
        theta, difficulty, loss = theta - size * step, difficulty - size * easier, reached
    raise AssertionError("Newton's method did not converge on a strictly convex function")


def _newton(rows: Rows, theta: Floats, difficulty: Floats) -> tuple[Floats, Floats, float]:
    """The step of both, and twice what it gains at first sight."""
    n, m = len(difficulty), theta.size
    p = logistic.sigmoid(_logit(rows, theta, difficulty))
    slope, bend = rows.weight * (p - rows.won), rows.weight * p * (1 - p)
    ones = np.ones(len(slope))
    terms = [(2 * rows.model, rows.length), (2 * rows.model + 1, ones)]
    down = sum(np.bincount(at, slope * x, m) for at, x in terms) + logistic.RIDGE * theta.ravel()
    down_prompt = np.bincount(rows.prompt, slope, n) + _PRIOR * difficulty
    own = np.bincount(rows.prompt, bend, n) + _PRIOR
    both = np.zeros((m, m)) + logistic.RIDGE * np.eye(m)
    mixed = np.zeros(m * n)
    for at, x in terms:
        mixed += np.bincount(at * n + rows.prompt, bend * x, m * n)
        for other, z in terms:
            both += np.bincount(at * m + other, bend * x * z, m * m).reshape(m, m)
    cross = mixed.reshape(m, n)
    step = np.asarray(np.linalg.solve(both - (cross / own) @ cross.T, down - cross @ (down_prompt / own)))
    easier = np.asarray((down_prompt - cross.T @ step) / own)
    return step.reshape(theta.shape), easier, float(down @ step + down_prompt @ easier)


def _logit(rows: Rows, theta: Floats, difficulty: Floats) -> Floats:
    return np.asarray(theta[rows.model, 0] * rows.length + theta[rows.model, 1] + difficulty[rows.prompt])


def _loss(rows: Rows, theta: Floats, difficulty: Floats) -> float:
    z = _logit(rows, theta, difficulty)
    prior = logistic.RIDGE * (theta**2).sum() + _PRIOR * (difficulty**2).sum()
    return float(rows.weight @ (np.logaddexp(0, z) - rows.won * z) + prior / 2)
