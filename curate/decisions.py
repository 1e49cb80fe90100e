"""What reviewers decided, as the file that goes to git (`decisions.jsonl`), and what it means for a build.

A line: {"content", "decision": "keep" | "reject", "example", "reasons", "reviewer", "time"}, with the edited "messages" where
the text was kept as edited. A decision is one on a text, `content` being `curate.text.content_hashes` of the text that the
reviewer saw: it holds for that text in any build and never for another. Of several on one text the latest counts, and of
equal times the later line. An edit is two decisions: its text becomes another, and that other one is kept. So what a
reviewer decides later on a text that was edited is one more decision, on the text as edited.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curate import files
from curate.chat import Message, from_messages
from curate.errors import InputError
from curate.record import TURN
from curate.text import content_hashes

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# The columns of an example that hold its text, as `curate.chat.from_messages` names them.
TEXTS: dict[str, Any] = {
    "system": pl.String,
    "history": pl.List(TURN),
    "prompt": pl.String,
    "prompt_role": pl.String,
    "response": pl.String,
}


class Line(NamedTuple):
    """One line. `messages`: the text as edited, None where it was kept or rejected as it stood; `edited`: its hash; `role`:
    `settle` where the decision ended a disagreement of others.
    """

    number: int
    content: str
    decision: str
    example: str
    reasons: tuple[str, ...]
    reviewer: str
    time: str
    messages: list[Message] | None
    edited: str | None
    role: str | None = None


class Stale(NamedTuple):
    """A decision on a text that the corpus does not have any more; `content` is what its example has now."""

    line: Line
    content: str


class Decisions(NamedTuple):
    """A file of decisions. `lines`: all of it; `latest`: by text, the line that counts; `edits`: by text as cleaned, the line
    whose text it becomes once every edit is made.
    """

    lines: tuple[Line, ...]
    latest: dict[str, Line]
    edits: dict[str, Line]

    def table(self) -> pl.DataFrame:
        """What counts: `content`, `decision` (keep, reject), `reviewer`, `reasons` (List(String))."""
        rows = [
            (content, line.decision, line.reviewer, [*line.reasons]) for content, line in sorted(self.latest.items())
        ]
        names: dict[str, Any] = {
            "content": pl.String,
            "decision": pl.String,
            "reviewer": pl.String,
            "reasons": pl.List(pl.String),
        }
        return pl.DataFrame(rows, schema=names, orient="row")

    def texts(self) -> pl.DataFrame:
        """`content` of each text that is edited, and the columns TEXTS of what it becomes."""
        rows = [{"content": content, **from_messages(line.messages or [])} for content, line in self.edits.items()]
        schema = pl.Schema({"content": pl.String(), **TEXTS})
        return pl.DataFrame(rows, schema=schema, orient="row").sort("content")

    def stale(self, corpus: Mapping[str, str]) -> list[Stale]:
        """Which lines speak of a text that the corpus (example id to content) does not have, while it has the example.

        Not stale is a line whose text became what an edit made of it, and one whose reviewer decided on the new text too.
        """
        contents = set(corpus.values())
        decided = {(line.content, line.reviewer) for line in self.lines}
        decided |= {(line.edited, line.reviewer) for line in self.lines if line.edited is not None}
        gone = [line for line in self.lines if line.example in corpus and line.content not in contents]
        return [
            Stale(line, corpus[line.example])
            for line in gone
            if corpus[line.example] != self._becomes(line) and (corpus[line.example], line.reviewer) not in decided
        ]

    def absent(self, corpus: Mapping[str, str]) -> list[Line]:
        """The lines that speak of neither a text nor an example of the corpus: decisions on other data."""
        contents = set(corpus.values())
        return [
            line
            for line in self.lines
            if line.example not in corpus and not {line.content, self._becomes(line)} & contents
        ]

    def _becomes(self, line: Line) -> str | None:
        """The hash of what the edits make of the text of a line, None where it is not edited."""
        return self.edits[line.content].edited if line.content in self.edits else None


def counted(lines: Sequence[Line]) -> Decisions:
    """Which of `lines` count, and what they make of each text."""
    # Of a line's two decisions the one on the text that it makes counts as the later, so that edits never go round.
    both = [(line.time, 0, line.number, line.content, line) for line in lines]
    both += [(line.time, 1, line.number, line.edited, line) for line in lines if line.edited is not None]
    latest = {content: line for *_, content, line in sorted(both, key=lambda item: item[:3])}
    return Decisions(tuple(lines), latest, dict(_edits(latest)))


def _edits(latest: Mapping[str, Line]) -> Iterator[tuple[str, Line]]:
    """Each text that is edited with the last line in its row of edits: what one makes may have been edited later."""
    for first in latest:
        content, last = first, None
        while (line := latest[content]).content == content and line.edited not in (None, content):
            content, last = str(line.edited), line
        if last is not None:
            yield first, last


def hashes(conversations: Sequence[list[Message]]) -> list[str]:
    """`curate.text.content_hashes` of each conversation. Raises InputError where one is none."""
    rows = [from_messages(messages) for messages in conversations]
    return content_hashes(pl.DataFrame(rows, schema=TEXTS, orient="row")).to_list()


def read(path: Path | None) -> Decisions:
    """The decisions in a file; without a file, and in an empty one, none.

    Raises InputError, with the line, where the file is missing or a line is anything else.
    """
    if path is None:
        return counted([])
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected decisions as JSON Lines, as the review exports them")
    stamp = path.stat()
    return _read(path, stamp.st_size, stamp.st_mtime_ns)


# One entry: every shard of a build asks for the same file. Size and time are part of the key so that a long-lived process
# sees a file that has changed.
@lru_cache(maxsize=1)
def _read(path: Path, size: int, _time: int) -> Decisions:
    rows = files.json_lines(path) if size else iter(())
    lines = [line_of(row, f"{path}:{number}", number) for number, row in rows]
    edited = {line.number: line.messages for line in lines if line.messages is not None}
    made = dict(zip(edited, hashes([*edited.values()]), strict=True))
    return counted([line._replace(edited=made.get(line.number)) for line in lines])


def line_of(row: Any, where: str, number: int = 0) -> Line:  # noqa: ANN401 - any JSON value
    """The line that a JSON value is, `edited` not computed. Raises InputError, beginning with `where`, for anything else."""
    if isinstance(row, files.Unreadable):
        raise InputError(f"{where}: {row.reason}")
    for name in ("content", "example", "reviewer", "time"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise InputError(f"{where}: {name} is {row.get(name)!r}; expected a text, as the review exports it")
    if not TIME.fullmatch(row["time"]):
        raise InputError(f"{where}: time is {row['time']!r}; expected UTC as 2026-01-31T08:05:00.000Z")
    decision, reasons, messages = row.get("decision"), row.get("reasons", []), row.get("messages")
    role = row.get("role")
    if role not in (None, "settle"):
        raise InputError(f"{where}: role is {role!r}; expected settle, or none")
    if decision not in ("keep", "reject") or (messages is not None and decision == "reject"):
        raise InputError(f"{where}: decision is {decision!r}; expected keep or reject, and keep with edited messages")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise InputError(f"{where}: reasons are {reasons!r}; expected a list of texts")
    if messages is not None:
        if not (isinstance(messages, list) and all(isinstance(turn, dict) for turn in messages)):
            raise InputError(f"{where}: messages are no conversation; expected a list of role and content")
        try:
            from_messages(messages)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    who = (row["example"], tuple(reasons), row["reviewer"], row["time"])
    return Line(number, row["content"], decision, *who, messages, None, role)
