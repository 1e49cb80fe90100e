"""Selection: quotas with back-fill, strata sampled with temperature, and two baselines at the same size.

Each *bucket* (a source, or one topic group of a source) has a quota; what a bucket cannot fill goes to those that can.
Inside a bucket, places are shared out over strata in proportion to n^(1/temperature), n being a stratum's size; inside
a stratum examples follow in the chosen order. The ranking interleaves the strata, so every prefix of it is balanced.
"""

from hashlib import blake2b
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate.config import Strict
from curate.record import Decision, verdicts

NEEDS = ("source", "group", "stratum", "score", "response_chars", "lot")

RULES = {
    "not_selected": (
        "Good enough, but the set was full: its rank is beyond the size of the set (LIMA section 2.1 samples 200 + 200"
        " Stack Exchange answers over exchanges with temperature 3)."
    )
}


# What comes first inside a stratum: column, descending.
ORDERS = {"score": ("score", True), "random": ("lot", False), "longest": ("response_chars", True)}


class Settings(Strict):
    """How many examples, from where, in which order."""

    size: int | None = Field(None, ge=1, description="examples in the set; by default the sum of the quotas, or all")
    quotas: dict[str, int] = Field({}, description="places for a `source` or for one `source/group` of it")
    temperature: float = Field(1.0, ge=1, description="tau in p ~ n^(1/tau) over strata; 1 = proportional, LIMA: 3")
    order: Literal["score", "random", "longest"] = Field("score", description="what comes first inside a stratum")
    seed: int = Field(1, description="seed of the random order and of ties")


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: the seed."""
    return settings.seed


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id` and `lot` (String): the example's place in a seeded shuffle, the same on every machine."""
    lots = [blake2b(f"{settings.seed}\0{id_}".encode(), digest_size=8).hexdigest() for id_ in shard["id"]]
    return shard.select("id", pl.Series("lot", lots, dtype=pl.String))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for every example beyond the set's size, and for all: `bucket`, `rank`, `random_rank`, `longest_rank`.

    Ranks count from 1 over all examples that reach selection. `rank` <= size means selected. The baselines rank the same
    examples by lot and by response length: their first `size` are what the chosen set has to beat.
    """
    wanted = sum(settings.quotas.values()) if settings.size is None and settings.quotas else settings.size
    size = corpus.height if wanted is None else min(wanted, corpus.height)
    ranked = _rank(_bucketed(corpus, settings.quotas), settings, size)
    scores = ranked.select(
        "id",
        "bucket",
        "rank",
        random_rank=pl.struct("lot", "id").rank("ordinal").cast(pl.Int64),
        longest_rank=pl.struct(-pl.col("response_chars").cast(pl.Int64), "id").rank("ordinal").cast(pl.Int64),
    ).sort("id")
    beyond = scores.filter(pl.col("rank") > size).select("id", value="rank", limit=pl.lit(float(size)))
    return Decision(verdicts("select", "not_selected", beyond), scores)


def _bucketed(corpus: pl.DataFrame, quotas: dict[str, int]) -> pl.DataFrame:
    """`corpus` with its `bucket`: the narrowest quota that names it, else `source` where quotas exist, else one for all."""
    narrow = pl.concat_str("source", pl.col("group").fill_null(""), separator="/")
    bucket = pl.when(narrow.is_in(list(quotas))).then(narrow).otherwise("source") if quotas else pl.lit("all")
    # Two sources may call a stratum alike; they are two strata all the same.
    stratum = pl.concat_str("source", pl.col("stratum").fill_null(""), separator="/")
    return corpus.with_columns(bucket=bucket, stratum=stratum)


def _rank(corpus: pl.DataFrame, settings: Settings, size: int) -> pl.DataFrame:
    strata = corpus.group_by("bucket", "stratum").len("n").sort("bucket", "stratum")
    places = share_out(strata, settings.quotas or {"all": size}, size, settings.temperature)
    first, descending = ORDERS[settings.order]
    # The j-th of a stratum with t places stands (j + 1/2)/t of the way along: below 1 exactly for those with a place.
    return (
        corpus.join(places, on=["bucket", "stratum"])
        .sort(
            ["bucket", "stratum", first, "lot", "id"],
            descending=[False, False, descending, False, False],
            nulls_last=True,
        )
        .with_columns(j=pl.int_range(pl.len()).over("bucket", "stratum"))
        .with_columns(way=(pl.col("j") + 0.5) / pl.when(pl.col("places") > 0).then("places").otherwise(0.5))
        .sort(pl.col("j") >= pl.col("places"), "way", "bucket", "stratum", "j")
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    )


def share_out(strata: pl.DataFrame, quotas: dict[str, int], size: int, temperature: float) -> pl.DataFrame:
    """`strata` (`bucket`, `stratum`, `n`) with `places`: how many of each stratum are in a set of `size`.

    Every bucket gets its quota or all it has; places left over go to the buckets that have more, in proportion to their
    quotas (to what they have left, where none of them has a quota). Within a bucket places follow n^(1/temperature),
    never more than n, rounded by largest remainder with ties in the order of names.
    """
    buckets = strata.group_by("bucket").agg(pl.col("n").sum()).sort("bucket")
    names, have = buckets["bucket"].to_list(), buckets["n"].to_numpy()
    quota = np.array([quotas.get(name, 0) for name in names], dtype=float)
    take = apportion(quota, np.minimum(have, quota.astype(int)), min(size, int(quota.sum())))
    weights = np.where(quota > 0, quota, 0.0)
    while (missing := min(size, int(have.sum())) - int(take.sum())) > 0:
        room = have - take
        weight = weights * (room > 0) if (weights * (room > 0)).any() else room.astype(float)
        take = take + apportion(weight, room, missing)
    chosen = []
    for name, places in zip(names, take, strict=True):
        n = strata.filter(pl.col("bucket") == name)["n"].to_numpy()
        chosen.append(apportion(n ** (1 / temperature), n, int(places)))
    flat = np.concatenate(chosen) if chosen else np.array([], dtype=np.int64)
    return strata.with_columns(places=pl.Series(flat, dtype=pl.Int64))


def apportion(weights: np.ndarray, capacity: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers, at most `capacity` each, that sum to `total` (or to all the capacity there is with a weight).

    In proportion to `weights`; whoever would pass its capacity is filled and the rest shared among the others (so p ~ w
    among those with room); fractions by largest remainder, ties to the first. Shapes: all (n,).
    """
    given = np.zeros(len(weights), dtype=np.int64)
    open_ = (weights > 0) & (capacity > 0)
    total = min(total, int(capacity[open_].sum()))
    while total > 0:
        exact = np.where(open_, weights, 0.0) * (total / weights[open_].sum())
        full = open_ & (exact >= capacity)
        if not full.any():
            given[open_] = np.floor(exact[open_])
            remainder = np.where(open_, exact - np.floor(exact), -1.0)
            given[np.argsort(-remainder, kind="stable")[: total - int(np.floor(exact[open_]).sum())]] += 1
            break
        given[full] = capacity[full]
        total -= int(capacity[full].sum())
        open_ &= ~full
    return given
