"""HTML -> Markdown, compiled: what `html` and `elements` do, several times faster, for bodies without surprises.

Many bodies are read at once, byte by byte. One is given up (None) as soon as it shows something that needs judgement:
tags that do not nest as HTML demands, tables, comments, character references other than the five that Stack Exchange
writes, white space beyond ASCII, displayed maths over several lines. Those are for `html.to_markdown`. Tests hold the two
equal on generated and on real bodies.
"""

from collections.abc import Sequence

import numpy as np

from curate.cleaning.compiled_writer import (
    AT,
    BREAKS,
    CODE_AT,
    DEPTH,
    FAILED,
    GAP,
    HEAD,
    IN_BLOCK,
    IN_CODE,
    IN_HEADING,
    INKED,
    KINDS_AT,
    LANGUAGE_AT,
    LANGUAGE_SIZE,
    LIMIT,
    LISTS,
    MARK_AT,
    MARKS,
    MAX_OPEN,
    N_PLACES,
    N_SIZE,
    NAMES_AT,
    START,
    Bytes,
    Numbers,
    block,
    close_code,
    close_item,
    close_mark,
    compiled,
    copy,
    flush,
    ink,
    is_no_language,
    leave,
    open_item,
    open_list,
    open_mark,
    open_quote,
    rule,
    white,
)  # fmt: skip

# Kinds of elements. Up to HEADING + 6 they are blocks; marks are MARK + their place in MARKS.
BLOCK, RULE, QUOTE, CODE, BULLETS, NUMBERS, ITEM, HEADING, LINK, PLAIN, IMAGE, BREAK, MARK = (
    1, 2, 3, 4, 5, 6, 7, 10, 30, 31, 32, 33, 40,
)  # fmt: skip
KINDS = {
    "p": BLOCK,
    "div": BLOCK,
    **{f"h{level}": HEADING + level for level in range(1, 7)},
    "hr": RULE,
    "blockquote": QUOTE,
    "pre": CODE,
    "ul": BULLETS,
    "ol": NUMBERS,
    "li": ITEM,
    "a": LINK,
    **dict.fromkeys(("span", "small", "u", "ins", "font", "abbr", "big", "mark"), PLAIN),
    "img": IMAGE,
    "br": BREAK,
    **{name: MARK + place for place, name in enumerate(MARKS)},
    **{
        same: MARK + MARKS.index(name) for same, name in (("i", "em"), ("b", "strong"), ("s", "del"), ("strike", "del"))
    },
}
# A name as a number: its first seven letters in base 256 and its length; no two of KINDS share one.
_WIDTH = 7
_LONGEST = max(map(len, KINDS))


def _packed(name: bytes) -> int:
    return int.from_bytes(name[:_WIDTH], "little") | len(name) << 8 * _WIDTH


_NAMES = np.array([_packed(name.encode()) for name in KINDS], np.int64)
_NAME_KINDS = np.array(list(KINDS.values()), np.int64)
_PARAGRAPH = _packed(b"p")
_TAB, _LINE_FEED, _SPACE, _QUOTE, _HASH, _AMPERSAND, _HYPHEN, _SLASH, _SEMICOLON, _LESS, _EQUALS, _MORE = (
    b'\t\n "#&-/;<=>'
)
_LETTER = np.array([chr(byte).isascii() and (chr(byte).isalnum() or byte == 95) for byte in range(256)])  # of a word
_IN_LANGUAGE = np.array([_LETTER[byte] or byte in b"+#.-" for byte in range(256)])
_CLASS, _START, _LANG, _UAGE = (np.frombuffer(word, np.uint8) for word in (b"class", b"start", b"lang", b"uage"))
_AMP, _LT, _GT, _QUOT, _APOS = (np.frombuffer(word, np.uint8) for word in (b"amp;", b"lt;", b"gt;", b"quot;", b"#39;"))


