"""Which rows of two sets have a cosine at or above a threshold: matrix products of 8-bit codes, and a check of what passes.

A row x is rounded to step·q with whole q in -127…127 and leaves an error e = |x - step·q|. By Cauchy and Schwarz the cosine
of two rows exceeds the product of their codes by e_i + e_j·|step_i·q_i| at most, so a filter that allows that much loses no
pair; whatever passes is computed again in double precision. Processors with VNNI multiply 8-bit numbers four times as
fast as 32-bit ones; elsewhere the product is of the float32 rows themselves. Both give the same pairs.

This module loads torch and numba: import it where it is used.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
import torch

from curate import progress
from curate.duplicates.cosine import Pairs

# Cosines are multiples of a millionth: two float32 rows do not fix more of it, and equal rows have exactly 1.
MILLION = 1e6
# What rounding to MILLION, to float32 and the arithmetic of the filter add to the bound.
SLACK = 1e-5
# How far from 1 the length of a row may be.
LENGTH = 1e-3
# A tile of 32-bit products fills half of a core's second cache.
TILE_ROWS, TILE_COLUMNS = 128, 2048
# Products looked at together before each is looked at by itself: few of them hold a pair.
GLANCE = 128
# Rows one thread takes at a time.
STRIP = 256

T = TypeVar("T")
R = TypeVar("R")


class Codes(NamedTuple):
    """Rows made ready for products. `codes` (n, d) int8, or float32 where that is faster; `row` says which row of `exact`
    (m, d) float32 each stands for; `step` and `error` (n,) float32 as in the module's text.
    """

    codes: torch.Tensor
    step: np.ndarray
    error: np.ndarray
    row: np.ndarray
    exact: np.ndarray

    def take(self, rows: slice | np.ndarray) -> "Codes":
        """Some of the rows."""
        index = rows if isinstance(rows, slice) else torch.from_numpy(rows)
        return Codes(self.codes[index], self.step[rows], self.error[rows], self.row[rows], self.exact)


def has_fast_bytes() -> bool:
    """Whether this processor multiplies 8-bit numbers with VNNI; without it the products could also saturate."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_vnni") or able.get("avx_vnni"))


@contextlib.contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch uses, each of which runs torch by itself: a tile is multiplied and read in one core's cache."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(before, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Sequence[T], *, tell: bool = False
) -> Iterator[R]:
    """What `work` makes of each item, in the order of the items, wherever it ran; with `tell` the progress is told."""
    for done, result in enumerate(pool.map(work, items), start=1):
        if tell:
            progress.inside(done, len(items))
        yield result


def tensor(array: np.ndarray) -> torch.Tensor:
    """The same numbers; copied where they may not be written to (those of a data frame), of which torch would warn."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def encode(vectors: np.ndarray, pool: ThreadPoolExecutor, *, fast_bytes: bool | None = None) -> Codes:
    """`vectors` (n, d) float32, rows of length 1 or 0, as codes. Raises ValueError for other rows (NaN among them)."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    n, d = vectors.shape
    bytes_ = has_fast_bytes() if fast_bytes is None else fast_bytes
    codes = np.empty((n, d), dtype=np.int8) if bytes_ else vectors
    step, error, length = (np.empty(n, dtype=np.float32) for _ in range(3))

    def chunk(start: int) -> None:
        part = slice(start, start + 8192)
        if bytes_:
            _round(vectors[part], codes[part], step[part], error[part], length[part])
        else:
            length[part] = np.linalg.norm(vectors[part], axis=1)
            # A product of float32 rows is off by d·2^-24 at most (Higham 2002, section 3.1), half of it for each row.
            step[part], error[part] = length[part] > 0, d * 2.0**-25

    for _ in in_order(pool, chunk, range(0, n, 8192)):
        pass
    odd = ~((np.abs(length - 1) < LENGTH) | (length == 0))
    if odd.any():
        first = int(np.argmax(odd))
        raise ValueError(f"row {first} has length {length[first]}: cosines are taken of rows of length 1 (or 0)")
    return Codes(tensor(codes), step, error, np.arange(n), vectors)


