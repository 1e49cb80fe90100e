"""Dev prompts and held-out examples out of a run: examples as good as those of the set, that the model never sees."""

from pathlib import Path

import orjson
import polars as pl

from curate import chat, runs
from curate.errors import InputError

from .. import prompts as prompt_sets
from .settings import Dev

# Drops that say nothing of an example but that the set was full.
FULL = ("select", "not_selected")
FEWEST = 4


def draw(run: Path, dev: Dev, out: Path) -> dict[str, int]:
    """Write out/prompts.jsonl (with reference answers) and out/held-out.jsonl from `run`; how many of each.

    They are a seeded draw from the examples that passed every rule and found no place in the set. Where there are fewer than
    were asked for, they are shared half and half. Raises InputError where there are not four of each.
    """
    spare = _spare(run).sample(fraction=1, shuffle=True, seed=dev.seed)
    asked = min(dev.count, max(spare.height // 2, spare.height - dev.held_out_count))
    prompts, held_out = spare[:asked], spare[asked : asked + dev.held_out_count]
    if min(prompts.height, held_out.height) < FEWEST:
        raise InputError(
            f"{run}: {spare.height} examples were good enough but found no place, too few to draw dev prompts and held-out"
            " examples from; name files (dev.prompts, dev.held_out), or set build.set: [select.size=...] lower"
        )
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "prompts.jsonl", [_prompt(row) for row in prompts.iter_rows(named=True)])
    _write(
        out / "held-out.jsonl", [{"id": row["id"], "messages": chat.to_messages(row)} for row in held_out.to_dicts()]
    )
    return {"prompts": prompts.height, "held_out": held_out.height}


def references(path: Path, out: Path) -> None:
    """The prompts' own answers as answers of a model called `reference`, for judges that compare.

    Raises InputError where a prompt has none.
    """
    asked = prompt_sets.read(path)
    lacking = asked.filter(pl.col("reference").list.len() == 0)
    if lacking.height:
        raise InputError(
            f"{path}: prompt {lacking['prompt_id'][0]} has no reference answer, nor have {lacking.height - 1:,} more;"
            " name a file of another model's answers (judge.against)"
        )
    named = asked.with_columns(output=pl.col("reference").list.first(), generator=pl.lit("reference"))
    _write(out, named.select("prompt_id", "instruction", "messages", "category", "output", "generator").to_dicts())


def _spare(run: Path) -> pl.DataFrame:
    """EXAMPLE rows of those that only lacked a place, by id."""
    verdicts = pl.scan_parquet(run / "ledger.parquet")
    full = (pl.col("stage") == FULL[0]) & (pl.col("rule") == FULL[1])
    fates = verdicts.group_by("id").agg(only=full.all()).filter("only")
    clean = next(folder for folder in runs.stage_folders(run) if folder.name == "clean")
    return pl.scan_parquet(clean.parts).join(fates, on="id", how="semi").sort("id").collect()


def _prompt(row: dict[str, object]) -> dict[str, object]:
    messages = chat.to_messages(row)[:-1]
    category = "/".join(str(part) for part in (row["source"], row["stratum"]) if part)
    return {
        "prompt_id": row["id"],
        "instruction": messages[-1]["content"],
        "messages": messages,
        "reference": row["response"],
        "category": category,
    }


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    runs.write_atomically(path, lambda handle: handle.writelines(orjson.dumps(row) + b"\n" for row in rows))
