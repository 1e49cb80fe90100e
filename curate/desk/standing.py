"""What the queues know of a desk before anyone decides: its rows in the orders that never change, and what they say of each.

All of it is made once for an open desk, so that a queue only has to leave out what is not asked for.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk.model import Desk
from curate.desk.phrases import filled, number, phrases
from curate.desk.remembered import per_desk
from curate.diversity.shares import share_out


class Table(NamedTuple):
    """The candidates as the queues need them: `rows` has `row`, `text` and the columns that a filter compares.

    A text is numbered by the first row that has it: `text` (n,), `places` by content; `single`: each stands in one row.
    """

    rows: pl.DataFrame
    places: dict[str, int]
    text: np.ndarray
    single: bool

    def among(self, contents: Iterable[str]) -> pl.Series:
        """Which rows have one of these texts, (n,) Boolean."""
        found = np.zeros(len(self.text), dtype=bool)
        found[[self.places[content] for content in contents if content in self.places]] = True
        return pl.Series(found[self.text])

    def firsts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Of those `rows` that have one `text` the first."""
        if self.single:
            return rows
        text, here = rows["text"].to_numpy(), np.arange(rows.height)
        first = np.empty(len(self.text), dtype=np.int64)
        # Of several that go to one place the last stays.
        first[text[::-1]] = here[::-1]
        return rows.filter(pl.Series(first[text] == here))


class Quotas(NamedTuple):
    """The places of the recipe. `order` (k,): the rows that could fill one, by rank; `cell` (n,): which cell is theirs, or -1.

    `cells`, by number: `bucket`, `cell`, `beyond` and `places` (see `quotas`).
    """

    order: np.ndarray
    cell: np.ndarray
    cells: pl.DataFrame


@per_desk
def table(desk: Desk) -> Table:
    """The candidates of a desk, numbered."""
    contents = desk.candidates["content"].to_list()
    places: dict[str, int] = {}
    text = np.array([places.setdefault(content, row) for row, content in enumerate(contents)], dtype=np.int64)
    rows = desk.candidates.select("row", "source", "group", "fate", "topic", text=pl.Series(text))
    return Table(rows, places, text, len(places) == len(contents))


