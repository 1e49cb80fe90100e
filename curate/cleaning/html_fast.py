"""The same conversion as `html.render` and `elements`, compiled: about ten times faster, for bodies without surprises.

It reads the bytes of many bodies at once and gives up (None) on every body that needs judgement: tags that do not nest,
tables, comments, references other than those five that Stack Exchange writes, white space beyond ASCII, displayed maths
over several lines. `html.to_markdown` takes those. Tests hold the two equal on generated and on real bodies.

The state of a writer is `n`, numbers at the places named below, and a few buffers; what each means stands in `writer`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

from curate.cleaning.elements import HEADINGS, NO_LANGUAGE, UNMARKED

F = TypeVar("F", bound=Callable[..., Any])
Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def _compiled(function: F) -> F:
    return cast("F", njit(cache=True, nogil=True)(function))


# Kinds of elements; headings are HEADING + level, marks MARK + their place in MARKS.
BLOCK, HEADING, RULE, QUOTE, CODE_BLOCK, BULLETS, NUMBERS, ITEM, LINK, PLAIN, IMAGE, BREAK, MARK = (
    1, 10, 2, 3, 4, 5, 6, 7, 30, 31, 32, 33, 40,
)  # fmt: skip
MARKS = (("`", "`"), ("*", "*"), ("**", "**"), ("~~", "~~"), ("<sub>", "</sub>"), ("<sup>", "</sup>"), ("<kbd>", "</kbd>"))
BOLD = 2
KINDS = {
    **dict.fromkeys(("p", "div"), BLOCK),
    **{name: HEADING + level for level, name in enumerate(HEADINGS, start=1)},
    **{"hr": RULE, "blockquote": QUOTE, "pre": CODE_BLOCK, "ul": BULLETS, "ol": NUMBERS, "li": ITEM, "a": LINK},
    **dict.fromkeys(UNMARKED, PLAIN),
    **{"img": IMAGE, "br": BREAK, "code": MARK, "em": MARK + 1, "i": MARK + 1, "strong": MARK + BOLD, "b": MARK + BOLD},
    **{"del": MARK + 3, "s": MARK + 3, "strike": MARK + 3, "sub": MARK + 4, "sup": MARK + 5, "kbd": MARK + 6},
}
# A name as a number: its first seven letters in base 256 and its length; no two of KINDS share one.
WIDTH = 7


def _packed(name: bytes) -> int:
    return int.from_bytes(name[:WIDTH], "little") | len(name) << 56


NAMES = np.array([_packed(name.encode()) for name in KINDS], np.int64)
NAME_KINDS = np.array(list(KINDS.values()), np.int64)
N_NAMES = len(KINDS)


def _padded(texts: Sequence[str]) -> Bytes:
    """Texts as rows of one array, each preceded by its length."""
    width = max(map(len, texts)) + 1
    return np.array([[len(text), *text.encode().ljust(width - 1)] for text in texts], np.uint8)


MARK_STARTS = _padded([start for start, _ in MARKS])
MARK_ENDS = _padded([end for _, end in MARKS])
SILENT = _padded(sorted(NO_LANGUAGE))

# Places in `n`.
(AT, LIMIT, PREFIX, HEAD, SHARED, GAP, BLOCKS, OUTER, LISTS, ITEMS, N_MARKS, DEPTH, INKED, SPACE, BREAKS, MATHS,
 NEWLINE, IN_CODE, IN_HEADING, IN_BLOCK, CODE_SIZE, LANGUAGE_SIZE, START, FAILED, SIZE) = range(25)  # fmt: skip
MAX_OPEN = 60  # elements inside each other; deeper is the other path's business
MAX_NUMBER = 9


# Stacks in `n` after these places, MAX_OPEN + 4 deep: names (packed) and kinds of open elements; per open list item or quote
# prefix, head and blocks before it; per list the number of its last item and whether that was tight; per item whether it
# holds blocks; per mark which, and 0: not yet written, 1: written, 2: hidden.
DEEP = MAX_OPEN + 4
STACK, KINDS_AT, OUTER_AT, LISTS_AT, ITEMS_AT, MARKS_AT = (SIZE + DEEP * place for place in (0, 1, 2, 5, 7, 8))
N_SIZE = SIZE + DEEP * 10
# Texts in `side`: the prefix of the open lists and quotes, the head of the next block, a language, the text of a code block.
PREFIX_AT, HEAD_AT, LANGUAGE_AT, CODE_AT = 0, 1024, 2048, 3072


@_compiled
def _put(n: Numbers, out: Bytes, byte: int) -> None:
    at = n[AT]
    if at >= n[LIMIT]:
        n[FAILED] = 1
        return
    out[at] = byte
    n[AT] = at + 1


@_compiled
def _put_all(n: Numbers, out: Bytes, side: Bytes, start: int, size: int) -> None:
    """Copy `size` bytes from `side`."""
    for i in range(start, start + size):
        _put(n, out, side[i])


@_compiled
def _put_text(n: Numbers, out: Bytes, text: Bytes) -> None:
    """Copy a text that is preceded by its length."""
    for i in range(1, 1 + text[0]):
        _put(n, out, text[i])


@_compiled
def _put_prefix(n: Numbers, out: Bytes, side: Bytes, size: int, bare: bool) -> None:  # noqa: FBT001 - compiled
    """The first `size` bytes of the prefix; `bare`: without the spaces at their end."""
    while bare and size > 0 and side[PREFIX_AT + size - 1] == 32:
        size -= 1
    _put_all(n, out, side, PREFIX_AT, size)


@_compiled
def _start_block(n: Numbers, out: Bytes, side: Bytes) -> None:
    if n[BLOCKS] > 0:
        _put(n, out, 10)
        if n[GAP] != 1:
            _put_prefix(n, out, side, n[SHARED], True)
            _put(n, out, 10)
    if n[HEAD] >= 0:
        _put_all(n, out, side, HEAD_AT, n[HEAD])
    else:
        _put_prefix(n, out, side, n[PREFIX], False)
    n[HEAD] = -1
    n[SHARED] = n[PREFIX]
    n[GAP] = 2
    n[BLOCKS] += 1


@_compiled
def _flush(n: Numbers, out: Bytes, side: Bytes) -> None:
    if n[N_MARKS] > 0 or (n[MATHS] and n[NEWLINE]):
        n[FAILED] = 1
    n[INKED] = n[SPACE] = n[BREAKS] = n[MATHS] = n[NEWLINE] = 0


@_compiled
def _before_ink(n: Numbers, out: Bytes, side: Bytes) -> None:
    """What is due before the next visible character: the block's start, a break or space, marks just opened."""
    if n[INKED] == 0:
        _start_block(n, out, side)
        if n[IN_HEADING] > 0:
            for _ in range(n[IN_HEADING]):
                _put(n, out, 35)
            _put(n, out, 32)
        n[INKED] = 1
    elif n[BREAKS] > 0:
        _put(n, out, 10)
        if n[BREAKS] > 1:
            _put_prefix(n, out, side, n[PREFIX], True)
            _put(n, out, 10)
        _put_prefix(n, out, side, n[PREFIX], False)
    elif n[SPACE] > 0:
        _put(n, out, 32)
    n[SPACE] = n[BREAKS] = 0
    for i in range(n[N_MARKS]):
        if n[MARKS_AT + 2 * i + 1] == 0:
            n[MARKS_AT + 2 * i + 1] = 1
            _put_text(n, out, MARK_STARTS[n[MARKS_AT + 2 * i]])


