"""Safe HTML of texts that nobody has checked: conversations as Markdown with maths, and word differences.

The text of a corpus is hostile until proved otherwise. Nothing in it becomes markup but what Markdown makes: HTML is shown
as text, images are their words and address, links go to http, https or mailto only, and characters that hide or turn
text around are shown by name. `ui/card/text.css` dresses what these functions return.
"""

import functools
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from ui import maths
from ui.differences import diff_html
from ui.escaping import escaped, shown

__all__ = ["conversation_diff_html", "conversation_html", "diff_html", "is_cut", "markdown_html", "text_css"]

# Characters of a text that are rendered; the rest waits for the one who asks. Rendering costs about 1 ms for 5,000.
CUT = 20_000
_SCHEMES = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def conversation_html(
    messages: Sequence[Mapping[str, str]], names: Mapping[str, str] | None = None, *, cut: int | None = CUT
) -> str:
    """A conversation as one section a turn, `names` the words for the roles; each turn's text ends after `cut` characters."""
    return "".join(
        f'<section class="turn turn-{_token(message["role"])}"><h3 class="role">'
        f"{escaped((names or {}).get(message['role'], message['role'].title()))}</h3>"
        f'<div class="text" dir="auto">{markdown_html(message["content"], cut=cut)}</div></section>'
        for message in messages
    )


def is_cut(messages: Sequence[Mapping[str, str]], cut: int = CUT) -> bool:
    """Whether `conversation_html` shows less than all of it."""
    return any(len(message["content"]) > cut for message in messages)


def markdown_html(text: str, *, cut: int | None = CUT) -> str:
    """A Markdown text as HTML; after `cut` characters, at the end of a line where one is near, it ends with a mark."""
    if cut is None or len(text) <= cut:
        return str(_markdown().render(text))
    line = text.rfind("\n", cut - cut // 10, cut)
    end = line if line > 0 else cut
    return f'{_markdown().render(text[:end])}<p class="cut" role="note">… +{len(text) - end:,}</p>'


def conversation_diff_html(
    before: Sequence[Mapping[str, str]],
    after: Sequence[Mapping[str, str]],
    names: Mapping[str, str] | None = None,
    *,
    around: int | None = 240,
) -> str:
    """`diff_html` of the turns of two versions of one conversation, those that differ only; "" where none does.

    Turns are paired by their place; a turn that one version lacks is all new or all gone.
    """
    parts = []
    for place in range(max(len(before), len(after))):
        old, new = (turns[place] if place < len(turns) else None for turns in (before, after))
        if old == new:
            continue
        role = (new or old or {}).get("role", "")
        texts = ((turn or {}).get("content", "") for turn in (old, new))
        parts.append(
            f'<section class="turn turn-{_token(role)}"><h3 class="role">{escaped((names or {}).get(role, role.title()))}</h3>'
            f"{diff_html(*texts, around=around)}</section>"
        )
    return "".join(parts)


@functools.cache
def text_css() -> str:
    """The style of everything this module makes, in colours of the page it stands in, light or dark."""
    return (Path(__file__).parent / "card/text.css").read_text(encoding="utf-8")


# --- Markdown -----------------------------------------------------------------------------------------------------


@functools.cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables, strikethrough and maths; no HTML, no bare links, no images."""
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    parser.enable(["table", "strikethrough"])
    maths.teach(parser)
    parser.inline.ruler.before("autolink", "small_tags", _small_tag_rule)
    parser.validateLink = lambda url: _SCHEMES.match(url) is not None  # type: ignore[method-assign]
    rules = {
        "text": lambda tokens, i, *_: shown(tokens[i].content),
        "code_inline": lambda tokens, i, *_: f"<code>{shown(tokens[i].content)}</code>",
        "code_block": lambda tokens, i, *_: _code(tokens[i].content, ""),
        "fence": lambda tokens, i, *_: _code(tokens[i].content, tokens[i].info),
        "image": lambda tokens, i, *_: _image(tokens[i]),
        "link_open": lambda tokens, i, *_: _link(tokens[i]),
        "table_open": lambda *_: '<div class="wide" tabindex="0"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
        "small_tag": lambda tokens, i, *_: _small_tag(tokens[i].tag, tokens[i].content),
    }
    parser.renderer.rules.update(rules)  # type: ignore[attr-defined]
    return parser


# What cleaning writes where Markdown has no mark of its own: H<sub>2</sub>O, <kbd>Esc</kbd>.
_SMALL_TAG = re.compile(r"<(sub|sup|kbd)>([^<>\n]{1,80})</\1>|<br ?/?>")


def _small_tag_rule(state: StateInline, silent: bool) -> bool:
    """Whole, bare <sub>, <sup> and <kbd> with plain text inside, and <br>: the only tags that stay tags."""
    found = _SMALL_TAG.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        token = state.push("small_tag", found[1] or "br", 0)
        token.content = found[2] or ""
    state.pos = found.end()
    return True


def _small_tag(tag: str, text: str) -> str:
    return "<br>" if tag == "br" else f"<{tag}>{shown(text)}</{tag}>"


def _code(text: str, info: str) -> str:
    language = info.split(maxsplit=1)[0] if info.split() else ""
    label = f'<span class="language">{shown(language)}</span>' if language else ""
    return f'<div class="code">{label}<pre tabindex="0"><code>{shown(text)}</code></pre></div>\n'


def _image(token: Any) -> str:  # noqa: ANN401 - a token of markdown-it
    address = str(token.attrs.get("src", ""))
    return f'<span class="image">{shown(token.content or "image")} <span class="address">{shown(address)}</span></span>'


def _link(token: Any) -> str:  # noqa: ANN401
    address = html.escape(str(token.attrs.get("href", "")))
    return f'<a href="{address}" title="{address}" target="_blank" rel="noopener noreferrer nofollow">'


def _token(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
