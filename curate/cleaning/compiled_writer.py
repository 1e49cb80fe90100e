"""`writer.Writer`, compiled: it writes bytes, and its whole state is `n`, numbers at the places named here, and two buffers.

`out` takes the Markdown of all bodies, one after the other; `side` holds short texts: the prefix of the open lists and
quotes, the head of the next block, the language and the text of a code block, the mark of an item. n[FAILED] is set as
soon as a body shows something that this writer leaves to the other.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def compiled(function: F) -> F:
    """The function as machine code: compiled at its first call, kept beside the source for later processes."""
    return cast("F", njit(cache=True, nogil=True, error_model="numpy")(function))


def padded(texts: Sequence[str]) -> Bytes:
    """Texts as rows of one array, each preceded by its length."""
    width = max(map(len, texts))
    return cast("Bytes", np.array([[len(text), *text.encode().ljust(width)] for text in texts], np.uint8))


# Places in `n`; what they mean stands in `writer.Writer`. LATE: a mark is open whose start is not yet written.
(
    AT, START, LIMIT, PREFIX, HEAD, SHARED, GAP, BLOCKS, OUTER, LISTS, ITEMS, N_MARKS, LATE, DEPTH, INKED, SPACE, BREAKS,
    MATHS, NEWLINE, IN_CODE, IN_HEADING, IN_BLOCK, CODE_SIZE, LANGUAGE_SIZE, FAILED, N_PLACES,
) = range(26)  # fmt: skip
MAX_OPEN = 60  # elements inside each other; what is deeper takes the other path
MAX_INDENT = 30
_DEEP = MAX_OPEN + 4
# Stacks in `n` after those places: names and kinds of the open elements; per open item or quote the prefix, head and
# blocks before it; per list its last number and whether that item was tight; per item whether it holds blocks; per mark
# which, and whether it is written.
NAMES_AT, KINDS_AT, OUTER_AT, LISTS_AT, ITEMS_AT, MARKS_AT = (N_PLACES + _DEEP * place for place in (0, 1, 2, 5, 7, 8))
N_SIZE = N_PLACES + _DEEP * 10
TO_WRITE, WRITTEN, HIDDEN = range(3)
# Places in `side`; the text of a code block is last, and as long as the longest body.
PREFIX_AT, HEAD_AT, LANGUAGE_AT, MARK_AT, CODE_AT = 0, 1024, 2048, 3072, 3088

MARKS = ("code", "em", "strong", "del", "sub", "sup", "kbd")
CODE_MARK, BOLD = MARKS.index("code"), MARKS.index("strong")
STARTS = padded(("`", "*", "**", "~~", "<sub>", "<sup>", "<kbd>"))
STOPS = padded(("`", "*", "**", "~~", "</sub>", "</sup>", "</kbd>"))
NO_LANGUAGE = ("default", "nohighlight", "none", "prettyprint", "text")
_NO_LANGUAGE = padded(NO_LANGUAGE)
_TAB, _LINE_FEED, _SPACE, _HASH, _DOLLAR, _HYPHEN, _BRACKET, _BACKSLASH, _BACKTICK, _B = b"\t\n #$-[\\`b"
# Bytes that are only themselves: no mark-up, no part of $$, \[ or \begin, no start of a white space beyond ASCII.
_ORDINARY = np.array(
    [byte > _SPACE and byte not in b"<&`$\\[\x7f" and byte not in (0xC2, 0xE1, 0xE2, 0xE3) for byte in range(256)]
)


@compiled
def put(n: Numbers, out: Bytes, byte: int) -> None:
    at = n[AT]
    if at >= n[LIMIT]:
        n[FAILED] = 1
        return
    out[at] = byte
    n[AT] = at + 1


@compiled
def put_all(n: Numbers, out: Bytes, source: Bytes, start: int, size: int) -> None:
    for i in range(start, start + size):
        put(n, out, source[i])


@compiled
def put_prefix(n: Numbers, out: Bytes, side: Bytes, size: int, bare: int) -> None:
    """The first `size` bytes of the prefix; if `bare`, without the spaces at their end."""
    while bare and size > 0 and side[PREFIX_AT + size - 1] == _SPACE:
        size -= 1
    put_all(n, out, side, PREFIX_AT, size)


@compiled
def start_block(n: Numbers, out: Bytes, side: Bytes) -> None:
    if n[BLOCKS] > 0:
        put(n, out, _LINE_FEED)
        if n[GAP] != 1:
            put_prefix(n, out, side, n[SHARED], 1)
            put(n, out, _LINE_FEED)
    if n[HEAD] >= 0:
        put_all(n, out, side, HEAD_AT, n[HEAD])
    else:
        put_prefix(n, out, side, n[PREFIX], 0)
    n[HEAD] = -1
    n[SHARED] = n[PREFIX]
    n[GAP] = 2
    n[BLOCKS] += 1


@compiled
def flush(n: Numbers) -> None:
    """End the line. Marks around several blocks, and displayed maths over several lines, are left to the other path."""
    if n[N_MARKS] > 0 or (n[MATHS] and n[NEWLINE]):
        n[FAILED] = 1
    n[INKED] = n[SPACE] = n[BREAKS] = n[MATHS] = n[NEWLINE] = 0


@compiled
def _before_ink(n: Numbers, out: Bytes, side: Bytes) -> None:
    """What is due before the next visible character: the start of the block, a break or space, marks just opened."""
    if n[INKED] == 0:
        start_block(n, out, side)
        for _ in range(n[IN_HEADING]):
            put(n, out, _HASH)
        if n[IN_HEADING]:
            put(n, out, _SPACE)
        n[INKED] = 1
    elif n[BREAKS] > 0:
        put(n, out, _LINE_FEED)
        if n[BREAKS] > 1:
            put_prefix(n, out, side, n[PREFIX], 1)
            put(n, out, _LINE_FEED)
        put_prefix(n, out, side, n[PREFIX], 0)
    elif n[SPACE] > 0:
        put(n, out, _SPACE)
    n[SPACE] = n[BREAKS] = n[LATE] = 0
    for i in range(n[N_MARKS]):
        at = MARKS_AT + 2 * i
        if n[at + 1] == TO_WRITE:
            n[at + 1] = WRITTEN
            put_all(n, out, STARTS[n[at]], 1, STARTS[n[at], 0])


@compiled
def ink(n: Numbers, out: Bytes, side: Bytes, byte: int) -> None:
    """Write a visible character."""
    if n[IN_BLOCK] > 0:
        side[CODE_AT + n[CODE_SIZE]] = byte
        n[CODE_SIZE] += 1
        return
    if n[INKED] == 0 or n[SPACE] or n[BREAKS] or n[LATE]:
        _before_ink(n, out, side)
    last = out[n[AT] - 1] if n[AT] > n[START] else 0
    if (byte == _DOLLAR and last == _DOLLAR) or (last == _BACKSLASH and (byte in (_BRACKET, _B))):
        n[MATHS] = 1
    if byte == _BACKTICK and n[IN_CODE] > 0:
        n[FAILED] = 1
    put(n, out, byte)


@compiled
def white(n: Numbers, side: Bytes, byte: int) -> None:
    """Take a white space."""
    if n[IN_BLOCK] > 0:
        side[CODE_AT + n[CODE_SIZE]] = byte
        n[CODE_SIZE] += 1
    elif n[INKED] > 0:
        n[SPACE] = 1
        if byte == _LINE_FEED:
            n[NEWLINE] = 1


@compiled
def copy(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Copy characters that are only themselves, and single spaces between them, as long as they come; where they end."""
    if n[IN_BLOCK] > 0:
        to = CODE_AT + n[CODE_SIZE]
        while at < stop and (_ORDINARY[data[at]] or data[at] == _SPACE or data[at] == _LINE_FEED):
            side[to] = data[at]
            at += 1
            to += 1
        n[CODE_SIZE] = to - CODE_AT
        return at
    to = n[AT]
    if n[SPACE] or n[BREAKS] or n[LATE] or out[to - 1] == _BACKSLASH or to + stop - at > n[LIMIT]:
        return at
    while at < stop:
        if data[at] == _SPACE and at + 1 < stop and _ORDINARY[data[at + 1]]:
            out[to] = _SPACE
            to += 1
            at += 1
        if not _ORDINARY[data[at]]:
            break
        out[to] = data[at]
        to += 1
        at += 1
    n[AT] = to
    return at


