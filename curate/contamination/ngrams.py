"""Which test items stand in which texts: runs of words, and how much of an item they cover. Compiled; imported only where it runs.

A run of `n` words that a text shares with an item makes the two a pair; of an item shorter than 2n words, half as long a
run does, so that one changed word never hides the rest (8: ConTAM, Singh et al. 2024, found n = 8 with the longest match
best). The pair is then compared word by word around its longest run. Coverage is the share of the item's words that stand
there in runs of at least COVERS words; weighted, each word counts with its rarity among the items, log(1 + N / df) (the
idea of allenai/decon, doc/simple.md), so that what many questions say ("which of the following") says little.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numba import njit

from curate.contamination.schema import FLOOR
from curate.contamination.words import Words, words

Array = np.ndarray[Any, Any]

# Shorter runs than this cover nothing.
COVERS = 2
# Shorter runs do not say where in a text an item stands: "in one" is everywhere.
PLACES = 4
# A run that more items share than this starts no pair, unless the item has no rarer one.
MAX_SHARED = 100
# Of the hash of a run: a sum of products of the hashes of its words.
BASE = 0x9E3779B97F4A7C15

PAIR = pl.Schema(
    {
        "row": pl.UInt32,
        "entry": pl.UInt32,
        "first": pl.Int64,
        "last": pl.Int64,
        "run": pl.UInt32,
        "coverage": pl.Float64,
        "weighted": pl.Float64,
        "whole": pl.Boolean,
    }
)


class Index(NamedTuple):
    """Texts of test items, made ready to be found: their words, each word's weight, and a table from runs to places."""

    entries: Words
    weights: Array  # float64, one a word of `entries`
    n: int
    n_short: int  # the run that makes a pair with an item of fewer than 2n words
    bits: Array  # uint64: a run whose bit is not set stands in no item
    keys: Array  # uint64, an open table of runs; their places are at[i] : at[i] + places[i]
    at: Array
    places: Array
    place_entry: Array
    place_word: Array


