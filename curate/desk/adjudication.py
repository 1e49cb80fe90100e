"""Adjudication: where reviewers disagree on a text, and the word that ends it.

A case is a text that some would have in the set and others not, by what each of them says now. It is closed by a
settlement: a decision like any other, but later than all before it whatever the clocks of several machines say, and so the
one that counts in `decisions.jsonl` and in a build. Whoever then decides against it opens the case again.
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from curate.chat import Message
from curate.desk.model import Desk
from curate.review.log import DECISIVE, Decision, Event, Opinion, current, now, opinions, recorded, weight
from curate.review.store import transaction


class Case(NamedTuple):
    """A disagreement: the candidate's `row` and `content`, and what each reviewer did, the latest last, with their edits."""

    row: int
    content: str
    events: list[Event]


def disagreements(log: sqlite3.Connection) -> dict[str, list[Opinion]]:
    """The opinions on every text whose case is open, the one that counts last; by content."""
    return disagreeing(opinions(log))


def disagreeing(found: Iterable[Opinion]) -> dict[str, list[Opinion]]:
    """Of these opinions (`curate.review.log.opinions`) those on a text whose case is open, the one that counts last; by content."""
    by_content: dict[str, list[Opinion]] = {}
    for opinion in sorted(found, key=weight):
        if opinion.decision in DECISIVE:
            by_content.setdefault(opinion.content, []).append(opinion)
    return {content: own for content, own in sorted(by_content.items()) if _is_open(own)}


def open_cases(desk: Desk, log: sqlite3.Connection) -> list[Case]:
    """The open cases on texts of the desk, in the order of rows. Of a text that has several rows, the first is named."""
    cases = disagreements(log)
    if not cases:
        return []
    events = {event.id: event for event in current(log)}
    rows = desk.candidates.select("row", "content").unique("content", keep="first", maintain_order=True)
    return [
        Case(row, content, [events[opinion.id] for opinion in cases[content]])
        for row, content in rows.iter_rows()
        if content in cases
    ]


def settle(
    log: sqlite3.Connection,
    reviewer: str,
    session: str,
    token: str,
    content: str,
    example: str,
    decision: str,
    *,
    messages: list[Message] | None = None,
    reasons: tuple[str, ...] = (),
    shown_ms: int | None = None,
) -> Event:
    """End the disagreement on a text by keep, reject or edit (then with `messages`); an undo takes it back.

    The same token again changes nothing. Raises InputError as `curate.review.log.record`.
    """
    what = (content, example, decision, reasons, messages, shown_ms)
    with transaction(log):
        latest = log.execute("SELECT max(time) FROM current WHERE content = ?", (content,)).fetchone()[0]
        return recorded(log, Decision(reviewer, session, token, *what, role="settle"), max(now(), latest or ""))


def _is_open(found: list[Opinion]) -> bool:
    """Whether those who spoke since the last settlement agree with it; without one, with one another."""
    settled = max((place for place, opinion in enumerate(found) if opinion.role == "settle"), default=0)
    return len({opinion.decision == "reject" for opinion in found[settled:]}) > 1
