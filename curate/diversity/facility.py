"""Facility location: choose rows so that every row of the pool has something similar among the chosen.

The objective is the coverage of the pool, the mean over its rows of the largest cosine to a chosen row, mixed if wanted
with the mean quality of the chosen: alpha * coverage + (1 - alpha) * quality (the sum of a submodular and a modular part
as in QDIT, Bukharin and Zhao 2023). Greedy reaches at least 1 - 1/e of the best possible (Nemhauser et al. 1978, with
coverage counted from -1, the least a cosine can be).

After the first choices only few similarities exceed what is covered already, and only those can ever count: they are kept
as sparse lists, so that a candidate is weighed by hundreds of numbers and not by as many as the pool has rows.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from curate import progress
from curate.diversity.geometry import similarities
from curate.diversity.places import Chosen, Places, chosen, lazy_greedy

# Up to this many rows all similarities fit into memory (float32: 0.6 GB) and greedy is exact from the first choice on.
DENSE_ROWS = 12_000
# The first choices end when this share of the similarities is left, or fewer so that no more than KEPT_PAIRS (8 bytes
# each) are left.
KEPT_SHARE = 0.04
KEPT_PAIRS = 60_000_000
# The most similarities that are computed at all: all up to 100,000 rows.
MOST_PAIRS = 10**10
# How many are in memory at a time while they are sifted, and for the first choices of a large pool.
BLOCK_PAIRS = 25_000_000
SAMPLE_PAIRS = 100_000_000


class Objective(NamedTuple):
    """What a row is worth: `weight` times what it adds to the coverage, plus `bonus` (n,) for its quality."""

    weight: float
    bonus: np.ndarray


def facility_location(
    vectors: np.ndarray, places: Places, *, quality: np.ndarray | None = None, alpha: float = 1.0, seed: int = 1
) -> Chosen:
    """The rows that greedy facility location chooses from `vectors` (n, d), float32 unit rows, in its order.

    The gains sum to the objective: the first is that of its row alone. `quality` (n,) in [0, 1] counts with weight
    1 - `alpha`. Up to DENSE_ROWS rows this is exact greedy. Above, the first choices (a few dozen) are made for a seeded
    sample of the pool and all others exactly; above 100,000 rows the pool that is covered is itself a seeded sample of
    MOST_PAIRS / n rows.
    """
    n, k = len(vectors), places.total
    if k == 0:
        return chosen([], [])
    bonus = np.zeros(n) if quality is None else (1 - alpha) / k * np.asarray(quality, dtype=np.float64)
    objective = Objective(alpha if quality is not None else 1.0, bonus)
    shuffled = np.random.default_rng(seed).permutation(n)
    pool = vectors if n * n <= MOST_PAIRS else vectors[np.sort(shuffled[: MOST_PAIRS // n])]
    allowed = min(KEPT_SHARE, KEPT_PAIRS / (n * len(pool)))
    if n <= DENSE_ROWS:
        similar = similarities(vectors, vectors)
        watched = similar[:, shuffled[:128]]
        first, best = _dense(similar, objective, places, watched, allowed)
        return _sparse([similar], first, best, objective, places)
    width = min(2048, SAMPLE_PAIRS // n)
    # Whether few similarities are left is read off rows of the pool that the first choices do not try to cover.
    watched = similarities(vectors, vectors[shuffled[width : width + 128]])
    first, _ = _dense(similarities(vectors, vectors[shuffled[:width]]), objective, places, watched, allowed)
    first, best = _weighed(similarities(vectors[first.order], pool), first.order, objective)
    rows = max(BLOCK_PAIRS // len(pool), 1)
    return _sparse(_blocks(vectors, pool, rows), first, best, objective, places)


def covering(vectors: np.ndarray, candidates: np.ndarray) -> Chosen:
    """All rows `candidates` in the order in which greedy facility location takes them to cover `vectors` (n, d).

    `order` counts among `candidates`. Of a pool too large for memory, evenly spaced rows are covered.
    """
    if not len(candidates):
        return chosen([], [])
    pool = vectors[:: -(-len(candidates) * len(vectors) // (2 * SAMPLE_PAIRS))]
    similar = similarities(vectors[candidates], pool)
    places = Places(np.zeros(len(candidates), dtype=np.int64), np.array([len(candidates)]))
    return _dense(similar, Objective(1.0, np.zeros(len(candidates))), places, similar[:, :0], 0.0)[0]


def _dense(
    similar: np.ndarray, objective: Objective, places: Places, watched: np.ndarray, allowed: float
) -> tuple[Chosen, np.ndarray]:
    """Exact greedy on `similar` (candidates, pool), and what covers the pool then.

    Stops when at most the share `allowed` of the similarities `watched` (candidates, w) exceed what covers their column.
    """
    weight, size = objective.weight / similar.shape[1], similar.shape[1]
    best = np.full(size, -1, dtype=np.float32)
    seen = np.full(watched.shape[1], -1, dtype=np.float32)

    def gain(row: int) -> float:
        return float(weight * _gain(similar[row], best) + objective.bonus[row])

    def take(row: int) -> bool:
        np.maximum(best, similar[row], out=best)
        np.maximum(seen, watched[row], out=seen)
        return bool(watched.size and np.count_nonzero(watched > seen) <= allowed * watched.size)

    # Over nothing, a row gains the sum of s + 1.
    bound = weight * (similar.sum(axis=1, dtype=np.float64) + size) + objective.bonus
    found = lazy_greedy(bound, gain, take, places)
    found.gain[:1] -= objective.weight
    return found, best


def _weighed(similar: np.ndarray, order: np.ndarray, objective: Objective) -> tuple[Chosen, np.ndarray]:
    """The gains of the rows `order`, whose similarities to the pool are `similar`, and what covers the pool after them."""
    best = np.full(similar.shape[1], -1, dtype=np.float32)
    gains = []
    for row, to_pool in zip(order.tolist(), similar, strict=True):
        gains.append(objective.weight * _gain(to_pool, best) / len(best) + float(objective.bonus[row]))
        np.maximum(best, to_pool, out=best)
    gains[0] -= objective.weight
    return chosen(order.tolist(), gains), best


def _sparse(
    blocks: Iterator[np.ndarray] | list[np.ndarray],
    first: Chosen,
    best: np.ndarray,
    objective: Objective,
    places: Places,
) -> Chosen:
    """Exact greedy from where `first` has come, with the similarities in `blocks` of candidates that exceed `best`."""
    left = places.capacity - np.bincount(places.group[first.order], minlength=len(places.capacity))
    group = places.group.copy()
    # A group without places for those that are chosen already.
    group[first.order] = len(left)
    rest = Places(group, np.append(left, 0))
    if not rest.total:
        return first
    start, column, similar = _sift(blocks, best, len(group))
    weight = objective.weight / len(best)

    def gain(row: int) -> float:
        return weight * _sparse_gain(start, column, similar, row, best) + float(objective.bonus[row])

    def take(row: int) -> bool:
        _sparse_take(start, column, similar, row, best)
        return False

    bound = weight * _sparse_gains(start, column, similar, best) + objective.bonus
    then = lazy_greedy(bound, gain, take, rest)
    return Chosen(np.concatenate([first.order, then.order]), np.concatenate([first.gain, then.gain]))


def _blocks(vectors: np.ndarray, pool: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """`similarities(vectors, pool)`, some rows at a time, each in the memory of the one before."""
    memory = np.empty((rows, len(pool)), dtype=np.float32)
    other = pool.copy().T
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows]
        yield np.matmul(block, other, out=memory[: len(block)])


def _sift(
    blocks: Iterator[np.ndarray] | list[np.ndarray], best: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The similarities that exceed `best`, row after row: where each row starts (n + 1,), their columns and values."""
    counts: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    done, workers = 0, os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as threads:
        for block in blocks:
            parts = np.array_split(block, workers)
            for count, column, value in threads.map(_sift_rows, parts, repeat(best)):
                counts.append(count)
                columns.append(column)
                values.append(value)
            done += len(block)
            progress.inside(done, n)
    start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    column = np.concatenate(columns)
    columns.clear()
    return start, column, np.concatenate(values)


