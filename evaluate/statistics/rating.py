"""Ratings of models from votes between them: Bradley–Terry, Davidson, Elo, mean win rate; intervals and ranks.

Ratings are on Elo's scale: 400 points are a factor of ten in the odds, and a group of models that met has 1,000 on average.
Every function takes votes (`votes.votes` makes them from judgements).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.errors import ConfigError, did_you_mean

from . import bradley_terry as strengths
from .intervals import FEW_CLUSTERS, Floats, Ints, percentiles
from .votes import Coded, code, counts, resampled_counts

POINTS = 400 / np.log(10)
MEAN = 1000.0
ROUNDS = 200

# `rating_low`, `rating_high`: null without intervals. `rank`: place by rating in the group. `rank_best`: 1 + the models of the
# group that are better for certain (the interval of the difference lies above 0); `rank_worst`: how many are not worse for
# certain. Models of one `rank_best` are a rank group. `votes`: the weight of a model's votes. `group`: models that votes
# connect, from 0; ratings of two groups cannot be compared. `finite`: false where only the prior votes keep the rating
# from infinity.
RATING = pl.Schema(
    {
        "model": pl.String(),
        "rating": pl.Float64(),
        "rating_low": pl.Float64(),
        "rating_high": pl.Float64(),
        "rank": pl.UInt32(),
        "rank_best": pl.UInt32(),
        "rank_worst": pl.UInt32(),
        "votes": pl.Float64(),
        "group": pl.UInt32(),
        "finite": pl.Boolean(),
    }
)


class Ratings(NamedTuple):
    """`table`: schema RATING, best first. `samples` (rounds, models): the bootstrap's ratings, in the table's order.

    `tie`: Davidson's ν, the odds of a tie against a win of one of two equals; null for other models. `notes`: what a
    reader of the table has to know, in sentences.
    """

    table: pl.DataFrame
    samples: Floats
    tie: float | None
    notes: list[str]


def bradley_terry(
    votes: pl.DataFrame,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = 0.95,
    anchor: tuple[str, float] | None = None,
    prompts: Sequence[str] | None = None,
    ties: bool = False,
) -> Ratings:
    """Bradley–Terry ratings, a tie counting as half a win for each (FastChat, fastchat/serve/monitor/rating_systems.py).

    With `ties`, ratings by Davidson's model, in which equals tie with odds ν and a tie tells more of two models than half a
    win (1970, JASA 65(329), 317-328). Intervals are percentiles over `rounds` bootstrap rounds that draw prompts with all
    their votes, on the scale whose mean is 1,000; 0 rounds: none. `anchor`, a model and its rating, shifts what is shown and
    leaves the width of intervals as it is (FastChat issue 3377). `prompts`: draw from these, so that two calls with equal
    prompts and seeds have the same rounds. Raises InputError without a vote, ConfigError for an unknown anchor.
    """
    coded = code(votes, prompts)
    wins, tied = counts(coded, ties=ties)
    group = strengths.groups(wins)
    found = strengths.fit(wins[None], tied[None], group)
    fits = [strengths.fit(*block, group, found) for block in resampled_counts(coded, rounds, seed, ties=ties)]
    samples = np.concatenate([fit.theta for fit in fits]) if fits else np.empty((0, len(coded.models)))
    unsure = int(sum(fit.with_prior.sum() for fit in fits))
    notes = notes_of(coded, wins, group, rounds, unsure, bool(found.with_prior[0]))
    table, order = tabulate(coded, wins, group, found.theta[0], samples, level, anchor)
    return Ratings(table, MEAN + POINTS * samples[:, order], float(found.nu[0]) if ties else None, notes)


def elo(votes: pl.DataFrame, k: float = 4.0) -> pl.DataFrame:
    """`model`, `rating` after all votes in the order of the rows, best first: Elo from 1,000, steps of `k` points.

    K 4, base 10 and scale 400 as FastChat's online Elo. It depends on the order of the votes; Bradley–Terry does not.
    """
    coded = code(votes)
    ratings = [MEAN] * len(coded.models)
    rows = zip(coded.a.tolist(), coded.b.tolist(), coded.score.tolist(), coded.weight.tolist(), strict=True)
    for a, b, score, weight in rows:
        gain = k * weight * (score - 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400)))
        ratings[a] += gain
        ratings[b] -= gain
    return pl.DataFrame({"model": coded.models, "rating": ratings}).sort("rating", "model", descending=[True, False])


def mean_win_rate(votes: pl.DataFrame) -> pl.DataFrame:
    """`model`, `mean_win_rate` in [0, 1], `opponents`, best first: the mean, over opponents met, of the share won, ties half.

    Every opponent counts the same, however often it was met (HELM, Liang et al. 2022, section 5.1.1).
    """
    coded = code(votes)
    wins = counts(coded, ties=False)[0]
    met = wins + wins.T
    share = np.divide(wins, met, out=np.zeros_like(wins), where=met > 0)
    opponents = (met > 0).sum(axis=1)
    table = {"model": coded.models, "mean_win_rate": share.sum(axis=1) / opponents, "opponents": opponents}
    return pl.DataFrame(table).sort("mean_win_rate", "model", descending=[True, False])


def tabulate(
    coded: Coded,
    wins: Floats,
    group: Ints,
    theta: Floats,
    samples: Floats,
    level: float,
    anchor: tuple[str, float] | None,
) -> tuple[pl.DataFrame, Ints]:
    """The table (schema RATING, group by group, best first) and the position in `coded.models` of each of its rows.

    `theta` (models,) and `samples` (rounds, models) are natural logarithms of strength, of mean 0 in every group.
    """
    rating = MEAN + POINTS * theta
    shift = _shift(coded.models, rating, anchor)
    order = np.lexsort((np.arange(len(theta)), -np.round(rating, 6), group))
    # Fewer than two prompts are the same prompt in every round: no interval, and nothing is certain.
    drawn = POINTS * samples if coded.prompts > 1 else POINTS * samples[:0]
    low, high = percentiles(drawn, level)
    better = _certainly_better(drawn, level) & (group[:, None] == group)
    size = np.bincount(group)[group]
    first = np.array([np.flatnonzero(group[order] == number)[0] for number in group])
    columns = {
        "model": np.array(coded.models, dtype=object),
        "rating": rating + shift,
        "rating_low": MEAN + low + shift,
        "rating_high": MEAN + high + shift,
        "rank": np.argsort(order) - first + 1,
        "rank_best": better.sum(axis=0) + 1,
        "rank_worst": size - better.sum(axis=1),
        "votes": (wins + wins.T).sum(axis=1),
        "group": group,
        "finite": _finite(strengths.unbeaten_chain(wins), group),
    }
    table = pl.DataFrame({name: column[order].tolist() for name, column in columns.items()})
    return table.with_columns(pl.col("rating_low", "rating_high").fill_nan(None)).cast(RATING), order


def _shift(models: list[str], rating: Floats, anchor: tuple[str, float] | None) -> float:
    if anchor is None:
        return 0.0
    if anchor[0] not in models:
        raise ConfigError(f"anchor {anchor[0]}: no vote is about this model. {did_you_mean(anchor[0], models)}")
    return anchor[1] - float(rating[models.index(anchor[0])])


def _certainly_better(samples: Floats, level: float) -> np.ndarray:
    """Whether the interval of the difference i - j lies above 0, shape (models, models)."""
    models = samples.shape[1]
    if not len(samples):
        return np.zeros((models, models), dtype=bool)
    return np.stack([percentiles(samples[:, [i]] - samples, level)[0] > 0 for i in range(models)])


def _finite(parts: Ints, group: Ints) -> np.ndarray:
    """Whether a model is in the largest part of its group whose members have all gained on one another."""
    size = np.bincount(parts)
    largest = {number: max(set(parts[group == number]), key=lambda part: size[part]) for number in set(group)}
    return np.array([part == largest[number] for part, number in zip(parts, group, strict=True)])


def notes_of(coded: Coded, wins: Floats, group: Ints, rounds: int, unsure: int, with_prior: bool) -> list[str]:
    notes = []
    if group.max() > 0:
        names = [_names(coded.models, group == number) for number in range(group.max() + 1)]
        notes.append(f"these groups never met, and their ratings cannot be compared: {' | '.join(names)}")
    parts = strengths.unbeaten_chain(wins)
    for part in sorted(set(parts), key=lambda part: int(np.flatnonzero(parts == part)[0])):
        own, others = parts == part, (parts != part) & (group == group[parts == part][0])
        gained, lost = wins[np.ix_(own, others)].any(), wins[np.ix_(others, own)].any()
        if gained != lost:
            end = "won every vote against others and has" if gained else "lost every vote against others and has"
            notes.append(f"{_names(coded.models, own)} {end} no finite rating; one drawn vote of prior bounds it")
    if with_prior and not any("no finite rating" in note for note in notes):
        notes.append("wins and ties leave no finite ratings; one drawn vote of prior for each model bounds them")
    if unsure and not with_prior:
        notes.append(f"{unsure} of {rounds} bootstrap rounds needed one drawn vote of prior for each model")
    if rounds and coded.prompts < 2:
        notes.append("all votes are about one prompt: there is no interval")
    elif rounds and coded.prompts < FEW_CLUSTERS:
        notes.append(f"intervals rest on {coded.prompts} prompts; below {FEW_CLUSTERS} they are too narrow")
    return notes


def _names(models: list[str], chosen: np.ndarray) -> str:
    return ", ".join(name for name, own in zip(models, chosen, strict=True) if own)
