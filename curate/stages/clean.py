"""Clean: the only stage that edits text. HTML becomes Markdown; what belongs to a site and not to an answer goes.

Each edit has a name, and the column `edits` tells which of them changed a row. Last come the texts that a reviewer rewrote:
a person's word stands as it is, and is not cleaned. Nothing is dropped here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import Field, field_validator

from curate import decisions, record
from curate.cleaning import html, markdown, phrases
from curate.config import Strict
from curate.errors import did_you_mean
from curate.text import content_hashes


class Edit(NamedTuple):
    """One kind of edit: what it does in words, the texts it may concern (cheap to tell), and how it changes those."""

    about: str
    where: pl.Expr
    change: Callable[[pl.Expr], pl.Expr]


# The texts of a shard are rows: row, part (system, prompt, response, title or turn), turn, role, markup, group, text.
# A title is neither Markdown nor HTML, whatever its row is.
_text = pl.col("text")
_html = pl.col("markup") == "html"
_markdown = pl.col("markup") == "markdown"
_plain = pl.col("markup") == "plain"
_wikihow = pl.col("group") == "wikihow"
_part = pl.col("part")


def _has(*strings: str) -> pl.Expr:
    return _text.str.contains_any(list(strings))


def _fold(text: pl.Expr) -> pl.Expr:
    return pl.when(_markdown).then(markdown.fold_blank_lines(text)).otherwise(markdown.fold_many_blank_lines(text))


# In the order in which they are made.
_BEFORE_HTML: dict[str, Edit] = {
    "line_ends": Edit(
        "Every kind of line end is a line feed.",
        _text.str.contains(r"[\r\x0b\x0c\x{85}\x{2028}\x{2029}]"),
        markdown.unify_line_ends,
    ),
}
_HTML = "HTML is Markdown: code, lists, tables and maths stay."
_AFTER_HTML: dict[str, Edit] = {
    "entities": Edit(
        "Character references such as &quot; are the characters they stand for.",
        (_markdown | (_part == "title")) & _has("&"),
        markdown.decode_entities,
    ),
    "invisible": Edit(
        "Zero-width, bidirectional and control characters are gone, no-break spaces are spaces.",
        _text.str.contains(r"[^\x20-\x7e\n\t]"),
        markdown.drop_invisible,
    ),
    "images": Edit("Images are gone.", _markdown & _has("!["), markdown.drop_images),
    "links": Edit(
        "Links are their text; bare addresses are gone, except in code.",
        _markdown & _has("](", "://"),
        markdown.drop_links,
    ),
    "stray_escapes": Edit(
        r"A literal \n, \t, \" or \u00e9 in prose is the character it stands for.",
        _plain & _has(r"\n", r"\"", r"\u"),
        phrases.repair_escapes,
    ),
    "wikihow_phrases": Edit(
        "wikiHow's calls, credits, footnote marks and lists of sources are gone.", _wikihow, phrases.drop_wikihow
    ),
    "no_input_marker": Edit(
        "A 'no input' marker at the end of the prompt is gone.", _plain & (_part == "prompt"), phrases.drop_no_input
    ),
    "answer_label": Edit(
        "A leading 'Output:' or 'Response:' is gone.", _plain & (_part == "response"), phrases.drop_label
    ),
    "article_opening": Edit(
        "wikiHow's opening 'This article' is 'The following answer', as in LIMA.",
        _wikihow & (_part == "response"),
        phrases.rename_article,
    ),
    "thanks_edit": Edit(
        "Remarks at the end about votes, awards or spelling are gone.",
        _markdown & _text.str.contains(r"(?i)\b(?:edit|eta|update)\b"),
        phrases.drop_thanks,
    ),
    "signature": Edit(
        "A name or a 'sent from my phone' at the end is gone.",
        _markdown & _text.str.contains(r"(?:--|[—–~]|(?i:sent|posted|typed) )[^\n]*\s*\z"),
        phrases.drop_signature,
    ),
    "blank_lines": Edit(
        "One blank line at most outside code (two in plain text, which may be code), none at the ends.",
        ~_html & _text.str.contains(r"\A\s*\n|\s\z|[ \t]\n|\n\n\n"),
        _fold,
    ),
}
# Remarks of thanks and signatures hide each other from the end, where they are looked for; so does white space.
_ORDER = [*_AFTER_HTML]
_ORDER[_ORDER.index("thanks_edit") : _ORDER.index("signature") + 1] = ["thanks_edit", "signature"] * 3
_ORDER.insert(_ORDER.index("wikihow_phrases"), "blank_lines")
EDITS: dict[str, str] = {
    **{name: edit.about for name, edit in _BEFORE_HTML.items()},
    "html": _HTML,
    **{name: edit.about for name, edit in _AFTER_HTML.items()},
    "reviewer": "A reviewer wrote the text anew; the decision is replayed (recipe: `review`).",
}

# What HTML held that its conversion drops or decodes, by the name of the edit that does so to Markdown.
_HELD = {"links": r"(?i)<a\s", "images": r"(?i)<img\s", "entities": r"&#?[A-Za-z0-9]+;"}


class Settings(Strict):
    """Settings of cleaning."""

    skip: tuple[str, ...] = Field(
        default=(),
        description="edits to leave out; where `links` or `images` is one, those in HTML become Markdown's",
    )

    @field_validator("skip")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EDITS:
                raise ValueError(f"{name!r} is not an edit. {did_you_mean(name, EDITS)}")
        return names


class Replaying(Settings):
    """Settings of cleaning in a build that replays decisions: the recipe says in `review` where they are."""

    decisions: Path


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: the edits that are left out, and what reviewers made of which texts."""
    return [settings.skip, [list(row) for row in _reviewed(settings).rows()]]


