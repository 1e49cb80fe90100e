"""One page of a table of candidates: rows to tick and one to open, which stands in the URL."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import streamlit as st

from ui.pieces.basics import digest
from ui.pieces.deciding import DECISIONS
from ui.pieces.reading import FATE_COLORS
from ui.shell import Here
from ui.words import words


class Picked(NamedTuple):
    """Rows (numbers of candidates) of a table that were ticked, and the one that is open, None where none is."""

    ticked: list[int]
    opened: int | None


def table(
    frame: pl.DataFrame, columns: Mapping[str, Any], *, page: str, alt: str, height: int | str = "auto"
) -> Picked:
    """One page of rows to tick and to open: `frame` has `row`, and is shown by `columns` (name to label or column config).

    The row that is open stands in the URL (`open`).
    """
    rows = frame["row"].to_list()
    # Selections are places in the table: another page of it is another table, or other rows would be ticked.
    key = f"{page} table {digest(rows)}"
    event = st.dataframe(
        frame.select(columns.keys()),
        column_config=dict(columns),
        hide_index=True,
        height=height,  # type: ignore[arg-type]
        on_select=lambda: _opened(key, rows),
        selection_mode=["multi-row", "single-cell"],
        key=key,
        placeholder="",
        lazy=False,
        alt=alt,
    )
    ticked = [rows[place] for place in event["selection"]["rows"] if place < len(rows)]
    return Picked(ticked, opened(rows))


def opened(rows: Sequence[int]) -> int | None:
    """The row that the URL says is open, where it is one of these."""
    said = st.query_params.get("open", "")
    return int(said) if said.isdecimal() and int(said) in rows else None


def _opened(key: str, rows: Sequence[int]) -> None:
    cells = st.session_state[key]["selection"].get("cells", [])
    # A tick is an event too, and comes with the cell that was clicked before.
    if cells != st.session_state.get(f"{key} cells", []) and cells and cells[0][0] < len(rows):
        _open(rows[cells[0][0]])
    st.session_state[f"{key} cells"] = cells


def turner(rows: Sequence[int], row: int) -> None:
    """Buttons to the example before and after the one that is open, and one that closes it."""
    t = words("pieces")
    at = rows.index(row)
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, icon, other in (("before", "chevron_left", at - 1), ("after", "chevron_right", at + 1)):
            there = rows[other] if 0 <= other < len(rows) else None
            # A key of the example that is open: pressed twice it turns twice, or not at all.
            key = f"{name} {row}"
            st.button(
                t(name), key=key, icon=f":material/{icon}:", disabled=there is None, on_click=_open, args=(there,)
            )
        st.button(
            t("close"), key=f"close {row}", icon=":material/close:", type="tertiary", on_click=_open, args=(None,)
        )


def _open(row: int | None) -> None:
    if row is None:
        st.query_params.pop("open", None)
    else:
        st.query_params["open"] = str(row)


def listed(place: Here, rows: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """`rows` (`row` and any of its own columns) with what a table shows of each candidate, in words of the reader."""
    t = words("pieces")
    facts = ("row", "title", "source", "group", "score", "quality", "response_chars", "rule", "topic")
    fates = {name: t(name) for name in FATE_COLORS}
    names = {name: t(name) for name in (*DECISIONS, "edit")}
    known = place.desk.candidates[rows["row"]]
    topics = pl.Series(place.desk.topics, dtype=pl.String)
    own = [name for name in facts if name not in rows.columns or name == "row"]
    shown = known.select(
        *(name for name in own if name != "rule"),
        *([pl.col("rule").fill_null("")] if "rule" in own else []),
        fate=pl.col("fate").replace_strict(fates, default=pl.col("fate")),
        topic_name=topics.gather(known["topic"]) if len(topics) else pl.lit(None, pl.String),
    )
    decided = states.select("row", decision=pl.col("decision").replace_strict(names, default=""))
    both = rows.join(shown, on="row", how="left", maintain_order="left")
    return both.join(decided, on="row", how="left", maintain_order="left")