def _sift_rows(block: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Room for all; the system hands out only the pages that are written to.
    column, value = np.empty(block.size + 1, dtype=np.int32), np.empty(block.size + 1, dtype=np.float32)
    counts = np.empty(len(block), dtype=np.int64)
    total = _fill(block, best, column, value, counts)
    return counts, column[:total].copy(), value[:total].copy()


@njit(cache=True, nogil=True, fastmath=True)
def _gain(similar: Any, best: Any) -> float:  # noqa: ANN401 - arrays, (m,) float32
    """Sum of max(0, similar - best): by runs of 512 in float32, which is fast, their sums in float64."""
    total = 0.0
    for start in range(0, similar.size, 512):
        part: Any = np.float32(0)
        for i in range(start, min(start + 512, similar.size)):
            part += max(similar[i] - best[i], np.float32(0))
        total += part
    return total


@njit(cache=True, nogil=True)
def _fill(block: Any, best: Any, column: Any, value: Any, counts: Any) -> int:  # noqa: ANN401 - arrays
    at = 0
    for row in range(block.shape[0]):
        before = at
        for i in range(best.size):
            # Written always and kept only if it counts: cheaper than a branch that is guessed wrong.
            column[at] = i
            value[at] = block[row, i]
            at += block[row, i] > best[i]
        counts[row] = at - before
    return at


@njit(cache=True, nogil=True)
def _sparse_gain(start: Any, column: Any, similar: Any, row: int, best: Any) -> float:  # noqa: ANN401 - arrays
    total = 0.0
    for at in range(start[row], start[row + 1]):
        total += max(similar[at] - best[column[at]], np.float32(0))
    return total


@njit(cache=True, nogil=True)
def _sparse_gains(start: Any, column: Any, similar: Any, best: Any) -> Any:  # noqa: ANN401 - arrays
    gains = np.empty(start.size - 1)
    for row in range(gains.size):
        gains[row] = _sparse_gain(start, column, similar, row, best)
    return gains


@njit(cache=True, nogil=True)
def _sparse_take(start: Any, column: Any, similar: Any, row: int, best: Any) -> None:  # noqa: ANN401 - arrays
    for at in range(start[row], start[row + 1]):
        best[column[at]] = max(best[column[at]], similar[at])
