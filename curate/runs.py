"""The run directory: what lies where, written so that a crash at any moment leaves nothing half-written taken for whole.

    runs/<name>/
      recipe.yaml  manifest.json  inputs.parquet  dataset.jsonl  dataset.parquet  ledger.parquet
      0-source/ 1-clean/ ...   part-*.parquet, verdicts.parquet, overridden.parquet, scores.parquet, begun.json, done.json

While a stage runs again, its earlier parts lie beside the new ones as earlier-<origin>-<part>; those of the text stay until the
build is done. A stage folder carries `begun.json` (the fingerprint of what its parts are made from) from its first moment and `done.json`
(the fingerprint of what its verdicts are made from, rows, seconds) from its last. A part with its final name is whole: it was written under another
name, flushed to disk and renamed.
"""

import ast
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from curate.errors import RunError

# The key of a part's own metadata under which its origin stands.
MADE_FROM = "lapidary.made_from"

# Libraries whose version can change what a stage computes.
LIBRARIES = (
    "lapidary",
    "polars",
    "numpy",
    "numba",
    "selectolax",
    "lxml",
    "langdetect",
    "tokenizers",
    "faiss-cpu",
    "lemminflect",
)


@dataclass(frozen=True)
class StageFolder:
    """One stage's folder in a run: its number, name and path."""

    number: int
    name: str
    path: Path

    @property
    def parts(self) -> list[Path]:
        """The part files, in order."""
        return sorted(self.path.glob("part-*.parquet"))

    @property
    def verdicts(self) -> Path:
        """The verdicts of this stage (schema VERDICT)."""
        return self.path / "verdicts.parquet"

    @property
    def overridden(self) -> Path:
        """The verdicts that do not count because a reviewer kept the row (schema VERDICT). Sources have none."""
        return self.path / "overridden.parquet"

    @property
    def scores(self) -> Path:
        """The corpus-level scores of this stage (`id` and its own columns)."""
        return self.path / "scores.parquet"

    @property
    def done(self) -> dict[str, Any] | None:
        """What `finish` wrote, or None while the stage is not finished."""
        return read_json(self.path / "done.json")


def stage_folders(run: Path) -> list[StageFolder]:
    """The stage folders of a run, in the order of their numbers."""
    found = []
    for path in run.glob("[0-9]*-*"):
        number, _, name = path.name.partition("-")
        if number.isdigit() and path.is_dir():
            found.append(StageFolder(int(number), name, path))
    return sorted(found, key=lambda folder: folder.number)


def open_run(run: Path) -> dict[str, Any]:
    """The manifest of a finished run. Raises RunError where there is none."""
    manifest = read_json(run / "manifest.json")
    if manifest is None:
        state = "its build has not finished; run it again to go on" if stage_folders(run) else "it is not a run folder"
        raise RunError(f"{run}: no manifest.json: {state}")
    return manifest


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run folder, creating it. Raises RunError where it cannot be written or another build holds it.

    The kernel drops the lock with the process, so nothing has to be cleaned up after a crash.
    """
    with clear_write_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        handle = (run / ".lock").open("a+")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise RunError(
                f"{run}: another build (process {holder}) is writing here. Wait for it, or use another --out."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


@contextlib.contextmanager
def clear_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write below `path` into one line each (RunError)."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        # polars puts the operating system's error into its own text and loses the number.
        if "No space left" not in str(error):
            raise
        raise _disk_full(path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in str(error):
            raise _disk_full(path) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise RunError(
                f"{path}: cannot be written ({error.strerror}). Choose another folder with --out."
            ) from error
        raise


def _disk_full(path: Path) -> RunError:
    return RunError(
        f"{path}: the disk is full. What was finished is kept: free some space and run the same command again."
    )


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that appears under `path` only when it is whole and on disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with clear_write_errors(path):
        try:
            with temporary.open("wb") as handle:
                write(handle)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            temporary.unlink(missing_ok=True)


def write_parquet(path: Path, frame: pl.DataFrame, made_from: str | None = None) -> None:
    """`frame` as one parquet file; equal frames give equal bytes. `made_from` can be read back with `made_from`."""
    about = {MADE_FROM: made_from} if made_from else None
    write_atomically(
        path,
        lambda handle: frame.rechunk().write_parquet(handle, compression="zstd", row_group_size=50_000, metadata=about),
    )


def made_from(path: Path) -> str | None:
    """What `write_parquet` was told that this file was made from."""
    return pl.read_parquet_metadata(path).get(MADE_FROM)


def write_parquet_parts(path: Path, schema: pl.Schema, frames: Iterable[pl.DataFrame]) -> None:
    """`frames`, one after the other, as one parquet file of `schema`; never more than one of them in memory."""
    import pyarrow.parquet as pq

    arrow = schema.to_frame().to_arrow().schema

    def write(handle: BinaryIO) -> None:
        with pq.ParquetWriter(handle, arrow, compression="zstd") as writer:
            # No empty row groups: others (datasets, the Hub's viewer) read in batches of the first one's size.
            for frame in (frame for frame in frames if frame.height):
                writer.write_table(frame.select(schema.names()).to_arrow().cast(arrow))

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8."""
    write_atomically(path, lambda handle: handle.write(text.encode()))


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever json can hold
    """`value` as indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, None where there is no file."""
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value


