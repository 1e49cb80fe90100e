"""wikiHow articles: the tables of Koupaee and Wang (2018), tables of steps or lists, or one JSON object per article.

An article is one input: its title asks, its overview and steps answer, in Markdown. Where an article is several rows of
a table, `position` is the first of them. The content is licensed CC-BY-NC-SA 3.0: not for commercial use.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from curate.config import Strict
from curate.errors import InputError
from curate.files import Sniff, expand, plain_name, rows
from curate.record import Batch, examples, rejects
from curate.sources.wikihow.article import markdown, prompt
from curate.sources.wikihow.forms import FORMS, Form, Read, articles, form_of

LICENSE = "CC-BY-NC-SA-3.0"
TABLES = (".csv", ".tsv", ".parquet")
SUFFIXES = (*TABLES, ".json", ".jsonl", ".ndjson")
# One JSON file per article makes a folder of 100,000 files: these are read by the thousand.
FILES_PER_UNIT = 1_000
BATCH_ARTICLES = 1_000
SNIFFED = 1_000

RULES = {
    "unreadable": "The row or file is damaged, or is no article: it has no title, or lacks the columns of the others.",
    "no_answer": "The article has a title and no text.",
    "summary_too_long": "The bold lines are not shorter than 0.75 times the text: too little is said beside them "
    "(Koupaee and Wang 2018, their own filter on wikihowAll).",
    "not_steps": "The list names ingredients or things needed, not what to do.",
}


class Settings(Strict):
    """A file or folder of wikiHow articles."""

    kind: Literal["wikihow"]
    path: Path = Field(description="a table or JSON file of articles, or a folder of them")
    tips_and_warnings: bool = Field(default=False, description="append tips and warnings where the form has them")
    max_summary_ratio: float = Field(
        default=0.75,
        gt=0,
        description="wikihowAll: drop articles whose summary is not shorter than this times the text",
    )


def units(settings: Settings) -> list[tuple[Path, ...]]:
    """Each table by itself, and JSON files by the thousand.

    Raises InputError where there is no file, or where the first record of a table, or of the first JSON file, is not in
    a form that is known.
    """
    files = expand(settings.path, SUFFIXES)
    tables = [file for file in files if plain_name(file).lower().endswith(TABLES)]
    others = [file for file in files if file not in set(tables)]
    for file in (*tables, *others[:1]):
        _first_form(file)
    chunks = [tuple(others[start : start + FILES_PER_UNIT]) for start in range(0, len(others), FILES_PER_UNIT)]
    return [*((table,) for table in tables), *chunks]


def forms(unit: tuple[Path, ...], settings: Settings) -> list[Sniff]:  # noqa: ARG001 - every source has it
    """What `sniff` says of each file of a unit."""
    return [found for file in unit if (found := sniff(file)) is not None]


def load(name: str, unit: tuple[Path, ...], settings: Settings, scratch: Path) -> Iterator[Batch]:  # noqa: ARG001 - nothing is spilled
    """The examples and rejects of one unit in the order of the files. Raises InputError where a file is truncated."""
    kept: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for row in chain.from_iterable(_inputs(file, settings, one_of_many=len(unit) > 1) for file in unit):
        (rejected if "rule" in row else kept).append(row)
        if len(kept) + len(rejected) >= BATCH_ARTICLES:
            yield Batch(examples(name, kept), rejects(name, rejected))
            kept, rejected = [], []
    if kept or rejected:
        yield Batch(examples(name, kept), rejects(name, rejected))


def sniff(path: Path) -> Sniff | None:
    """What the first 1,000 records of a file are, if most are rows of wikiHow articles."""
    if not plain_name(path).lower().endswith(SUFFIXES):
        return None
    records = [record for _, record in islice(rows(path), SNIFFED)]
    form = next((form_of(record) for record in records if isinstance(record, dict)), None)
    if form is None:
        return None
    covered = sum(isinstance(record, dict) and _fits(record, form) for record in records)
    if 2 * covered < len(records):
        return None
    rows_of = "an article in several rows" if form.in_several_rows else "a record per article"
    return Sniff("wikihow", form.name, len(records), covered, rows_of)


def _inputs(file: Path, settings: Settings, *, one_of_many: bool) -> Iterator[dict[str, Any]]:
    """Each article of a file as a row of EXAMPLE, or of REJECT (it has a `rule`), by column name."""
    where = file.name if settings.path.is_file() else file.relative_to(settings.path).as_posix()
    try:
        form = next((form_of(record) for _, record in rows(file) if isinstance(record, dict)), None)
    except InputError as error:
        # In a folder of articles a damaged file is one article lost, as a damaged row is in a table.
        if not one_of_many:
            raise
        reason = str(error).removeprefix(f"{file}: ")
        yield {"key": f"{where}:1", "file": where, "position": 1, "rule": "unreadable", "detail": reason}
        return
    for found in articles(rows(file), form or FORMS[-1]):
        number = found[0]
        origin = {"key": f"{where}:{number}", "file": where, "position": number, "license": LICENSE}
        if isinstance(found, Read):
            yield origin | {"url": found.article.url} | _judged(found, form, settings)
        else:
            yield origin | {"rule": "unreadable", "detail": found[1].reason}


def _judged(found: Read, form: Form | None, settings: Settings) -> dict[str, Any]:
    article, ratio = found.article, found.summary_ratio
    response = markdown(article, extras=settings.tips_and_warnings)
    if not response:
        return {"rule": "no_answer"}
    if ratio is not None and ratio >= settings.max_summary_ratio:
        return {"rule": "summary_too_long", "value": ratio, "limit": settings.max_summary_ratio}
    # The list form mixes summaries ("1. ...") with lists of ingredients and of things needed ("• ...").
    if form and form.name == "lists" and not response[0].isdigit():
        return {"rule": "not_steps", "detail": response[:80]}
    return {
        "group": "wikihow",
        "stratum": article.categories[0] if article.categories else "wikihow",
        "prompt": prompt(article.title),
        "response": response,
        "markup": "plain",
        "title": article.title,
        "context_chars": 0,
        "tags": list(article.categories),
    }


def _first_form(file: Path) -> Form:
    """The form of a file by its first readable record. Raises InputError where that is none that is known."""
    first = next((record for _, record in rows(file) if isinstance(record, dict)), None)
    form = form_of(first) if first is not None else None
    if form is None:
        known = "; ".join(f"{form.name}: {', '.join(sorted(form.columns))}" for form in FORMS)
        found = f"has the fields {', '.join(map(str, first))}" if first is not None else "has no readable record"
        raise InputError(f"{file}: {found}, but wikiHow articles have ({known}, and steps or methods)")
    return form


def _fits(record: dict[str, Any], form: Form) -> bool:
    return form_of(record) is form and (form.name != "lists" or str(record["result"]).lstrip().startswith(("1.", "•")))