def index(texts: pl.Series, n: int) -> Index:
    """The index of `texts` (questions, or what else of the items is searched for) for runs of `n` words, n at least 4."""
    entries = words(texts)
    n_short = max(n // 2, 3)
    lengths = np.diff(entries.offsets)
    sizes = np.where(lengths >= 2 * n, n, n_short)
    room = int(np.maximum(lengths - sizes + 1, 0).sum())
    run, entry, word = np.empty(room, np.uint64), np.empty(room, np.uint32), np.empty(room, np.uint32)
    _runs(entries.hashes, entries.offsets, sizes, run, entry, word)
    rare = _rare(run, entry)
    order = np.argsort(run[rare], kind="stable")
    run, entry, word = run[rare][order], entry[rare][order], word[rare][order]
    distinct, at, count = np.unique(run, return_index=True, return_counts=True)
    bits, table = _table(distinct, at.astype(np.int64), count.astype(np.int64))
    return Index(entries, _weights(entries), n, n_short, bits, *table, entry, word)


def matches(rows: Words, found: Index) -> pl.DataFrame:
    """Every pair of a row and an entry that cover FLOOR or more, or share the whole entry: a frame of PAIR, by row and entry.

    `first` to `last` are the words of the row (numbered as in `rows`) where the entry stands or would stand, `run` the longest
    run in words, `coverage` and `weighted` shares in [0, 1], `whole` whether the entry stands there word for word.
    Entries shorter than a run are in no pair (see `equal`).
    """
    room = 1024 + 4 * rows.offsets.size
    while True:
        out, shares = np.empty((room, 5), np.int64), np.empty((room, 2))
        n = _search(rows.hashes, rows.offsets, found, out, shares)
        if n <= room:
            break
        room = n
    out, shares = out[:n], shares[:n]
    lengths = np.diff(found.entries.offsets)[out[:, 1]] if n else np.zeros(0, np.int64)
    frame = {
        "row": out[:, 0],
        "entry": out[:, 1],
        "first": out[:, 2],
        "last": out[:, 3],
        "run": out[:, 4],
        "coverage": shares[:, 0],
        "weighted": shares[:, 1],
        "whole": out[:, 4] == lengths,
    }
    return pl.DataFrame(frame).cast(PAIR).sort("row", "entry")


def sequence_hashes(texts: Words, upto: Array | None = None) -> Array:
    """One hash (uint64) of the words of each row, or of the first `upto[row]` of them; 0 for none."""
    out = np.zeros(texts.offsets.size - 1, np.uint64)
    counts = np.diff(texts.offsets) if upto is None else upto
    _sequences(texts.hashes, texts.offsets, counts, out)
    return out


def cover(rows: Words, found: Index, pairs: pl.DataFrame) -> pl.DataFrame:
    """A frame of PAIR for given pairs (`row`, `entry`), in their order, each compared over the whole row."""
    out, shares = np.empty((pairs.height, 5), np.int64), np.empty((pairs.height, 2))
    row, entry = pairs["row"].to_numpy().astype(np.int64), pairs["entry"].to_numpy().astype(np.int64)
    _cover_all(rows.hashes, rows.offsets, found, row, entry, out, shares)
    lengths = np.diff(found.entries.offsets)[entry] if pairs.height else np.zeros(0, np.int64)
    frame = {
        "row": row,
        "entry": entry,
        "first": out[:, 2],
        "last": out[:, 3],
        "run": out[:, 4],
        "coverage": shares[:, 0],
        "weighted": shares[:, 1],
        "whole": (out[:, 4] == lengths) & (lengths > 0),
    }
    return pl.DataFrame(frame).cast(PAIR)


def _weights(entries: Words) -> Array:
    """log(1 + N / df) of each word: N entries, df of them with the word (Spärck Jones 1972, smoothed so that it stays above 0)."""
    entry = np.repeat(np.arange(entries.offsets.size - 1), np.diff(entries.offsets))
    _, word = np.unique(entries.hashes, return_inverse=True)
    pairs = np.unique(np.stack([word, entry]), axis=1)
    df = np.bincount(pairs[0], minlength=int(word.max(initial=-1)) + 1)
    weights: Array = np.log1p((entries.offsets.size - 1) / df)[word]
    return weights


def _rare(run: Array, entry: Array) -> Array:
    """Which runs may start a pair: those that at most MAX_SHARED items share, and of each item the rarest."""
    if run.size == 0:
        return np.zeros(0, np.bool_)
    _, inverse, shared = np.unique(run, return_inverse=True, return_counts=True)
    df = shared[inverse]
    rarest = np.full(int(entry.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(rarest, entry, df)
    rare: Array = df <= np.maximum(MAX_SHARED, rarest[entry])
    return rare


def _table(distinct: Array, at: Array, count: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """An open table of runs that stays half empty, and a bit for each of some 16 times as many values of a hash."""
    slots = 1 << max(4, int(2 * distinct.size).bit_length())
    bits = np.zeros(max(slots * 16 // 64, 1), np.uint64)
    keys, starts, counts = np.zeros(slots, np.uint64), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    _fill(distinct, at, count, bits, keys, starts, counts)
    return bits, (keys, starts, counts)


@njit(cache=True, nogil=True)
def _runs(hashes: Array, offsets: Array, sizes: Array, run: Array, entry: Array, word: Array) -> None:
    """The hash of every run of `sizes[e]` words of each entry, with the entry and the run's first word (from 0)."""
    k = 0
    for e in range(offsets.size - 1):
        n, start = sizes[e], offsets[e]
        for first in range(offsets[e + 1] - start - n + 1):
            h = np.uint64(0)
            for i in range(start + first, start + first + n):
                h = h * np.uint64(BASE) + hashes[i]
            run[k], entry[k], word[k] = h, e, first
            k += 1


@njit(cache=True, nogil=True)
def _sequences(hashes: Array, offsets: Array, counts: Array, out: Array) -> None:
    for row in range(out.size):
        h = np.uint64(0)
        for i in range(offsets[row], offsets[row] + counts[row]):
            h = h * np.uint64(BASE) + hashes[i]
        out[row] = h


@njit(cache=True, nogil=True, inline="always")
def _slot(h: np.uint64) -> np.uint64:
    # A sum of products has its randomness in the high bits.
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)
def _fill(distinct: Array, at: Array, count: Array, bits: Array, keys: Array, starts: Array, counts: Array) -> None:
    mask, bit_mask = np.uint64(keys.size - 1), np.uint64(bits.size * 64 - 1)
    for i in range(distinct.size):
        h = _slot(distinct[i])
        bit = h & bit_mask
        bits[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        slot = h & mask
        while counts[slot] > 0:
            slot = (slot + np.uint64(1)) & mask
        keys[slot], starts[slot], counts[slot] = distinct[i], at[i], count[i]


@njit(cache=True, nogil=True)
def _search(hashes: Array, offsets: Array, x: Index, out: Array, shares: Array) -> int:
    """Fill `out` (row, entry, first, last, run) and `shares` (coverage, weighted); how many there are, which may be more
    than there is room for.
    """
    n_entries = x.entries.offsets.size - 1
    # Of each entry: the row that last shared a run with it, the longest such run, where it begins in the row and in the
    # entry, and the diagonal and the end of the run that was looked at last.
    state = np.full((6, n_entries), -1, np.int64)
    touched = np.empty(n_entries, np.int64)
    n_out = 0
    for row in range(offsets.size - 1):
        start, stop = offsets[row], offsets[row + 1]
        n_touched = 0
        for size in (x.n, x.n_short):
            n_touched = _touch(hashes, start, stop, row, size, x, state, touched, n_touched)
        for t in range(n_touched):
            e = touched[t]
            low, high = x.entries.offsets[e], x.entries.offsets[e + 1]
            length, run = high - low, state[1, e]
            if length < x.n and run < length:
                continue
            slack = max(x.n, length // 4)
            before, after = state[3, e] - low + slack, high - state[3, e] + slack
            begin, end = max(start, state[2, e] - before), min(stop, state[2, e] + after)
            aligned = state[2, e] - state[3, e]  # where the words of the entry would stand, were none added or left out
            first, last, coverage, weighted = _cover(hashes, begin, end, x.entries.hashes, x.weights, low, high)
            if weighted < FLOOR:
                continue
            first = min(first, max(start, low + aligned)) if run < length else state[2, e]
            last = max(last, min(stop, high + aligned) - 1) if run < length else state[2, e] + run - 1
            if n_out < out.shape[0]:
                out[n_out, 0], out[n_out, 1], out[n_out, 2], out[n_out, 3], out[n_out, 4] = row, e, first, last, run
                shares[n_out, 0], shares[n_out, 1] = coverage, weighted
            n_out += 1
    return n_out


@njit(cache=True, nogil=True)
def _touch(
    hashes: Array, start: int, stop: int, row: int, size: int, x: Index, state: Array, touched: Array, n_touched: int
) -> int:
    """Find the runs of `size` words that a row shares with entries, and keep of each entry the longest."""
    power = np.uint64(1)
    for _ in range(size):
        power *= np.uint64(BASE)
    h = np.uint64(0)
    for i in range(start, stop):
        h = h * np.uint64(BASE) + hashes[i]
        if i - start >= size:
            h -= power * hashes[i - size]
        if i - start < size - 1:
            continue
        mixed = _slot(h)
        bit = mixed & np.uint64(x.bits.size * 64 - 1)
        if not (x.bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
            continue
        slot = mixed & np.uint64(x.keys.size - 1)
        while x.places[slot] > 0 and x.keys[slot] != h:
            slot = (slot + np.uint64(1)) & np.uint64(x.keys.size - 1)
        for k in range(x.at[slot], x.at[slot] + x.places[slot]):
            e = x.place_entry[k]
            if state[0, e] != row:
                state[0, e], state[1, e], state[5, e] = row, 0, -1
                touched[n_touched] = e
                n_touched += 1
            _grow(hashes, start, stop, i - size + 1, e, x.entries.offsets[e] + np.int64(x.place_word[k]), x, state)
    return n_touched


@njit(cache=True, nogil=True)
def _grow(hashes: Array, start: int, stop: int, r: int, e: int, p: int, x: Index, state: Array) -> None:
    """The longest run through word r of a row and word p of an entry; kept where the entry had no longer one."""
    if state[4, e] == r - p and r < state[5, e]:
        return
    a, b = _longest(hashes, start, stop, x.entries.hashes, x.entries.offsets[e], x.entries.offsets[e + 1], r, p)
    state[4, e], state[5, e] = r - p, b
    if b - a > state[1, e]:
        state[1, e], state[2, e], state[3, e] = b - a, a, a - r + p


@njit(cache=True, nogil=True)
def _longest(a: Array, a_low: int, a_high: int, b: Array, b_low: int, b_high: int, i: int, j: int) -> tuple[int, int]:
    """The longest equal run through a[i] and b[j]: from where to where in `a`."""
    first, last, k = i, i, j
    while first > a_low and j - (i - first) > b_low and a[first - 1] == b[j - (i - first) - 1]:
        first -= 1
    while last < a_high and k < b_high and a[last] == b[k]:
        last += 1
        k += 1
    return first, last


@njit(cache=True, nogil=True)
def _cover(
    a: Array, low: int, high: int, b: Array, weights: Array, start: int, stop: int
) -> tuple[Any, Any, float, float]:
    """Of b[start:stop], what stands in a[low:high] in runs of COVERS or more (an item of one word: in one): the share of
    words and of weight; and the first and the last word of `a` in runs of PLACES or more (high and low for none).
    """
    need = min(COVERS, stop - start)
    covered = np.zeros(stop - start, np.bool_)
    first, last = high, low
    for j in range(start, stop):
        for i in range(low, high):
            if a[i] != b[j] or (i > low and j > start and a[i - 1] == b[j - 1]):
                continue
            k = 1
            while i + k < high and j + k < stop and a[i + k] == b[j + k]:
                k += 1
            if k >= need:
                covered[j - start : j - start + k] = True
            if k >= PLACES:
                first, last = min(first, i), max(last, i + k - 1)
    n, weight, total = 0, 0.0, 0.0
    for j in range(start, stop):
        total += weights[j]
        if covered[j - start]:
            n += 1
            weight += weights[j]
    return first, last, n / max(stop - start, 1), weight / max(total, 1e-12)


@njit(cache=True, nogil=True)
def _cover_all(hashes: Array, offsets: Array, x: Index, rows: Array, entries: Array, out: Array, shares: Array) -> None:
    for k in range(rows.size):
        row, e = rows[k], entries[k]
        start, stop = x.entries.offsets[e], x.entries.offsets[e + 1]
        first, last, coverage, weighted = _cover(
            hashes, offsets[row], offsets[row + 1], x.entries.hashes, x.weights, start, stop
        )
        run = 0
        for j in range(start, stop):
            for i in range(offsets[row], offsets[row + 1]):
                k_run = 0
                while (
                    i + k_run < offsets[row + 1]
                    and j + k_run < stop
                    and hashes[i + k_run] == x.entries.hashes[j + k_run]
                ):
                    k_run += 1
                run = max(run, k_run)
        out[k, 0], out[k, 1], out[k, 2], out[k, 3], out[k, 4] = row, e, first, last, run
        shares[k, 0], shares[k, 1] = coverage, weighted