@compiled
def block(n: Numbers) -> None:
    """Begin a block; the list item around it is no longer tight."""
    flush(n)
    if n[ITEMS] > 0:
        n[ITEMS_AT + n[ITEMS] - 1] = 1


@compiled
def enter(n: Numbers, side: Bytes, size: int, quote: int) -> None:
    """Open a list item or a quote, whose mark is in `side`; further lines get spaces, or the quote's mark again."""
    at = OUTER_AT + 3 * n[OUTER]
    n[at], n[at + 1], n[at + 2] = n[PREFIX], n[HEAD], n[BLOCKS]
    n[OUTER] += 1
    if n[OUTER] > MAX_INDENT:
        n[FAILED] = 1
        return
    if n[HEAD] >= 0 or not quote:
        if n[HEAD] < 0:
            for i in range(n[PREFIX]):
                side[HEAD_AT + i] = side[PREFIX_AT + i]
            n[HEAD] = n[PREFIX]
        for i in range(size):
            side[HEAD_AT + n[HEAD] + i] = side[MARK_AT + i]
        n[HEAD] += size
    for i in range(size):
        side[PREFIX_AT + n[PREFIX] + i] = side[MARK_AT + i] if quote else _SPACE
    n[PREFIX] += size


@compiled
def leave(n: Numbers) -> None:
    flush(n)
    n[OUTER] -= 1
    at = OUTER_AT + 3 * n[OUTER]
    n[PREFIX] = n[at]
    n[HEAD] = n[at + 1] if n[at + 2] == n[BLOCKS] else -1
    n[SHARED] = min(n[SHARED], n[PREFIX])


