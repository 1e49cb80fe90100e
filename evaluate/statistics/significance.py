"""Is one model better than another: paired tests on the same prompts, Holm's correction, the smallest detectable difference.

Every test is two-sided. Scores may be wins (1, ½, 0), probabilities or grades; a model's several scores on a prompt (samples,
orders, judges) count as their mean, so that the prompt is what is drawn and what is counted.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from curate.errors import InputError

from .intervals import Floats, Interval, clustered_share, percentiles, resamples

ROUNDS = 2000

COMPARISON = pl.Schema(
    {
        "model_a": pl.String(),
        "model_b": pl.String(),
        "prompts": pl.UInt32(),
        "a_better": pl.UInt32(),
        "b_better": pl.UInt32(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "detectable": pl.Float64(),
        "p_mcnemar": pl.Float64(),
        "p_bootstrap": pl.Float64(),
        "p_wilcoxon": pl.Float64(),
        "p_mcnemar_holm": pl.Float64(),
        "p_bootstrap_holm": pl.Float64(),
        "p_wilcoxon_holm": pl.Float64(),
    }
)

HEAD_TO_HEAD = pl.Schema(
    {
        "model_a": pl.String(),
        "model_b": pl.String(),
        "prompts": pl.UInt32(),
        "a_better": pl.UInt32(),
        "b_better": pl.UInt32(),
        "win_rate_a": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "detectable": pl.Float64(),
        "p_sign": pl.Float64(),
        "p_sign_holm": pl.Float64(),
    }
)


def mcnemar(a_only: int, b_only: int) -> float:
    """McNemar's test, exact: p of so uneven a split of the prompts on which just one of two was right (or better).

    The binomial test of `a_only` among both at ½ (McNemar 1947; also the sign test); 1 where there are none.
    """
    from scipy import stats

    return float(stats.binomtest(a_only, a_only + b_only, 0.5).pvalue) if a_only + b_only else 1.0


def wilcoxon(differences: ArrayLike) -> float:
    """Wilcoxon's signed-rank test of paired differences; those of 0 are ranked, then left out (Pratt 1959). All 0: 1."""
    from scipy import stats

    given = np.asarray(differences, np.float64)
    return float(stats.wilcoxon(given, zero_method="pratt").pvalue) if given.any() else 1.0


def paired_bootstrap(
    differences: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0, level: float = 0.95
) -> tuple[Interval, float]:
    """The mean of one difference a prompt with its percentile interval, and p: see `compare`. No interval for one prompt."""
    given = np.asarray(differences, np.float64)
    low, high, p = _bootstrap(given[:, None], np.ones((len(given), 1)), rounds, seed, level)
    return Interval(float(given.mean()), float(low[0]), float(high[0])), float(p[0])


def holm(p_values: ArrayLike) -> Floats:
    """The p-values after Holm's step-down correction for how many there are (1979): at most 5 % of families err at 0.05."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def detectable_difference(prompts: int, deviation: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest true mean difference that a test on so many prompts finds with probability `power`.

    (z(1 - α/2) + z(power)) · deviation / √prompts, the normal approximation (Cohen 1988, chapter 2), with the standard
    deviation of one prompt's difference, in its unit. For a win rate it is at most 0.5.
    """
    from scipy import stats

    return float((stats.norm.ppf(0.5 + level / 2) + stats.norm.ppf(power)) * deviation / np.sqrt(prompts))


