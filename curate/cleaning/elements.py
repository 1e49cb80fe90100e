"""What each HTML element does to the Markdown: two tables, OPEN and CLOSE, from a tag to an action on the writer."""

import re
from collections.abc import Callable
from html import unescape

from curate.cleaning.writer import BREAK, MAX_INDENT, Writer, fence, fold, table

Open = Callable[[Writer, str], None]  # given the attributes as written
Close = Callable[[Writer], None]

LANGUAGE_CLASS = re.compile(r'\bclass="[^"]*?\blang(?:uage)?-([\w+#.-]+)')
# Stack Exchange's own hint, `<!-- language: lang-py -->` before a block, `language-all` for the whole post.
LANGUAGE_HINT = re.compile(r"!-- *language(-all)?: *(?:lang(?:uage)?-)?([\w+#.-]+) *--")
NO_LANGUAGE = frozenset({"none", "default", "prettyprint", "text", "nohighlight"})
ATTRIBUTE = re.compile(r'\b(start|href|src|alt)="([^"]*)"')

MARKS = {
    **dict.fromkeys(("em", "i"), ("*", "*")),
    **dict.fromkeys(("strong", "b"), ("**", "**")),
    **dict.fromkeys(("del", "s", "strike"), ("~~", "~~")),
    **dict.fromkeys(("code", "tt", "samp"), ("`", "`")),
    **{name: (f"<{name}>", f"</{name}>") for name in ("sub", "sup", "kbd")},
    "q": ("“", "”"),
}
UNMARKED = frozenset({"span", "small", "u", "ins", "font", "abbr", "big", "mark"})
HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
PARAGRAPHS = frozenset({
    "address", "article", "aside", "caption", "center", "details", "dialog", "dl", "dt", "fieldset", "figcaption",
    "figure", "footer", "form", "header", "hgroup", "legend", "main", "nav", "optgroup", "option", "section",
    "summary",
})  # fmt: skip


def comment(writer: Writer, tag: str) -> None:
    """Take a language hint from a comment (`!-- … --`)."""
    hint = LANGUAGE_HINT.fullmatch(tag)
    if hint:
        writer.hint = "" if hint[2] in NO_LANGUAGE else hint[2]
        if hint[1]:
            writer.language_of_all = writer.hint


def _nothing(writer: Writer, attributes: str = "") -> None:
    """An element that leaves no trace; its text does."""


def _block(writer: Writer, _: str) -> None:
    if writer.line:
        writer.flush()
    if writer.items:
        writer.items[-1] = True


def _close_heading(mark: str) -> Close:
    def close(writer: Writer) -> None:
        writer.heading -= 1
        if writer.verbatim or writer.cells is not None:
            writer.flush()
            return
        text = fold("".join(writer.line)).replace("\n", " ")
        writer.line.clear()
        if text:
            writer.emit(mark + text)

    return close


def _heading(writer: Writer, attributes: str) -> None:
    _block(writer, attributes)
    writer.heading += 1


def _rule(writer: Writer, attributes: str) -> None:
    _block(writer, attributes)
    if not writer.verbatim and writer.cells is None:
        writer.emit("---")


def _break(writer: Writer, _: str) -> None:
    writer.line.append("\n" if writer.verbatim else BREAK)


def _image(writer: Writer, attributes: str) -> None:
    if writer.images and not writer.code:
        given = _attributes(attributes)
        writer.line.append(f"![{given.get('alt', '')}]({given.get('src', '')})")


def _mark(start: str, end: str) -> Open:
    def open_(writer: Writer, _: str) -> None:
        writer.mark(start, end)

    return open_


def _code(writer: Writer, attributes: str) -> None:
    writer.mark("`", "`")
    writer.code += 1
    if attributes and writer.verbatim and not writer.language:
        writer.language = _language(attributes)


def _close_mark(writer: Writer) -> None:
    writer.apply(*writer.marks.pop())


def _close_code(writer: Writer) -> None:
    writer.code -= 1
    writer.apply(*writer.marks.pop())


def _link(writer: Writer, attributes: str) -> None:
    if writer.links:
        writer.mark("[", f"]({_attributes(attributes).get('href', '')})")


def _close_link(writer: Writer) -> None:
    if writer.links:
        writer.apply(*writer.marks.pop())


def _pre(writer: Writer, attributes: str) -> None:
    _block(writer, attributes)
    writer.verbatim += 1
    writer.code += 1
    if writer.verbatim == 1:
        writer.language = _language(attributes)


def _close_pre(writer: Writer) -> None:
    writer.verbatim -= 1
    writer.code -= 1
    if writer.verbatim:
        return
    code = "".join(writer.line)
    if writer.cells is not None:  # a cell holds no blocks, so its code stays a part of its line
        return
    code = code.rstrip().lstrip("\n")
    writer.line.clear()
    if code.strip():
        writer.emit(fence(code, writer.language or writer.hint or writer.language_of_all))
    writer.hint = ""


def _language(attributes: str) -> str:
    found = LANGUAGE_CLASS.search(attributes) if attributes else None
    return "" if found is None or found[1] in NO_LANGUAGE else found[1]


def _attributes(attributes: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in ATTRIBUTE.findall(attributes)}


