"""Grades of single answers: n samples a prompt on a scale of 1 to 6, and the audit by Fail / Pass / Excellent.

LIMA (Zhou et al. 2023) grades five samples a prompt for helpfulness in its ablations (section 5, appendix D), and has a
person label 50 random answers of the test set (section 4.3).
"""

import numpy as np
import polars as pl

from curate.errors import InputError, did_you_mean

from .intervals import clustered_mean, clustered_share

SCALE = (1, 6)
AUDIT_LABELS = ("fail", "pass", "excellent")
AUDIT_SIZE = 50

# `within`: the standard deviation of the grades of one prompt's samples, on average over prompts; null without samples.
# `mean_worst`, `mean_best`: what the mean would be if every failed grade were the lowest, or the highest. `counts`: how
# many grades of each value, from the lowest.
LIKERT = pl.Schema(
    {
        "model": pl.String(),
        "judge": pl.String(),
        "prompts": pl.UInt32(),
        "grades": pl.UInt32(),
        "failed": pl.UInt32(),
        "mean": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "mean_worst": pl.Float64(),
        "mean_best": pl.Float64(),
        "within": pl.Float64(),
        "counts": pl.List(pl.UInt32()),
    }
)

AUDIT = pl.Schema(
    {
        "model": pl.String(),
        "label": pl.String(),
        "answers": pl.UInt32(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)


def grades(judgements: pl.DataFrame, *, scale: tuple[int, int] = SCALE, level: float = 0.95) -> pl.DataFrame:
    """The mean grade of every model by every judge: schema LIKERT, best first for each judge.

    `judgements`: schema JUDGEMENT, those of single answers (`model_b` null). The interval is two-sided, Student's t over prompts
    (`intervals.clustered_mean`): samples of one prompt are not independent. Raises InputError for a grade outside the scale.
    """
    single = judgements.filter(pl.col("model_b").is_null())
    outside = single.filter(~pl.col("score").is_between(*scale))
    if outside.height:
        where = f"prompt {outside['prompt_id'][0]}, judge {outside['judge'][0]}"
        raise InputError(
            f"{outside.height:,} grades lie outside {scale[0]} to {scale[1]}, the first {outside['score'][0]} ({where})"
        )
    parts = single.group_by("model_a", "judge", maintain_order=True)
    rows = [_graded(str(model), str(judge), own, scale, level) for (model, judge), own in parts]
    table = pl.DataFrame(rows, schema=LIKERT, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))
    return table.sort("judge", "mean", "model", descending=[False, True, False], nulls_last=True)


def audit(labels: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """The share of each label among a model's audited answers: schema AUDIT, the models by name.

    `labels`: `prompt_id`, `model`, `label`, one of fail, pass, excellent in any case; rows without a label are left out. A
    last row `pass or excellent` gives what LIMA calls following the prompt. Intervals: `intervals.clustered_share`.
    """
    known = labels.drop_nulls("label").with_columns(pl.col("label").str.to_lowercase())
    wrong = known.filter(~pl.col("label").is_in(AUDIT_LABELS))
    if wrong.height:
        word = wrong["label"][0]
        raise InputError(f"audit: {word!r} is not a label. {did_you_mean(word, AUDIT_LABELS)}")
    rows = []
    for (model,), own in known.sort("model").group_by("model", maintain_order=True):
        for names in (*((label,) for label in AUDIT_LABELS), ("pass", "excellent")):
            given = own["label"].is_in(names)
            share = clustered_share(given.cast(pl.Float64).to_numpy(), own["prompt_id"].to_numpy(), level)
            rows.append((model, " or ".join(names), given.sum(), *share))
    return pl.DataFrame(rows, schema=AUDIT, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))


def draw_for_audit(answers: pl.DataFrame, size: int = AUDIT_SIZE, seed: int = 0) -> pl.DataFrame:
    """The answers (schema ANSWER) of `size` prompts drawn at random, the same prompts for all models, in their order.

    The draw depends on the prompts' ids and the seed only; where there are fewer prompts, all are taken.
    """
    names = answers["prompt_id"].unique().sort()
    chosen = names.sample(min(size, len(names)), seed=seed)
    return answers.filter(pl.col("prompt_id").is_in(chosen.implode()))


def _graded(model: str, judge: str, own: pl.DataFrame, scale: tuple[int, int], level: float) -> tuple[object, ...]:
    known = own.filter((pl.col("status") == "ok") & pl.col("score").is_not_null())
    score, failed = known["score"].to_numpy(), own.height - known.height
    mean = clustered_mean(score, known["prompt_id"].to_numpy(), level)
    worst, best = ((score.sum() + failed * end) / own.height for end in scale)
    spread = known.group_by("prompt_id").agg(pl.col("score").std())["score"].mean()
    counts = np.bincount(np.round(score).astype(int), minlength=scale[1] + 1)[scale[0] :].tolist()
    return (model, judge, known["prompt_id"].n_unique(), len(score), failed, *mean, worst, best, spread, counts)