def pairs(codes: Codes, threshold: float, pool: ThreadPoolExecutor, *, tell: bool = False) -> Pairs:
    """All pairs of places left < right in `codes` whose rows have a cosine of `threshold` or more; sorted."""

    def strip(start: int) -> Pairs:
        found = above(codes.take(slice(start, start + STRIP)), codes.take(slice(start, None)), threshold, later=True)
        return Pairs(found.left + start, found.right + start, found.cosine)

    return joined(list(in_order(pool, strip, range(0, len(codes.row), STRIP), tell=tell)))


def matches(a: Codes, b: Codes, threshold: float, pool: ThreadPoolExecutor, *, tell: bool = False) -> Pairs:
    """All pairs of a place in `a` and one in `b` whose rows have a cosine of `threshold` or more; sorted."""

    def strip(start: int) -> Pairs:
        found = above(a.take(slice(start, start + STRIP)), b, threshold)
        return Pairs(found.left + start, found.right, found.cosine)

    return joined(list(in_order(pool, strip, range(0, len(a.row), STRIP), tell=tell)))


def joined(parts: list[Pairs]) -> Pairs:
    """One list of pairs after the other."""
    if not parts:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
    return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def above(a: Codes, b: Codes, threshold: float, *, later: bool = False) -> Pairs:
    """All pairs of a place in `a` and one in `b` whose rows have a cosine of `threshold` or more; sorted. In one thread.

    With `later` only pairs whose second place is greater than the first.
    """
    found: list[Pairs] = []
    buffer = torch.empty(TILE_ROWS * TILE_COLUMNS, dtype=torch.int32 if a.codes.dtype == torch.int8 else torch.float32)
    hits = np.empty((2, TILE_ROWS * TILE_COLUMNS), dtype=np.int32)
    # A row without length reaches no limit.
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(a.step > 0, (threshold - SLACK - (1 + LENGTH) * a.error) / a.step, np.inf).astype(np.float32)
        weight = np.where(a.step > 0, (1 + LENGTH + a.error) / a.step, 0).astype(np.float32)
    for top in range(0, len(a.row), TILE_ROWS):
        rows = slice(top, min(top + TILE_ROWS, len(a.row)))
        of_rows: list[Pairs] = []
        for left in range(top + 1 if later else 0, len(b.row), TILE_COLUMNS):
            columns = slice(left, min(left + TILE_COLUMNS, len(b.row)))
            product = _product(a.codes[rows], b.codes[columns], buffer)
            before = top - left if later else -TILE_ROWS
            n = _passing(product, limit[rows], weight[rows], b.step[columns], b.error[columns], before, hits)
            if n:
                of_rows.append(_checked(a, b, top + hits[0, :n].astype(np.int64), left + hits[1, :n], threshold))
        tiles = joined(of_rows)
        # Each tile is sorted; side by side they are in the order of the right row only.
        order = np.argsort(tiles.left, kind="stable") if len(of_rows) > 1 else slice(None)
        found.append(Pairs(*(part[order] for part in tiles)))
    return joined(found)


def nearest(a: np.ndarray, b: np.ndarray, pool: ThreadPoolExecutor) -> tuple[np.ndarray, np.ndarray]:
    """As `curate.duplicates.cosine.nearest`."""
    a, b = (np.ascontiguousarray(vectors, dtype=np.float32) for vectors in (a, b))
    row = np.full(len(a), -1, dtype=np.int64)
    cosine = np.full(len(a), -np.inf)

    def strip(top: int) -> None:
        rows = slice(top, min(top + TILE_ROWS, len(a)))
        buffer = torch.empty(TILE_ROWS * TILE_COLUMNS)
        for left in range(0, len(b), TILE_COLUMNS):
            part = b[left : left + TILE_COLUMNS]
            product = _product(tensor(a[rows]), tensor(part), buffer)
            _highest(product, a[rows], part, left, row[rows], cosine[rows])

    for _ in in_order(pool, strip, range(0, len(a), TILE_ROWS), tell=True):
        pass
    return row, np.where(row >= 0, cosine, np.nan)


