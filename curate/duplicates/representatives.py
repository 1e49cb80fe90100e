"""Which examples stay where several are near to one another: the best-ranked first, and each later one only where none
that stays is near to it.

Nothing is chained: what is dropped is itself as similar as the threshold says to the one that stays. Candidates are rows
that share a key of some band of their signatures; each is checked by the exact Jaccard similarity of its shingles.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from typing import NamedTuple

import numba
import numpy as np
import polars as pl

from curate.duplicates import compiled
from curate.duplicates.compiled import BARRED, FIXED, HELD, OPEN, Array, Near, Novel, Sets
from curate.duplicates.minhash import Bands
from curate.progress import inside

# Of a bucket with more kept rows the last ones are looked at: a template whose copies are just too different to be
# duplicates fills buckets, and each row would be held against all before it.
LOOKED_AT = 64
# Two signatures of a pair at the threshold agree in a share of values that is normal about the threshold: four standard
# deviations below it lie 3 pairs in 100,000, and anything further down is not worth the exact check.
DEVIATIONS = 4
# Places decided between two reports of progress; also places whose keys one thread computes at a time.
BLOCK = 16_384


class Signed(NamedTuple):
    """What minhash.measure found: signatures (rows, permutations) uint32, and shingles, `Sets` by row."""

    signatures: Array
    shingles: Sets


class Found(NamedTuple):
    """For each row the row that it gives way to, or -1, and how similar the two are (0 where there is none)."""

    other: Array
    similarity: Array


NO_SETS = Sets(np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.int64))
# What `choose` takes where one of its two searches is off.
NOT_SIGNED = Signed(np.zeros((0, 0), np.uint32), NO_SETS)
NOT_NOVEL = Novel(NO_SETS, NO_SETS, 0, 1.0)


def signed(measured: pl.DataFrame) -> Signed:
    """The columns `signature` and `shingles` as arrays, without a copy where each is in one piece."""
    return Signed(measured["signature"].to_numpy(), lists(measured["shingles"]))


def lists(column: pl.Series) -> Sets:
    """A column List(UInt32) as its numbers and where each row's begin and end."""
    arrow = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, _, numbers = arrow.buffers()
    if offsets is None or numbers is None:
        return Sets(np.zeros(0, np.uint32), np.zeros(len(column), np.int64), np.zeros(len(column), np.int64))
    ends = np.frombuffer(offsets, dtype=np.int64)[arrow.offset : arrow.offset + len(column) + 1]
    child = arrow.values.offset
    return Sets(np.frombuffer(numbers, dtype=np.uint32)[child:], ends[:-1], ends[1:])


def choose(
    rows: Signed,
    order: Array,
    threshold: float,
    keys: Bands,
    *,
    barred: Array | None = None,
    held: Array | None = None,
    novel: Novel = NOT_NOVEL,
) -> tuple[Found, Found]:
    """For each row the near duplicate, and the earlier instruction, that it gives way to.

    `order` (rows,): row numbers, best first. `barred` (rows,), bool: rows that leave for another reason, so that none
    gives way to them. `held`, likewise: rows that stay whatever they resemble, so that others give way to them; what they
    would give way to is found all the same. NOT_SIGNED for `rows` switches the one search off, NOT_NOVEL the other, whose places are those of
    `order` (curate.duplicates.novelty).

    Recall is that of the bands, less the pairs in buckets of more than LOOKED_AT kept rows; precision is exact, but for
    collisions of 32-bit shingles (1 in 20,000 pairs of 400 shingles has one, which moves its similarity by 1/200).
    """
    states = np.full(order.size, OPEN, dtype=np.int8)
    if barred is not None:
        states[barred[order]] = BARRED
    if held is not None:
        states[held[order]] = HELD
    found, values = _pass(rows, order, threshold, keys, states, novel)
    return _by_row(found[0], values[0], order), _by_row(found[1], values[1], order)


def matches(rows: Signed, reference: Signed, threshold: float, keys: Bands) -> Found:
    """For each row the most similar row of another set at or above the threshold (ties: the first), or -1.

    Each row by itself: which others are asked about makes no difference.
    """
    n_reference, n = len(reference.signatures), len(rows.signatures)
    both = Signed(np.concatenate([reference.signatures, rows.signatures]), _joined(reference.shingles, rows.shingles))
    states = np.repeat(np.array([FIXED, BARRED], dtype=np.int8), [n_reference, n])
    found, values = _pass(both, np.arange(n_reference + n), threshold, keys, states, NOT_NOVEL)
    return Found(found[0, n_reference:], values[0, n_reference:])