def compare(scores: pl.DataFrame, *, rounds: int = ROUNDS, seed: int = 0, level: float = 0.95) -> pl.DataFrame:
    """Every pair of models that share prompts, tested on these: schema COMPARISON, in the order of the names.

    `scores`: `prompt_id`, `model`, `score`; rows without a score are left out. `difference` is the mean of a - b over
    prompts, with the percentile interval of a bootstrap over prompts; `detectable`, in the same unit, see
    `detectable_difference`. `p_bootstrap` is twice the smaller share of rounds on one side of 0, never below
    2 / (rounds + 1). The columns `…_holm` are corrected for all pairs of the table.
    """
    wide = (
        _by_prompt(scores, ["prompt_id", "model"]).pivot("model", index="prompt_id", values="score").sort("prompt_id")
    )
    models = sorted(set(wide.columns) - {"prompt_id"})
    values = {model: wide[model].to_numpy() for model in models}
    pairs = [(a, b) for a, b in combinations(models, 2) if (~np.isnan(values[a] - values[b])).any()]
    if not pairs:
        raise InputError("nothing to compare: no two models have scores on one prompt")
    found = np.stack([values[a] - values[b] for a, b in pairs], axis=1)
    present = (~np.isnan(found)).astype(np.float64)
    low, high, p_bootstrap = _bootstrap(np.nan_to_num(found), present, rounds, seed, level)
    rows = []
    for i, (a, b) in enumerate(pairs):
        own = found[present[:, i] > 0, i]
        wins, losses = int((own > 0).sum()), int((own < 0).sum())
        rows.append(
            (
                a,
                b,
                len(own),
                wins,
                losses,
                own.mean(),
                low[i],
                high[i],
                *_tests(own, wins, losses, level, p_bootstrap[i]),
            )
        )
    names = list(COMPARISON)[: len(rows[0])]
    table = pl.DataFrame(rows, schema={name: COMPARISON[name] for name in names}, orient="row")
    tests = ("p_mcnemar", "p_bootstrap", "p_wilcoxon")
    corrected = [pl.Series(f"{test}_holm", holm(table[test])) for test in tests]
    return table.with_columns(corrected).with_columns(pl.col(pl.Float64).fill_nan(None))


def head_to_head(votes: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Every pair of models that met, from the votes between them: schema HEAD_TO_HEAD, in the order of the names.

    `votes`: schema VOTE. A prompt counts for the model that has more than half of its votes, or for neither.
    `win_rate_a` is the mean over prompts, ties half, with the interval of `intervals.clustered_share`; `p_sign` the exact
    sign test, `p_sign_holm` corrected for all pairs of the table.
    """
    swapped = pl.col("model_a") > pl.col("model_b")
    ordered = votes.with_columns(
        model_a=pl.min_horizontal("model_a", "model_b"),
        model_b=pl.max_horizontal("model_a", "model_b"),
        score=pl.when(swapped).then(1 - pl.col("score")).otherwise("score"),
        prompt_id=pl.coalesce("prompt_id", pl.format("\0{}", pl.int_range(pl.len()))),
    )
    by_prompt = _by_prompt(ordered, ["model_a", "model_b", "prompt_id"])
    rows = []
    for (a, b), own in by_prompt.group_by("model_a", "model_b", maintain_order=True):
        score = own["score"].to_numpy()
        wins, losses = int((score > 0.5).sum()), int((score < 0.5).sum())
        share = clustered_share(score, own["prompt_id"].to_numpy(), level)
        rows.append((a, b, len(score), wins, losses, *share, _detectable(score, level), mcnemar(wins, losses)))
    table = pl.DataFrame(rows, schema={k: HEAD_TO_HEAD[k] for k in list(HEAD_TO_HEAD)[:-1]}, orient="row")
    return table.with_columns(pl.Series("p_sign_holm", holm(table["p_sign"])), pl.col("low", "high").fill_nan(None))


def _by_prompt(scores: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return scores.drop_nulls("score").group_by(keys).agg(pl.col("score").mean()).sort(keys)


def _tests(own: Floats, wins: int, losses: int, level: float, p_bootstrap: float) -> tuple[float, ...]:
    return _detectable(own, level), mcnemar(wins, losses), p_bootstrap, wilcoxon(own)


def _detectable(values: Floats, level: float) -> float:
    if len(values) < 2:
        return float("nan")
    return detectable_difference(len(values), float(values.std(ddof=1)), level=level)


def _bootstrap(
    differences: Floats, present: Floats, rounds: int, seed: int, level: float
) -> tuple[Floats, Floats, Floats]:
    """Low and high ends and p of every column's mean over the rows where it is present (0 elsewhere)."""
    draws = []
    for times in resamples(len(differences), rounds, seed, width=differences.shape[1]):
        counted = times @ present
        draws.append(np.divide(times @ differences, counted, out=np.full(counted.shape, np.nan), where=counted > 0))
    means = np.concatenate(draws)
    low, high = percentiles(means, level)
    one_prompt = present.sum(axis=0) < 2
    low[one_prompt], high[one_prompt] = np.nan, np.nan
    below, above = (means <= 0).sum(axis=0) + 1, (means >= 0).sum(axis=0) + 1
    p = np.minimum(1, 2 * np.minimum(below, above) / (rounds + 1))
    return low, high, np.where(one_prompt, 1.0, p)
