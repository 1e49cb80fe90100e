"""What is reviewed next: the queue and the filters as widgets, all in the URL, and the deck that they choose."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from curate.desk.model import Desk
from curate.desk.queues import HIDDEN, QUEUES, SAVED, STATES, Filter
from curate.errors import CurateError
from curate.review import leases, saved
from ui import shell
from ui.card import deck as decks
from ui.card.deck import Deck
from ui.shell import Here
from ui.words import chosen, table, words

FATES = ("kept", "fault", "limit", "duplicate", "leak", "place")


def before(here: Here) -> Deck | None:
    """The widgets of queue and filter, and the deck that they choose; None, and said why, where there is none."""
    try:
        name, only = choice(here)
        return _deck(here, name, only)
    except CurateError as error:
        st.error(str(error))
        return None


def choice(here: Here) -> tuple[str, Filter]:
    """The queue and the filter as widgets, all of them in the URL."""
    t = words("review")
    with shell.open_log(here) as log:
        own = [f"{SAVED}{name}" for name in saved.saved(log)]
    shown = [*(name for name in QUEUES if name not in HIDDEN), *own]
    with st.container(key="choose", horizontal=True, gap="small"):
        _from_url("queue", shown, shown[0])
        name = st.selectbox(
            t("queue"), shown, format_func=lambda one: title(one, t), key="queue", label_visibility="collapsed"
        )
        _from_url("words", None, "")
        typed = st.text_input(
            t("search"), key="words", placeholder=t("search"), label_visibility="collapsed", type="search"
        )
        only = _filter(here.desk, t)
    only = only._replace(words=(typed or "").strip() or None)
    _into_url(queue=name, **only._asdict())
    return str(name), only


def title(name: str, t: Callable[..., str]) -> str:
    """The name of a queue as a reader sees it."""
    return name.removeprefix(SAVED) if name.startswith(SAVED) else t(f"queue_{name}")


def sentence(name: str, t: Callable[..., str]) -> str:
    """What is in a queue, and in which order."""
    return t("about_saved" if name.startswith(SAVED) else f"about_{name}")


def _filter(desk: Desk, t: Callable[..., str]) -> Filter:
    kinds = {
        "source": _values(desk, "source"),
        "group": _values(desk, "group"),
        "fate": list(FATES),
        "rule": _rules(desk),
        "state": list(STATES),
        "topic": [str(number) for number in range(len(desk.topics))],
    }
    names = {
        "topic": lambda number: desk.topics[int(number)],
        "fate": t,
        "state": lambda one: t(one) if one in table("shell") else one,
    }
    for kind, values in kinds.items():
        _from_url(kind, values, None)
    _from_url("meaning", None, "")
    count = sum(bool(st.session_state.get(kind)) for kind in (*kinds, "meaning"))
    chosen: dict[str, Any] = {}
    with st.popover(t("filters_on", count=count) if count else t("filters"), icon=":material/filter_list:"):
        for kind, values in kinds.items():
            if values:
                chosen[kind] = st.selectbox(
                    t(kind), values, index=None, key=kind, placeholder=t("any"), format_func=names.get(kind, str)
                )
        if desk.vectors is not None:
            chosen["meaning"] = (st.text_input(t("meaning"), key="meaning") or "").strip() or None
        st.button(t("clear"), on_click=_clear, args=((*kinds, "meaning"),), disabled=not count)
    topic = chosen.pop("topic", None)
    return Filter(**chosen, topic=None if topic is None else int(topic))


def _clear(kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        st.session_state[kind] = "" if kind == "meaning" else None


def _from_url(name: str, options: list[str] | None, default: str | None) -> None:
    """Set the widget that is about to appear for the first time to what the URL says, or to what it was on this page before."""
    if name not in st.session_state:
        asked = st.query_params.get(name, st.session_state.get(f"url {name}"))
        st.session_state[name] = asked if asked and (options is None or asked in options) else default


def _into_url(**values: object) -> None:
    """Say these in the URL, the empty ones not at all."""
    for name, value in values.items():
        text = "" if value is None else str(value)
        st.session_state[f"url {name}"] = text
        if text and st.query_params.get(name) != text:
            st.query_params[name] = text
        elif not text and name in st.query_params:
            del st.query_params[name]


@st.cache_data(show_spinner=False, max_entries=16)
def _values_of(run: str, made: str, column: str, _desk: Desk) -> list[str]:  # noqa: ARG001 - a part of the key
    return sorted(_desk.candidates[column].drop_nulls().unique())


def _values(desk: Desk, column: str) -> list[str]:
    return list(_values_of(str(desk.run), desk.fingerprint, column, desk))


@st.cache_data(show_spinner=False, max_entries=4)
def _rules_of(run: str, made: str, _desk: Desk) -> list[str]:  # noqa: ARG001
    return sorted(_desk.verdicts["rule"].unique())


def _rules(desk: Desk) -> list[str]:
    return list(_rules_of(str(desk.run), desk.fingerprint, desk))


def _deck(here: Here, name: str, only: Filter) -> Deck:
    """The deck of this browser session, opened anew where run, reviewer, queue, filter or language are others.

    The row that the URL asks for (`?row=12`, links of other pages) is its first, whatever was decided on it.
    """
    wanted = st.query_params.get("row", "")
    row = int(wanted) if wanted.isdecimal() and int(wanted) < here.desk.candidates.height else None
    language = chosen()
    key = (str(here.run), here.desk.fingerprint, here.reviewer, name, only, row, language)
    deck: Deck | None = st.session_state.get("deck")
    if deck is None or deck.key != key:
        with shell.open_log(here) as log:
            deck = decks.opened(here.desk, log, here.reviewer, name, only, key, language)
            if row is not None:
                content = here.desk.candidates["content"][row]
                leases.lease(log, here.reviewer, [content], 1, again=True)
                if leases.held(log).get(content) == here.reviewer:
                    decks.put_back(deck, row)
        st.session_state["deck"] = deck
    return deck
