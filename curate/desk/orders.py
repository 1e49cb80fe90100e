"""The orders of the queues: each says of what it puts in order why it is there, the best first."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk import adjudication, gain
from curate.desk.model import Desk
from curate.desk.remembered import per_desk
from curate.diversity.shares import share_out
from curate.review import exchange
from curate.review.log import DECISIVE, Opinion

_COLUMNS = (
    *("row", "id", "content", "source", "group", "stratum", "fate", "stage", "rule", "value", "limit", "rank"),
    *("margin", "nearest", "nearest_value", "nearest_limit", "topic"),
)

# What comes of an order, beside `why`.
_PUT = ("row", "text", "repeat", "searched")


class Said(NamedTuple):
    """What the log says to a reviewer: all opinions, the one that counts of each text, the texts that are due for a repeat
    (first one first), and how many decisions the reviewer has taken.
    """

    reviewer: str
    opinions: list[Opinion]
    counting: dict[str, Opinion]
    due: list[str]
    decisions: int


class Asked(NamedTuple):
    """What an order works on: `candidates`, all of them with the `decision` that counts, and `rows`, those to put in order.

    `rows` also have `repeat` and `searched`; what comes of them has these, `row`, `text` and `why`.
    """

    desk: Desk
    log: sqlite3.Connection
    said: Said
    candidates: pl.DataFrame
    rows: pl.DataFrame
    seed: int


class Table(NamedTuple):
    """The candidates as the queues need them. A text is numbered by the first row that has it: `text` (n,), `places` by
    content; `single`: each stands in one row.
    """

    candidates: pl.DataFrame
    places: dict[str, int]
    text: np.ndarray
    single: bool

    def among(self, contents: Iterable[str]) -> pl.Series:
        """Which rows have one of these texts, (n,) Boolean."""
        found = np.zeros(len(self.text), dtype=bool)
        found[[self.places[content] for content in contents if content in self.places]] = True
        return pl.Series(found[self.text])

    def spread(self, decisions: Mapping[str, str]) -> pl.Series:
        """The decision on each row's text, (n,) String, null where there is none."""
        names = sorted(set(decisions.values()))
        codes = np.full(len(self.text), len(names))
        for content, decision in decisions.items():
            if content in self.places:
                codes[self.places[content]] = names.index(decision)
        return pl.Series([*names, None], dtype=pl.String).gather(codes[self.text]).alias("decision")


@per_desk
def table(desk: Desk) -> Table:
    """The candidates of a desk, numbered."""
    contents = desk.candidates["content"].to_list()
    places: dict[str, int] = {}
    text = np.array([places.setdefault(content, row) for row, content in enumerate(contents)], dtype=np.int64)
    candidates = desk.candidates.select(_COLUMNS).with_columns(text=pl.Series(text))
    return Table(candidates, places, text, len(places) == len(contents))


@per_desk
def drawn(desk: Desk, seed: int) -> pl.Series:
    """A lot of each row's text, (n,) UInt64."""
    return pl.Series("lot", [lot(seed, content) for content in desk.candidates["content"]], dtype=pl.UInt64)


@per_desk
def _turns(desk: Desk, seed: int) -> pl.Series:
    """The place of each row among all that its rule dropped, by lot. It does not change with what is decided."""
    lots = desk.candidates.select("stage", "rule").with_columns(drawn(desk, seed))
    return lots.select(turn=pl.col("lot").rank("ordinal").over("stage", "rule")).to_series()


