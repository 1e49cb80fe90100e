"""The log of what reviewers decided: rows are only ever added, in one SQLite file that several processes may write at once.

An event says that a reviewer kept, rejected, skipped, flagged or edited the text with one content hash, or took back
their last event that still stands (`undo`). What counts is the last standing event of each content and reviewer, so an
undo needs no memory outside the file and has no limit. A call that has returned has reached the disk; the client's token
makes the same call, sent again because no answer came, change nothing.

Decisions of one bulk act share `act`: they are written by one call and taken back by one undo, all of them. The `role` of
a decision is None, `repeat` or `settle`. A repeat is the second look at an example that its reviewer had decided and was
shown again without being told: the first decision goes on counting, since nobody meant to change it, and the second is
there to measure how far one person agrees with themselves (an edit does count: it is work, not a vote). Whoever means
to change their mind decides again without a role. A settlement is the word that ends a disagreement of others.

Of several people's decisions on one text the latest counts, as in a build (`curate.decisions`). An edit is two of them:
one on the text that was edited, and a keep of the text that it became.
"""

import sqlite3
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from curate.chat import Message, from_messages
from curate.decisions import hashes
from curate.errors import InputError
from curate.review.store import transaction

DECISIONS = ("keep", "reject", "skip", "flag", "edit")
ROLES = (None, "repeat", "settle")
# What says whether a text belongs into the set. A flag asks someone to look, a skip says nothing.
DECISIVE = ("keep", "reject", "edit")
_RANKS = {"skip": 0, "flag": 1}


