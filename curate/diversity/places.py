"""Where chosen examples may come from, and the greedy loop that every submodular chooser shares."""

import heapq
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from curate import progress


class Places(NamedTuple):
    """How many examples may be chosen from each group: `group` (n,) holds a number per row, `capacity` (groups,) a limit.

    Quotas and strata compose with any chooser this way: a row of a full group is passed over (greedy under a partition
    matroid, at least half as good as the best set: Fisher, Nemhauser and Wolsey 1978).
    """

    group: np.ndarray
    capacity: np.ndarray

    @property
    def total(self) -> int:
        """How many examples fit: no group gives more than it has."""
        have = np.bincount(self.group, minlength=len(self.capacity))
        return int(np.minimum(have, self.capacity).sum())


class Chosen(NamedTuple):
    """`order` (k,) int64: the chosen rows, first choice first. `gain` (k,) float64: what each added when it was chosen."""

    order: np.ndarray
    gain: np.ndarray


def anywhere(n: int, k: int) -> Places:
    """`k` places for `n` rows of one group."""
    return Places(np.zeros(n, dtype=np.int64), np.array([k], dtype=np.int64))


def chosen(order: list[int], gain: list[float]) -> Chosen:
    """Lists as arrays."""
    return Chosen(np.array(order, dtype=np.int64), np.array(gain, dtype=np.float64))


def lazy_greedy(bound: np.ndarray, gain: Callable[[int], float], take: Callable[[int], bool], places: Places) -> Chosen:
    """Greedy maximisation of a submodular function: at each step the row with the largest gain, ties to the first row.

    A gain only shrinks as the set grows, so a row is looked at again only while its last known gain, at first `bound`
    (n,), is the largest (Minoux 1978): the choice is that of plain greedy. `gain(row)` is its gain now; `take(row)` adds
    it to the set and says whether to stop, which otherwise happens when all places are taken.
    """
    left, total = places.capacity.copy(), places.total
    heap = list(zip((-bound).tolist(), range(len(bound)), strict=True))
    heapq.heapify(heap)
    known_at = np.full(len(bound), -1, dtype=np.int64)
    order: list[int] = []
    gains: list[float] = []
    while len(order) < total:
        least, row = heap[0]
        if left[places.group[row]] == 0:
            heapq.heappop(heap)
        elif known_at[row] == len(order):
            heapq.heappop(heap)
            left[places.group[row]] -= 1
            order.append(row)
            gains.append(-least)
            progress.inside(len(order), total)
            if take(row):
                break
        else:
            known_at[row] = len(order)
            heapq.heapreplace(heap, (-gain(row), row))
    return chosen(order, gains)
