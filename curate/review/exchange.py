"""`decisions.jsonl`: the decisions that count, in a form for git and for the next build, and which of them are stale.

`curate.decisions` says what a line is; one that settled a disagreement has the "role" that it had in the log. Skips and
flags are a reviewer's own affair and stay in the log. Lines are in the order of content, then time: of several reviewers'
decisions on one content the last line is the latest, which is the one that counts in a build.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from curate import files, runs
from curate.decisions import Line, counted, line_of
from curate.errors import InputError, RunError
from curate.review.log import DECISIVE, Decision, Event, check, current, insert, weight
from curate.review.store import opened, transaction


class Stale(NamedTuple):
    """A decision on a text that the corpus does not have any more; `content` is what its example has now."""

    event: Event
    content: str


def export_decisions(log: sqlite3.Connection, path: Path) -> int:
    """Write the decisions that count, the whole file or nothing of it; their number. The same log gives the same bytes."""
    events = [event for event in current(log) if event.decision in DECISIVE]
    # Not by id, which is this log's own: two logs with the same decisions give the same bytes.
    events.sort(key=lambda event: (event.content, weight(event)))
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
    rows = files.json_lines(path) if path.stat().st_size else ()
    lines = [_read(row, f"{path}:{number}", number) for number, row in rows]
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

    That is every decision or flag on a text that the corpus does not have, while it has the example, unless the new text is
    what an edit made of the old one, or its reviewer has decided on the new text too.
    """
    events = [event for event in current(log) if event.decision != "skip"]
    lines = counted([_as_line(event) for event in events if event.decision in DECISIVE])
    made = {content: line.edited for content, line in lines.edits.items()}
    decided = {(content, event.reviewer) for event in events for content in (event.content, event.edited)}
    contents = set(corpus.values())
    found = [(event, corpus.get(event.example or "")) for event in events if event.content not in contents]
    return [
        Stale(event, new)
        for event, new in found
        if new is not None and new != made.get(str(event.content)) and (new, event.reviewer) not in decided
    ]


def export_run(run: Path, path: Path) -> int:
    """Write the decisions on a run that count to `path`, as `export_decisions`. Raises RunError where there is no log."""
    log = run / "decisions.sqlite"
    if not log.is_file():
        raise RunError(f"{log}: no such file; expected the log of a review: python -m curate review {run} makes one")
    with opened(log) as connection:
        return export_decisions(connection, path)


def _line(event: Event) -> dict[str, Any]:
    names = ("content", "example", "reasons", "reviewer", "time")
    line = {name: getattr(event, name) for name in names} | {
        "decision": "keep" if event.decision == "edit" else event.decision
    }
    line |= {"messages": event.messages} if event.messages else {}
    return line | ({"role": event.role} if event.role == "settle" else {})


def _as_line(event: Event) -> Line:
    """A decision as a build would read it."""
    what, of = "keep" if event.decision == "edit" else event.decision, (str(event.content), str(event.example))
    who = (event.reasons, event.reviewer, event.time)
    return Line(event.id, of[0], what, of[1], *who, event.messages, event.edited)


def _read(row: Any, where: str, number: int) -> tuple[str, Decision]:  # noqa: ANN401 - any JSON value
    """The time and the decision of one line."""
    line, role = line_of(row, where, number), row.get("role")
    if role not in (None, "settle"):
        raise InputError(f"{where}: role is {role!r}; expected settle, or none")
    what = line.decision if line.messages is None else "edit"
    token = f"{line.time} {line.reviewer} {line.content}"
    whose = (line.reviewer, "import", token, line.content, line.example)
    found = Decision(*whose, what, line.reasons, line.messages, role=role)
    try:
        check(found)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return line.time, found
