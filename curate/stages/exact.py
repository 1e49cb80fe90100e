"""Exact duplicates: of equal conversations one stays, and every other names it as its twin."""

from hashlib import blake2b
from typing import Literal

import polars as pl
from pydantic import Field

from curate.config import Strict
from curate.duplicates import keep
from curate.record import Decision, verdicts
from curate.text import Part, normalise, part

NEEDS = ("source", "decision", "score", "response_chars", "text_hash")

RULES = {
    "exact_duplicate": (
        "Another example has the same text once case, width and white space are folded; what a reviewer kept stays, then the"
        " best-scored, then the preferred source's, then the smallest id (Platypus removes exact copies first, section 2.2)."
    )
}


class Settings(Strict):
    """What counts as equal and which copy stays."""

    of: Part = Field("conversation", description="the text that is compared")
    best: Literal["score", "longest"] = Field(
        "score", description="which copy stays: most votes, or the longest answer"
    )
    prefer: tuple[str, ...] = Field((), description="sources, best first; by default in the recipe's order")


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: which text is compared."""
    return settings.of


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id` and `text_hash` (String, 32 hex digits: 128 bits, so that unequal texts never meet by chance)."""
    # Turns are kept apart by a character that is no white space and that cleaning removes, so folding cannot join them.
    texts = shard.select(text=normalise(part(settings.of, separator="\x1e")))["text"]
    hashes = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
    return shard.select("id", pl.Series("text_hash", hashes, dtype=pl.String))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """One verdict for each copy but the best of its group: value = copies in the group, limit = 1, other = the one kept."""
    copies = (
        keep.best_first(corpus.filter(pl.col("text_hash").is_duplicated()), settings.best, settings.prefer)
        .with_columns(other=pl.col("id").first().over("text_hash"), value=pl.len().over("text_hash"), limit=pl.lit(1.0))
        .filter(pl.col("id") != pl.col("other"))
    )
    return Decision(verdicts("exact", "exact_duplicate", copies.select("id", "value", "limit", "other")))
