"""MinHash signatures of a column of texts, bit for bit those of `datasketch.MinHash`, and the bands to look them up by.

Signatures are datasketch 2.0's default scheme, affine32: a shingle's 32-bit hash is mixed once by MurmurHash3's
finaliser, then permuted as a * h + b modulo 2^32 with odd a; the smallest value of each permutation is kept.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
import polars as pl
from numba import njit, uint32

from curate.duplicates.folding import Array, Digits, folding
from curate.duplicates.shingles import (
    CHECKS,
    Hash,
    Ngram,
    Text,
    buffers,
    lists,
    normal_form,
    shingle_hash,
    shingle_rows,
)
from curate.progress import inside

if TYPE_CHECKING:
    import datasketch

# Rows of a block: what one thread works on before the next block is given out.
BLOCK = 1_024
EMPTY = np.uint32(2**32 - 1)


class Scheme(NamedTuple):
    """What a signature depends on beside the text."""

    ngram: Ngram = "word"
    n: int = 5
    permutations: int = 128
    seed: int = 1
    digits: Digits = "keep"
    hash: Hash = "mixed"


class Bands(NamedTuple):
    """A signature is looked up by `bands` keys of `rows` values each."""

    bands: int
    rows: int


def bands(threshold: float, permutations: int, recall: float) -> Bands:
    """The longest keys with which a pair at the threshold still shares one with probability `recall` or more.

    A pair of similarity s shares one of b keys of r values with probability 1 - (1 - s^r)^b (Leskovec, Rajaraman and
    Ullman, Mining of Massive Datasets, section 3.4). Longer keys mean fewer candidates; candidates are checked, so none
    of them costs precision. Where even keys of one value miss the target, those are used.
    """
    for rows in range(permutations, 1, -1):
        count = permutations // rows
        if 1 - (1 - threshold**rows) ** count >= recall:
            return Bands(count, rows)
    return Bands(permutations, 1)


def measure(texts: pl.Series, scheme: Scheme) -> pl.DataFrame:
    """`signature` (Array(UInt32, permutations)) and `shingles` (List(UInt32), as they follow in the text, repeats too).

    Row by row; a null text reads as empty. All cores that numba may use.
    """
    text = buffers(texts)
    signatures = np.empty((len(texts), scheme.permutations), dtype=np.uint32)
    starts = range(0, len(texts), BLOCK)
    done = 0
    values, counts = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        for block, per_row in threads.map(lambda start: _block(text, start, scheme, signatures), starts):
            values.append(block)
            counts.append(per_row)
            done += len(per_row)
            inside(done, len(texts))
    return pl.DataFrame([_arrays(signatures), lists("shingles", np.concatenate(values), np.concatenate(counts))])


def empty(rows: int, permutations: int) -> pl.DataFrame:
    """The columns of `measure` with nothing in them: what is switched off."""
    dtypes = {"signature": pl.Array(pl.UInt32, permutations), "shingles": pl.List(pl.UInt32)}
    return pl.select(pl.repeat(None, rows, dtype=dtype).alias(name) for name, dtype in dtypes.items())


@cache
def permutations(count: int, seed: int) -> Array:
    """The permutations that datasketch draws from that seed, shape (2, count), uint32: odd multipliers, then addends.

    github.com/ekzhu/datasketch, datasketch/minhash.py, `_init_permutations`.
    """
    draw = np.random.RandomState(seed)
    multipliers = draw.randint(0, 2**31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.array([multipliers, draw.randint(0, 2**32, count, dtype=np.uint32)])


def to_datasketch(signature: Sequence[int] | Array, scheme: Scheme) -> "datasketch.MinHash":
    """A signature as a `datasketch.MinHash`, for its LSH, its storage, or further `update`s with shingles in normal form."""
    import datasketch

    return datasketch.MinHash(
        seed=scheme.seed,
        hashfunc=shingle_hash(scheme.ngram, scheme.hash),
        hashvalues=np.asarray(signature, dtype=np.uint32),
        permutations=permutations(scheme.permutations, scheme.seed),
        scheme="affine32",
    )


def _arrays(signatures: Array) -> pl.Series:
    """A matrix as a column of arrays, without a copy."""
    flat = pl.Series("signature", signatures.reshape(-1))
    return flat.reshape(signatures.shape) if signatures.size else empty(0, signatures.shape[1])["signature"]


def _block(text: Text, start: int, scheme: Scheme, signatures: Array) -> tuple[Array, Array]:
    """Fill `signatures` for the rows from `start`; their shingles, one row after the other, and how many each has."""
    offsets = text.offsets[start : start + BLOCK + 1]
    rows, chars = offsets.size - 1, scheme.ngram == "char"
    room = int(offsets[-1] - offsets[0]) // (1 if chars else 2) + rows * (2 + CHECKS)
    values = np.empty(room, dtype=np.uint32)
    tokens, counts = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    table = folding(scheme.digits)
    used = shingle_rows(text.data, offsets, table, chars, scheme.n, values, tokens, counts)
    if scheme.hash == "xxh32":
        _rehash(text.data, offsets, table, scheme, tokens, counts, values)
    # The numbers behind the first are the checks of a text that is compared whole: they are no shingles.
    signed = np.where(tokens < scheme.n, 1, counts)
    sign_rows(values, counts, signed, permutations(scheme.permutations, scheme.seed), signatures[start : start + rows])
    return values[:used].copy(), counts


def _rehash(
    data: Array, offsets: Array, table: Array, scheme: Scheme, tokens: Array, counts: Array, values: Array
) -> None:
    """Put xxHash's number of each shingle in the place of ours."""
    from curate.duplicates import xxh32

    longest = int(np.diff(offsets).max(initial=0)) + 1
    body = np.empty(3 * longest, dtype=np.uint8)
    begins, ends = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    used = 0
    for row, count in enumerate(counts):
        normal_form(data, offsets[row], offsets[row + 1], table, scheme.ngram == "char", body, begins, ends)
        xxh32.hash_shingles(body, begins, ends, tokens[row], scheme.n, values[used:])
        used += count


