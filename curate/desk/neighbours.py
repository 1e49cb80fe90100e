"""Which candidates are near to which, by the vectors that the run has: exact, by one product."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from curate.desk.model import Desk

# Rows of one product: 64 x 100,000 cosines are 26 MB.
BATCH = 64
# A whole line is not sorted for its few largest: they are among those that reach the k-th largest of its pieces' maxima.
STEP = 64


class Neighbour(NamedTuple):
    """A candidate, and its cosine to the one that was asked about."""

    row: int
    cosine: float


def neighbours(desk: "Desk", rows: Sequence[int], k: int = 8) -> list[list[Neighbour]]:
    """The `k` nearest of each row, itself apart, nearest first; of equal cosines the earlier row; [] for a row without vector."""
    found: list[list[Neighbour]] = [[] for _ in rows]
    places = desk.candidates["vector_row"].gather(list(rows)).to_list()
    asked = [(index, place) for index, place in enumerate(places) if place is not None]
    if desk.vectors is None or k < 1:
        return found
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        own = [place for _, place in batch]
        cosines = desk.vectors[own] @ desk.vectors.T
        cosines[np.arange(len(own)), own] = -np.inf
        least = _least(cosines, k)
        for (index, _), line, low in zip(batch, cosines, least, strict=True):
            found[index] = _nearest(desk, line, low, min(k, len(line) - 1))
    return found


def _least(cosines: np.ndarray, k: int) -> np.ndarray:
    """A number for each line (m, n) that at least `k` of it reach, and few others: the k-th of the largest of each STEP."""
    steps = cosines.shape[1] // STEP
    if steps < 4 * k:
        return np.full(len(cosines), -np.inf, dtype=cosines.dtype)
    largest = cosines[:, : steps * STEP].reshape(len(cosines), steps, STEP).max(axis=2)
    found: np.ndarray = np.partition(largest, -k, axis=1)[:, -k]
    return found


def _nearest(desk: "Desk", cosines: np.ndarray, least: float, k: int) -> list[Neighbour]:
    places = np.flatnonzero(cosines >= least)
    best = places[np.argsort(-cosines[places], kind="stable")[:k]]
    return [Neighbour(int(desk.rows_of_vectors[place]), float(cosines[place])) for place in best]
