"""The greedy pass over ranked rows: each is held against the kept ones that it may be near to. Compiled.

It stands in one file because numba's cache notices a change only in the file of the function that is called.
Rows are spoken of by their place in the ranking, 0 the best.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, uint32, uint64

Array = np.ndarray[Any, Any]
# What is known of a row before the pass.
OPEN, FIXED, BARRED, HELD = 0, 1, 2, 3
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Sets(NamedTuple):
    """Lists of numbers, one a place: `values[starts[place] : ends[place]]`, uint32 and int64."""

    values: Array
    starts: Array
    ends: Array


class Near(NamedTuple):
    """What near duplicates are found by.

    `earlier[band, place]`, int32: the place before this one that has the same key in this band, or -1. `signatures[row]`
    is that of the place with `order[place] == row`. `limits`: threshold, least share of equal values in two signatures
    for a closer look, and how many kept rows of a bucket are looked at.
    """

    earlier: Array
    signatures: Array
    order: Array
    shingles: Sets
    limits: tuple[float, float, int]


class Novel(NamedTuple):
    """What instructions are found by that repeat an earlier one.

    `words` as numbers in the order of the text; `prefixes`: for each place the distinct words, the rarest of the corpus
    first, of which two that are similar enough share one. `n_words`: how many numbers there are. `limit`: the ROUGE-L F
    that is still novel.
    """

    words: Sets
    prefixes: Sets
    n_words: int
    limit: float


@njit(cache=True, nogil=True)
def band_keys(signatures: Array, order: Array, rows: int, first: int, last: int, keys: Array) -> None:
    """`keys[band, place]`, uint32, for the places from `first` to `last`: a hash of the band's `rows` values."""
    for place in range(first, last):
        signature = signatures[order[place]]
        for band in range(keys.shape[0]):
            h = uint64(band + 1)
            for k in range(band * rows, band * rows + rows):
                h = (h ^ uint64(signature[k])) * _GOLDEN
                h ^= h >> uint64(32)
            keys[band, place] = uint32(h)


@njit(cache=True, nogil=True)
def link(keys: Array, slots: Array, shift: int, earlier: Array) -> None:
    """`earlier[place]`: the last place before with the same key, or -1. `slots` are 2^(64 - shift) > places zeros, uint64.

    `earlier` may be the memory of `keys`.
    """
    mask = slots.size - 1
    for place in range(keys.size):
        key = uint64(keys[place])
        at = np.int64((key * _GOLDEN) >> uint64(shift))
        while slots[at] != 0 and slots[at] >> uint64(32) != key:
            at = (at + 1) & mask
        earlier[place] = np.int64(slots[at] & uint64(0xFFFFFFFF)) - 1
        slots[at] = key << uint64(32) | uint64(place + 1)


@njit(cache=True, nogil=True)
def _slots(n: int) -> int:
    """A power of two at least twice `n`."""
    slots = 16
    while slots < 2 * n:
        slots *= 2
    return slots


@njit(cache=True, nogil=True)
def _collect(sets: Sets, place: int, keys: Array, stamps: Array, stamp: int) -> int:
    """Put the numbers of a place in a hash table, whose entries are those with this stamp; how many are distinct."""
    start, end = sets.starts[place], sets.ends[place]
    mask = _slots(end - start) - 1
    distinct = 0
    for k in range(start, end):
        at = np.int64(sets.values[k]) & mask
        while stamps[at] == stamp and keys[at] != sets.values[k]:
            at = (at + 1) & mask
        if stamps[at] != stamp:
            keys[at], stamps[at] = sets.values[k], stamp
            distinct += 1
    return distinct


@njit(cache=True, nogil=True)
def _common(sets: Sets, place: int, needed: float, mask: int, keys: Array, stamps: Array, stamp: int, hits: Array, hit: int) -> int:  # fmt: skip
    """How many distinct numbers of `place` are in the table; may stop at less where `needed` is out of reach."""
    end = sets.ends[place]
    common = 0
    for k in range(sets.starts[place], end):
        if common + end - k < needed:
            break
        at = np.int64(sets.values[k]) & mask
        while stamps[at] == stamp and keys[at] != sets.values[k]:
            at = (at + 1) & mask
        if stamps[at] == stamp and hits[at] != hit:
            hits[at] = hit
            common += 1
    return common


@njit(cache=True, nogil=True)
def _agreement(one: Array, other: Array) -> Any:  # noqa: ANN401 - a number of the machine
    equal = 0
    for k in range(one.size):
        equal += one[k] == other[k]
    return equal


@njit(cache=True, nogil=True)
def _step(earlier: Array, kept: Array, place: int) -> Any:  # noqa: ANN401 - a number of the machine
    """The last kept place before this one in its bucket, or -1; what was skipped is not walked through again."""
    found = earlier[place]
    while found >= 0 and not kept[found]:
        found = earlier[found]
    earlier[place] = found
    return found


