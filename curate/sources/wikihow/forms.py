"""The forms in which wikiHow is passed on, each turned into articles."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from curate.files import Numbered, Unreadable
from curate.sources.wikihow.article import Article, Section, Step, unnumbered

Row = dict[str, Any]


class Form(NamedTuple):
    """One form: its name, the columns that tell it, and whether an article is several rows with the same title."""

    name: str
    columns: frozenset[str]
    in_several_rows: bool
    article: Callable[[list[Row]], Article]


class Read(NamedTuple):
    """An article with the number of its first row, and the length of its summary over that of its text, if it has one."""

    number: int
    article: Article
    summary_ratio: float | None


def form_of(row: Row) -> Form | None:
    """The form that a row is in, by its columns; a row with a title and steps or methods is a JSON article."""
    for form in FORMS:
        if form.columns <= row.keys() and (form.name != "article" or _sections(row)):
            return form
    return None


def articles(rows: Iterable[Numbered], form: Form) -> Iterator[Read | tuple[int, Unreadable]]:
    """The articles in `rows`, in order, and each row that cannot be read with its number.

    Rows of one article are those with the same title next to each other. Where a title returns later it is another
    article: joining them would take all titles in memory, and in the published files it happens only where two
    articles share a title.
    """
    before: str | None = None
    held: tuple[int, list[Row]] | None = None
    for group in _groups(rows, form):
        if isinstance(group[1], Unreadable):
            yield group[0], group[1]
            continue
        after = text(group[1][0]["title"])
        if held:
            yield _read(*held, form, before, after)
            before = text(held[1][0]["title"])
        held = group[0], group[1]
    if held:
        yield _read(*held, form, before, None)


def text(value: object) -> str:
    """A field as text: missing values are empty, lists of text are paragraphs, CSV's quoting artefacts are mended.

    The published tables were made by joining lists with commas, which left `.,` at the end of a sentence and a comma
    at the start of a paragraph (the authors' own `process.py` mends the same). Commas after abbreviations stay.
    """
    if isinstance(value, list):
        return "\n\n".join(filter(None, map(text, value)))
    if not isinstance(value, str):
        return ""
    if "," in value:
        if _COMMA_AT_START.search(value):
            value = _COMMA_AT_START.sub("\n", value)
        if any(stop in value for stop in (".,", "!,", "?,")):
            value = _COMMA_AFTER_STOP.sub(r"\1", value)
    return value.strip().strip(";").strip()


_COMMA_AT_START = re.compile(r"\n\s*,[ \t]*")
_COMMA_AFTER_STOP = re.compile(
    r"(?<![A-Za-z]\.[A-Za-z])(?<!\betc)(?<!\b[JSDM]r)(?<!\bInc)(?<!\bvs)([.!?]),(?=\s*(?:\n|$)|\s+[A-Z])"
)


def _groups(rows: Iterable[Numbered], form: Form) -> Iterator[tuple[int, list[Row]] | tuple[int, Unreadable]]:
    held: tuple[int, list[Row]] | None = None
    for number, row in rows:
        if isinstance(row, Unreadable):
            yield number, row
        elif problem := _problem(row, form):
            yield number, problem
        elif held and form.in_several_rows and held[1][0]["title"] == row["title"]:
            held[1].append(row)
        else:
            if held:
                yield held
            held = number, [row]
    if held:
        yield held


def _problem(row: Row, form: Form) -> Unreadable | None:
    if not form.columns <= row.keys():
        return Unreadable(f"no {', '.join(sorted(form.columns - row.keys()))}")
    return None if text(row["title"]) else Unreadable("no title")


def _read(number: int, rows: list[Row], form: Form, before: str | None, after: str | None) -> Read:
    article = form.article(rows)
    if form.name in ("all", "sep"):
        article = article._replace(title=unnumbered(article.title, before, after))
    body = text(rows[0]["text"]) if form.name == "all" else ""
    return Read(number, article, len(text(rows[0]["headline"])) / len(body) if body else None)


def _from_all(rows: list[Row]) -> Article:
    """wikihowAll: all bold lines, all paragraphs. They are steps where there are as many of one as of the other."""
    (row,) = rows
    headlines = [text(line) for line in str(row["headline"] or "").split("\n") if text(line)]
    # A paragraph ends in an empty line; the comma after it is what joined the list.
    paragraphs = [text(part) for part in re.split(r"\n+[ \t]*,|\n{2,}", str(row["text"] or "")) if text(part)]
    if headlines and len(headlines) == len(paragraphs):
        steps = [Step(headline, paragraph) for headline, paragraph in zip(headlines, paragraphs, strict=True)]
        return _described(row, Article(text(row["title"]), sections=(Section("", steps),)))
    return _described(row, Article(text(row["title"]), body="\n\n".join(paragraphs)))


def _from_sep(rows: list[Row]) -> Article:
    """wikihowSep: a row per step, with the article's overview and the step's section repeated in each."""
    sections: list[Section] = []
    for row in rows:
        heading = text(row["sectionLabel"])
        if not sections or sections[-1].heading != heading:
            sections.append(Section(heading, []))
        sections[-1].steps.extend(_step(row["headline"], row["text"]))
    return _described(rows[0], Article(text(rows[0]["title"]), text(rows[0]["overview"]), sections=tuple(sections)))


def _from_steps(rows: list[Row]) -> Article:
    """A row per step: title, heading, paragraph."""
    steps = [step for row in rows for step in _step(row["heading"], row["paragraph"])]
    return _described(rows[0], Article(text(rows[0]["title"]), sections=(Section("", steps),)))


def _from_list(rows: list[Row]) -> Article:
    """A title and the article's own summary as a numbered list."""
    (row,) = rows
    lines = [line.rstrip() for line in text(row["result"]).splitlines()]
    return _described(row, Article(text(row["title"]), body="\n".join(lines)))


def _from_json(rows: list[Row]) -> Article:
    """A whole article: title, description, category, methods or parts or steps, tips, warnings."""
    (row,) = rows
    extras = [(name.capitalize(), [text(item) for item in _listed(row.get(name)) if text(item)]) for name in _EXTRAS]
    article = Article(
        text(row["title"]),
        text(_first(row, ("description", "title_description", "overview", "summary"))),
        sections=tuple(_sections(row)),
        extras=tuple((name, items) for name, items in extras if items),
    )
    return _described(row, article)


_EXTRAS = ("tips", "warnings")
_HEADINGS = ("headline", "heading", "title", "name", "step")
_PARAGRAPHS = ("description", "text", "paragraph", "content", "details")


def _described(row: Row, article: Article) -> Article:
    named = _first(row, ("category", "categories", "category_hierarchy"))
    names = [name.strip() for path in _listed(named) for name in re.split("[>»]", text(path))]
    categories = tuple(name for name in names if name and name not in ("Home", "Categories"))
    return article._replace(categories=categories, url=text(row.get("url")) or None)


def _sections(row: Row) -> list[Section]:
    several = _first(row, ("methods", "parts", "sections"))
    if isinstance(several, dict):
        several = [{"name": name, "steps": steps} for name, steps in several.items()]
    sections = [
        Section(
            text(_first(part, _HEADINGS)), [step for item in _listed(part.get("steps")) for step in _json_step(item)]
        )
        for part in _listed(several)
        if isinstance(part, dict)
    ]
    steps = [step for item in _listed(row.get("steps")) for step in _json_step(item)]
    return [section for section in (Section("", steps), *sections) if section.steps]


def _json_step(item: object) -> list[Step]:
    if isinstance(item, dict):
        return _step(_first(item, _HEADINGS), _first(item, _PARAGRAPHS))
    return _step("", item)


def _step(headline: object, paragraph: object) -> list[Step]:
    """No step where both are empty."""
    step = Step(text(headline), text(paragraph))
    return [step] if any(step) else []


def _first(row: Row, names: Iterable[str]) -> Any:  # noqa: ANN401 - a value of JSON
    return next((row[name] for name in names if row.get(name)), None)


def _listed(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


# The most particular first: the columns of wikihowAll are among those of wikihowSep.
FORMS = (
    Form("sep", frozenset({"overview", "headline", "text", "sectionLabel", "title"}), True, _from_sep),
    Form("all", frozenset({"headline", "title", "text"}), False, _from_all),
    Form("steps", frozenset({"title", "heading", "paragraph"}), True, _from_steps),
    Form("lists", frozenset({"title", "result"}), False, _from_list),
    Form("article", frozenset({"title"}), False, _from_json),
)
