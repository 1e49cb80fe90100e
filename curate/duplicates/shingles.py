"""Texts as sets of n-grams, each n-gram a 32-bit number. Compiled; imported only where it runs.

A token is a run of characters other than white space, in lower case; each character of Han, kana and Hangul, where no
spaces stand between words, is one of its own. Punctuation stays: code that differs in an operator differs. A shingle is
n consecutive tokens, or n consecutive characters of the text in lower case with its white space folded.

A text with fewer than n tokens is compared whole: it has one shingle, of all its tokens, and with it `CHECKS` further
numbers from the same 64-bit hash, so that two different short texts are never taken for one, and equal ones always are.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash
from numba import njit, uint8, uint32, uint64

from curate.duplicates.folding import ALONE, Array

Ngram = Literal["word", "char"]
Hash = Literal["mixed", "xxh32"]

CHECKS = 3
# The constants of 64-bit FNV-1a, of splitmix64's step and of MurmurHash3's finaliser: well-known odd numbers.
BASIS, PRIME = 14695981039346656037, 1099511628211
STEP, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
MASK = 2**64 - 1
_BASIS, _PRIME, _STEP, _MIX_1, _MIX_2 = (np.uint64(x) for x in (BASIS, PRIME, STEP, MIX_1, MIX_2))


class Text(NamedTuple):
    """The UTF-8 bytes of a column, (bytes,) uint8, and where each text begins and ends, (rows + 1,) int64."""

    data: Array
    offsets: Array


def buffers(texts: pl.Series) -> Text:
    """The Arrow buffers of a column of strings, without a copy; null reads as empty."""
    column = texts.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    body = column.buffers()[2]
    return Text(np.frombuffer(body, dtype=np.uint8) if body is not None else np.zeros(0, dtype=np.uint8), offsets)


def lists(name: str, values: Array, counts: Array) -> pl.Series:
    """A column List(UInt32) of numbers that follow one another, `counts` of them a row, without a copy.

    Through Arrow's buffers, because pyarrow loads pandas (half a second) before it takes an array.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    numbers = pa.Array.from_buffers(pa.uint32(), values.size, [None, pa.py_buffer(values)])
    column = pa.LargeListArray.from_buffers(
        pa.large_list(pa.uint32()), counts.size, [None, pa.py_buffer(offsets)], children=[numbers]
    )
    return pl.Series(name, pl.from_arrow(column))


def shingle_hash(ngram: Ngram, hash_: Hash = "mixed") -> Callable[[bytes], int]:
    """The hash of one shingle as the kernels compute it, for `datasketch.MinHash(hashfunc=...)`.

    It takes the UTF-8 bytes of the shingle in normal form: tokens joined by one space, or characters. For `xxh32` it is
    `xxhash.xxh32_intdigest`.
    """
    if hash_ == "xxh32":
        intdigest: Callable[[bytes], int] = xxhash.xxh32_intdigest
        return intdigest
    return _hash_of_words if ngram == "word" else _hash_of_chars


def _hash_of_words(shingle: bytes) -> int:
    return _combined(shingle.decode().split(" ") if shingle else []) & 0xFFFFFFFF


def _hash_of_chars(shingle: bytes) -> int:
    return _combined(list(shingle.decode())) & 0xFFFFFFFF


def _combined(tokens: list[str]) -> int:
    """FNV-1a of each token's code points, their polynomial in STEP, and the number of tokens; each mixed."""
    total = 0
    for token in tokens:
        h = BASIS
        for character in token:
            h = ((h ^ ord(character)) * PRIME) & MASK
        total = (total * STEP + (h ^ h >> 29)) & MASK
    x = (total + len(tokens) * MIX_2) & MASK
    x = ((x ^ x >> 33) * MIX_1) & MASK
    x = ((x ^ x >> 33) * MIX_2) & MASK
    return x ^ x >> 33


