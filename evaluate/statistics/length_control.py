"""Length-controlled win rates: what a model would win if its answers were as long as the baseline's.

Dubois, Galambosi, Liang & Hashimoto 2024 (arXiv:2404.04475): a logistic regression of the preference on the difference of
lengths, on the model itself and, where it is known, on how hard the instruction is; the length term is then set to zero.
The regression here is plain weighted maximum likelihood by Newton's method, its standard error from drawing prompts anew.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.errors import ConfigError, InputError

from ..formats.fields import records
from . import logistic
from .difficulty import from_others
from .intervals import Floats, Ints, codes, resamples
from .winrate import views

ROUNDS = 300
# `regularize_to_baseline_lambda` 0.2, over two anchor models (alpaca_eval, metrics/glm_winrate.py).
ANCHOR_WEIGHT = 0.1

# `length`, `difficulty`, `model_term`: the coefficients. `lc_standard_error`: of the prompt bootstrap, in percent points;
# `lc_sem`: AlpacaEval's `lc_standard_error`, the spread of the fitted probabilities alone, which is 2 to 6 times too small.
# `n_lacking`: rows left out because an output, or the instruction's difficulty, is missing. `is_far`: AlpacaEval's warning
# that the controlled rate is far from the raw one.
LENGTH_CONTROLLED = pl.Schema(
    {
        "model": pl.String(),
        "lc_win_rate": pl.Float64(),
        "lc_standard_error": pl.Float64(),
        "lc_sem": pl.Float64(),
        "length": pl.Float64(),
        "difficulty": pl.Float64(),
        "model_term": pl.Float64(),
        "n_total": pl.Int64(),
        "n_lacking": pl.Int64(),
        "is_far": pl.Boolean(),
    }
)


class Anchors(NamedTuple):
    """Rows that hold the coefficients near those of known models: features (rows, 3) and preferences (rows,)."""

    features: Floats
    preference: Floats


def length_controlled(
    joined: pl.DataFrame,
    baseline: str,
    *,
    difficulty: pl.DataFrame | None = None,
    anchors: Anchors | None = None,
    by_row: bool = False,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> pl.DataFrame:
    """The length-controlled win rate of each model against `baseline` (schema LENGTH_CONTROLLED), best first.

    `joined`: of `winrate.join_orders`, with outputs. `difficulty` (`instruction`, `instruction_difficulty`) is joined on the
    instruction; with `by_row` it is taken by the number of the row among the model's rows instead, which is what AlpacaEval
    publishes and is wrong where a model has not answered every prompt. Without it (another prompt set) difficulties come
    from the other models (`difficulty.from_others`); of too few models the regression has no such term. The bootstrap
    holds difficulties, anchors and the scale of lengths as they are. The baseline against itself is 50 by construction. Raises InputError where no row of a model has both
    outputs, or `by_row` finds more rows than difficulties; ConfigError for anchors without difficulties.
    """
    if anchors is not None and difficulty is None:
        raise ConfigError("anchors are rows with difficulties, so they need the difficulties of the instructions too")
    seen = _with_lengths(views(joined, baseline))
    if difficulty is None:
        judged = seen.filter(pl.col("model") != baseline).drop_nulls(["length", "won"])
        hardness = _by_prompt(seen, from_others(judged))
    else:
        hardness = _by_position(seen, difficulty) if by_row else _by_instruction(seen, difficulty)
    tables = [
        _one(model, rows, baseline, anchors, rounds, seed)
        for (model,), rows in seen.with_columns(hardness).group_by(["model"], maintain_order=True)
    ]
    table = pl.DataFrame(tables, schema=LENGTH_CONTROLLED, orient="row")
    return table.sort("lc_win_rate", "model", descending=[True, False], nulls_last=True)


def _one(
    model: str, rows: pl.DataFrame, baseline: str, anchors: Anchors | None, rounds: int, seed: int
) -> dict[str, float | int | str | bool | None]:
    n_total = int(rows["won"].is_not_null().sum())
    if model == baseline:
        fixed = {"lc_win_rate": 50.0, "lc_standard_error": 0.0, "lc_sem": 0.0}
        return {"model": model, **fixed, "n_total": n_total, "n_lacking": 0, "is_far": False}
    whole = rows.drop_nulls(["length", "hardness"])
    n_lacking = rows.height - whole.height
    if whole.is_empty():
        lacking = "outputs" if not rows["length"].count() else "difficulties for its instructions"
        where = f"length control of {model!r} against {baseline!r}"
        raise InputError(f"{where}: no {lacking}; give the files that hold them")
    task = _task(whole, anchors)
    if not task.fit_weight.any():
        return {"model": model, "n_total": n_total, "n_lacking": n_lacking}
    all_once = np.ones((1, task.prompt.max() + 1))
    beta = _fit(task, all_once)
    rate = float(_rates(task, beta, all_once)[0])
    blocks = resamples(all_once.size, rounds, seed, len(task.won) + (0 if anchors is None else len(anchors.preference)))
    draws = [_rates(task, _fit(task, counts, beta), counts) for counts in blocks]
    fitted = 100 * logistic.sigmoid(task.features[:, 1:] @ beta[0, 1:])
    return {
        "model": model,
        "lc_win_rate": rate,
        "lc_standard_error": float(np.concatenate(draws).std(ddof=1)) if rounds > 1 and all_once.size > 1 else None,
        "lc_sem": float(fitted.std(ddof=1) / np.sqrt(len(fitted))) if len(fitted) > 1 else None,
        "length": float(beta[0, 0]),
        "difficulty": float(beta[0, 1]) if task.features[:, 1].any() else None,
        "model_term": float(beta[0, 2]),
        "n_total": n_total,
        "n_lacking": n_lacking,
        "is_far": is_far(100 * float(np.average(task.won, weights=task.fit_weight)), rate),
    }


def _with_lengths(seen: pl.DataFrame) -> pl.DataFrame:
    """`seen` with `length`: tanh of the baseline's length less the model's over its standard deviation (not centred).

    Lengths are in characters, the deviation is that of the model's rows; 0 where all differences are equal, null
    where an output is missing.
    """
    delta = pl.col("opponent_output").str.len_chars().cast(pl.Float64) - pl.col("output").str.len_chars()
    spread = delta.std().over("model")
    return seen.with_columns(length=pl.when(spread > 0).then((delta / spread).tanh()).otherwise(delta * 0))


def _by_prompt(seen: pl.DataFrame, difficulty: pl.DataFrame | None) -> pl.Series:
    if difficulty is None:
        return pl.zeros(seen.height, pl.Float64, eager=True).alias("hardness")
    joined = seen.join(difficulty, on=["model", "prompt_id"], how="left", maintain_order="left")
    return joined["instruction_difficulty"].fill_null(0).alias("hardness")


def _by_instruction(seen: pl.DataFrame, difficulty: pl.DataFrame) -> pl.Series:
    first = difficulty.unique("instruction", keep="first").select("instruction", "instruction_difficulty")
    joined = seen.join(first, on="instruction", how="left", maintain_order="left")
    return joined["instruction_difficulty"].alias("hardness")


def _by_position(seen: pl.DataFrame, difficulty: pl.DataFrame) -> pl.Series:
    at = seen.select("model", pl.int_range(pl.len(), dtype=pl.UInt32).over("model").alias("at"))
    for model, n in at.group_by("model", maintain_order=True).len().iter_rows():
        if n > difficulty.height:
            raise InputError(f"{model!r} has {n:,} rows, but there are {difficulty.height:,} difficulties")
    return difficulty["instruction_difficulty"].gather(at["at"]).alias("hardness")


class _Task(NamedTuple):
    """One model's regression: features (rows, 3), what it won (rows,), weights in the fit and in the mean, prompts."""

    features: Floats
    won: Floats
    fit_weight: Floats
    mean_weight: Floats
    prompt: Ints
    anchors: Anchors | None


