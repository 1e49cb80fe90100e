"""Maths in Markdown: TeX between dollars or \\( \\[ \\begin, as MathML, which browsers draw by themselves.

A formula is converted by latex2mathml and taken over element by element, nothing but what MathML needs to be drawn. What the
converter does not know is shown as it was written.
"""

import functools
import html
import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import isStrSpace
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from ui.escaping import HIDDEN, shown

# Longer formulas are shown as they were written.
_LONGEST_FORMULA = 2_000
_ENVIRONMENTS = r"(?:align|aligned|alignat|array|cases|eqnarray|equation|gather|matrix|multline|split)"


def teach(parser: MarkdownIt) -> None:
    """Give a parser the rules for maths, inline and displayed."""
    parser.block.ruler.before(
        "fence", "maths", _display_rule, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.inline.ruler.before("escape", "maths", _inline_rule)
    parser.renderer.rules.update(  # type: ignore[attr-defined]
        maths_inline=lambda tokens, i, *_: _formula(tokens[i].content, tokens[i].markup, display=False),
        maths_display=lambda tokens, i, *_: _formula(tokens[i].content, tokens[i].markup, display=True),
    )


# Opening, closing, display.
_MARKS = (("$$", "$$", True), (r"\[", r"\]", True), (r"\(", r"\)", False), ("$", "$", False))


def _display_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A block of its own: from a line that opens with $$, \\[ or \\begin{...} to the line that ends with its close."""
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    begin = re.match(rf"\\begin\{{({_ENVIRONMENTS}\*?)\}}", first)
    if begin:
        opening, closing = begin[0], rf"\end{{{begin[1]}}}"
    elif first.startswith("$$"):
        opening, closing = "$$", "$$"
    elif first.startswith(r"\["):
        opening, closing = r"\[", r"\]"
    else:
        return False
    line, text = start, first[len(opening) :]
    while not text.rstrip().endswith(closing):
        line += 1
        if line >= end or state.isEmpty(line) or len(text) > _LONGEST_FORMULA:
            return False
        text += "\n" + state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
    inside = text.rstrip()[: -len(closing)]
    if closing in inside:
        return False
    if not silent:
        token = state.push("maths_display", "", 0)
        token.content = f"{opening}{inside}{closing}" if begin else inside
        token.markup = "" if begin else opening
        token.map = [start, line + 1]
        token.block = True
        state.line = line + 1
    return True


def _inline_rule(state: StateInline, silent: bool) -> bool:
    """Maths within a line. A dollar opens before what is no space and closes after it, and no digit follows: $5 is money."""
    for opening, closing, display in _MARKS:
        if not state.src.startswith(opening, state.pos):
            continue
        inside = state.pos + len(opening)
        close = state.src.find(closing, inside, inside + _LONGEST_FORMULA)
        while opening == "$" and close > 0 and state.src[close - 1] == "\\":
            close = state.src.find(closing, close + 1, inside + _LONGEST_FORMULA)
        text = state.src[inside:close] if close > 0 else ""
        if not text.strip() or (opening == "$" and not _is_maths(text, state.src[close + 1 : close + 2])):
            continue
        if not silent:
            token = state.push("maths_display" if display else "maths_inline", "", 0)
            token.content, token.markup = text, opening
        state.pos = close + len(closing)
        return True
    return False


def _is_maths(text: str, following: str) -> bool:
    outer_space = isStrSpace(text[0]) or isStrSpace(text[-1]) or "\n\n" in text
    return not (outer_space or following.isdigit() or "`" in text)


def _formula(tex: str, markup: str, *, display: bool) -> str:
    closing = {opening: closing for opening, closing, _ in _MARKS}.get(markup, "")
    written = f'<code class="tex">{shown(markup + tex + closing)}</code>'
    mathml = None if HIDDEN.search(tex) else _mathml(tex, display)
    kind = "maths display" if display else "maths"
    return f'<span class="{kind}">{mathml or written}</span>'


# What a formula may consist of: no links, no styles, no scripts, nothing that is fetched.
_DRAWN = """
math mrow mi mn mo mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable
mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts none mfenced
"""
_ELEMENTS = frozenset(_DRAWN.split())
_SAID = """
display displaystyle scriptlevel mathvariant mathsize stretchy fence separator form accent
accentunder lspace rspace linethickness columnalign columnspacing columnlines rowspacing rowlines
rowalign width height depth voffset minsize maxsize movablelimits largeop symmetric notation frame
align open close separators xmlns
"""
_ATTRIBUTES = frozenset(_SAID.split())


_CHILDREN = {
    **dict.fromkeys(("mfrac", "msub", "msup", "mroot", "mover", "munder"), 2),
    **dict.fromkeys(("msubsup", "munderover"), 3),
}


@functools.lru_cache(4096)
def _mathml(tex: str, display: bool) -> str | None:
    """The formula as MathML, None where the converter does not know it."""
    from latex2mathml.converter import convert_to_element

    if len(tex) > _LONGEST_FORMULA:
        return None
    try:
        element = convert_to_element(tex, display="block" if display else "inline")
    except Exception:  # noqa: BLE001 - half-written TeX makes the converter raise anything; the text is shown instead
        return None
    return _element(element)


def _element(node: Any) -> str | None:  # noqa: ANN401 - an ElementTree element
    """The element as text, None where it has what a formula may not have. Its text holds entities, written by the converter."""
    if node.tag not in _ELEMENTS:
        return None
    if len(node) != _CHILDREN.get(node.tag, len(node)):  # half a fraction would be drawn as an error
        return None
    inside = [_element(child) for child in node]
    if any(part is None for part in inside):
        return None
    attributes = "".join(
        f' {name}="{html.escape(str(value))}"'
        for name, value in node.attrib.items()
        if name in _ATTRIBUTES and name != "xmlns"
    )
    text = html.unescape(node.text or "")
    if re.match(r"\\[A-Za-z]", text):  # a command that the converter does not know
        return None
    text = html.escape(text, quote=False)
    return f"<{node.tag}{attributes}>{text}{''.join(part or '' for part in inside)}</{node.tag}>"