def lot(seed: int, *parts: str | int) -> int:
    """A number below 2^64 drawn by a hash, the same on every machine."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), key=str(seed).encode(), digest_size=8).digest())


def _undecided(asked: Asked) -> pl.DataFrame:
    return _put(asked.rows, _fate())


def _dropped(asked: Asked) -> pl.DataFrame:
    return _put(asked.rows.filter(pl.col("fate") != "kept"), _fate())


def _near_threshold(asked: Asked) -> pl.DataFrame:
    near = asked.rows.filter(pl.col("margin").is_not_null()).sort(pl.col("margin").abs(), "row")
    value, limit = pl.col("nearest_value"), pl.col("nearest_limit")
    sign = pl.when(value < limit).then(pl.lit("<")).when(value > limit).then(pl.lit(">")).otherwise(pl.lit("="))
    verb = pl.when(pl.col("fate") == "kept").then(pl.lit("passed")).otherwise(pl.lit("missed"))
    by = _number((value - limit).abs())
    return _put(near, pl.format("{} {} {} {}, {} by {}", "nearest", _number(value), sign, _number(limit), verb, by))


def _audit(asked: Asked) -> pl.DataFrame:
    rows = asked.rows.with_columns(_turns(asked.desk, asked.seed).gather(asked.rows["row"]))
    return _put(rows.filter(pl.col("fate") != "kept").sort("turn", "stage", "rule", "row"), _fate())


def _second_look(asked: Asked) -> pl.DataFrame:
    by_content: dict[str, set[str]] = {}
    for opinion in asked.said.opinions:
        if opinion.decision in DECISIVE or opinion.reviewer == asked.said.reviewer:
            by_content.setdefault(opinion.content, set()).add(opinion.reviewer)
    once = [content for content, who in by_content.items() if len(who) == 1 and asked.said.reviewer not in who]
    rows = _with_lots(asked).filter(table(asked.desk).among(once).gather(asked.rows["row"]))
    return _put(rows.sort("lot", "row"), pl.lit("decided by one other reviewer"))


def _disagreements(asked: Asked) -> pl.DataFrame:
    words = {
        content: " · ".join(f"{opinion.reviewer}: {opinion.decision}" for opinion in found)
        for content, found in adjudication.disagreements(asked.log).items()
    }
    return _told(asked.rows, "content", words)


def _flagged(asked: Asked) -> pl.DataFrame:
    counting = asked.said.counting.items()
    flags = {content: f"flagged by {opinion.reviewer}" for content, opinion in counting if opinion.decision == "flag"}
    return _told(asked.rows, "content", flags)


def _stale(asked: Asked) -> pl.DataFrame:
    corpus = dict(asked.desk.candidates.select("id", "content").iter_rows())
    words = {
        str(found.event.example): f"its text has changed since {found.event.reviewer}: {found.event.decision}"
        for found in exchange.stale(asked.log, corpus)
    }
    # Whoever decided on the new text, it is looked at.
    return _told(asked.rows.filter(~pl.col("decision").is_in(DECISIVE).fill_null(value=False)), "id", words)


def _repeats(asked: Asked) -> pl.DataFrame:
    return _told(asked.rows, "content", dict.fromkeys(asked.said.due, "decided a while ago"))


def _quota_gaps(asked: Asked) -> pl.DataFrame:
    """By how full its place would be: the j-th of a cell in which people kept f of t comes at (f + j - 1/2) / t.

    Cells are the strata of each quota's bucket, with the places that the selection gives them, and one more for what a
    bucket lacks, which only examples that never reached the selection can fill.
    """
    wanted = asked.desk.recipe["select"]
    quotas = dict(wanted["quotas"])
    beyond = pl.format("{}, beyond what was selected from", "bucket")
    stratum = pl.concat_str("source", "stratum", separator="/").fill_null(pl.col("bucket"))
    every = asked.candidates.with_columns(bucket=_bucket(quotas))
    every = every.with_columns(cell=pl.when(pl.col("rank").is_null()).then(beyond).otherwise(stratum))
    reached = (
        every.filter(pl.col("rank").is_not_null()).group_by("bucket", stratum="cell").agg(n=pl.len(), held=pl.lit(0))
    )
    size = wanted["size"] or sum(quotas.values()) or int(reached["n"].sum())
    shared = share_out(reached.sort("bucket", "stratum"), quotas or {"all": size}, size, wanted["temperature"])
    places = shared.select("bucket", "places", cell="stratum")
    schema = {"bucket": pl.String, "quota": pl.Int64}
    lack = (
        pl.DataFrame({"bucket": list(quotas), "quota": list(quotas.values())}, schema=schema)
        .join(places.group_by("bucket").agg(pl.col("places").sum()), on="bucket", how="left")
        .select("bucket", places=pl.col("quota") - pl.col("places").fill_null(0), cell=beyond)
    )
    targets = pl.concat([places, lack]).filter(pl.col("places") > 0)
    kept = every.filter(pl.col("decision").is_in(["keep", "edit"])).unique("text")
    full = kept.group_by("bucket", "cell").len("full")
    rows = asked.rows.join(every.select("row", "bucket", "cell"), on="row").sort("rank", "row", nulls_last=True)
    rows = rows.unique("text", keep="first", maintain_order=True)
    rows = rows.join(targets, on=["bucket", "cell"], maintain_order="left")
    rows = rows.join(full, on=["bucket", "cell"], how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("full").fill_null(0), j=(~pl.col("repeat")).cum_sum().over("bucket", "cell"))
    gaps = rows.filter(pl.col("repeat") | (pl.col("full") + pl.col("j") <= pl.col("places")))
    way = (pl.col("full") + pl.col("j") - 0.5) / pl.col("places")
    return _put(gaps.sort(way, "bucket", "cell", "row"), pl.format("fills {} {}/{}", "cell", "full", "places"))


def _most_valuable(asked: Asked) -> pl.DataFrame:
    """By the gain over what people kept and what the build kept and nobody rejected, in shares of the largest, × quality."""
    pool = gain.pool(asked.desk)
    column = np.full(asked.candidates.height, -1, dtype=np.int64)
    column[pool.row] = np.arange(len(pool.row))
    said, built = pl.col("decision"), pl.col("fate") == "kept"
    kept = pl.when(said.is_in(DECISIVE)).then(said != "reject").otherwise(built)
    held = column[asked.candidates.filter(kept)["text"].unique().to_numpy()]
    rows = asked.rows["row"].to_numpy()
    by_worth = np.argsort(-pool.worth[rows], kind="stable")
    able, without = by_worth[column[rows[by_worth]] >= 0], by_worth[column[rows[by_worth]] < 0]
    covered = gain.cover(pool.similar, held[held >= 0])
    order, gained = gain.in_order(pool.similar, covered, pool.worth[pool.row], column[rows[able]])
    place = np.empty(len(pool.row), dtype=np.int64)
    place[column[rows[able]]] = able
    order = np.concatenate([place[order], without])
    share = np.concatenate([gained / max(gained.max(initial=0.0), 1e-12), np.full(len(without), np.nan)])
    found = asked.rows.select(_PUT)[order].with_columns(
        share=pl.Series(share).fill_nan(None), worth=pl.Series(pool.worth[rows[order]])
    )
    quality = pl.format("quality {}", _number(pl.col("worth").round(2)))
    both = pl.format("gain {} × {}", _number(pl.col("share").round(2)), quality)
    return _put(found, pl.when(pl.col("share").is_null()).then(quality).otherwise(both))


def _bucket(quotas: Iterable[str]) -> pl.Expr:
    """The narrowest quota that names a row, else its source; without quotas one for all (as `stages.select`)."""
    names = list(quotas)
    narrow = pl.concat_str("source", pl.col("group").fill_null(""), separator="/")
    return pl.when(narrow.is_in(names)).then(narrow).otherwise("source") if names else pl.lit("all")


def _with_lots(asked: Asked) -> pl.DataFrame:
    return asked.rows.with_columns(drawn(asked.desk, asked.seed).gather(asked.rows["row"]))


def _told(rows: pl.DataFrame, key: str, words: dict[str, str]) -> pl.DataFrame:
    """Those `rows` whose `key` has words, which are why."""
    told = pl.DataFrame({key: list(words), "why": list(words.values())}, schema={key: pl.String, "why": pl.String})
    return _put(rows.join(told, on=key, maintain_order="left"), pl.col("why"))


def _put(rows: pl.DataFrame, why: pl.Expr) -> pl.DataFrame:
    return rows.select(*_PUT, why=why)


def _fate() -> pl.Expr:
    """What the build did with a candidate: "kept, rank 3", "dropped: min_chars 1190, limit 1200"."""
    rank = pl.when(pl.col("rank").is_null()).then(pl.lit("kept")).otherwise(pl.format("kept, rank {}", "rank"))
    rule = pl.format("dropped: {}", "rule")
    measured = pl.format("dropped: {} {}, limit {}", "rule", _number(pl.col("value")), _number(pl.col("limit")))
    dropped = pl.when(pl.col("value").is_null() | pl.col("limit").is_null()).then(rule).otherwise(measured)
    return pl.when(pl.col("fate") == "kept").then(rank).otherwise(dropped)


def _number(value: pl.Expr) -> pl.Expr:
    """A number as a person would write it: four figures, no `.0`."""
    return value.cast(pl.Float64).round_sig_figs(4).cast(pl.String).str.strip_suffix(".0")


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
