"""Gray pairs for a person to decide, as JSON Lines, and the decisions of earlier builds.

A line: {"content", "item", "category", "evidence", "decision": null | "keep" | "drop"}. `content` is the hash of the
example's text (curate.text.content_hashes), so a decision holds for that text in any build and never for another.
"""

from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl

from curate import files
from curate.contamination import categories
from curate.errors import InputError
from curate.files import Unreadable

PAIR = pl.Schema(
    {"content": pl.String, "item": pl.String, "category": pl.String, "evidence": pl.String, "decision": pl.String}
)
_DECISIONS = (None, "keep", "drop")


class Review(NamedTuple):
    """Every pair that has been or is to be decided (schema PAIR, by content and item), and of them the decisions on text
    or pairs that this build does not have.
    """

    rows: pl.DataFrame
    stale: pl.DataFrame


def read(path: Path | None) -> pl.DataFrame:
    """The pairs of a review file with a decision, a frame of PAIR; without a file none.

    Raises InputError where it is missing, a line has another form, or two lines decide the same pair differently.
    """
    decided: dict[tuple[str, str], dict[str, Any]] = {}
    for number, row in files.rows(path) if path is not None and not _is_empty(path) else ():
        where = f"{path}:{number}"
        if isinstance(row, Unreadable):
            raise InputError(f"{where}: not a line of JSON: {row.reason}")
        absent = [name for name in ("content", "item") if not isinstance(row.get(name), str)]
        if absent:
            raise InputError(f"{where}: no {absent[0]}; expected a line of a run's contamination.jsonl")
        if row.get("decision") not in _DECISIONS:
            raise InputError(f"{where}: decision is {row['decision']!r}; expected keep, drop or null")
        key = (row["content"], row["item"])
        if row.get("decision") is None:
            continue
        if decided.get(key, row)["decision"] != row["decision"]:
            raise InputError(
                f"{where}: {row['item']} was decided {decided[key]['decision']} further up: keep one of the lines"
            )
        decided[key] = {name: row.get(name) for name in PAIR}
    return pl.DataFrame(list(decided.values()), schema=PAIR)


def review_rows(leaks: pl.DataFrame, contents: pl.Series, decisions: pl.DataFrame) -> Review:
    """The review of a build: `leaks` (of `categories.categorised`, with `content`), the contents of all rows that reached
    the stage, and the decisions of an earlier review (`read`).

    Every gray pair is there, undecided or with its decision, and every decision that was ever made. Stale are those
    whose content is not among `contents`, or whose pair was not found again.
    """
    found = categories.strongest_first(leaks)
    found = found.with_columns(categories.evidence(found)).unique(
        ["content", "item"], keep="first", maintain_order=True
    )
    ours = decisions.select("content", "item", "decision")
    pairs = found.select("content", "item", "category", "evidence").join(ours, on=["content", "item"], how="left")
    pairs = pairs.filter((pl.col("category") == "gray_area") | pl.col("decision").is_not_null())
    lost = decisions.join(pairs, on=["content", "item"], how="anti")
    rows = pl.concat([pairs.select(PAIR.names()), lost]).sort("content", "item")
    known = pl.col("content").is_in(contents.implode())
    reason = pl.when(known).then(pl.lit("the pair is no leak any more")).otherwise(pl.lit("no row has this text"))
    return Review(rows, lost.sort("content", "item").with_columns(reason=reason))


def lines(review: Review) -> bytes:
    """The review as JSON Lines, one object of PAIR a line."""
    return b"".join(orjson.dumps(row) + b"\n" for row in review.rows.iter_rows(named=True))


def _is_empty(path: Path) -> bool:
    """Whether the file is there and holds nothing: a build without a gray pair writes it so."""
    return path.is_file() and path.stat().st_size == 0
