"""A board's files in a folder: the page, the tables, and all figures as JSON."""

from pathlib import Path
from typing import Any

import polars as pl

from curate.errors import RunError

from . import page, pairs, tables


def write(board: dict[str, Any], judgements: pl.DataFrame, out: Path, limit: int) -> dict[str, Path]:
    """Write leaderboard.html, .csv, .md and .json into `out` (made where it is missing); their paths by kind.

    `judgements`: schema JUDGED, what the board was made of; the page has at most `limit` pairs of them. Files of the same names
    are replaced: a board holds nothing that its inputs do not. Raises RunError where the folder cannot be written.
    """
    has_outputs = judgements["output_a"].count() + judgements["output_b"].count() > 0
    found = pairs.pairs(judgements if has_outputs else judgements.clear(), board["judges"])
    found = found.filter(pl.col("output_a").is_not_null() | pl.col("output_b").is_not_null())
    shown = pairs.chosen(found, limit).to_dicts()
    texts = {
        "page": ("html", page.render(board, shown, found.height).encode()),
        "csv": ("csv", tables.to_csv(board).encode()),
        "markdown": ("md", tables.to_markdown(board).encode()),
        "json": ("json", tables.to_json(board)),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for ending, content in texts.values():
            (out / f"leaderboard.{ending}").write_bytes(content)
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror}). Name a folder that can") from error
    return {kind: out / f"leaderboard.{ending}" for kind, (ending, _) in texts.items()}