@njit(cache=True, nogil=True)
def nearest(near: Near, place: int, kept: Array, seen: Array, distinct: Array, scratch: Any) -> tuple[int, float]:  # noqa: ANN401 - a tuple of arrays
    """The kept place before this one with the highest Jaccard similarity at or above the threshold, and that; or -1.

    Ties go to the better place. `distinct[place]`: its number of distinct shingles, -1 where not yet counted.
    """
    threshold, least, most = near.limits
    keys, stamps, hits, other_keys, other_stamps, counter = scratch
    best, similarity, mask = -1, 0.0, 0
    signature = near.signatures[near.order[place]]
    for band in range(near.earlier.shape[0]):
        other, looked = _step(near.earlier[band], kept, place), 0
        while other >= 0 and looked < most and similarity < 1.0:
            looked += 1
            if seen[other] != place:
                seen[other] = place
                if _agreement(signature, near.signatures[near.order[other]]) >= least:
                    if mask == 0:
                        counter[0] += 1
                        mask = _slots(near.shingles.ends[place] - near.shingles.starts[place]) - 1
                        distinct[place] = _collect(near.shingles, place, keys, stamps, counter[0])
                    if distinct[other] < 0:
                        counter[1] += 1
                        distinct[other] = _collect(near.shingles, other, other_keys, other_stamps, counter[1])
                    together = distinct[place] + distinct[other]
                    needed = threshold / (1 + threshold) * together - 1e-6
                    if min(distinct[place], distinct[other]) >= needed:
                        counter[2] += 1
                        common = _common(near.shingles, other, needed, mask, keys, stamps, counter[0], hits, counter[2])
                        jaccard = common / (together - common)
                        if jaccard >= threshold and (jaccard > similarity or (jaccard == similarity and other < best)):
                            best, similarity = other, jaccard
            other = _step(near.earlier[band], kept, other)
    return best, similarity


@njit(cache=True, nogil=True)
def _lcs(words: Sets, one: int, other: int, row: Array) -> Any:  # noqa: ANN401 - a number of the machine
    """The length of the longest common subsequence: by dynamic programming, once equal ends are taken off."""
    values = words.values
    a, a_end, b, b_end = words.starts[one], words.ends[one], words.starts[other], words.ends[other]
    ends = 0
    while a < a_end and b < b_end and values[a] == values[b]:
        a, b, ends = a + 1, b + 1, ends + 1
    while a < a_end and b < b_end and values[a_end - 1] == values[b_end - 1]:
        a_end, b_end, ends = a_end - 1, b_end - 1, ends + 1
    row[: b_end - b + 1] = 0
    for i in range(a, a_end):
        diagonal = 0
        for k in range(b, b_end):
            above = row[k - b + 1]
            row[k - b + 1] = diagonal + 1 if values[i] == values[k] else max(above, row[k - b])
            diagonal = above
    return ends + row[b_end - b]


@njit(cache=True, nogil=True)
def _shared(words: Sets, one: int, other: int, counts: Array) -> int:
    """How many words two texts share, repeats counted: no common subsequence is longer. `counts` is left all zero."""
    for k in range(words.starts[one], words.ends[one]):
        counts[words.values[k]] += 1
    shared = 0
    for k in range(words.starts[other], words.ends[other]):
        if counts[words.values[k]] > 0:
            counts[words.values[k]] -= 1
            shared += 1
    for k in range(words.starts[one], words.ends[one]):
        counts[words.values[k]] = 0
    return shared


@njit(cache=True, nogil=True)
def repeated(novel: Novel, place: int, seen: Array, index: Any) -> tuple[int, float]:  # noqa: ANN401 - a tuple of arrays
    """The indexed place with the highest ROUGE-L F over the limit to this one, and that; or -1. Ties: the better place."""
    heads, after, owners, counts, row, _ = index
    words, limit = novel.words, novel.limit
    best, highest = -1, 0.0
    size = words.ends[place] - words.starts[place]
    for k in range(novel.prefixes.starts[place], novel.prefixes.ends[place]):
        at = heads[novel.prefixes.values[k]]
        while at >= 0:
            other = owners[at]
            at = after[at]
            if seen[other] == place:
                continue
            seen[other] = place
            together = size + words.ends[other] - words.starts[other]
            if 2 * min(size, together - size) <= limit * together:
                continue
            if 2 * _shared(words, place, other, counts) <= limit * together:
                continue
            f = 2 * _lcs(words, place, other, row) / together
            if f > limit and (f > highest or (f == highest and other < best)):
                best, highest = other, f
    return best, highest


@njit(cache=True, nogil=True)
def _index(novel: Novel, place: int, index: Any) -> None:  # noqa: ANN401 - a tuple of arrays
    heads, after, owners, _, _, used = index
    for k in range(novel.prefixes.starts[place], novel.prefixes.ends[place]):
        word = novel.prefixes.values[k]
        owners[used[0]] = place
        after[used[0]] = heads[word]
        heads[word] = used[0]
        used[0] += 1


@njit(cache=True, nogil=True)
def greedy(
    near: Near,
    novel: Novel,
    states: Array,
    first: int,
    last: int,
    kept: Array,
    found: Array,
    values: Array,
    memory: Any,  # noqa: ANN401 - tuples of arrays
) -> None:
    """Decide the places from `first` to `last`, in order: kept, or near to (row 0) or repeating (row 1) a kept one.

    `found[0 | 1, place]`, int32: that place, or -1; `values`, float64: the similarity. A place is kept where there is
    neither and it is not BARRED; FIXED places are kept unseen, HELD ones whatever is found.
    """
    seen, seen_words, distinct, scratch, index = memory
    for place in range(first, last):
        if states[place] != FIXED:
            if near.earlier.shape[0]:
                found[0, place], values[0, place] = nearest(near, place, kept, seen, distinct, scratch)
            if novel.n_words:
                found[1, place], values[1, place] = repeated(novel, place, seen_words, index)
        else:
            for band in range(near.earlier.shape[0]):
                _step(near.earlier[band], kept, place)
        kept[place] = (
            states[place] == FIXED
            or states[place] == HELD
            or (states[place] == OPEN and found[0, place] < 0 and found[1, place] < 0)
        )
        if kept[place] and novel.n_words:
            _index(novel, place, index)
