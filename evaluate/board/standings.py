"""How each model stands: its win rate, length-controlled rate, ratings and grade, in one row a model."""

from typing import Any

import numpy as np
import polars as pl

from curate.errors import ConfigError

from ..statistics import length_control, likert, rating, winrate
from ..statistics.intervals import clustered_mean, clustered_share
from ..statistics.votes import votes
from . import style

Row = dict[str, Any]

# The scales of grades that are in use: LIMA's and MT-bench's.
GRADE_SCALES = ((1, 6), (1, 10))
# The normal distribution's 97.5 % point: the error it goes with is a standard deviation over resamples.
_Z = 1.959963984540054

# The fields of a row, and what they hold for a model of which nothing of the kind is known.
_COUNTS = (
    *("n_total", "n_prompts", "n_failed", "n_failed_judgements", "n_wins", "n_losses", "n_draws"),
    *("n_grades", "n_failed_grades"),
)
_FIGURES = (
    *("win_rate", "standard_error", "clustered_standard_error", "win_rate_low", "win_rate_high", "discrete_win_rate"),
    *("win_rate_ties_dropped", "win_rate_ties_lost", "worst_case", "best_case"),
    *("lc_win_rate", "lc_standard_error", "lc_bootstrap_error", "lc_low", "lc_high", "avg_length"),
    *("rating", "rating_low", "rating_high", "rank", "rank_best", "rank_worst", "votes", "group", "finite"),
    *("rating_ties", "rating_style", "elo", "mean_win_rate", "grade", "grade_low", "grade_high"),
)
_BLANK: Row = {**dict.fromkeys(_COUNTS, 0), **dict.fromkeys(_FIGURES)}


def standings(
    judged: pl.DataFrame, joined: pl.DataFrame, baseline: str | None, parts: list[dict[str, Row]]
) -> list[Row]:
    """A row a model, the best first: `model`, `place`, `is_baseline`, the figures of `winrate.win_rates` with the interval of
    the win rate, `avg_length`, and what each of `parts` (figures by model) adds.

    The order is by win rate against the baseline, which itself stands at 50; without a baseline, where models met different
    others, by rating; without pairs, by grade.
    """
    rates = {row["model"]: row for row in winrate.win_rates(joined, baseline).to_dicts()}
    ends = intervals(joined, baseline)
    lengths = dict(winrate.average_lengths(judged).iter_rows())
    rows = []
    for name in {**lengths, **rates, **{model: None for part in parts for model in part}}:
        row = {"model": name, "place": 0, "is_baseline": name == baseline, **_BLANK, **rates.get(name, {})}
        row["win_rate_low"], row["win_rate_high"] = ends.get((name,), (None, None))
        row["avg_length"] = lengths.get(name)
        for part in parts:
            row |= part.get(name, {})
        rows.append(row)
    ordered = sorted(rows, key=lambda row: _order(row, has_baseline=baseline is not None))
    return [{**row, "place": place} for place, row in enumerate(ordered, 1)]


def _order(row: Row, has_baseline: bool) -> tuple[float, float, float, str]:
    by_construction = 50.0 if row["is_baseline"] else None
    win_rate = by_construction if row["win_rate"] is None else row["win_rate"]
    figures = (win_rate if has_baseline else None, row["rating"], row["grade"])
    first, second, third = (np.inf if figure is None else -figure for figure in figures)
    return first, second, third, row["model"]


def intervals(
    joined: pl.DataFrame, baseline: str | None, by: tuple[str, ...] = ()
) -> dict[tuple[Any, ...], tuple[float | None, float | None]]:
    """The 95 % interval in percent of the win rate of each model (and value of the columns `by`), over prompts.

    A model against itself has ½ by construction, and no interval.
    """
    seen = winrate.views(joined, baseline).filter(pl.col("won").is_not_null() & (pl.col("model") != pl.col("opponent")))
    return {key: _interval(own) for key, own in seen.group_by("model", *by, maintain_order=True)}


def _interval(own: pl.DataFrame) -> tuple[float | None, float | None]:
    """Of wins, ties and losses `intervals.clustered_share`, of probabilities `clustered_mean`, which a share's rule would widen.

    Where votes weigh unequally, `_weighted`.
    """
    won, prompt = own["won"].to_numpy(), own["prompt_id"].to_numpy()
    is_discrete = np.isin(won, (0.0, 0.5, 1.0)).all()
    if own["weight"].n_unique() > 1:
        low, high = _weighted(own)
    else:
        _, low, high = (clustered_share if is_discrete else clustered_mean)(won, prompt)
    return (None, None) if np.isnan(low) else (max(0.0, 100 * low), min(100.0, 100 * high))


def _weighted(own: pl.DataFrame) -> tuple[float, float]:
    """The weighted mean's interval: its cluster-robust error over prompts, as `intervals.clustered_mean` has it."""
    from scipy import stats

    won, weight = own["won"].to_numpy(), own["weight"].to_numpy()
    mean = float(won @ weight / weight.sum())
    residuals = own.select("prompt_id", residual=pl.col("weight") * (pl.col("won") - mean)).group_by("prompt_id").sum()
    n = residuals.height
    if n < 2:
        return np.nan, np.nan
    error = float(np.sqrt(n / (n - 1) * (residuals["residual"].to_numpy() ** 2).sum()) / weight.sum())
    margin = float(stats.t.ppf(0.975, n - 1)) * error
    return mean - margin, mean + margin


