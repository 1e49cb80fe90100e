r"""HTML -> Markdown for simple bodies, all of them at once, in three times less time than one by one.

Every tag becomes one character of Unicode's private use area. A body is simple if the result is a sentence of the small
regular language below: paragraphs, headings, rules, flat lists, quotes and code blocks, with inline elements that nest,
which is most of what Stack Exchange writes. The characters of a simple body then become Markdown. Every other body is
left to `html.to_markdown` (null here); tests hold the two equal on generated and on real bodies.
"""

from collections.abc import Iterable

import polars as pl

from curate.cleaning.elements import HEADINGS, MARKS, NO_LANGUAGE

_private = map(chr, range(0xE000, 0xE100))
# Elements by their opening and closing character. Links, spans and images leave no trace and are taken away first.
INLINE = {name: (next(_private), next(_private)) for name in ("em", "i", "strong", "b", "del", "s", "strike")}
LITERAL = {name: (next(_private), next(_private)) for name in ("code", "sub", "sup", "kbd")}
LINES = {name: (next(_private), next(_private)) for name in ("p", "li", *HEADINGS)}
BULLETS, NUMBERS, QUOTE, CODE = ((next(_private), next(_private)) for _ in range(4))
RULE, BREAK = next(_private), next(_private)
REFERENCES = {name: (next(_private), char) for name, char in zip(("amp", "lt", "gt", "quot", "#39"), "&<>\"'", strict=True)}
PIECE = next(_private)  # parts a body where a block of another kind begins or ends
END = next(_private)  # of the language of code, of the first number of a list

# Left to the other path wherever they stand: fences inside code, displayed maths (whose lines stay), references spelled
# out by others, controls and private characters.
ODD_STRINGS = ("```", "$$", r"\[", r"\begin")
ODD = r"&amp;(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);|[\x{e000}-\x{e0ff}]"
_ATTRIBUTES = r'(?: [a-z-]+="[^"<>]*")*'
IMAGE = rf"<img{_ATTRIBUTES} ?/?>"
LINKED = (
    rf"<a{_ATTRIBUTES}>((?:[^<]|<code>[^<]*</code>|<em>[^<]*</em>|<strong>[^<]*</strong>)*)</a>|<span{_ATTRIBUTES}>([^<]*)</span>"
)
NAMED_CODE = r'<pre(?: class="(?:[^"<>]*?\b)??(?:lang|language)-([A-Za-z0-9_+#.-]+)[^"<>]*")><code>'


def _either(*forms: str) -> str:
    return "(?:" + "|".join(forms) + ")"


def _within(element: tuple[str, str], content: str) -> str:
    return element[0] + content + element[1]


# The language of simple bodies. TEXT is any character that is neither an element nor the end of a piece.
TEXT = r"[^<&\x00-\x08\x0b-\x1f\x{e000}-\x{e0ff}]|[" + "".join(char for char, _ in REFERENCES.values()) + "]"
WHITE = r"\s*"
PLAIN = _either(TEXT, *(_within(element, f"(?:{TEXT})+") for element in LITERAL.values()))
_nested = {"em": ("strong", "b"), "strong": ("em", "i")}
EMPHASIS = _either(
    *(
        _within(element, _either(PLAIN, *(_within(INLINE[inner], PLAIN + "+") for inner in _nested.get(name, ()))) + "+")
        for name, element in INLINE.items()
    )
)
LINE = _either(PLAIN, EMPHASIS) + "*"
BROKEN_LINE = _either(PLAIN, EMPHASIS, BREAK) + "*"
PARAGRAPH = _within(LINES["p"], BROKEN_LINE)
TIGHT, LOOSE = LINE, WHITE + _within(LINES["p"], LINE) + WHITE
ITEMS = WHITE + _either(*(f"(?:{_within(LINES['li'], item)}{WHITE})+" for item in (TIGHT, LOOSE)))
BODY = (
    r"\A(?:(?:\s|"
    + _either(
        PARAGRAPH,
        *(_within(LINES[name], PLAIN + "*") for name in HEADINGS),
        RULE,
        _within(CODE, f"[^{END}]*{END}(?:{TEXT})*"),
        _within(BULLETS, ITEMS),
        _within(NUMBERS, f"[0-9]*{END}{ITEMS}"),
        _within(QUOTE, rf"(?:\s|{PARAGRAPH}|{_within(BULLETS, ITEMS)})*"),
        PIECE,
    )
    + f")*|{BROKEN_LINE})"
    + r"\z"
)
_starts, _stops = ("".join(mark[side] for mark in (*INLINE.values(), *LITERAL.values())) for side in (0, 1))
_headings, _ends = ("".join(LINES[name][side] for name in HEADINGS) for side in (0, 1))
# Left to the other path, too: white space just inside a mark, which belongs outside; blocks without text, whose Markdown
# would be a bare mark; code spans with backticks.
AWKWARD = (
    rf"[{_starts}]\s|\s[{_stops}]|[{_headings}]\s*[{_ends}]|{END}{WHITE}{CODE[1]}"
    f"|{LINES['li'][0]}{WHITE}(?:{LINES['p'][0]}{WHITE})?(?:{LINES['p'][1]}|{LINES['li'][1]})"
    f"|{LITERAL['code'][0]}[^{LITERAL['code'][1]}`]*`"
)


