"""Sources whose files are read one by one: the pieces that they share, and a whole source out of a module that reads one file.

A row is a dictionary: columns of EXAMPLE, or of REJECT where it has a `rule`.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import Field

from curate import record
from curate.config import Strict
from curate.files import Sniff, expand, plain_name
from curate.record import Batch

Unit = tuple[Path, ...]
Rows = Iterator[dict[str, Any]]

SNIFFED = 1_000


class Settings(Strict):
    """What the recipe says of a source that is files and no more."""

    kind: str
    path: Path = Field(description="a file, or a folder of them")


class Reader(Protocol):
    """A module that reads one file, named like the `kind` in a recipe. `Any` is its own Settings."""

    __name__: str

    @property
    def Settings(self) -> type[Any]: ...  # noqa: N802 - a module's class

    def records(self, file: Path, settings: Any, /) -> Rows:  # noqa: ANN401 - as above
        """Every record of a file in its order. Where it stands need not be said: its key is file:number, counted from 1."""


class ByFile(NamedTuple):
    """What `curate.sources.Source` asks for."""

    RULES: dict[str, str]
    units: Callable[[Any], list[Unit]]
    forms: Callable[[Unit, Any], list[Sniff]]
    load: Callable[[str, Unit, Any, Path], Iterator[Batch]]
    sniff: Callable[[Path], Sniff | None]
    count: Callable[[Path], int]


def source(reader: Reader, suffix: str, rules: dict[str, str] | None = None) -> ByFile:
    """The source of the files whose names end in `suffix`, compressed or not; `rules` are those that it alone has."""
    kind = reader.__name__.rpartition(".")[2]

    def units(settings: Any) -> list[Unit]:  # noqa: ANN401 - the reader's Settings
        return [(file,) for file in expand(settings.path, (suffix,))]

    def placed(file: Path, settings: Any) -> Rows:  # noqa: ANN401 - as above
        where = name_below(settings.path, file)
        for number, row in enumerate(reader.records(file, settings), start=1):
            yield record.place(where, number) | row

    def read(path: Path) -> Rows:
        return reader.records(path, reader.Settings(kind=kind, path=path))

    def sniff(path: Path) -> Sniff | None:
        if not plain_name(path).lower().endswith(suffix):
            return None
        rules = [row.get("rule") for row in islice(read(path), SNIFFED)]
        return Sniff(kind, suffix, len(rules), len(rules) - rules.count("unreadable"), "") if rules else None

    def count(path: Path) -> int:
        return sum(1 for _ in read(path))

    return ByFile(rules or {}, units, forms(sniff), load(placed), sniff, count)


def name_below(path: Path, file: Path) -> str:
    """A file's name in keys and messages: from the folder `path` on, or its own where it is `path`."""
    return file.name if file == path else file.relative_to(path).as_posix()


def forms(sniff: Callable[[Path], Sniff | None]) -> Callable[[Unit, Any], list[Sniff]]:
    """What the files of a unit are taken for, where settings change nothing about it: what `sniff` says of each."""

    def of_each(unit: Unit, settings: Any) -> list[Sniff]:  # noqa: ANN401, ARG001 - every source has it
        return [found for file in unit if (found := sniff(file)) is not None]

    return of_each


def load(
    records: Callable[[Path, Any], Rows], most: int = record.BATCH_ROWS
) -> Callable[[str, Unit, Any, Path], Iterator[Batch]]:
    """The batches of a unit, at most so many rows each, out of a reader of one file that says where each row stands.

    Where a row names none, its group is the source and its stratum the file.
    """

    def of_all(name: str, unit: Unit, settings: Any, scratch: Path) -> Iterator[Batch]:  # noqa: ANN401, ARG001 - as above
        found = (
            {"group": name, "stratum": Path(plain_name(file)).stem} | row
            for file in unit
            for row in records(file, settings)
        )
        return record.batches(name, found, most)

    return of_all
