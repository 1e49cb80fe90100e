"""The inner loop of NovelSelect: sorted distances to a growing set."""

from typing import Any

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True, fastmath=True)
def insert(ascending: Any, filled: int, new: Any, weights: Any) -> Any:  # noqa: ANN401 - arrays
    """Put `new` (n,) into its place in the first `filled` entries of each row of `ascending` (n, k), in place.

    All float32. Returns (n,) float64: the sum over a row's filled + 1 entries of weight times entry, `weights` (k,) by
    rank; by runs of 128 in float32, which is fast, their sums in float64.
    """
    sums = np.empty(new.size)
    for row in prange(new.size):
        entries, value = ascending[row], new[row]
        low, high = 0, filled
        while low < high:
            middle = (low + high) // 2
            if entries[middle] > value:
                high = middle
            else:
                low = middle + 1
        for at in range(filled, low, -1):
            entries[at] = entries[at - 1]
        entries[low] = value
        total = 0.0
        for start in range(0, filled + 1, 128):
            part: Any = np.float32(0)
            for rank in range(start, min(start + 128, filled + 1)):
                part += weights[rank] * entries[rank]
            total += part
        sums[row] = total
    return sums
