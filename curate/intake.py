"""Stage 0: sources to shards, and the list of all inputs.

Work is cut into tasks: consecutive units of one source, small files together. A task writes its parts and, last, its
marker; after a crash only unmarked tasks are read again.
"""

import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curate import runs
from curate.engines import Engine
from curate.progress import Progress, Watcher
from curate.recipe import Recipe
from curate.record import EXAMPLE, INPUT, REJECT, VERDICT, conform, example_id
from curate.shards import Shards
from curate.sources import SOURCES
from curate.sources.instructions.tasks import TEMPLATES

# Small files are read in one task until they reach this size, so that a thousand of them do not make a thousand parts.
TASK_BYTES = 64_000_000


class Task(NamedTuple):
    """Units of one source that are read one after the other."""

    number: int
    source: str
    units: list[tuple[Path, ...]]
    settings: Any
    limit: int | None

    @property
    def files(self) -> list[Path]:
        """Every file of the task."""
        return [file for unit in self.units for file in unit]


def tasks(recipe: Recipe, limit: int | None = None) -> list[Task]:
    """The tasks of a recipe, in the order of its sources. With `limit`, one task a source. Raises InputError."""
    found: list[Task] = []
    for name, settings in recipe.active.items():
        group: list[tuple[Path, ...]] = []
        size = 0
        for unit in SOURCES[settings.kind].units(settings):
            if group and limit is None and size + _bytes(unit) > TASK_BYTES:
                found.append(Task(len(found), name, group, settings, limit))
                group, size = [], 0
            group.append(unit)
            size += _bytes(unit)
        found.append(Task(len(found), name, group, settings, limit))
    return found


def _bytes(unit: tuple[Path, ...]) -> int:
    return sum(file.stat().st_size for file in unit if file.is_file())


def fingerprint(recipe: Recipe, work: list[Task]) -> str:
    """What stage 0 depends on: the settings and code of each source, and name, size and time of each file."""
    files = [[str(file), *_stamp(file)] for task in work for file in task.files]
    code = {kind: runs.code_fingerprint(f"curate.sources.{kind}") for kind in {s.kind for s in recipe.active.values()}}
    settings = {name: source.model_dump(mode="json") for name, source in recipe.active.items()}
    limits = [task.limit for task in work]
    # This file cuts the shards, and the templates word the prompts of task tables.
    own = [path.read_text(encoding="utf-8") for path in (Path(__file__), TEMPLATES)]
    return runs.fingerprint(settings, files, code, limits, recipe.shard_rows, own)


def _stamp(file: Path) -> tuple[int, int]:
    if not file.is_file():
        return (0, 0)
    stat = file.stat()
    return (stat.st_size, stat.st_mtime_ns)


def read(run: Path, recipe: Recipe, work: list[Task], engine: Engine, watch: Watcher) -> dict[str, Any]:
    """Read every task into parts of schema EXAMPLE; `files` (each with its sha256) and `forms` (what they were taken for).

    Leaves `inputs.parquet` in the run folder and `verdicts.parquet` (the sources' own rejects) in the stage's.
    """
    folder = runs.StageFolder(0, "source", run / "0-source")
    print_ = fingerprint(recipe, work)
    if runs.is_done(folder, print_):
        watch(Progress("source", 0, 0, 0, f"{'source':<14} unchanged"))
    else:
        runs.begin(folder, print_)
        started = time.monotonic()
        _read_tasks(folder, recipe, work, engine, watch)
        _set_repeated_keys_apart(folder)
        runs.write_parquet_parts(folder.verdicts, VERDICT, _reject_verdicts(folder.path))
        runs.write_parquet_parts(run / "inputs.parquet", INPUT, _inputs(folder))
        markers = [runs.read_json(_marker(folder.path, task)) or {} for task in work]
        found = {name: [row for marker in markers for row in marker[name]] for name in ("files", "forms")}
        runs.finish(folder, print_, **found, seconds=round(time.monotonic() - started, 3))
    done = folder.done or {}
    return {name: done[name] for name in ("files", "forms")}


def _read_tasks(folder: runs.StageFolder, recipe: Recipe, work: list[Task], engine: Engine, watch: Watcher) -> None:
    waiting = [task for task in work if not _marker(folder.path, task).exists()]
    finished, rows = len(work) - len(waiting), 0
    watch(Progress("source", finished, len(work), rows))
    for _, figures in engine(partial(read_task, folder.path, recipe.shard_rows), waiting):
        finished, rows = finished + 1, rows + figures["examples"]
        watch(Progress("source", finished, len(work), rows, "\n".join(map(described, figures["forms"]))))


def _marker(folder: Path, task: Task) -> Path:
    return folder / f"task-{task.number:04}.json"


