"""Review: what people decided about single examples. A reject drops; a keep holds against later rules; edits were made by
`clean`, the only stage that writes text.

A kept example is not let through here and now: later stages measure it and say what speaks against it, and the build puts
their verdicts aside where `OVERRIDABLE` (curate.stages) lets it. A decision is one on a text: where cleaning makes another
text of the example than the one that was decided on, it does not hold, and the build lists it as stale.
"""

from pathlib import Path

import polars as pl
from pydantic import Field

from curate import decisions
from curate.config import Strict
from curate.record import Decision, verdicts
from curate.text import content_hashes

NEEDS = ("content",)

RULES = {"rejected": "A reviewer looked at this text and rejected it; the detail has the reasons that were given."}


class Settings(Strict):
    """Which decisions are replayed."""

    decisions: Path | None = Field(
        None, description="decisions.jsonl, as the review exports it: keeps, rejects and edits are replayed; null: none"
    )


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: whether there are decisions. Reads them, so that a build does not end
    after hours at a line that cannot be read.
    """
    decisions.read(settings.decisions)
    return settings.decisions is not None


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id` and `content` (String: the hash that decisions are kept by); null where there are no decisions."""
    if settings.decisions is None:
        return shard.select("id", content=pl.lit(None, pl.String))
    return shard.select("id", content_hashes(shard))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for each rejected row; for all rows the scores `decision` (keep, reject, null) and `decided_by`.

    Who rejected is no part of the verdict: the ledger is published, and a reviewer's name is nobody's business there.
    """
    decided = decisions.read(settings.decisions).table()
    rows = corpus.select("id", "content").join(decided, on="content", how="left").sort("id")
    rejected = rows.filter(pl.col("decision") == "reject")
    reasons = pl.col("reasons").list.join("; ")
    found = verdicts("review", "rejected", rejected.select("id", detail=pl.when(reasons != "").then(reasons)))
    return Decision(found, rows.select("id", "decision", decided_by="reviewer"))
