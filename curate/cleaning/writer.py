"""Lines and blocks of Markdown, with the bullets, indents and quote marks of whatever they stand in."""

import re

MAX_INDENT = 32  # lists and quotes inside each other that are still indented: bounds the output by 64 times the input
BREAK = "\0"  # a forced line break until its block is written; NUL cannot come out of HTML, a parser replaces it
WHITE = "".join(char for char in map(chr, range(0x3001)) if char.isspace()) + BREAK

TWO_BREAKS = re.compile(r" ?\0 ?(?:\0 ?)+")
ONE_BREAK = re.compile(r" ?\0 ?")
DISPLAY = re.compile(r"\$\$|\\[\[\]]|\\(?:begin|end)\{\w+\*?\}")
TICKS = re.compile(r"`+")


class Writer:
    """Collects the pieces of a line, and writes each finished block."""

    __slots__ = (
        "cells", "code", "gap", "head", "heading", "hint", "images", "items", "language", "language_of_all", "line",
        "links", "lists", "marks", "out", "outer", "prefix", "rows", "shared", "tables", "verbatim",
    )  # fmt: skip

    def __init__(self, *, links: bool, images: bool) -> None:
        self.links, self.images = links, images
        self.out: list[str] = []
        self.line: list[str] = []
        self.marks: list[tuple[str, str, int]] = []  # open marks: start, end, place in `line` (-1: not written)
        self.prefix = ""  # before every line of the open lists and quotes
        self.head: str | None = None  # instead of it before the next line: the bullet of an item
        self.shared = ""  # the shortest prefix since the last block: what a blank line between blocks carries
        self.gap = 2  # newlines before the next block
        self.outer: list[tuple[str, str | None, int]] = []  # per open item or quote: prefix, head, blocks before it
        self.lists: list[list[int]] = []  # per open list: number of the last item (-1: bullets), 1 if that was tight
        self.items: list[bool] = []  # per open item: whether it holds a block, so that blank lines stand around it
        self.tables = 0
        self.rows: list[list[str]] = []
        self.cells: list[str] | None = None  # the row that is open; inside it blocks are only spaces
        self.heading = self.verbatim = self.code = 0
        self.language = self.hint = self.language_of_all = ""

    def flush(self) -> None:
        """End the line: what is in it becomes a block. In a table cell or in code it becomes a new line."""
        line = self.line
        if not line:
            return
        if self.verbatim or self.cells is not None:
            line.append("\n")
            return
        marks = self.marks
        for mark in reversed(marks):
            self.apply(*mark)
        text = fold("".join(line))
        line.clear()
        if marks:  # a mark around several blocks is written in each
            self.marks = [(start, end, min(place, 0)) for start, end, place in marks]
        if text:
            self.emit(text)

    def emit(self, text: str) -> None:
        """Write a block: every line with the prefix, the first with the bullet if one is due."""
        out, prefix = self.out, self.prefix
        if out:
            out.append("\n" if self.gap == 1 else f"\n{self.shared.rstrip()}\n")
        if prefix:
            if "\n" in text:
                bare = prefix.rstrip()
                first, *rest = text.split("\n")
                text = "\n".join([first, *[prefix + row if row else bare for row in rest]])
            text = (prefix if self.head is None else self.head) + text
            self.head = None
        out.append(text)
        self.shared, self.gap = prefix, 2

    def mark(self, start: str, end: str) -> None:
        """Begin emphasis, inline code or the like; not written inside code, headings (bold) or the same mark."""
        if not (self.marks or self.code or self.heading):
            self.marks.append((start, end, len(self.line)))
            return
        hidden = self.code or (self.heading and start == "**") or any(start == mark[0] for mark in self.marks)
        self.marks.append((start, end, -1 if hidden else len(self.line)))

    def apply(self, start: str, end: str, place: int) -> None:
        """Put a mark around what was written since `place`, the white space at its ends left outside."""
        if place < 0:
            return
        line = self.line
        inner = line[place] if len(line) == place + 1 else "".join(line[place:])
        core = inner.strip(WHITE)
        if not core:
            return
        marked = code_span(_spaces(core.replace(BREAK, " "))) if start == "`" else start + core + end
        if len(core) != len(inner):
            lead, _, tail = inner.partition(core)
            marked = lead + marked + tail
        line[place:] = [marked]

    def finish(self) -> str:
        self.flush()
        return "".join(self.out)


def fold(text: str) -> str:
    """White space as a browser shows it, line breaks as newlines; lines inside displayed maths stay as they are."""
    text = text.strip()
    if "\n" in text and ("$$" in text or "\\[" in text or "\\begin" in text):
        text = _fold_around_maths(text)
    else:
        text = _spaces(text)
    if BREAK in text:
        text = ONE_BREAK.sub("\n", TWO_BREAKS.sub("\n\n", text)).strip()
    return text


def _spaces(text: str) -> str:
    """Runs of white space as one space. Replacing in C is several times faster than splitting into words."""
    for white in ("\n", "\t", "\xa0"):
        if white in text:
            text = text.replace(white, " ")
    while "  " in text:  # each pass halves a run
        text = text.replace("  ", " ")
    return text


def _fold_around_maths(text: str) -> str:
    r"""`fold` for text with `$$…$$`, `\[…\]` or `\begin{…}…\end{…}`; an opening that is never closed counts for nothing."""
    parts: list[str] = []
    done, opened, closing = 0, 0, ""
    for found in DISPLAY.finditer(text):
        mark = found[0]
        if not closing and mark != "\\]" and not mark.startswith("\\end"):
            opened, closing = found.start(), {"\\[": "\\]"}.get(mark, mark.replace("begin", "end"))
        elif mark == closing:
            parts += (_spaces(text[done:opened]), text[opened : found.end()])
            done, closing = found.end(), ""
    return "".join([*parts, _spaces(text[done:])])


def code_span(code: str) -> str:
    """Inline code between backticks, more of them than any run inside it (CommonMark 6.1)."""
    if "`" not in code:
        return f"`{code}`"
    ticks = "`" * (max(map(len, TICKS.findall(code))) + 1)
    pad = " " if code[0] == "`" or code[-1] == "`" else ""
    return ticks + pad + code + pad + ticks


def fence(code: str, language: str) -> str:
    """A fenced block; its fence is longer than any run of backticks inside it (CommonMark 4.5)."""
    ticks = "`" * (max(map(len, TICKS.findall(code))) + 1) if "```" in code else "```"
    return f"{ticks}{language}\n{code}\n{ticks}"


def table(rows: list[list[str]]) -> str:
    r"""A pipe table. The first row is its heading, because Markdown has no table without one; short rows are filled up.

    >>> print(table([["a", "b|c"], ["1"]]))
    | a | b\|c |
    | --- | --- |
    | 1 |  |
    """
    width = max(map(len, rows))
    heading, *rest = [_row(cells, width) for cells in rows]
    return "\n".join([heading, "| " + " | ".join(["---"] * width) + " |", *rest])


def _row(cells: list[str], width: int) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return "| " + " | ".join([*escaped, *[""] * (width - len(cells))]) + " |"
