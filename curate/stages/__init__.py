"""The stages of a build, in their order."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import polars as pl

from curate.record import VERDICT, Decision
from curate.stages import clean, decontaminate, exact, filters, meaning, near, quality, review, select


class Measures(Protocol):
    """What a stage module offers that measures. `Any` is its own Settings."""

    def measured_by(self, settings: Any, /) -> object:  # noqa: ANN401 - as above
        """What of the settings `measure` depends on, as JSON; the rest can change without measuring again."""

    def measure(self, shard: pl.DataFrame, settings: Any, /) -> pl.DataFrame:  # noqa: ANN401 - as above
        """Row-local columns: same ids, same order, nothing dropped."""


class Decides(Protocol):
    """What a stage module offers that decides. `Any` is its own Settings."""

    @property
    def NEEDS(self) -> tuple[str, ...]:  # noqa: N802 - a module's constant
        """The columns that `decide` sees beside `id`."""

    @property
    def RULES(self) -> dict[str, str]:  # noqa: N802 - a module's constant
        """What each rule says, with its source."""

    def decide(self, corpus: pl.DataFrame, settings: Any, /) -> Decision:  # noqa: ANN401 - as above
        """Verdicts and scores, from `id` and the columns in NEEDS of all rows."""


class Stage(Measures, Decides, Protocol):
    """A stage of a build: it measures, and then decides."""


class Halves(NamedTuple):
    """A stage out of a module that does only one of both."""

    measured_by: Callable[[Any], object] = lambda _: None
    measure: Callable[[pl.DataFrame, Any], pl.DataFrame] = lambda shard, _: shard.select("id")
    NEEDS: tuple[str, ...] = ()
    RULES: dict[str, str] = {}  # noqa: RUF012 - nobody writes into it
    decide: Callable[[pl.DataFrame, Any], Decision] = lambda _, __: Decision(VERDICT.to_frame())


def only_measures(stage: Measures) -> Stage:
    """The stage that drops nothing."""
    return Halves(measured_by=stage.measured_by, measure=stage.measure)


def only_decides(stage: Decides) -> Stage:
    """The stage that decides on what a source says or an earlier stage measured."""
    return Halves(NEEDS=stage.NEEDS, RULES=stage.RULES, decide=stage.decide)


STAGES: dict[str, Stage] = {
    "clean": only_measures(clean),
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
