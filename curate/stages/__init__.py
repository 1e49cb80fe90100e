"""The stages of a build, in their order."""

from typing import Any, Protocol

import polars as pl

from curate.record import Decision
from curate.stages import clean, decontaminate, exact, filters, meaning, near, quality, review, select


class Stage(Protocol):
    """What a stage module offers. `Any` is its own Settings."""

    @property
    def NEEDS(self) -> tuple[str, ...]:  # noqa: N802 - a module's constant
        """The columns that `decide` sees beside `id`."""

    @property
    def RULES(self) -> dict[str, str]:  # noqa: N802 - a module's constant
        """What each rule says, with its source."""

    def measured_by(self, settings: Any) -> object:  # noqa: ANN401 - as above
        """What of the settings `measure` depends on, as JSON; the rest can change without measuring again."""

    def measure(self, shard: pl.DataFrame, settings: Any) -> pl.DataFrame:  # noqa: ANN401 - as above
        """Row-local columns: same ids, same order, nothing dropped."""

    def decide(self, corpus: pl.DataFrame, settings: Any) -> Decision:  # noqa: ANN401 - as above
        """Verdicts and scores, from `id` and the columns in NEEDS of all rows."""


STAGES: dict[str, Stage] = {
    "clean": clean,
    "review": review,
    "filters": filters,
    "exact": exact,
    "quality": quality,
    "near": near,
    "meaning": meaning,
    "decontaminate": decontaminate,
    "select": select,
}

# Which verdicts a reviewer's keep holds against, as (stage, rule). Not: what is a fault of the source; a reject; an exact
# copy, or twins would come back; a leak, or an item of a test set would come in; a place that the set does not have.
OVERRIDABLE = frozenset(
    (name, rule)
    for name, stage in STAGES.items()
    for rule in stage.RULES
    if name in ("filters", "quality", "near", "meaning")
)


def overruled(verdicts: pl.DataFrame, kept: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts that stand, and those that do not because a reviewer kept the row; `kept` has the `id` of such rows."""
    if kept.is_empty():
        return verdicts, verdicts.clear()
    rules = pl.DataFrame(sorted(OVERRIDABLE), schema={"stage": pl.String, "rule": pl.String}, orient="row")
    overridden = verdicts.join(kept, on="id", how="semi").join(rules, on=["stage", "rule"], how="semi")
    return verdicts.join(overridden, on=["id", "stage", "rule"], how="anti"), overridden
