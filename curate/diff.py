"""What differs between two runs: examples added, removed and changed, and why, by rule.

An example has the same id in every run that reads it, so two datasets are compared by id. It was added because a rule of the
first run dropped it there, or because the first run never read it; removed, the other way round.
"""

import difflib
from pathlib import Path
from typing import Any

import polars as pl

from curate import config, runs
from curate.recipe import Recipe
from curate.record import VERDICT

# The reason of an input that the other run has not read.
NOT_READ = "not_read"


def diff(run_a: Path, run_b: Path) -> dict[str, Any]:
    """What run B has other than run A. Raises RunError where one of them is not finished.

    `a`, `b`: `run`, `name`, `inputs`, `kept`; `settings`: rows `key`, `a`, `b` of what differs in the recipes; `both`: how many
    examples both kept; `added` and `removed`: rows `id`, `key`, `source`, `why` (the verdicts of the run that does not have
    it: `stage`, `rule`, `value`, `limit`, `other`, `detail`; or stage `source` and rule `not_read`); `changed`: rows `id`,
    `key`, `source`, `diff` (unified); `by_rule`: rows `stage`, `rule`, `added`, `removed`. Rows stand in the order of ids.
    """
    manifests = [runs.open_run(run) for run in (run_a, run_b)]
    kept_a, kept_b = (_kept(run) for run in (run_a, run_b))
    added = kept_b.join(kept_a, on="id", how="anti")
    removed = kept_a.join(kept_b, on="id", how="anti")
    why_added, why_removed = _why(run_a, added), _why(run_b, removed)
    return {
        **{
            name: {"run": str(run), **{key: manifest[key] for key in ("name", "complete", "inputs", "kept")}}
            for name, run, manifest in zip("ab", (run_a, run_b), manifests, strict=True)
        },
        "settings": settings_changed(*(config.load(run / "recipe.yaml", Recipe) for run in (run_a, run_b))),
        "both": kept_a.join(kept_b, on="id", how="semi").height,
        "added": _rows(added, why_added),
        "removed": _rows(removed, why_removed),
        "changed": _changed(run_a, run_b),
        "by_rule": _by_rule(why_added, why_removed),
    }


def settings_changed(a: Recipe, b: Recipe) -> list[dict[str, Any]]:
    """Rows `key` (dotted), `a`, `b`: the settings in which two recipes differ, in their order; null where one has none."""
    flat_a, flat_b = _flat(a.model_dump(mode="json")), _flat(b.model_dump(mode="json"))
    keys = dict.fromkeys([*flat_a, *flat_b])
    return [
        {"key": key, "a": flat_a.get(key), "b": flat_b.get(key)} for key in keys if flat_a.get(key) != flat_b.get(key)
    ]


def _flat(value: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{above}{name}.") if isinstance(item, dict) else {f"{above}{name}": item}
    return found


def _kept(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "dataset.parquet", columns=["id", "key", "source"]).sort("id")


def _why(other: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """The verdicts (schema VERDICT) of the run `other` on `rows`; `not_read` for those that it has not among its inputs."""
    found = pl.scan_parquet(other / "ledger.parquet").join(rows.lazy().select("id"), on="id", how="semi").collect()
    inputs = pl.scan_parquet(other / "inputs.parquet").select("id")
    unread = rows.lazy().select("id").join(inputs, on="id", how="anti").collect()
    absent = {name: pl.lit(None, dtype) for name, dtype in VERDICT.items() if name not in ("id", "stage", "rule")}
    unread = unread.with_columns(stage=pl.lit("source"), rule=pl.lit(NOT_READ), **absent)
    return pl.concat([found, unread.select(VERDICT.names())])


def _rows(rows: pl.DataFrame, why: pl.DataFrame) -> list[dict[str, Any]]:
    reasons: dict[str, list[dict[str, Any]]] = {}
    for verdict in why.to_dicts():
        reasons.setdefault(verdict.pop("id"), []).append(verdict)
    return [{**row, "why": reasons[row["id"]]} for row in rows.to_dicts()]


def _by_rule(added: pl.DataFrame, removed: pl.DataFrame) -> list[dict[str, Any]]:
    """How many examples each rule of A kept out of A alone, and each of B out of B alone; a row of several rules counts for each."""
    counts = [
        why.group_by("stage", "rule").agg(pl.col("id").n_unique().alias(name))
        for name, why in (("added", added), ("removed", removed))
    ]
    both = counts[0].join(counts[1], on=["stage", "rule"], how="full", coalesce=True).fill_null(0)
    return both.sort(pl.col("added") + pl.col("removed"), "stage", "rule", descending=[True, False, False]).to_dicts()


def _changed(run_a: Path, run_b: Path) -> list[dict[str, Any]]:
    """Examples that both kept, with other words, as a unified diff from A's text to B's."""
    a, b = (
        pl.scan_parquet(run / "dataset.parquet").select("id", "key", "source", "messages") for run in (run_a, run_b)
    )
    both = a.join(b.select("id", other="messages"), on="id").filter(pl.col("messages") != pl.col("other"))
    return [
        {**{name: row[name] for name in ("id", "key", "source")}, "diff": _text_diff(row["messages"], row["other"])}
        for row in both.sort("id").collect().to_dicts()
    ]


def _text_diff(a: list[dict[str, str]], b: list[dict[str, str]]) -> str:
    before, after = (
        [line for turn in turns for line in (f"[{turn['role']}]", *turn["content"].splitlines())] for turns in (a, b)
    )
    return "\n".join(difflib.unified_diff(before, after, "A", "B", lineterm="", n=1))
