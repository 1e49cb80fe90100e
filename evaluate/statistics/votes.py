"""What a rating is made of: votes between two models, as rows, as numbers, and as counts in resamples of the prompts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate.errors import InputError

from ..record import preference_a
from .intervals import Floats, Ints, resamples

# `score`: how far a was preferred, in [0, 1]. A vote without `prompt_id` is a prompt of its own.
VOTE = pl.Schema(
    {
        "prompt_id": pl.String(),
        "model_a": pl.String(),
        "model_b": pl.String(),
        "score": pl.Float64(),
        "weight": pl.Float64(),
    }
)


class Coded(NamedTuple):
    """Votes as numbers: `models` in sorted order, `a` and `b` their positions, `cluster` the prompt's of `clusters`."""

    models: list[str]
    a: Ints
    b: Ints
    score: Floats
    weight: Floats
    cluster: Ints
    clusters: int

    @property
    def prompts(self) -> int:
        """How many prompts these votes are about; `clusters` may be more."""
        return len(np.unique(self.cluster))


def votes(judgements: pl.DataFrame) -> pl.DataFrame:
    """The judgements (schema JUDGEMENT or JUDGED) that are votes: schema VOTE, then `style_a`, `style_b` where given.

    What failed, what judges a single answer and what sets a model against itself is no vote. Both orders of a pair are two
    votes on one prompt. `score` is the probability where the judge gave one, else 1, ½ or 0 by the verdict.
    """
    weight = pl.col("weight") if "weight" in judgements.columns else pl.lit(1.0)
    style = [name for name in ("style_a", "style_b") if name in judgements.columns]
    given = judgements.select(
        "prompt_id", "model_a", "model_b", preference_a().alias("score"), weight.alias("weight"), *style
    )
    return given.filter(pl.col("score").is_not_null() & (pl.col("model_a") != pl.col("model_b")))


def code(frame: pl.DataFrame, prompts: Sequence[str] | None = None) -> Coded:
    """`frame` (schema VOTE; `weight` may be absent) as numbers. `prompts`: all there are, where a frame has only some.

    Raises InputError where there is no vote or a weight is not above 0.
    """
    if frame.is_empty():
        raise InputError("no votes to rate models by: no judgement of two different models has status ok")
    weight = frame["weight"] if "weight" in frame.columns else pl.ones(frame.height, dtype=pl.Float64, eager=True)
    if weight.null_count() or not (weight.is_finite() & (weight > 0)).all():
        raise InputError("votes: weight must be a number above 0 in every row; leave the column out to count each once")
    names = pl.concat([frame["model_a"], frame["model_b"]]).unique().sort()
    place = pl.Enum(names)
    a, b = (frame[column].cast(place).to_physical().cast(pl.Int64).to_numpy() for column in ("model_a", "model_b"))
    cluster, clusters = _clusters(frame["prompt_id"], prompts)
    return Coded(names.to_list(), a, b, frame["score"].to_numpy(), weight.to_numpy(), cluster, clusters)


def counts(coded: Coded, *, ties: bool) -> tuple[Floats, Floats]:
    """How much i won against j, ties half, and the tied votes of i and j: two arrays (models, models).

    Without `ties` the second is all zero, and a score between 0 and 1 divides its vote; with them a score of exactly ½
    is a tie, and any other a whole win for whom it favours.
    """
    wins, tied = (matrix.sum(axis=1).reshape(len(coded.models), -1) for matrix in _by_cluster(coded, ties=ties))
    return wins, tied


def resampled_counts(coded: Coded, rounds: int, seed: int, *, ties: bool) -> Iterator[tuple[Floats, Floats]]:
    """The counts of `rounds` bootstrap rounds that draw prompts with all their votes, in blocks: (rounds, models, models)."""
    n = len(coded.models)
    matrices = _by_cluster(coded, ties=ties)
    for drawn in resamples(coded.clusters, rounds, seed, width=2 * n * n):
        times = np.ascontiguousarray(drawn.T)
        wins, tied = (np.ascontiguousarray((matrix @ times).T).reshape(-1, n, n) for matrix in matrices)
        yield wins, tied


def _by_cluster(coded: Coded, *, ties: bool) -> tuple[Any, Any]:
    """The counts of each prompt: two sparse arrays (models · models, clusters)."""
    from scipy.sparse import csr_array

    n = len(coded.models)
    forth, back = coded.a * n + coded.b, coded.b * n + coded.a
    score = (np.sign(coded.score - 0.5) + 1) / 2 if ties else coded.score
    cells = np.concatenate([forth, back])
    won = np.concatenate([coded.weight * score, coded.weight * (1 - score)])
    tied = np.tile(np.where(score == 0.5, coded.weight, 0.0), 2) if ties else np.zeros(len(won))
    clusters = np.tile(coded.cluster, 2)
    shape = (n * n, coded.clusters)
    return tuple(
        csr_array((amount[amount > 0], (cells[amount > 0], clusters[amount > 0])), shape=shape)
        for amount in (won, tied)
    )


def _clusters(prompt_id: pl.Series, prompts: Sequence[str] | None) -> tuple[Ints, int]:
    names = pl.Series(prompts, dtype=pl.String) if prompts is not None else prompt_id.drop_nulls().unique().sort()
    place = pl.DataFrame({"prompt_id": names, "cluster": np.arange(len(names))})
    known = prompt_id.alias("prompt_id").to_frame().join(place, on="prompt_id", how="left", maintain_order="left")
    alone = known["cluster"].is_null()
    numbers = known.select(pl.coalesce("cluster", len(names) - 1 + pl.col("cluster").is_null().cum_sum()))
    return numbers.to_series().cast(pl.Int64).to_numpy(), len(names) + int(alone.sum())