def _first(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Replacements in the order in which they win where several begin: the longest first."""
    return dict(sorted(pairs, key=lambda pair: -len(pair[0])))


def _encoding() -> dict[str, str]:
    """Tags and references -> private characters; the line ends that Stack Exchange writes around blocks go at once."""
    tags = {f"&{name};": char for name, (char, _) in REFERENCES.items()}
    for name, (start, stop) in {**INLINE, **LITERAL}.items():
        tags |= {f"<{name}>": start, f"</{name}>": stop}
    blocks = {name: ("", *element, "") for name, element in LINES.items()} | {
        "ul": ("", *BULLETS, ""),
        "ol": (PIECE, NUMBERS[0] + "1" + END, NUMBERS[1], PIECE),
        "blockquote": (PIECE, *QUOTE, PIECE),
    }
    for name, (before, start, stop, after) in blocks.items():
        for white in ("\n\n", "\n", ""):
            tags |= {f"<{name}>{white}": before + start, f"</{name}>{white}": stop + after}
    for space in ("", "/", " /"):
        tags |= {f"<br{space}>": BREAK, f"<hr{space}>": RULE}
    return _first([*tags.items(), ("<pre><code>", PIECE + CODE[0] + END), ("</code></pre>", CODE[1] + PIECE)])


def _decoding() -> dict[str, str]:
    """Private characters -> Markdown, with the one space that may be left around the blocks."""
    marks = {char: text for char, text in REFERENCES.values()}
    for name, element in (*INLINE.items(), *LITERAL.items()):
        marks |= dict(zip(element, MARKS[name], strict=True))
    item, (open_p, close_p) = LINES["li"], LINES["p"]
    blocks = {
        open_p: BLANK,
        close_p: BLANK,
        item[0]: "\n* ",
        item[0] + open_p: f"{BLANK}* ",
        f"{item[0]} {open_p}": f"{BLANK}* ",
        item[1]: "",
        BULLETS[0]: "\n",
        BULLETS[1]: BLANK,
        NUMBERS[1]: "",
        QUOTE[0]: "",
        QUOTE[1]: "",
        RULE: f"{BLANK}---{BLANK}",
        BREAK: "\n",
    }
    for name, mark in HEADINGS.items():
        blocks |= {LINES[name][0]: BLANK + mark, LINES[name][1]: BLANK}
    spaced = [(left + key + right, text) for key, text in blocks.items() for left in ("", " ") for right in ("", " ")]
    return _first([*marks.items(), *spaced])


BLANK = "\n\n"
ENCODING, DECODING = _encoding(), _decoding()
CHARACTERS = {char: text for char, text in REFERENCES.values()}


def to_markdown_all(bodies: pl.Series) -> pl.Series:
    """The Markdown of simple bodies (String, same order); null for all others. Links and images go."""
    frame = pl.DataFrame({"html": bodies}, schema={"html": pl.String}).with_row_index("row")
    half = (len(bodies) + 1) // 2  # an expression keeps one thread busy, so there are two
    simple = pl.concat(pl.collect_all([_simple(part.lazy()) for part in (frame[:half], frame[half:])]))
    pieces = simple.select("row", piece=pl.col("html").str.split(PIECE)).explode("piece").with_row_index("place")
    piece, kind = pl.col("piece"), pl.col("piece").str.slice(0, 1)
    texts = pl.collect_all(
        [
            pieces.lazy().filter(kind == CODE[0]).select("row", "place", text=_code(piece)),
            pieces.lazy().filter(kind == QUOTE[0]).select("row", "place", text=_quoted(_lines(piece))),
            pieces.lazy().filter(~kind.is_in([CODE[0], QUOTE[0], NUMBERS[0]])).select("row", "place", text=_lines(piece)),
            _numbered(pieces.lazy().filter(kind == NUMBERS[0])),
        ]
    )
    joined = (
        pl.concat(texts)
        .sort("place")
        .filter(pl.col("text") != "")
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(BLANK))
    )
    told = simple.select("row", empty=pl.lit("")).join(joined, on="row", how="left")
    told = frame.select("row").join(told, on="row", how="left", maintain_order="left")
    return told.select(pl.coalesce("text", "empty").alias(bodies.name))[bodies.name]


def _simple(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows whose `html` is simple, encoded."""
    html = pl.col("html")
    bare = frame.with_columns(html.str.replace_all(IMAGE, "").str.replace_all(LINKED, "${1}${2}"))
    encoded = bare.filter(~html.str.contains_any(ODD_STRINGS), ~html.str.contains(ODD)).with_columns(_encode(html))
    known = encoded.filter(~html.str.contains_any(["<", "&"]))
    return known.filter(~html.str.contains(AWKWARD), html.str.contains(BODY))


def _encode(html: pl.Expr) -> pl.Expr:
    html = html.str.replace_all(NAMED_CODE, f"{PIECE}{CODE[0]}${{1}}{END}")
    html = html.str.replace_all(r'<ol start="([1-9][0-9]{0,7})">', f"{PIECE}{NUMBERS[0]}${{1}}{END}")
    return html.str.replace_many(ENCODING, leftmost=True)


def _quoted(text: pl.Expr) -> pl.Expr:
    quoted = text.str.replace_all("\n", "\n> ", literal=True).str.replace_all("\n> \n", "\n>\n", literal=True)
    return pl.when(text == "").then(pl.lit("")).otherwise(pl.lit("> ") + quoted)


def _lines(text: pl.Expr) -> pl.Expr:
    """Encoded paragraphs as Markdown, white space as a browser shows it."""
    text = text.str.replace_all(r"[\n\t\x{a0}][ \n\t\x{a0}]*| [ \n\t\x{a0}]+", " ")
    return text.str.replace_many(DECODING, leftmost=True).str.replace_all(r"\n{3,}", BLANK).str.strip_chars()


def _code(text: pl.Expr) -> pl.Expr:
    """An encoded code block (its start, language, END, code, its end) as a fenced block."""
    text = text.str.replace(f"{CODE[0]}(?:{'|'.join(sorted(NO_LANGUAGE))}){END}", CODE[0] + END)
    text = text.str.replace(rf"{CODE[0]}([^{END}]*){END}\n*", "```${1}\n").str.replace(rf"\s*{CODE[1]}", "\n```")
    return text.str.replace_many(CHARACTERS)


def _numbered(pieces: pl.LazyFrame) -> pl.LazyFrame:
    """Ordered lists (`row`, `place`, encoded `piece`) as Markdown (`row`, `place`, `text`)."""
    piece, item = pl.col("piece"), LINES["li"][0]
    start = piece.str.extract(rf"{NUMBERS[0]}(\d+){END}").cast(pl.Int64)
    gap = pl.when(piece.str.contains(LINES["p"][0], literal=True)).then(pl.lit(BLANK)).otherwise(pl.lit("\n"))
    items = pieces.select("row", "place", start=start, gap=gap, item=piece.str.split(item).list.slice(1)).explode("item")
    numbers = pl.col("start") + pl.int_range(pl.len())
    numbered = pl.when(numbers > pl.col("start")).then("gap").otherwise(pl.lit("")) + pl.format("{}. {}", numbers, "text")
    return (
        items.with_columns(text=_lines(pl.col("item")))
        .group_by("row", "place", maintain_order=True)
        .agg(text=numbered.str.join(""))
    )