@njit(cache=True, nogil=True)
def _decode(data: Array, i: int) -> tuple[Any, int]:
    """The code point at byte `i` of valid UTF-8 and the number of its bytes."""
    b = np.int64(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0:
        return (b & 0x1F) << 6 | np.int64(data[i + 1] & 0x3F), 2
    if b < 0xF0:
        return (b & 0x0F) << 12 | np.int64(data[i + 1] & 0x3F) << 6 | np.int64(data[i + 2] & 0x3F), 3
    high = (b & 0x07) << 18 | np.int64(data[i + 1] & 0x3F) << 12
    return high | np.int64(data[i + 2] & 0x3F) << 6 | np.int64(data[i + 3] & 0x3F), 4


@njit(cache=True, nogil=True)
def _folded_at(data: Array, i: int, table: Array) -> tuple[Any, int]:
    """What the character at byte `i` becomes (see `folding`), and the byte behind it."""
    if data[i] < 0x80:
        return table[data[i]], i + 1
    code, step = _decode(data, i)
    return (table[code] if code < table.size else uint32(code | ALONE)), i + step


@njit(cache=True, nogil=True)
def _hash(code: Any) -> Any:  # noqa: ANN401 - numbers of the machine
    """The hash of a token of one character."""
    h = (_BASIS ^ uint64(code & uint32(ALONE - 1))) * _PRIME
    return h ^ (h >> uint64(29))


@njit(cache=True, nogil=True)
def _tokens(data: Array, start: int, end: int, table: Array, out: Array) -> int:
    """Write the 64-bit hash of each token of data[start:end] to `out` (room for one a byte); how many."""
    n, h, inside = 0, _BASIS, False
    i = start
    while i < end:
        code, i = _folded_at(data, i, table)
        if code != 0 and code < ALONE:
            h = (h ^ uint64(code)) * _PRIME
            inside = True
            continue
        if inside:
            out[n] = h ^ (h >> uint64(29))
            n += 1
            h, inside = _BASIS, False
        if code != 0:
            out[n] = _hash(code)
            n += 1
    if inside:
        out[n] = h ^ (h >> uint64(29))
        n += 1
    return n


@njit(cache=True, nogil=True)
def _characters(data: Array, start: int, end: int, table: Array, out: Array) -> int:
    """As `_tokens`, with each character a token and each run of white space between others one, a space."""
    n, space = 0, False
    i = start
    while i < end:
        code, i = _folded_at(data, i, table)
        if code == 0:
            space = n > 0
            continue
        if space:
            out[n] = _hash(uint32(32))
            n += 1
            space = False
        out[n] = _hash(code)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _mixed(total: Any, count: int) -> Any:  # noqa: ANN401 - numbers of the machine
    """The last step of `shingle_hash`: a polynomial and its number of terms, as 64 bits."""
    x = total + uint64(count) * _MIX_2
    x = (x ^ (x >> uint64(33))) * _MIX_1
    x = (x ^ (x >> uint64(33))) * _MIX_2
    return x ^ (x >> uint64(33))


@njit(cache=True, nogil=True)
def _shingles(hashes: Array, count: int, n: int, out: Array) -> int:
    """Write the shingles of a text of `count` tokens to `out`, and the checks of one that is compared whole; how many."""
    total = uint64(0)
    if count < n:
        for k in range(count):
            total = total * _STEP + hashes[k]
        whole = _mixed(total, count)
        out[0] = uint32(whole)
        for check in range(CHECKS):
            out[1 + check] = uint32(_mixed(whole, check + 1) >> uint64(32))
        return 1 + CHECKS
    leaving = uint64(1)
    for k in range(n):
        total = total * _STEP + hashes[k]
        leaving *= _STEP
    out[0] = uint32(_mixed(total, n))
    for k in range(n, count):
        total = total * _STEP + hashes[k] - hashes[k - n] * leaving
        out[k - n + 1] = uint32(_mixed(total, n))
    return count - n + 1


@njit(cache=True, nogil=True)
def shingle_rows(
    data: Array, offsets: Array, table: Array, chars: bool, n: int, values: Array, tokens: Array, counts: Array
) -> int:
    """The shingles of each text into `values`, uint32, one text after the other; how many they are together.

    `values` has room for a number a byte (two bytes where tokens are words) and 2 + CHECKS a text. Into `tokens` goes how
    many tokens each text has, into `counts` how many of the values are its own.
    """
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, dtype=np.uint64)
    used = 0
    for row in range(offsets.size - 1):
        if chars:
            tokens[row] = _characters(data, offsets[row], offsets[row + 1], table, hashes)
        else:
            tokens[row] = _tokens(data, offsets[row], offsets[row + 1], table, hashes)
        counts[row] = _shingles(hashes, tokens[row], n, values[used:])
        used += counts[row]
    return used


@njit(cache=True, nogil=True)
def word_rows(data: Array, offsets: Array, table: Array, values: Array, counts: Array) -> int:
    """The words of each text as 32-bit numbers, in the text's order: `values`, `counts` and result as in `shingle_rows`."""
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest + 1, dtype=np.uint64)
    used = 0
    for row in range(offsets.size - 1):
        counts[row] = _tokens(data, offsets[row], offsets[row + 1], table, hashes)
        for k in range(counts[row]):
            values[used + k] = uint32(_mixed(hashes[k], 1))
        used += counts[row]
    return used


@njit(cache=True, nogil=True)
def _encode(code: Any, body: Array, at: int) -> int:  # noqa: ANN401 - a number of the machine
    """Write a code point as UTF-8; the byte behind it."""
    if code < 0x80:
        body[at] = uint8(code)
        return at + 1
    if code < 0x800:
        body[at] = uint8(0xC0 | code >> 6)
        body[at + 1] = uint8(0x80 | code & 0x3F)
        return at + 2
    if code < 0x10000:
        body[at] = uint8(0xE0 | code >> 12)
        body[at + 1] = uint8(0x80 | code >> 6 & 0x3F)
        body[at + 2] = uint8(0x80 | code & 0x3F)
        return at + 3
    body[at] = uint8(0xF0 | code >> 18)
    body[at + 1] = uint8(0x80 | code >> 12 & 0x3F)
    body[at + 2] = uint8(0x80 | code >> 6 & 0x3F)
    body[at + 3] = uint8(0x80 | code & 0x3F)
    return at + 4


@njit(cache=True, nogil=True)
def normal_form(
    data: Array, start: int, end: int, table: Array, chars: bool, body: Array, begins: Array, ends: Array
) -> None:
    """The bytes of a text in normal form: tokens joined by one space, or characters with white space folded.

    Token i is `body[begins[i]:ends[i]]`. `body` has room for three bytes a byte (lower case may take more), the others for
    a number a byte.
    """
    n, at, inside, space = 0, 0, False, False
    i = start
    while i < end:
        code, i = _folded_at(data, i, table)
        alone = chars or code >= ALONE
        if inside and (code == 0 or alone):
            ends[n] = at
            n += 1
            inside = False
        if code == 0:
            space = n > 0
            continue
        if not inside:
            if space if chars else n > 0:
                body[at] = uint8(32)
                if chars:
                    begins[n], ends[n] = at, at + 1
                    n += 1
                at += 1
            space = False
            begins[n] = at
            inside = True
        at = _encode(code & uint32(ALONE - 1), body, at)
        if alone:
            ends[n] = at
            n += 1
            inside = False
    if inside:
        ends[n] = at
