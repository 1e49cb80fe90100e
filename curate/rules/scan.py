"""One pass over the words of many texts: how many, how long, how often repeated. Compiled; imported only where it runs.

Polars has to build a list of strings to count n-grams, which is fifteen times slower (benchmarks/filters.py). Here the
bytes of a whole column are read once. A word is what `curate.text.WORD` matches; the classes of characters are asked of
the same regular expression engine, so that both always agree.
"""

from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numba import njit

# Classes of characters.
APART, LETTER, DIGIT, ALONE, JOINER = 0, 1, 2, 3, 4
# Code points beyond the table are the later blocks of Han: one word each.
TABLE = 0x20000
COLUMNS = ("words", "word_length", "alpha_words", "top_ngrams", "duplicate_ngrams")
N_TOP, N_DUPLICATE = 4, 5

Array = np.ndarray[Any, Any]


def words(texts: pl.Series, *, ngrams: bool = True) -> pl.DataFrame:
    """Columns `words` (UInt32), `word_length` (mean characters of a word outside Han, kana and Hangul; null without any),
    `alpha_words` (share of words with a letter), `top_ngrams`, `duplicate_ngrams` (shares in [0, 1], see
    curate.rules.repetition; 0 with `ngrams=False`), Float64. Row by row; a null text has no words.
    """
    column = texts.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    body = column.buffers()[2]
    data = np.frombuffer(body, dtype=np.uint8) if body is not None else np.zeros(0, dtype=np.uint8)
    out = np.zeros((len(COLUMNS), len(texts)))
    longest = int(np.diff(offsets).max(initial=0)) + 1
    _scan(data, offsets, _classes(), longest, ngrams, out)
    frame = pl.DataFrame(dict(zip(COLUMNS, out, strict=True)))
    return frame.with_columns(pl.col("words").cast(pl.UInt32), pl.col("word_length", "alpha_words").fill_nan(None))


