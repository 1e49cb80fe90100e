"""The orders of the queues: each says of what it puts in order why it is there, the best first.

Why a hidden repeat is there must not give it away. It says what it would say if nobody had decided on it; and where whys
have a figure that the queue is in order of, `level` has that figure, so that no repeat stands where it would stick out.
"""

import functools
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk import adjudication, gain, model, standing
from curate.desk.model import Desk
from curate.desk.phrases import filled, phrases
from curate.desk.standing import table
from curate.review.log import DECISIVE, Event, Opinion

# What comes of an order, beside `why` and `level`.
_PUT = ("row", "text", "repeat", "searched")
# Shares and qualities are told in hundredths; one more stands for a share that there is none of.
STEPS = 101


class Said(NamedTuple):
    """What the log says to a reviewer: all opinions, the one that counts of each text, the texts that are due for a repeat
    (first one first), and how many decisions the reviewer has taken.
    """

    reviewer: str
    opinions: list[Opinion]
    counting: dict[str, Opinion]
    due: list[str]
    decisions: int

    def contents(self, decisions: Collection[str]) -> list[str]:
        """The texts of which one of these decisions counts."""
        return [content for content, opinion in self.counting.items() if opinion.decision in decisions]


class Asked(NamedTuple):
    """What an order works on: `rows` to put in order, in the order of the input: `row`, `text`, `repeat`, `searched`.

    What comes of them has these, `why` and `level` (Float64): of orders whose whys have a figure, that figure so that the best
    is the lowest; else null.
    """

    desk: Desk
    log: sqlite3.Connection
    said: Said
    rows: pl.DataFrame
    seed: int
    language: str

    def among(self, contents: Collection[str]) -> pl.Series:
        """Which of `rows` have one of these texts, Boolean."""
        return table(self.desk).among(contents).gather(self.rows["row"])

    def texts(self, words: Mapping[str, str]) -> dict[int, str]:
        """`words` by the number of a text in place of its content; those of texts that the desk does not have are left out."""
        places = table(self.desk).places
        return {places[content]: why for content, why in words.items() if content in places}


def _undecided(asked: Asked) -> pl.DataFrame:
    return _with_fates(asked, asked.rows)


def _dropped(asked: Asked) -> pl.DataFrame:
    return _with_fates(asked, _ordered(asked.rows, standing.dropped(asked.desk)))


def _near_threshold(asked: Asked) -> pl.DataFrame:
    rows = _ordered(asked.rows, standing.by_margin(asked.desk))
    level = asked.desk.candidates["margin"].abs().gather(rows["row"])
    return _put(rows, standing.margins(asked.desk, asked.language).gather(rows["row"]), level)


def _audit(asked: Asked) -> pl.DataFrame:
    return _with_fates(asked, _ordered(asked.rows, standing.by_turn(asked.desk, asked.seed)))


def _second_look(asked: Asked) -> pl.DataFrame:
    by_content: dict[str, set[str]] = {}
    for opinion in asked.said.opinions:
        if opinion.decision in DECISIVE or opinion.reviewer == asked.said.reviewer:
            by_content.setdefault(opinion.content, set()).add(opinion.reviewer)
    once = [content for content, who in by_content.items() if len(who) == 1 and asked.said.reviewer not in who]
    rows = _ordered(asked.rows.filter(asked.among(once)), standing.by_lot(asked.desk, asked.seed))
    return _put(rows, pl.lit(phrases(asked.language)["second_look"]))


def _disagreements(asked: Asked) -> pl.DataFrame:
    said = phrases(asked.language)
    words = {
        content: " · ".join(_opinion(said["opinion"], opinion, said) for opinion in found)
        for content, found in adjudication.disagreeing(asked.said.opinions).items()
    }
    return _told(asked.rows, "text", asked.texts(words))


def _flagged(asked: Asked) -> pl.DataFrame:
    said, counting = phrases(asked.language)["flagged"], asked.said.counting
    flags = {content: said.format(reviewer=counting[content].reviewer) for content in asked.said.contents(["flag"])}
    return _told(asked.rows, "text", asked.texts(flags))


def _stale(asked: Asked) -> pl.DataFrame:
    said = phrases(asked.language)
    words = {
        str(found.event.example): _opinion(said["stale"], found.event, said)
        for found in model.stale(asked.desk, asked.log)
    }
    rows = asked.desk.candidates.select("row", "id").filter(pl.col("id").is_in(list(words)))
    # Whoever decided on the new text, it is looked at.
    open_ = asked.rows.filter(~asked.among(asked.said.contents(DECISIVE)))
    return _told(open_, "row", {row: words[name] for row, name in rows.iter_rows()})


def _repeats(asked: Asked) -> pl.DataFrame:
    return _told(asked.rows, "text", asked.texts(dict.fromkeys(asked.said.due, phrases(asked.language)["repeat"])))


