"""Correlation coefficients over models, many rounds at once: arrays (…, models), results (…,)."""

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from curate.coefficients import ratio

from .intervals import Floats

Coefficient = Callable[[Floats, Floats], Floats]

_EXACT = 8
_PERMUTATIONS = 9_999


def pearson(x: Floats, y: Floats) -> Floats:
    """Pearson's r along the last axis; nan where one of the two does not vary."""
    a, b = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    # What rounding leaves of a constant is no variation.
    for centred, given in ((a, x), (b, y)):
        centred[np.abs(centred).max(-1) <= 1e-13 * np.abs(given).max(-1)] = 0
    return ratio((a * b).sum(-1), np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))


def spearman(x: Floats, y: Floats) -> Floats:
    """Spearman's ρ: Pearson's r of ranks, equal values sharing their mean rank."""
    return pearson(ranks(x), ranks(y))


def kendall(x: Floats, y: Floats) -> Floats:
    """Kendall's τ_b: pairs in order less pairs out of it, over the geometric mean of the pairs not tied in x and in y."""
    one, other = np.triu_indices(x.shape[-1], 1)
    a, b = np.sign(x[..., one] - x[..., other]), np.sign(y[..., one] - y[..., other])
    return ratio((a * b).sum(-1), np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))


COEFFICIENTS: dict[str, Coefficient] = {
    "pearson": pearson,
    "spearman": spearman,
    "kendall": kendall,
}


def partial(x: Floats, y: Floats, given: Floats) -> Floats:
    """Pearson's r of what is left of x and y (…, models) after a linear fit on `given` (columns, models) and a constant.

    nan where `given` explains one of them wholly.
    """
    base, _ = np.linalg.qr(np.column_stack([np.ones(given.shape[1]), *given]))
    left = np.eye(given.shape[1]) - base @ base.T
    a, b = x @ left, y @ left
    for residual, whole in ((a, x), (b, y)):
        spread = np.abs(whole - whole.mean(-1, keepdims=True)).max(-1)
        residual[np.abs(residual).max(-1) <= 1e-9 * spread] = 0
    return ratio((a * b).sum(-1), np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))


def permutation_p(coefficient: Coefficient, x: Floats, y: Floats, seed: int = 1) -> float:
    """Two-sided: the share of all orders of y whose |coefficient| is at least the given one's, (models,).

    Of more than 8 models, 9,999 orders drawn at random and the given one (Phipson & Smyth 2010, so that p is never 0). It takes
    models for exchangeable, which checkpoints of one run are not: there it is too small.
    """
    found = abs(float(coefficient(x[None], y[None])[0]))
    if not math.isfinite(found):
        return math.nan
    random = np.random.default_rng(seed)
    n = len(y)
    exact = n <= _EXACT
    orders = (
        np.array(list(permutations(range(n))))
        if exact
        else np.argsort(random.random((_PERMUTATIONS, n)), axis=1, kind="stable")
    )
    size = max(1, 20_000_000 // n**2)
    beyond = sum(
        int((np.abs(coefficient(np.broadcast_to(x, part.shape), y[part])) >= found - 1e-12).sum())
        for part in (orders[start : start + size] for start in range(0, len(orders), size))
    )
    return beyond / len(orders) if exact else (beyond + 1) / (len(orders) + 1)


def t_test(value: float, freedom: int) -> float:
    """The two-sided p of a correlation by Student's t: r · sqrt(freedom / (1 - r²))."""
    from scipy import stats

    if not math.isfinite(value):
        return math.nan
    if abs(value) >= 1:
        return 0.0
    return float(2 * stats.t.sf(abs(value) * math.sqrt(freedom / (1 - value**2)), freedom))


def middle_of_chance(n: int) -> float:
    """The median of |r| of n independent normal pairs, from Student's t on n - 2 degrees of freedom."""
    from scipy import stats

    t = float(stats.t.ppf(0.75, n - 2))
    return t / math.sqrt(t**2 + n - 2)


def ranks(values: Floats) -> Floats:
    """Ranks along the last axis from 1, equal values sharing their mean rank."""
    from scipy import stats

    return np.asarray(stats.rankdata(values, axis=-1), np.float64)