def _enter(writer: Writer, mark: str, indent: str) -> None:
    writer.outer.append((writer.prefix, writer.head, len(writer.out)))
    if len(writer.outer) <= MAX_INDENT:
        if writer.head is not None or mark != indent:
            writer.head = (writer.prefix if writer.head is None else writer.head) + mark
        writer.prefix += indent


def _leave(writer: Writer) -> None:
    writer.flush()
    writer.prefix, head, n_blocks = writer.outer.pop()
    writer.head = head if len(writer.out) == n_blocks else None
    if len(writer.prefix) < len(writer.shared):
        writer.shared = writer.prefix


def _quote(writer: Writer, attributes: str) -> None:
    _block(writer, attributes)
    _enter(writer, "> ", "> ")


def _list(writer: Writer, number: int) -> None:
    writer.flush()
    if writer.items and not writer.items[-1] and writer.head is None:
        writer.gap = 1
    writer.lists.append([number, 0])


def _bullets(writer: Writer, _: str) -> None:
    _list(writer, -1)


def _numbers(writer: Writer, attributes: str) -> None:
    start = _attributes(attributes).get("start", "")
    # 9 digits: the most that CommonMark takes for a number of a list (5.2)
    _list(writer, int(start) - 1 if start.isdecimal() and start.isascii() and 0 < int(start[:10]) < 10**9 else 0)


def _close_list(writer: Writer) -> None:
    writer.flush()
    writer.lists.pop()


def _item(writer: Writer, _: str) -> None:
    if writer.line:
        writer.flush()
    mark = "* "
    if writer.lists:
        last = writer.lists[-1]
        if last[0] >= 0:
            last[0] += 1
            mark = f"{last[0]}. "
        if last[1]:
            writer.gap = 1
    writer.items.append(False)
    _enter(writer, mark, " " * len(mark))


def _close_item(writer: Writer) -> None:
    _leave(writer)
    holds_blocks = writer.items.pop()
    if writer.lists:
        writer.lists[-1][1] = not holds_blocks


def _definition(writer: Writer, _: str) -> None:
    """`: text` below its term, the form that pandoc and PHP Markdown Extra share."""
    writer.flush()
    writer.gap = 1
    _enter(writer, ": ", "  ")


def _table(writer: Writer, attributes: str) -> None:
    _block(writer, attributes)
    writer.tables += 1
    if writer.tables == 1 and not writer.verbatim:
        writer.rows = []


def _close_table(writer: Writer) -> None:
    writer.tables -= 1
    if writer.tables == 0 and not writer.verbatim:
        writer.line.clear()
        if writer.rows:
            writer.emit(table(writer.rows))
            writer.rows = []


def _open_row(writer: Writer, _: str) -> None:
    if writer.tables == 1 and not writer.verbatim:
        writer.flush()
        writer.cells = []


def _close_row(writer: Writer) -> None:
    if writer.tables == 1 and not writer.verbatim:
        if writer.cells and any(writer.cells):
            writer.rows.append(writer.cells)
        writer.cells = None
        writer.line.clear()


def _cell(writer: Writer, _: str) -> None:
    if writer.tables == 1 and not writer.verbatim:
        writer.line.clear()
        writer.marks = [(start, end, min(place, 0)) for start, end, place in writer.marks]
    else:  # a table inside a cell, or inside code, is read as its text
        writer.flush()


def _close_cell(writer: Writer) -> None:
    if writer.tables == 1 and writer.cells is not None and not writer.verbatim:
        for mark in reversed(writer.marks):
            writer.apply(*mark)
        writer.cells.append(fold("".join(writer.line)).replace("\n", " "))
        writer.line.clear()


OPEN: dict[str, Open] = {
    **dict.fromkeys(UNMARKED, _nothing),
    **dict.fromkeys(("p", "div", *PARAGRAPHS), _block),
    **dict.fromkeys(HEADINGS, _heading),
    **{name: _mark(*marks) for name, marks in MARKS.items() if marks[0] != "`"},
    **dict.fromkeys(("code", "tt", "samp"), _code),
    **dict.fromkeys(("td", "th"), _cell),
    **dict.fromkeys(("thead", "tbody", "tfoot"), _nothing),
    **dict.fromkeys(("br", "br/"), _break),
    **dict.fromkeys(("hr", "hr/"), _rule),
    "a": _link,
    "blockquote": _quote,
    "dd": _definition,
    "img": _image,
    "li": _item,
    "ol": _numbers,
    "pre": _pre,
    "table": _table,
    "tr": _open_row,
    "ul": _bullets,
}
CLOSE: dict[str, Close] = {
    **{f"/{name}": _nothing for name in (*UNMARKED, "thead", "tbody", "tfoot")},
    **{f"/{name}": Writer.flush for name in ("p", "div", *PARAGRAPHS)},
    **{f"/{name}": _close_heading(mark) for name, mark in HEADINGS.items()},
    **{f"/{name}": _close_mark for name, marks in MARKS.items() if marks[0] != "`"},
    **dict.fromkeys(("/code", "/tt", "/samp"), _close_code),
    **dict.fromkeys(("/td", "/th"), _close_cell),
    **dict.fromkeys(("/ol", "/ul"), _close_list),
    **dict.fromkeys(("/blockquote", "/dd"), _leave),
    "/a": _close_link,
    "/li": _close_item,
    "/pre": _close_pre,
    "/table": _close_table,
    "/tr": _close_row,
}
