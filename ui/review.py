"""Review: one example after the other, by keys."""

import math
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from curate.desk import model as desks
from curate.desk.model import Desk
from curate.errors import CurateError
from curate.review import drafts, guidelines, pace, reasons
from ui import card, choosing, rendering, shell
from ui.card import deck as decks
from ui.card import examples, protocol
from ui.card.deck import Deck
from ui.shell import Here
from ui.words import chosen, table, words

# A page that is open renews its leases this often.
RENEW_SECONDS = 120
RATE_SECONDS = 20
FIRST = 2
# Streamlit leaves room for a title that this page does not have.
_STYLE = """<style>
.stMainBlockContainer { padding: 2.75rem 2rem 0 }
.stMainBlockContainer > .stVerticalBlock { gap: .5rem }
.st-key-choose > .stElementContainer { flex: 1 1 8rem; min-width: 0 }
.st-key-choose > :has(.stPopover) { flex: 0 0 auto; width: auto }
@media (max-width: 40rem) {
  .stMainBlockContainer { padding: 3.75rem 1rem 0 }
  .st-key-choose > .stElementContainer.st-key-queue { flex-basis: 100% }
}
</style>"""


def page() -> None:
    """The queue, the filters, and the card."""
    here = shell.here()
    st.html(_STYLE)
    deck = choosing.before(here)
    if deck is not None:
        _card(here, deck)


@st.fragment(run_every=RENEW_SECONDS)
def _card(here: Here, deck: Deck) -> None:
    """Take what the browser sent, and give it what it lacks."""
    card.show(_exchange(here, deck, card.sent("card"), words("review")), key="card")


def _exchange(here: Here, deck: Deck, wire: dict[str, Any], t: Callable[..., str]) -> dict[str, Any]:
    desk, reviewer = here.desk, here.reviewer
    answers: list[dict[str, Any]] = []
    saved: dict[int, dict[str, Any]] = {}
    cards: dict[int, dict[str, Any]] = {}
    replies: dict[str, Any] = {}
    trouble = None
    try:
        with shell.open_log(here) as log:
            answers = _take(here, deck, log, wire.get("log", []))
            for draft in wire.get("drafts", []):
                saved[draft["row"]] = _save_draft(desk, log, reviewer, draft, t)
            if time.monotonic() - st.session_state.get("renewed", 0.0) > RENEW_SECONDS / 2:
                decks.renew(deck, desk, log, reviewer)
                st.session_state["renewed"] = time.monotonic()
            decks.fill(deck, desk, log, reviewer)
            have = {*wire.get("have", [])}
            # Of a queue that the browser does not have yet the first few, so that it is there at once; it asks for the others.
            is_there = st.session_state.get("dealt") == deck.key and have.intersection(deck.ahead)
            some = deck.ahead if is_there else deck.ahead[:FIRST]
            st.session_state["dealt"] = deck.key
            lacking = {row: deck.why.get(row, "") for row in some if row not in have}
            if lacking:
                cards = examples.examples(desk, log, reviewer, lacking, t, decks.unsaid(deck, lacking))
            replies = {ask["id"]: _reply(desk, ask, t) for ask in wire.get("ask", [])}
            facts = _facts(here, deck, log, t)
    except CurateError as error:
        trouble, facts = str(error), _facts(here, deck, None, t)
    return {
        "store": f"lapidary {here.run.name} {desk.fingerprint} {reviewer}",
        "queue": {
            "id": repr(deck.key),
            "title": choosing.title(deck.name, t),
            "sentence": choosing.sentence(deck.name, t),
        },
        "deck": deck.ahead,
        "again": [row for row in deck.ahead if row in deck.repeats],
        "because": {row: deck.why.get(row, "") for row in deck.ahead},
        "cards": cards,
        "answers": answers,
        "replies": replies,
        "drafts": saved,
        "end": deck.rest.is_empty(),
        "held": deck.held,
        "trouble": trouble,
        **facts,
    }


