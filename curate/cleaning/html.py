"""HTML -> Markdown: code, lists, tables and maths stay, links lose their address, images go.

One renderer reads a stream of tags. A body whose tags nest as HTML demands (what Stack Exchange's own Markdown renderer
writes) is read as it stands; any other is first parsed by lexbor and read from its serialisation, which always nests. So
there is one set of rules (`elements`), and the parser costs nothing where it would change nothing. `compiled` applies the
same rules faster to bodies without surprises. Input that is nested deeper than MAX_DEPTH becomes plain text: lexbor needs
quadratic time there. Everything else takes linear time.

Characters are never escaped with backslashes (LIMA's are not either, and `_` and `*` inside maths must stay), except `|`
in table cells. A character reference that the author made visible outside code is decoded all the same.
"""

import re
from html import unescape

import polars as pl

from curate.cleaning.elements import CLOSE, HEADINGS, LANGUAGE_HINT, MARKS, OPEN, UNMARKED, comment
from curate.cleaning.writer import Writer

FAST_FROM = 5_000  # below, loading or compiling the faster code takes longer than it saves
MAX_DEPTH = 256  # elements open at once; lexbor takes 30 ms for 5,000 and 470 ms for 20,000

ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);")
ATTRIBUTES = re.compile(r'(?:[A-Za-z-]+="[^"]*"[ ]?)*+/?')

LISTS = frozenset({"ul", "ol"})
TABLE_PARTS = frozenset({"table", "thead", "tbody", "tfoot", "tr"})  # hold no text of their own
PARENTS = {
    "li": LISTS,
    **dict.fromkeys(("thead", "tbody", "tfoot"), frozenset({"table"})),
    "tr": TABLE_PARTS - {"tr"},
    **dict.fromkeys(("td", "th"), frozenset({"tr"})),
}
VOID = frozenset({"br", "br/", "hr", "hr/", "img", "wbr", "area", "base", "col", "input", "link", "meta", "param", "source", "track"})  # fmt: skip
BLOCKS = frozenset({"p", "div", "blockquote", "pre", "table", "hr", "hr/", *HEADINGS, *LISTS})
INLINE = frozenset({"img", "br", "br/", *UNMARKED, *MARKS})
# What is never shown, or is a program.
DROPPED = "script,style,template,iframe,object,embed,svg,canvas,audio,video,map,noscript,noembed,noframes,title,textarea,select"

# A tag as a browser reads it; never backtracks, so an unclosed quote or comment costs one pass to the end.
TAG = re.compile(
    r"""<!--(?:-?>|.*?--!?>|.*\Z)"""
    r"""|<(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?)*+)(?:>|\Z)""",
    re.DOTALL,
)
KEPT_ATTRIBUTE = re.compile(
    r"""\b(class|start|href|src|alt)\s*=\s*(?:"([^"<>]*)"|'([^'"<>]*)'|([^\s"'<>=`]+))""", re.IGNORECASE
)
COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
OPTIONAL_END = frozenset({"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup"})  # fmt: skip
HIDDEN = re.compile(r"<(script|style)\b(?:.*?</\1\s*>|.*\Z)", re.DOTALL | re.IGNORECASE)


def to_markdown(html: str, *, links: bool = False, images: bool = False) -> str:
    """The Markdown of an HTML fragment: blocks separated by blank lines, no white space at either end.

    With `links` a link becomes `[text](address)` instead of its text; with `images` an image becomes `![alt](address)`
    instead of nothing. Fenced code carries the language that a class (`lang-py`, `language-python`) or Stack
    Exchange's comment names. Never raises; nothing in the input runs.

    >>> to_markdown('<p>Use <code>x</code>:</p><ol start="2"><li>one</li><li><a href="/b">two</a></li></ol>')
    'Use `x`:\\n\\n2. one\\n3. two'
    """
    for unwanted, wanted in (("\0", ""), ("\r\n", "\n"), ("\r", "\n"), ("\f", "\n")):
        if unwanted in html:
            html = html.replace(unwanted, wanted)
    text = render(html, trusted=False, links=links, images=images)
    if text is not None:
        return text
    repaired = repair(html)
    text = None if repaired is None else render(repaired, trusted=True, links=links, images=images)
    return flatten(html) if text is None else text


def to_markdown_all(bodies: pl.Series, *, links: bool = False, images: bool = False) -> pl.Series:
    """`to_markdown` of each body (String, no nulls). From FAST_FROM bodies on, the simple ones are read by `compiled`."""
    if links or images or len(bodies) < FAST_FROM:
        texts = [to_markdown(body, links=links, images=images) for body in bodies]
    else:
        from curate.cleaning import compiled

        simple = compiled.to_markdown_all(bodies.to_list())
        texts = [to_markdown(body) if text is None else text for text, body in zip(simple, bodies, strict=True)]
    return pl.Series(bodies.name, texts, dtype=pl.String)


