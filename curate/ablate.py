"""LIMA's section 5 as data: from one finished run, sets that differ in quality, in diversity or in quantity alone.

    quality     filtered against unfiltered examples, the same number of each source (LIMA: figure 5, filtered against
                unfiltered Stack Exchange)
    diversity   one source against many, of examples that all passed (LIMA: wikiHow against Stack Exchange)
    quantity    2^k examples that passed; every smaller set is part of every larger one (LIMA: figure 6)

All draws are seeded. The sets are datasets like the run's own, ready for `train`.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from curate import files, runs
from curate.diversity.shares import apportion
from curate.errors import InputError, RunError, did_you_mean
from curate.publish import write_dataset
from curate.runs import StageFolder
from curate.stages import select

By = Literal["quality", "diversity", "quantity"]

# Fewer examples than this say nothing about a model that is tuned on them.
LEAST = 16


def ablate(
    run: Path, by: str, *, size: int | None = None, seed: int = 1, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Write the sets of one ablation to `run`/ablations/`by`/ and return what its index.json holds.

    `size` is the number of examples in each set, by default that of the run's own set, or as many as every side has; for
    quantity the largest set. `without` names ids that are in no set: what a model will be asked. The index: `by`, `seed`, `examples` of the run's own set, `sets` with `name`, `file`, `examples`,
    `sources` (examples of each) and `drawn` (how, in words), and `left_out` (what could not be drawn, and why). Raises
    RunError where the run is not finished or has nothing to compare.
    """
    manifest = runs.open_run(run)
    if by not in DRAWS:
        raise RunError(f"--by {by}: not an ablation. {did_you_mean(by, DRAWS)}")
    pool = _pool(run, seed).filter(~pl.col("id").is_in(list(without)))
    sets, left_out = DRAWS[by](pool, manifest["kept"], size, run)
    folder = run / "ablations" / by
    with runs.locked(run), runs.clear_write_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows = [_write(folder, runs.stage_folders(run)[1], name, drawn, chosen) for name, drawn, chosen in sets]
        index = {"by": by, "seed": seed, "examples": manifest["kept"], "sets": rows, "left_out": left_out}
        runs.write_json(folder / "index.json", index)
    return index


def named_in(paths: Sequence[Path]) -> list[str]:
    """The ids (`id`, else `prompt_id`) of the records of JSON Lines files. Raises InputError where a line has neither."""
    found = []
    for path in paths:
        for number, row in files.json_lines(path):
            if isinstance(row, files.Unreadable):
                raise InputError(f"{path}:{number}: {row.reason}")
            name = row.get("id", row.get("prompt_id"))
            if not isinstance(name, str):
                raise InputError(f"{path}:{number}: no id or prompt_id; expected those of examples of the run")
            found.append(name)
    return found


Set = tuple[str, str, pl.DataFrame]


def _pool(run: Path, seed: int) -> pl.DataFrame:
    """Every example that cleaning let through, in a seeded shuffle: `id`, `source`, `stratum`, and what became of it:

    `filtered` (by no rule dropped), `passed` (reached selection) and `kept` (in the run's set).
    """
    folders = runs.stage_folders(run)
    numbers = {folder.name: folder.number for folder in folders}
    found = [
        pl.read_parquet(folder.verdicts, columns=["id"]).with_columns(dropped_at=pl.lit(folder.number))
        for folder in folders
        if folder.number > 0
    ]
    dropped = pl.concat(found).group_by("id").agg(pl.col("dropped_at").min())
    examples = pl.scan_parquet(folders[1].parts).select("id", "source", "stratum").collect()
    lots = select.measure(examples, select.Settings(seed=seed)).select("id", "lot")
    at = pl.col("dropped_at").fill_null(len(folders))
    return (
        examples.join(dropped, on="id", how="left")
        .join(lots, on="id")
        .filter(at > numbers["clean"])
        .select(
            "id",
            "source",
            "lot",
            stratum=pl.concat_str("source", pl.col("stratum").fill_null(""), separator="/"),
            filtered=at > numbers["filters"],
            passed=at >= numbers["select"],
            kept=at > numbers["select"],
        )
        .sort("lot", "id")
        .drop("lot")
    )