def _task(rows: pl.DataFrame, anchors: Anchors | None) -> _Task:
    features = np.column_stack([rows["length"].to_numpy(), rows["hardness"].to_numpy(), np.ones(rows.height)])
    won, weight = rows["won"].to_numpy(), rows["weight"].to_numpy()
    prompt, _ = codes(rows["prompt_id"].to_numpy())
    return _Task(features, np.nan_to_num(won), np.where(np.isnan(won), 0.0, weight), weight, prompt, anchors)


def _rates(task: _Task, beta: Floats, counts: Floats) -> Floats:
    """Percent won with the length term at zero, over each drawing of the prompts; shape (rounds,)."""
    weight = task.mean_weight * counts[:, task.prompt]
    fitted = logistic.sigmoid(beta[:, 1:] @ task.features[:, 1:].T)
    return np.asarray(100 * (weight * fitted).sum(axis=1) / weight.sum(axis=1))


def _fit(task: _Task, counts: Floats, start: Floats | None = None) -> Floats:
    """The coefficients (rounds, 3) of each drawing of the prompts `counts` (rounds, prompts); anchors stay as they are."""
    x, y = task.features, task.won
    weight = task.fit_weight * counts[:, task.prompt]
    if task.anchors is not None:
        x, y = np.concatenate([x, task.anchors.features]), np.concatenate([y, task.anchors.preference])
        held = np.full((len(counts), len(task.anchors.preference)), ANCHOR_WEIGHT)
        weight = np.concatenate([weight, held], axis=1)
    begin = np.zeros((len(counts), x.shape[1])) if start is None else start.repeat(len(counts), 0)
    return logistic.fit(x, y, weight, begin)


