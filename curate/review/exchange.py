"""`decisions.jsonl`: the decisions that count, in a form for git and for the next build, and which of them are stale.

A line is {"content", "decision": "keep" | "reject", "example", "reasons", "reviewer", "time"}, with the edited "messages"
where a reviewer kept the example as edited. Skips and flags are a reviewer's own affair and stay in the log. Lines are in
the order of content, then time: of several reviewers' decisions on one content the last line is the latest, the one
that `curate.quality.reviewer.decisions` counts.
"""

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from curate import files, runs
from curate.errors import InputError
from curate.review.log import Decision, Event, check, current, insert
from curate.review.store import transaction

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Stale(NamedTuple):
    """A decision on a text that the corpus does not have any more; `content` is what its example has now."""

    event: Event
    content: str


def export_decisions(log: sqlite3.Connection, path: Path) -> int:
    """Write the decisions that count, the whole file or nothing of it; their number. The same log gives the same bytes."""
    events = [event for event in current(log) if event.decision in {"keep", "reject", "edit"}]
    events.sort(key=lambda event: (event.content, event.time, event.reviewer))
    data = b"".join(orjson.dumps(_line(event), option=orjson.OPT_SORT_KEYS) + b"\n" for event in events)
    runs.write_atomically(path, lambda handle: handle.write(data))
    return len(events)


def import_decisions(log: sqlite3.Connection, path: Path) -> int:
    """Add the decisions of such a file, all or none, and say how many were new.

    A line is new where the log has nothing of that reviewer on that content from that moment or later: what was decided
    or taken back here since then stands, and the same file read twice changes nothing. Raises InputError, with the line,
    where the file is missing or a line is anything else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected decisions as JSON Lines, as the review exports them")
    lines = (
        [_decision(row, f"{path}:{number}") for number, row in files.json_lines(path)] if path.stat().st_size else []
    )
    new = 0
    with transaction(log):
        # In the order in which they were taken, so that an undo takes back the latest first.
        for written, decision in sorted(lines, key=lambda line: (line[0], line[1].content, line[1].reviewer)):
            latest = log.execute(
                "SELECT max(time) FROM events WHERE content = ? AND reviewer = ?", (decision.content, decision.reviewer)
            ).fetchone()[0]
            if latest is None or latest < written:
                insert(log, decision, written)
                new += 1
    return new


def stale(log: sqlite3.Connection, corpus: Mapping[str, str]) -> list[Stale]:
    """What has to be looked at again in a corpus (example id to content hash), by content and time of writing.

    That is every decision or flag on a text that the corpus does not have, while it has the example, unless its reviewer
    has since decided on the new text.
    """
    events = [event for event in current(log) if event.decision != "skip"]
    decided = {(event.content, event.reviewer) for event in events}
    contents = set(corpus.values())
    found = [(event, corpus.get(event.example or "")) for event in events if event.content not in contents]
    return [Stale(event, new) for event, new in found if new is not None and (new, event.reviewer) not in decided]


def _line(event: Event) -> dict[str, Any]:
    names = ("content", "example", "reasons", "reviewer", "time")
    line = {name: getattr(event, name) for name in names} | {
        "decision": "keep" if event.decision == "edit" else event.decision
    }
    return line | {"messages": event.messages} if event.messages else line


def _decision(row: Any, where: str) -> tuple[str, Decision]:  # noqa: ANN401 - any JSON value
    """The time and the decision of one line."""
    if isinstance(row, files.Unreadable):
        raise InputError(f"{where}: {row.reason}")
    for name in ("content", "example", "reviewer", "time"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise InputError(f"{where}: {name} is {row.get(name)!r}; expected a text, as the review exports it")
    if not _TIME.fullmatch(row["time"]):
        raise InputError(f"{where}: time is {row['time']!r}; expected UTC as 2026-01-31T08:05:00.000Z")
    decision, reasons, messages = row.get("decision"), row.get("reasons", []), row.get("messages")
    if decision not in ("keep", "reject") or (messages is not None and decision == "reject"):
        raise InputError(f"{where}: decision is {decision!r}; expected keep or reject, and keep with edited messages")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise InputError(f"{where}: reasons are {reasons!r}; expected a list of texts")
    if messages is not None and not (isinstance(messages, list) and all(isinstance(turn, dict) for turn in messages)):
        raise InputError(f"{where}: messages are no conversation; expected a list of role and content")
    token = f"{row['time']} {row['reviewer']} {row['content']}"
    found = Decision(
        row["reviewer"], "import", token, row["content"], row["example"], decision, tuple(reasons), messages
    )
    found = found if messages is None else found._replace(decision="edit")
    try:
        check(found)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return row["time"], found
