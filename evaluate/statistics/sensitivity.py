"""Does the conclusion depend on the judge? Ratings by each judge apart, how far they order alike, what all of them confirm.

NEFTune (Jain et al. 2023) found gains by one judge and one prompt set that another did not show; a board by one judge cannot
tell.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.errors import InputError

from .intervals import Floats, percentiles
from .rating import ROUNDS, Ratings, bradley_terry
from .votes import votes


class Sensitivity(NamedTuple):
    """`ratings`: schema RATING after a column `judge`. `order`: `judge_a`, `judge_b`, `models` (rated by both), `kendall_tau`
    (τ-b of the ratings, from -1 to 1), `low`, `high`. `conclusions`: for every pair of models rated together by a judge
    `better`, `worse` (by the mean over judges), `judges`, `confirmed` (judges whose interval of the difference lies above 0),
    `contradicted` (below 0), `survives`: every judge rated both and confirms. `notes`: of the ratings, after the judge's name.
    """

    ratings: pl.DataFrame
    order: pl.DataFrame
    conclusions: pl.DataFrame
    notes: list[str]


def sensitivity(
    judgements: pl.DataFrame, *, rounds: int = ROUNDS, seed: int = 0, level: float = 0.95, ties: bool = False
) -> Sensitivity:
    """Bradley–Terry ratings (`ties`: Davidson's) by every judge apart, and what follows from comparing them.

    All judges share the bootstrap's draws of prompts, so that what is due to the prompts is common to them. Raises InputError
    where fewer than two judges have votes.
    """
    parts = {
        str(judge): votes(own) for (judge,), own in judgements.sort("judge").group_by("judge", maintain_order=True)
    }
    parts = {judge: own for judge, own in parts.items() if own.height}
    if len(parts) < 2:
        raise InputError(f"two judges with votes are needed to compare them, found: {', '.join(parts) or 'none'}")
    prompts = pl.concat([own["prompt_id"] for own in parts.values()]).drop_nulls().unique().sort().to_list()
    rated = {
        judge: bradley_terry(own, rounds=rounds, seed=seed, level=level, prompts=prompts, ties=ties)
        for judge, own in parts.items()
    }
    tables = [found.table.select(pl.lit(judge).alias("judge"), pl.all()) for judge, found in rated.items()]
    order = [_alike(a, b, rated[a], rated[b], level) for a, b in combinations(rated, 2)]
    notes = [f"{judge}: {note}" for judge, found in rated.items() for note in found.notes]
    schema = {
        "judge_a": pl.String,
        "judge_b": pl.String,
        "models": pl.UInt32,
        "kendall_tau": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
    alike = pl.DataFrame(order, schema=schema, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))
    return Sensitivity(pl.concat(tables), alike, _conclusions(rated, level), notes)


def _alike(
    judge_a: str, judge_b: str, a: Ratings, b: Ratings, level: float
) -> tuple[str, str, int, float, float, float]:
    common = sorted(set(a.table["model"]) & set(b.table["model"]))
    columns = [[found.table["model"].to_list().index(model) for model in common] for found in (a, b)]
    ratings = [found.table["rating"].to_numpy()[chosen] for found, chosen in zip((a, b), columns, strict=True)]
    draws = np.array(
        [_tau(one[columns[0]], other[columns[1]]) for one, other in zip(a.samples, b.samples, strict=True)]
    )
    low, high = percentiles(draws[:, None], level)
    return judge_a, judge_b, len(common), _tau(*ratings), float(low[0]), float(high[0])


def _tau(a: Floats, b: Floats) -> float:
    """Kendall's τ-b; nan for fewer than two models, or where a judge rates all alike."""
    from scipy import stats

    return float(stats.kendalltau(a, b).statistic) if len(a) > 1 else float("nan")


def _conclusions(rated: dict[str, Ratings], level: float) -> pl.DataFrame:
    differences: dict[tuple[str, str], list[float]] = {}
    certain: dict[tuple[str, str], list[int]] = {}
    for found in rated.values():
        models, group = found.table["model"].to_list(), found.table["group"].to_list()
        value = found.table["rating"].to_list()
        for i, j in combinations(range(len(models)), 2):
            if group[i] != group[j]:
                continue
            low, high = percentiles(found.samples[:, [i]] - found.samples[:, [j]], level)
            sign = int(low[0] > 0) - int(high[0] < 0)
            first, second = (i, j) if models[i] < models[j] else (j, i)
            turn = 1 if first == i else -1
            pair = (models[first], models[second])
            differences.setdefault(pair, []).append(value[first] - value[second])
            certain.setdefault(pair, []).append(sign * turn)
    rows = []
    for (a, b), values in sorted(differences.items()):
        turn = 1 if float(np.mean(values)) >= 0 else -1
        signs = np.array(certain[a, b]) * turn
        confirmed, contradicted = int((signs > 0).sum()), int((signs < 0).sum())
        better, worse = (a, b) if turn > 0 else (b, a)
        rows.append((better, worse, len(values), confirmed, contradicted, confirmed == len(rated)))
    schema = {
        "better": pl.String,
        "worse": pl.String,
        "judges": pl.UInt32,
        "confirmed": pl.UInt32,
        "contradicted": pl.UInt32,
        "survives": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
