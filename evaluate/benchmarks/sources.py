"""Where the rows of a benchmark come from: a file that is named or found in a folder, else the Hub."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from curate import files
from curate.errors import ConfigError, InputError, did_you_mean

from .forms import canonical
from .tasks import TASKS, Row, Task

# How the parts of a data set are written in names of files.
_SPELLINGS = {"validation": ("validation", "valid", "val", "dev"), "val": ("val", "valid", "validation")}
# Folders below the one that is given: owner, data set, configuration.
_DEEPEST = 3


class Data(NamedTuple):
    """Where to look. `named`: files by task, and by `task.examples` for the examples; `hub`: what no file has may be fetched."""

    folders: tuple[Path, ...] = ()
    named: Mapping[str, Path] = {}
    hub: bool = True


class Part(NamedTuple):
    """Rows of one part of a benchmark in the Hub's fields, and where they were read."""

    rows: list[Row]
    where: str


def data(given: Sequence[str], *, offline: bool = False) -> Data:
    """What `--data` names: folders, and `TASK=FILE` or `TASK.examples=FILE` (`truthfulqa` is both its tasks). Raises ConfigError, InputError."""
    folders, named = [], {}
    for one in given:
        name, mark, path = one.partition("=")
        if not mark or Path(one).exists():
            if not Path(one).is_dir():
                raise InputError(f"--data {one}: no such folder; expected a folder of files, or TASK=FILE")
            folders.append(Path(one))
            continue
        task, known = (
            name.removesuffix(".examples"),
            {*TASKS, *(other for one in TASKS.values() for other in one.names)},
        )
        if task not in known:
            raise ConfigError(f"--data {one}: no task {task}. {did_you_mean(task, known)}")
        if not Path(path).is_file():
            raise InputError(f"--data {one}: no file {path}")
        named[name] = Path(path)
    return Data(tuple(folders), named, hub=not (offline or _is_offline()))


def asked(task: Task, where: Data) -> Part:
    """The rows that a task asks. Raises InputError where there is no file and no Hub, or a row is of no known form."""
    return _part(task, where, "", task.splits, bare=True)


def examples(task: Task, where: Data, shots: int) -> Part:
    """The rows that examples are taken from. Raises InputError, which says that there is another way."""
    try:
        if task.splits == task.example_splits and not _named(task, where, ".examples"):
            return asked(task, where)
        return _part(task, where, ".examples", task.example_splits, bare=False)
    except InputError as error:
        raise InputError(f"{error}. These are its {shots} examples; --shots 0 asks without") from error


def _named(task: Task, where: Data, kind: str) -> Path | None:
    return next((where.named[name + kind] for name in (task.name, *task.names) if name + kind in where.named), None)


def _part(task: Task, where: Data, kind: str, splits: Sequence[str], *, bare: bool) -> Part:
    named = _named(task, where, kind)
    if named is not None:
        return Part(list(_rows(task, [named])), str(named))
    for place, split in enumerate(splits):
        paths = found(task, where.folders, split, bare=bare and not place)
        if paths:
            return Part(list(_rows(task, paths)), ", ".join(map(str, paths)))
    if where.hub:
        return Part(list(_of_hub(task, splits[0])), f"{task.hub[0]} on the Hub, {splits[0]}")
    looked = f"{task.name}_{splits[0]}.jsonl, {task.name}/{splits[0]}.parquet" + (
        f", {task.name}.jsonl" if bare else ""
    )
    raise InputError(
        f"{task.name}: no rows: no {looked} (or .json, .csv, .parquet) in {_listed(where.folders)}, and the Hub is not asked"
        f" (offline). Put a file with {task.fields} there, or name one: --data {task.name}{kind}=FILE"
    )


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders)) or "any folder (--data DIR)"


def found(task: Task, folders: Sequence[Path], split: str, *, bare: bool) -> list[Path]:
    """The files of one part, in the order of their numbers. Raises InputError where two files could be meant."""
    names = "|".join((task.name, *task.names))
    config = f"(?:/{_plain(task.hub[1])})?" if task.hub[1] else ""
    spelled = "|".join(_SPELLINGS.get(split, (split,)))
    part = f"(?:[_/](?:{spelled})(?:_[0-9]+_of_[0-9]+)?)" + ("?" if bare else "")
    pattern = re.compile(f"(?:.*/)?(?:{names}){config}{part}")
    paths = [path for folder in folders for path in _files(folder) if pattern.fullmatch(_stem(path, folder))]
    stems = {re.sub(r"-[0-9]+-of-[0-9]+", "", str(path)) for path in paths}
    if len(stems) > 1:
        raise InputError(
            f"{task.name}: {' and '.join(map(str, paths[:3]))} could both be its {split} part; name one: --data"
            f" {task.name}=FILE, or --data {task.name}.examples=FILE for examples"
        )
    return sorted(paths)


def _files(folder: Path) -> Iterator[Path]:
    for parent, names, children in os.walk(folder):
        if len(Path(parent).relative_to(folder).parts) >= _DEEPEST:
            names.clear()
        yield from (Path(parent) / name for name in sorted(children) if _is_table(Path(name)))


def _is_table(path: Path) -> bool:
    return Path(files.plain_name(path)).suffix.lower() in files.SUFFIXES


def _stem(path: Path, folder: Path) -> str:
    below = path.relative_to(folder.parent if folder.name else folder)
    return "/".join(_plain(part) for part in (*below.parts[:-1], Path(files.plain_name(path)).stem))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _rows(task: Task, paths: Sequence[Path]) -> Iterator[Row]:
    some = False
    for path in paths:
        for number, row in files.rows(path):
            some = True
            if isinstance(row, files.Unreadable):
                raise InputError(f"{path}:{number}: {row.reason}")
            try:
                yield canonical(row, task)
            except InputError as error:
                raise InputError(f"{path}:{number}: {error}") from error
    if not some:
        raise InputError(f"{', '.join(map(str, paths))}: no rows; expected {task.fields}")


def _of_hub(task: Task, split: str) -> Iterator[Row]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    name, config = task.hub
    try:
        for row in load_dataset(name, config, split=split):
            yield canonical(row, task)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        raise InputError(
            f"{task.name}: no file of it in the folders of --data, and {name} ({split}) could not be read from the Hub:"
            f" {' '.join(str(error).split())[:200]}. Give a file with {task.fields}: --data {task.name}=FILE"
        ) from error


def _is_offline() -> bool:
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    )
