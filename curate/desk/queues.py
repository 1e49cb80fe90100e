"""Queues: what a reviewer is shown next, by name, and the filters that narrow them.

A queue is made anew whenever it is asked for and depends on nothing but the run, the log, the reviewer and a seed: the same
call gives the same rows. What someone has decided is in none but those that are about decisions; what the reviewer has
skipped, or another holds a lease on, is left out as well.

Among the rows of a queue stand hidden repeats: of all that is served, one in twenty is a text on which this reviewer
decided a while ago, and what they say the second time is how far they agree with themselves. Which, and where, follows from
a hash of reviewer and seed with the text or the number of the decision. A page shows it like any other row, without its
state, and records what is decided with `role="repeat"`, which leaves the first decision as it is (`curate.review.log`).
"""

import sqlite3
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk import adjudication
from curate.desk.model import Desk, search_meaning, search_words
from curate.desk.orders import ORDERS, Asked, Said
from curate.desk.standing import lot, table
from curate.errors import InputError, did_you_mean
from curate.review import leases, saved
from curate.review.log import DECISIONS, DECISIVE, opinions, weightiest

QUEUES = {
    "most_valuable": "What adds most to what is kept: coverage of the pool, times quality.",
    "near_threshold": "What passed or missed a limit by least: there a rule errs most easily.",
    "audit": "A seeded draw of what the build dropped, every rule in turn.",
    "quota_gaps": "What fills the places of the recipe for which people have kept least.",
    "disagreements": "Texts that one reviewer would have in the set and another not.",
    "second_look": "A seeded draw of what one other reviewer has decided: two opinions show how far you agree.",
    "stale": "Examples whose text has changed since someone decided on it.",
    "flagged": "What someone flagged and nobody has decided.",
    "undecided": "Everything that nobody has decided, in the order of the input.",
    "dropped": "Everything that the build dropped and nobody has decided, in the order of the input.",
    "repeats": "What is due for a second look by the same reviewer; shown among the other queues, not by itself.",
}
HIDDEN = ("repeats",)
# A queue that someone saved has this before its name (`curate.review.saved`).
SAVED = "saved:"
# These are about what is decided: who serves them takes leases (`leases.lease`) on what others have decided too.
AGAIN = ("disagreements", "second_look", "stale", "flagged", "repeats")
STATES = ("undecided", "decided", "disagree", *DECISIONS)
# Of what is served, the share of hidden repeats, and how many decisions ago the first one was at least. Repeats have their
# places among the first WITHIN rows: nobody is shown more before the queue is made anew.
REPEATS, APART, WITHIN = 0.05, 20, 1000
# So many rows of a queue a page shows before it asks anew (`ui.card.deck`): a repeat has to be like these.
FIRST = 100


class Filter(NamedTuple):
    """Narrows a queue; None: does not. `rule` is any that the candidate fails, `state` one of STATES, `topic` a number.

    `words` and `meaning` are searches; under `undecided` and `dropped` they also give the order, best first. Of the meaning
    the nearest thousand count.
    """

    source: str | None = None
    group: str | None = None
    rule: str | None = None
    fate: str | None = None
    state: str | None = None
    topic: int | None = None
    words: str | None = None
    meaning: str | None = None


EVERYTHING = Filter()


def queue(
    desk: Desk,
    log: sqlite3.Connection,
    name: str,
    reviewer: str,
    filter: Filter = EVERYTHING,  # noqa: A002 - what it is called everywhere
    seed: int = 1,
    language: str = "en",
) -> pl.DataFrame:
    """`row` (Int64), `why` (String) and `repeat` (Boolean, see above), best first; of rows with one text the first.

    `name` is one of QUEUES, or SAVED and the name of a saved one; `why` is in the `language`, one of `phrases.LANGUAGES`.
    Raises InputError where there is no such queue, state or language, and as the searches do.
    """
    if name not in QUEUES and not name.startswith(SAVED):
        raise InputError(f"there is no queue {name!r}. {did_you_mean(name, QUEUES)}")
    said = _said(log, reviewer, seed)
    rows = _searched(desk, _wanted(desk, log, name, filter, said), filter)
    asked = Asked(desk, log, said, rows, seed, language)
    if name.startswith(SAVED):
        found = _saved(asked, name.removeprefix(SAVED))
    else:
        found = ORDERS[name](asked)
        if name in {"undecided", "dropped"} and (filter.words or filter.meaning):
            found = found.sort("searched", maintain_order=True)
    found = table(desk).firsts(found)
    found = found if name == "repeats" else _interleaved(found, asked)
    return found.select("row", "why", "repeat")


