"""The files of the attribution: what a loop's best epoch won and lost, traced to the run that it was trained on."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl

from curate import embed, runs, text
from curate.errors import InputError

from .. import formats, record
from .. import prompts as prompt_sets
from . import attribution

# Dropped candidates that are looked through for each prompt: enough to see which rules stand in the way, and no more than
# a laptop embeds in minutes.
MOST_DROPPED = 20_000
SEED = 1
# Dropped for another reason than its text: of no use to anyone, or its copy is in the set already.
UNTRACED = ("source", "exact", "near", "meaning", "decontaminate")


def write(out: Path, prompts: Path, nearest: int) -> dict[str, Any]:
    """Write attribution.json and next.jsonl into the loop's folder `out`; what the former holds.

    next.jsonl: {"content", "id", "prompt_id", "cosine", "why"}, what to look at next, the worst prompt first. Raises InputError
    where the best epoch was not judged on the prompts.
    """
    run, best = out / "build", (runs.read_json(out / "train" / "select.json") or {})["best"]
    judged, measure, threshold = _judged(out / "judged.jsonl", best)
    asked = prompt_sets.read(prompts).join(judged, on="prompt_id", how="semi")
    examples = _examples(run, drawn=out / "dev")
    encoder = embed.Settings()
    with_vectors = examples.with_columns(vector=embed.column(examples["prompt"], encoder))
    kept, dropped = (with_vectors.filter(pl.col("kept") == side) for side in (True, False))
    asked = asked.with_columns(vector=embed.column(asked["instruction"], encoder))
    traced = attribution.trace(asked, kept, dropped, nearest)
    leanings = attribution.leanings(traced.taught, kept.select("id", *_traits(run, kept)), judged, SEED)
    rules = pl.read_parquet(run / "ledger.parquet", columns=["id", "rule"]).unique()
    crowded = attribution.crowded_out(traced.nearer, rules, judged, SEED)
    following = attribution.suggestions(traced, judged).join(
        examples.select("id", "content"), on="id", maintain_order="left"
    )
    runs.write_atomically(
        out / "next.jsonl", lambda handle: handle.writelines(orjson.dumps(row) + b"\n" for row in following.to_dicts())
    )
    found = {
        "best": best,
        "measure": measure,
        "threshold": threshold,
        "prompts": judged.height,
        **{outcome: judged.filter(pl.col("outcome") == outcome).height for outcome in ("won", "even", "lost")},
        "nearest": nearest,
        "dropped_looked_through": dropped.height,
        "leanings": leanings.to_dicts(),
        "crowded_out": crowded.to_dicts(),
        "traces": _told(traced, judged, asked, examples),
        "next": following.height,
    }
    runs.write_json(out / "attribution.json", found)
    return found


def _judged(path: Path, best: str) -> tuple[pl.DataFrame, str, float]:
    """Value and outcome of each prompt, what the value measures, and the threshold between won and lost."""
    rows = formats.read([path]).filter((pl.col("model_a") == best) | (pl.col("model_b") == best))
    rows = rows.filter(pl.col("status") == "ok")
    single = rows["model_b"].null_count() == rows.height
    ours = record.preference_a()
    value = pl.col("score") if single else pl.when(pl.col("model_a") == best).then(ours).otherwise(1 - ours)
    values = rows.group_by("prompt_id").agg(value=value.mean()).drop_nulls()
    if values.is_empty():
        raise InputError(f"{path}: no judgement of {best} on any prompt; judge its answers first")
    middle = values["value"].median()
    threshold = float(middle) if single and isinstance(middle, float) else 0.5
    return attribution.outcomes(values, threshold), "score" if single else "win rate", threshold


def _examples(run: Path, drawn: Path) -> pl.DataFrame:
    """The training examples and a seeded sample of what was dropped for its text or for want of a place, without what was
    drawn as prompts or held-out examples: id, source, stratum, prompt, content, kept.
    """
    kept = pl.read_parquet(run / "dataset.parquet", columns=["id"])["id"]
    verdicts = pl.scan_parquet(run / "ledger.parquet")
    lost = verdicts.filter(pl.col("stage").is_in(UNTRACED)).select("id").collect()["id"]
    asked = [orjson.loads(line) for path in sorted(drawn.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    away = {row.get("id") or row.get("prompt_id") for row in asked}
    clean = next(folder for folder in runs.stage_folders(run) if folder.name == "clean")
    rows = pl.scan_parquet(clean.parts).filter(~pl.col("id").is_in([*away, *lost])).collect()
    rows = rows.with_columns(text.content_hashes(rows), kept=pl.col("id").is_in(kept.implode()))
    # A copy of a training example under another id teaches nothing new.
    dropped = rows.filter(~pl.col("kept")).join(rows.filter("kept"), on="content", how="anti")
    dropped = dropped.sort("id").sample(min(MOST_DROPPED, dropped.height), shuffle=True, seed=SEED)
    return pl.concat([rows.filter("kept"), dropped]).select("id", "source", "stratum", "prompt", "content", "kept")


def _traits(run: Path, kept: pl.DataFrame) -> list[pl.Expr | pl.Series]:
    """What a training example can lean on: its source, its stratum and, where the review has named topics, its topic."""
    stratum = pl.concat_str("source", pl.col("stratum").fill_null("–"), separator="/").alias("stratum")
    topics = run / "review" / "candidates.parquet"
    if not topics.is_file():
        return [pl.col("source"), stratum]
    known = pl.read_parquet(topics, columns=["id", "topic"])
    return [pl.col("source"), stratum, kept.join(known, on="id", how="left", maintain_order="left")["topic"]]


def _told(
    traced: attribution.Traced, judged: pl.DataFrame, asked: pl.DataFrame, examples: pl.DataFrame
) -> list[dict[str, Any]]:
    """Each prompt with its outcome, its nearest training examples and the nearest of what was dropped, worst first."""
    begin = examples.select("id", "source", prompt=pl.col("prompt").str.slice(0, 200))
    named = traced.taught.join(begin, on="id", how="left", maintain_order="left")
    gone = traced.nearer.join(begin, on="id", how="left", maintain_order="left")
    told = []
    questions = asked.select("prompt_id", "instruction")
    for row in judged.join(questions, on="prompt_id").sort("value", "prompt_id").to_dicts():
        mine = pl.col("prompt_id") == row["prompt_id"]
        row["instruction"] = row["instruction"][:400]
        row["taught"] = named.filter(mine).head(3).drop("prompt_id", "place").to_dicts()
        row["nearer"] = gone.filter(mine).head(3).drop("prompt_id").to_dicts()
        told.append(row)
    return told
