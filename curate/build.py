"""The fold over the stages, and the only place where rows leave: by an anti-join with the verdicts.

Each stage sees what the stages before it left. Its `measure` runs shard by shard on an engine; its `decide` runs once, here,
on `id` and the columns it NEEDS. Everything is written to the run folder as it is made, so a build that is stopped at any
moment goes on from there, and a changed setting or changed code repeats that stage and those after it. What a stage
measured of a row is taken over as long as the row's text, the stage's code and its settings are the same: a corpus that
has grown, or whose cleaning has changed, is measured where it is new.

A reviewer's keep holds against the rules of `OVERRIDABLE`: their verdicts on that row are put aside, as overridden, and do
not count.
"""

import platform
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import BaseModel

from curate import config, corpus, engines, intake, publish, report, runs
from curate.errors import BalanceError, InputError
from curate.progress import Progress, Watcher, listening, silent
from curate.recipe import Recipe
from curate.record import VERDICT
from curate.runs import StageFolder
from curate.stages import STAGES, overruled

# The folder whose parts hold the text: `clean` alone writes it, whoever comes later reads it there.
TEXT = 1
# Larger files are known by their time: hashing them would take seconds at every build.
HASHED_BYTES = 2**26


class Plan(NamedTuple):
    """A stage of a build: the fingerprints of what its parts and its verdicts depend on, and whether both are there.

    `how` is what `measure` is made of, code and settings, whatever the rows.
    """

    folder: StageFolder
    how: str
    measured: str
    decided: str
    done: bool


def plan(recipe: Recipe, run: Path, limit: int | None = None) -> tuple[list[intake.Task], list[Plan]]:
    """What a build would read and which stages it would run; changes nothing. Raises InputError for missing inputs."""
    work = intake.tasks(recipe, limit)
    source = StageFolder(0, "source", run / "0-source")
    decided = intake.fingerprint(recipe, work)
    steps = [Plan(source, "", decided, decided, runs.is_done(source, decided))]
    for number, (name, stage) in enumerate(STAGES.items(), start=1):
        settings = recipe.of(name)
        how = runs.fingerprint(runs.code_fingerprint(f"curate.stages.{name}"), stage.measured_by(settings))
        # Chained: what came before decides which rows are measured here.
        measured = runs.fingerprint(decided, how)
        # A person's decisions in a file that the settings name may change while its name stays.
        decided = runs.fingerprint(measured, settings.model_dump(mode="json"), _stamps(settings))
        folder = StageFolder(number, name, run / f"{number}-{name}")
        steps.append(Plan(folder, how, measured, decided, runs.is_done(folder, decided)))
    return work, steps


def _stamps(settings: BaseModel) -> list[tuple[str, int, str]]:
    """Name, size and hash of each file that the settings name; of a large one the time instead of the hash."""
    files = [(path, path.stat()) for path in config.paths(settings) if path.is_file()]
    return [
        # A file of decisions is written anew at every export, most often with the same bytes.
        (str(path), stat.st_size, runs.file_digest(path) if stat.st_size <= HASHED_BYTES else str(stat.st_mtime_ns))
        for path, stat in files
    ]


