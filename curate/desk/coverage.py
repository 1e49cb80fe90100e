"""What the set covers: topics by source, places by quota, and the topics that it leaves thin."""

import polars as pl

from curate.desk.model import Desk

# A topic is thin where the set has less than this share of what a set of its size, drawn evenly, would have of it.
THIN = 0.5


def crossed(desk: Desk, states: pl.DataFrame, by: str = "topic") -> pl.DataFrame:
    """Counts of each value of `by` (a column of the candidates: topic, group, stratum) in each source.

    Columns `by`, `source`, and of the candidates there: `candidates`, `built` (kept by the build), `people` (kept by
    someone), `waiting` (nobody has decided). Sorted by `by`, then source; candidates without a value count as null.
    """
    rows = _judged(desk, states)
    counts = rows.group_by(by, "source").agg(
        candidates=pl.len(), built=pl.col("built").sum(), people=pl.col("people").sum(), waiting=pl.col("waiting").sum()
    )
    return counts.with_columns(pl.exclude(by, "source").cast(pl.Int64)).sort(by, "source", nulls_last=True)


def quotas(desk: Desk, states: pl.DataFrame) -> pl.DataFrame:
    """One row a place of the recipe's `select.quotas`, in its order: `bucket`, `source`, `group` (null: all of the source),
    `quota`, `candidates`, `passed` (got as far as the selection), `built`, `people`, `waiting`, `gap` (quota - people, not
    below 0). A group with a quota of its own does not count for its source's. Empty without quotas.
    """
    wanted = (desk.recipe.get("select") or {}).get("quotas") or {}
    rows = _judged(desk, states).with_columns(
        narrow=pl.concat_str("source", pl.lit("/"), pl.col("group").fill_null(""))
    )
    bucket = pl.when(pl.col("narrow").is_in(list(wanted))).then("narrow").otherwise("source")
    counts = rows.group_by(bucket=bucket).agg(
        candidates=pl.len(),
        passed=pl.col("rank").count(),
        built=pl.col("built").sum(),
        people=pl.col("people").sum(),
        waiting=pl.col("waiting").sum(),
    )
    schema = {"bucket": pl.String, "quota": pl.Int64}
    places = pl.DataFrame({"bucket": list(wanted), "quota": list(wanted.values())}, schema=schema)
    found = places.join(counts, on="bucket", how="left", maintain_order="left")
    parts = pl.col("bucket").str.splitn("/", 2).struct
    return found.with_columns(pl.exclude("bucket").fill_null(0).cast(pl.Int64)).select(
        "bucket",
        parts[0].alias("source"),
        parts[1].alias("group"),
        pl.exclude("bucket"),
        gap=(pl.col("quota") - pl.col("people")).clip(0),
    )


def thin(desk: Desk, states: pl.DataFrame) -> pl.DataFrame:
    """Topics of which the set has too little, the most missing first: `topic`, `candidates`, `kept`, `expected`, `waiting`.

    `kept` counts what people kept and, of the candidates that nobody decided, what the build kept; `expected` is the
    topic's share of all candidates times the size of that set. Only topics below THIN of it that have someone waiting.
    """
    rows = _judged(desk, states).filter(pl.col("topic").is_not_null())
    kept = pl.col("people") | (pl.col("waiting") & pl.col("built"))
    counts = rows.group_by("topic").agg(
        candidates=pl.len().cast(pl.Int64),
        kept=kept.sum().cast(pl.Int64),
        waiting=pl.col("waiting").sum().cast(pl.Int64),
    )
    share = pl.col("candidates") / pl.col("candidates").sum()
    found = counts.with_columns(expected=share * pl.col("kept").sum())
    low = found.filter((pl.col("kept") < THIN * pl.col("expected")) & (pl.col("waiting") > 0))
    return low.sort(pl.col("kept") - pl.col("expected"), "topic").select(
        "topic", "candidates", "kept", "expected", "waiting"
    )


def _judged(desk: Desk, states: pl.DataFrame) -> pl.DataFrame:
    """The candidates with three flags: kept by the build, kept by people, waiting for a decision (a skip is none)."""
    decision = pl.col("decision")
    return desk.candidates.join(
        states.select("row", "decision"), on="row", how="left", maintain_order="left"
    ).with_columns(
        built=pl.col("fate") == "kept",
        people=decision.is_in(["keep", "edit"]).fill_null(value=False),
        waiting=(decision.is_null() | (decision == "skip")).fill_null(value=True),
    )
