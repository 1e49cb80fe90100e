"""What happened in a review, to look through: who decided what and when, from what to what, and why examples were rejected."""

import sqlite3
from typing import NamedTuple

import orjson


class Act(NamedTuple):
    """One act of a reviewer: a decision, several of one bulk act (`many`), or an undo.

    `before` is what counted of this reviewer on the text until then and `after` what counts from then on, None for nothing;
    of a bulk act both are those of its last text. `time` is UTC.
    """

    id: int
    time: str
    reviewer: str
    decision: str
    before: str | None
    after: str | None
    reasons: tuple[str, ...]
    many: int
    role: str | None
    content: str | None
    example: str | None


# Events of one bulk act are one row; their undo is another.
_ACTS = "SELECT max(id) AS id, count(*) AS many FROM events {only} GROUP BY iif(act IS NULL, id, act || ' ' || (decision = 'undo'))"


def count(log: sqlite3.Connection, reviewer: str | None = None) -> int:
    """How many acts there are, or how many of one reviewer."""
    only, values = _only(reviewer)
    return int(log.execute(f"SELECT count(*) FROM ({_ACTS.format(only=only)})", values).fetchone()[0])  # noqa: S608 - no values


def page(log: sqlite3.Connection, first: int, limit: int, reviewer: str | None = None) -> list[Act]:
    """`limit` acts from the `first` on (0 is the newest), newest first."""
    only, values = _only(reviewer)
    rows = log.execute(
        "SELECT event.id, event.time, event.reviewer, event.decision, last.decision, older.decision, event.reasons, acts.many,"  # noqa: S608 - no values
        " (SELECT count(*) FROM events AS part WHERE part.act = event.act AND part.decision <> 'undo'),"
        f" event.role, event.content, event.example FROM ({_ACTS.format(only=only)}) AS acts"
        " JOIN events AS event ON event.id = acts.id LEFT JOIN events AS last ON last.id = event.previous"
        " LEFT JOIN events AS older ON older.id = last.previous ORDER BY event.id DESC LIMIT ? OFFSET ?",
        (*values, limit, first),
    )
    return [_act(row) for row in rows]


def reasons(log: sqlite3.Connection) -> list[tuple[str, int]]:
    """Why examples are rejected: each reason with how many of the rejections that count name it, most frequent first."""
    return log.execute(
        "SELECT value, count(*) FROM current, json_each(current.reasons) WHERE decision = 'reject'"
        " GROUP BY value ORDER BY count(*) DESC, value"
    ).fetchall()


def per_day(log: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Day (UTC, 2026-01-31), decision, and how many of those that stand were taken then; in the order of days."""
    return log.execute(
        "SELECT substr(time, 1, 10), decision, count(*) FROM standing GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()


def _only(reviewer: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if reviewer is None else ("WHERE reviewer = ?", (reviewer,))


def _act(row: tuple[object, ...]) -> Act:
    id_, time, reviewer, decision, last, older, named, many, of_act, *rest = row
    before, after = (last, older) if decision == "undo" else (last, decision)
    size = of_act or many if decision == "undo" else many
    return Act(id_, time, reviewer, decision, before, after, tuple(orjson.loads(named)), size, *rest)  # type: ignore[arg-type]
