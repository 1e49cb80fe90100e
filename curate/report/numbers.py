"""Queries over a finished run: funnel, rules, sources, the chosen set beside its baselines."""

from pathlib import Path
from typing import Any

import polars as pl

from curate import runs
from curate.report import diversity
from curate.sources import RULES as SOURCE_RULES
from curate.stages import STAGES

RULES = {"source": SOURCE_RULES, **{name: stage.RULES for name, stage in STAGES.items()}}


def summarise(run: Path, trusted: dict[str, Any] | None = None) -> dict[str, Any]:
    """All numbers of the report. Raises RunError where the run is not finished."""
    manifest = runs.open_run(run)
    ledger = pl.read_parquet(run / "ledger.parquet", columns=["id", "stage", "rule"])
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id", "source", "license"])
    dataset = pl.read_parquet(run / "dataset.parquet", columns=["id", "license"])
    keys = ("name", "complete", "inputs", "kept", "dropped", "forms", "seconds", "peak_memory_mb", "versions")
    return {
        **{key: manifest[key] for key in keys},
        "funnel": _funnel(manifest["inputs"], ledger),
        "rules": _rules(ledger, trusted),
        "trusted": trusted,
        "sources": _sources(inputs, ledger, dataset),
        "chosen": _beside_baselines(run),
        "diversity": diversity.measured(run),
        "meaning_recall": _meaning_recall(run),
        "contamination": manifest["contamination"],
        "edits": _edits(run),
        "licenses": _counts(dataset, "license"),
    }


def _funnel(inputs: int, ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a stage: `stage`, `into`, `dropped`, `left`. A row leaves at the first stage that has a verdict on it."""
    left, rows = inputs, []
    per_stage = dict(ledger.group_by("stage").agg(pl.col("id").n_unique()).iter_rows())
    for stage in RULES:
        dropped = per_stage.get(stage, 0)
        rows.append({"stage": stage, "into": left, "dropped": dropped, "left": left - dropped})
        left -= dropped
    return rows


def _rules(ledger: pl.DataFrame, trusted: dict[str, Any] | None) -> list[dict[str, Any]]:
    """One row a rule that dropped anything: `dropped`, how many it dropped `alone`, and its share of the trusted set."""
    shares = {row["rule"]: row["share"] for row in trusted["rules"]} if trusted else {}
    alone = pl.len().over("id", "stage") == 1
    counts = ledger.group_by("stage", "rule").agg(dropped=pl.len())
    lonely = ledger.filter(alone).group_by("stage", "rule").agg(alone=pl.len())
    table = counts.join(lonely, on=["stage", "rule"], how="left").with_columns(pl.col("alone").fill_null(0))
    rows = {(row["stage"], row["rule"]): row for row in table.to_dicts()}
    return [
        {**rows[stage, rule], "sentence": sentence, "trusted_share": shares.get(rule)}
        for stage, sentences in RULES.items()
        for rule, sentence in sentences.items()
        if (stage, rule) in rows
    ]


def _sources(inputs: pl.DataFrame, ledger: pl.DataFrame, dataset: pl.DataFrame) -> list[dict[str, Any]]:
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


def _beside_baselines(run: Path) -> list[dict[str, Any]]:
    """The chosen set, and a random and a longest set of the same size from the same pool."""
    folders = runs.stage_folders(run)
    ranks = pl.read_parquet(folders[-1].scores)
    dropped = pl.read_parquet(folders[-1].verdicts, columns=["id"])
    size = ranks.height - dropped.height
    filters = next(folder for folder in folders if folder.name == "filters")
    lengths = pl.scan_parquet(filters.parts).select("id", "response_chars").collect()
    facts = pl.scan_parquet(folders[1].parts).select("id", "source", "stratum", "score").collect()
    pool = ranks.join(lengths, on="id").join(facts, on="id")
    rows = []
    for name, rank in (("chosen", "rank"), ("random", "random_rank"), ("longest", "longest_rank")):
        chosen = pool.filter(pl.col(rank) <= size)
        rows.append(
            {
                "set": name,
                "examples": chosen.height,
                "sources": chosen["source"].n_unique(),
                "strata": chosen.select("source", "stratum").n_unique() if chosen.height else 0,
                "median_response_chars": chosen["response_chars"].median(),
                "median_score": chosen["score"].median(),
            }
        )
    return rows


def _meaning_recall(run: Path) -> float | None:
    """The share of a sample's pairs that the search for duplicates by meaning found; None where it was off."""
    meaning = next(folder for folder in runs.stage_folders(run) if folder.name == "meaning")
    stated = pl.read_parquet(meaning.scores, columns=["meaning_recall"])["meaning_recall"]
    return stated[0] if stated.len() else None


def _edits(run: Path) -> list[dict[str, Any]]:
    clean = runs.stage_folders(run)[1]
    edits = pl.scan_parquet(clean.parts).select(edit=pl.col("edits").explode()).drop_nulls().collect()
    return _counts(edits, "edit")


def _counts(frame: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    counts = frame.group_by(column).agg(examples=pl.len())
    return counts.sort(["examples", column], descending=[True, False], nulls_last=True).to_dicts()


def samples(run: Path, each: int = 3) -> dict[str, list[dict[str, Any]]]:
    """A few kept examples and a few of each rule's drops, always the same ones: `kept` and `stage/rule` to rows.

    A row has `id`, `key`, `prompt`, `response` and, for drops, `value`, `limit`, `other` (as a key), `detail`. Records that
    never became an example have no text.
    """
    folders = runs.stage_folders(run)
    ledger = pl.read_parquet(run / "ledger.parquet")
    keys = pl.read_parquet(run / "inputs.parquet", columns=["id", "key", "file", "position"])
    some = ledger.sort("id").group_by("stage", "rule", maintain_order=True).head(each)
    kept = pl.read_parquet(run / "dataset.parquet", columns=["id"]).sort("id").head(each)
    wanted = pl.concat([some.select("id"), kept]).unique()
    schema = dict.fromkeys(("id", "prompt", "response"), pl.String)
    # Part by part, and as Python rows: a frame of a few strings would keep the buffers of all of them alive.
    rows: list[dict[str, Any]] = []
    for path in folders[1].parts:
        rows += pl.read_parquet(path, columns=list(schema)).join(wanted, on="id", how="semi").to_dicts()
    texts_found = pl.DataFrame(rows, schema=schema)
    others = keys.select(other="id", other_key="key")
    shown = some.join(keys, on="id", how="left").join(texts_found, on="id", how="left")
    shown = shown.join(others, on="other", how="left").with_columns(other=pl.coalesce("other_key", "other"))
    found = {"kept": kept.join(keys, on="id", how="left").join(texts_found, on="id", how="left").to_dicts()}
    for row in shown.to_dicts():
        found.setdefault(f"{row['stage']}/{row['rule']}", []).append(row)
    return found
