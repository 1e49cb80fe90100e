"""The map: every example that has a vector as a point among what it resembles; draw around some, and act on them together."""

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import streamlit as st

from curate.desk import lasso
from curate.desk.model import Desk, states
from curate.errors import InputError
from curate.review import saved
from ui import canvas, pieces, shell
from ui.canvas import points as space
from ui.words import chosen as language
from ui.words import words

Words = Callable[..., str]

KEY = "map_canvas"
SAMPLE = 6
TITLE_CHARS = 90
WORDS = (
    *("canvas", "by", "move", "move_help", "lasso", "lasso_help", "zoom_in", "zoom_out", "whole", "clear", "chip"),
    "counting",
)


def page() -> None:
    """The canvas, and beside it what was chosen there and the example that was opened."""
    t = words("map")
    place = shell.here()
    pieces.intro(t)
    points = _points(place.desk, _name(place))
    if not len(points.rows):
        st.info(t("no_vectors"))
        st.code(f"python -m curate review {place.run} --embed-all", language="console")
        return
    _body(place, points)


@st.fragment
def _body(place: shell.Here, points: space.Points) -> None:
    t = words("map")
    last, decided = pieces.attempt(lambda: _decided(place))
    data, layers = _packed(place.desk, points, decided, _name(place), last, language())
    left, right = st.columns([3, 2], gap="medium")
    with left:
        said = canvas.show(
            key=KEY,
            data=data,
            on_choice_change=_keep_choice,
            on_open_change=lambda: _keep_opened(points),
            on_hover_change=_nothing,
        )
        choice = _choice(layers)
        rows = points.rows[space.chosen(points, layers, choice)]
        opened = _opened(points)
        canvas.answer(
            key="map_answers",
            data={
                "name": _name(place),
                "seq": _seq(),
                "by": choice.by,
                "hidden": list(choice.hidden),
                "polygon": [list(corner) for corner in choice.polygon],
                "topic": choice.topic,
                "opened": opened,
                "titles": _titles(place.desk, points, layers, said.get("hover"), t),
                "count": len(rows) if choice.made else None,
                "status": t("chosen", count=len(rows)) if choice.made else t("all", count=len(points.rows)),
            },
        )
        _topics(place.desk, layers["topic"], choice, t)
    with right:
        if choice.made:
            _selection(place, choice, rows, t)
        if opened >= 0:
            with st.container(border=True):
                st.button(t("close"), key="map close", icon=":material/close:", type="tertiary", on_click=_open_row)
                pieces.example(place, int(points.rows[opened]), decided)
        if not choice.made and opened < 0:
            st.info(t("how"))
            pieces.undo_bar(place)


def _selection(place: shell.Here, choice: space.Choice, rows: npt.NDArray[np.int64], t: Words) -> None:
    """What is in the selection, and what can be done with it."""
    with st.container(border=True):
        st.subheader(t("chosen", count=len(rows)))
        if not len(rows):
            st.write(t("empty_choice"))
            return
        mine = place.desk.candidates.select("row", "content", "title", "fate")[rows]
        st.caption(
            " · ".join(f"{t(fate)} {count:,}" for fate, count in mine["fate"].value_counts(sort=True).iter_rows())
        )
        # A title of two lines stands at the left as one of one line does.
        st.html("<style>.st-key-map_sample button, .st-key-map_sample button p { text-align: start }</style>")
        with st.container(gap="xxsmall", key="map_sample"):
            for row, title in mine.sample(min(SAMPLE, mine.height), seed=1).select("row", "title").iter_rows():
                st.button(
                    pieces.plain(_cut(title) or t("untitled")),
                    key=f"map sample {row}",
                    type="tertiary",
                    on_click=_open_row,
                    args=(row,),
                )
        _queue(place, choice, mine, t)
        pieces.decide_on_many(place, [], rows.tolist(), page="map")
        pieces.undo_bar(place)


def _cut(title: str) -> str:
    """A title in about two lines of the panel."""
    return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"


