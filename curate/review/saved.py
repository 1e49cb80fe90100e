"""Saved queues: named lists of contents, for a choice that no filter can say, such as what a lasso held.

They lie in a table of their own beside the log. A list is of contents, not of rows, so it outlives another build of the run.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from curate import files
from curate.errors import InputError, did_you_mean
from curate.review.store import transaction

_TABLE = (
    "CREATE TABLE IF NOT EXISTS saved (name TEXT, place INTEGER, content TEXT NOT NULL, PRIMARY KEY (name, place))"
    " WITHOUT ROWID"
)
LONGEST_NAME = 60


def save(log: sqlite3.Connection, name: str, contents: Sequence[str]) -> int:
    """Keep these contents, in their order and each once, under `name`, in place of what stood there; their number.

    Raises InputError for a name that is empty or too long, and for no contents.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise InputError(f"the queue's name has {len(name)} characters; expected 1 to {LONGEST_NAME}")
    once = list(dict.fromkeys(contents))
    if not once:
        raise InputError(f"the queue {name} would be empty; expected at least one example: nothing was saved")
    with transaction(log):
        log.execute(_TABLE)
        log.execute("DELETE FROM saved WHERE name = ?", (name,))
        log.executemany("INSERT INTO saved VALUES (?, ?, ?)", [(name, place, text) for place, text in enumerate(once)])
    return len(once)


def saved(log: sqlite3.Connection) -> dict[str, int]:
    """The saved queues, name to number of contents, in the order of names."""
    if not _exists(log):
        return {}
    return dict(log.execute("SELECT name, count(*) FROM saved GROUP BY name ORDER BY name"))


def contents(log: sqlite3.Connection, name: str) -> list[str]:
    """The contents of one, in order. Raises InputError where there is none of that name."""
    rows = log.execute("SELECT content FROM saved WHERE name = ? ORDER BY place", (name,)) if _exists(log) else []
    found = [row[0] for row in rows]
    if not found:
        raise InputError(f"there is no saved queue {name!r}. {did_you_mean(name, saved(log))}")
    return found


def read(path: Path) -> list[str]:
    """The contents that a JSON Lines file names, {"content": hash, ...}, such as a loop's next.jsonl.

    Raises InputError where it is missing or a line has none.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected JSON Lines with a content each, as python -m evaluate loop writes"
        )
    found = []
    for number, row in files.json_lines(path):
        content = None if isinstance(row, files.Unreadable) else row.get("content")
        if not isinstance(content, str):
            raise InputError(f"{path}:{number}: no content; expected the hash of an example's text")
        found.append(content)
    return found


def remove(log: sqlite3.Connection, name: str) -> None:
    """Forget a saved queue, if there is one of that name; no decision is touched."""
    if _exists(log):
        with transaction(log):
            log.execute("DELETE FROM saved WHERE name = ?", (name,))


def _exists(log: sqlite3.Connection) -> bool:
    return bool(log.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'saved'").fetchone()[0])
