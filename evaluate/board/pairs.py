"""Pairs of answers to look at: what each judge said of them in each order, and which of them are worth a look first.

A pair is two answers to one prompt. Nothing here changes a result; it chooses what a page shows beside the results.
"""

from collections.abc import Collection

import numpy as np
import polars as pl

from ..record import preference_a

KEY = ["prompt_id", "model_a", "model_b", "sample", "turn"]
KINDS = ("failed", "flipped", "disagreement", "longest")
# How many pairs a page calls those of the longest difference in length.
LONGEST = 25


def pairs(judged: pl.DataFrame, judges: Collection[str] | None = None) -> pl.DataFrame:
    """One row a pair, in the order of its first judgement: KEY, `category`, `instruction`, `output_a`, `output_b`,
    `judgements`, `length_difference` and the flags `failed`, `flipped`, `disagreement`, `longest`.

    `judged`: schema JUDGED; what `judges` (all) said counts, and texts that one row lacks come from another, whoever judged
    it. `judgements` is a list of structs judge, first, verdict, probability, status, raw. failed: a judgement
    has no verdict. flipped: one judge preferred the one answer in one order and the other in the other. disagreement: two judges,
    on average over their orders, preferred different answers. longest: of the LONGEST pairs whose answers differ most in
    characters (`length_difference`: of a over b).
    """
    both = _oriented(judged.filter(pl.col("model_b").is_not_null() & (pl.col("model_a") != pl.col("model_b"))))
    said = pl.struct("judge", "first", "verdict", "probability", "status", "raw")
    texts = [pl.col(name).drop_nulls().first() for name in ("category", "instruction", "output_a", "output_b")]
    counts = pl.lit(value=True) if judges is None else pl.col("judge").is_in(list(judges))
    grouped = both.group_by(KEY, maintain_order=True).agg(
        *texts, judgements=said.filter(counts), failed=((pl.col("status") != "ok") & counts).any()
    )
    grouped = grouped.filter(pl.col("judgements").list.len() > 0)
    length = [pl.col(name).fill_null("").str.len_chars().cast(pl.Int64) for name in ("output_a", "output_b")]
    found = grouped.join(_flags(both.filter(counts)), on=KEY, how="left", maintain_order="left").with_columns(
        pl.col("flipped", "disagreement").fill_null(value=False), length_difference=length[0] - length[1]
    )
    size = pl.col("length_difference").abs()
    return found.with_columns(longest=(size.rank("ordinal", descending=True) <= LONGEST) & (size > 0))


def chosen(found: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` pairs, in their order: of every kind and of no kind in turn, so that each filter of a page finds some.

    Within a kind they are spread evenly over the models and the prompts.
    """
    if found.height <= limit:
        return found
    plain = ~pl.any_horizontal(*KINDS)
    numbered = found.with_row_index("place")
    queues = [
        _spread(numbered.filter(plain if kind is None else pl.col(kind)))["place"].to_list() for kind in (*KINDS, None)
    ]
    taken: dict[int, None] = {}
    longest = max(map(len, queues), default=0)
    for turn in range(longest):
        taken.update(dict.fromkeys(queue[turn] for queue in queues if turn < len(queue)))
        if len(taken) >= limit:
            break
    return numbered.filter(pl.col("place").is_in(list(taken)[:limit])).drop("place")


def _oriented(judged: pl.DataFrame) -> pl.DataFrame:
    """The same judgements with each two models always in the order in which the frame names them first."""
    ends = pl.concat_list(pl.min_horizontal("model_a", "model_b"), pl.max_horizontal("model_a", "model_b"))
    turned = pl.col("model_a") != pl.col("model_a").first().over(ends)
    other = {"a": "b", "b": "a"}
    swapped = {
        f"{name}_{side}": pl.when(turned).then(pl.col(f"{name}_{other[side]}")).otherwise(pl.col(f"{name}_{side}"))
        for name in ("model", "output")
        for side in other
    }
    return judged.with_columns(
        **swapped,
        first=pl.when(turned).then(pl.col("first").replace(other)).otherwise(pl.col("first")),
        verdict=pl.when(turned).then(pl.col("verdict").replace(other)).otherwise(pl.col("verdict")),
        probability=pl.when(turned).then(1 - pl.col("probability")).otherwise(pl.col("probability")),
    )


def _flags(judged: pl.DataFrame) -> pl.DataFrame:
    """KEY, flipped, disagreement."""
    known = judged.with_columns(preference_a()).filter(pl.col("preference_a").is_not_null())
    by_order = known.group_by([*KEY, "judge", "first"]).agg(side=(pl.col("preference_a").mean() - 0.5).sign())
    shown = pl.col("first").is_not_null()
    flips = by_order.group_by([*KEY, "judge"]).agg(
        flipped=((pl.col("side") > 0) & shown).any() & ((pl.col("side") < 0) & shown).any()
    )
    by_judge = known.group_by([*KEY, "judge"]).agg(side=(pl.col("preference_a").mean() - 0.5).sign())
    joined = by_judge.join(flips, on=[*KEY, "judge"])
    return joined.group_by(KEY).agg(
        flipped=pl.col("flipped").any(),
        disagreement=(pl.col("side") > 0).any() & (pl.col("side") < 0).any(),
    )


def _spread(some: pl.DataFrame) -> pl.DataFrame:
    """The pairs of one kind in an order that takes every two models in turn, and prompts drawn from the whole file."""
    draw = np.random.default_rng(0).permutation(some.height)
    by = ["model_a", "model_b"]
    drawn = some.with_columns(draw=pl.Series(draw, dtype=pl.Int64))
    return drawn.with_columns(turn=pl.col("draw").rank("ordinal").over(by)).sort("turn", *by)