def _quota_gaps(asked: Asked) -> pl.DataFrame:
    """By how full its place would be: the j-th of a cell in which people kept f of t comes at (f + j - 1/2) / t.

    For cells see `standing.quotas`. A repeat says what any other of its cell does: that it would be the next one.
    """
    order, cell, cells = standing.quotas(asked.desk)
    known, said = table(asked.desk), phrases(asked.language)
    kept = known.rows.filter(known.among(asked.said.contents(["keep", "edit"])))
    full = np.bincount(cell[known.firsts(_ordered(kept, order))["row"].to_numpy()], minlength=cells.height)
    fields = {name: pl.col(name) for name in ("cell", "full", "places")}
    told = pl.when("beyond").then(filled(said["fills_beyond"], **fields)).otherwise(filled(said["fills"], **fields))
    cells = cells.with_columns(full=pl.Series(full, dtype=pl.Int64)).with_columns(why=told)
    rows = known.firsts(_ordered(asked.rows, order))
    number = pl.Series("number", cell[rows["row"].to_numpy()])
    rows = rows.with_columns(number, *cells.select("full", "places", "why")[number])
    j = pl.when("repeat").then(1).otherwise((~pl.col("repeat")).cum_sum().over("number"))
    gaps = rows.with_columns(j=j).filter(pl.col("full") + pl.col("j") <= pl.col("places"))
    way = (pl.col("full") + pl.col("j") - 0.5) / pl.col("places")
    return gaps.with_columns(level=way).sort("level", "number", "row").select(*_PUT, "why", "level")


def _most_valuable(asked: Asked) -> pl.DataFrame:
    """By the gain over what people kept and what the build kept and nobody rejected, in shares of the largest, × quality.

    The gain of a repeat is what it would be if nobody had decided on it; it takes no part in the order of the others. Where
    none of them gains anything, no repeat says that it does.
    """
    pool, known = gain.pool(asked.desk), table(asked.desk)
    built = (asked.desk.candidates["fate"] == "kept") & ~known.among(asked.said.contents(DECISIVE))
    kept = built | known.among(asked.said.contents(["keep", "edit"]))
    held = pool.column[np.unique(known.text[kept.to_numpy()])]
    covered = gain.cover(pool.similar, held[held >= 0])
    rows = _ordered(asked.rows, pool.by_worth)
    row, again = rows["row"].to_numpy(), rows["repeat"].to_numpy()
    column, worth = pool.column[row], pool.worth[row]
    able = column >= 0
    first, gained = gain.in_order(pool.similar, covered, pool.worth[pool.row], column[able & ~again])
    due = column[able & again]
    # By column, and the last, -1, for all that have no vector.
    share, place = np.full(len(pool.row) + 1, np.nan), np.zeros(len(pool.row) + 1, dtype=np.int64)
    most = gained.max(initial=0.0)
    share[first] = gained / max(most, 1e-12)
    share[due] = np.minimum(gain.gains(pool.similar, covered, due) / max(most, 1e-12), 1.0)
    place[column] = np.arange(len(row))
    repeats = again & (~able | (most > 0))
    order = np.concatenate([place[first], np.flatnonzero(~able & ~again), np.flatnonzero(repeats)])
    share, worth = share[column][order], worth[order]
    why = _gains(asked.language).gather(_hundredths(share) * STEPS + _hundredths(worth))
    level = np.where(np.isnan(share), 1.0 - worth, -share * worth)
    return _put(rows[order], why, pl.Series(level))


@functools.cache
def _gains(language: str) -> pl.Series:
    """What is said of each share (STEPS of them, and none) and each quality: (STEPS + 1, STEPS), one row after the other."""
    said, figures = phrases(language), [f"{step / 100:g}" for step in range(STEPS)]
    both = [said["gain"].format(share=share, worth=worth) for share in figures for worth in figures]
    return pl.Series(both + [said["quality"].format(worth=worth) for worth in figures])


def _hundredths(values: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] in hundredths, STEPS for those that are none."""
    return (pl.Series(values).fill_nan(STEPS / 100).round(2) * 100).round().cast(pl.Int64).to_numpy()


def _ordered(rows: pl.DataFrame, order: np.ndarray) -> pl.DataFrame:
    """Those `rows` whose number is in `order`, in this order."""
    numbers = rows["row"].to_numpy()
    place = np.full(1 + max(numbers.max(initial=-1), order.max(initial=-1)), -1)
    place[numbers] = np.arange(rows.height)
    found = pl.Series(place[order])
    return rows.select(pl.all().gather(found.filter(found >= 0)))


def _told(rows: pl.DataFrame, key: str, words: Mapping[int, str]) -> pl.DataFrame:
    """Those `rows` whose `key` has words, which are why."""
    told = pl.DataFrame({key: list(words), "why": list(words.values())}, schema={key: pl.Int64, "why": pl.String})
    return _put(rows.join(told, on=key, maintain_order="left"), pl.col("why"))


def _with_fates(asked: Asked, rows: pl.DataFrame) -> pl.DataFrame:
    return _put(rows, standing.fates(asked.desk, asked.language).gather(rows["row"]))


def _opinion(phrase: str, opinion: Opinion | Event, said: Mapping[str, str]) -> str:
    return phrase.format(reviewer=opinion.reviewer, decision=said[opinion.decision])


def _put(rows: pl.DataFrame, why: pl.Expr | pl.Series, level: pl.Series | None = None) -> pl.DataFrame:
    return rows.select(*_PUT, why=why, level=pl.lit(None, pl.Float64) if level is None else level)


ORDERS: dict[str, Callable[[Asked], pl.DataFrame]] = {
    "most_valuable": _most_valuable,
    "near_threshold": _near_threshold,
    "audit": _audit,
    "quota_gaps": _quota_gaps,
    "disagreements": _disagreements,
    "second_look": _second_look,
    "stale": _stale,
    "flagged": _flagged,
    "undecided": _undecided,
    "dropped": _dropped,
    "repeats": _repeats,
}
