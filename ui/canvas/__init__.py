"""The map's canvas: what is sent to it, and the two components that show it and answer it."""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import streamlit as st

# What has fewer points than this on the map carries no name there.
NAMED = 3


class Value(NamedTuple):
    """One entry of a legend and its number of points: `muted` stays in the background."""

    key: str
    title: str
    n: int
    muted: bool = False


class Layer(NamedTuple):
    """A way to colour the points: `codes` has, for each point, the place of its value in `values`."""

    name: str
    title: str
    values: Sequence[Value]
    codes: npt.NDArray[np.uint16]


class Label(NamedTuple):
    """A name that stands on the map itself, at a place of 0 to 65535 a side."""

    text: str
    x: int
    y: int


def packed(
    name: str,
    x: npt.NDArray[np.uint16],
    y: npt.NDArray[np.uint16],
    layers: Sequence[Layer],
    labels: Sequence[Label],
    words: dict[str, str],
) -> bytes:
    """Everything the canvas needs, as map.js reads it: the length of a JSON head, the head, then 16-bit arrays, x, y, codes.

    Each array begins at a multiple of four. Four bytes a point and two more a layer: 1.2 MB for 100,000 points in four layers.
    """
    arrays = [np.ascontiguousarray(array, "<u2").tobytes() for array in (x, y, *(layer.codes for layer in layers))]
    arrays = [array + b"\0" * (-len(array) % 4) for array in arrays]
    codes = [
        {"name": layer.name, "title": layer.title, "values": [value._asdict() for value in layer.values]}
        for layer in layers
    ]
    head: dict[str, Any] = {"name": name, "n": len(x), "codes": codes, "words": words, "start": 0}
    head["labels"] = [label._asdict() for label in labels]
    digest = hashlib.blake2b(json.dumps(head).encode(), digest_size=12)
    for array in arrays:
        digest.update(array)
    head["version"] = digest.hexdigest()
    # The head names where it ends, which its own digits must not move.
    size = len(json.dumps(head).encode()) + 16
    head["start"] = 4 + size + -(4 + size) % 4
    text = json.dumps(head).encode().ljust(head["start"] - 4)
    return len(text).to_bytes(4, "little") + text + b"".join(arrays)


@functools.cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


show = st.components.v2.component("lapidary_map", html=_file("map.html"), css=_file("map.css"), js=_file("map.js"))
answer = st.components.v2.component("lapidary_map_answers", js=_file("answers.js"))
frame = st.components.v2.component(
    "lapidary_frame", html=_file("frame.html"), css=_file("frame.css"), js=_file("frame.js")
)


def picture(svg: str, alt: str) -> None:
    """A chart of `curate.charts`, in the theme that the app has. As an image: Streamlit's HTML lets no SVG through."""
    theme = st.context.theme.type or "light"
    st.image(svg.replace("color-scheme:light dark", f"color-scheme:{theme}"), width="stretch", alt=alt)
