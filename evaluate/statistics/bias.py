"""What sways a judge besides quality: the place where an answer is shown, and its length.

Judgements of one prompt are not independent; every share has the interval of `intervals.clustered_share` over prompts.
"""

import polars as pl

from curate.errors import InputError

from .intervals import clustered_share

# `decisive`: judgements with a winner whose order is known; `first`: the share of these won by the answer shown first.
# `both_orders`: pairs judged in both orders, each one of `consistent` (one winner), `tied` (a tie twice), `half_tied` (a
# winner and a tie), `flipped` (two winners); `flip_rate`: the share of flipped ones. `flipped_to_first`: of the flipped, how
# many chose the first place both times.
POSITION = pl.Schema(
    {
        "judge": pl.String(),
        "decisive": pl.UInt32(),
        "first": pl.Float64(),
        "first_low": pl.Float64(),
        "first_high": pl.Float64(),
        "both_orders": pl.UInt32(),
        "consistent": pl.UInt32(),
        "tied": pl.UInt32(),
        "half_tied": pl.UInt32(),
        "flipped": pl.UInt32(),
        "flipped_to_first": pl.UInt32(),
        "flip_rate": pl.Float64(),
        "flip_low": pl.Float64(),
        "flip_high": pl.Float64(),
    }
)

VERBOSITY = pl.Schema(
    {
        "judge": pl.String(),
        "decisive": pl.UInt32(),
        "longer": pl.Float64(),
        "longer_low": pl.Float64(),
        "longer_high": pl.Float64(),
    }
)

# alpaca_eval, analyze.py: differences up to 30 characters do not make an answer the longer one.
LONGER_BY = 30


def position(judgements: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """How the order shown sways each judge: schema POSITION, by judge.

    `judgements`: schema JUDGEMENT. Without bias `first` is ½ where every pair is judged in both orders or the order is
    random; a single fixed order mixes it with quality. Null where a judge gave nothing to count.
    """
    pairs = judgements.filter((pl.col("status") == "ok") & pl.col("model_b").is_not_null())
    shown = pairs.filter(pl.col("first").is_not_null() & pl.col("verdict").is_not_null()).with_columns(
        pair=pl.concat_list("model_a", "model_b").list.sort().list.join("\0"),
        to_first=pl.when(pl.col("verdict") != "tie").then(pl.col("verdict") == pl.col("first")),
        first_model=pl.when(pl.col("first") == "a").then("model_a").otherwise("model_b"),
        winner=pl.when(pl.col("verdict") == "a").then("model_a").when(pl.col("verdict") == "b").then("model_b"),
    )
    rows = []
    for judge in pairs["judge"].unique().sort():
        own = shown.filter(pl.col("judge") == judge)
        decisive = own.drop_nulls("to_first")
        first = clustered_share(decisive["to_first"].cast(pl.Float64).to_numpy(), decisive["prompt_id"], level)
        kinds = _both_orders(own)
        flipped = (kinds["kind"] == "flipped").cast(pl.Float64).to_numpy()
        rate = clustered_share(flipped, kinds["prompt_id"], level)
        counts = [int((kinds["kind"] == kind).sum()) for kind in ("consistent", "tied", "half_tied", "flipped")]
        to_first = int(kinds.filter(pl.col("kind") == "flipped")["to_first"].sum())
        rows.append((judge, decisive.height, *first, kinds.height, *counts, to_first, *rate))
    return pl.DataFrame(rows, schema=POSITION, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def verbosity(judgements: pl.DataFrame, *, longer_by: int = LONGER_BY, level: float = 0.95) -> pl.DataFrame:
    """How often each judge prefers the longer answer: schema VERBOSITY, by judge.

    `judgements`: schema JUDGED with `output_a` and `output_b`; pairs whose lengths differ by more than `longer_by` characters
    and have a winner count. A longer answer may be the better one: compare judges on the same pairs, people among them.
    """
    for name in ("output_a", "output_b"):
        if name not in judgements.columns:
            raise InputError(f"verbosity: no column {name}; join the answers to the judgements first")
    longer = pl.col("output_a").str.len_chars().cast(pl.Int64) - pl.col("output_b").str.len_chars().cast(pl.Int64)
    said = judgements.filter((pl.col("status") == "ok") & pl.col("verdict").is_in(["a", "b"]))
    uneven = said.with_columns(longer=longer).filter(pl.col("longer").abs() > longer_by)
    preferred = uneven.with_columns(to_longer=(pl.col("longer") > 0) == (pl.col("verdict") == "a"))
    rows = []
    for (judge,), own in preferred.sort("judge").group_by("judge", maintain_order=True):
        share = clustered_share(own["to_longer"].cast(pl.Float64).to_numpy(), own["prompt_id"], level)
        rows.append((judge, own.height, *share))
    return pl.DataFrame(rows, schema=VERBOSITY, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def _both_orders(shown: pl.DataFrame) -> pl.DataFrame:
    """The pairs judged in both orders: `prompt_id`, `kind`, `to_first` (the first place won both times)."""
    keys = ["prompt_id", "pair", "template", "fingerprint", "sample", "turn"]
    pairs = shown.filter(pl.col("model_a") != pl.col("model_b")).group_by(keys, maintain_order=True)
    found = pairs.agg(
        orders=pl.col("first_model").n_unique(),
        winners=pl.col("winner").drop_nulls().n_unique(),
        ties=pl.col("winner").is_null().any(),
        to_first=pl.col("to_first").all(),
    ).filter(pl.col("orders") == 2)
    kind = (
        pl.when(pl.col("winners") == 2)
        .then(pl.lit("flipped"))
        .when(pl.col("winners") == 0)
        .then(pl.lit("tied"))
        .when("ties")
        .then(pl.lit("half_tied"))
        .otherwise(pl.lit("consistent"))
    )
    return found.select("prompt_id", kind.alias("kind"), "to_first")