def _reviewed(settings: Settings) -> pl.DataFrame:
    """The texts that reviewers edited, see `curate.decisions.Decisions.texts`."""
    path = settings.decisions if isinstance(settings, Replaying) and "reviewer" not in settings.skip else None
    return decisions.read(path).texts()


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The shard (schema EXAMPLE) with its texts cleaned, and `edits` (List(String)): the names of what changed a row.

    Same ids, same order. `markup` of HTML rows is markdown afterwards. Cleaning what is clean changes nothing, except
    that code which shows nothing but character references looks like text still escaped.
    """
    texts = _texts(shard)
    log: list[pl.DataFrame] = []
    for name, edit in _BEFORE_HTML.items():
        if name not in settings.skip:
            texts = _edited(texts, name, edit, log)
    if "html" not in settings.skip:
        texts = _converted(texts, settings, log)
    for name in _ORDER:
        if name not in settings.skip:
            texts = _edited(texts, name, _AFTER_HTML[name], log)
    cleaned = _rejoined(shard, texts)
    if "html" not in settings.skip:
        cleaned = cleaned.with_columns(pl.col("markup").replace({"html": "markdown"}))
    cleaned, rewritten = _rewritten(cleaned, _reviewed(settings))
    return cleaned.with_columns(_edits_by_row([*log, rewritten], shard.height))


def _rewritten(cleaned: pl.DataFrame, reviewed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`cleaned` with the texts that a reviewer edited, and which rows those are (row, edit)."""
    nothing = pl.DataFrame(schema={"row": pl.UInt32, "edit": pl.String})
    if reviewed.is_empty():
        return cleaned, nothing
    rows = cleaned.with_columns(content_hashes(cleaned)).with_row_index("row")
    texts = list(decisions.TEXTS)
    found = rows.select("row", "content").join(reviewed, on="content", how="inner")
    others = rows.join(found, on="row", how="anti")
    mine = rows.drop(texts).join(found.select("row", *texts), on="row", how="inner")
    both = pl.concat([others, mine.select(others.columns)]).sort("row")
    return record.conform(both, record.EXAMPLE), found.select("row", edit=pl.lit("reviewer"))