@cache
def _classes() -> Array:
    """The class of each code point below TABLE, shape (TABLE,), uint8."""
    surrogates = range(0xD800, 0xE000)
    characters = pl.Series([" " if code in surrogates else chr(code) for code in range(TABLE)])
    found = characters.to_frame("c").select(
        pl.when(pl.col("c").str.contains(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"))
        .then(ALONE)
        .when(pl.col("c").str.contains(r"[\p{L}\p{M}]"))
        .then(LETTER)
        .when(pl.col("c").str.contains(r"\p{N}"))
        .then(DIGIT)
        .when(pl.col("c").str.contains(r"['’\-]"))
        .then(JOINER)
        .otherwise(APART)
        .cast(pl.UInt8)
    )
    return found.to_series().to_numpy()


@njit(cache=True, nogil=True)
def _decode(data: Array, i: int) -> tuple[Any, int]:
    """The code point at byte `i` of valid UTF-8 and the number of its bytes."""
    b = np.int64(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0:
        return (b & 0x1F) << 6 | (data[i + 1] & 0x3F), 2
    if b < 0xF0:
        return (b & 0x0F) << 12 | np.int64(data[i + 1] & 0x3F) << 6 | (data[i + 2] & 0x3F), 3
    high = (b & 0x07) << 18 | np.int64(data[i + 1] & 0x3F) << 12
    return high | np.int64(data[i + 2] & 0x3F) << 6 | (data[i + 3] & 0x3F), 4


@njit(cache=True, nogil=True)
def _class(classes: Array, code: int) -> int:
    return classes[code] if code < classes.size else ALONE


@njit(cache=True, nogil=True)
def _word(data: Array, i: int, end: int, classes: Array) -> tuple[np.uint64, int, bool, int]:
    """The word that begins at byte `i`: its hash, characters, whether it has a letter, and the byte behind it."""
    code, step = _decode(data, i)
    kind = _class(classes, code)
    alone, alpha, length = kind == ALONE, kind != DIGIT, 0
    h = np.uint64(14695981039346656037)
    while True:
        # FNV-1a over code points, ASCII letters folded: case makes no difference to a repetition.
        folded = code + 32 if 65 <= code <= 90 else code
        h = (h ^ np.uint64(folded)) * np.uint64(1099511628211)
        length += 1
        i += step
        if alone or i >= end:
            return h, length, alpha, i
        code, step = _decode(data, i)
        kind = _class(classes, code)
        if kind == JOINER and i + step < end:
            # An apostrophe or hyphen belongs to the word when the word goes on behind it.
            kind = _class(classes, _decode(data, i + step)[0])
        elif kind not in (APART, JOINER, DIGIT):
            alpha = True
        if kind in (APART, JOINER):
            return h, length, alpha, i


@njit(cache=True, nogil=True)
def _scan(data: Array, offsets: Array, classes: Array, longest: int, ngrams: bool, out: Array) -> None:
    """Fill `out`, shape (5, rows), in the order of COLUMNS; `longest` is more than any row has bytes."""
    hashes = np.empty(longest, dtype=np.uint64)
    lengths = np.empty(longest, dtype=np.int64)
    place = np.empty(longest, dtype=np.int64)
    slots = _slots(longest)
    keys = np.empty(slots, dtype=np.uint64)
    counts = np.zeros(slots, dtype=np.int64)
    for row in range(offsets.size - 1):
        n_words, n_plain, plain_chars, n_alpha = 0, 0, 0, 0
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            code, step = _decode(data, i)
            kind = _class(classes, code)
            if kind in (APART, JOINER):
                i += step
                continue
            h, length, alpha, i = _word(data, i, end, classes)
            hashes[n_words], lengths[n_words] = h, length
            n_words += 1
            n_alpha += alpha
            if kind != ALONE:
                n_plain += 1
                plain_chars += length
        out[0, row] = n_words
        out[1, row] = plain_chars / n_plain if n_plain else np.nan
        out[2, row] = n_alpha / n_words if n_words else np.nan
        if ngrams:
            out[3, row], out[4, row] = _repetition(hashes, lengths, n_words, keys, counts, place)


@njit(cache=True, nogil=True)
def _slots(n: int) -> int:
    """A power of two at least twice `n`: the size of a hash table that stays half empty."""
    slots = 16
    while slots < 2 * n:
        slots *= 2
    return slots


@njit(cache=True, nogil=True)
def _repetition(
    hashes: Array, lengths: Array, n_words: int, keys: Array, counts: Array, place: Array
) -> tuple[float, float]:
    """The shares of the top and of the duplicate n-grams in one row.

    `place[i]` is the slot of the (n-1)-gram that begins at word i, or -1 where that occurs once: an n-gram can only be
    repeated where its first n-1 words are, so that each round looks at few of the positions of the round before.
    """
    place[:n_words] = 0
    chars = lengths[:n_words].sum()
    top = 0.0
    for n in range(2, N_DUPLICATE + 1):
        most, covered = _count(hashes, lengths, n_words, n, keys, counts, place)
        if most == 0:
            return top, 0.0
        if n <= N_TOP:
            top = max(top, min(1.0, most / chars))
        for first in range(n_words):
            if first > n_words - n or (place[first] >= 0 and counts[place[first]] < 2):
                place[first] = -1
    return top, covered / chars


@njit(cache=True, nogil=True)
def _count(
    hashes: Array, lengths: Array, n_words: int, n: int, keys: Array, counts: Array, place: Array
) -> tuple[int, int]:
    """Count the n-grams of one row: characters of the repeated n-gram that takes most, and of all that repeat one."""
    slots = _slots(n_words)
    counts[:slots] = 0
    most, covered, covered_to = 0, 0, 0
    for first in range(n_words - n + 1):
        if place[first] < 0:
            continue
        key = hashes[first] if n == 2 else np.uint64(place[first])
        key = (key ^ (hashes[first + n - 1] << np.uint64(1))) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
        at = np.int64(key & np.uint64(slots - 1))
        while counts[at] > 0 and keys[at] != key:
            at = (at + 1) & (slots - 1)
        keys[at] = key
        counts[at] += 1
        place[first] = at
        if counts[at] > 1:
            length = 0
            for k in range(first, first + n):
                length += lengths[k]
                if k >= covered_to:
                    covered += lengths[k]
            covered_to = first + n
            most = max(most, counts[at] * length)
    return most, covered
