"""Style control: Bradley–Terry with the style of the two answers beside their models, as the Arena fits it.

logit P(a preferred) = θa - θb + Σ βk xk, with xk = (ka - kb) / (ka + kb + 1) for a count k of each answer (tokens, headers,
list items, bold spans), divided by its root mean square over the votes. The Arena (FastChat, rating_systems.py) also
subtracts the mean, which makes the result depend on which answer is called a; that is left out here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.errors import InputError, did_you_mean

from . import bradley_terry as strengths
from .intervals import Floats, Ints, percentiles, resamples
from .rating import MEAN, POINTS, ROUNDS, Ratings, notes_of, tabulate
from .votes import Coded, code, counts

# The coefficients' prior is normal with this standard deviation: far wider than any real effect on features of unit size, it
# only keeps finite what a feature that separates all votes would send to infinity.
PRIOR_SD = 10.0

_TOLERANCE = 1e-7
_ITERATIONS = 200


class Controlled(NamedTuple):
    """`ratings`: what the models are worth at equal style. `coefficients`: `feature`, `coefficient` (log odds for a
    difference of one root mean square), `low`, `high` (null without intervals).
    """

    ratings: Ratings
    coefficients: pl.DataFrame


class _Fit(NamedTuple):
    theta: Floats
    beta: Floats
    with_prior: bool


def style_control(
    votes: pl.DataFrame,
    features: Sequence[str] | None = None,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = 0.95,
    anchor: tuple[str, float] | None = None,
) -> Controlled:
    """Ratings at equal style, and what each feature of style is worth; a tie counts as half a win.

    `votes`: schema VOTE with `style_a`, `style_b`, structs of counts; `features`: fields of these (all of them). Parameters as
    `rating.bradley_terry`. Raises InputError where counts are missing or a feature never differs.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    coded = code(votes)
    names, x = _differences(votes, features)
    wins = counts(coded, ties=False)[0]
    group = strengths.groups(wins)
    # Small systems: see bradley_terry.fit.
    with threadpool_limits(1, user_api="blas"):
        full = _fit(coded, x, coded.weight, group, None)
        fits = [
            _fit(coded, x, coded.weight * times[coded.cluster], group, full)
            for block in resamples(coded.clusters, rounds if coded.clusters > 1 else 0, seed)
            for times in block
        ]
    samples = np.stack([fit.theta for fit in fits]) if fits else np.empty((0, len(coded.models)))
    unsure = sum(fit.with_prior for fit in fits)
    table, order = tabulate(coded, wins, group, full.theta, samples, level, anchor)
    notes = notes_of(coded, wins, group, rounds, unsure, full.with_prior)
    low, high = percentiles(np.array([fit.beta for fit in fits]).reshape(-1, len(names)), level)
    coefficients = pl.DataFrame({"feature": names, "coefficient": full.beta, "low": low, "high": high})
    ratings = Ratings(table, MEAN + POINTS * samples[:, order], None, notes)
    return Controlled(ratings, coefficients.with_columns(pl.col("low", "high").fill_nan(None)))


def _differences(votes: pl.DataFrame, features: Sequence[str] | None) -> tuple[list[str], Floats]:
    """The names of the features and their normalised differences, shape (votes, features)."""
    absent = [name for name in ("style_a", "style_b") if name not in votes.columns]
    if absent:
        raise InputError(f"style control: the votes have no column {', '.join(absent)} with counts of each answer")
    known = [field.name for field in votes.schema["style_a"].fields]  # type: ignore[attr-defined]
    names = list(features) if features is not None else known
    for name in names:
        if name not in known:
            raise InputError(f"style control: {name} is not a feature of the votes. {did_you_mean(name, known)}")
    a, b = (
        votes.select(pl.col(side).struct.field(name).cast(pl.Float64).alias(name) for name in names)
        for side in ("style_a", "style_b")
    )
    missing = sum(pl.concat([a, b]).null_count().row(0))
    if missing:
        raise InputError(
            f"style control: {missing:,} counts of style are missing; leave those votes out, or count them"
        )
    one, other = a.to_numpy(), b.to_numpy()
    x = (one - other) / (one + other + 1)
    size = np.sqrt((x**2).mean(axis=0))
    if (size == 0).any():
        flat = ", ".join(name for name, value in zip(names, size, strict=True) if value == 0)
        raise InputError(f"style control: {flat} is equal in both answers of every vote; leave it out")
    return names, x / size


def _fit(coded: Coded, x: Floats, weight: Floats, group: Ints, start: _Fit | None) -> _Fit:
    """The most likely strengths (models,) and coefficients (features,), the latter under their prior."""
    n, k = len(coded.models), x.shape[1]
    pair = coded.a * n + coded.b
    won = np.bincount(pair, weight * coded.score, n * n).reshape(n, n)
    lost = np.bincount(pair, weight * (1 - coded.score), n * n).reshape(n, n)
    loose = strengths.loose_groups(np.asarray(won + lost.T, np.float64), np.zeros((n, n)), group)[group]
    joined = ((group[:, None] == group) & ~loose[:, None]).astype(np.float64)
    prior = np.where(loose, strengths.PRIOR_VOTES, 0.0)
    theta, beta = (start.theta, start.beta) if start else (np.zeros(n), np.zeros(k))
    for _ in range(_ITERATIONS):
        expected = _logistic(theta[coded.a] - theta[coded.b] + x @ beta)
        residual, spread = weight * (coded.score - expected), weight * expected * (1 - expected)
        against_average = _logistic(theta)
        gradient = np.concatenate([_net(coded, residual, n), x.T @ residual - beta / PRIOR_SD**2])
        gradient[:n] += prior * (0.5 - against_average)
        pairs = np.bincount(pair, spread, n * n).reshape(n, n)
        pairs += pairs.T
        curvature = np.zeros((n + k, n + k))
        curvature[:n, :n] = joined - pairs
        curvature[np.arange(n), np.arange(n)] += pairs.sum(axis=1) + prior * against_average * (1 - against_average)
        mixed = np.stack([_net(coded, spread * column, n) for column in x.T], axis=1)
        curvature[:n, n:], curvature[n:, :n] = mixed, mixed.T
        curvature[n:, n:] = x.T @ (spread[:, None] * x) + np.eye(k) / PRIOR_SD**2
        change = np.linalg.solve(curvature, gradient)
        effect = change[coded.a] - change[coded.b] + x @ change[n:]
        size = max(float(np.abs(effect).max()), float(np.abs(change).max()))
        step = np.log1p(size) / size if size > 0 else 1.0
        theta, beta = theta + step * change[:n], beta + step * change[n:]
        if size < _TOLERANCE:
            means = np.bincount(group, theta) / np.bincount(group)
            return _Fit(theta - means[group], beta, bool(loose.any()))
    raise AssertionError(f"no convergence after {_ITERATIONS} steps")


def _net(coded: Coded, values: Floats, n: int) -> Floats:
    return np.asarray(np.bincount(coded.a, values, n) - np.bincount(coded.b, values, n))


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
