"""Who stays: rows in the order of their rank, each kept unless one kept before it is its twin.

Rows are taken a block at a time. A block is compared with the rows kept so far, which lie on a shelf, cell by cell; those
without a twin there are compared with one another. This module loads torch and numba.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch

from curate import progress
from curate.duplicates import products
from curate.duplicates.cosine import Pairs
from curate.duplicates.products import STRIP, Codes

# Rows a block. Of equal rows all pairs of a block pass: 2 million of them.
BLOCK = 2_048
# With 1,000 cells some hundred rows of a block look into each, so that a product is worth its call.
BLOCK_BY_CELLS = 16_384

_compiled: Any = numba.njit(cache=True)


class Shelf:
    """The kept rows, those of a cell side by side, with room for all rows of each cell."""

    def __init__(self, codes: Codes, cell: np.ndarray, n_cells: int) -> None:
        """Empty. `cell` (n,): the cell of each of the rows that may be put here."""
        self.start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=n_cells))])
        self.filled = np.zeros(n_cells, dtype=np.int64)
        step, error, row = (np.empty_like(part) for part in (codes.step, codes.error, codes.row))
        self.rows = Codes(torch.empty_like(codes.codes), step, error, row, codes.exact)
        # The rank of each row on the shelf.
        self.rank = np.empty_like(codes.row)

    def of(self, cell: int) -> slice:
        """Where the kept rows of a cell lie."""
        return slice(self.start[cell], self.start[cell] + self.filled[cell])

    def put(self, codes: Codes, rank: np.ndarray, cell: np.ndarray) -> None:
        """Add rows, each after those its cell holds."""
        order = np.argsort(cell, kind="stable")
        cell = cell[order]
        place = self.start[cell] + self.filled[cell] + np.arange(len(cell)) - np.searchsorted(cell, cell)
        added = codes.take(order)
        self.rows.codes[torch.from_numpy(place)] = added.codes
        self.rows.step[place], self.rows.error[place], self.rows.row[place] = added.step, added.error, added.row
        self.rank[place] = rank[order]
        self.filled += np.bincount(cell, minlength=len(self.filled))


def representatives(
    codes: Codes,
    threshold: float,
    pool: ThreadPoolExecutor,
    searched: np.ndarray | None = None,
    block: int | None = None,
    *,
    held: int = 0,
    tell: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """`twin` and `cosine` as `curate.duplicates.cosine.representatives`, for codes of rows in the order of their rank.

    `searched` (n, p): the cells in which each row looks for kept rows, its own first; without it there is one cell.
    The first `held` rows stay all the same. Rows of one block are compared with one another whatever their cells are. Without cells `block` changes nothing.
    With `tell` the progress is told.
    """
    n = len(codes.row)
    cells = np.zeros((n, 1), dtype=np.int64) if searched is None else searched
    shelf = Shelf(codes, cells[:, 0], int(cells.max(initial=0)) + 1)
    size = block or (BLOCK if searched is None else BLOCK_BY_CELLS)
    twin, cosine = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    for top in range(0, n, size):
        here = codes.take(slice(top, top + size))
        on_shelf = _on_shelf(here, cells[top : top + size], shelf, threshold, pool)
        own = np.arange(min(max(held - top, 0), len(here.row)))
        free = np.union1d(own, np.setdiff1d(np.arange(len(here.row)), on_shelf.left))
        stays = free[_first_come(here.take(free), threshold, pool, len(own), whole=searched is None)]
        goes = np.union1d(own, np.setdiff1d(np.arange(len(here.row)), stays))
        late = products.matches(here.take(goes), here.take(stays), threshold, pool)
        late = Pairs(goes[late.left], stays[late.right], late.cosine)
        earlier = late.right < late.left
        late = Pairs(late.left[earlier], late.right[earlier] + top, late.cosine[earlier])
        best = _most_similar(products.joined([on_shelf, late]))
        twin[top + best.left], cosine[top + best.left] = best.right, best.cosine
        shelf.put(here.take(stays), top + stays, cells[top + stays, 0])
        if tell:
            progress.inside(min(top + size, n), n)
    return twin, cosine


def _on_shelf(here: Codes, cells: np.ndarray, shelf: Shelf, threshold: float, pool: ThreadPoolExecutor) -> Pairs:
    """The twins of a block's rows among the kept: places in the block, ranks, cosines; in no order."""
    order = np.argsort(cells, axis=None, kind="stable")
    rows, cell = order // cells.shape[1], cells.ravel()[order]
    borders = np.searchsorted(cell, np.arange(len(shelf.filled) + 1))
    jobs = [
        (int(number), rows[first : min(first + STRIP, borders[number + 1])])
        for number in np.flatnonzero(shelf.filled)
        for first in range(borders[number], borders[number + 1], STRIP)
    ]

    def look(job: tuple[int, np.ndarray]) -> Pairs:
        number, rows = job
        where = shelf.of(number)
        found = products.above(here.take(rows), shelf.rows.take(where), threshold)
        return Pairs(rows[found.left], shelf.rank[where][found.right], found.cosine)

    return products.joined(list(products.in_order(pool, look, jobs)))


def _first_come(codes: Codes, threshold: float, pool: ThreadPoolExecutor, held: int, *, whole: bool) -> np.ndarray:
    """Which of the rows of a block stay, the first `held` whatever they resemble; (n,) bool. `whole`: by all their pairs
    at once, else in smaller blocks.
    """
    if not whole:
        return (representatives(codes, threshold, pool, held=held)[0] < 0) | (np.arange(len(codes.row)) < held)
    pairs = products.pairs(codes, threshold, pool)
    order = np.argsort(pairs.right, kind="stable")
    stays = np.ones(len(codes.row), dtype=np.bool_)
    _drop(pairs.left[order], pairs.right[order], stays, held)
    return stays


@_compiled
def _drop(left, right, stays, held):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - numba infers them
    """Of pairs sorted by `right`, left < right: whoever is paired with one who stays goes, but for the first `held`."""
    for n in range(len(left)):
        if stays[left[n]] and right[n] >= held:
            stays[right[n]] = False


def _most_similar(pairs: Pairs) -> Pairs:
    """For each left side the pair with the highest cosine, of equal ones that with the smallest right side."""
    order = np.lexsort((pairs.right, -pairs.cosine, pairs.left))
    left = pairs.left[order]
    order = order[np.flatnonzero(np.diff(left, prepend=-1))]
    return Pairs(*(part[order] for part in pairs))
