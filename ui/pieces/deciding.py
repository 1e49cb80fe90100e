"""What people decided, decisions on one or on many at once after a preview, and the undo of the last act."""

import sqlite3
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import streamlit as st

from curate.desk import bulk
from curate.desk import model as desk
from curate.desk.model import Desk
from curate.review import log
from curate.review.reasons import NAMES
from ui.pieces.basics import again, attempt, digest, plain
from ui.shell import Here, open_log
from ui.words import words

# What a decision on the spot can be; an edit takes the Review page.
DECISIONS = ("keep", "reject", "flag", "skip")


def states(place: Here) -> pl.DataFrame:
    """`curate.desk.model.states` as the log is now; read again only after something was decided."""

    def read() -> pl.DataFrame:
        with open_log(place) as connection:
            # Its token too: another log may have been put in the place of this one.
            last = connection.execute("SELECT id, token FROM events ORDER BY id DESC LIMIT 1").fetchone()
            return _states(place.desk, connection, place.log_path, place.desk.fingerprint, last)

    return attempt(read)


@st.cache_resource(max_entries=4, show_spinner=False)
def _states(_desk: Desk, _log: sqlite3.Connection, *key: object) -> pl.DataFrame:  # noqa: ARG001
    return desk.states(_desk, _log)


def decided(place: Here, rows: Sequence[int], decision: str, why_not: tuple[str, ...] = ()) -> None:
    """Write one decision on all of these rows, one act with one undo, then show the page as it is now."""
    t = words("pieces")

    def write() -> int:
        with open_log(place) as connection:
            token = uuid.uuid4().hex
            return bulk.decide(connection, place.desk, place.reviewer, place.session, token, rows, decision, why_not)

    count = attempt(write)
    again(t("decided", decision=t(decision), count=count))


def decide_on_many(place: Here, selected: Sequence[int], filtered: Sequence[int], *, page: str) -> None:
    """Decide on the ticked rows or on all of a filter at once: what would be new and what would change is said before."""
    t = words("pieces")
    # Ticking a row opens it; what is closed costs nothing.
    key = f"{page} bulk {bool(selected)}"
    label, icon = t("bulk"), ":material/checklist:"
    with st.expander(label, icon=icon, expanded=bool(selected), key=key, on_change="rerun") as box:
        if not box.open:
            return
        scopes = {"selected": selected, "filtered": filtered}
        counts = {name: len(rows) for name, rows in scopes.items() if rows}
        if not counts:
            st.caption(t("bulk_none"))
            return
        scope = st.radio(
            t("bulk_scope"),
            list(counts),
            format_func=lambda name: t(f"bulk_{name}", count=counts[name]),
            key=f"{page} scope {bool(selected)}",
            horizontal=True,
        )
        _bulk(place, scopes[scope], page)


def _bulk(place: Here, rows: Sequence[int], page: str) -> None:
    """Which decision, what it would do, and the button that does it."""
    t = words("pieces")
    decision = st.segmented_control(
        t("bulk_what"), DECISIONS, format_func=t, key=f"{page} decision", default="keep", required=True
    )
    why_not: tuple[str, ...] = ()
    if decision == "reject":
        number = st.selectbox(
            t("bulk_reason"), list(NAMES), format_func=lambda number: t(f"reason_{number}"), key=f"{page} reason"
        )
        why_not = (NAMES[number],)
    with open_log(place) as connection:
        found = bulk.preview(place.desk, connection, rows, decision)
    st.markdown(t("preview", new=found.new, changes=found.changes, already=found.already))
    if found.whose:
        who = ", ".join(f"{plain(name)} ({count:,})" for name, count in found.whose.items())
        st.warning(t("whose", who=who), icon=":material/group:")
    if not found.new + found.changes:
        st.caption(t("bulk_nothing"))
        return
    # The button is of these rows, this decision and this preview: a click on what has changed since is no click.
    key = f"{page} do {digest(decision, why_not, list(rows), found)}"
    label = t("bulk_do", decision=t(decision), count=found.new + found.changes)
    if st.button(label, key=key, type="primary"):
        decided(place, rows, decision, why_not)


def undo_bar(place: Here) -> None:
    """What this reviewer did last, of whatever session, and one button that takes all of it back."""
    t = words("pieces")
    with open_log(place) as connection:
        last = last_act(connection, place.reviewer)
    if last is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        said = "last_act" if last.events == 1 else "last_acts"
        st.caption(t(said, decision=t(last.decision), count=last.events, time=last.time[:16].replace("T", " ")))
        if st.button(t("undo"), key=f"undo {last.event}", icon=":material/undo:"):
            with open_log(place) as connection:
                now = last_act(connection, place.reviewer)
                if now is None or now.event != last.event:
                    st.warning(t("changed_since"))
                    return
                log.undo(connection, place.reviewer, place.session, uuid.uuid4().hex)
            again(t("undone", count=last.events))


class LastAct(NamedTuple):
    """The last act of a reviewer that still stands: the number of its last event, its decision, how many events, when."""

    event: int
    decision: str
    events: int
    time: str


def last_act(connection: sqlite3.Connection, reviewer: str) -> LastAct | None:
    """See LastAct; None where nothing stands."""
    row = connection.execute(
        "SELECT id, decision, act, time FROM standing WHERE reviewer = ? ORDER BY id DESC LIMIT 1", (reviewer,)
    ).fetchone()
    if row is None:
        return None
    event, decision, act, time = row
    count = 1
    if act is not None:
        count = connection.execute("SELECT count(*) FROM standing WHERE act = ?", (act,)).fetchone()[0]
    return LastAct(event, decision, count, time)
