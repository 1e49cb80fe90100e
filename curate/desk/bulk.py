"""Bulk acts: one decision on many candidates, with a preview of whom it touches, and one undo for all of it."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from curate.desk.model import Desk
from curate.errors import InputError, did_you_mean
from curate.review.log import Decision, Opinion, counting, record

# An edit is of one text.
DECISIONS = ("keep", "reject", "skip", "flag")


class Preview(NamedTuple):
    """What a bulk act would do to the texts of `rows` candidates, by what counts on each now, whoever decided it.

    `new`: nobody decided; `changes`: something else counts, which this would replace; `already`: this counts, and nothing is
    written. `by_state`: how many texts have each decision ("undecided": none). `whose`: whose decisions the changes are.
    """

    rows: int
    new: int
    changes: int
    already: int
    by_state: dict[str, int]
    whose: dict[str, int]


def preview(desk: Desk, log: sqlite3.Connection, rows: Iterable[int], decision: str) -> Preview:
    """What `decide` would do. Raises InputError where the decision is none of DECISIONS, IndexError for a row that is none."""
    chosen = _chosen(desk, rows, decision)
    counts = counting(log)
    found = [counts.get(content) for content in chosen["content"].unique()]
    states = Counter(opinion.decision if opinion else "undecided" for opinion in found)
    changed = [opinion for opinion in found if opinion and not _says(opinion, decision)]
    whose = Counter(opinion.reviewer for opinion in changed)
    new, changes = states["undecided"], len(changed)
    by_state, by_reviewer = dict(sorted(states.items())), dict(sorted(whose.items()))
    return Preview(chosen.height, new, changes, len(found) - new - changes, by_state, by_reviewer)


def decide(
    log: sqlite3.Connection,
    desk: Desk,
    reviewer: str,
    session: str,
    token: str,
    rows: Iterable[int],
    decision: str,
    reasons: tuple[str, ...] = (),
) -> int:
    """Decide on all texts of these rows in one act, all or none; how many were written (one a text).

    What counts already is not written again. The same token again changes nothing and gives the same number. One
    `log.undo` takes all of it back. Raises as `preview`.
    """
    chosen, act = _chosen(desk, rows, decision), f"{session} {token}"
    written = log.execute("SELECT count(*) FROM events WHERE act = ? AND decision <> 'undo'", (act,)).fetchone()[0]
    if written:
        return int(written)
    counts = counting(log)
    texts = chosen.unique("content", keep="first", maintain_order=True).select("content", "id").rows()
    decisions = [
        Decision(reviewer, session, f"{token} {content}", content, example, decision, reasons, act=act)
        for content, example in texts
        if not _says(counts.get(content), decision)
    ]
    return len(record(log, decisions))


def _says(known: Opinion | None, decision: str) -> bool:
    """Whether this decision counts already. An edit keeps its text."""
    return known is not None and (known.decision == decision or (known.decision, decision) == ("edit", "keep"))


def _chosen(desk: Desk, rows: Iterable[int], decision: str) -> pl.DataFrame:
    if decision not in DECISIONS:
        raise InputError(f"a bulk act cannot be {decision!r}. {did_you_mean(decision, DECISIONS)}")
    numbers = pl.Series(list(rows), dtype=pl.Int64).unique().sort()
    if numbers.len() and not 0 <= int(numbers[0]) <= int(numbers[-1]) < desk.candidates.height:
        raise IndexError(f"rows {numbers[0]} to {numbers[-1]}, but the desk has {desk.candidates.height}")
    return desk.candidates.select("row", "content", "id")[numbers]