def described(form: dict[str, Any]) -> str:
    """One line on the form that files of a source were found to have."""
    files = f"{form['files']:,} files" if form["files"] > 1 else "1 file"
    return f"{form['source']}: {files} of {form['kind']}, {form['form']}; {form['covered']:,} of {form['rows']:,} records looked at fit"


def read_task(folder: Path, shard_rows: int, task: Task) -> dict[str, Any]:
    """Read one task into `part-<task>-<n>.parquet` and `rejects-<task>-<n>.parquet`; its figures, as in its marker."""
    scratch = folder / f"scratch-{task.number:04}"
    shutil.rmtree(scratch, ignore_errors=True)
    for stale in (*folder.glob(f"part-{task.number:04}-*"), *folder.glob(f"rejects-{task.number:04}-*")):
        stale.unlink()
    with runs.clear_write_errors(scratch):
        scratch.mkdir(parents=True)
    parts = Shards(folder, f"part-{task.number:04}", EXAMPLE, shard_rows)
    rejects = Shards(folder, f"rejects-{task.number:04}", REJECT, shard_rows)
    try:
        for unit in task.units:
            with runs.clear_write_errors(folder):
                _drain(task, unit, scratch, parts, rejects)
            if task.limit is not None and parts.rows >= task.limit:
                break
        parts.close()
        rejects.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    files = [
        {"source": task.source, "file": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in task.files
        if file.is_file()
    ]
    figures = {"examples": parts.rows, "rejects": rejects.rows, "files": files, "forms": _forms(task)}
    runs.write_json(_marker(folder, task), figures)
    return figures


def _forms(task: Task) -> list[dict[str, Any]]:
    """What the files of a task were taken for: one row a form."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for unit in task.units:
        for sniff in SOURCES[task.settings.kind].forms(unit, task.settings):
            head = {"source": task.source, "kind": sniff.kind, "form": sniff.form}
            row = found.setdefault((sniff.kind, sniff.form), {**head, "files": 0, "rows": 0, "covered": 0})
            row["files"] += 1
            row["rows"] += sniff.rows
            row["covered"] += sniff.covered
    return list(found.values())


def _drain(task: Task, unit: tuple[Path, ...], scratch: Path, parts: Shards, rejects: Shards) -> None:
    batches = SOURCES[task.settings.kind].load(task.source, unit, task.settings, scratch)
    for batch in batches:
        left = None if task.limit is None else task.limit - parts.rows
        parts.add(batch.examples if left is None else batch.examples.head(left))
        rejects.add(batch.rejects)
        if left is not None and batch.examples.height >= left:
            break
    # A generator stopped early holds threads and spill files until it is closed.
    if not isinstance(batches, list | tuple):
        batches.close()  # type: ignore[attr-defined]


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _set_repeated_keys_apart(folder: runs.StageFolder) -> None:
    """Give every record whose key came earlier in the same source an id of its own and a verdict `repeated_key`.

    Such records move to `rejects-repeated.parquet`. It is written before any part is shortened: after a crash in
    between, the records that are still in a part are in it already.
    """
    target = folder.path / "rejects-repeated.parquet"
    order = [*folder.parts, *sorted(path for path in folder.path.glob("rejects-*.parquet") if path != target)]
    if not order:
        return
    ids = pl.concat([pl.scan_parquet(path).select("id", n=pl.lit(n)) for n, path in enumerate(order)]).collect()
    again = ids.with_columns(row=pl.int_range(pl.len()).over("n")).filter(~pl.col("id").is_first_distinct())
    rows = {order[n]: found for n, found in again.group_by("n", maintain_order=True).agg("row").iter_rows()}
    if rows and not target.exists():
        runs.write_parquet(target, pl.concat([_renamed(pl.read_parquet(path)[found]) for path, found in rows.items()]))
    for path, found in rows.items():
        frame = pl.read_parquet(path)
        runs.write_parquet(path, frame.filter(~pl.int_range(pl.len()).is_in(found)))


def _renamed(frame: pl.DataFrame) -> pl.DataFrame:
    keys = [f"{key}#{file}:{position}" for key, file, position in frame.select("key", "file", "position").iter_rows()]
    new = [example_id(source, key) for source, key in zip(frame["source"], keys, strict=True)]
    repeated = frame.with_columns(
        pl.Series("key", keys),
        pl.Series("id", new),
        other=pl.col("id"),
        rule=pl.lit("repeated_key"),
        detail=pl.lit(None),
    )
    return conform(repeated, REJECT)


def _reject_verdicts(folder: Path) -> Iterator[pl.DataFrame]:
    for path in sorted(folder.glob("rejects-*.parquet")):
        yield conform(pl.read_parquet(path).with_columns(stage=pl.lit("source")), VERDICT)


def _inputs(folder: runs.StageFolder) -> Iterable[pl.DataFrame]:
    for path in (*folder.parts, *sorted(folder.path.glob("rejects-*.parquet"))):
        yield pl.read_parquet(path, columns=list(INPUT))
