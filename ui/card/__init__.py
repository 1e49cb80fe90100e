"""The review card: a component of our own in the page. Its Python half is here, its other half is card.js.

protocol   what the browser sends, taken into the log
examples   what the browser is sent
deck       which examples one reviewer has before them
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ui.rendering import text_css

_HERE = Path(__file__).parent


def sent(key: str) -> dict[str, Any]:
    """What the card under this key last said; {} before it has said anything."""
    state = st.session_state.get(key) or {}
    wire = state.get("wire")
    return wire if isinstance(wire, dict) else {}


def show(data: Mapping[str, Any], key: str) -> None:
    """Mount the card with `data` (see card.js `receive`), or give it to the card that is there."""
    _component()(data=dict(data), key=key, on_wire_change=lambda: None)


@st.cache_resource(show_spinner=False)
def _component() -> Any:  # noqa: ANN401 - streamlit's renderer
    text = {name: (_HERE / name).read_text(encoding="utf-8") for name in ("card.html", "card.css", "card.js")}
    return st.components.v2.component(
        "lapidary_card", html=text["card.html"], css=text_css() + text["card.css"], js=text["card.js"]
    )
