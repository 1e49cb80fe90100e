"""Coefficients of agreement, as functions of tables of labels: arrays (rounds, labels, labels), results (rounds,).

A *table* of two raters counts how often the one said c and the other k. *Pairable values*, of any number of raters, count
every ordered pair of two raters' labels c, k on one item by 1 / (m - 1), m the item's labels (Krippendorff's coincidences);
they are symmetric and sum to the number of labels on items that have two or more. What a table does not determine is nan.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def raw(table: Floats) -> Floats:
    """The share of pairs of labels that are equal."""
    return ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2)))


def tie_discounted(table: Floats, tie: int) -> Floats:
    """LIMA's tie-discounted accuracy: equal labels count 1, a tie against a winner ½, two winners 0 (Zhou et al. 2023, section 4.1)."""
    credit = np.eye(table.shape[1])
    credit[tie, :] = credit[:, tie] = 0.5
    credit[tie, tie] = 1
    return ratio((table * credit).sum(axis=(1, 2)), table.sum(axis=(1, 2)))


def cohen_kappa(table: Floats, distance: Floats | None = None) -> Floats:
    """Cohen's κ (1960), rows one rater and columns the other; with distances between labels, weighted κ (1968)."""
    apart = 1 - np.eye(table.shape[1]) if distance is None else distance
    expected = _outer(table.sum(axis=2), table.sum(axis=1))
    observed = (table * apart).sum(axis=(1, 2)) * table.sum(axis=(1, 2))
    return 1 - ratio(observed, (expected * apart).sum(axis=(1, 2)))


def gwet_ac1(table: Floats) -> Floats:
    """Gwet's AC1 (2008, British Journal of Mathematical and Statistical Psychology 61): chance is Σ p (1 - p) / (labels - 1).

    It does not collapse, as κ does, where one label is rare.
    """
    total = table.sum(axis=(1, 2))
    share = ratio((table.sum(axis=1) + table.sum(axis=2)) / 2, total[:, None])
    chance = ratio((share * (1 - share)).sum(axis=1), np.full(len(table), table.shape[1] - 1.0))
    return ratio(raw(table) - chance, 1 - chance)


def fleiss_kappa(pairable: Floats) -> Floats:
    """Fleiss' κ (1971, Psychological Bulletin 76(5)) from pairable values, each item rated equally often; see the head of this file."""
    share = ratio(pairable.sum(axis=2), pairable.sum(axis=(1, 2))[:, None])
    chance = (share**2).sum(axis=1)
    return ratio(raw(pairable) - chance, 1 - chance)


def krippendorff_alpha(pairable: Floats, values: Floats | None = None, *, ordinal: bool = False) -> Floats:
    """Krippendorff's α from pairable values (2011, "Computing Krippendorff's Alpha-Reliability"); see the head of this file.

    Nominal without `values`; with the labels' numbers (sorted), squared differences (interval), or of ranks (`ordinal`).
    """
    n = pairable.sum(axis=2)
    apart: Floats = 1 - np.eye(pairable.shape[1])[None]
    if ordinal:
        # The ranks from c to k, half of both ends: a difference of running totals, each label's own counted by half.
        middle = n.cumsum(axis=1) - n / 2
        apart = (middle[:, :, None] - middle[:, None, :]) ** 2
    elif values is not None:
        apart = (values[:, None] - values)[None] ** 2
    expected = (_outer(n, n) * apart).sum(axis=(1, 2))
    return 1 - ratio((pairable * apart).sum(axis=(1, 2)) * (n.sum(axis=1) - 1), expected)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Top / bottom, nan where bottom is 0."""
    shape = np.broadcast_shapes(np.shape(top), np.shape(bottom))
    known = np.broadcast_to(bottom, shape) != 0
    return np.asarray(np.divide(top, bottom, out=np.full(shape, np.nan), where=known), np.float64)


def _outer(a: Floats, b: Floats) -> Floats:
    return a[:, :, None] * b[:, None, :]
