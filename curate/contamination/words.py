"""Texts as numbers: one hash for each word, in order, with the bytes that the word stands on. Compiled; imported only where it runs.

What is folded makes no difference to a leak: case, punctuation, white space, compatibility forms (NFKC), apostrophes
inside a word, hyphens. Digits stay digits: a problem with other numbers is another problem.
"""

from functools import cache
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import polars as pl
from numba import njit

from curate.text import WORD

Array = np.ndarray[Any, Any]

# Beyond the table are the later blocks of Han, one word a character as in `curate.text.WORD`, and what is no word.
TABLE, HAN_END = 0x20000, 0x323B0
APART, SILENT, ALONE = 0, 1, 1 << 31
APOSTROPHES = "'’"


class Words(NamedTuple):
    """The words of a column: those of row i are `offsets[i]:offsets[i + 1]` of `hashes` (uint64) and of `starts` and
    `ends` (int64), the bytes of `data` (uint8) that they stand on.
    """

    hashes: Array
    offsets: Array
    starts: Array
    ends: Array
    data: Array

    def text(self, first: int, last: int) -> str:
        """The text from word `first` to word `last`, both included, numbered as in `hashes`."""
        return bytes(self.data[self.starts[first] : self.ends[last]]).decode()


def words(texts: pl.Series) -> Words:
    """The words of each text; a null text has none. Equal words have equal hashes, on every machine."""
    texts = texts.fill_null("")
    # Composing costs ten times what hashing does, and few texts have a character that it changes.
    foreign = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    composable = foreign.filter(texts.gather(foreign).str.contains(_composable()))
    if composable.len():
        composed = texts.gather(composable).to_frame("t").select(pl.col("t").str.normalize("NFKC")).to_series()
        texts = texts.scatter(composable, composed)
    column = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    body = column.buffers()[2]
    data = np.frombuffer(body, dtype=np.uint8) if body is not None else np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    # No word is shorter than a byte, and two words without a byte between them are of three bytes or more each.
    room = (int(offsets[-1] - offsets[0]) + 2 * len(texts)) // 2 + 1
    hashes, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    counts = np.zeros(len(texts) + 1, np.int64)
    n = _scan(data, offsets, _folds(), hashes, starts, ends, counts)
    return Words(hashes[:n], counts, starts[:n], ends[:n], data)


@cache
def _composable() -> str:
    """A pattern for the characters whose NFKC form is another word, or that compose with others: marks and jamo."""
    codes = [code for code in range(0x80, TABLE) if not 0xD800 <= code < 0xE000]
    composed = pl.Series([normalize("NFKC", chr(code)) for code in codes])
    changed = (composed != pl.Series(list(map(chr, codes)))) & composed.str.contains(WORD)
    ranges: list[list[int]] = []
    for code in pl.Series(codes).filter(changed):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[\\p{M}\u1100-\u11ff" + "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in ranges) + "]"


@cache
def _folds() -> Array:
    """What each code point below TABLE counts as, shape (TABLE,), uint32: APART, SILENT (inside a word), or the lower-case
    code point, with the bit ALONE where the character is a word by itself.
    """
    surrogates = range(0xD800, 0xE000)
    characters = [" " if code in surrogates else chr(code) for code in range(TABLE)]
    frame = pl.DataFrame({"c": characters}).select(
        word=pl.col("c").str.contains(rf"^(?:{WORD})$"),
        alone=pl.col("c").str.contains(r"^[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]$"),
    )
    lower = np.array([ord(low) if len(low := c.lower()) == 1 else ord(c) for c in characters], np.uint32)
    folds = np.where(frame["word"].to_numpy(), lower, np.uint32(APART))
    folds[frame["alone"].to_numpy()] |= np.uint32(ALONE)
    for apostrophe in APOSTROPHES:
        folds[ord(apostrophe)] = SILENT
    return folds.astype(np.uint32)


@njit(cache=True, nogil=True, inline="always")
def _decode(data: Array, i: int) -> tuple[Any, int]:
    """The code point at byte `i` of valid UTF-8, which is not ASCII, and the number of its bytes."""
    b = np.int64(data[i])
    if b < 0xE0:
        return (b & 0x1F) << 6 | (data[i + 1] & 0x3F), 2
    if b < 0xF0:
        return (b & 0x0F) << 12 | np.int64(data[i + 1] & 0x3F) << 6 | (data[i + 2] & 0x3F), 3
    high = (b & 0x07) << 18 | np.int64(data[i + 1] & 0x3F) << 12
    return high | np.int64(data[i + 2] & 0x3F) << 6 | (data[i + 3] & 0x3F), 4


@njit(cache=True, nogil=True)
def _scan(data: Array, offsets: Array, folds: Array, hashes: Array, starts: Array, ends: Array, counts: Array) -> int:
    """Fill `hashes`, `starts`, `ends` and `counts` (where each row's words begin); how many words there are."""
    seed, prime = np.uint64(14695981039346656037), np.uint64(1099511628211)
    n = 0
    for row in range(offsets.size - 1):
        i, end = offsets[row], offsets[row + 1]
        h, start, last = seed, np.int64(-1), np.int64(-1)
        while i < end:
            code, step = np.int64(data[i]), 1
            if code >= 0x80:
                code, step = _decode(data, i)
            fold = folds[code] if code < TABLE else np.uint32(code | ALONE if code < HAN_END else APART)
            if fold == SILENT:
                i += step
                continue
            # A character that stands for a word ends the word before it.
            if start >= 0 and (fold == APART or fold >= ALONE):
                hashes[n], starts[n], ends[n] = _mixed(h), start, last
                n += 1
                h, start = seed, np.int64(-1)
            if fold >= ALONE:
                hashes[n], starts[n], ends[n] = _mixed((seed ^ np.uint64(fold)) * prime), i, i + step
                n += 1
            elif fold != APART:
                h = (h ^ np.uint64(fold)) * prime
                start = i if start < 0 else start
                last = i + step
            i += step
        if start >= 0:
            hashes[n], starts[n], ends[n] = _mixed(h), start, last
            n += 1
        counts[row + 1] = n
    return n


@njit(cache=True, nogil=True, inline="always")
def _mixed(h: np.uint64) -> np.uint64:
    """FNV-1a leaves the high bits of short words alike; sums of products of hashes need them mixed (splitmix64)."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))
