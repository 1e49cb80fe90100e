"""What the set is made of: places against quotas, and its kinds of source beside LIMA's."""

from pathlib import Path
from typing import Any

import polars as pl

from curate import runs
from curate.recipe import Recipe

# LIMA's 1,000 training examples by source: Zhou et al. 2023, "LIMA: Less Is More for Alignment", table 1.
LIMA = {
    "Stack Exchange, STEM": 200,
    "Stack Exchange, other": 200,
    "wikiHow": 200,
    "Reddit, WritingPrompts": 150,
    "Natural Instructions": 50,
    "written by the authors": 200,
}
# The kinds of source here and what of LIMA's they correspond to; its authors' own examples are no kind of file.
KINDS = {
    "stackexchange": ("Stack Exchange, STEM", "Stack Exchange, other"),
    "wikihow": ("wikiHow",),
    "reddit": ("Reddit, WritingPrompts",),
    "instructions": ("Natural Instructions", "written by the authors"),
}
NAMES = {
    "stackexchange": "Stack Exchange",
    "wikihow": "wikiHow",
    "reddit": "Reddit",
    "instructions": "instruction sets",
}


def quotas(run: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """One row a bucket that has a quota: `bucket`, `quota`, `candidates` (reached selection), `kept`; empty without quotas."""
    wanted = recipe.select.quotas
    if not wanted:
        return []
    folder = runs.stage_folders(run)[-1]
    scores = pl.read_parquet(folder.scores, columns=["id", "bucket"])
    out = pl.read_parquet(folder.verdicts, columns=["id"]).unique().with_columns(out=True)
    found = (
        scores.join(out, on="id", how="left")
        .group_by("bucket")
        .agg(candidates=pl.len(), kept=pl.col("out").is_null().sum())
    )
    counts = {row["bucket"]: row for row in found.to_dicts()}
    none = {"candidates": 0, "kept": 0}
    return [
        {
            "bucket": bucket,
            "quota": quota,
            **{key: counts.get(bucket, none)[key] for key in none},
        }
        for bucket, quota in wanted.items()
    ]


def beside_lima(sources: list[dict[str, Any]], recipe: Recipe) -> list[dict[str, Any]]:
    """One row a kind of source: `kind`, `kept`, `share`, and LIMA's `lima` and `lima_share` (its table 1;
    0 for a kind that it has not).
    """
    kinds = {name: settings.kind for name, settings in recipe.active.items()}
    kept = dict.fromkeys([*NAMES, *kinds.values()], 0)
    for row in sources:
        kept[kinds[row["source"]]] += row["kept"]
    whole, theirs = sum(kept.values()), sum(LIMA.values())
    return [
        {
            "kind": NAMES.get(kind, kind),
            "kept": count,
            "share": round(count / whole, 4) if whole else None,
            "lima": sum(LIMA[name] for name in KINDS.get(kind, ())),
            "lima_share": round(sum(LIMA[name] for name in KINDS.get(kind, ())) / theirs, 4),
        }
        for kind, count in kept.items()
    ]


def licences(dataset: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a source and licence of the kept examples: `source`, `license`, `kept`, and how many name their page (`with_url`)."""
    counts = dataset.group_by("source", "license", maintain_order=True).agg(
        kept=pl.len(), with_url=pl.col("url").is_not_null().sum()
    )
    return counts.sort(["kept", "source", "license"], descending=[True, False, False], nulls_last=True).to_dicts()
