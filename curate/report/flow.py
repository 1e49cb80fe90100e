"""Where records left: by stage, and by source, stage and rule."""

from typing import Any

import polars as pl

from curate.report import fates


def funnel(inputs: int, ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a stage: `stage`, `into`, `dropped`, of these `faults`, `left`. A row leaves at the first stage with a verdict on it.

    A row is a fault of the data where a rule of `fates.FAULTS` is among its verdicts.
    """
    per_stage = {row["stage"]: row for row in _by_stage(ledger).to_dicts()}
    left, rows = inputs, []
    for stage in fates.RULES:
        found = per_stage.get(stage, {"dropped": 0, "faults": 0})
        rows.append(
            {
                "stage": stage,
                "into": left,
                "dropped": found["dropped"],
                "faults": found["faults"],
                "left": left - found["dropped"],
            }
        )
        left -= found["dropped"]
    return rows


def _by_stage(ledger: pl.DataFrame) -> pl.DataFrame:
    known = ledger.join(fates.order().select("stage", "rule", "fate"), on=["stage", "rule"], how="left")
    rows = known.group_by("stage", "id").agg(fault=(pl.col("fate") == "fault").any())
    return rows.group_by("stage").agg(dropped=pl.len(), faults=pl.col("fault").sum())


def paths(inputs: pl.DataFrame, ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """How many records of each `source` went which way: `stage`, `rule` and `fate` of their first verdict, null and `kept` for
    those without; `examples`. Sources in the order of the inputs, rules in that in which they are asked.
    """
    order = fates.order()
    places = ledger.join(order, on=["stage", "rule"], how="left").group_by("id").agg(pl.col("place").min())
    first = places.join(order, on="place", how="left")
    ways = (
        inputs.select("id", "source")
        .join(first, on="id", how="left")
        .group_by("source", "stage", "rule", "fate", "place")
        .agg(examples=pl.len())
        .with_columns(pl.col("fate").fill_null("kept"))
    )
    sources = inputs.select(pl.col("source").unique(maintain_order=True)).with_row_index("source_place")
    ordered = ways.join(sources, on="source").sort("source_place", "place", nulls_last=True)
    return ordered.select("source", "stage", "rule", "fate", "examples").to_dicts()


def sources(inputs: pl.DataFrame, ledger: pl.DataFrame, dataset: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a source: `inputs`, `readable` (became an example), `passed` (reached selection), `kept`."""
    first = ledger.group_by("id").agg(stage=pl.col("stage").first())
    return (
        inputs.join(first, on="id", how="left")
        .join(dataset.select("id", kept=True), on="id", how="left")
        .group_by("source", maintain_order=True)
        .agg(
            inputs=pl.len(),
            readable=(pl.col("stage").fill_null("") != "source").sum(),
            passed=pl.col("stage").fill_null("select").eq("select").sum(),
            kept=pl.col("kept").fill_null(value=False).sum(),
        )
        .to_dicts()
    )