def _queue(place: shell.Here, choice: space.Choice, mine: pl.DataFrame, t: Words) -> None:
    """The selection as a queue of the Review page: a topic is a filter there, a polygon is saved by name."""
    if choice.topic is not None and len(choice.polygon) < 3 and not choice.hidden:
        pieces.link("review", t("review_topic"), icon=":material/rate_review:", queue="undecided", topic=choice.topic)
        return
    with st.form("map queue", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(t("queue_name"), value=t("queue_default"), max_chars=saved.LONGEST_NAME)
        made = st.form_submit_button(t("make_queue", count=mine.height), icon=":material/playlist_add:")
    if made:
        try:
            with shell.open_log(place) as log:
                saved.save(log, name or "", mine["content"].to_list())
        except InputError as error:
            st.error(pieces.plain(error))
            return
        pieces.link(
            "review",
            t("review_queue", name=pieces.plain(name)),
            icon=":material/rate_review:",
            queue=f"saved:{name.strip()}",
        )


def _topics(desk: Desk, layer: canvas.Layer, choice: space.Choice, t: Words) -> None:
    """The way to a selection without a pointer."""
    counts = {int(value.key): value.n for value in layer.values if value.key != "?"}
    options = [None, *counts]
    # A topic that came with the address or left with a new lasso is another box.
    key = f"map topic {choice.topic}"
    st.selectbox(
        t("pick_topic"),
        options,
        format_func=lambda number: t("no_topic") if number is None else f"{desk.topics[number]} ({counts[number]:,})",
        index=options.index(choice.topic),
        key=key,
        on_change=_keep_topic,
        args=(key,),
    )


# ---- the address holds what was chosen: reloads and links keep it ---------------------------------------------------


def _choice(layers: dict[str, canvas.Layer]) -> space.Choice:
    asked = st.query_params
    by = asked.get("by", "fate")
    by = by if by in layers else "fate"
    known = {value.key for value in layers[by].values}
    hidden = tuple(key for key in asked.get("hide", "").split("~") if key in known)
    topic = asked.get("topic", "")
    topics = {value.key for value in layers["topic"].values if value.key != "?"}
    polygon: list[lasso.Corner] = []
    # What cannot be read chooses nothing, and the page says how to choose.
    with contextlib.suppress(InputError):
        polygon = lasso.from_text(asked.get("lasso", ""))
    return space.Choice(by, hidden, polygon, int(topic) if topic in topics else None)


def _keep_choice() -> None:
    value = dict(st.session_state[KEY].get("choice") or {})
    try:
        polygon = lasso.from_numbers(value.get("polygon") or [])
    except InputError:
        polygon = []
    _address("lasso", lasso.to_text(polygon) if len(polygon) > 2 else "")
    _address("by", str(value.get("by") or ""))
    _address("hide", "~".join(str(key) for key in value.get("hidden") or []))
    _address("topic", "" if value.get("topic") is None else str(value["topic"]))


def _keep_topic(key: str) -> None:
    number = st.session_state[key]
    _address("topic", "" if number is None else str(number))
    _address("lasso", "")


def _keep_opened(points: space.Points) -> None:
    index = st.session_state[KEY].get("open")
    if isinstance(index, int) and 0 <= index < len(points.rows):
        _open_row(int(points.rows[index]))


def _open_row(row: int | None = None) -> None:
    _address("open", "" if row is None else str(row))


def _address(name: str, value: str) -> None:
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def _opened(points: space.Points) -> int:
    """The place among the points of the example in the address, -1 for none."""
    asked = st.query_params.get("open", "")
    if not asked.isdecimal() or len(asked) > 12:
        return -1
    at = int(np.searchsorted(points.rows, int(asked)))
    return at if at < len(points.rows) and points.rows[at] == int(asked) else -1


def _seq() -> int:
    value = st.session_state.get(KEY)
    return int((value and (value.get("choice") or {}).get("seq")) or 0)


def _nothing() -> None:
    pass


def _titles(
    desk: Desk,
    points: space.Points,
    layers: dict[str, canvas.Layer],
    asked: Any,  # noqa: ANN401 - whatever a browser sends
    t: Words,
) -> dict[int, tuple[str, str]]:
    places = [place for place in asked or [] if isinstance(place, int) and 0 <= place < len(points.rows)][:100]
    if not places:
        return {}
    rows = desk.candidates.select("title", "source", "fate")[points.rows[places]]
    decision = layers["decision"]
    said = [decision.values[decision.codes[place]].title for place in places]
    return {
        place: (title or "—", f"{source} · {t(fate)} · {decided}")
        for place, (title, source, fate), decided in zip(places, rows.iter_rows(), said, strict=True)
    }


# ---- made once a build, or once a decision --------------------------------------------------------------------------


def _name(place: shell.Here) -> str:
    """What the points depend on: the build, and how many of its candidates have a vector."""
    return f"{place.run}:{place.desk.fingerprint}:{len(place.desk.rows_of_vectors)}"


@st.cache_resource(max_entries=2, show_spinner=False)
def _points(_desk: Desk, name: str) -> space.Points:  # noqa: ARG001 - the key
    return space.of(_desk)


def _decided(place: shell.Here) -> tuple[int, pl.DataFrame]:
    """The number of the log's last event, and the states as of then."""
    with shell.open_log(place) as log:
        last = int(log.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])
        return last, _states(place.desk, log, _name(place), last)


@st.cache_resource(max_entries=2, show_spinner=False)
def _states(_desk: Desk, _log: sqlite3.Connection, name: str, last: int) -> pl.DataFrame:  # noqa: ARG001 - the key
    return states(_desk, _log)


@st.cache_resource(max_entries=3, show_spinner=False)
def _packed(
    _desk: Desk,
    _points: space.Points,
    _states: pl.DataFrame,
    name: str,
    last: int,  # noqa: ARG001 - the key
    speech: str,  # noqa: ARG001 - the key
) -> tuple[bytes, dict[str, canvas.Layer]]:
    t = words("map")
    layers = space.layers(_desk, _points, _states["decision"], t)
    spoken = {word: t(word) for word in WORDS}
    data = canvas.packed(name, _points.x, _points.y, layers, space.labels(_desk, _points), spoken)
    return data, {layer.name: layer for layer in layers}
