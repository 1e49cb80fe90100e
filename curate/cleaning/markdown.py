r"""Cleaning of Markdown and of the characters of any text, as polars expressions. What stands in code is never touched.

Rust's regular expressions have no look-around, so "outside code" is said by matching code first: every pattern is
`(CODE)|pattern`, and code is put back by `${1}`. All of them take linear time.
"""

import re
from collections.abc import Callable
from html import unescape

import polars as pl

Edit = Callable[[pl.Expr], pl.Expr]

_OPENING = r"(?m:^)[ \t>]*(?:(?:[*+-]|\d+[.)])[ \t]+)*"
_FENCES = "|".join(
    _OPENING + rf"`{{{width}}}[^`\n]*(?:\z|\n(?s:.*?)(?:(?m:^)[ \t>]*`{{{closing}}}[ \t]*(?m:$)|\z))"
    for width, closing in (("5,", "5,"), ("4", "4,"), ("3", "3,"))
)
# Fenced blocks; code spans; lines indented by four spaces after a blank line, unless they are the items of a list.
CODE = (
    _FENCES + r"|```[^`\n]+```|``(?:[^`]|`[^`])+``|`[^`\n]+(?:\n[^`\n]+)*`"
    r"|(?:\A|\n[ \t]*\n)(?:(?: {4}|\t)[^\n]*[^\s*+\-\d>][^\n]*(?:\n|\z))+"
)
CODE_IN_PYTHON = re.compile(CODE.replace(r"\z", r"\Z"))

_TITLE = r"""(?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'))?[ \t]*"""
_TARGET = r"(?:[^\s()<>]|\([^\s()]*\))*"
# Only what looks like an address, so that `a[i](x)` in a formula or in code without marks stays.
_ADDRESS = rf"<?(?:(?i:[a-z][a-z0-9+.-]*:|www\.)|[/#.]|[\w-]+(?:\.[\w-]+)+(?:/|\b)){_TARGET}>?"
_NOT_IN_URL = r"""\s<>()\[\]{}"`|“”…"""
URL = (
    rf"(?i:https?|ftp)://(?:[^{_NOT_IN_URL}]|\([^\s()<>]*\))*"
    rf"(?:[^{_NOT_IN_URL}.,;:!?'’*_~\\]|\([^\s()<>]*\))…?"
)
# Addresses that are part of what is explained; while links are dropped they are hidden by a control character.
_EXAMPLE_URL = r"(?i)(https?):(//(?:localhost|127\.0\.0\.1|0\.0\.0\.0|(?:[\w-]+\.)*example\.(?:com|org|net))\b)"
_HIDDEN = ":\x1a//"
_LABEL = r"(?:[*_]{0,2}(?i:sources?|links?|references?|refs?|see(?: also)?|via|from|here|more info(?:rmation)?|read more)[*_]{0,2}[ \t]*[:\-–—]?[ \t]*)?"

REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
ESCAPED_BY_API = r"\A(?:[^<>&]|&(?:amp|lt|gt);)*\z"

# Zero-width and bidirectional marks, BOM, soft hyphen, controls but tab and line feed, tags, interlinear marks, noncharacters.
_INVISIBLE = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\x{ad}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}"
    r"\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{fdd0}-\x{fdef}\x{fffe}\x{ffff}\x{e0001}]"
)
# Joiners mean something between emoji and inside the scripts that join or split letters by them.
_JOINED = (
    r"([\p{Extended_Pictographic}\x{fe0f}\x{1f3fb}-\x{1f3ff}]\x{200d}"
    r"|[\p{Arabic}\p{Syriac}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}"
    r"\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Mongolian}][\x{200c}\x{200d}])"
)


def outside_code(pattern: str, kept: str = "") -> Edit:
    """An edit that removes `pattern` outside code, but for the groups in `kept`, which count from `${2}`.

    Nothing can be put in its place: that would be put after every piece of code, too.
    """
    return lambda text: text.str.replace_all(f"({CODE})|{pattern}", "${1}" + kept)


def drop_images(text: pl.Expr) -> pl.Expr:
    """`![alt](address)` removed, and the link around it if there is one."""
    image = rf"!\[[^\]\n]*\]\({_ADDRESS}{_TITLE}\)"
    return outside_code(rf"\[{image}\]\({_ADDRESS}{_TITLE}\)|{image}")(text)