class Decision(NamedTuple):
    """What a reviewer did with one text: `content` is its `curate.text.content_hashes`, `example` the id of its row.

    `decision` is one of DECISIONS, `messages` the conversation as edited (`edit` only), `shown_ms` for how many
    milliseconds the example was on the screen. `token` is the client's own name of this decision, unique in its session;
    `act`, if any, the name of the bulk act that it belongs to, unique in the log; `role` one of ROLES.
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
    act: str | None = None
    role: str | None = None


class Event(NamedTuple):
    """A row of the log; `time` is UTC, `2026-01-31T08:05:00.000Z`. An undo has the content of the event `previous`.

    The undo of a bulk act has its `act`, and as `previous` the last of its events. `edited` is the content of `messages`.
    """

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
    act: str | None
    role: str | None
    edited: str | None


class Opinion(NamedTuple):
    """What a reviewer says of a text: an event that counts, without the messages; of an edited text, a keep."""

    content: str
    reviewer: str
    decision: str
    time: str
    id: int
    role: str | None


def record(log: sqlite3.Connection, decisions: Iterable[Decision]) -> list[Event]:
    """The events of these decisions, in order, all on the disk; one whose token is known is the event it was at first.

    A draft of the reviewer on a content that is kept, rejected or edited is discarded. Raises InputError where one is not a
    decision, its token stands for another, or its act is another's or was written before without it; then none is written.
    """
    decisions = list(decisions)
    with transaction(log):
        _check_acts(log, decisions)
        return [recorded(log, decision, now()) for decision in decisions]


def undo(log: sqlite3.Connection, reviewer: str, session: str, token: str) -> Event:
    """Take back the reviewer's last event that still stands, whatever session it is of; `previous` says which it was.

    It is None where nothing stood. An event of a bulk act is taken back with all of its act. Raises InputError where the
    token stands for a decision.
    """
    with transaction(log):
        known = _known(log, session, token)
        if known:
            if (known.decision, known.reviewer) != ("undo", reviewer):
                raise _taken(known, f"{reviewer}: undo")
            return known
        found = log.execute(
            "SELECT id, content, example, act FROM standing WHERE reviewer = ? ORDER BY id DESC LIMIT 1", (reviewer,)
        ).fetchone()
        last, content, example, act = found or (None, None, None, None)
        who = (now(), reviewer, session, token, content, example)
        return _insert(log, (*who, "undo", "[]", None, None, last, act, None, None))


def current(log: sqlite3.Connection, reviewer: str | None = None) -> list[Event]:
    """The event that counts of each content and reviewer, or of one reviewer, by content and time of writing."""
    only, values = ("WHERE reviewer = ?", (reviewer,)) if reviewer is not None else ("", ())
    return _events(log.execute(f"SELECT * FROM current {only} ORDER BY content, id", values))  # noqa: S608 - no values


def opinions(log: sqlite3.Connection, contents: Collection[str] | None = None) -> list[Opinion]:
    """The one opinion of each reviewer on each text, or on each of these, oldest first; many times as fast as `current`."""
    names = "reviewer, decision, time, id, role"
    one, other = "content, " + names, "edited, reviewer, 'keep', time, id, role"
    among = "IN (SELECT value FROM json_each(?1))" if contents is not None else "IS NOT NULL"
    rows = log.execute(
        f"SELECT {one} FROM current WHERE content {among} UNION ALL "  # noqa: S608 - fixed names
        f"SELECT {other} FROM current WHERE edited <> content AND edited {among} ORDER BY id",
        () if contents is None else (orjson.dumps(list(contents)).decode(),),
    )
    # A later decision on the edited text replaces the keep that came with the edit.
    found = {(row[0], row[1]): Opinion._make(row) for row in rows}
    return sorted(found.values(), key=lambda opinion: opinion.id)


def counting(log: sqlite3.Connection, contents: Collection[str] | None = None) -> dict[str, Opinion]:
    """Of each text, or each of these, the opinion that counts: the latest keep, edit or reject; else the latest flag or skip."""
    return weightiest(opinions(log, contents))


def weightiest(found: Iterable[Opinion]) -> dict[str, Opinion]:
    """Of each text the opinion of the largest `weight`."""
    return {opinion.content: opinion for opinion in sorted(found, key=weight)}


def weight(opinion: Opinion | Event) -> tuple[int, str, str]:
    """Of several opinions on one text, that of the largest weight counts: the latest, in the order of `decisions.jsonl`."""
    return _RANKS.get(opinion.decision, 2), opinion.time, opinion.reviewer


def history(log: sqlite3.Connection, content: str | None = None) -> list[Event]:
    """Every event, or every one on this content, undos and what they took back among them, oldest first."""
    of_content = "WHERE content = ?1 OR decision = 'undo' AND act IN (SELECT act FROM events WHERE content = ?1)"
    only, values = (of_content, (content,)) if content is not None else ("", ())
    return _events(log.execute(f"SELECT * FROM events {only} ORDER BY id", values))  # noqa: S608 - no values


def recorded(log: sqlite3.Connection, decision: Decision, written: str) -> Event:
    """The event of one decision that was taken at `written`, unless its token is known; inside a `transaction`.

    Of two decisions on one text in the same millisecond the second is written as one later: the later one counts.
    """
    check(decision)
    known = _known(log, decision.session, decision.token)
    if known is None:
        if decision.decision in DECISIVE:
            log.execute("DELETE FROM drafts WHERE content = ? AND reviewer = ?", (decision.content, decision.reviewer))
        while log.execute(
            "SELECT 1 FROM events WHERE content = ? AND time = ?", (decision.content, written)
        ).fetchone():
            written = _text(datetime.fromisoformat(written) + timedelta(milliseconds=1))
        return insert(log, decision, written)
    names = ("reviewer", "content", "example", "decision", "reasons", "messages", "act")
    if any(getattr(known, name) != getattr(decision, name) for name in names):
        raise _taken(known, f"{decision.reviewer}: {decision.decision} {decision.content}")
    return known


def insert(log: sqlite3.Connection, decision: Decision, written: str) -> Event:
    """The new event of a decision that was taken at `written`; inside a `transaction`, with a token that is not known."""
    whose = (decision.content, decision.reviewer)
    found = log.execute("SELECT id FROM current WHERE content = ? AND reviewer = ?", whose).fetchone()
    # What was to be repeated may have been taken back in the meantime: then this is a first look.
    role = None if decision.role == "repeat" and found is None else decision.role
    reasons = orjson.dumps(decision.reasons).decode()
    messages = None if decision.messages is None else orjson.dumps(decision.messages).decode()
    edited = None if decision.messages is None else hashes([decision.messages])[0]
    who = (written, decision.reviewer, decision.session, decision.token, decision.content, decision.example)
    shown_ms, previous = decision.shown_ms, found[0] if found else None
    return _insert(log, (*who, decision.decision, reasons, messages, shown_ms, previous, decision.act, role, edited))


def now() -> str:
    """This moment as the log writes it: UTC with milliseconds, in an order that is also the order of text."""
    return _text(datetime.now(UTC))


def check(decision: Decision) -> None:
    """Raises InputError where this is not a decision that the log can hold and its export can say."""
    what = f"the decision {decision.token} on {decision.content}"
    if decision.decision not in DECISIONS:
        raise InputError(f"{what} is {decision.decision!r}; expected one of {', '.join(DECISIONS)}")
    if decision.role not in ROLES or (decision.role == "settle" and decision.decision not in DECISIVE):
        raise InputError(
            f"{what} is {decision.decision!r} as {decision.role!r}; expected repeat, none, or settle to keep, reject or edit"
        )
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


def _check_acts(log: sqlite3.Connection, decisions: list[Decision]) -> None:
    """An act is of one reviewer and of one call: what is added to it later could be taken back before it was written."""
    for act in {decision.act for decision in decisions} - {None}:
        mine = [decision for decision in decisions if decision.act == act]
        written = set(log.execute("SELECT session, token FROM events WHERE act = ? AND decision <> 'undo'", (act,)))
        if len({decision.reviewer for decision in mine}) > 1:
            raise InputError(f"the act {act} has decisions of several reviewers; expected an act of one reviewer")
        if written and not written.issuperset((decision.session, decision.token) for decision in mine):
            raise InputError(f"the act {act} is written already, and not with these decisions; expected a new name")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
