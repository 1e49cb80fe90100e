"""The candidates of a run as one table: what each is, what became of it, and how near it is to a limit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate.recipe import Recipe
from curate.report import fates
from curate.rules.table import TABLE
from curate.stages import filters
from curate.text import content_hashes

TITLE_CHARS = 160
# The stages in which one candidate gives way to another.
TWINS = ("exact", "near", "meaning")
# What of the stages' scores the table and the reasons show.
QUALITY = ("quality", "quality_percentile", "ifd", "superfilter", "reward", "grade", "reviewer")
COLUMNS = (
    *("row", "id", "content", "source", "group", "stratum", "key", "license", "url", "title"),
    *("prompt_chars", "response_chars", "turns", "score", "language", "quality", "rank", "gain"),
    *("fate", "stage", "rule", "value", "limit", "margin", "nearest", "nearest_value", "nearest_limit"),
    *("cluster", "topic", "x", "y", "vector_row"),
)


class Bound(NamedTuple):
    """A rule that compares a measured number: the limits (low, high) of single sources, and of all others (None: no limit)."""

    stage: str
    rule: str
    column: str
    others: tuple[float | None, float | None]
    by_source: dict[str, tuple[float | None, float | None]]


def of_shard(clean: pl.DataFrame) -> pl.DataFrame:
    """What can be said of a shard (EXAMPLE columns) from its rows alone: COLUMNS up to `score`, without `row`.

    `title` is the first TITLE_CHARS of the prompt as one line; `turns` counts the messages without the system's.
    """
    opening = pl.col("prompt").fill_null("").str.strip_chars_start().str.slice(0, 20 * TITLE_CHARS)
    return clean.select(
        "id",
        content_hashes(clean),
        *("source", "group", "stratum", "key", "license", "url"),
        opening.str.replace_all(r"\s+", " ").str.slice(0, TITLE_CHARS).str.strip_chars_end().alias("title"),
        prompt_chars=pl.col("prompt").fill_null("").str.len_chars().cast(pl.Int64),
        response_chars=pl.col("response").fill_null("").str.len_chars().cast(pl.Int64),
        turns=pl.col("history").list.len().fill_null(0).cast(pl.Int64) + 2,
        score="score",
    )


def verdicts(found: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The verdicts (schema VERDICT) on candidates (`row`, `id`), in the order of rows and, of a row, of the rules.

    `row`, `stage`, `rule`, `value`, `limit`, `other` (the row of `other_id`, null where it names none), `other_id`, `detail`.
    """
    order = fates.order().select("stage", "rule", "place")
    others = rows.select(other_id="id", other="row")
    return (
        found.rename({"other": "other_id"})
        .join(rows, on="id")
        .join(others, on="other_id", how="left")
        .join(order, on=["stage", "rule"], how="left")
        .sort("row", "place", nulls_last=True)
        .select("row", "stage", "rule", "value", "limit", "other", "other_id", "detail")
    )


