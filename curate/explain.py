"""The whole path of one example through a run: what was read, edited, measured, and decided."""

import difflib
from math import inf
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from curate import config, runs
from curate.contamination import categories
from curate.errors import RunError
from curate.recipe import Recipe
from curate.rules.table import TABLE
from curate.runs import StageFolder
from curate.sources import RULES as SOURCE_RULES
from curate.stages import STAGES, decontaminate, filters

TEXTS = ("system", "prompt", "response")
# Signatures, sets of hashes and vectors: measured, but nothing that a person reads.
BULK = cs.array() | cs.list(cs.numeric())


def explain(run: Path, wanted: str) -> dict[str, Any]:
    """What became of one input, by id, by the start of an id, or by key, and why.

    `input`: its row of inputs.parquet; `fate`: kept or dropped; `stages`: for each stage that saw it `measured` (column:
    value), `verdicts` (each with `margin`: how far the value is beyond the limit), `overridden` (verdicts that do not count
    because a reviewer kept it) and `scores` and, for the filters, `rules`:
    every rule that is on for its source, with `value`, `limit`, `margin` (how far the value may still move, negative where it
    failed) and `passed`; `edits` and `diff`: what cleaning changed; `text`: the clean prompt and response; `twins`, `leaks` and
    `rank`: see the functions below. Raises RunError where there is no such input, or more than one.
    """
    runs.open_run(run)
    recipe = config.load(run / "recipe.yaml", Recipe)
    row = _find(run, wanted)
    folders = runs.stage_folders(run)
    raw, clean = (_row(folder, row["id"]) for folder in folders[:2])
    stages = [_stage(folder, row["id"]) for folder in folders]
    for stage in stages:
        if stage["stage"] == "filters" and stage["measured"]:
            stage["rules"] = filter_rules(
                recipe.filters,
                row["source"],
                {**(clean or {}), **stage["measured"]},
                stage["verdicts"] + stage["overridden"],
            )
    seen = [stage for stage in stages if stage["measured"] or stage["verdicts"] or stage["scores"]]
    _name_the_others(run, [verdict for stage in seen for verdict in stage["verdicts"] + stage["overridden"]])
    dropped = any(stage["verdicts"] for stage in seen)
    return {
        "input": row,
        "fate": "dropped" if dropped else "kept",
        "stages": seen,
        "edits": clean["edits"] if clean else [],
        "diff": _diff(raw, clean) if raw and clean else "",
        "text": {name: clean[name] for name in TEXTS} if clean else None,
        "twins": _twins(run, row["id"]),
        "leaks": _leaks(folders, recipe, row["id"]),
        "rank": _rank(folders, row["id"]),
    }


def _find(run: Path, wanted: str) -> dict[str, Any]:
    inputs = pl.scan_parquet(run / "inputs.parquet")
    exact = (pl.col("id") == wanted) | (pl.col("key") == wanted)
    found = inputs.filter(exact).collect()
    if found.is_empty():
        found = inputs.filter(pl.col("id").str.starts_with(wanted)).head(5).collect()
    if found.is_empty():
        # Keys of the same file or site, where the wanted one names it: site/a/12, alpaca.json:17.
        home = wanted[: max(wanted.rfind("/"), wanted.rfind(":")) + 1]
        keys = inputs.filter(pl.col("key").str.starts_with(home)).select("key").head(20_000).collect()["key"]
        near = difflib.get_close_matches(wanted, keys, n=3)
        hint = f"Near: {', '.join(near)}." if near else "inputs.parquet lists every id and key."
        raise RunError(f"{run}: no input has the id or key '{wanted}'. {hint}")
    if found.height > 1:
        raise RunError(f"{run}: '{wanted}' is the start of several ids: {', '.join(found['id'])}")
    return found.to_dicts()[0]


def _row(folder: StageFolder, wanted: str, columns: cs.Selector | None = None) -> dict[str, Any] | None:
    if not folder.parts:
        return None
    mine = pl.scan_parquet(folder.parts).filter(pl.col("id") == wanted)
    found = mine.select(cs.all() if columns is None else columns).collect().to_dicts()
    return found[0] if found else None


def _stage(folder: StageFolder, wanted: str) -> dict[str, Any]:
    mine = pl.col("id") == wanted
    measured = _row(folder, wanted, cs.all() - BULK) if folder.number > 1 else None
    scores = (
        pl.scan_parquet(folder.scores).filter(mine).collect().drop("id").to_dicts() if folder.scores.exists() else []
    )
    return {
        "stage": folder.name,
        "measured": {name: value for name, value in (measured or {}).items() if name != "id"},
        "verdicts": _verdicts(folder.verdicts, folder, wanted),
        "overridden": _verdicts(folder.overridden, folder, wanted),
        "scores": scores[0] if scores else {},
    }