def build(
    recipe: Recipe,
    run: Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    limit: int | None = None,
    watch: Watcher = silent,
) -> dict[str, Any]:
    """Build the recipe in the folder `run` and return its report's numbers (what report.json holds).

    Going on where an earlier build of the folder stopped; the files that come out are the same bytes either way, and on
    every engine. `limit` reads that many examples of each source, for a first look. Raises ConfigError, InputError, RunError
    and, should inputs ever not equal kept + dropped, BalanceError.
    """
    spread = engines.engine(engine, workers)
    with runs.locked(run), runs.clear_write_errors(run):
        work, steps = plan(recipe, run, limit)
        if not all(step.done for step in steps):
            # From here until publish has written it again, the folder does not claim to be finished.
            (run / "manifest.json").unlink(missing_ok=True)
        runs.discard_others(run, [step.folder for step in steps])
        runs.write_text(run / "recipe.yaml", config.dump(recipe))
        read = intake.read(run, recipe, work, spread, watch)
        _refuse_nothing(steps[0].folder)
        for step in steps[1:]:
            run_stage(run, step, recipe.of(step.folder.name), spread, watch)
        runs.forget_earlier(steps[TEXT].folder)
        watch(Progress("publish", 0, 1, 0))
        books = publish.publish(run)
        leaks = publish.contamination(run, recipe)
        reviewed = publish.reviewed(run, recipe)
        trusted = publish.trusted(recipe)
        manifest = {
            "name": recipe.name,
            "complete": limit is None,
            "limit": limit,
            **books,
            **read,
            "contamination": leaks,
            "review": reviewed,
            "trusted": trusted,
            "seeds": dict(_seeds(recipe)),
            "seconds": {step.folder.name: (step.folder.done or {})["seconds"] for step in steps},
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "reused": [step.folder.name for step in steps if step.done],
            "engine": engine,
            "workers": workers,
            "peak_memory_mb": _peak_memory_mb(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in runs.LIBRARIES}},
        }
        runs.write_json(run / "manifest.json", manifest)
        summary = report.write(run, trusted)
        watch(Progress("publish", 1, 1, books["kept"]))
        return summary


def run_stage(run: Path, step: Plan, settings: Any, engine: engines.Engine, watch: Watcher) -> None:  # noqa: ANN401 - each stage has its own
    """Measure the shards that are not measured yet, then decide. Does nothing where the stage is done."""
    folder, name = step.folder, step.folder.name
    shards = [path.name for path in runs.stage_folders(run)[0].parts]
    if runs.is_done(folder, step.decided):
        watch(Progress(name, 0, 0, 0, f"{name:<14} unchanged"))
        return
    runs.begin(folder, step.measured)
    started = time.monotonic()
    have = {path.name for path in folder.parts}
    waiting = [shard for shard in shards if shard not in have]
    finished, measured, taken_over = len(shards) - len(waiting), 0, 0
    watch(Progress(name, finished, len(shards), measured))
    with listening(lambda share: watch(Progress(name, finished + min(share, 0.999), len(shards), measured))):
        for _, (count, known) in engine(partial(measure_shard, run, step, settings), waiting):
            finished, measured, taken_over = finished + 1, measured + count, taken_over + known
            watch(Progress(name, finished, len(shards), measured))
    stage = STAGES[name]
    rows = corpus.read(run, folder, stage.NEEDS)
    decision = stage.decide(rows, settings)
    _check(folder, rows, decision.verdicts)
    runs.write_parquet(folder.scores, decision.scores.sort("id"))
    standing, overridden = overruled(decision.verdicts, _kept_by_reviewers(run, folder))
    runs.write_parquet(folder.overridden, overridden.sort("id", "rule"))
    runs.write_parquet(folder.verdicts, standing.sort("id", "rule"))
    dropped = standing["id"].n_unique()
    elapsed = time.monotonic() - started
    if folder.number != TEXT:
        runs.forget_earlier(folder)
    figures = {"rows": rows.height, "dropped": dropped, "overridden": overridden.height, "taken_over": taken_over}
    runs.finish(folder, step.decided, **figures, seconds=round(elapsed, 3))


def measure_shard(run: Path, step: Plan, settings: Any, shard: str) -> tuple[int, int]:  # noqa: ANN401 - each stage has its own
    """Run a stage's `measure` on what earlier stages left of one shard: how many rows that was, and how many of them had
    been measured by an earlier build.
    """
    folder, measure = step.folder, STAGES[step.folder.name].measure
    earlier = runs.stage_folders(run)[: folder.number]
    text = earlier[min(TEXT, folder.number - 1)]
    frame = pl.read_parquet(text.path / shard).join(_dropped(earlier), on="id", how="anti", maintain_order="left")
    origin = _origin(step, text.path / shard)
    known = _known(step, text, shard, frame, origin)
    if known is None or known.is_empty():
        measured, n_known = measure(frame, settings), 0
    else:
        new = measure(frame.join(known, on="id", how="anti", maintain_order="left"), settings)
        both = pl.concat([known, new])
        measured, n_known = frame.select("id").join(both, on="id", maintain_order="left"), known.height
    if not measured["id"].equals(frame["id"]):
        raise BalanceError(
            f"stage {folder.name}: measure changed the rows of {shard}: {frame.height} in, {measured.height} out"
        )
    runs.write_parquet(folder.path / shard, measured, made_from=origin)
    return frame.height, n_known