def render(html: str, *, trusted: bool, links: bool = False, images: bool = False) -> str | None:
    """The Markdown of well-nested HTML; None where `html` does not nest as HTML demands (never if `trusted`)."""
    writer = Writer(links=links, images=images)
    stack = [""]
    first, *pieces = html.split("<")
    if first and not first.isspace():
        writer.line.append(_text(first))
    for piece in pieces:
        tag, closed, text = piece.partition(">")
        close = CLOSE.get(tag)
        if close is not None:
            if stack.pop() != tag[1:]:
                return None
            close(writer)
        elif not closed or not _open(writer, tag, stack, trusted=trusted):
            return None
        if text and not text.isspace():
            if writer.tables and stack[-1] in TABLE_PARTS:
                return None
            writer.line.append(text if "&" not in text else unescape(text) if writer.code else _text(text))
        elif text and (writer.line or writer.verbatim):
            writer.line.append(text)
    return writer.finish() if len(stack) == 1 else None


def _open(writer: Writer, tag: str, stack: list[str], *, trusted: bool) -> bool:
    """Act on a tag that opens an element; False where the element may not stand here."""
    name, _, attributes = tag.partition(" ")
    action = OPEN.get(name)
    if action is None:
        return _rare(writer, tag, stack, trusted=trusted)
    if not trusted and not _usual(name, attributes, stack):
        return False
    if name not in VOID:
        stack.append(name)
    action(writer, attributes)
    return True


def _rare(writer: Writer, tag: str, stack: list[str], *, trusted: bool) -> bool:
    """Take a comment or, in parsed HTML, an element that has no rule; False for anything else."""
    if tag.startswith("!--"):
        comment(writer, tag)
        return tag.endswith("--") and tag.count("--") == 2
    if trusted and tag.startswith("/"):
        return stack.pop() == tag[1:]
    if trusted and tag.partition(" ")[0] not in VOID:
        stack.append(tag.partition(" ")[0])
    return trusted


def _text(text: str) -> str:
    """Character references decoded, those too that were escaped twice: a visible `&quot;` outside code is a mistake."""
    text = unescape(text)
    return unescape(text) if "&" in text and ENTITY.search(text) else text


def _usual(name: str, attributes: str, stack: list[str]) -> bool:
    """Whether a browser would put element `name` where it stands: inside all of `stack`."""
    if attributes and not ATTRIBUTES.fullmatch(attributes):
        return False
    parent = stack[-1]
    if name in INLINE:
        return parent not in TABLE_PARTS
    if name in BLOCKS:
        return "p" not in stack and parent not in TABLE_PARTS and not (name in HEADINGS and parent in HEADINGS)
    if name == "a":
        return "a" not in stack and parent not in TABLE_PARTS
    return name in PARENTS and parent in PARENTS[name]


def repair(html: str) -> str | None:
    """The fragment as lexbor understands it, well nested; None where it is nested too deeply to be parsed in linear time.

    Of the attributes only those that the renderer reads are left; what is never shown (scripts, frames, drawings) is gone.
    """
    from selectolax.lexbor import LexborHTMLParser

    lean = _lean(html)
    if lean is None:
        return None
    tree = LexborHTMLParser(lean)
    for node in tree.css(DROPPED):
        node.decompose()
    for node in tree.css("xmp,plaintext,listing"):
        node.replace_with(node.text())
    body = tree.body
    if body is None:  # a frameset has none
        return ""
    return COMMENT.sub(_only_hints, body.inner_html or "")


def _only_hints(found: re.Match[str]) -> str:
    return found[0] if LANGUAGE_HINT.fullmatch(found[0][1:-1]) else ""


def _lean(html: str) -> str | None:
    """`html` with only the attributes of KEPT_ATTRIBUTE; None where more than MAX_DEPTH elements may be open at once."""
    open_now: dict[str, int] = {}
    depth = deepest = 0

    def rewrite(found: re.Match[str]) -> str:
        nonlocal depth, deepest
        slash, name, attributes = found.groups()
        if name is None:
            return _only_hints(found)
        name = name.lower()
        if name not in VOID and name not in OPTIONAL_END:
            step = -min(1, open_now.get(name, 0)) if slash else 1
            open_now[name] = open_now.get(name, 0) + step
            depth += step
            deepest = max(deepest, depth)
        if slash or not attributes:
            return f"<{slash}{name}>"
        # 2,000 characters hold any attribute worth keeping; an image's inlined data is longer, and goes anyway.
        kept = {key.lower(): a or b or c for key, a, b, c in KEPT_ATTRIBUTE.findall(attributes[:2000])}
        return "<" + name + "".join([f' {key}="{value}"' for key, value in kept.items()]) + ">"

    lean = TAG.sub(rewrite, html)
    return lean if deepest <= MAX_DEPTH else None


def flatten(html: str) -> str:
    """The text of a fragment without any structure: what is left to do with hostile nesting."""
    return " ".join(unescape(TAG.sub(" ", HIDDEN.sub(" ", html))).replace("\0", "").split())
