"""Leases: which reviewer an example is shown to, so that no two are shown the same one, and none is lost with a browser."""

import sqlite3
import time
from collections.abc import Iterable, Sequence

from curate.review.store import transaction

# A page that is open renews its leases far more often; one that was closed gives them back after this long.
SECONDS = 600.0


def lease(
    log: sqlite3.Connection,
    reviewer: str,
    contents: Iterable[str],
    limit: int,
    *,
    seconds: float = SECONDS,
    again: bool = False,
    at: float | None = None,
) -> list[str]:
    """The first `limit` of these contents that nobody else holds, held for `reviewer` until `seconds` from now.

    What the reviewer holds already is held anew. Left out is what anyone has decided (a skip is no decision), unless
    `again`: a queue made a moment ago may not know of it. `at` is the time in seconds since 1970, by default now.
    """
    at = time.time() if at is None else at
    with transaction(log):
        log.execute("DELETE FROM leases WHERE until <= ?", (at,))
        barred = {row[0] for row in log.execute("SELECT content FROM leases WHERE reviewer <> ?", (reviewer,))}
        if not again:
            barred |= {row[0] for row in log.execute("SELECT content FROM current WHERE decision <> 'skip'")}
        free = [content for content in dict.fromkeys(contents) if content not in barred][:limit]
        log.executemany(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", [(content, reviewer, at + seconds) for content in free]
        )
    return free


def release(log: sqlite3.Connection, reviewer: str, contents: Sequence[str] | None = None) -> None:
    """Give back these contents, or all that the reviewer holds; what another holds stays theirs."""
    with transaction(log):
        if contents is None:
            log.execute("DELETE FROM leases WHERE reviewer = ?", (reviewer,))
        else:
            log.executemany(
                "DELETE FROM leases WHERE content = ? AND reviewer = ?", [(content, reviewer) for content in contents]
            )


def held(log: sqlite3.Connection, at: float | None = None) -> dict[str, str]:
    """Who holds what now, as content to reviewer."""
    at = time.time() if at is None else at
    return dict(log.execute("SELECT content, reviewer FROM leases WHERE until > ? ORDER BY content", (at,)))