def _product(a: torch.Tensor, b: torch.Tensor, buffer: torch.Tensor) -> np.ndarray:
    out = buffer[: len(a) * len(b)].view(len(a), len(b))
    if a.dtype == torch.int8:
        # The one product of 8-bit matrices that torch has on a CPU; torchao stands on it.
        torch._int_mm(a, b.t(), out=out)  # noqa: SLF001
    else:
        torch.mm(a, b.t(), out=out)
    tile: np.ndarray = out.numpy()
    return tile


# cache: compiled once a machine. nogil: threads run side by side.
_compiled: Any = numba.njit(nogil=True, cache=True)
# The order of a sum is the compiler's choice; it is the same for every pair, and rounding hides its last bits.
_compiled_sums: Any = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})


@_compiled
def _round(vectors, codes, step, error, length):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - numba infers them
    for i in range(vectors.shape[0]):
        highest = np.float32(0)
        square = np.float64(0)
        for value in vectors[i]:
            highest = max(highest, abs(value))
            square += np.float64(value) * value
        length[i] = np.sqrt(square)
        step[i] = highest / np.float32(127)
        left = np.float64(0)
        for k in range(vectors.shape[1]):
            code = np.rint(vectors[i, k] / step[i]) if step[i] > 0 else np.float32(0)
            codes[i, k] = np.int8(code)
            rest = vectors[i, k] - code * step[i]
            left += np.float64(rest) * rest
        error[i] = np.sqrt(left)


@_compiled
def _any(product, step, error, weight, limit):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as above
    # Counted from 0 over views, which is what the compiler turns into vector instructions.
    some = False
    for j in range(len(product)):
        some |= np.float32(product[j]) * step[j] + error[j] * weight >= limit
    return some


@_compiled
def _passing(product, limit, weight, step, error, before, hits):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as above
    """Write the places of a tile that pass the filter to `hits`, row by row; how many. Places with j - i <= before do not."""
    n = 0
    columns = product.shape[1]
    for i in range(product.shape[0]):
        for start in range(0, columns, GLANCE):
            stop = min(start + GLANCE, columns)
            if _any(product[i, start:stop], step[start:stop], error[start:stop], weight[i], limit[i]):
                for j in range(max(start, i + before + 1), stop):
                    if np.float32(product[i, j]) * step[j] + error[j] * weight[i] >= limit[i]:
                        hits[0, n] = i
                        hits[1, n] = j
                        n += 1
    return n


@_compiled_sums
def _cosine(x, y):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as above
    total = np.float64(0)
    for k in range(len(x)):
        total += np.float64(x[k]) * np.float64(y[k])
    return np.rint(total * MILLION) / MILLION


@_compiled_sums
def _cosines(x, y, i, j, cosine):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as above
    for n in range(len(i)):
        cosine[n] = _cosine(x[i[n]], y[j[n]])


def _checked(a: Codes, b: Codes, i: np.ndarray, j: np.ndarray, threshold: float) -> Pairs:
    """Those pairs of places whose cosine, in double precision and rounded, is `threshold` or more."""
    cosine = np.empty(len(i))
    _cosines(a.exact, b.exact, a.row[i], b.row[j], cosine)
    enough = cosine >= threshold
    return Pairs(i[enough], j[enough].astype(np.int64), cosine[enough])


@_compiled_sums
def _highest(product, a, b, first, row, cosine):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as above
    for i in range(product.shape[0]):
        best = np.float32(-2)
        for j in range(product.shape[1]):
            best = max(best, product[i, j])
        near = max(best, np.float32(cosine[i])) - np.float32(4e-5)
        if best >= near:
            for j in range(product.shape[1]):
                if product[i, j] >= near:
                    exact = _cosine(a[i], b[j])
                    if exact > cosine[i]:
                        cosine[i] = exact
                        row[i] = first + j
