"""Pairs of an example and a test item that may be a leak: what a person decided of each, for the next build.

The build writes the gray pairs of a run anew each time (`contamination.jsonl`), so no decision is written there. A decision
is a row of the run's log, only ever added, and the whole of them stands in `contamination-decided.jsonl`, which a build
reads where its recipe names it (`decontaminate.review`) and never writes.
"""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl

from curate import files, runs
from curate.contamination import review
from curate.contamination.review import PAIR
from curate.errors import InputError
from curate.files import Unreadable
from curate.review.log import now
from curate.review.store import transaction

GRAY, DECIDED = "contamination.jsonl", "contamination-decided.jsonl"
# `undecided` takes a decision back, an earlier build's too.
DECISIONS = ("keep", "drop", "undecided")
_TABLE = """CREATE TABLE IF NOT EXISTS pairs (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, reviewer TEXT NOT NULL, session TEXT NOT NULL, token TEXT NOT NULL,
    content TEXT NOT NULL, item TEXT NOT NULL, decision TEXT NOT NULL,
    UNIQUE (session, token), CHECK (decision IN ('keep', 'drop', 'undecided')))"""
_TRIGGER = """CREATE TRIGGER IF NOT EXISTS pairs_never_{act}d BEFORE {act} ON pairs
    BEGIN SELECT RAISE(ABORT, 'decisions on pairs are only ever added'); END"""


class Event(NamedTuple):
    """One decision on one pair, as the log has it; `time` is UTC, as in `curate.review.log`."""

    id: int
    time: str
    reviewer: str
    session: str
    token: str
    content: str
    item: str
    decision: str


def pairs(run: Path, log: sqlite3.Connection) -> pl.DataFrame:
    """Every pair that the build found or anyone decided: the columns of PAIR and `reviewer`, `time` of the last decision
    taken here (null: none, or taken back). By content and item.

    What counts is the log's last decision on a pair, else that of DECIDED, else that which the build replayed. Raises
    InputError where a file is damaged.
    """
    found = _lines(run / GRAY)
    decided = [review.read(path) for path in (run / GRAY, run / DECIDED) if path.is_file()]
    rows = pl.concat([found.with_columns(decision=pl.lit(None, pl.String)), *decided, _said(log, found)])
    stands = pl.col("decision").drop_nulls().last()
    merged = rows.group_by("content", "item").agg(
        pl.col("category", "evidence").drop_nulls().first(), decision=stands.replace("undecided", None)
    )
    who = pl.DataFrame(_latest(log), schema=list(Event._fields), orient="row").select(
        pl.col("content", "item", "reviewer", "time").cast(pl.String), taken=pl.col("decision").cast(pl.String)
    )
    named = merged.join(who.filter(pl.col("taken") != "undecided"), on=["content", "item"], how="left")
    return named.select(*PAIR.names(), "reviewer", "time").sort("content", "item")


def decide(
    run: Path, log: sqlite3.Connection, reviewer: str, session: str, token: str, content: str, item: str, decision: str
) -> Event:
    """Log one of DECISIONS on a pair and write DECIDED anew; both or neither, and the same token twice is one decision.

    Raises InputError where it is no decision, its token stands for another, or there is no such pair.
    """
    if decision not in DECISIONS:
        raise InputError(f"the decision on {item} is {decision!r}; expected one of {', '.join(DECISIONS)}")
    known = pairs(run, log)
    if known.filter((pl.col("content") == content) & (pl.col("item") == item)).is_empty():
        raise InputError(f"{run / GRAY}: no pair of {content} and {item}; expected one of those that the page shows")
    _prepare(log)
    with transaction(log):
        event = _known(log, session, token)
        if event is None:
            values = (now(), reviewer, session, token, content, item, decision)
            names = ", ".join(Event._fields[1:])
            row = log.execute(f"INSERT INTO pairs ({names}) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *", values)  # noqa: S608 - fixed names
            event = Event._make(row.fetchone())
        elif (event.reviewer, event.content, event.item, event.decision) != (reviewer, content, item, decision):
            raise InputError(
                f"token {token} of session {session} is already '{event.decision} {event.item}'; expected a token of its"
                " own for each decision"
            )
        # Under the log's lock, so that of two writers the later one's file has both.
        decided = pairs(run, log).select(PAIR.names()).drop_nulls("decision")
        data = b"".join(orjson.dumps(row) + b"\n" for row in decided.iter_rows(named=True))
        runs.write_atomically(run / DECIDED, lambda handle: handle.write(data))
    return event


def history(log: sqlite3.Connection) -> list[Event]:
    """Every decision on a pair, oldest first."""
    if not _has_table(log):
        return []
    return [Event._make(row) for row in log.execute("SELECT * FROM pairs ORDER BY id")]


def _said(log: sqlite3.Connection, found: pl.DataFrame) -> pl.DataFrame:
    """The log's last decision on each pair as rows of PAIR; what the pair is, the build's lines say."""
    said = pl.DataFrame(
        [(event.content, event.item, event.decision) for event in _latest(log)],
        schema={name: PAIR[name] for name in ("content", "item", "decision")},
        orient="row",
    )
    about = found.select("content", "item", "category", "evidence").unique(["content", "item"], keep="first")
    return said.join(about, on=["content", "item"], how="left").select(PAIR.names())


def _latest(log: sqlite3.Connection) -> list[Event]:
    return list({(event.content, event.item): event for event in history(log)}.values())


def _lines(path: Path) -> pl.DataFrame:
    """The pairs of a run's file, decided or not; none where there is no file or it is empty."""
    if not path.is_file() or not path.stat().st_size:
        return PAIR.to_frame()
    lines: list[dict[str, Any]] = []
    for number, row in files.json_lines(path):
        if isinstance(row, Unreadable):
            raise InputError(f"{path}:{number}: not a line of JSON: {row.reason}. Build the run again to write it anew")
        lines.append({name: row.get(name) for name in PAIR})
    frame = pl.DataFrame(lines, schema=PAIR)
    if frame.select(pl.col("content", "item").null_count()).sum_horizontal().item():
        raise InputError(f"{path}: a line without content or item; expected what a build writes. Build the run again")
    return frame


def _known(log: sqlite3.Connection, session: str, token: str) -> Event | None:
    row = log.execute("SELECT * FROM pairs WHERE session = ? AND token = ?", (session, token)).fetchone()
    return Event._make(row) if row else None


def _has_table(log: sqlite3.Connection) -> bool:
    return log.execute("SELECT 1 FROM sqlite_master WHERE name = 'pairs'").fetchone() is not None


def _prepare(log: sqlite3.Connection) -> None:
    """Make the table in a log that has none yet."""
    if not _has_table(log):
        with transaction(log):
            for statement in (_TABLE, *(_TRIGGER.format(act=act) for act in ("UPDATE", "DELETE"))):
                log.execute(statement)
