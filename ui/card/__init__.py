"""The review card: a component of our own in the page. Its Python half is here, its other half are the modules of SCRIPTS.

protocol   what the browser sends, taken into the log
examples   what the browser is sent
deck       which examples one reviewer has before them
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ui.rendering import text_css

_HERE = Path(__file__).parent
# Each after those that it imports from; the last one is the component.
SCRIPTS = (
    "elements",  # tools that know nothing of the card
    "outbox",  # what is decided and not on the server's disk
    "line",  # which example is shown, which come, what was decided on them
    "drafts",  # edits that are not decided
    "sight",  # what was on the screen for how long
    "keys",  # what a key means
    "status",  # what stands above the text
    "reading",  # the text in its views, and the editor
    "panels",  # what stands beside it
    "toolbar",  # what stands below it
    "help",  # the dialog of keys and guidelines
    "screen",  # all of these drawn
    "acts",  # what the reviewer does
    "card",  # what the server says and is told
)
_MODULE = re.compile(r'^import \{.*\} from "\./.*"\n|^export (?!default )', re.MULTILINE)


def sent(key: str) -> dict[str, Any]:
    """What the card under this key last said; {} before it has said anything."""
    state = st.session_state.get(key) or {}
    wire = state.get("wire")
    return wire if isinstance(wire, dict) else {}


def show(data: Mapping[str, Any], key: str) -> None:
    """Mount the card with `data` (see card.js `receive`), or give it to the card that is there."""
    _component()(data=dict(data), key=key, on_wire_change=lambda: None)


def script() -> str:
    """The modules as one: streamlit runs a component's script from a text, which has no neighbours to import from."""
    return "\n".join(_MODULE.sub("", (_HERE / f"{name}.js").read_text(encoding="utf-8")) for name in SCRIPTS)


@st.cache_resource(show_spinner=False)
def _component() -> Any:  # noqa: ANN401 - streamlit's renderer
    html, css = ((_HERE / name).read_text(encoding="utf-8") for name in ("card.html", "card.css"))
    return st.components.v2.component("lapidary_card", html=html, css=text_css() + css, js=script())