def _said(log: sqlite3.Connection, reviewer: str, seed: int) -> Said:
    """What the log says, for this reviewer."""
    mine = log.execute(
        "SELECT content, decision, role FROM standing WHERE reviewer = ? AND act IS NULL AND session <> 'import' ORDER BY id",
        (reviewer,),
    ).fetchall()
    latest = {content: (place, decision, role) for place, (content, decision, role) in enumerate(mine)}
    due = [
        content
        for content, (place, decision, role) in latest.items()
        # Nobody is asked to write an edit a second time, nor for the same decision a third time.
        if len(mine) - place > APART and role is None and decision in {"keep", "reject", "flag"}
    ]
    due.sort(key=lambda content: lot(seed, reviewer, content))
    found = opinions(log)
    return Said(reviewer, found, weightiest(found), due, len(mine))


def _wanted(desk: Desk, log: sqlite3.Connection, name: str, only: Filter, said: Said) -> pl.DataFrame:
    """`row`, `text` and `repeat` of what a queue is about and what is due for a repeat, less what the filter leaves out."""
    known = table(desk)
    theirs = [content for content, who in leases.held(log).items() if who != said.reviewer]
    repeat, wanted = known.among(()), ~known.among(theirs)
    if name == "repeats":
        repeat = wanted = known.among(said.due)
    elif only.state is not None:
        wanted &= _state(desk, only.state, said)
    elif name not in AGAIN:
        mine = [opinion.content for opinion in said.opinions if opinion.reviewer == said.reviewer]
        wanted &= _state(desk, "undecided", said) & ~known.among(mine)
        # Who searches knows what they look for.
        repeat = repeat if only.words or only.meaning else known.among(said.due)
    rows = known.rows.lazy().with_columns(repeat=repeat)
    # The columns that only the filter looks at are not copied.
    return rows.filter(pl.lit(wanted | repeat) & matches(desk, only)).select("row", "text", "repeat").collect()


def _state(desk: Desk, state: str, said: Said) -> pl.Series:
    """Which rows are in this state, (n,) Boolean."""
    if state not in STATES:
        raise InputError(f"there is no state {state!r}. {did_you_mean(state, STATES)}")
    if state == "undecided":
        return ~table(desk).among(said.contents((*DECISIVE, "flag")))
    if state == "disagree":
        return table(desk).among(adjudication.disagreeing(said.opinions))
    return table(desk).among(said.contents(DECISIVE if state == "decided" else (state,)))


def matches(desk: Desk, only: Filter) -> pl.Expr:
    """Which candidates pass the filters that are values of columns: source, group, fate, topic, rule."""
    found = pl.lit(value=True)
    for column in ("source", "group", "fate", "topic"):
        value = getattr(only, column)
        found = found if value is None else found & (pl.col(column) == value)
    if only.rule is not None:
        found &= pl.col("row").is_in(desk.verdicts.filter(pl.col("rule") == only.rule)["row"].unique().implode())
    return found


def _searched(desk: Desk, rows: pl.DataFrame, only: Filter) -> pl.DataFrame:
    """Those `rows` that the searches find, with their place `searched` in what was found, null without a search."""
    rows = rows.with_columns(searched=pl.lit(None, pl.UInt32))
    for found in (
        search_words(desk, only.words, desk.candidates.height) if only.words else None,
        search_meaning(desk, only.meaning)["row"] if only.meaning else None,
    ):
        if found is not None:
            places = found.rename("row").to_frame().with_row_index("searched")
            rows = rows.drop("searched").join(places, on="row", maintain_order="left")
    return rows


def _saved(asked: Asked, name: str) -> pl.DataFrame:
    """Those of a saved queue, in its order."""
    places = {content: place for place, content in enumerate(saved.contents(asked.log, name))}
    rows = asked.rows.filter(asked.among(places))
    contents = asked.desk.candidates["content"].gather(rows["row"])
    rows = rows.with_columns(why=pl.lit(name), level=pl.lit(None, pl.Float64))
    return rows.sort(pl.Series([places[content] for content in contents], dtype=pl.Int64))


def _interleaved(found: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """`found` with the repeats in their places: the number of the decision that a row will be says whether it is one.

    Left out is a repeat whose figure comes after those of the first FIRST others: it would stick out. One that comes before
    them all is what somebody who follows the order has decided on.
    """
    known, said = table(asked.desk), asked.said
    fresh, again = found.filter(~pl.col("repeat")), found.filter("repeat")
    if again.is_empty():
        return fresh
    if found["level"].count():
        again = again.filter(pl.col("level") <= fresh["level"].head(FIRST).max())
    turn = {known.places[content]: place for place, content in enumerate(said.due) if content in known.places}
    again = again.sort(pl.Series([turn[text] for text in again["text"]], dtype=pl.Int64))
    # After the last fresh row there is nothing that a repeat could hide among.
    near, number = fresh.head(WITHIN), said.decisions
    slots = [place for place in range(near.height) if lot(asked.seed, said.reviewer, number + place) < REPEATS * 2**64]
    slots = slots[: again.height]
    before = np.array(slots, dtype=np.int64) - np.arange(len(slots))
    order = np.insert(np.arange(near.height), before, near.height + np.arange(len(slots)))
    return pl.concat([pl.concat([near, again.head(len(slots))])[order], fresh.slice(WITHIN)])
