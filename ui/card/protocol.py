"""What the card in the browser sends, taken into the log: each entry once, however often it is sent.

An entry is {"session", "seq", "kind", "row", "id", "content", "reasons", "messages", "keep", "drop", "shown_ms"}; `kind` is a
decision of the log, "cluster" (keep the row `keep`, drop the rows `drop`, one act) or "undo". Session and seq, given by the
browser, are the name of the entry in the log. The answer to each is {"session", "seq"} with an "error" where nothing was
written, and for an undo "undone": the row that is open again (None where there is none), "was": what had been decided,
"rows": all that the undo opened, "messages": the edit that it took back, "gone": it was on a text that this build lacks.
"""

import itertools
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

import polars as pl

from curate.desk import clusters
from curate.desk.model import Desk, cluster
from curate.errors import InputError
from curate.review import drafts
from curate.review import log as decided
from curate.review.log import DECISIONS, Decision, Event

# As in sight.js: what was on the screen for less was not seen.
DWELL_MS = 150

Entry = dict[str, Any]


def take(
    desk: Desk, log: sqlite3.Connection, reviewer: str, entries: Sequence[Entry], repeats: Collection[int] = ()
) -> list[dict[str, Any]]:
    """Write these entries in their order and answer each. Decisions between two undos are one transaction.

    One that cannot be taken is answered with its error and keeps no other from being written. `repeats`: rows that were
    shown a second time without being told. Raises RunError, through `opened`, where the log cannot be written.
    """
    answers: list[dict[str, Any]] = []
    for undo, run in itertools.groupby(entries, key=lambda entry: entry.get("kind") == "undo"):
        together = list(run)
        answers += [_undo(desk, log, reviewer, entry) for entry in together] if undo else _decide(
            desk, log, reviewer, together, repeats
        )  # fmt: skip
    return answers


def _decide(
    desk: Desk, log: sqlite3.Connection, reviewer: str, entries: list[Entry], repeats: Collection[int]
) -> list[dict[str, Any]]:
    answers, good = [_name(entry) for entry in entries], []
    for entry, answer in zip(entries, answers, strict=True):
        try:
            good.append((_decisions(desk, reviewer, entry, repeats), answer))
        except InputError as error:
            answer["error"] = str(error)
    try:
        decided.record(log, [decision for decisions, _ in good for decision in decisions])
    except InputError:
        # One of them is at fault, and none was written: find out which.
        for decisions, answer in good:
            try:
                decided.record(log, decisions)
            except InputError as error:
                answer["error"] = str(error)
    return answers


def _decisions(desk: Desk, reviewer: str, entry: Entry, repeats: Collection[int]) -> list[Decision]:
    """Raises InputError for what no card of this desk would send, or what its reader cannot have seen."""
    name, kind, row, shown_ms = _name(entry), entry.get("kind"), entry.get("row"), entry.get("shown_ms")
    what = f"decision {name['seq']}"
    if not isinstance(kind, str) or kind not in (*DECISIONS, "cluster"):
        raise InputError(f"{what} is {kind!r}; expected one of {', '.join(DECISIONS)}, cluster or undo")
    if not isinstance(row, int) or not 0 <= row < desk.candidates.height:
        raise InputError(f"{what} is on row {row!r}; expected one of the {desk.candidates.height} candidates")
    example, content = desk.candidates.select("id", "content").row(row)
    if (example, content) != (entry.get("id"), entry.get("content")):
        raise InputError(
            f"{what} is on a text that is not the one of row {row} now; reload the page and look at it again"
        )
    if not isinstance(shown_ms, int) or shown_ms < DWELL_MS:
        raise InputError(
            f"{what} came {shown_ms} ms after its example; expected {DWELL_MS} or more: nobody reads so fast"
        )
    session, token = str(name["session"]), str(name["seq"])
    if kind == "cluster":
        kept, dropped = entry.get("keep"), entry.get("drop") or []
        members = cluster(desk, row)
        if kept not in members or not {*dropped} <= {*members}:
            raise InputError(f"{what} names rows that are no duplicates of row {row}; reload the page")
        return clusters.keep_one(desk, kept, dropped, reviewer, session, f"{session} {token}")
    messages = entry.get("messages") if kind == "edit" else None
    role = "repeat" if row in repeats else None
    reasons = tuple(str(reason) for reason in entry.get("reasons") or [])
    return [Decision(reviewer, session, token, content, example, kind, reasons, messages, shown_ms, role=role)]


def _undo(desk: Desk, log: sqlite3.Connection, reviewer: str, entry: Entry) -> dict[str, Any]:
    answer = _name(entry)
    try:
        event = decided.undo(log, reviewer, str(answer["session"]), str(answer["seq"]))
    except InputError as error:
        return {**answer, "error": str(error)}
    if event.previous is None:
        return {**answer, "undone": None}
    before = {one.id: one for one in decided.history(log, event.content)}
    was = before[event.previous]
    rows = _rows(desk, [was] if was.act is None else [one for one in _act(log, was.act) if one.decision != "undo"])
    if not rows:
        return {**answer, "undone": None, "gone": True}
    if was.messages is not None:
        # The words of an edit that is taken back are a draft again.
        drafts.save(log, reviewer, str(was.content), was.messages)
    return {
        **answer,
        "undone": rows[0],
        "rows": rows,
        "was": "cluster" if was.act else was.decision,
        "messages": was.messages,
    }


def _act(log: sqlite3.Connection, act: str) -> list[Event]:
    return [event for event in decided.history(log) if event.act == act]


def _rows(desk: Desk, events: Sequence[Event]) -> list[int]:
    """The rows that these events were on, in their order; of a text that several rows share, the one that was shown."""
    wanted = pl.DataFrame(
        [(number, event.content, event.example) for number, event in enumerate(events)],
        schema={"number": pl.Int64, "content": pl.String, "example": pl.String},
        orient="row",
    )
    found = wanted.join(desk.candidates.select("row", "id", "content"), on="content")
    best = found.sort("number", pl.col("id") != pl.col("example"), "row").unique(
        "number", keep="first", maintain_order=True
    )
    return best["row"].to_list()


def _name(entry: Entry) -> dict[str, Any]:
    return {"session": entry.get("session"), "seq": entry.get("seq")}
