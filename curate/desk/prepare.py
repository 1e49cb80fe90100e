"""The read model of a review, made from a run once: what pages ask for in milliseconds lies ready below RUN/review.

    candidates.parquet                     a row a candidate
    verdicts.parquet  overridden.parquet   a row a verdict on one; those that a reviewer's keep put aside
    measured.parquet                       a row a candidate: what the rules compare
    texts.sqlite                           conversations, leaks, and an index of words
    vectors.npy                            unit vectors, float32, where the run has any
    done.json                              written last: which build all of it is of

All of it may be deleted. Of several processes that open a run one makes it, and the others wait.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate import config, runs
from curate.contamination import categories
from curate.desk import candidates, space, texts
from curate.errors import ConfigError, RunError
from curate.progress import Progress, Watcher, listening, silent
from curate.recipe import Recipe
from curate.record import VERDICT
from curate.runs import StageFolder
from curate.stages import decontaminate, filters

# Raised where files of another form are written: every run is then prepared anew.
VERSION = 1
CANDIDATES, VERDICTS, VECTORS, DONE = "candidates.parquet", "verdicts.parquet", "vectors.npy", "done.json"
OVERRIDDEN, MEASURED = "overridden.parquet", "measured.parquet"
STAGES = ("source", "clean", "filters", "quality", "decontaminate", "select")


class Run(NamedTuple):
    """A finished run: its folder, manifest, recipe, and the stage folders by name."""

    path: Path
    manifest: dict[str, Any]
    recipe: Recipe
    stages: dict[str, StageFolder]

    @property
    def fingerprint(self) -> str:
        """What the read model depends on."""
        return runs.fingerprint(VERSION, [(folder.done or {}).get("fingerprint") for folder in self.stages.values()])


def finished(run: Path) -> Run:
    """Raises RunError where this is no finished run of this version."""
    try:
        manifest = runs.open_run(run)
        stages = {folder.name: folder for folder in runs.stage_folders(run)}
        recipe = config.load(run / "recipe.yaml", Recipe)
        unfinished = [name for name in STAGES if name not in stages or stages[name].done is None]
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: it is not a run folder ({error}). Name the folder of a finished build.") from error
    except ConfigError as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{run}: its recipe is not of this version ({reason}). Build it again.") from error
    if unfinished or "kept" not in manifest:
        what = f"the stage {unfinished[0]} is not finished" if unfinished else "its manifest does not say what was kept"
        raise RunError(f"{run}: {what}. Build it again.")
    return Run(run, manifest, recipe, stages)


def prepare(run: Path, watch: Watcher = silent, *, embed_all: bool = False) -> None:
    """Make the read model of a finished run whole, if it is missing or of another build; safe against a crash at any moment.

    Where fewer than `space.FEW` candidates have no vector they are embedded, with `embed_all` however many there are.
    Raises RunError where this is no finished run, it cannot be written, or it is built anew meanwhile.
    """
    found = finished(run)
    folder = run / "review"
    if _is_ready(folder, found.fingerprint, embed_all=embed_all):
        return
    with runs.clear_write_errors(folder), _held(folder, watch):
        if _is_ready(folder, found.fingerprint, embed_all=embed_all):
            return
        for path in [folder / DONE, *folder.glob(".*.tmp")]:
            path.unlink(missing_ok=True)
        try:
            about = _make(found, folder, watch, embed_all=embed_all)
        except (pl.exceptions.PolarsError, FileNotFoundError) as error:
            if _changed(found):
                raise built_again(run) from error
            reason = str(error).splitlines()[0]
            raise RunError(f"{run}: a file of the run cannot be read ({reason}). Build it again.") from error
        if _changed(found):
            raise built_again(run)
        runs.write_json(folder / DONE, {"fingerprint": found.fingerprint, **about})
        watch(Progress("review", 1, 1, about["candidates"], "ready"))


def done(run: Path) -> dict[str, Any]:
    """What `prepare` wrote last."""
    return runs.read_json(run / "review" / DONE) or {}


def _is_ready(folder: Path, fingerprint: str, *, embed_all: bool) -> bool:
    try:
        about = runs.read_json(folder / DONE) or {}
    except ValueError:
        return False
    files = [CANDIDATES, MEASURED, VERDICTS, OVERRIDDEN, texts.FILE, *([VECTORS] if about.get("vectors") else [])]
    return (
        about.get("fingerprint") == fingerprint
        and bool(about.get("embed_all") or not embed_all)
        and all((folder / name).exists() for name in files)
    )


@contextlib.contextmanager
def _held(folder: Path, watch: Watcher) -> Iterator[None]:
    """Hold the folder, creating it; where another process prepares it, wait. The kernel drops the lock with the process."""
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            watch(Progress("review", 0, 1, 0, "another process prepares this run"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _changed(found: Run) -> bool:
    try:
        return finished(found.path).fingerprint != found.fingerprint
    except RunError:
        return True


def built_again(run: Path) -> RunError:
    """What to say where a run changes while it is read."""
    return RunError(f"{run}: a build is writing here. Wait for it, and open the run again.")


def _make(found: Run, folder: Path, watch: Watcher, *, embed_all: bool) -> dict[str, Any]:
    """Write all files but the last; what that says."""
    clean, stages = found.stages["clean"], list(found.stages.values())
    total = len(clean.parts) + 2
    with texts.writing(folder / texts.FILE, found.fingerprint) as into:
        table, measured = _shards(found, into, watch, total)
        rows = table.select("row", "id")
        texts.add_leaks(into, _leaks(found, rows))
    verdicts = candidates.verdicts(_read(stage.verdicts for stage in stages[1:]), rows)
    runs.write_parquet(folder / VERDICTS, verdicts)
    overridden = _read(stage.overridden for stage in stages if stage.overridden.exists())
    runs.write_parquet(folder / OVERRIDDEN, candidates.verdicts(overridden, rows))
    watch(Progress("review", total - 2, total, table.height, "vectors"))
    with listening(lambda share: watch(Progress("review", total - 2 + share, total, table.height, "vectors"))):
        vectors, remark = space.completed(
            space.measured(stages, found.recipe, rows), clean, rows, found.recipe, everything=embed_all
        )
    watch(Progress("review", total - 1, total, table.height, "candidates"))
    rules = candidates.bounds(found.recipe)
    full = table.hstack(measured.select("language", "quality", "rank", "gain", "random_rank"))
    full = candidates.with_margins(candidates.with_fates(full, verdicts), measured, verdicts, rules)
    full, names = _with_space(candidates.with_clusters(full, verdicts), vectors, clean)
    runs.write_parquet(folder / MEASURED, measured.drop("id"))
    if vectors is not None:
        runs.write_atomically(folder / VECTORS, lambda handle: np.save(handle, vectors.matrix))
    else:
        (folder / VECTORS).unlink(missing_ok=True)
    runs.write_parquet(folder / CANDIDATES, full.select(candidates.COLUMNS))
    return {
        "candidates": table.height,
        "topics": names,
        "vectors": None
        if vectors is None
        else {"rows": len(vectors.rows), "of": vectors.of, "encoder": vectors.encoder.model_dump(mode="json")},
        "remark": remark,
        "embed_all": embed_all,
    }


def _shards(found: Run, into: sqlite3.Connection, watch: Watcher, total: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write the texts of all shards; the candidates by what their rows say, and what was measured of them."""
    tables: list[pl.DataFrame] = []
    values: list[pl.DataFrame] = []
    first = 0
    for number, part in enumerate(found.stages["clean"].parts):
        watch(Progress("review", number, total, first, "texts"))
        clean = pl.read_parquet(part)
        read = pl.read_parquet(found.stages["source"].path / part.name, columns=["id", *texts.TEXTS])
        if not clean["id"].equals(read["id"]):
            raise RunError(f"{part}: its rows are not those that were read. Build the run again.")
        measured = pl.read_parquet(found.stages["filters"].path / part.name)
        measured = clean.select("id", *filters.GIVEN).join(measured, on="id", how="left", maintain_order="left")
        texts.add(into, first, clean, read)
        tables.append(candidates.of_shard(clean))
        values.append(measured)
        first += clean.height
    table = pl.concat(tables).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    return table, pl.concat(values).join(_scores(found), on="id", how="left", maintain_order="left")