def _take(here: Here, deck: Deck, log: sqlite3.Connection, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to what the browser sent; what this session has answered already is not done again."""
    known: dict[tuple[object, object], dict[str, Any]] = st.session_state.get("answered", {})
    new = [entry for entry in entries if (entry.get("session"), entry.get("seq")) not in known]
    answers = protocol.take(here.desk, log, here.reviewer, new, deck.repeats)
    for entry, answer in zip(new, answers, strict=True):
        # Move the deck as the entry moved the browser: what is decided goes, what an undo opened is first.
        if entry.get("kind") == "undo":
            if answer.get("undone") is not None:
                decks.put_back(deck, answer["undone"])
        elif "error" not in answer:
            if st.query_params.get("row") == str(entry["row"]):
                del st.query_params["row"]
            decks.decided(deck, [entry["row"], *(entry.get("drop") or [])])
    every = {**known, **{(answer["session"], answer["seq"]): answer for answer in answers}}
    st.session_state["answered"] = {
        name: every[name] for entry in entries if (name := (entry.get("session"), entry.get("seq"))) in every
    }
    return list(st.session_state["answered"].values())


def _save_draft(
    desk: Desk, log: sqlite3.Connection, reviewer: str, draft: dict[str, Any], t: Callable[..., str]
) -> dict[str, Any]:
    """Keep an unfinished edit, or forget it where it is the text itself; the difference it makes, as HTML."""
    original = desks.texts(desk, [draft["row"]])[0].messages
    if draft["messages"] == original:
        drafts.discard(log, reviewer, draft["content"])
        return {"n": draft["n"], "diff": None}
    drafts.save(log, reviewer, draft["content"], draft["messages"])
    return {"n": draft["n"], "diff": rendering.conversation_diff_html(original, draft["messages"], examples.roles(t))}


def _reply(desk: Desk, ask: dict[str, Any], t: Callable[..., str]) -> dict[str, Any]:
    """What the card asked for: all of a long text, or how another example differs from this one."""
    row = int(ask["row"])
    mine = desks.texts(desk, [row])[0].messages
    if ask["kind"] == "all":
        return {"html": rendering.conversation_html(mine, examples.roles(t), cut=None)}
    other = desks.texts(desk, [int(ask["other"])])[0].messages
    return {
        "html": rendering.conversation_diff_html(other, mine, examples.roles(t))
        or f'<p class="quiet">{t("same_text")}</p>'
    }


def _facts(here: Here, deck: Deck, log: sqlite3.Connection | None, t: Callable[..., str]) -> dict[str, Any]:
    """What the card shows beside the examples: progress, the words of the interface, reasons, guidelines."""
    left = deck.rest.height + len(deck.ahead)
    done, rate = _speed(here, deck, log, left)
    shown = {key: t(key) for name in ("shell", "review") for key in table(name)}
    return {
        "reviewer": here.reviewer,
        "pace": {
            "done": done,
            "goal": done + left,
            "per_hour": rate,
            "left": _duration(left * 3600 / rate, t) if rate and left else None,
        },
        "words": shown,
        "reasons": {str(reason.key): reason.name for reason in reasons.REASONS},
        "guidelines": rendering.markdown_html(guidelines.read(here.run, chosen())),
    }


def _speed(here: Here, deck: Deck, log: sqlite3.Connection | None, left: int) -> tuple[int, float | None]:
    """How many the reviewer has done, and items an hour. It reads the whole log, so not after every decision."""
    at, key, rate, done, goal = st.session_state.get("speed", (-math.inf, None, None, 0, 0))
    if log is not None and time.monotonic() - at > RATE_SECONDS:
        found = pace.pace(log, here.reviewer, left)
        at, rate, done = time.monotonic(), found.per_hour, found.done
        goal = done + left
    elif key == deck.key:
        # What is done since is what is left less.
        done = max(0, goal - left)
    st.session_state["speed"] = (at, deck.key, rate, done, done + left)
    return done, rate


def _duration(seconds: float, t: Callable[..., str]) -> str:
    minutes = max(1, round(seconds / 60))
    return t("minutes", minutes=minutes) if minutes < 60 else t("hours", hours=minutes // 60, minutes=minutes % 60)