def length_controlled(
    joined: pl.DataFrame,
    baseline: str | None,
    *,
    difficulty: pl.DataFrame | None,
    anchors: length_control.Anchors | None,
    compat: bool,
    rounds: int,
    seed: int,
) -> tuple[dict[str, Row], list[str]]:
    """`lc_win_rate`, `lc_standard_error`, `lc_bootstrap_error`, `lc_low`, `lc_high` by model, and notes on them.

    With `compat`, AlpacaEval's: difficulties by the number of the row, anchors, and as `lc_standard_error` the spread of the
    fitted rates alone; `lc_bootstrap_error` and the interval come from drawing prompts anew, always. Raises ConfigError
    where `compat` lacks a file.
    """
    if compat and (difficulty is None or anchors is None):
        raise ConfigError(
            "--compat alpaca_eval needs --anchors CSV and --difficulty CSV: its regression is made with both"
        )
    if baseline is None:
        return {}, []
    known = winrate.views(joined, baseline).filter(pl.col("won").is_not_null())
    has_both = pl.col("output").is_not_null() & pl.col("opponent_output").is_not_null()
    able = known.filter(has_both)["model"].unique().to_list()
    lacking = sorted(set(known["model"]) - set(able))
    notes = [f"no length control of {', '.join(lacking)}: outputs are missing, give the files of answers too"]
    notes = notes if lacking else []
    if not able:
        return {}, notes
    model = pl.when(pl.col("model_a") == baseline).then("model_b").otherwise("model_a")
    table = length_control.length_controlled(
        joined.filter(model.is_in(able)),
        baseline,
        difficulty=difficulty,
        anchors=anchors,
        by_row=compat,
        rounds=rounds,
        seed=seed,
    )
    for name, n_lacking in table.filter(pl.col("n_lacking") > 0).select("model", "n_lacking").iter_rows():
        notes.append(f"{name}: {n_lacking:,} pairs are not in its length control: an output or a difficulty is missing")
    for name in table.filter("is_far")["model"]:
        notes.append(
            f"{name}: the length-controlled win rate is far from the raw one; look at answers before trusting either"
        )
    return {row["model"]: _controlled(row, compat=compat) for row in table.to_dicts()}, notes


def _controlled(row: Row, *, compat: bool) -> Row:
    rate, error = row["lc_win_rate"], row["lc_standard_error"]
    ends = (None, None) if rate is None or error is None else (rate - _Z * error, rate + _Z * error)
    low, high = (None if end is None else min(100.0, max(0.0, end)) for end in ends)
    stated = row["lc_sem"] if compat else error
    return {
        "lc_win_rate": rate,
        "lc_standard_error": stated,
        "lc_bootstrap_error": error,
        "lc_low": low,
        "lc_high": high,
    }


def ratings(pairs: pl.DataFrame, rounds: int, seed: int) -> tuple[dict[str, Row], list[Row], list[str]]:
    """By model: Bradley–Terry's rating with its interval and ranks, and beside it `rating_ties` (Davidson), `rating_style`
    (at equal style), `elo` (in the order of the file), `mean_win_rate` in percent. Then the coefficients of style, and notes.
    """
    cast = votes(pairs)
    if cast.is_empty():
        return {}, [], []
    full = rating.bradley_terry(cast, rounds=rounds, seed=seed)
    rows: dict[str, Row] = {row.pop("model"): row for row in full.table.to_dicts()}
    others = {
        "rating_ties": rating.bradley_terry(cast, rounds=0, ties=True).table.select("model", "rating"),
        "elo": rating.elo(cast).select("model", "rating"),
        "mean_win_rate": rating.mean_win_rate(cast).select("model", pl.col("mean_win_rate") * 100),
    }
    styled = style.controlled(pairs)
    coefficients: list[Row] = []
    if styled is not None:
        others["rating_style"] = styled.ratings.table.select("model", "rating")
        coefficients = styled.coefficients.select("feature", "coefficient").to_dicts()
    for name, table in others.items():
        for model, value in table.iter_rows():
            rows[model][name] = value
    return rows, coefficients, full.notes


def grades(judged: pl.DataFrame) -> tuple[list[Row], dict[str, Row], list[str]]:
    """Grades of single answers (schema likert.LIKERT and `scale`, the smallest usual one that holds them all), by model the
    mean over judges (`grade`, with its interval where one judge gave all), and notes.
    """
    single = judged.filter(pl.col("model_b").is_null())
    if single.is_empty():
        return [], {}, []
    scores = single["score"].drop_nulls()
    scale = next((scale for scale in GRADE_SCALES if scores.is_between(*scale).all()), None)
    if scale is None:
        lowest, highest = scores.to_numpy().min(), scores.to_numpy().max()
        note = f"scores of single answers run from {lowest:g} to {highest:g}: no scale of grades, so no mean grade"
        return [], {}, [note]
    rows = [{"scale": f"{scale[0]}–{scale[1]}", **row} for row in likert.grades(single, scale=scale).to_dicts()]
    means: dict[str, Row] = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        known = [row["mean"] for row in own if row["mean"] is not None]
        ends = (own[0]["low"], own[0]["high"]) if len(own) == 1 else (None, None)
        means[model] = {
            "grade": float(np.mean(known)) if known else None,
            "grade_low": ends[0],
            "grade_high": ends[1],
            "n_grades": sum(row["grades"] for row in own),
            "n_failed_grades": sum(row["failed"] for row in own),
        }
    return rows, means, []
