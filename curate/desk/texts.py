"""The texts of a run's candidates in one SQLite file that is written once: conversations, what was measured, and their words."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from curate import chat
from curate.chat import Message
from curate.errors import RunError

if TYPE_CHECKING:
    from curate.desk.model import Desk

FILE = "texts.sqlite"
# SQLite takes 32,766 parameters in one statement.
CHUNK = 10_000
TEXTS = ("system", "history", "prompt", "prompt_role", "response")
# Han, kana and Hangul have no spaces that a word could be told by: each character is one (as in curate.text.WORD), so that
# every part of a run of them is found.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
# `words` holds no text of its own, only where each word stands.
_SCHEMA = """
CREATE TABLE made_from (fingerprint TEXT NOT NULL);
CREATE TABLE texts (row INTEGER PRIMARY KEY, conversation TEXT NOT NULL);
CREATE TABLE leaks (row INTEGER NOT NULL, place INTEGER NOT NULL, leak TEXT NOT NULL, PRIMARY KEY (row, place)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(prompt, response, content='', tokenize='porter unicode61 remove_diacritics 2');
"""


class Text(NamedTuple):
    """The conversation of one candidate, `read` as the source had it (None where cleaning changed nothing), and the names of
    the edits that cleaning made.
    """

    row: int
    messages: list[Message]
    read: list[Message] | None
    edits: list[str]


@contextlib.contextmanager
def writing(path: Path, fingerprint: str) -> Iterator[sqlite3.Connection]:
    """A new file to `add` to, which appears under `path` when all of it is there and on disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as into:
            # Nobody else sees it, and after a crash it is made anew.
            into.execute("PRAGMA journal_mode = OFF")
            into.execute("PRAGMA synchronous = OFF")
            into.execute("PRAGMA cache_size = -65536")
            # Most conversations take a few thousand bytes: on smaller pages half of the space would be left over.
            into.execute("PRAGMA page_size = 16384")
            into.executescript(_SCHEMA)
            into.execute("INSERT INTO made_from VALUES (?)", (fingerprint,))
            into.execute("BEGIN")
            yield into
            into.execute("COMMIT")
            into.execute("INSERT INTO words (words) VALUES ('optimize')")
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except sqlite3.Error as error:
        raise RunError(f"{path}: cannot be written ({error}). Look at the disk, and open the run again.") from error
    finally:
        temporary.unlink(missing_ok=True)


def add(into: sqlite3.Connection, first: int, clean: pl.DataFrame, read: pl.DataFrame) -> None:
    """Add the rows of one shard, of which the first has the number `first`: as cleaned (EXAMPLE columns and `edits`) and as read
    (the columns TEXTS).
    """
    before = read.select(chat.messages(), changed=pl.struct(TEXTS).hash()).rename({"messages": "read"})
    both = clean.select(chat.messages(), "edits", same=pl.struct(TEXTS).hash()).hstack(before)
    conversations = both.select(
        pl.struct(
            "messages",
            read=pl.when(pl.col("changed") != pl.col("same")).then("read"),
            edits=pl.col("edits").fill_null([]),
        ).struct.json_encode()
    ).to_series()
    numbers = range(first, first + clean.height)
    into.executemany("INSERT INTO texts VALUES (?, ?)", zip(numbers, conversations, strict=True))
    turns = pl.col("history").list.eval(pl.element().struct.field("content")).list.join("\n")
    asked = pl.concat_str("system", turns, "prompt", separator="\n", ignore_nulls=True)
    spaced = [text.fill_null("").str.replace_all(UNSPACED, " ${0} ") for text in (asked, pl.col("response"))]
    words = clean.select(asked=spaced[0], said=spaced[1])
    into.executemany(
        "INSERT INTO words (rowid, prompt, response) VALUES (?, ?, ?)",
        zip(numbers, words["asked"], words["said"], strict=True),
    )


def add_leaks(into: sqlite3.Connection, leaks: pl.DataFrame) -> None:
    """Add pairs of a candidate (`row`) and a test item, the strongest of a row first."""
    rows = (
        (row.pop("row"), place, orjson.dumps(row).decode()) for place, row in enumerate(leaks.iter_rows(named=True))
    )
    into.executemany("INSERT INTO leaks VALUES (?, ?, ?)", rows)


@contextlib.contextmanager
def reading(desk: "Desk") -> Iterator[sqlite3.Connection]:
    """The texts of a desk. Raises RunError where they are gone or belong to another build than the desk."""
    path = desk.run / "review" / FILE
    try:
        # Never written again, so no locks are needed; a connection belongs to one thread.
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as found:
            if found.execute("SELECT fingerprint FROM made_from").fetchone() != (desk.fingerprint,):
                raise RunError(f"{desk.run}: was built again since it was opened; open it again")
            yield found
    except sqlite3.DatabaseError as error:
        raise RunError(
            f"{path}: cannot be read ({error}). Delete the folder {path.parent}, and open the run again."
        ) from error


def texts(desk: "Desk", rows: Sequence[int]) -> list[Text]:
    """The texts of these rows, in this order. Raises IndexError for a row that is none, RunError as `reading`."""
    numbers = [int(row) for row in rows]
    known: dict[int, str] = {}
    with reading(desk) as found:
        for start in range(0, len(numbers), CHUNK):
            chunk = numbers[start : start + CHUNK]
            marks = ",".join("?" * len(chunk))
            known.update(found.execute(f"SELECT * FROM texts WHERE row IN ({marks})", chunk))  # noqa: S608 - only question marks
    missing = [number for number in numbers if number not in known]
    if missing:
        raise IndexError(f"{desk.run}: no candidate has the row {missing[0]}; there are {desk.candidates.height}")
    return [Text(number, **orjson.loads(known[number])) for number in numbers]


def leaks(desk: "Desk", row: int) -> list[dict[str, Any]]:
    """The pairs of a candidate and a test item that are leaks, strongest first: `item`, `category`, `value`, `limit`,
    `coverage`, `cosine`, `detail`. Raises RunError as `reading`.
    """
    with reading(desk) as found:
        rows = found.execute("SELECT leak FROM leaks WHERE row = ? ORDER BY place", (int(row),))
        return [orjson.loads(leak) for (leak,) in rows]