def to_markdown_all(bodies: Sequence[str]) -> list[str | None]:
    """The Markdown of each body, links and images dropped; None for those that `html.to_markdown` has to read."""
    encoded = [body.encode() for body in bodies]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    sizes = np.array([len(body) for body in encoded], np.int64)
    out = np.empty(3 * len(data) + 16 * len(encoded), np.uint8)
    side = np.empty(CODE_AT + int(sizes.max(initial=0)), np.uint8)
    ends = np.empty(len(encoded), np.int64)
    _bodies(np.zeros(N_SIZE, np.int64), out, side, data, np.cumsum(sizes), ends)
    text, begin = out.tobytes(), 0
    texts: list[str | None] = []
    for end in ends.tolist():
        texts.append(None if end < 0 else text[begin:end].decode())
        begin = begin if end < 0 else end
    return texts


@compiled
def _equal(data: Bytes, at: int, stop: int, word: Bytes) -> bool:
    """Whether `word` stands at `at`."""
    if at + len(word) > stop:
        return False
    for i in range(len(word)):  # noqa: SIM110 - numba compiles no generator expression
        if data[at + i] != word[i]:
            return False
    return True


@compiled
def _read_language(n: Numbers, side: Bytes, data: Bytes, start: int, stop: int) -> None:
    """Take the language from the value of a class: `lang-py`, `language-python`."""
    if stop - start > MARK_AT - LANGUAGE_AT:
        n[FAILED] = 1
        return
    for i in range(start, stop):
        if data[i] >= 128 or data[i] == _AMPERSAND:
            n[FAILED] = 1
    for i in range(start, stop):
        if not _equal(data, i, stop, _LANG) or (i > start and _LETTER[data[i - 1]]):
            continue
        at = i + 4
        if _equal(data, at, stop, _UAGE):
            at += 4
        if at >= stop or data[at] != _HYPHEN:
            continue
        at += 1
        size = 0
        while at + size < stop and _IN_LANGUAGE[data[at + size]]:
            side[LANGUAGE_AT + size] = data[at + size]
            size += 1
        if size > 0:
            n[LANGUAGE_SIZE] = size
            if is_no_language(n, side):
                n[LANGUAGE_SIZE] = 0
            return


@compiled
def _read_number(n: Numbers, data: Bytes, start: int, stop: int) -> int:
    """The number before that of the first item, from the value of `start`: 1 to 999999999."""
    number = 0
    for i in range(start, stop):
        if not 48 <= data[i] <= 57 or stop - start > 9:
            n[FAILED] = 1
            return 0
        number = number * 10 + data[i] - 48
    if number == 0:
        n[FAILED] = 1
    return number - 1


@compiled
def _attribute(n: Numbers, side: Bytes, data: Bytes, at: int, stop: int, kind: int) -> tuple[int, int]:
    """Read the attribute at `at`, `name="value"`: the place after it, and the number before a list's first item."""
    name = at
    while at < stop and (data[at] == _HYPHEN or (_LETTER[data[at]] and not 48 <= data[at] <= 57 and data[at] != 95)):
        at += 1
    end, value = at, at + 2
    if at + 1 >= stop or data[at] != _EQUALS or data[at + 1] != _QUOTE:
        n[FAILED] = 1
        return stop, 0
    at = value
    while at < stop and data[at] != _QUOTE and data[at] != _LESS and data[at] != _MORE:
        at += 1
    if at >= stop or data[at] != _QUOTE:
        n[FAILED] = 1
        return stop, 0
    number = 0
    is_class, is_start = _equal(data, end - 5, end, _CLASS), _equal(data, end - 5, end, _START)
    if end - name > 5 and (is_class or is_start):  # such as data-start
        n[FAILED] = 1
    elif is_class and end - name == 5 and n[LANGUAGE_SIZE] == 0 and (kind == CODE or n[IN_BLOCK] > 0):
        _read_language(n, side, data, value, at)
    elif is_start and end - name == 5 and kind == NUMBERS:
        number = _read_number(n, data, value, at)
    at += 1
    if at < stop and data[at] == _SPACE:
        at += 1
    return at, number


