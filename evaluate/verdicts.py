"""What people's votes come to: win rates of each two models, reasons, and how far a person says the same thing twice."""

import polars as pl

from . import record
from .statistics import bias, winrate
from .statistics.intervals import clustered_share

# Of the pairs of two models that a judge decided (`judge` null: all of them together): `a_wins`, `neither`, `b_wins`, `both_bad` (a mark beside these); `win_rate` of a
# in [0, 1], neither ½, with its 95 % interval over prompts.
PAIRWISE = pl.Schema(
    {
        "judge": pl.String(),
        "model_a": pl.String(),
        "model_b": pl.String(),
        "n": pl.Int64(),
        "a_wins": pl.Int64(),
        "neither": pl.Int64(),
        "b_wins": pl.Int64(),
        "both_bad": pl.Int64(),
        "win_rate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)
# Of the `repeats`, pairs decided twice with the sides swapped: the share `same`, LIMA's `tie_discounted` accuracy of the one
# time against the other, and `flipped`, those won by different answers. `first`: the share of decisive votes for the first place.
RELIABILITY = pl.Schema(
    {
        "judge": pl.String(),
        "votes": pl.Int64(),
        "repeats": pl.Int64(),
        **{
            f"{name}{end}": pl.Float64()
            for name in ("same", "tie_discounted", "flipped", "first")
            for end in ("", "_low", "_high")
        },
    }
)
_EXTRA = pl.Struct({"set": pl.Struct({"reasons": pl.List(pl.String)})})
_PAIR = ["judge", "prompt_id", "model_a", "model_b", "sample", "turn"]


def pairwise(judged: pl.DataFrame) -> pl.DataFrame:
    """The win rates of every two models by every judge: schema PAIRWISE. `judged`: schema JUDGED.

    A pair decided twice counts once, with the mean of the two (`winrate.join_orders`).
    """
    joined = winrate.join_orders(judged).filter(pl.col("preference_a").is_not_null())
    marked = judged.filter(pl.col("extra").str.json_path_match("$.set.both_bad") == "true")
    bad = winrate.join_orders(marked).select(*_PAIR, both_bad=pl.lit(value=True))
    decided = joined.join(bad, on=_PAIR, how="left").with_columns(pl.col("both_bad").fill_null(value=False))
    parts = [decided]
    if decided["judge"].n_unique() > 1:
        parts.append(decided.with_columns(judge=pl.lit(None, pl.String)))
    rows = []
    for (judge, a, b), own in pl.concat(parts).group_by("judge", "model_a", "model_b", maintain_order=True):
        won = own["preference_a"]
        counts = [int(part.sum()) for part in (won > 0.5, won == 0.5, won < 0.5, own["both_bad"])]
        rows.append((judge, a, b, own.height, *counts, *clustered_share(won.to_numpy(), own["prompt_id"])))
    return _table(rows, PAIRWISE).sort("judge", "model_a", "model_b", nulls_last=True)


def reasons(judged: pl.DataFrame) -> pl.DataFrame:
    """How often people gave a reason for preferring a model's answer: `model`, `reason`, `n`, the most frequent first."""
    won = judged.filter(pl.col("verdict").is_in(["a", "b"]) & pl.col("extra").is_not_null())
    given = won.select(
        model=pl.when(pl.col("verdict") == "a").then("model_a").otherwise("model_b"),
        reason=pl.col("extra").str.json_decode(_EXTRA).struct.field("set").struct.field("reasons"),
    )
    counts = given.explode("reason").drop_nulls("reason").group_by("model", "reason").agg(n=pl.len().cast(pl.Int64))
    return counts.sort("n", "reason", "model", descending=[True, False, False])


def reliability(judged: pl.DataFrame) -> pl.DataFrame:
    """How far each judge agrees with themselves: schema RELIABILITY, intervals as `intervals.clustered_share` over prompts."""
    said = judged.filter(pl.col("status") == "ok").with_columns(record.preference_a())
    preference = pl.col("preference_a")
    twice = said.group_by(_PAIR, maintain_order=True).agg(
        low=preference.min(), high=preference.max(), orders=pl.col("first").n_unique()
    )
    twice = twice.filter(pl.col("orders") == 2).with_columns(apart=pl.col("high") - pl.col("low"))
    place = {row["judge"]: row for row in bias.position(said).to_dicts()}
    rows = []
    for (judge,), own in said.group_by("judge", maintain_order=True):
        pairs = twice.filter(pl.col("judge") == judge)
        apart, prompts = pairs["apart"].to_numpy(), pairs["prompt_id"]
        # LIMA, section 4.1: 1 for one label, ½ where exactly one of them is a tie, 0 for different winners.
        shares = [clustered_share(values, prompts) for values in (apart == 0, 1 - apart, apart == 1)]
        first = [place[judge][name] for name in ("first", "first_low", "first_high")]
        rows.append((judge, own.height, pairs.height, *(figure for share in shares for figure in share), *first))
    return _table(rows, RELIABILITY).sort("judge")


def _table(rows: list[tuple[object, ...]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))
