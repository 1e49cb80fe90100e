"""xxHash's 32-bit hash of each shingle's bytes, for indexes that were made with it elsewhere. Compiled."""

from typing import Any

from numba import njit, uint32

from curate.duplicates.folding import Array

# github.com/Cyan4973/xxHash, doc/xxhash_spec.md, "XXH32 algorithm description".
_P1, _P2, _P3, _P4, _P5 = (uint32(p) for p in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1))


@njit(cache=True, nogil=True)
def hash_shingles(body: Array, begins: Array, ends: Array, count: int, n: int, out: Array) -> None:
    """The hash of each shingle of n tokens, or of all of them where there are fewer, into `out`, uint32.

    `body`, `begins` and `ends` are a text in normal form (curate.duplicates.shingles), `count` its tokens.
    """
    if count < n:
        out[0] = _xxh32(body, 0, ends[count - 1] if count else 0)
        return
    for first in range(count - n + 1):
        out[first] = _xxh32(body, begins[first], ends[first + n - 1])


@njit(cache=True, nogil=True)
def _word(body: Array, at: int) -> Any:  # noqa: ANN401 - a number of the machine
    return (
        uint32(body[at]) | uint32(body[at + 1]) << uint32(8) | uint32(body[at + 2]) << uint32(16) | uint32(body[at + 3]) << uint32(24)
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _rotated(x: Any, by: int) -> Any:  # noqa: ANN401 - numbers of the machine
    x = uint32(x)
    return uint32(uint32(x << uint32(by)) | uint32(x >> uint32(32 - by)))


@njit(cache=True, nogil=True)
def _round(lane: Any, word: Any) -> Any:  # noqa: ANN401 - numbers of the machine
    return uint32(_rotated(uint32(lane + word * _P2), 13) * _P1)


@njit(cache=True, nogil=True)
def _xxh32(body: Array, start: int, end: int) -> Any:  # noqa: ANN401 - a number of the machine
    at = start
    if end - start >= 16:
        v1, v2, v3, v4 = uint32(_P1 + _P2), _P2, uint32(0), uint32(uint32(0) - _P1)
        while at + 16 <= end:
            v1 = _round(v1, _word(body, at))
            v2 = _round(v2, _word(body, at + 4))
            v3 = _round(v3, _word(body, at + 8))
            v4 = _round(v4, _word(body, at + 12))
            at += 16
        h = uint32(_rotated(v1, 1) + _rotated(v2, 7) + _rotated(v3, 12) + _rotated(v4, 18))
    else:
        h = _P5
    h = uint32(h + uint32(end - start))
    while at + 4 <= end:
        h = uint32(_rotated(uint32(h + _word(body, at) * _P3), 17) * _P4)
        at += 4
    while at < end:
        h = uint32(_rotated(uint32(h + uint32(body[at]) * _P5), 11) * _P1)
        at += 1
    h = uint32(uint32(h ^ (h >> uint32(15))) * _P2)
    h = uint32(uint32(h ^ (h >> uint32(13))) * _P3)
    return uint32(h ^ (h >> uint32(16)))