def _joined(one: Sets, other: Sets) -> Sets:
    values = np.concatenate([one.values, other.values])
    starts = np.concatenate([one.starts, other.starts + one.values.size])
    return Sets(values, starts, np.concatenate([one.ends, other.ends + one.values.size]))


def _by_row(found: Array, values: Array, order: Array) -> Found:
    other, similarity = np.empty_like(found), np.empty_like(values)
    other[order] = np.where(found >= 0, order[found], -1)
    similarity[order] = values
    return Found(other, similarity)


def _pass(
    rows: Signed, order: Array, threshold: float, keys: Bands, states: Array, novel: Novel
) -> tuple[Array, Array]:
    """The greedy pass: `found` int32 and `values` float64, (2, places), as compiled.greedy fills them."""
    n, permutations = order.size, rows.signatures.shape[1]
    order, signatures = _given(order.astype(np.int64)), _given(rows.signatures)
    spread = DEVIATIONS * sqrt(threshold * (1 - threshold) / max(permutations, 1))
    limits = (threshold, permutations * (threshold - spread), LOOKED_AT)
    shingles = NO_SETS
    if permutations:
        shingles = Sets(rows.shingles.values, rows.shingles.starts[order], rows.shingles.ends[order])
    near = Near(_earlier(signatures, order, keys), signatures, order, Sets(*map(_given, shingles)), limits)
    novel = novel._replace(words=Sets(*map(_given, novel.words)), prefixes=Sets(*map(_given, novel.prefixes)))
    kept, found, values = np.zeros(n, np.bool_), np.full((2, n), -1, np.int32), np.zeros((2, n))
    memory = (
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int32),
        _scratch(shingles),
        _index(novel),
    )
    for first in range(0, n, BLOCK):
        inside(first, n)
        compiled.greedy(near, novel, states, first, min(first + BLOCK, n), kept, found, values, memory)
    return found, values


def _given(array: Array) -> Array:
    """The array, not to be written to: one type for numba, which compiles for each anew, wherever the memory comes from."""
    view = array.view()
    view.setflags(write=False)
    return view


def _earlier(signatures: Array, order: Array, keys: Bands) -> Array:
    """compiled.Near's `earlier`: (bands, places), int32; the bands side by side on all cores."""
    n = order.size
    if not signatures.shape[1]:
        return np.empty((0, 0), dtype=np.int32)
    found = np.empty((keys.bands, n), dtype=np.uint32)
    _spread(
        lambda first: compiled.band_keys(signatures, order, keys.rows, first, min(first + BLOCK, n), found),
        range(0, n, BLOCK),
    )
    bits = max(4, (2 * n).bit_length())
    earlier: Array = found.view(np.int32)
    _spread(
        lambda band: compiled.link(found[band], np.zeros(2**bits, dtype=np.uint64), 64 - bits, earlier[band]),
        range(keys.bands),
    )
    return earlier


def _spread(work: Callable[[int], None], items: Iterable[int]) -> None:
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        for _ in threads.map(work, items):
            pass


def _scratch(shingles: Sets) -> tuple[Array, ...]:
    """Hash tables for the place at hand and for one other, and how often each has been used."""
    longest = int((shingles.ends - shingles.starts).max(initial=0))
    slots = max(16, 2 ** (2 * longest).bit_length())
    numbers, stamps = np.empty(slots, np.uint32), np.zeros(slots, np.int64)
    return numbers, stamps, np.zeros(slots, np.int64), numbers.copy(), stamps.copy(), np.zeros(3, np.int64)


def _index(novel: Novel) -> tuple[Array, ...]:
    """An index of words, empty, and room to compare two texts."""
    entries = int((novel.prefixes.ends - novel.prefixes.starts).sum())
    longest = int((novel.words.ends - novel.words.starts).max(initial=0))
    heads, after, owners = (
        np.full(novel.n_words, -1, np.int64),
        np.empty(entries, np.int64),
        np.empty(entries, np.int32),
    )
    return (
        heads,
        after,
        owners,
        np.zeros(novel.n_words, np.int32),
        np.empty(longest + 1, np.int32),
        np.zeros(1, np.int64),
    )
