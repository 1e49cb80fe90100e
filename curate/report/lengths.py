"""How long answers were before the rules and are in the set, by source, beside the lengths that the recipe asks for."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import runs
from curate.recipe import Recipe
from curate.rules.table import BY_NAME
from curate.stages import filters

BINS = 36
# An answer of no characters stands in the first bin.
SHORTEST = 10


def lengths(run: Path, recipe: Recipe, kept: pl.DataFrame) -> dict[str, Any]:
    """`edges` (characters, growing by a constant factor) and `rows`, one a source and last one for `all`: `before` and `after`,
    each with `examples`, `counts` in these bins, and `p05`, `median`, `p95`; `low` and `high`, the limits of `min_chars` and
    `max_chars` there, null where they are off. Before: all that reached the filters; after: `kept` (`id`).
    """
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == "filters")
    measured = pl.scan_parquet(folder.parts).select("id", "response_chars").collect()
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id", "source"])
    frame = measured.join(inputs, on="id", how="left").join(kept.select("id", kept=True), on="id", how="left")
    longest = max(int(frame["response_chars"].max() or 0), 10 * SHORTEST)  # type: ignore[arg-type]
    edges = np.geomspace(SHORTEST, longest, BINS + 1)
    rows = [
        _row(name, frame.filter(pl.col("source") == name), edges, _band(recipe, name))
        for name in inputs["source"].unique(maintain_order=True)
    ]
    rows = [row for row in rows if row["before"]["examples"]]
    return {
        "edges": [round(edge, 2) for edge in edges.tolist()],
        "rows": [*rows, _row("all", frame, edges, (None, None))],
    }


def _row(name: str, frame: pl.DataFrame, edges: np.ndarray, band: tuple[float | None, float | None]) -> dict[str, Any]:
    after = frame.filter(pl.col("kept").is_not_null())
    return {
        "source": name,
        "before": _distribution(frame["response_chars"], edges),
        "after": _distribution(after["response_chars"], edges),
        "low": band[0],
        "high": band[1],
    }


def _distribution(values: pl.Series, edges: np.ndarray) -> dict[str, Any]:
    inside = np.clip(values.to_numpy().astype(np.float64), edges[0], edges[-1])
    counts = np.histogram(inside, edges)[0].tolist()
    points = [values.quantile(share, "nearest") for share in (0.05, 0.5, 0.95)]
    return {"examples": values.len(), "counts": counts, **dict(zip(("p05", "median", "p95"), points, strict=True))}


def _band(recipe: Recipe, source: str) -> tuple[float | None, float | None]:
    found: list[float | None] = []
    for name in ("min_chars", "max_chars"):
        general, by_source = filters.limits(BY_NAME[name], recipe.filters)
        limit = by_source.get(source, general)
        found.append(float(limit) if isinstance(limit, int | float) else None)
    return found[0], found[1]