def is_far(win_rate: float, controlled: float) -> bool:
    """Whether the controlled rate leaves the band in which AlpacaEval trusts it (glm_winrate.py, get_is_extreme_changes).

    That is a change by more than 10 points and by more than a quarter of the way to 0 or 100. Percent.

    >>> is_far(20.0, 35.0), is_far(20.0, 45.0)
    (False, True)
    """
    low = min(win_rate - win_rate / 4, win_rate - 10)
    high = max(win_rate + (100 - win_rate) / 4, win_rate + 10)
    return not low <= controlled <= high


def read_difficulty(path: Path) -> pl.DataFrame:
    """A CSV with `instruction` and `instruction_difficulty` in the order of AlpacaEval's rows, as a frame of both."""
    rows = _columns(path, ("instruction", "instruction_difficulty"))
    texts = [row["instruction"] for row in rows]
    return pl.DataFrame(
        {"instruction": texts, "instruction_difficulty": _numbers(path, rows, "instruction_difficulty")}
    )


def read_anchors(path: Path) -> Anchors:
    """A CSV with `tanh_std_delta_len`, `instruction_difficulty` and `surrogate_preference` of AlpacaEval's anchor models.

    Their third feature is 0: the model term is not theirs (`not_gamed_baseline` of AlpacaEval's formula).
    """
    names = ("tanh_std_delta_len", "instruction_difficulty", "surrogate_preference")
    rows = _columns(path, names)
    length, hardness, preference = (np.asarray(_numbers(path, rows, name)) for name in names)
    return Anchors(np.column_stack([length, hardness, np.zeros(len(rows))]), preference)


def _columns(path: Path, names: tuple[str, ...]) -> list[dict[str, str]]:
    rows = records(path)
    lacking = [name for name in names if not rows or name not in rows[0]]
    if lacking:
        raise InputError(f"{path}: no column {', '.join(lacking)}; expected the columns {', '.join(names)}")
    return rows


def _numbers(path: Path, rows: list[dict[str, str]], name: str) -> list[float]:
    values = []
    for number, row in enumerate(rows, 1):
        try:
            values.append(float(row[name]))
        except ValueError:
            raise InputError(f"{path}: row {number}: {name} is {row[name]!r}; expected a number") from None
    return values
