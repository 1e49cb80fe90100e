"""What every page needs: its title, texts of the data shown as they are, errors in one line, bars."""

import hashlib
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple, NoReturn, TypeVar

import streamlit as st

from curate.errors import CurateError

T = TypeVar("T")
_SAID = "said"
# Every sign that Streamlit's Markdown reads as more than itself.
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])")
_BARS = """<style>
.bars { display: grid; grid-template-columns: minmax(4rem, max-content) minmax(4rem, 1fr) max-content; gap: .45rem .8rem;
  align-items: center; font-size: .875rem; max-width: 46rem; font-variant-numeric: tabular-nums; }
.bars .name { text-align: end; overflow-wrap: anywhere; max-width: 14rem; } .bars .words { opacity: .75; }
.bars .track { position: relative; height: .9rem; border-radius: 3px; background: color-mix(in srgb, currentColor 7%, transparent); }
.bars .track i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; } .bars .track i.behind { opacity: .3; }
.bars .track b { position: absolute; top: -3px; bottom: -3px; width: 2px; margin-left: -1px; background: currentColor; }
</style>"""


# Streamlit leaves 5rem on each side: beside its menu too little is left for a table.
WIDE = "<style>@media (min-width: 48rem) { .stMainBlockContainer { padding-left: 3rem; padding-right: 3rem } }</style>"


def intro(t: Callable[..., str]) -> None:
    """The page's title and, in one sentence, what it is for."""
    st.html(WIDE)
    st.title(t("title"))
    st.markdown(t("about"))
    if said := st.session_state.pop(_SAID, None):
        st.toast(said, icon=":material/check:")


def again(said: str) -> NoReturn:
    """Show the page as it is now, and on it in a line what was done."""
    # A toast of this run would go with it.
    st.session_state[_SAID] = said
    st.rerun()


def plain(text: object) -> str:
    """Text of the data for a label or a Markdown line, shown as it is: no link, picture, maths or colour comes of it."""
    return _MARKS.sub(r"\\\1", re.sub(r"\s+", " ", str(text)))


def figure(value: object) -> str:
    """A measured value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, list | tuple):
        return " – ".join(map(figure, value))
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:,.0f}"
        if isinstance(value, int | float)
        else str(value)
    )


def attempt(act: Callable[[], T]) -> T:
    """What `act` gives, or the end of the page with the one line that says what is wrong."""
    try:
        return act()
    except CurateError as error:
        st.error(plain(error))
        st.stop()


def digest(*parts: object) -> str:
    """A short name of what is on the screen, for the keys of widgets that act on it."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


class Bar(NamedTuple):
    """A value in a row of its own with its words; `mark` is where it should end, `behind` a second value, drawn paler."""

    name: str
    value: float
    words: str
    color: str
    mark: float | None = None
    behind: float = 0


def bars(rows: Sequence[Bar]) -> None:
    """Horizontal bars on one scale from 0."""
    most = max((max(row.value, row.behind, row.mark or 0) for row in rows), default=0) or 1
    lines = []
    for row in rows:
        behind = (
            f'<i class="behind" style="width:{row.behind / most:.2%};background:{row.color}"></i>' if row.behind else ""
        )
        mark = "" if row.mark is None else f'<b style="left:{row.mark / most:.2%}"></b>'
        value = f'<i style="width:{row.value / most:.2%};background:{row.color}"></i>'
        lines.append(
            f'<span class="name" dir="auto">{escape(row.name)}</span><span class="track" aria-hidden="true">{behind}{value}{mark}</span>'
            f'<span class="words">{escape(row.words)}</span>'
        )
    st.html(f'{_BARS}<div class="bars">{"".join(lines)}</div>')
