"""Clusters of duplicates: a kept example and all that gave way to it."""

from typing import Any

import polars as pl

RULES = {
    "exact": ("exact", "exact_duplicate"),
    "near": ("near", "near_duplicate"),
    "meaning": ("meaning", "same_meaning"),
}
SIZES = ((2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, None))
LARGEST, MEMBERS = 10, 5


def clusters(ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a way of finding them (`exact`, `near`, `meaning`): how many `clusters`, `members` (with those that stayed), and
    `sizes`, rows `from`, `to` (null: open), `clusters`.
    """
    rows = []
    for name, (stage, rule) in RULES.items():
        sizes = _of(ledger, stage, rule).group_by("other").len("gone")["gone"] + 1
        bins = [
            {
                "from": low,
                "to": high,
                "clusters": int(((sizes >= low) & (sizes <= (high or 2**32 - 1))).sum()),
            }
            for low, high in SIZES
        ]
        rows.append({"of": name, "clusters": sizes.len(), "members": int(sizes.sum()), "sizes": bins})
    return rows


def largest(ledger: pl.DataFrame) -> pl.DataFrame:
    """The largest clusters and some of their members: `of`, `cluster` (id of the one that stayed), `size`, `id`, `value` (its
    similarity to that one; null for the one itself, which comes first).
    """
    found = [
        _of(ledger, stage, rule).select(pl.lit(name).alias("of"), cluster="other", id="id", value="value")
        for name, (stage, rule) in RULES.items()
    ]
    gone = pl.concat(found).with_columns(size=(pl.len() + 1).over("of", "cluster"))
    top = (
        gone.select("of", "cluster", "size")
        .unique()
        .sort(["size", "of", "cluster"], descending=[True, False, False])
        .head(LARGEST)
        .with_row_index("place")
    )
    stayed = top.select("place", "of", "cluster", "size", id="cluster", value=pl.lit(None, pl.Float64))
    left = (
        top.join(gone.drop("size"), on=["of", "cluster"])
        .sort(["place", "value", "id"], descending=[False, True, False])
        .group_by("place", maintain_order=True)
        .head(MEMBERS)
    )
    both = pl.concat([stayed, left.select(stayed.columns)])
    return both.sort("place", maintain_order=True).drop("place")


def _of(ledger: pl.DataFrame, stage: str, rule: str) -> pl.DataFrame:
    mine = ledger.filter((pl.col("stage") == stage) & (pl.col("rule") == rule) & pl.col("other").is_not_null())
    # Of equal conversations the value counts the copies; they are the same to the last word.
    return mine.with_columns(value=pl.lit(1.0) if stage == "exact" else pl.col("value"))