def _kept_by_reviewers(run: Path, folder: StageFolder) -> pl.DataFrame:
    """The `id` of every row that a reviewer kept, as far as the stages before this one know."""
    review = [earlier for earlier in runs.stage_folders(run)[: folder.number] if earlier.name == "review"]
    found = [pl.scan_parquet(earlier.scores).filter(pl.col("decision") == "keep").select("id") for earlier in review]
    return found[0].collect() if found else pl.DataFrame(schema={"id": pl.String})


def _origin(step: Plan, text: Path) -> str:
    """What the part of a stage is made from: the stage's code and settings, and a shard of text."""
    return runs.fingerprint(step.how, runs.file_digest(text))


def _known(step: Plan, text: StageFolder, shard: str, frame: pl.DataFrame, origin: str) -> pl.DataFrame | None:
    """What an earlier build measured, with the same code and settings, of rows of `frame` whose text is the same still."""
    if part := runs.measured_before(step.folder, origin):
        return pl.read_parquet(part).join(frame, on="id", how="semi")
    for before in runs.earlier(text, shard):
        part = runs.measured_before(step.folder, _origin(step, before))
        if part and pl.read_parquet_schema(before) == frame.schema:
            both = pl.read_parquet(before).join(frame, on="id", suffix=" now")
            changed = (pl.col(name).ne_missing(pl.col(f"{name} now")) for name in frame.columns if name != "id")
            return pl.read_parquet(part).join(both.filter(~pl.any_horizontal(changed)), on="id", how="semi")
    return None


def _refuse_nothing(source: StageFolder) -> None:
    """Raise InputError where no record of any file became an example: that is no set, but a mistake in the recipe."""
    if source.parts:
        return
    rejected = pl.read_parquet(source.verdicts, columns=["rule"]).group_by("rule").len().sort("len", descending=True)
    told = ", ".join(f"{rule} {count:,}" for rule, count in rejected.iter_rows()) or "the files hold no record"
    raise InputError(f"not one record became an example ({told}); {source.verdicts} has each with its reason")


def _dropped(folders: list[StageFolder]) -> pl.DataFrame:
    """The ids that have a verdict in any of these stages (stage 0's rejects are in no shard)."""
    found = [pl.scan_parquet(folder.verdicts).select("id") for folder in folders if folder.number > 0]
    return pl.concat(found).unique().collect() if found else pl.DataFrame(schema={"id": pl.String})


def _check(folder: StageFolder, rows: pl.DataFrame, verdicts: pl.DataFrame) -> None:
    """A verdict speaks of a row that reached the stage, in the stage's name, by a rule it declares."""
    if verdicts.schema != VERDICT:
        raise BalanceError(f"stage {folder.name}: verdicts have {verdicts.schema}, expected {VERDICT}")
    strangers = verdicts.join(rows, on="id", how="anti")
    if strangers.height:
        raise BalanceError(f"stage {folder.name}: a verdict on '{strangers['id'][0]}', which is not among its rows")
    unknown = set(verdicts["rule"]) - set(STAGES[folder.name].RULES) | set(verdicts["stage"]) - {folder.name}
    if unknown:
        raise BalanceError(f"stage {folder.name}: verdicts by {sorted(unknown)}, which it does not declare")


def _peak_memory_mb() -> int:
    """The largest resident size of this process or any of its workers so far."""
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(max(peaks) / (2**20 if sys.platform == "darwin" else 2**10))


def _seeds(recipe: Recipe) -> Iterator[tuple[str, int]]:
    yield "near", recipe.near.seed
    yield "select", recipe.select.seed
    for name, source in recipe.active.items():
        seed = source.model_dump().get("seed")
        if seed is not None:
            yield f"sources.{name}", seed
