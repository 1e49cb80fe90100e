"""What can become of a record, in the order in which it can, and in which colour that is drawn.

Drops that a recipe asked for (limits, duplicates, leaks, places) are told apart from faults of the data itself: among
thousands of the former a hundred damaged records would not be seen.
"""

from typing import Literal

import polars as pl

from curate.rules.table import CLEANED, TABLE
from curate.sources import RULES as SOURCE_RULES
from curate.stages import STAGES

Fate = Literal["kept", "fault", "rejected", "limit", "duplicate", "leak", "place"]

RULES = {"source": SOURCE_RULES, **{name: stage.RULES for name, stage in STAGES.items()}}

WORDS: dict[Fate, str] = {
    "kept": "kept",
    "fault": "faults of the data",
    "rejected": "rejected by reviewers",
    "limit": "limits of the recipe",
    "duplicate": "duplicates",
    "leak": "leaks from test sets",
    "place": "beyond the size of the set",
}
COLORS: dict[Fate, str] = {
    "kept": "light-dark(#2f7d5b,#5fbf93)",
    "fault": "light-dark(#c4472f,#f08a6c)",
    "rejected": "light-dark(#b0437f,#f08fbf)",
    "limit": "light-dark(#2c6ca3,#6fb2e6)",
    "duplicate": "light-dark(#84589f,#c79fe0)",
    "leak": "light-dark(#a87708,#e3b54a)",
    "place": "light-dark(#94949b,#74747b)",
}
# Records that are damaged or incomplete, whatever a recipe wants: those of the sources, those that AlpacaDataCleaned lists
# as faults of a record, and posts whose text is gone.
FAULTS = {("source", rule) for rule in ("unreadable", "no_answer", "no_question", "repeated_key", "not_a_post")} | {
    ("filters", rule.name)
    for rule in TABLE
    if rule.name == "deleted" or (rule.comparison == "never" and rule.source == CLEANED)
}
_OF_STAGE: dict[str, Fate] = {
    "review": "rejected",
    "exact": "duplicate",
    "near": "duplicate",
    "meaning": "duplicate",
    "decontaminate": "leak",
    "select": "place",
}


def fate(stage: str, rule: str) -> Fate:
    """What a verdict of this rule makes of a record."""
    return "fault" if (stage, rule) in FAULTS else _OF_STAGE.get(stage, "limit")


def order() -> pl.DataFrame:
    """Every rule that can have a verdict: `stage`, `rule`, `place` (UInt32: the order in which they are asked), `fate`."""
    rows = [(stage, rule, fate(stage, rule)) for stage, rules in RULES.items() for rule in rules]
    frame = pl.DataFrame(rows, schema={"stage": pl.String, "rule": pl.String, "fate": pl.String}, orient="row")
    return frame.with_row_index("place")
