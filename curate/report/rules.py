"""Each rule: what it dropped, what it dropped alone and with which others, and how far values are from its limit."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate import corpus, runs
from curate.recipe import Recipe
from curate.report import fates
from curate.rules.table import TABLE
from curate.runs import StageFolder
from curate.stages import filters

BINS = 36
TOGETHER = 5
# Verdicts whose value is no measure of the example: copies in a group, a place in a ranking or a draw, another's score.
_NO_MEASURE = {("exact", "exact_duplicate"), ("select", "not_selected")}


class Margin(NamedTuple):
    """The values that a rule compared: `rows` with `id`, `value`, `limit` (of the row's source) and `failed`; of those that
    passed only where they are measured. `of` is what was measured; `two_sided`: the limits are the ends of a range.
    """

    of: str
    rows: pl.DataFrame
    two_sided: bool = False


def rules(ledger: pl.DataFrame, trusted: dict[str, Any] | None, margins: dict[str, Margin]) -> list[dict[str, Any]]:
    """One row a rule that dropped anything, in the order in which rules are asked.

    `stage`, `rule`, `sentence`, `fate`, `dropped`, of these `alone` (no other rule of the stage), `together` (the rules that
    most often dropped the same rows: `rule`, `examples`), `trusted_share`, and `margin`: `of`, `edges`, `passed` and `failed`
    (counts in these bins), `limit` and `relative`, None where values have no distance from it; where sources have different
    limits, the values are differences from them (relative) and the limit is 0.
    """
    shares = {row["rule"]: row for row in trusted["rules"]} if trusted else {}
    counts = _counts(ledger)
    together = _together(ledger)
    rows = []
    for stage, sentences in fates.RULES.items():
        for rule, sentence in sentences.items():
            share = shares.get(rule) if stage == "filters" else None
            found = counts.get((stage, rule))
            if not found:
                continue
            margin = margins.get(f"{stage}/{rule}")
            head = {"stage": stage, "rule": rule, "sentence": sentence, "fate": fates.fate(stage, rule), **found}
            tail = {"together": together.get((stage, rule), []), "trusted_share": share["share"] if share else None}
            rows.append({**head, **tail, "margin": _histogram(margin) if margin else None})
    return rows


def _counts(ledger: pl.DataFrame) -> dict[tuple[str, str], dict[str, int]]:
    lonely = pl.len().over("id", "stage") == 1
    counted = ledger.with_columns(alone=lonely).group_by("stage", "rule").agg(dropped=pl.len(), alone=pl.sum("alone"))
    return {(stage, rule): {"dropped": dropped, "alone": alone} for stage, rule, dropped, alone in counted.iter_rows()}


def _together(ledger: pl.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    several = ledger.filter(pl.len().over("id", "stage") > 1).select("id", "stage", "rule")
    pairs = several.join(several, on=["id", "stage"], suffix="_other").filter(pl.col("rule") != pl.col("rule_other"))
    counted = pairs.group_by("stage", "rule", "rule_other").agg(examples=pl.len())
    ordered = counted.sort(["stage", "rule", "examples", "rule_other"], descending=[False, False, True, False])
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for stage, rule, other, examples in ordered.iter_rows():
        rows = found.setdefault((stage, rule), [])
        if len(rows) < TOGETHER:
            rows.append({"rule": other, "examples": examples})
    return found


def margins(run: Path, recipe: Recipe, ledger: pl.DataFrame) -> dict[str, Margin]:
    """The margin of each rule that compares a number, by `stage/rule`."""
    dropped = ledger.filter(pl.col("value").is_not_null() & pl.col("limit").is_not_null())
    found = {}
    for (stage, rule), mine in dropped.group_by("stage", "rule", maintain_order=True):
        name = f"{stage}/{rule}"
        if (stage, rule) not in _NO_MEASURE and stage not in ("source", "filters"):
            found[name] = Margin("similarity or score", mine.select("id", "value", "limit", failed=pl.lit(value=True)))
    return found | _of_filters(run, recipe) | _of_quality(run, recipe)


def _failed(folder: StageFolder) -> pl.DataFrame:
    """`id` and `rule` of every verdict of a stage; what a reviewer kept all the same has failed the rule, too."""
    files = [file for file in (folder.verdicts, folder.overridden) if file.exists()]
    return pl.concat([pl.read_parquet(file, columns=["id", "rule"]) for file in files])


def _of_filters(run: Path, recipe: Recipe) -> dict[str, Margin]:
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == "filters")
    verdicts = _failed(folder)
    numeric = [
        rule
        for rule in TABLE
        if rule.comparison in ("at least", "at most", "within") and filters.is_on(rule, recipe.filters)
    ]
    measured = corpus.read(run, folder, ("source", *dict.fromkeys(rule.column for rule in numeric)))
    found = {}
    for rule in numeric:
        general, by_source = filters.limits(rule, recipe.filters)
        value = pl.col(rule.column).cast(pl.Float64)
        limit = _nearest_limit(value, general)
        for source, own in by_source.items():
            limit = pl.when(pl.col("source") == source).then(_nearest_limit(value, own)).otherwise(limit)
        failed = verdicts.filter(pl.col("rule") == rule.name).select("id", failed=pl.lit(value=True))
        rows = measured.select("id", value=value, limit=limit).drop_nulls()
        if rows.height:
            joined = rows.join(failed, on="id", how="left").with_columns(pl.col("failed").fill_null(value=False))
            found[f"filters/{rule.name}"] = Margin(rule.column.replace("_", " "), joined, rule.comparison == "within")
    return found


def _nearest_limit(value: pl.Expr, limit: Any) -> pl.Expr:  # noqa: ANN401 - a number, a pair of them, or None
    if limit is None:
        return pl.lit(None, pl.Float64)
    if isinstance(limit, tuple):
        low, high = (float(part) for part in limit)
        return pl.when((value - low).abs() <= (value - high).abs()).then(low).otherwise(high)
    return pl.lit(float(limit))


def _of_quality(run: Path, recipe: Recipe) -> dict[str, Margin]:
    """The scores that have a limit, of the rows that reached the stage."""
    settings, found = recipe.quality, {}
    limits = {
        "max_ifd": ("ifd", settings.ifd.max_ifd if settings.ifd else None),
        "min_reward": ("reward", settings.reward.min_reward if settings.reward else None),
        "min_grade": ("grade", settings.grade.min_grade if settings.grade else None),
        "min_keep": ("reviewer", settings.reviewer.min_keep if settings.reviewer else None),
    }
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == "quality")
    failed = _failed(folder)
    for rule, (column, limit) in limits.items():
        if limit is None:
            continue
        files = [folder.scores] if column in pl.read_parquet_schema(folder.scores) else folder.parts
        rows = pl.scan_parquet(files).select("id", value=pl.col(column).cast(pl.Float64), limit=pl.lit(float(limit)))
        out = failed.filter(pl.col("rule") == rule).select("id", failed=pl.lit(value=True))
        joined = rows.collect().drop_nulls().join(out, on="id", how="left")
        if joined.height:
            found[f"quality/{rule}"] = Margin(column, joined.with_columns(pl.col("failed").fill_null(value=False)))
    return found


def near_the_line(margin: Margin, kept: pl.DataFrame, most: int = 3) -> pl.DataFrame:
    """The rows of `kept` (`id`) whose values passed by least: `id`, `value`, `limit`; none where all kept values are equal."""
    rows = margin.rows.filter(~pl.col("failed")).join(kept.select("id"), on="id", how="semi")
    if rows["value"].n_unique() < 2:
        return rows.select("id", "value", "limit").clear()
    return rows.sort((pl.col("value") - pl.col("limit")).abs(), "id").head(most).select("id", "value", "limit")


def _histogram(margin: Margin) -> dict[str, Any] | None:
    """Bins of the values, one of whose edges is the limit; what lies beyond the outermost edges is in the outermost bins."""
    limits = margin.rows["limit"].unique()
    one = float(limits[0]) if limits.len() == 1 else None
    values = margin.rows["value"].to_numpy()
    line = one
    if one is None and not margin.two_sided:
        values, line = values - margin.rows["limit"].to_numpy(), 0.0
    edges = _edges(values, line)
    if edges is None:
        return None
    failed = margin.rows["failed"].to_numpy()
    inside = np.clip(values, edges[0] + 1e-12, edges[-1] - 1e-9)
    counts = {
        name: np.histogram(inside[mask], edges)[0].tolist() for name, mask in (("passed", ~failed), ("failed", failed))
    }
    bins = [float(f"{edge:.6g}") for edge in edges.tolist()]
    return {"of": margin.of, "limit": line, "relative": one != line, "edges": bins, **counts}


def _edges(values: np.ndarray, limit: float | None) -> np.ndarray | None:
    # Long tails are cut so that what is near the limit can be seen; their values are in the outermost bins.
    least, low, high, most = np.percentile(values, [1, 10, 90, 99])
    low, high = max(least, low - 1.5 * (high - low)), min(most, high + 1.5 * (high - low))
    if limit is not None:
        low, high = min(low, limit), max(high, limit)
    whole = bool((values == np.round(values)).all())
    if whole and high - low <= 2 * BINS:
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1)
    if high <= low:
        return None
    step = (high - low) / BINS
    if whole:
        step = np.ceil(step)
    origin = low if limit is None else limit
    first, last = np.floor((low - origin) / step + 1e-9), np.ceil((high - origin) / step - 1e-9)
    return np.asarray(origin + step * np.arange(first, last + 1))