def _read(paths: Iterable[Path]) -> pl.DataFrame:
    return pl.concat([VERDICT.to_frame(), *(pl.read_parquet(path) for path in paths)])


def _scores(found: Run) -> pl.DataFrame:
    """`id` and the scores of quality and of selection, of all that have one."""
    folder = found.stages["quality"]
    scores = pl.read_parquet(folder.scores).select("id", pl.selectors.by_name(candidates.QUALITY, require_all=False))
    measured = pl.scan_parquet(folder.parts).select("id", "reward", "grade").collect()
    ranks = pl.read_parquet(found.stages["select"].scores)
    return scores.join(measured, on="id", how="left").join(ranks, on="id", how="left")


def _leaks(found: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """The pairs of a candidate and a test item that are leaks: `row` and what `explain` says of them, strongest first."""
    folder, settings = found.stages["decontaminate"], found.recipe.decontaminate
    shown = ("item", "category", "value", "limit", "coverage", "cosine", "detail")
    if not settings.tests:
        return pl.DataFrame(schema={"row": pl.Int64})
    corpus = (
        pl.scan_parquet(folder.parts).filter(pl.col("leaks").list.len() > 0).select("id", "leaks", "content").collect()
    )
    pairs = categories.strongest_first(decontaminate.leaks(corpus, settings))
    return pairs.join(rows, on="id", maintain_order="left").select("row", *shown)


def _with_space(
    table: pl.DataFrame, vectors: space.Vectors | None, clean: StageFolder
) -> tuple[pl.DataFrame, list[str]]:
    if vectors is None:
        nothing = {"topic": pl.Int64, "x": pl.Float32, "y": pl.Float32, "vector_row": pl.Int64}
        return table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items()), []
    topics, names = space.topics(vectors, table, clean)
    placed = table.join(space.on_map(vectors), on="row", how="left", maintain_order="left")
    return placed.join(topics, on="row", how="left", maintain_order="left"), names
