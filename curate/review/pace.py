"""How fast reviewers are, how long the rest takes, and who did what.

Time is active time: what lies between two things that a reviewer did, unless that was more than PAUSE seconds, which was a
pause. An item is a decision that someone took by looking; bulk acts, imports and what was taken back are none, though the
time that an undo took is time.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import polars as pl

from curate.review.log import opinions

PAUSE = 120.0


class Pace(NamedTuple):
    """`done`: texts that the reviewer has decided (a skip is no decision); `per_hour`: items an hour of active time;
    `seconds_left` for what remains; `median_seconds` that an item was looked at. None where nothing is known yet.
    """

    done: int
    per_hour: float | None
    seconds_left: float | None
    median_seconds: float | None


class _Seen(NamedTuple):
    """An event of a reviewer: its moment in seconds, whether it is an item, and how long it was on the screen."""

    at: float
    item: bool
    shown: float | None


def pace(log: sqlite3.Connection, reviewer: str, remaining: int) -> Pace:
    """The pace of a reviewer, for whom `remaining` items are left."""
    done = sum(opinion.reviewer == reviewer and opinion.decision != "skip" for opinion in opinions(log))
    seen = _seen(log).get(reviewer, [])
    per_hour = _per_hour(seen)
    return Pace(done, per_hour, remaining * 3600 / per_hour if per_hour else None, _median(seen))


def people(log: sqlite3.Connection) -> pl.DataFrame:
    """One row a reviewer, the busiest first: `reviewer`, `decisions` (texts with a decision that counts), of these `kept`,
    `rejected`, `edited` and `flagged`; `skipped`; `per_hour`, `median_seconds`; `first` and `last` time of any event.
    """
    seen = _seen(log)
    counts: dict[str, dict[str, int]] = {reviewer: {} for reviewer in seen}
    for reviewer, decision, number in log.execute("SELECT reviewer, decision, count(*) FROM current GROUP BY 1, 2"):
        counts.setdefault(reviewer, {})[decision] = number
    ends = log.execute("SELECT reviewer, min(time), max(time) FROM events GROUP BY reviewer").fetchall()
    rows = [
        {
            "reviewer": reviewer,
            "decisions": sum(number for decision, number in mine.items() if decision != "skip"),
            "kept": mine.get("keep", 0),
            "rejected": mine.get("reject", 0),
            "edited": mine.get("edit", 0),
            "flagged": mine.get("flag", 0),
            "skipped": mine.get("skip", 0),
            "per_hour": _per_hour(seen.get(reviewer, [])),
            "median_seconds": _median(seen.get(reviewer, [])),
            "first": first,
            "last": last,
        }
        for reviewer, first, last in ends
        for mine in [counts.get(reviewer, {})]
    ]
    return pl.DataFrame(rows, schema=_PEOPLE).sort("decisions", "reviewer", descending=[True, False])


_PEOPLE = {
    "reviewer": pl.String,
    **dict.fromkeys(("decisions", "kept", "rejected", "edited", "flagged", "skipped"), pl.Int64),
    **dict.fromkeys(("per_hour", "median_seconds"), pl.Float64),
    **dict.fromkeys(("first", "last"), pl.String),
}


def _seen(log: sqlite3.Connection) -> dict[str, list[_Seen]]:
    """What each reviewer did by hand, in the order of time."""
    rows = log.execute(
        "SELECT reviewer, time, act IS NULL AND id IN (SELECT id FROM standing), shown_ms FROM events"
        " WHERE session <> 'import' ORDER BY time, id"
    )
    found: dict[str, list[_Seen]] = {}
    for reviewer, time, item, shown in rows:
        at = datetime.fromisoformat(time).timestamp()
        found.setdefault(reviewer, []).append(_Seen(at, bool(item), None if shown is None else shown / 1000))
    return found


def _per_hour(seen: Sequence[_Seen]) -> float | None:
    gaps = [(later.at - earlier.at, later.item) for earlier, later in pairwise(seen) if later.at - earlier.at <= PAUSE]
    seconds = sum(gap for gap, _ in gaps)
    return 3600 * sum(item for _, item in gaps) / seconds if seconds else None


def _median(seen: Sequence[_Seen]) -> float | None:
    """Of the times on the screen, where the page measured them."""
    shown = [each.shown for each in seen if each.item and each.shown is not None]
    return median(shown) if shown else None