def begin(folder: StageFolder, fingerprint: str) -> None:
    """Make a stage folder ready: parts made from the same fingerprint stay, anything else goes.

    Parts that say what they were made from stay aside, for `measured_before` and `earlier`, until `forget_earlier`.
    """
    with clear_write_errors(folder.path):
        begun = read_json(folder.path / "begun.json")
        if begun is None or begun["fingerprint"] != fingerprint:
            folder.path.mkdir(parents=True, exist_ok=True)
            for part in folder.parts:
                if origin := made_from(part):
                    part.replace(folder.path / f"earlier-{origin}-{part.name}")
            for path in folder.path.iterdir():
                if not path.name.startswith("earlier-"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            write_json(folder.path / "begun.json", {"fingerprint": fingerprint})
        (folder.path / "done.json").unlink(missing_ok=True)
        for leftover in folder.path.glob(".*.tmp"):
            leftover.unlink()


def measured_before(folder: StageFolder, origin: str) -> Path | None:
    """The part that an earlier build made from `origin`, kept while the stage runs again; None where there is none."""
    return next(iter(sorted(folder.path.glob(f"earlier-{origin}-*"))), None)


def earlier(folder: StageFolder, part: str) -> list[Path]:
    """What earlier builds had under the name `part`, as far as it is kept."""
    return sorted(folder.path.glob(f"earlier-*-{part}"))


def forget_earlier(folder: StageFolder) -> None:
    """Remove what earlier builds left for this one to take over."""
    for part in folder.path.glob("earlier-*.parquet"):
        part.unlink()


def is_done(folder: StageFolder, fingerprint: str) -> bool:
    """Whether a stage was finished from just this fingerprint."""
    done = folder.done
    return done is not None and done["fingerprint"] == fingerprint


def finish(folder: StageFolder, fingerprint: str, **figures: Any) -> None:  # noqa: ANN401 - counts, seconds and tables
    """Mark a stage as finished; the last write of the stage."""
    write_json(folder.path / "done.json", {"fingerprint": fingerprint, **figures})


def discard_others(run: Path, folders: list[StageFolder]) -> None:
    """Remove stage folders that are none of these: an earlier recipe or version left them behind."""
    for folder in stage_folders(run):
        if folder not in folders:
            shutil.rmtree(folder.path)


def file_digest(path: Path) -> str:
    """A hash of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, partial(blake2b, digest_size=12)).hexdigest()


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - whatever json can hold
    """A short hash of any JSON values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=12).hexdigest()


def code_fingerprint(module: str) -> str:
    """A hash of a module's source, of every curate module it imports in turn, and of the libraries in LIBRARIES."""
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        spec = importlib.util.find_spec(name)
        if name in sources or spec is None or spec.origin is None:
            continue
        sources[name] = Path(spec.origin).read_text(encoding="utf-8")
        waiting.extend(found for found in _imports(sources[name]) if found.split(".")[0] == "curate")
    return fingerprint(sources, {name: version(name) for name in LIBRARIES})


# Stages share most of their modules, and parsing these eleven times is most of the time of a small build.
@lru_cache(maxsize=1024)
def _imports(source: str) -> tuple[str, ...]:
    """The modules that a source imports, and what it takes from packages."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "curate":
            # A package is left out where only modules are taken from it: its other modules do not matter then.
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.append(name if _is_module(name) else str(node.module))
    return tuple(found)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
