"""For sets too large to compare every pair: cells of similar rows, and in how many of them a row has to look for its twins.

Spherical k-means with about the square root of n cells, as SemDeDup (Abbas et al. 2023, section 3) and faiss' IVF indexes
use. How many cells a row searches is not a setting: it is the number that finds RECALL of the twins of some sampled rows,
and the recall that is stated is measured on other sampled rows, whose twins are found exactly. This module loads torch.
"""

from concurrent.futures import ThreadPoolExecutor
from math import isqrt

import numpy as np
import torch
from scipy import sparse

from curate.duplicates import products
from curate.duplicates.products import Codes

RECALL = 0.99
# Rows whose twins are found exactly, to choose by and again as many to measure; cells where none of them has a twin.
SAMPLE, WITHOUT_TWINS = 2_000, 16
# k-means learns from so many rows a cell, so many times over.
ROWS_PER_CELL, ROUNDS = 64, 10
SEED = 0
CHUNK = 2_048


def searched(codes: Codes, threshold: float, pool: ThreadPoolExecutor) -> tuple[np.ndarray, float]:
    """The cells in which each row looks for twins, (n, p) int32, its own first; the recall of that.

    Recall: of the rows with a cosine of `threshold` or more to a sampled row, the share whose own cell is among those the
    sampled row searches, on average over the sampled rows that have any; NaN where none has. `codes.row` is 0…n-1.
    """
    n = len(codes.row)
    random = np.random.default_rng(SEED)
    centres = _centres(codes.exact, isqrt(n), random, pool)
    own = _closest(codes.exact, centres, 1, pool)[:, 0]
    sample = random.permutation(n)[: 2 * SAMPLE]
    to_choose, to_measure = (np.sort(half) for half in np.array_split(sample, 2))
    enough = np.flatnonzero(_shares(codes, to_choose, own, centres, threshold, pool) >= RECALL)
    p = int(enough[0]) + 1 if len(enough) else min(WITHOUT_TWINS, len(centres))
    recall = _shares(codes, to_measure, own, centres, threshold, pool)[p - 1]
    return _closest(codes.exact, centres, p, pool), float(recall)


def _centres(vectors: np.ndarray, k: int, random: np.random.Generator, pool: ThreadPoolExecutor) -> np.ndarray:
    """(at most k, d) float32, rows of length 1: spherical k-means from k of the rows, on a sample."""
    sample = vectors[np.sort(random.permutation(len(vectors))[: k * ROWS_PER_CELL])]
    # Of equal rows one: twins would scatter over cells with equal centres.
    centres = np.unique(sample[random.permutation(len(sample))[:k]], axis=0)
    for _ in range(ROUNDS):
        cell = _closest(sample, centres, 1, pool)[:, 0]
        # Row by row in their order: a sum of floats depends on it.
        members = sparse.csr_matrix(
            (np.ones(len(cell), np.float32), (cell, np.arange(len(cell)))), (len(centres), len(cell))
        )
        sums = members @ sample
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        # An empty cell, or one whose rows cancel out, keeps its centre.
        centres = np.where(length > 1e-6, sums / np.maximum(length, 1e-6), centres).astype(np.float32)
    return centres


def _closest(vectors: np.ndarray, centres: np.ndarray, p: int, pool: ThreadPoolExecutor) -> np.ndarray:
    """The p cells nearest to each row, nearest first: (n, p) int32."""
    cells = np.empty((len(vectors), p), dtype=np.int32)
    across = torch.from_numpy(np.ascontiguousarray(centres.T))

    def chunk(start: int) -> None:
        product = products.tensor(vectors[start : start + CHUNK]) @ across
        cells[start : start + CHUNK] = product.topk(p, dim=1).indices.numpy()

    for _ in products.in_order(pool, chunk, range(0, len(vectors), CHUNK)):
        pass
    return cells


def _shares(
    codes: Codes, rows: np.ndarray, own: np.ndarray, centres: np.ndarray, threshold: float, pool: ThreadPoolExecutor
) -> np.ndarray:
    """What share of their twins the given rows find in the nearest 1, 2, … k cells: (k,), rising to 1."""
    k = len(centres)
    nearness = np.argsort(_closest(codes.exact[rows], centres, k, pool), axis=1)

    def few(start: int) -> tuple[np.ndarray, int]:
        some = rows[start : start + 32]
        found = products.above(codes.take(some), codes, threshold)
        left = found.left[some[found.left] != found.right]
        right = found.right[some[found.left] != found.right]
        twins = np.bincount(left, minlength=len(some))
        rank = nearness[start + left, own[right]]
        return np.bincount(rank, 1 / twins[left], minlength=k), int(np.count_nonzero(twins))

    parts = list(products.in_order(pool, few, range(0, len(rows), 32)))
    with_twins = sum(count for _, count in parts)
    if not with_twins:
        return np.full(k, np.nan)
    # Rounded: the parts of a row that finds all its twins add up to 1.
    return np.round(np.cumsum(np.sum([share for share, _ in parts], axis=0)) / with_twins, 9)