@compiled
def _attributes(n: Numbers, side: Bytes, data: Bytes, at: int, stop: int, kind: int) -> tuple[int, int]:
    """Read attributes to the end of the tag: the place after it, and the number before a list's first item."""
    number = 0
    while at < stop and n[FAILED] == 0 and data[at] != _SLASH and data[at] != _MORE:
        at, start = _attribute(n, side, data, at, stop, kind)
        number = max(number, start)
    if at < stop and data[at] == _SLASH:
        at += 1
    if at >= stop or data[at] != _MORE:
        n[FAILED] = 1
    return at + 1, number


@compiled
def _kind(packed: np.int64) -> int:
    for i in range(len(_NAMES)):
        if _NAMES[i] == packed:
            return int(_NAME_KINDS[i])
    return 0


@compiled
def _fits(n: Numbers, kind: int) -> bool:
    """Whether an element of this kind may stand here, by the rules of `html._usual`."""
    if n[DEPTH] >= MAX_OPEN:
        return False
    if n[IN_BLOCK] > 0:
        return kind in (MARK, PLAIN)  # MARK + 0 is code
    if kind == ITEM:
        return n[DEPTH] > 0 and n[KINDS_AT + n[DEPTH] - 1] in (BULLETS, NUMBERS)
    if kind < LINK and n[IN_HEADING] > 0:
        return False
    for i in range(n[DEPTH]):
        if kind == LINK and n[KINDS_AT + i] == LINK:
            return False
        if kind < LINK and n[NAMES_AT + i] == _PARAGRAPH:
            return False
    return True


@compiled
def _open(n: Numbers, out: Bytes, side: Bytes, kind: int, number: int) -> None:
    if kind >= MARK:
        open_mark(n, kind - MARK)
    elif kind == BREAK:
        if n[IN_CODE] > 0 or n[IN_HEADING] > 0:
            n[FAILED] = 1
        elif n[INKED] > 0:
            n[BREAKS] += 1
    elif kind == ITEM:
        open_item(n, side)
    elif kind in (BULLETS, NUMBERS):
        open_list(n, number if kind == NUMBERS else -1)
    elif kind < LINK:
        block(n)
        if kind == RULE:
            rule(n, out, side)
        elif kind == QUOTE:
            open_quote(n, side)
        elif kind == CODE:
            n[IN_BLOCK] = n[IN_CODE] = 1
        elif kind > HEADING:
            n[IN_HEADING] = kind - HEADING


@compiled
def _close(n: Numbers, out: Bytes, side: Bytes, kind: int) -> None:
    if kind >= MARK:
        close_mark(n, out)
    elif kind == QUOTE:
        leave(n)
    elif kind == CODE:
        close_code(n, out, side)
    elif kind == ITEM:
        close_item(n)
    elif kind < LINK:
        flush(n)
        if kind in (BULLETS, NUMBERS):
            n[LISTS] -= 1
        elif kind > HEADING:
            n[IN_HEADING] = 0


@compiled
def _name(data: Bytes, at: int, stop: int) -> tuple[np.int64, int]:
    """The packed name at `at`, and the place after it."""
    packed, start = np.int64(0), at
    while at < stop and (97 <= data[at] <= 122 or 48 <= data[at] <= 57) and at - start <= _LONGEST:
        if at - start < _WIDTH:
            packed |= np.int64(data[at]) << 8 * (at - start)
        at += 1
    return packed | np.int64(at - start) << 8 * _WIDTH, at