def _by_quality(pool: pl.DataFrame, kept: int, size: int | None, run: Path) -> tuple[list[Set], list[str]]:
    filtered = pool.filter("filtered")
    if filtered.height == pool.height:
        raise RunError(f"{run}: no rule dropped anything, so filtered and unfiltered examples are the same")
    counts = filtered.group_by("source").agg(n=pl.len(), kept=pl.col("kept").sum()).sort("source")
    places = apportion(counts["kept"].to_numpy().astype(float), counts["n"].to_numpy(), size or kept)
    _refuse_small(int(places.sum()), size, run, "examples that passed the rules")
    shares = dict(zip(counts["source"], places.tolist(), strict=True))
    draws = {
        "filtered": (filtered, "seeded, from the examples that no rule of filters dropped"),
        "unfiltered": (pool, "seeded, from all examples before filters; by chance some would have passed"),
    }
    same = "as many of each source as in the other set, in the shares of the run's own set"
    return [(name, f"{how}; {same}", _take(rows, "source", shares)) for name, (rows, how) in draws.items()], []


def _by_diversity(pool: pl.DataFrame, kept: int, size: int | None, run: Path) -> tuple[list[Set], list[str]]:
    passed = pool.filter("passed")
    unit = "source" if passed["source"].n_unique() > 1 else "stratum"
    counts = passed.group_by(unit).len("n").sort(["n", unit], descending=[True, False])
    if counts.height < 2:
        raise RunError(f"{run}: all examples that passed are of one source and one stratum: nothing to compare it with")
    wanted = size or min(kept, int(counts["n"][0]))
    if wanted > counts["n"][0]:
        raise RunError(
            f"{run}: no {unit} has {wanted} examples that passed; the largest, {counts[unit][0]}, has {counts['n'][0]}"
        )
    _refuse_small(wanted, size, run, "examples that passed")
    places = apportion(np.ones(counts.height), counts["n"].to_numpy(), wanted)
    even = dict(zip(counts[unit], places.tolist(), strict=True))
    many = f"seeded, from the examples of every {unit} that passed, as evenly as they have them"
    sets: list[Set] = [("many", many, _take(passed, unit, even))]
    left_out = []
    for name, n in counts.iter_rows():
        if n < wanted:
            left_out.append(f"{unit} {name}: {n} examples passed, {wanted} are needed")
        else:
            sets.append(
                (
                    f"only-{name}",
                    f"seeded, from the examples of {unit} {name} that passed",
                    _take(passed, unit, {name: wanted}),
                )
            )
    return sets, left_out


def _by_quantity(pool: pl.DataFrame, kept: int, size: int | None, run: Path) -> tuple[list[Set], list[str]]:  # noqa: ARG001 - one form for all
    passed = pool.filter("passed")
    most = min(size or passed.height, passed.height)
    _refuse_small(most, size, run, "examples that passed")
    sizes = [2**k for k in range(LEAST.bit_length() - 1, most.bit_length())]
    how = "seeded, from all examples that passed; the first of one shuffle, so smaller sets are parts of larger ones"
    return [(f"n{n}", how, passed.head(n)) for n in sizes], []


DRAWS = {"quality": _by_quality, "diversity": _by_diversity, "quantity": _by_quantity}


def _refuse_small(have: int, size: int | None, run: Path, what: str) -> None:
    if have < (size or LEAST):
        raise RunError(
            f"{run}: {have} {what}, but {size or LEAST} are needed. Give a smaller size, or build a larger run."
        )


def _take(rows: pl.DataFrame, unit: str, shares: dict[str, int]) -> pl.DataFrame:
    """The first `shares[x]` rows of each `unit` x, in their order."""
    places = pl.col(unit).replace_strict(shares, default=0, return_dtype=pl.Int64)
    return rows.filter(pl.int_range(pl.len()).over(unit) < places)


def _write(folder: Path, clean: StageFolder, name: str, drawn: str, chosen: pl.DataFrame) -> dict[str, Any]:
    # The place in the draw stands as the rank.
    ranked = chosen.select("id", rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    file = re.sub(r"[^\w-]+", "_", name)
    while (folder / f"{file}.jsonl").exists():
        file += "_"
    write_dataset(folder / file, clean, ranked)
    sources = dict(chosen.group_by("source").len().sort("source").iter_rows())
    return {"name": name, "file": f"{file}.jsonl", "examples": chosen.height, "sources": sources, "drawn": drawn}
