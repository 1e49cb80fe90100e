"""The stages of a build, in their order."""

from typing import Any, Protocol

import polars as pl

from curate.record import Decision
from curate.stages import clean, decontaminate, exact, filters, meaning, near, quality, select


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
    "filters": filters,
    "exact": exact,
    "quality": quality,
    "near": near,
    "meaning": meaning,
    "decontaminate": decontaminate,
    "select": select,
}
