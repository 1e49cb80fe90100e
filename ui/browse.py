"""Browse: every candidate in a table, found by words, meaning or filters, read in full, decided on one by one or at once."""

from collections.abc import Callable

import polars as pl
import streamlit as st

from curate.desk import listing
from curate.desk.model import Desk
from curate.desk.queues import STATES, Filter
from ui import pieces, shell
from ui.shell import Here
from ui.words import words

# What the URL may say, besides `order`, `page` and `open`: the fields of the queues' filter, so that a list is a queue too.
FIELDS = Filter._fields
ORDERS = (listing.SEARCHED, *listing.ORDERS)


def page() -> None:
    """The filters, a page of the table, the example that is open, and decisions."""
    t = words("browse")
    place = shell.here()
    pieces.intro(t)
    decided = pieces.states(place)
    only, order = _asked(place.desk, t)
    found = pieces.attempt(lambda: listing.listing(place.desk, decided, only, order))
    _summary(place, found.height, only, t)
    if found.is_empty():
        st.info(t("nothing"), icon=":material/search_off:")
        pieces.undo_bar(place)
        return
    first = pieces.pager(found.height)
    some = found.slice(first, pieces.PER_PAGE)
    rows = some["row"].to_list()
    row = pieces.opened(rows)
    # The table has the whole width until an example is open beside it.
    left, right = st.columns([3, 2], gap="medium") if row is not None else (st.container(), None)
    with left:
        picked = _table(place, some, decided, t)
        pieces.decide_on_many(place, picked.ticked, found["row"].to_list(), page="browse")
        pieces.undo_bar(place)
    if right is not None and row is not None:
        with right, st.container(border=True):
            pieces.turner(rows, row)
            pieces.example(place, row, decided)


def _asked(desk: Desk, t: Callable[..., str]) -> tuple[Filter, str]:
    """The filter and the order, from the widgets, which stand in the URL."""
    s = words("shell")
    left, right = st.columns(2)
    with left:
        by_words = pieces.typed(
            t("words"), "words", page="browse", placeholder=t("words_hint"), icon=":material/search:"
        )
    with right:
        if desk.vectors is None:
            by_meaning = ""
            st.text_input(t("meaning"), disabled=True, placeholder=t("no_meaning"), icon=":material/neurology:")
        else:
            icon = ":material/neurology:"
            by_meaning = pieces.typed(t("meaning"), "meaning", page="browse", placeholder=t("meaning_hint"), icon=icon)
    candidates = desk.candidates
    topics = [str(number) for number in range(len(desk.topics))]
    shown: dict[str, tuple[str, list[str], Callable[[str], str]]] = {
        "source": (t("source_box"), _values(candidates, "source"), str),
        "group": (t("group"), _values(candidates, "group"), str),
        "topic": (t("topic_box"), topics, lambda number: desk.topics[int(number)]),
        "rule": (t("rule_box"), _values(desk.verdicts, "rule"), str),
        "fate": (t("fate_box"), _values(candidates, "fate"), s),
        "state": (
            t("state_box"),
            list(STATES),
            lambda state: t(state) if state in ("decided", "disagree") else s(state),
        ),
    }
    values: dict[str, str] = {}
    with st.grid(min_column_width=115):
        for name, (label, options, format_) in shown.items():
            if options:
                values[name] = pieces.choice(label, name, ["", *options], _or_any(format_, s("any")), page="browse")
        order = pieces.choice(t("order"), "order", ORDERS, t, default=ORDERS[0], page="browse")
    topic = int(values["topic"]) if values.get("topic") else None
    chosen = {name: value or None for name, value in values.items() if name != "topic"}
    return Filter(**chosen, topic=topic, words=by_words or None, meaning=by_meaning or None), order


def _or_any(shown: Callable[[str], str], nothing: str) -> Callable[[str], str]:
    return lambda value: shown(value) if value else nothing


def _values(frame: pl.DataFrame, column: str) -> list[str]:
    return frame[column].drop_nulls().unique().sort().to_list()


def _summary(place: Here, count: int, only: Filter, t: Callable[..., str]) -> None:
    """How many there are, and what can be done with all of them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("count", count=count, all=place.desk.candidates.height))
        given = {name: value for name, value in only._asdict().items() if value is not None}
        if count:
            pieces.link("review", t("make_queue"), icon=":material/rate_review:", queue="undecided", **given)
        if given:
            st.button(t("clear"), icon=":material/filter_alt_off:", type="tertiary", on_click=_clear)


def _clear() -> None:
    for name in (*FIELDS, "page", "open"):
        st.query_params.pop(name, None)
        st.session_state.pop(f"browse {name}", None)


def _table(place: Here, some: pl.DataFrame, decided: pl.DataFrame, t: Callable[..., str]) -> pieces.Picked:
    p = words("pieces")
    shown = pieces.listed(place, some, decided)
    texts, numbers = st.column_config.TextColumn, st.column_config.NumberColumn
    columns = {
        "title": texts(p("col_title"), width=200 if pieces.opened(some["row"].to_list()) is not None else 330),
        "cosine": numbers(p("col_cosine"), format="%.3f", width="small"),
        "decision": texts(p("col_decision"), width="small"),
        "fate": texts(p("col_fate"), width="small"),
        "source": texts(p("col_source"), width=115),
        "score": numbers(p("col_score"), format="localized", width="small"),
        "quality": numbers(p("col_quality"), format="%.2f", width="small"),
        "response_chars": numbers(p("col_chars"), help=p("chars_help"), format="localized", width="small"),
        "rule": texts(p("col_rule")),
        "topic_name": texts(p("col_topic")),
    }
    empty = [name for name in ("cosine", "quality", "score", "topic_name") if shown[name].null_count() == shown.height]
    used = {name: label for name, label in columns.items() if name not in empty}
    picked = pieces.table(shown, used, page="browse", alt=t("table"), height=min(38 + 35 * some.height, 700))
    st.caption(p("open_hint"))
    return picked