@compiled
def _tag(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Read the tag whose `<` is at `at`; the place after it."""
    closing = at + 1 < stop and data[at + 1] == _SLASH
    packed, at = _name(data, at + 2 if closing else at + 1, stop)
    kind = _kind(packed)
    if kind == 0 or at >= stop:
        n[FAILED] = 1
        return stop
    if closing:
        n[DEPTH] -= 1
        if data[at] != _MORE or n[DEPTH] < 0 or n[NAMES_AT + n[DEPTH]] != packed:
            n[FAILED] = 1
        else:
            _close(n, out, side, kind)
        return at + 1
    if not _fits(n, kind):
        n[FAILED] = 1
    number = 0
    if kind == CODE:
        n[LANGUAGE_SIZE] = 0
    if data[at] == _SLASH and kind in (RULE, BREAK):
        at += 1
    if data[at] == _SPACE:
        at, number = _attributes(n, side, data, at + 1, stop, kind)
    elif at < stop and data[at] == _MORE:
        at += 1
    else:
        n[FAILED] = 1
    if n[FAILED] == 0:
        if kind not in (RULE, BREAK, IMAGE):
            n[NAMES_AT + n[DEPTH]], n[KINDS_AT + n[DEPTH]] = packed, kind
            n[DEPTH] += 1
        _open(n, out, side, kind, number)
    return at


@compiled
def _reference(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> int:
    """Read the character reference whose `&` is at `at`; the place after it."""
    at += 1
    byte, size = 0, 0
    if _equal(data, at, stop, _LT):
        byte, size = _LESS, len(_LT)
    elif _equal(data, at, stop, _GT):
        byte, size = _MORE, len(_GT)
    elif _equal(data, at, stop, _QUOT):
        byte, size = _QUOTE, len(_QUOT)
    elif _equal(data, at, stop, _APOS):
        byte, size = 39, len(_APOS)
    elif _equal(data, at, stop, _AMP):
        byte, size = _AMPERSAND, len(_AMP)
    at += size
    if size == 0:
        n[FAILED] = 1
    elif byte == _AMPERSAND and n[IN_CODE] == 0 and at < stop and (data[at] == _HASH or _LETTER[data[at]]):
        end = at + 1
        while end < stop and _LETTER[data[end]]:
            end += 1
        if end < stop and data[end] == _SEMICOLON:  # `&amp;quot;`, a reference spelled out
            n[FAILED] = 1
    ink(n, out, side, byte)
    return at


@compiled
def _is_white(data: Bytes, at: int, stop: int) -> bool:
    """Whether U+0085, 00A0, 1680, 2000 to 200A, 2028, 2029, 202F, 205F or 3000 begins at `at`."""
    first = data[at]
    second = data[at + 1] if at + 1 < stop else 0
    third = data[at + 2] if at + 2 < stop else 0
    if first == 0xC2:
        return second in (0x85, 0xA0)
    if first == 0xE2 and second == 0x80:
        return 0x80 <= third <= 0x8A or third in (0xA8, 0xA9, 0xAF)
    word = (np.int64(first) << 16) | (np.int64(second) << 8) | np.int64(third)
    return word in (0xE19A80, 0xE2819F, 0xE38080)


@compiled
def _body(n: Numbers, out: Bytes, side: Bytes, data: Bytes, at: int, stop: int) -> None:
    """Write the Markdown of `data[at:stop]`."""
    while at < stop and n[FAILED] == 0:
        byte = data[at]
        if byte == _LESS:
            at = _tag(n, out, side, data, at, stop)
        elif byte == _AMPERSAND:
            at = _reference(n, out, side, data, at, stop)
        elif byte in (_SPACE, _LINE_FEED, _TAB):
            white(n, side, byte)
            at += 1
        else:
            if byte < _SPACE or (byte >= 0xC2 and _is_white(data, at, stop)):
                n[FAILED] = 1
            ink(n, out, side, byte)
            at = copy(n, out, side, data, at + 1, stop)
    if n[DEPTH] != 0:
        n[FAILED] = 1
    flush(n)


@compiled
def _bodies(n: Numbers, out: Bytes, side: Bytes, data: Bytes, stops: Numbers, ends: Numbers) -> None:
    """Write all bodies of `data`; `stops`: where each ends there, `ends`: where it ends in `out`, -1 if it was given up."""
    start = 0
    for i in range(len(stops)):
        begin = n[AT]
        n[:N_PLACES] = 0
        n[AT] = n[START] = begin
        n[LIMIT] = begin + 3 * (stops[i] - start) + 16
        n[HEAD], n[GAP] = -1, 2
        _body(n, out, side, data, start, stops[i])
        start = stops[i]
        ends[i] = n[AT]
        if n[FAILED]:
            n[AT] = begin
            ends[i] = -1