def drop_links(text: pl.Expr) -> pl.Expr:
    """Links as their text; addresses that stand for themselves removed, with the brackets or the label around them.

    A line that is nothing but an address (`Source: https://…`) goes as a whole, and so does a sentence that only points to
    one (`See https://… for more.`). Definitions of reference links go too.
    """
    text = text.str.replace_all(_EXAMPLE_URL, "${1}:\x1a${2}")
    link = rf"\[((?:[^\[\]\n]|\[[^\[\]\n]*\])*)\]\({_ADDRESS}{_TITLE}\)"
    text = outside_code(link, "${2}")(text)
    text = outside_code(rf"\[([^\[\]\n]+)\]\([ \t]*{URL}", "${2}")(text)  # never closed
    definition = rf"(?m:^)[ ]{{0,3}}\[[^\]\n]+\]:[ \t]*<?{URL}>?{_TITLE}(?:\n|\z)"
    defined = text.str.contains(definition)
    text = pl.when(defined).then(outside_code(r"\[([^\[\]\n]+)\][ ]?\[[^\[\]\n]*\]", "${2}")(text)).otherwise(text)
    text = outside_code(definition)(text)
    text = outside_code(rf"(?m:^)[ \t>]*(?:(?:[*+-]|\d+[.)])[ \t]+)?{_LABEL}<?{URL}>?[ \t]*\.?[ \t]*(?:\n|\z)")(text)
    text = outside_code(rf"[ \t]?(?:\([ \t]*{_LABEL}{URL}[ \t]*\)|\[[ \t]*{_LABEL}{URL}[ \t]*\]|<{URL}>)")(text)
    text = outside_code(
        rf"((?m:^)|[.!?][ \t]+)(?:See|Visit|Check out|Read|Cf\.)(?: also)?:?[ \t]+{URL}[^.!?\n]*[.!?]?[ \t]*", "${2}"
    )(text)
    text = outside_code(rf"(?:[,;]?[ \t]+)(?i:see(?: also)?|via|at|from|cf\.?)[ \t]+{URL}")(text)
    text = outside_code(rf"[ \t]*:[ \t]+{URL}[ \t]*(\n|\z)", "${2}")(text)
    return outside_code(rf"[ \t]?{URL}")(text).str.replace_all(_HIDDEN, "://", literal=True)


def decode_entities(text: pl.Expr) -> pl.Expr:
    """Character references as characters: one layer everywhere in text that an API escaped as a whole, all outside code.

    Reddit's API writes every `&`, `<` and `>` of a post as a reference. Text is taken for such if it holds none bare.
    """
    once = text.str.replace_many({"&amp;": "&", "&lt;": "<", "&gt;": ">"})
    text = pl.when(text.str.contains(ESCAPED_BY_API)).then(once).otherwise(text)
    return text.map_elements(_decode, return_dtype=pl.String)


def _decode(text: str) -> str:
    if not REFERENCE.search(text):
        return text
    parts, done = [], 0
    for code in CODE_IN_PYTHON.finditer(text):
        parts += [_unescape(text[done : code.start()]), code[0]]
        done = code.end()
    return "".join([*parts, _unescape(text[done:])])


def _unescape(text: str) -> str:
    """References decoded until none is left, at most four times: what `&amp;amp;amp;amp;amp;` meant nobody knows."""
    for _ in range(4):
        if not REFERENCE.search(text):
            break
        text = REFERENCE.sub(lambda found: unescape(found[0]), text)
    return text


def drop_invisible(text: pl.Expr) -> pl.Expr:
    """Characters without a shape removed, no-break spaces made spaces; joiners kept where a script or an emoji needs them."""
    text = text.str.replace_all(r"[\x{a0}\x{202f}]", " ")
    return text.str.replace_all(rf"{_JOINED}|{_INVISIBLE}|[\x{{200c}}\x{{200d}}]", "${1}")


def unify_line_ends(text: pl.Expr) -> pl.Expr:
    """CRLF, CR, form feed, vertical tab, NEL and Unicode's line and paragraph separators as line feeds."""
    return text.str.replace_all(r"\r\n?|[\x0b\x0c\x{85}\x{2028}\x{2029}]", "\n")


def fold_blank_lines(text: pl.Expr) -> pl.Expr:
    """One blank line at most outside code, no white space at the ends of lines and of the text."""
    text = outside_code(r"[ \t]+(\n)", "${2}")(text)
    text = outside_code(r"(\n\n)\n+", "${2}")(text)
    return strip(text)


def fold_many_blank_lines(text: pl.Expr) -> pl.Expr:
    """Two blank lines at most: plain text may be code, and those part the functions of a Python module."""
    return strip(text.str.replace_all(r"\n{4,}", "\n\n\n"))


def strip(text: pl.Expr) -> pl.Expr:
    """No blank lines before the text, no white space after it; the indent of its first line stays, it may be code."""
    return text.str.replace(r"\A(?:[ \t]*\n)+", "").str.strip_chars_end()