@njit(cache=True, nogil=True)
def _mix(h: Any) -> Any:  # noqa: ANN401 - numbers of the machine
    """MurmurHash3's 32-bit finaliser."""
    h = uint32(h ^ (h >> uint32(16))) * uint32(0x85EBCA6B)
    h = uint32(h)
    h = uint32(h ^ (h >> uint32(13))) * uint32(0xC2B2AE35)
    h = uint32(h)
    return uint32(h ^ (h >> uint32(16)))


@njit(cache=True, nogil=True)
def _sign(found: Array, multipliers: Array, signature: Array) -> None:
    """The smallest value of each permutation over the shingles `found`, into `signature`.

    Eight shingles at a time: each permutation is loaded and stored an eighth as often, and the loop over permutations
    runs in vectors.
    """
    a, b = multipliers[0], multipliers[1]
    signature[:] = EMPTY
    whole = found.size - found.size % 8
    for j in range(0, whole, 8):
        h0, h1, h2, h3 = _mix(found[j]), _mix(found[j + 1]), _mix(found[j + 2]), _mix(found[j + 3])
        h4, h5, h6, h7 = _mix(found[j + 4]), _mix(found[j + 5]), _mix(found[j + 6]), _mix(found[j + 7])
        for k in range(a.size):
            x, y = a[k], b[k]
            low = min(uint32(x * h0 + y), uint32(x * h1 + y), uint32(x * h2 + y), uint32(x * h3 + y))
            high = min(uint32(x * h4 + y), uint32(x * h5 + y), uint32(x * h6 + y), uint32(x * h7 + y))
            signature[k] = min(signature[k], low, high)
    for j in range(whole, found.size):
        h = _mix(found[j])
        for k in range(a.size):
            signature[k] = min(signature[k], uint32(a[k] * h + b[k]))


@njit(cache=True, nogil=True)
def sign_rows(values: Array, counts: Array, signed: Array, multipliers: Array, signatures: Array) -> None:
    """The signature of each row over the first `signed` of its `counts` values, which follow one another."""
    used = 0
    for row in range(counts.size):
        _sign(values[used : used + signed[row]], multipliers, signatures[row])
        used += counts[row]