@compiled
def open_quote(n: Numbers, side: Bytes) -> None:
    side[MARK_AT], side[MARK_AT + 1] = 62, 32  # "> "
    enter(n, side, 2, 1)


@compiled
def open_list(n: Numbers, number: int) -> None:
    """`number`: before the first item; -1 for bullets."""
    flush(n)
    if n[ITEMS] > 0 and n[ITEMS_AT + n[ITEMS] - 1] == 0 and n[HEAD] < 0:
        n[GAP] = 1
    at = LISTS_AT + 2 * n[LISTS]
    n[at], n[at + 1] = number, 0
    n[LISTS] += 1


@compiled
def open_item(n: Numbers, side: Bytes) -> None:
    flush(n)
    last = LISTS_AT + 2 * (n[LISTS] - 1)
    size = 2
    side[MARK_AT], side[MARK_AT + 1] = 42, 32  # "* "
    if n[last] >= 0:
        n[last] += 1
        number, power = n[last], 10
        size = 3
        while power <= number:
            size += 1
            power *= 10
        for place in range(size - 3, -1, -1):
            side[MARK_AT + place] = 48 + number % 10
            number //= 10
        side[MARK_AT + size - 2], side[MARK_AT + size - 1] = 46, 32  # "12. "
    if n[last + 1]:
        n[GAP] = 1
    n[ITEMS_AT + n[ITEMS]] = 0
    n[ITEMS] += 1
    enter(n, side, size, 0)


@compiled
def close_item(n: Numbers) -> None:
    leave(n)
    n[ITEMS] -= 1
    n[LISTS_AT + 2 * n[LISTS] - 1] = 1 - n[ITEMS_AT + n[ITEMS]]


@compiled
def open_mark(n: Numbers, mark: int) -> None:
    hidden = n[IN_CODE] > 0 or (n[IN_HEADING] > 0 and mark == BOLD)
    for i in range(n[N_MARKS]):
        hidden = hidden or n[MARKS_AT + 2 * i] == mark
    at = MARKS_AT + 2 * n[N_MARKS]
    n[at], n[at + 1] = mark, HIDDEN if hidden else TO_WRITE
    n[N_MARKS] += 1
    n[LATE] = 1
    if mark == CODE_MARK:
        n[IN_CODE] += 1


@compiled
def close_mark(n: Numbers, out: Bytes) -> None:
    n[N_MARKS] -= 1
    at = MARKS_AT + 2 * n[N_MARKS]
    if n[at] == CODE_MARK:
        n[IN_CODE] -= 1
    if n[at + 1] == WRITTEN:
        put_all(n, out, STOPS[n[at]], 1, STOPS[n[at], 0])


@compiled
def is_no_language(n: Numbers, side: Bytes) -> bool:
    for row in range(len(_NO_LANGUAGE)):
        same = _NO_LANGUAGE[row, 0] == n[LANGUAGE_SIZE]
        for i in range(_NO_LANGUAGE[row, 0]):
            same = same and _NO_LANGUAGE[row, 1 + i] == side[LANGUAGE_AT + i]
        if same:
            return True
    return False


@compiled
def rule(n: Numbers, out: Bytes, side: Bytes) -> None:
    start_block(n, out, side)
    for _ in range(3):
        put(n, out, _HYPHEN)


@compiled
def close_code(n: Numbers, out: Bytes, side: Bytes) -> None:
    """Write the code block whose text was collected."""
    start, stop = CODE_AT, CODE_AT + n[CODE_SIZE]
    n[IN_BLOCK] = n[IN_CODE] = n[CODE_SIZE] = 0
    while stop > start and (side[stop - 1] == _SPACE or side[stop - 1] == _LINE_FEED or side[stop - 1] == _TAB):
        stop -= 1
    while start < stop and side[start] == _LINE_FEED:
        start += 1
    if start == stop:
        return
    start_block(n, out, side)
    for _ in range(3):
        put(n, out, _BACKTICK)
    put_all(n, out, side, LANGUAGE_AT, n[LANGUAGE_SIZE])
    ticks, fresh = 0, 1
    put(n, out, _LINE_FEED)
    for i in range(start, stop):
        if fresh:
            put_prefix(n, out, side, n[PREFIX], 1 if side[i] == _LINE_FEED else 0)
        put(n, out, side[i])
        fresh = 1 if side[i] == _LINE_FEED else 0
        ticks = ticks + 1 if side[i] == _BACKTICK else 0
        if ticks == 3:  # needs a longer fence
            n[FAILED] = 1
    put(n, out, _LINE_FEED)
    put_prefix(n, out, side, n[PREFIX], 0)
    for _ in range(3):
        put(n, out, _BACKTICK)