@_compiled
def _ink(n: Numbers, out: Bytes, side: Bytes, byte: int) -> None:
    if n[IN_BLOCK] > 0:
        side[CODE_AT + n[CODE_SIZE]] = byte
        n[CODE_SIZE] += 1
        return
    if n[INKED] == 0 or n[SPACE] or n[BREAKS] or n[N_MARKS] > 0:
        _before_ink(n, out, side)
    last = out[n[AT] - 1] if n[AT] > n[START] else 0
    # $$, \[, \begin: lines inside displayed maths stay, which is for the other path
    if (byte == 36 and last == 36) or ((byte == 91 or byte == 98) and last == 92):
        n[MATHS] = 1
    if byte == 96 and n[IN_CODE] > 0:
        n[FAILED] = 1
    _put(n, out, byte)


@_compiled
def _letters(n: Numbers, out: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Copy ASCII letters, which mean nothing but themselves, as long as they come; the place after them."""
    end = at
    while end < stop and (97 <= data[end] <= 122 or 65 <= data[end] <= 90):
        end += 1
    if n[IN_BLOCK] > 0 or n[AT] + end - at > n[LIMIT] or (end > at and data[at] == 98):
        return at
    put = n[AT]
    for i in range(at, end):
        out[put] = data[i]
        put += 1
    n[AT] = put
    return end


@_compiled
def _white(n: Numbers, out: Bytes, side: Bytes, byte: int) -> None:
    if n[IN_BLOCK] > 0:
        side[CODE_AT + n[CODE_SIZE]] = byte
        n[CODE_SIZE] += 1
    elif n[INKED] > 0:
        n[SPACE] = 1
        if byte == 10:
            n[NEWLINE] = 1


@_compiled
def _block(n: Numbers, out: Bytes, side: Bytes) -> None:
    _flush(n, out, side)
    if n[ITEMS] > 0:
        n[ITEMS_AT + n[ITEMS] - 1] = 1


@_compiled
def _enter(n: Numbers, out: Bytes, side: Bytes, mark: Bytes, start: int, size: int, quote: bool) -> None:  # noqa: FBT001 - compiled
    """Open a list item or a quote whose mark is `mark[start:]`; following lines get spaces, or the mark again."""
    at = OUTER_AT + 3 * n[OUTER]
    n[at], n[at + 1], n[at + 2] = n[PREFIX], n[HEAD], n[BLOCKS]
    n[OUTER] += 1
    if n[OUTER] > 30:
        n[FAILED] = 1
        return
    if n[HEAD] >= 0 or not quote:
        if n[HEAD] < 0:
            for i in range(n[PREFIX]):
                side[HEAD_AT + i] = side[PREFIX_AT + i]
            n[HEAD] = n[PREFIX]
        for i in range(size):
            side[HEAD_AT + n[HEAD] + i] = mark[start + i]
        n[HEAD] += size
    for i in range(size):
        side[PREFIX_AT + n[PREFIX] + i] = mark[start + i] if quote else 32
    n[PREFIX] += size


@_compiled
def _leave(n: Numbers, out: Bytes, side: Bytes) -> None:
    _flush(n, out, side)
    n[OUTER] -= 1
    at = OUTER_AT + 3 * n[OUTER]
    n[PREFIX] = n[at]
    n[HEAD] = n[at + 1] if n[at + 2] == n[BLOCKS] else -1
    n[SHARED] = min(n[SHARED], n[PREFIX])


@_compiled
def _open_list(n: Numbers, out: Bytes, side: Bytes, number: int) -> None:
    _flush(n, out, side)
    if n[ITEMS] > 0 and n[ITEMS_AT + n[ITEMS] - 1] == 0 and n[HEAD] < 0:
        n[GAP] = 1
    n[LISTS_AT + 2 * n[LISTS]], n[LISTS_AT + 2 * n[LISTS] + 1] = number, 0
    n[LISTS] += 1


@_compiled
def _open_item(n: Numbers, out: Bytes, side: Bytes) -> None:
    _flush(n, out, side)
    last = LISTS_AT + 2 * (n[LISTS] - 1)
    mark = np.empty(16, np.uint8)
    start = 14
    mark[14], mark[15] = 42, 32  # "* "
    if n[last] >= 0:
        n[last] += 1
        mark[14] = 46  # "12. "
        number = n[last]
        while start == 14 or number > 0:
            start -= 1
            mark[start] = 48 + number % 10
            number //= 10
    if n[last + 1]:
        n[GAP] = 1
    n[ITEMS_AT + n[ITEMS]] = 0
    n[ITEMS] += 1
    _enter(n, out, side, mark, start, 16 - start, False)


@_compiled
def _close_item(n: Numbers, out: Bytes, side: Bytes) -> None:
    _leave(n, out, side)
    n[ITEMS] -= 1
    n[LISTS_AT + 2 * n[LISTS] - 1] = 1 - n[ITEMS_AT + n[ITEMS]]


@_compiled
def _open_mark(n: Numbers, out: Bytes, side: Bytes, mark: int) -> None:
    hidden = n[IN_CODE] > 0 or (n[IN_HEADING] > 0 and mark == BOLD)
    for i in range(n[N_MARKS]):
        hidden = hidden or n[MARKS_AT + 2 * i] == mark
    n[MARKS_AT + 2 * n[N_MARKS]], n[MARKS_AT + 2 * n[N_MARKS] + 1] = mark, 2 if hidden else 0
    n[N_MARKS] += 1
    if mark == 0:
        n[IN_CODE] += 1


@_compiled
def _close_mark(n: Numbers, out: Bytes, side: Bytes) -> None:
    n[N_MARKS] -= 1
    mark, written = n[MARKS_AT + 2 * n[N_MARKS]], n[MARKS_AT + 2 * n[N_MARKS] + 1]
    if mark == 0:
        n[IN_CODE] -= 1
    if written == 1:
        _put_text(n, out, MARK_ENDS[mark])


@_compiled
def _is_silent(n: Numbers, out: Bytes, side: Bytes) -> bool:
    """Whether the language just read is no language."""
    for row in SILENT:
        same = row[0] == n[LANGUAGE_SIZE]
        for i in range(row[0]):
            same = same and row[1 + i] == side[LANGUAGE_AT + i]
        if same:
            return True
    return False


@_compiled
def _close_code(n: Numbers, out: Bytes, side: Bytes) -> None:
    """Write the code block whose text is in `code`."""
    code = side[CODE_AT:]
    n[IN_BLOCK] = n[IN_CODE] = 0
    start, stop = 0, n[CODE_SIZE]
    while stop > 0 and (code[stop - 1] == 32 or code[stop - 1] == 10 or code[stop - 1] == 9):
        stop -= 1
    while start < stop and code[start] == 10:
        start += 1
    n[CODE_SIZE] = 0
    if start == stop:
        return
    _start_block(n, out, side)
    for _ in range(3):
        _put(n, out, 96)
    _put_all(n, out, side, LANGUAGE_AT, n[LANGUAGE_SIZE])
    ticks = 0
    fresh = True
    _put(n, out, 10)
    for i in range(start, stop):
        if fresh:
            _put_prefix(n, out, side, n[PREFIX], code[i] == 10)
        _put(n, out, code[i])
        fresh = code[i] == 10
        ticks = ticks + 1 if code[i] == 96 else 0
        if ticks == 3:
            n[FAILED] = 1
    _put(n, out, 10)
    _put_prefix(n, out, side, n[PREFIX], False)
    for _ in range(3):
        _put(n, out, 96)


@_compiled
def _is_name(byte: int) -> bool:
    return 97 <= byte <= 122 or 48 <= byte <= 57


@_compiled
def _is_word(byte: int) -> bool:
    return _is_name(byte) or 65 <= byte <= 90 or byte == 95


@_compiled
def _equal(data: Bytes, at: int, stop: int, word: Bytes) -> bool:
    if at + len(word) > stop:
        return False
    for i in range(len(word)):
        if data[at + i] != word[i]:
            return False
    return True


CLASS, START_AT, LANG, UAGE = (np.frombuffer(word, np.uint8) for word in (b"class", b"start", b"lang", b"uage"))


@_compiled
def _read_language(n: Numbers, out: Bytes, side: Bytes, data: Bytes, start: int, stop: int) -> None:
    """Take the language from the value of a class: `lang-py`, `language-python`."""
    if stop - start > CODE_AT - LANGUAGE_AT:
        n[FAILED] = 1
        return
    for i in range(start, stop):
        if data[i] >= 128 or data[i] == 38:
            n[FAILED] = 1
    for i in range(start, stop):
        if not _equal(data, i, stop, LANG) or (i > start and _is_word(data[i - 1])):
            continue
        at = i + 4
        if _equal(data, at, stop, UAGE):
            at += 4
        if at >= stop or data[at] != 45:
            continue
        at += 1
        size = 0
        while at + size < stop and (_is_word(data[at + size]) or data[at + size] in (43, 35, 46, 45)):
            side[LANGUAGE_AT + size] = data[at + size]
            size += 1
        if size > 0:
            n[LANGUAGE_SIZE] = size
            if _is_silent(n, out, side):
                n[LANGUAGE_SIZE] = 0
            return


@_compiled
def _read_number(data: Bytes, start: int, stop: int) -> int:
    """The value of `start` less one, the number before the first item; -1 if it is no number from 1 to 999999999."""
    number = 0
    for i in range(start, stop):
        if not 48 <= data[i] <= 57 or stop - start > MAX_NUMBER:
            return -1
        number = number * 10 + data[i] - 48
    return number - 1


@_compiled
def _attributes(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int, kind: int) -> tuple[int, int]:
    """Read the attributes from `at` to the end of the tag: the place after it, and the number a list starts from."""
    number = 0
    while at < stop and (data[at] == 45 or _is_word(data[at])) and data[at] != 95:
        name = at
        while at < stop and (data[at] == 45 or _is_word(data[at])):
            at += 1
        if at + 1 >= stop or data[at] != 61 or data[at + 1] != 34:
            break
        end = at
        at += 2
        value = at
        while at < stop and data[at] != 34 and data[at] != 60 and data[at] != 62:
            at += 1
        if at >= stop or data[at] != 34:
            break
        if end - name >= 5 and (_equal(data, end - 5, end, CLASS) or _equal(data, end - 5, end, START_AT)):
            if end - name > 5:  # such as data-start
                break
            if data[name] == 99:
                if (kind == CODE_BLOCK or (kind == MARK and n[IN_BLOCK] > 0)) and n[LANGUAGE_SIZE] == 0:
                    _read_language(n, out, side, data, value, at)
            elif kind == NUMBERS:
                number = _read_number(data, value, at)
                if number < 0:
                    break
        at += 1
        if at < stop and data[at] == 32:
            at += 1
    if at < stop and data[at] == 47:
        at += 1
    if at >= stop or data[at] != 62:
        n[FAILED] = 1
    return at + 1, number


@_compiled
def _kind(packed: int) -> int:
    for i in range(N_NAMES):
        if NAMES[i] == packed:
            return NAME_KINDS[i]
    return 0


@_compiled
def _fits(n: Numbers, out: Bytes, side: Bytes, kind: int) -> bool:
    """Whether an element of this kind may stand here, by the rules of `html._usual`."""
    if n[DEPTH] >= MAX_OPEN:
        return False
    parent = n[KINDS_AT + n[DEPTH] - 1] if n[DEPTH] > 0 else 0
    if n[IN_BLOCK] > 0:
        return kind in (MARK, PLAIN)
    if kind == ITEM:
        return parent in (BULLETS, NUMBERS)
    if kind == LINK or kind < LINK:
        for i in range(n[DEPTH]):
            if (kind == LINK and n[KINDS_AT + i] == LINK) or (kind < LINK and n[STACK + i] == 112 | 1 << 56):  # a, p
                return False
    return not (HEADING < kind < LINK and HEADING < parent < LINK)


@_compiled
def _open_block(n: Numbers, out: Bytes, side: Bytes, kind: int, number: int) -> None:
    if kind == ITEM:
        _open_item(n, out, side)
        return
    if kind in (BULLETS, NUMBERS):
        _open_list(n, out, side, number if kind == NUMBERS else -1)
        return
    _block(n, out, side)
    if kind == RULE:
        _start_block(n, out, side)
        for _ in range(3):
            _put(n, out, 45)
    elif kind == QUOTE:
        mark = np.empty(2, np.uint8)
        mark[0], mark[1] = 62, 32
        _enter(n, out, side, mark, 0, 2, True)
    elif kind == CODE_BLOCK:
        n[IN_BLOCK] = n[IN_CODE] = 1
    elif kind > HEADING:
        n[IN_HEADING] = kind - HEADING


@_compiled
def _open(n: Numbers, out: Bytes, side: Bytes, kind: int, number: int) -> None:
    if kind == BREAK:
        if n[IN_CODE] > 0 or n[IN_HEADING] > 0:
            n[FAILED] = 1
        elif n[INKED] > 0:
            n[BREAKS] += 1
    elif kind >= MARK:
        _open_mark(n, out, side, kind - MARK)
    elif kind < LINK:
        _open_block(n, out, side, kind, number)


@_compiled
def _close(n: Numbers, out: Bytes, side: Bytes, kind: int) -> None:
    if kind >= MARK:
        _close_mark(n, out, side)
    elif kind == QUOTE:
        _leave(n, out, side)
    elif kind == CODE_BLOCK:
        _close_code(n, out, side)
    elif kind == ITEM:
        _close_item(n, out, side)
    elif kind < LINK:
        _flush(n, out, side)
        if kind in (BULLETS, NUMBERS):
            n[LISTS] -= 1
        elif kind > HEADING:
            n[IN_HEADING] = 0


@_compiled
def _tag(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Read the tag whose `<` is at `at`; the place after it."""
    closing = at + 1 < stop and data[at + 1] == 47
    name = at + 2 if closing else at + 1
    at = name
    packed = np.int64(0)
    while at < stop and _is_name(data[at]) and at - name < 12:
        if at - name < WIDTH:
            packed |= np.int64(data[at]) << (8 * (at - name))
        at += 1
    packed |= np.int64(at - name) << 56
    kind = _kind(packed)
    if kind == 0 or at >= stop:
        n[FAILED] = 1
    elif closing:
        n[DEPTH] -= 1
        if data[at] != 62 or n[DEPTH] < 0 or n[STACK + n[DEPTH]] != packed:
            n[FAILED] = 1
        else:
            _close(n, out, side, kind)
        return at + 1
    else:
        number = 0
        if kind == CODE_BLOCK:
            n[LANGUAGE_SIZE] = 0
        fits = _fits(n, out, side, kind)
        if data[at] == 32:
            at, number = _attributes(n, out, side, data, at + 1, stop, kind)
        elif data[at] == 62:
            at += 1
        elif data[at] == 47 and kind in (RULE, BREAK) and at + 1 < stop and data[at + 1] == 62:
            at += 2
        else:
            fits = False
        if not fits:
            n[FAILED] = 1
            return at
        if kind not in (RULE, BREAK, IMAGE):
            n[STACK + n[DEPTH]], n[KINDS_AT + n[DEPTH]] = packed, kind
            n[DEPTH] += 1
        _open(n, out, side, kind, number)
    return at


AMP, LT, GT, QUOT, APOS = (np.frombuffer(word, np.uint8) for word in (b"amp;", b"lt;", b"gt;", b"quot;", b"#39;"))


@_compiled
def _reference(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Read the character reference whose `&` is at `at`; the place after it."""
    at += 1
    if _equal(data, at, stop, LT):
        _ink(n, out, side, 60)
        return at + 3
    if _equal(data, at, stop, GT):
        _ink(n, out, side, 62)
        return at + 3
    if _equal(data, at, stop, QUOT):
        _ink(n, out, side, 34)
        return at + 5
    if _equal(data, at, stop, APOS):
        _ink(n, out, side, 39)
        return at + 4
    if not _equal(data, at, stop, AMP):
        n[FAILED] = 1
        return at
    at += 4
    if n[IN_CODE] == 0 and at < stop and (data[at] == 35 or _is_word(data[at])):  # perhaps `&amp;quot;`
        end = at + 1
        while end < stop and _is_word(data[end]):
            end += 1
        if end < stop and data[end] == 59:
            n[FAILED] = 1
    _ink(n, out, side, 38)
    return at


@_compiled
def _is_white(data: Bytes, at: int, stop: int) -> bool:
    """Whether a white space other than ASCII's begins at `at`: U+0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000."""
    first, second = data[at], data[at + 1] if at + 1 < stop else 0
    third = data[at + 2] if at + 2 < stop else 0
    if first == 0xC2:
        return second in (0x85, 0xA0)
    if first == 0xE1:
        return second == 0x9A and third == 0x80
    if first == 0xE2 and second == 0x80:
        return 0x80 <= third <= 0x8A or third in (0xA8, 0xA9, 0xAF)
    return (first == 0xE2 and second == 0x81 and third == 0x9F) or (first == 0xE3 and second == 0x80 and third == 0x80)


@_compiled
def _body(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> None:
    """Write the Markdown of `data[at:stop]`; n[FAILED] tells whether that was given up."""
    while at < stop and n[FAILED] == 0:
        byte = data[at]
        if byte == 60:
            at = _tag(n, out, side, data, at, stop)
        elif byte == 38:
            at = _reference(n, out, side, data, at, stop)
        elif byte in (32, 10, 9):
            _white(n, out, side, byte)
            at += 1
        else:
            if byte < 32 or (byte >= 0xC2 and _is_white(data, at, stop)):
                n[FAILED] = 1
            _ink(n, out, side, byte)
            at = _letters(n, out, data, at + 1, stop)
    if n[DEPTH] != 0:
        n[FAILED] = 1
    _flush(n, out, side)


@_compiled
def _bodies(n: Numbers, out: Bytes, side: Bytes, data: Bytes, ends: Numbers, written: Numbers) -> None:
    """Write all bodies, one after the other; `written`: where each ends in the output, or -1 where it was given up."""
    start = 0
    for i in range(len(ends)):
        begin = n[AT]
        n[:SIZE] = 0
        n[AT] = n[START] = begin
        n[LIMIT] = begin + 2 * (ends[i] - start) + 16
        n[HEAD], n[GAP] = -1, 2
        _body(n, out, side, data, start, ends[i])
        start = ends[i]
        written[i] = n[AT]
        if n[FAILED]:
            n[AT] = begin
            written[i] = -1


def to_markdown_all(bodies: Sequence[str]) -> list[str | None]:
    """The Markdown of each body, links and images dropped; None for those that only `html.to_markdown` can read."""
    encoded = [body.encode() for body in bodies]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    sizes = np.array([len(body) for body in encoded], np.int64)
    longest = int(sizes.max(initial=0))
    n = np.zeros(N_SIZE, np.int64)
    raw = np.empty(2 * len(data) + 16 * len(encoded), np.uint8)
    side = np.empty(CODE_AT + longest, np.uint8)
    written = np.empty(len(encoded), np.int64)
    _bodies(n, raw, side, data, np.cumsum(sizes), written)
    out, begin = raw.tobytes(), 0
    texts: list[str | None] = []
    for end in written.tolist():
        texts.append(None if end < 0 else out[begin:end].decode())
        begin = begin if end < 0 else end
    return texts
