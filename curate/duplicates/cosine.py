"""Twins by meaning: rows of embeddings whose cosine is a threshold or more, and which of them stays.

Vectors are float32 rows of length 1; a row of zeros is nobody's twin. A cosine that is compared or returned is computed in
double precision from the two rows alone and rounded to six decimals, so it is the same whatever the order of the rows and
the size of the blocks. Vectors that differ in their last digits, as a model's on another processor do, can move a pair whose
cosine is within about 1e-6 of the threshold, and no other.
"""

from typing import NamedTuple

import numpy as np


class Pairs(NamedTuple):
    """`left` and `right` (n,) int64, row numbers; `cosine` (n,) float64."""

    left: np.ndarray
    right: np.ndarray
    cosine: np.ndarray


class Representatives(NamedTuple):
    """`twin` (n,) int64: the kept row because of which each row goes, -1 where it stays; `cosine` (n,) float64: to that
    row, NaN where it stays. `recall`: 1.0 where the search was exact, else what it found of a sample's twins.
    """

    twin: np.ndarray
    cosine: np.ndarray
    recall: float


def pairs(vectors: np.ndarray, threshold: float) -> Pairs:
    """All pairs of rows left < right of `vectors` (n, d) with a cosine of `threshold` (above 0) or more, sorted.

    Exact, in time n²·d and memory n·d + pairs. Raises ValueError for rows that are neither of length 1 nor 0, and for a threshold
    that is not above 0.
    """
    from curate.duplicates import products

    _above_zero(threshold)
    with products.threads() as pool:
        return products.pairs(products.encode(vectors, pool), threshold, pool, tell=True)


def matches(a: np.ndarray, b: np.ndarray, threshold: float) -> Pairs:
    """All pairs of a row of `a` (n, d) and a row of `b` (m, d) with a cosine of `threshold` (above 0) or more, sorted.

    Every one of them, not the nearest alone (Platypus removes only the nearest training row of a test item,
    data_pipeline/data_similarity.ipynb). Raises ValueError as `pairs`.
    """
    from curate.duplicates import products

    _above_zero(threshold)
    with products.threads() as pool:
        return products.matches(products.encode(a, pool), products.encode(b, pool), threshold, pool, tell=True)


def nearest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of `b` (m, d) with the highest cosine to each row of `a` (n, d), int64, the first of equals; that cosine.

    Where `b` has no rows: -1 and NaN.
    """
    from curate.duplicates import products

    with products.threads() as pool:
        return products.nearest(a, b, pool)


def representatives(
    best_first: np.ndarray, threshold: float, *, exact_rows: int = 100_000, held: int = 0
) -> Representatives:
    """Which rows of `best_first` (n, d), the one to keep first, stay, and which kept row drops each of the others.

    In the order given, a row goes if and only if its cosine to a row that was kept before it is `threshold` (above 0) or
    more; the most similar of those is its twin, the earliest of equals. So a row that goes is itself that similar to one
    that stays: there is no chaining, unlike with connected components, and nobody goes because of one who goes himself.
    Dropped rows are never looked at again, so large groups cost little. The first `held` rows stay whatever they resemble;
    their twins are told all the same.

    Up to `exact_rows` rows the search is exact. Above, a row is compared with kept rows in the k-means cells next to it
    (as SemDeDup, Abbas et al. 2023, section 3, which looks into a row's own cell alone), as many as it takes to find 99 %
    of a sample's twins: see `curate.duplicates.cells`. Deterministic; which pairs the cells miss can differ between kinds
    of processors. Raises ValueError as `pairs`.
    """
    from curate.duplicates import cells, greedy, products

    _above_zero(threshold)
    with products.threads() as pool:
        codes = products.encode(best_first, pool)
        if len(best_first) <= exact_rows:
            twin, cosine = greedy.representatives(codes, threshold, pool, held=held, tell=True)
            return Representatives(twin, cosine, 1.0)
        searched, recall = cells.searched(codes, threshold, pool)
        twin, cosine = greedy.representatives(codes, threshold, pool, searched, held=held, tell=True)
        return Representatives(twin, cosine, recall)


def _above_zero(threshold: float) -> None:
    if not threshold > 0:
        raise ValueError(
            f"threshold {threshold}: a cosine above 0 is expected, since a row of zeros has 0 to every other"
        )
