"""Sets that a build is compared with and takes nothing from: test sets, or a set that was published before."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from curate import files, record
from curate.errors import InputError
from curate.files import Unreadable
from curate.sources import instructions

# Both stand in every row of a run's dataset (curate.publish), and together in no form that others publish.
_OURS = ("id", "messages", "key", "stratum")


def examples_of(path: Path) -> pl.DataFrame:
    """The examples at `path` (file, folder of files, saved data set, or a run's folder), schema EXAMPLE, as they stand.

    Nothing is cleaned. `source` is `reference` and `key` what the source instructions makes it (`alpaca.json:17`); of a
    run's dataset it is the example's id there. Raises InputError where nothing is there, a file has no known form, or no
    row of it could be read.
    """
    settings = instructions.Settings(path=_dataset(path))
    with tempfile.TemporaryDirectory() as scratch:
        found = [_examples(unit, settings, Path(scratch)) for unit in instructions.units(settings)]
    frame = pl.concat(found)
    if not frame.height:
        raise InputError(
            f"{path}: not one of its rows is an example, so there is nothing to compare with. See what it is taken for"
            f" with: python -m curate sources {path}"
        )
    return frame


def stamp(path: Path) -> list[list[str | int]]:
    """Name, size in bytes and time of change (ns) of each file that `examples_of` reads: equal stamps, equal examples.

    Raises InputError as `examples_of`, where that can be seen from the first rows.
    """
    units = instructions.units(instructions.Settings(path=_dataset(path)))
    stats = [(file, file.stat()) for unit in units for file in unit]
    return [[str(file), stat.st_size, stat.st_mtime_ns] for file, stat in stats]


def _dataset(path: Path) -> Path:
    """The data of a run, where `path` is the folder of one."""
    dataset = path / "dataset.jsonl"
    return dataset if (path / "recipe.yaml").is_file() and dataset.is_file() else path


def _examples(unit: tuple[Path, ...], settings: instructions.Settings, scratch: Path) -> pl.DataFrame:
    batches = instructions.load("reference", unit, settings, scratch)
    frame = pl.concat([batch.examples for batch in batches] or [pl.DataFrame(schema=record.EXAMPLE)])
    ids = dict(_own_ids(unit[0]))
    if not ids:
        return frame
    keys = frame["position"].replace_strict(ids, return_dtype=pl.String)
    return frame.with_columns(record.example_ids("reference", keys), key=keys)


def _own_ids(file: Path) -> Iterator[tuple[int, str]]:
    """Record number and id of each row of a run's dataset; nothing of any other file."""
    if not files.plain_name(file).lower().endswith(files.SUFFIXES):
        return
    for number, row in files.rows(file):
        if isinstance(row, Unreadable):
            continue
        if any(name not in row for name in _OURS):
            return
        yield number, str(row["id"])