def with_fates(candidates: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """`candidates` with the first of the verdicts on each: `fate`, `stage`, `rule`, `value`, `limit`; kept where there is none."""
    first = found.unique("row", keep="first", maintain_order=True).select("row", "stage", "rule", "value", "limit")
    kinds = first.join(fates.order().select("stage", "rule", "fate"), on=["stage", "rule"], how="left")
    return candidates.join(kinds, on="row", how="left", maintain_order="left").with_columns(
        fate=pl.when(pl.col("stage").is_null()).then(pl.lit("kept")).otherwise(pl.col("fate").fill_null("limit"))
    )


def with_clusters(candidates: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """`candidates` with `cluster` (Int64): the first row of all that gave way to one another, null where it is alone."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = found.filter(pl.col("stage").is_in(TWINS)).drop_nulls("other")
    ends = pairs["row"].to_numpy(), pairs["other"].to_numpy()
    n = candidates.height
    label = connected_components(coo_array((np.ones(pairs.height, dtype=np.int8), ends), shape=(n, n)), directed=False)
    labelled = candidates.with_columns(cluster=pl.Series(label[1]))
    first = pl.when(pl.len().over("cluster") > 1).then(pl.col("row").min().over("cluster"))
    return labelled.with_columns(cluster=first)


def bounds(recipe: Recipe) -> list[Bound]:
    """The rules of the filters and of quality that compare a number and are on for some source."""
    found = []
    for rule in TABLE:
        if rule.comparison in ("at least", "at most", "within") and filters.is_on(rule, recipe.filters):
            others, by_source = filters.limits(rule, recipe.filters)
            sides = {source: _sides(rule.comparison, limit) for source, limit in by_source.items()}
            found.append(Bound("filters", rule.name, rule.column, _sides(rule.comparison, others), sides))
    quality = recipe.quality
    for name, column, settings in (
        ("max_ifd", "ifd", quality.ifd),
        ("min_reward", "reward", quality.reward),
        ("min_grade", "grade", quality.grade),
        ("min_keep", "reviewer", quality.reviewer),
    ):
        limit = getattr(settings, name, None)
        if limit is not None:
            found.append(Bound("quality", name, column, (None, limit) if name == "max_ifd" else (limit, None), {}))
    return found


def _sides(comparison: str, limit: Any) -> tuple[float | None, float | None]:  # noqa: ANN401 - a number or a pair
    if limit is None:
        return None, None
    if comparison == "within":
        low, high = limit
        return low, high
    return (limit, None) if comparison == "at least" else (None, limit)


def with_margins(
    candidates: pl.DataFrame, measured: pl.DataFrame, found: pl.DataFrame, rules: Sequence[Bound]
) -> pl.DataFrame:
    """`candidates` with `margin`, their distance to a limit as a share of that limit, and which: `nearest`, `nearest_value`,
    `nearest_limit`. `measured` has the columns that `rules` compare, in the same order.

    Of a kept one, the smallest room to any of `rules` (limits of 0 apart: there is no share of them). Of a dropped one, the
    largest miss of any verdict, as a negative number: all it lacks is at most that; null where a verdict is no comparison.
    """
    passing = _room(candidates["source"], measured, rules)
    names = ("margin", "nearest", "nearest_value", "nearest_limit")
    kept = pl.col("fate") == "kept"
    return (
        candidates.hstack(passing)
        .join(_misses(found), on="row", how="left", maintain_order="left", suffix="_missed")
        .with_columns(pl.when(kept).then(name).otherwise(f"{name}_missed").alias(name) for name in names)
        .drop([f"{name}_missed" for name in names])
    )


def _room(sources: pl.Series, measured: pl.DataFrame, rules: Sequence[Bound]) -> pl.DataFrame:
    n = sources.len()
    best, which = np.full(n, np.inf), np.full(n, -1, dtype=np.int64)
    values, limits = np.full(n, np.nan), np.full(n, np.nan)
    for number, rule in enumerate(rules):
        value = measured[rule.column].cast(pl.Float64).to_numpy()
        for side, sign in ((0, 1.0), (1, -1.0)):
            by_source = {source: pair[side] for source, pair in rule.by_source.items()}
            limit = sources.replace_strict(by_source, default=rule.others[side], return_dtype=pl.Float64).to_numpy()
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(limit != 0, sign * (value - limit) / np.abs(limit), np.nan)
            closer = room < best
            best[closer], which[closer], values[closer], limits[closer] = (
                room[closer],
                number,
                value[closer],
                limit[closer],
            )
    names = pl.Series([rule.rule for rule in rules], dtype=pl.String)
    found = pl.DataFrame({"margin": best, "nearest_value": values, "nearest_limit": limits}).with_columns(
        nearest=names.gather(pl.Series(which).replace(-1, None))
    )
    return found.with_columns(pl.when(pl.col("nearest").is_not_null()).then(pl.selectors.float()).name.keep()).select(
        "margin", "nearest", "nearest_value", "nearest_limit"
    )


def _misses(found: pl.DataFrame) -> pl.DataFrame:
    flags = [rule.name for rule in TABLE if rule.comparison in ("never", "always", "one of")]
    compared = ~pl.col("rule").is_in(flags) & (pl.col("stage") != "exact")
    share = (pl.col("value") - pl.col("limit")).abs() / pl.when(pl.col("limit") != 0).then(
        pl.col("limit").abs()
    ).otherwise(1)
    largest = found.with_columns(miss=pl.when(compared).then(-share)).sort(
        "row", "miss", nulls_last=False, maintain_order=True
    )
    first = largest.unique("row", keep="first", maintain_order=True)
    shown = [
        pl.when(pl.col("miss").is_not_null()).then(name).alias(to)
        for name, to in (("rule", "nearest"), ("value", "nearest_value"), ("limit", "nearest_limit"))
    ]
    return first.select("row", *shown, margin="miss")
