"""The table of sources: the `kind` in a recipe, the settings that go with it, and the module that reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from curate import files
from curate.errors import InputError
from curate.files import Sniff
from curate.record import Batch
from curate.sources import instructions, reddit, stackexchange, wikihow


class Source(Protocol):
    """What a source module offers. `Any` is its own Settings."""

    @property
    def RULES(self) -> dict[str, str]:  # noqa: N802 - a module's constant
        """Why a record of this source is not an example, by rule; not those of COMMON."""

    def units(self, settings: Any, /) -> list[tuple[Path, ...]]:  # noqa: ANN401 - as above
        """Independent pieces of work, in a stable order: files that must be read together."""

    def forms(self, unit: tuple[Path, ...], settings: Any, /) -> list[Sniff]:  # noqa: ANN401 - as above
        """What the files of a unit are taken for, and how many of their first records fit."""

    def load(self, name: str, unit: tuple[Path, ...], settings: Any, scratch: Path, /) -> Iterator[Batch]:  # noqa: ANN401 - as above
        """Every record of the unit, once: as an example or as a reject."""

    def sniff(self, path: Path, /) -> Sniff | None:
        """What this file is, or None where it is not this source's."""


# What a recipe says of a source: the settings of any of these, told apart by their `kind`.
Settings = Annotated[
    stackexchange.Settings | wikihow.Settings | reddit.Settings | instructions.Settings,
    Field(discriminator="kind"),
]

SOURCES: dict[str, Source] = {
    "stackexchange": stackexchange,
    "wikihow": wikihow,
    "reddit": reddit,
    "instructions": instructions,
}

# What every source may find; then what only one of them knows.
COMMON = {
    "unreadable": "The record cannot be read in the form of its file; the verdict's detail says what is wrong.",
    "no_answer": "A question, submission or conversation without an answer in the files.",
    "no_question": "An answer or a reply whose question is not in the files.",
    "not_best_answer": "Another answer to the question has a higher score; ties go to the accepted one, then to the smallest id.",
    "repeated_key": "The source holds this record's key twice: the record that comes first is the one that counts.",
}
RULES = COMMON | {rule: sentence for source in SOURCES.values() for rule, sentence in source.RULES.items()}


def sniff(file: Path) -> Sniff:
    """What `file` is, by the first source that knows it. Raises InputError where none does, or the file is missing."""
    if not file.exists():
        raise InputError(f"{file}: there is no such file")
    for source in SOURCES.values():
        found = source.sniff(file)
        if found is not None:
            return found
    # The reader of instruction sets knows most about files it cannot read: which columns it found, what they are near to.
    instructions.units(instructions.Settings(kind="instructions", path=file))
    raise InputError(f"{file}: none of {', '.join(SOURCES)} recognises it")


def count(file: Path, kind: str) -> int:
    """How many records a file of this kind holds; reads all of it. Raises InputError where it is damaged.

    A source whose records are not the rows of a file has a `count` of its own.
    """
    counted: int = getattr(SOURCES[kind], "count", files.count)(file)
    return counted