def _verdicts(file: Path, folder: StageFolder, wanted: str) -> list[dict[str, Any]]:
    """The verdicts on one row in a file of verdicts, each with its `sentence` and `margin`."""
    if not file.exists():
        return []
    rows = pl.scan_parquet(file).filter(pl.col("id") == wanted).collect().drop("id", "stage").to_dicts()
    rules = STAGES[folder.name].RULES if folder.name in STAGES else SOURCE_RULES
    for row in rows:
        row["sentence"] = rules.get(row["rule"], "")
        compared = None not in (row["value"], row["limit"])
        row["margin"] = round(abs(row["value"] - row["limit"]), 6) if compared else None
    return rows


def _name_the_others(run: Path, verdicts: list[dict[str, Any]]) -> None:
    """Give each verdict `other_key`: the key of the example that `other` names, which is what a person knows it by."""
    others = [verdict["other"] for verdict in verdicts if verdict["other"]]
    named = pl.scan_parquet(run / "inputs.parquet").filter(pl.col("id").is_in(others)).select("id", "key").collect()
    keys = dict(named.iter_rows())
    for verdict in verdicts:
        verdict["other_key"] = keys.get(verdict["other"])


def filter_rules(
    settings: filters.Settings, source: str, measured: dict[str, Any], verdicts: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each rule that is on for this source: what it measured, how it compares, the limit, and whether that held.

    `measured` has every column that such a rule compares, `verdicts` those of the filters on this row.
    """
    failed = {verdict["rule"] for verdict in verdicts}
    rows = []
    for rule in TABLE:
        general, by_source = filters.limits(rule, settings)
        limit = by_source.get(source, general)
        if limit is not None:
            shown = {"rule": rule.name, "value": measured[rule.column], "comparison": rule.comparison, "limit": limit}
            room = _room(rule.comparison, shown["value"], limit)
            rows.append({**shown, "margin": room, "passed": rule.name not in failed})
    return rows


def _room(comparison: str, value: Any, limit: Any) -> float | None:  # noqa: ANN401 - a number or, for some rules, none
    """How far a value may still move before the rule drops the row; negative where it is beyond; None for flags and words."""
    if value is None or comparison not in ("at least", "at most", "within"):
        return None
    low, high = limit if comparison == "within" else (limit, None) if comparison == "at least" else (None, limit)
    return round(
        min(float(value - low) if low is not None else inf, float(high - value) if high is not None else inf), 6
    )


def _twins(run: Path, wanted: str) -> list[dict[str, Any]]:
    """Every example that this one gave way to, and every one that gave way to it: `id`, `key`, `kept` (which of the two stayed:
    `this` or `other`), `stage`, `rule`, `value`, `limit`.
    """
    ledger = pl.scan_parquet(run / "ledger.parquet")
    gave_way = ledger.filter((pl.col("id") == wanted) & pl.col("other").is_not_null())
    columns = ("stage", "rule", "value", "limit")
    found = pl.concat(
        [
            gave_way.select(*columns, id="other", kept=pl.lit("other")),
            ledger.filter(pl.col("other") == wanted).select(*columns, "id", kept=pl.lit("this")),
        ]
    ).collect()
    keys = pl.scan_parquet(run / "inputs.parquet").select("id", "key")
    named = found.lazy().join(keys, on="id", how="left", maintain_order="left").collect()
    return (
        named.select("id", "key", "kept", *columns)
        .sort("kept", "stage", "id", descending=[True, False, False])
        .to_dicts()
    )


def _leaks(folders: list[StageFolder], recipe: Recipe, wanted: str) -> list[dict[str, Any]]:
    """Every pair of this example and a test item that is a leak, strongest first: `item`, `category`, `value`, `limit`,
    `coverage`, `cosine`, `detail`.
    """
    folder = next((folder for folder in folders if folder.name == "decontaminate"), None)
    if folder is None or not recipe.decontaminate.tests or _row(folder, wanted, cs.by_name("id")) is None:
        return []
    mine = pl.scan_parquet(folder.parts).filter(pl.col("id") == wanted).select("id", "leaks", "content").collect()
    pairs = categories.strongest_first(decontaminate.leaks(mine, recipe.decontaminate))
    return pairs.select("item", "category", "value", "limit", "coverage", "cosine", "detail").to_dicts()


def _rank(folders: list[StageFolder], wanted: str) -> dict[str, Any] | None:
    """Its place in the order of selection, None where it did not get that far: `rank`, `of` (how many were ranked), `size` (how
    many are in the set), `bucket`, `gain` (what it added to the chooser's objective), `random_rank`, `longest_rank`.
    """
    ranks = pl.read_parquet(folders[-1].scores)
    mine = ranks.filter(pl.col("id") == wanted).drop("id").to_dicts()
    out = pl.read_parquet(folders[-1].verdicts, columns=["id"])["id"].n_unique()
    return {**mine[0], "of": ranks.height, "size": ranks.height - out} if mine else None


def _diff(raw: dict[str, Any], clean: dict[str, Any]) -> str:
    """A unified diff from the text as read to the text as cleaned."""
    before = "\n\n".join(raw[name] for name in TEXTS if raw[name])
    after = "\n\n".join(clean[name] for name in TEXTS if clean[name])
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), "read", "cleaned", lineterm="", n=1))
