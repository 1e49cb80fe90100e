"""wikiHow articles: the tables of Koupaee and Wang (2018), tables of steps or lists, or one JSON object per article.

An article is one input: its title asks, its overview and steps answer, in Markdown. Where an article is several rows of
a table, `position` is the first of them. The content is licensed CC-BY-NC-SA 3.0: not for commercial use.
"""

from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from curate.config import Strict
from curate.errors import InputError
from curate.files import Sniff, expand, plain_name, rows
from curate.record import place
from curate.sources import by_file
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
    tables = [file for file in files if _is_table(file)]
    others = [file for file in files if file not in set(tables)]
    for file in (*tables, *others[:1]):
        _first_form(file)
    chunks = [tuple(others[start : start + FILES_PER_UNIT]) for start in range(0, len(others), FILES_PER_UNIT)]
    return [*((table,) for table in tables), *chunks]


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


def records(file: Path, settings: Settings) -> by_file.Rows:
    """Each article of a file, and where it stands. Raises InputError where a table, or the one file there is, is damaged."""
    where = by_file.name_below(settings.path, file)
    try:
        form = next((form_of(record) for _, record in rows(file) if isinstance(record, dict)), None)
    except InputError as error:
        # In a folder of articles a damaged file is one article lost, as a damaged row is in a table.
        if file == settings.path or _is_table(file):
            raise
        yield place(where, 1) | {"rule": "unreadable", "detail": str(error).removeprefix(f"{file}: ")}
        return
    for found in articles(rows(file), form or FORMS[-1]):
        origin = place(where, found[0]) | {"license": LICENSE}
        if isinstance(found, Read):
            yield origin | {"url": found.article.url} | _judged(found, form, settings)
        else:
            yield origin | {"rule": "unreadable", "detail": found[1].reason}


forms = by_file.forms(sniff)
load = by_file.load(records, BATCH_ARTICLES)


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


def _is_table(file: Path) -> bool:
    return plain_name(file).lower().endswith(TABLES)


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
