"""The test sets that a recipe names: where each is, and its items, from any file that holds questions or from the Hub."""

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

import polars as pl
from pydantic import Field, model_validator

from curate import files, record, reference, sources
from curate.cleaning import html
from curate.config import Strict
from curate.contamination import items as test_items
from curate.contamination.items import Form
from curate.errors import ConfigError, InputError
from curate.files import Numbered
from curate.sources import stackexchange
from curate.sources.instructions import hub


class Test(Strict):
    """Where a test set is; null instead of it: on the Hub, as the registry says."""

    __test__ = False  # no test of pytest's

    path: Path | None = Field(
        None, description="its file; any JSON, JSON Lines, CSV or Parquet, or a source's (Posts.xml)"
    )
    question: str | None = Field(
        None, description="the field with the question, in a file that the registry does not know"
    )
    choices: str | None = Field(None, description="the field with the list of choices")
    answer: str | None = Field(None, description="the field with the answer")

    @model_validator(mode="before")
    @classmethod
    def _a_path_by_itself(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML
        return {"path": data} if isinstance(data, str | Path) else data

    @model_validator(mode="after")
    def _fields_of_a_file(self) -> Self:
        if (self.choices or self.answer) and not self.question:
            raise ValueError("choices or answer without question; name the field with the question too")
        if self.question and self.path is None:
            raise ValueError("question without path; the fields of a set on the Hub are known")
        return self


def read(name: str, test: Test | None, most: int | None = None) -> pl.DataFrame:
    """The items of a test set, or of its first `most` records."""
    known = test_items.registry().get(name)
    if test is None or test.path is None:
        assert known is not None
        assert known.hub is not None
        return test_items.read(name, f"hub: {known.hub.path}", _hub_rows(known.hub), known.forms)
    forms = known.forms if known is not None else ()
    if test.question is not None:
        choices = () if test.choices is None else (test.choices,)
        forms = (Form(question=(test.question,), choices=choices, answer=test.answer),)
    if forms:
        return test_items.read(name, str(test.path), islice(files.rows(test.path), most), forms)
    return _of_source(name, test.path, most)


def _hub_rows(where: test_items.Hub) -> Iterator[Numbered]:
    number = 0
    for config in where.configs:
        for _, row in hub.hub_rows(where.path, config, where.split, where.revision):
            number += 1
            yield number, row


def _of_source(name: str, path: Path, most: int | None) -> pl.DataFrame:
    """A source that is declared a test set: every question, by title and by body, with every answer."""
    kind = "instructions" if path.is_dir() else _kind(name, path)
    if most is not None:
        return test_items.ITEM.to_frame()
    if kind == "instructions":
        frame = reference.examples_of(path)
        return _items_of(name, frame, frame["prompt"], "")
    posts = stackexchange.Settings(kind="stackexchange", path=path, answers="all", prompt_from="body")
    with tempfile.TemporaryDirectory() as scratch:
        units = stackexchange.units(posts)
        batches = [batch.examples for unit in units for batch in stackexchange.load(name, unit, posts, Path(scratch))]
    frame = pl.concat([record.EXAMPLE.to_frame(), *batches])
    frame = frame.with_columns(html.to_markdown_all(frame[part]).alias(part) for part in ("prompt", "response"))
    titles = frame.filter(pl.col("title").is_not_null())
    return pl.concat([_items_of(name, frame, frame["prompt"], ""), _items_of(name, titles, titles["title"], "#title")])


def _kind(name: str, path: Path) -> str:
    """The source that recognises a file; of those that have questions and answers."""
    kind = sources.sniff(path).kind
    if kind not in ("instructions", "stackexchange"):
        raise ConfigError(
            f"decontaminate.tests.{name}: {path} is read as {kind}, which says nothing of questions: name the field that has"
            " them with `question`"
        )
    return kind


def _items_of(name: str, frame: pl.DataFrame, question: pl.Series, suffix: str) -> pl.DataFrame:
    item = pl.format("{}/{}{}", pl.lit(name), "key", pl.lit(suffix))
    return frame.select(
        item=item, test=pl.lit(name), question=question, choices=pl.lit([], pl.List(pl.String)), answer="response"
    )


def stamp(name: str, test: Test | None) -> object:
    """What tells one state of a test set from another: where it is, which fields, and of files size and time of change.

    Raises InputError where there is no file.
    """
    known = test_items.registry().get(name)
    forms = None if known is None else known.model_dump(mode="json")
    if test is None or test.path is None:
        return forms
    if not test.path.exists():
        raise InputError(f"{test.path}: there is no such file. Check decontaminate.tests.{name} in the recipe")
    paths = sorted(file for file in test.path.rglob("*") if file.is_file()) if test.path.is_dir() else [test.path]
    stats = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in paths]
    return [test.model_dump(mode="json"), forms, stats]
