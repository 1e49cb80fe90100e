"""The log of what reviewers decided: rows are only ever added, in one SQLite file that several processes may write at once.

An event says that a reviewer kept, rejected, skipped, flagged or edited the text with one content hash, or took back
their last event that still stands (`undo`). What counts is the last standing event of each content and reviewer, so an
undo needs no memory outside the file and has no limit. A call that has returned has reached the disk; the client's token
makes the same call, sent again because no answer came, change nothing.
"""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from curate.chat import Message, from_messages
from curate.errors import InputError
from curate.review.store import transaction

DECISIONS = ("keep", "reject", "skip", "flag", "edit")


class Decision(NamedTuple):
    """What a reviewer did with one text: `content` is its `curate.text.content_hashes`, `example` the id of its row.

    `decision` is one of DECISIONS, `messages` the conversation as edited (`edit` only), `shown_ms` for how many
    milliseconds the example was on the screen. `token` is the client's own name of this act, unique in its session.
    """

    reviewer: str
    session: str
    token: str
    content: str
    example: str
    decision: str
    reasons: tuple[str, ...] = ()
    messages: list[Message] | None = None
    shown_ms: int | None = None


class Event(NamedTuple):
    """A row of the log; `time` is UTC, `2026-01-31T08:05:00.000Z`. An undo has the content of the event `previous`."""

    id: int
    time: str
    reviewer: str
    session: str
    token: str
    content: str | None
    example: str | None
    decision: str
    reasons: tuple[str, ...]
    messages: list[Message] | None
    shown_ms: int | None
    previous: int | None


def record(log: sqlite3.Connection, decisions: Iterable[Decision]) -> list[Event]:
    """The events of these decisions, in order, all on the disk; one whose token is known is the event it was at first.

    Raises InputError where one is not a decision, or its token stands for another; then none of them is written.
    """
    with transaction(log):
        return [_recorded(log, decision, now()) for decision in decisions]


def undo(log: sqlite3.Connection, reviewer: str, session: str, token: str) -> Event:
    """Take back the reviewer's last event that still stands, whatever session it is of; `previous` says which it was.

    It is None where nothing stood. Raises InputError where the token stands for a decision.
    """
    with transaction(log):
        known = _known(log, session, token)
        if known:
            if (known.decision, known.reviewer) != ("undo", reviewer):
                raise _taken(known, f"{reviewer}: undo")
            return known
        found = log.execute(
            "SELECT id, content, example FROM standing WHERE reviewer = ? ORDER BY id DESC LIMIT 1", (reviewer,)
        ).fetchone()
        last, content, example = found or (None, None, None)
        return _insert(log, (now(), reviewer, session, token, content, example, "undo", "[]", None, None, last))


def current(log: sqlite3.Connection, reviewer: str | None = None) -> list[Event]:
    """The event that counts of each content and reviewer, or of one reviewer, by content and time of writing."""
    only, values = ("WHERE reviewer = ?", (reviewer,)) if reviewer is not None else ("", ())
    return _events(log.execute(f"SELECT * FROM current {only} ORDER BY content, id", values))  # noqa: S608 - no values


def history(log: sqlite3.Connection, content: str | None = None) -> list[Event]:
    """Every event, or every one on this content, undos and what they took back among them, oldest first."""
    only, values = ("WHERE content = ?", (content,)) if content is not None else ("", ())
    return _events(log.execute(f"SELECT * FROM events {only} ORDER BY id", values))  # noqa: S608 - no values


def insert(log: sqlite3.Connection, decision: Decision, written: str) -> Event:
    """The new event of a decision that was taken at `written`; inside a `transaction`, with a token that is not known."""
    found = log.execute(
        "SELECT id FROM current WHERE content = ? AND reviewer = ?", (decision.content, decision.reviewer)
    ).fetchone()
    reasons = orjson.dumps(decision.reasons).decode()
    messages = None if decision.messages is None else orjson.dumps(decision.messages).decode()
    who = (written, decision.reviewer, decision.session, decision.token, decision.content, decision.example)
    return _insert(log, (*who, decision.decision, reasons, messages, decision.shown_ms, found[0] if found else None))


def now() -> str:
    """This moment as the log writes it: UTC with milliseconds, in an order that is also the order of text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _recorded(log: sqlite3.Connection, decision: Decision, written: str) -> Event:
    check(decision)
    known = _known(log, decision.session, decision.token)
    if known is None:
        return insert(log, decision, written)
    names = ("reviewer", "content", "example", "decision", "reasons", "messages")
    if any(getattr(known, name) != getattr(decision, name) for name in names):
        raise _taken(known, f"{decision.reviewer}: {decision.decision} {decision.content}")
    return known


def check(decision: Decision) -> None:
    """Raises InputError where this is not a decision that the log can hold and its export can say."""
    what = f"the decision {decision.token} on {decision.content}"
    if decision.decision not in DECISIONS:
        raise InputError(f"{what} is {decision.decision!r}; expected one of {', '.join(DECISIONS)}")
    if not (decision.reviewer and decision.content and decision.example):
        raise InputError(f"{what} has no reviewer, content or example; expected all three")
    if (decision.decision == "edit") != (decision.messages is not None):
        raise InputError(f"{what} is {decision.decision!r}; expected edited messages with an edit and only there")
    try:
        if decision.messages is not None:
            from_messages(decision.messages)
        orjson.dumps(tuple(decision))
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    except TypeError as error:
        raise InputError(f"{what} holds what is no text ({error}); nothing was written: remove it") from error


def _known(log: sqlite3.Connection, session: str, token: str) -> Event | None:
    found = _events(log.execute("SELECT * FROM events WHERE session = ? AND token = ?", (session, token)))
    return found[0] if found else None


def _taken(known: Event, asked: str) -> InputError:
    return InputError(
        f"token {known.token} of session {known.session} is already '{known.reviewer}: {known.decision}"
        f" {known.content}' and cannot be '{asked}' too; expected a token of its own for each act"
    )


def _insert(log: sqlite3.Connection, values: tuple[Any, ...]) -> Event:
    names = ", ".join(Event._fields[1:])
    marks = ", ".join("?" * len(values))
    return _events(log.execute(f"INSERT INTO events ({names}) VALUES ({marks}) RETURNING *", values))[0]  # noqa: S608 - fixed names


def _events(rows: sqlite3.Cursor) -> list[Event]:
    return [
        Event._make(row)._replace(reasons=tuple(orjson.loads(row[8])), messages=row[9] and orjson.loads(row[9]))
        for row in rows.fetchall()
    ]
