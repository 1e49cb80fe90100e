"""Instruction sets in any of the forms in which they are published, from files, folders, the Hub or a saved data set.

The form of each file is recognised by its first rows (recognise.py); a recipe can name it, and rename columns, instead.
Text is taken as it stands: nothing is cleaned here.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from curate.config import Strict
from curate.errors import InputError, did_you_mean
from curate.files import SUFFIXES, Numbered, Sniff, Unreadable, expand, plain_name, rows
from curate.record import Batch, batches, example_id, place
from curate.sources import by_file
from curate.sources.instructions import hub
from curate.sources.instructions.forms import Options
from curate.sources.instructions.recognise import LOOKED_AT, Found, columns_of, known_forms, recognise
from curate.turns import Row, column, lowered, renamed

# Files of a folder whose form is checked before anything is read; in a folder of thousands the rest is checked on reading.
CHECKED = 20
BATCH_ROWS = 10_000
# Files that lie beside data and describe it.
NOT_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json")

RULES = {
    "not_preferred": "The row's own label says that this answer was not wanted (KTO, Ethayarajh et al. 2024).",
    "not_best_path": "A message of a tree that is not on its best-ranked path (value: its rank, limit: the kept one's).",
    "not_sampled": "The task has more instances than instances_per_task (value: place in the draw, limit: the setting).",
}


class Settings(Strict):
    """Where an instruction set is and, where that cannot be seen from it, what its columns mean."""

    kind: Literal["instructions"] = "instructions"
    path: Path | None = Field(None, description="file, folder of files, or folder written by datasets' save_to_disk")
    hub: str | None = Field(None, description="name of a data set on the Hub, instead of path: owner/name")
    config: str | None = Field(None, description="configuration of a set on the Hub")
    split: str | None = Field(None, description="split; null: train on the Hub, every split of a saved folder")
    revision: str | None = Field(
        None, description="commit or tag on the Hub, so that a later build reads the same rows"
    )
    form: str | None = Field(None, description="name of the form; null: recognised by the first rows of each file")
    columns: dict[str, str] = Field({}, description="our name: the file's name, such as {prompt: ask, response: reply}")
    templates: Path | None = Field(None, description="wordings for tables of tasks; null: the shipped templates.yaml")
    seed: int = Field(0, description="for wordings, and for instances drawn from a task")
    paths: Literal["best", "all"] = Field("best", description="of an OpenAssistant tree: its best path, or all paths")
    # Tk-Instruct was trained on 100 instances a task (Wang et al. 2022).
    instances_per_task: int | None = Field(100, ge=1, description="of a Natural Instructions task; null: all")
    positive_examples: int = Field(0, ge=0, description="examples of a Natural Instructions task shown in its prompt")
    license: str | None = Field(None, description="licence of rows that state none, such as CC-BY-SA-4.0")
    markup: Literal["plain", "markdown", "html"] = Field("plain", description="what the texts are written in")

    @model_validator(mode="after")
    def _one_place_and_a_known_form(self) -> Self:
        if (self.path is None) == (self.hub is None):
            given = "neither path nor hub is" if self.path is None else "both path and hub are"
            raise ValueError(f"{given} given; expected exactly one of them")
        if self.path is not None and (self.config or self.revision):
            raise ValueError("config and revision belong to hub; a path has none")
        # The kinds of a templates file of one's own are known when it is read.
        if self.form and self.templates is None and self.form not in (known := [form.name for form in known_forms()]):
            raise ValueError(f"form '{self.form}' is not known. {did_you_mean(self.form, known)}")
        return self


def units(settings: Settings) -> list[tuple[Path, ...]]:
    """One unit a file (or saved split), sorted by path; a set on the Hub is one unit without files.

    A templates file of one's own is part of each unit, after the data. Raises InputError where there is nothing to read
    or one of the first files has no known form.
    """
    also = (settings.templates,) if settings.templates else ()
    if settings.path is None:
        return [also]
    splits = hub.saved_splits(settings.path) if settings.path.is_dir() else []
    if splits:
        chosen = [folder for folder in splits if settings.split in (None, folder.name)]
        if not chosen:
            raise InputError(
                f"{settings.path}: no split '{settings.split}'. {did_you_mean(settings.split or '', [f.name for f in splits])}"
            )
        found = [(*sorted(folder.glob("*.arrow")), folder / hub.STATE, *also) for folder in chosen]
    else:
        found = [(file, *also) for file in expand(settings.path, SUFFIXES) if file.name not in NOT_DATA]
    if not found:
        raise InputError(
            f"{settings.path}: the folder holds only files that describe data; expected {', '.join(SUFFIXES)}"
        )
    for unit in found[:CHECKED]:
        form_of(unit, settings)
    return found


def form_of(unit: tuple[Path, ...], settings: Settings) -> Found:
    """The form of a unit by its first 200 rows, and how many of them could be read. Raises InputError as `recognise`."""
    where, head = _head(unit, settings)
    return recognise(where, head, known_forms(settings.templates), _options(settings), settings.form)


def forms(unit: tuple[Path, ...], settings: Settings) -> list[Sniff]:
    """What a unit is taken for under these settings."""
    found = form_of(unit, settings)
    return [Sniff("instructions", found.form.name, found.rows, found.covered, found.remark)]


def load(name: str, unit: tuple[Path, ...], settings: Settings, scratch: Path) -> Iterator[Batch]:  # noqa: ARG001 - every source has it
    """The examples of a unit. `key` is file:row (`alpaca.json:17`), with #k where a row holds several.

    Columns that a row states are taken from it (turns.facts); otherwise stratum is the file's stem, group the source's
    name, license the setting. Raises InputError as `form_of` does, and where the file ends early.
    """
    return batches(name, _records(name, unit, settings), BATCH_ROWS)


def sniff(path: Path) -> Sniff | None:
    """The form of a file or saved data set; None where it is neither, or its rows fit no form.

    Raises InputError where the file cannot be read, is empty, or is a mixture of forms.
    """
    if path.is_dir():
        splits = hub.saved_splits(path)
        unit = (splits[0] / hub.STATE,) if splits else None
    else:
        unit = (path,) if plain_name(path).lower().endswith(SUFFIXES) and path.name not in NOT_DATA else None
    if unit is None:
        return None
    settings = Settings(path=path)
    where, head = _head(unit, settings)
    known = known_forms()
    if not any(form.fits(row) for form in known for _, row in head if not isinstance(row, Unreadable)):
        return None
    found = recognise(where, head, known, _options(settings))
    return Sniff("instructions", found.form.name, found.rows, found.covered, found.remark)


def _records(name: str, unit: tuple[Path, ...], settings: Settings) -> Iterator[Row]:
    form = form_of(unit, settings).form
    file = _file(unit, settings)
    stem = Path(plain_name(Path(file))).stem
    options = _options(settings)._replace(file=file)
    for number, reading in form.read(lambda: _open(unit, settings, settings.columns), options):
        row = reading.columns | place(file, number, reading.part)
        row["license"] = row.get("license") or settings.license
        if reading.rule:
            other = example_id(name, f"{file}{reading.other}") if reading.other else None
            yield row | {"rule": reading.rule, "other": other}
        else:
            usual = {"stratum": row.get("stratum") or stem, "group": row.get("group") or name}
            yield row | usual | {"markup": settings.markup}


def _head(unit: tuple[Path, ...], settings: Settings) -> tuple[str, list[Numbered]]:
    """The unit's name in messages, and its first rows, with the recipe's names for columns."""
    where = str(_place(unit)) if settings.path else f"hub: {settings.hub}"
    with closing(_open(unit, settings, {})) as opened:
        head = list(islice(opened, LOOKED_AT))
    if not head:
        raise InputError(f"{where}: there are no rows in it. Check the file, or leave it out")
    found = columns_of(head)
    for ours, theirs in settings.columns.items():
        if found and column(theirs) not in found:
            hint = did_you_mean(theirs, found)
            raise InputError(f"{where}: columns: {ours} is to come from '{theirs}', which is no column there. {hint}")
    return where, [(n, row if isinstance(row, Unreadable) else renamed(row, settings.columns)) for n, row in head]


def _open(unit: tuple[Path, ...], settings: Settings, columns: dict[str, str]) -> Generator[Numbered, None, None]:
    """The rows of a unit under the names that forms use."""
    if settings.hub is not None:
        split = settings.split or "train"
        opened: Iterator[Numbered] = hub.hub_rows(settings.hub, settings.config, split, settings.revision)
    elif _place(unit).is_dir():
        opened = hub.saved_rows(_place(unit))
    else:
        opened = rows(unit[0])
    for number, row in opened:
        yield number, row if isinstance(row, Unreadable) else renamed(lowered(row), columns)


def _place(unit: tuple[Path, ...]) -> Path:
    """The file of a unit, or the folder of a saved split."""
    return unit[0].parent if unit[0].suffix == ".arrow" or unit[0].name == hub.STATE else unit[0]


def _file(unit: tuple[Path, ...], settings: Settings) -> str:
    if settings.path is None:
        return "/".join(part for part in (settings.hub, settings.config, settings.split or "train") if part)
    return by_file.name_below(settings.path, _place(unit))


def _options(settings: Settings) -> Options:
    return Options(
        seed=settings.seed,
        paths=settings.paths,
        instances_per_task=settings.instances_per_task,
        positive_examples=settings.positive_examples,
    )