def lot(seed: int, *parts: str | int) -> int:
    """A number below 2^64 drawn by a hash, the same on every machine."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), key=str(seed).encode(), digest_size=8).digest())


@per_desk
def by_lot(desk: Desk, seed: int) -> np.ndarray:
    """All rows in the order of a lot that each text draws, (n,)."""
    return _lots(desk, seed).sort("lot", "row")["row"].to_numpy()


@per_desk
def by_turn(desk: Desk, seed: int) -> np.ndarray:
    """The dropped rows, every rule in turn, those of one rule in the order of their lots."""
    turn = pl.col("lot").rank("ordinal").over("stage", "rule")
    dropped = _lots(desk, seed).with_columns(turn=turn).filter(pl.col("fate") != "kept")
    return dropped.sort("turn", "stage", "rule", "row")["row"].to_numpy()


def _lots(desk: Desk, seed: int) -> pl.DataFrame:
    lots = pl.Series([lot(seed, content) for content in desk.candidates["content"]], dtype=pl.UInt64)
    return desk.candidates.select("row", "stage", "rule", "fate", lot=lots)


@per_desk
def dropped(desk: Desk) -> np.ndarray:
    """The rows that the build dropped, in the order of the input."""
    return desk.candidates.filter(pl.col("fate") != "kept")["row"].to_numpy()


@per_desk
def by_margin(desk: Desk) -> np.ndarray:
    """The rows that have a margin, the smallest of either side first."""
    near = desk.candidates.select("row", "margin").drop_nulls()
    return near.sort(pl.col("margin").abs(), "row")["row"].to_numpy()


@per_desk
def fates(desk: Desk, language: str) -> pl.Series:
    """What the build did with each row, (n,): "kept, rank 3", "dropped: min_chars 1190, limit 1200"."""
    said = phrases(language)
    ranked = filled(said["ranked"], rank=pl.col("rank"))
    rule = {"rule": pl.col("rule")}
    measured = filled(said["measured"], **rule, value=number(pl.col("value")), limit=number(pl.col("limit")))
    return desk.candidates.select(
        why=pl.when(pl.col("fate") == "kept")
        .then(pl.coalesce(ranked, pl.lit(said["kept"])))
        .otherwise(pl.coalesce(measured, filled(said["dropped"], **rule)))
    ).to_series()


@per_desk
def margins(desk: Desk, language: str) -> pl.Series:
    """By how much each row passed or missed the nearest limit, (n,), null where it has none: "min_score 15 > 10, passed by 5"."""
    said, value, limit = phrases(language), pl.col("nearest_value"), pl.col("nearest_limit")
    fields = {
        "rule": pl.col("nearest"),
        "value": number(value),
        "sign": pl.when(value < limit).then(pl.lit("<")).when(value > limit).then(pl.lit(">")).otherwise(pl.lit("=")),
        "limit": number(limit),
        "room": number((value - limit).abs()),
    }
    passed, missed = (filled(said[name], **fields) for name in ("passed", "missed"))
    return desk.candidates.select(why=pl.when(pl.col("fate") == "kept").then(passed).otherwise(missed)).to_series()


@per_desk
def quotas(desk: Desk) -> Quotas:
    """The cells of the recipe's quotas that have places, and the rows that could fill them.

    Cells are the strata of each quota's bucket, with the places that the selection gives them, and one more for what a
    bucket lacks, which only examples that never reached the selection can fill (`beyond`).
    """
    wanted = desk.recipe["select"]
    buckets = dict(wanted["quotas"])
    every = desk.candidates.with_columns(bucket=_bucket(buckets), beyond=pl.col("rank").is_null())
    stratum = pl.concat_str("source", "stratum", separator="/").fill_null(pl.col("bucket"))
    cell = pl.when("beyond").then("bucket").otherwise(stratum)
    every = every.select("row", "rank", "bucket", "beyond", cell=cell)
    reached = every.filter(~pl.col("beyond")).group_by("bucket", stratum="cell").agg(n=pl.len(), held=pl.lit(0))
    size = wanted["size"] or sum(buckets.values()) or int(reached["n"].sum())
    shared = share_out(reached.sort("bucket", "stratum"), buckets or {"all": size}, size, wanted["temperature"])
    places = shared.select("bucket", "places", cell="stratum", beyond=pl.lit(value=False))
    schema = {"bucket": pl.String, "quota": pl.Int64}
    lack = (
        pl.DataFrame({"bucket": list(buckets), "quota": list(buckets.values())}, schema=schema)
        .join(places.group_by("bucket").agg(pl.col("places").sum()), on="bucket", how="left")
        .select(
            "bucket",
            places=pl.col("quota") - pl.col("places").fill_null(0),
            cell="bucket",
            beyond=pl.lit(value=True),
        )
    )
    key = ["bucket", "cell", "beyond"]
    cells = pl.concat([places, lack]).filter(pl.col("places") > 0).sort(key)
    mine = every.join(cells.with_row_index("number"), on=key, how="left", maintain_order="left")
    order = mine.drop_nulls("number").sort("rank", "row", nulls_last=True)["row"]
    return Quotas(order.to_numpy(), mine["number"].cast(pl.Int64).fill_null(-1).to_numpy(), cells)


def _bucket(quotas: Iterable[str]) -> pl.Expr:
    """The narrowest quota that names a row, else its source; without quotas one for all (as `stages.select`)."""
    names = list(quotas)
    narrow = pl.concat_str("source", pl.col("group").fill_null(""), separator="/")
    return pl.when(narrow.is_in(names)).then(narrow).otherwise("source") if names else pl.lit("all")
