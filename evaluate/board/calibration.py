"""Control judges on the pairs that were judged: what chance, the place shown and length alone would have said.

A board shows them beside the judges: a judge that agrees with `longer` as often as with people measures length.
"""

import numpy as np
import polars as pl

from ..judges.controls import NAMES


def split(judgements: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judgements by judges, and those by control judges (their names are those of `judges.controls`)."""
    is_control = pl.col("judge").is_in(list(NAMES))
    return judgements.filter(~is_control), judgements.filter(is_control)


def controls(judged: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """What each control judge says of the pairs in `judged` (schema JUDGED), each pair and order once: schema JUDGED.

    `first` prefers the answer shown first and is left out where no order is known; `longer` the one with more characters
    (equal: a tie), left out where an output is missing; `random` is a coin, seeded, one toss a row.
    """
    key = ["prompt_id", "model_a", "model_b", "first", "sample", "turn"]
    pairs = judged.filter(pl.col("model_b").is_not_null() & (pl.col("model_a") != pl.col("model_b")))
    # One of two judges may have seen a pair in an order that is not known: that is one pair, too.
    once = pairs.unique(key, keep="first", maintain_order=True)
    sides = [pl.col(f"output_{side}").str.len_chars().cast(pl.Int64) for side in ("a", "b")]
    longer = pl.when(sides[0] > sides[1]).then(pl.lit("a")).when(sides[0] < sides[1]).then(pl.lit("b"))
    toss = pl.Series(np.random.default_rng(seed).random(once.height) < 0.5, dtype=pl.Boolean)
    verdicts = {
        "random": pl.when(toss).then(pl.lit("a")).otherwise(pl.lit("b")),
        "first": pl.col("first"),
        "longer": longer.otherwise(pl.when(sides[0] == sides[1]).then(pl.lit("tie"))),
    }
    blank = {name: pl.lit(None, judged.schema[name]) for name in ("probability", "score", "template", "raw")}
    said = [
        once.with_columns(**blank, judge=pl.lit(name), verdict=verdict, status=pl.lit("ok"), fingerprint=pl.lit(name))
        for name, verdict in verdicts.items()
    ]
    return pl.concat(said).filter(pl.col("verdict").is_not_null()).select(judged.columns)