def _texts(shard: pl.DataFrame) -> pl.DataFrame:
    """Every text of a shard as a row of its own."""
    rows = shard.with_row_index("row")
    about = ["row", "group"]
    whole = [
        rows.select(*about, "markup", part=pl.lit(part), turn=None, role=None, text=part)
        for part in ("system", "prompt", "response")
    ]
    title = rows.select(*about, markup=None, part=pl.lit("title"), turn=None, role=None, text="title")
    turns = (
        rows.filter(pl.col("history").list.len() > 0)
        .select(*about, "markup", "history", turn=pl.int_ranges(pl.col("history").list.len()))
        .explode("history", "turn")
        .select(
            *about,
            "markup",
            part=pl.lit("turn"),
            turn="turn",
            role=pl.col("history").struct.field("role"),
            text=pl.col("history").struct.field("content"),
        )
    )
    return pl.concat([*whole, title, turns], how="vertical_relaxed").filter(pl.col("text").is_not_null())


def _edited(texts: pl.DataFrame, name: str, edit: Edit, log: list[pl.DataFrame]) -> pl.DataFrame:
    """`texts` after one edit; the rows it changed go to `log` (row, edit)."""
    chosen = texts.select(edit.where.fill_null(value=False).alias("chosen"))["chosen"]
    if not chosen.any():
        return texts
    before = texts.filter(chosen)
    after = before.with_columns(edit.change(_text).alias("text"))
    return _replaced(texts, chosen, before, after, name, log)


def _converted(texts: pl.DataFrame, settings: Settings, log: list[pl.DataFrame]) -> pl.DataFrame:
    """`texts` with HTML as Markdown."""
    chosen = texts.select((pl.col("markup") == "html").fill_null(value=False))["markup"]
    if not chosen.any():
        return texts
    before = texts.filter(chosen)
    converted = html.to_markdown_all(before["text"], links="links" in settings.skip, images="images" in settings.skip)
    for name, pattern in _HELD.items():
        if name not in settings.skip:
            log.append(before.filter(_text.str.contains(pattern)).select("row", edit=pl.lit(name)))
    after = before.with_columns(text=converted, markup=pl.lit("markdown"))
    return _replaced(texts, chosen, before, after, "html", log)


def _replaced(
    texts: pl.DataFrame,
    chosen: pl.Series,
    before: pl.DataFrame,
    after: pl.DataFrame,
    name: str,
    log: list[pl.DataFrame],
) -> pl.DataFrame:
    changed = before["text"] != after["text"]
    log.append(after.filter(changed).select("row", edit=pl.lit(name)))
    if chosen.all():
        return after
    return texts.with_columns(
        texts["text"].scatter(chosen.arg_true(), after["text"]),
        texts["markup"].scatter(chosen.arg_true(), after["markup"]),
    )


def _rejoined(shard: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """The shard with its texts put back."""
    rows = shard.with_row_index("row")
    for part in ("system", "prompt", "response", "title"):
        column = texts.filter(_part == part).select("row", pl.col("text").alias(part))
        rows = rows.drop(part).join(column, on="row", how="left", maintain_order="left")
    turns = (
        texts.filter(_part == "turn")
        .sort("row", "turn")
        .group_by("row", maintain_order=True)
        .agg(history=pl.struct("role", content="text").cast(record.TURN))
    )
    rows = rows.drop("history").join(turns, on="row", how="left", maintain_order="left")
    return record.conform(rows, record.EXAMPLE)


def _edits_by_row(log: list[pl.DataFrame], n_rows: int) -> pl.Series:
    """`edits` of each row, in the order of EDITS."""
    rows = pl.DataFrame({"row": pl.Series(range(n_rows), dtype=pl.UInt32)})
    by_row = (
        pl.concat(log)
        .unique()
        .sort("row", pl.col("edit").cast(pl.Enum(list(EDITS))))
        .group_by("row", maintain_order=True)
        .agg(edits="edit")
    )
    joined = rows.join(by_row, on="row", how="left", maintain_order="left")
    return joined.select(pl.col("edits").fill_null([]))["edits"]
