"""Examples to look at: kept ones, those that passed a rule by little, drops, twins and leaks; the same ones every time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from curate import runs
from curate.report import rules, twins
from curate.report.rules import Margin

# Enough of a text to judge it by; the run folder has the rest.
CHARS = 700


def samples(
    run: Path, ledger: pl.DataFrame, margins: dict[str, Margin], leaked: Iterable[dict[str, Any]], each: int = 3
) -> dict[str, Any]:
    """`kept`: a few kept examples; `dropped` and `near`: by `stage/rule`, a few that it dropped and a few kept ones that passed
    by least; `clusters`: the largest of duplicates, their members together; `leaks`: the examples of these pairs by id.

    Rows have `id`, `key`, `prompt`, `response` (their first CHARS characters) and of drops `value`, `limit`, `other` (as a key)
    and `detail`. Records that never became an example have no text.
    """
    kept = pl.read_parquet(run / "dataset.parquet", columns=["id"])
    some = ledger.sort("id").group_by("stage", "rule", maintain_order=True).head(each)
    near = {name: rules.near_the_line(margin, kept, each) for name, margin in margins.items()}
    few = kept.sort("id").head(each)
    members, pairs = twins.largest(ledger), pl.DataFrame(list(leaked), schema={"id": pl.String})
    frames = [some, few, members, pairs, *near.values()]
    found = _texts(run, pl.concat(frame.select("id") for frame in frames).unique())
    keys = pl.read_parquet(run / "inputs.parquet", columns=["id", "key"])
    others = keys.select(other="id", other_key="key")
    shown = some.join(others, on="other", how="left").with_columns(other=pl.coalesce("other_key", "other"))
    dropped: dict[str, list[dict[str, Any]]] = {}
    for row in shown.join(found, on="id", how="left").to_dicts():
        dropped.setdefault(f"{row['stage']}/{row['rule']}", []).append(row)
    groups = members.join(found, on="id", how="left", maintain_order="left")
    return {
        "kept": few.join(found, on="id", how="left").to_dicts(),
        "dropped": dropped,
        "near": {
            name: frame.join(found, on="id", how="left", maintain_order="left").to_dicts()
            for name, frame in near.items()
        },
        "clusters": [rows.to_dicts() for _, rows in groups.group_by("of", "cluster", maintain_order=True)],
        "leaks": {row["id"]: row for row in pairs.unique().join(found, on="id").to_dicts()},
    }


def _texts(run: Path, wanted: pl.DataFrame) -> pl.DataFrame:
    """`id`, `key`, and `prompt` and `response`, null of what never became an example."""
    rows: list[dict[str, Any]] = []
    # Part by part, and as Python rows: a frame of a few strings would keep the buffers of all of them alive.
    for path in runs.stage_folders(run)[1].parts:
        part = pl.read_parquet(path, columns=["id", "prompt", "response"]).join(wanted, on="id", how="semi")
        rows += part.with_columns(_start("prompt"), _start("response")).to_dicts()
    schema = dict.fromkeys(("id", "prompt", "response"), pl.String)
    keys = (
        pl.scan_parquet(run / "inputs.parquet").select("id", "key").join(wanted.lazy(), on="id", how="semi").collect()
    )
    return keys.join(pl.DataFrame(rows, schema=schema), on="id", how="left")


def _start(column: str) -> pl.Expr:
    whole = pl.col(column)
    return pl.when(whole.str.len_chars() > CHARS).then(whole.str.slice(0, CHARS) + " …").otherwise(whole).alias(column)
