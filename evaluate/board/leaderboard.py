"""The board: everything that follows from a set of judgements, as one dictionary that tables and pages are made of.

Nothing is asked of a judge here, and chance comes in by seeded resamples only: a board can be made again from its files.
"""

from typing import Any, NamedTuple

import polars as pl

from curate.chat import prompt_id
from curate.errors import ConfigError, InputError, did_you_mean

from .. import checks
from ..formats import Loaded
from ..statistics import length_control, rating, significance, winrate
from ..statistics.intervals import FEW_CLUSTERS
from ..statistics.votes import votes
from . import calibration, panel, standings

Row = dict[str, Any]

# Means held at once by the tests: rounds times pairs of models.
_DRAWS = 20_000_000


class Options(NamedTuple):
    """How a board is made.

    `baseline`: the model that win rates are against (else the one that every pair has, if there is one); `judges`: only these;
    `difficulty`, `anchors`: of `length_control`; `compat`: AlpacaEval's published length control, see `standings`.
    """

    title: str = "Leaderboard"
    baseline: str | None = None
    judges: tuple[str, ...] = ()
    difficulty: pl.DataFrame | None = None
    anchors: length_control.Anchors | None = None
    compat: bool = False
    rounds: int = rating.ROUNDS
    seed: int = 0


def board(loaded: Loaded, options: Options = Options()) -> Row:  # noqa: B008 - immutable
    """The board of everything in `loaded`, ready for JSON. Rates are in percent, ratings on Elo's scale around 1,000.

    Keys: `title`, `lead`, `baseline`, `judges`, `controls`, `n_judgements`, `n_failed`, `n_prompts`; `models`, a row a model
    (`standings.standings`); `categories`; `tests`, paired and corrected by Holm, of what `compared` names, and `detectable`, the
    smallest difference of two models that these prompts show with probability 0.8; `style`, `grades`, `panel` (about the
    judges), `compat`, `warnings`. Raises InputError where there is no judgement, ConfigError for an unknown baseline or judge.
    """
    judged, controls, notes = _by_role(loaded.judgements, options.judges)
    pairs, controls = (frame.filter(pl.col("model_b").is_not_null()) for frame in (judged, controls))
    present = pl.concat([pairs["judge"], controls["judge"]]).unique().to_list()
    controls = pl.concat([calibration.controls(pairs).filter(~pl.col("judge").is_in(present)), controls])
    baseline = _baseline(pairs, options.baseline)
    pairs, self_notes = _without_self(pairs, baseline)
    joined = winrate.join_orders(pairs)
    rated, style, rating_notes = standings.ratings(pairs, options.rounds, options.seed)
    controlled, length_notes = standings.length_controlled(
        joined,
        baseline,
        difficulty=options.difficulty,
        anchors=options.anchors,
        compat=options.compat,
        rounds=options.rounds,
        seed=options.seed,
    )
    grades, graded, grade_notes = standings.grades(judged)
    models = standings.standings(judged, joined, baseline, [controlled, rated, graded])
    tests, detectable, compared = _tests(judged, joined, baseline, options.seed)
    about, panel_notes = panel.panel(pairs, controls, baseline, options.rounds, options.seed)
    found = checks.run(loaded, _expected(loaded, options.difficulty)).select("subject", "detail")
    warnings = [f"{subject}: {detail}" for subject, detail in found.iter_rows()]
    warnings += [*notes, *self_notes, *rating_notes, *length_notes, *grade_notes, *panel_notes, *_few(judged)]
    counts = {
        "n_judgements": judged.height,
        "n_failed": int((judged["status"] != "ok").sum()),
        "n_prompts": judged["prompt_id"].n_unique(),
    }
    judges = judged["judge"].unique().sort().to_list()
    return {
        "title": options.title,
        "lead": _lead(counts, len(models), baseline, judges),
        "baseline": baseline,
        "judges": judges,
        "controls": controls["judge"].unique().sort().to_list(),
        **counts,
        "models": models,
        "categories": _categories(joined, baseline),
        "tests": tests,
        "detectable": detectable,
        "compared": compared,
        "style": style,
        "grades": grades,
        "panel": about,
        "compat": "alpaca_eval" if options.compat else None,
        "warnings": warnings,
    }


def _by_role(judgements: pl.DataFrame, wanted: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """The judgements of the wanted judges, those of controls, and a note where controls are all there is."""
    known = judgements["judge"].unique().to_list()
    for name in wanted:
        if name not in known:
            raise ConfigError(f"--judge {name}: no judgement is by this judge. {did_you_mean(name, known)}")
    judged, controls = calibration.split(judgements)
    if wanted:
        judged = judgements.filter(pl.col("judge").is_in(list(wanted)))
    if judged.is_empty() and controls.height:
        return controls, controls.clear(), ["every judge here is a control, which knows nothing of quality"]
    if judged.is_empty():
        raise InputError("no judgements: nothing to make a board of")
    return judged, controls.filter(~pl.col("judge").is_in(list(wanted))), []


def _baseline(pairs: pl.DataFrame, wanted: str | None) -> str | None:
    if wanted is None:
        return winrate.common_opponent(pairs)
    known = {*pairs["model_a"], *pairs["model_b"]}
    if wanted not in known:
        raise ConfigError(f"--baseline {wanted}: no pair has this model. {did_you_mean(wanted, known)}")
    return wanted


def _expected(loaded: Loaded, difficulty: pl.DataFrame | None) -> list[str] | None:
    """The prompts that a difficulty is known of, if the judgements are about these: a system that lacks some is named."""
    if difficulty is None or loaded.prompts.height:
        return None
    known = {prompt_id([{"role": "user", "content": text}]) for text in difficulty["instruction"]}
    return None if known.isdisjoint(loaded.judgements["prompt_id"]) else sorted(known)


def _without_self(pairs: pl.DataFrame, baseline: str | None) -> tuple[pl.DataFrame, list[str]]:
    """The pairs of two models, and of the baseline with itself, whose rate is ½; any other model would lose or gain by that."""
    is_self = (pl.col("model_a") == pl.col("model_b")) & (pl.col("model_a") != pl.lit(baseline or ""))
    n = pairs.filter(is_self).height
    return pairs.filter(~is_self), [f"{n:,} judgements set a model against itself; they are left out"] if n else []


def _lead(counts: dict[str, int], models: int, baseline: str | None, judges: list[str]) -> str:
    against = f" against {baseline}" if baseline else ""
    by = judges[0] if len(judges) == 1 else f"{len(judges):,} judges"
    failed = f"{counts['n_failed']:,} of them failed" if counts["n_failed"] else "none of them failed"
    made = f"{counts['n_judgements']:,} judgements of {counts['n_prompts']:,} prompts by {by}"
    return f"{models:,} models{against}: {made}; {failed}."


def _few(judged: pl.DataFrame) -> list[str]:
    prompts = judged["prompt_id"].n_unique()
    if prompts >= FEW_CLUSTERS:
        return []
    return [f"all rests on {prompts} prompts; intervals from fewer than {FEW_CLUSTERS} are too narrow"]


def _categories(joined: pl.DataFrame, baseline: str | None) -> list[Row]:
    """The win rate of each model in each category; nothing where there is one category."""
    known = joined.filter(pl.col("category").is_not_null())
    if known["category"].n_unique() < 2:
        return []
    rows = winrate.win_rates(known, baseline, by=["category"]).to_dicts()
    ends = standings.intervals(known, baseline, ("category",))
    kept = ("category", "model", "n_total", "n_failed", "win_rate", "clustered_standard_error")
    found = []
    for row in rows:
        low, high = ends.get((row["model"], row["category"]), (None, None))
        found.append({**{name: row[name] for name in kept}, "win_rate_low": low, "win_rate_high": high})
    return found


def _tests(
    judged: pl.DataFrame, joined: pl.DataFrame, baseline: str | None, seed: int
) -> tuple[list[Row], float | None, str]:
    """Every two models that can be compared, the median of what is detectable, and what is compared.

    `win rate`: against the baseline, on the prompts that both share, in percentage points. `share won`: without a baseline,
    of two that met, by how much the share of a lies above 50 %. `grade`: of single answers on the same prompts. `p` and
    `p_holm` are of the bootstrap, or of the sign test where models met; the other tests stand beside them.
    """
    cast = votes(judged.filter(pl.col("model_b").is_not_null()))
    if cast.height and baseline is None:
        met = significance.head_to_head(cast).rename({"p_sign": "p", "p_sign_holm": "p_holm"})
        table = met.with_columns(pl.col("low", "high") - 0.5, difference=pl.col("win_rate_a") - 0.5)
        return *_rows(table, 100), "share won"
    scores, unit, factor = _grades(judged), "grade", 1
    if baseline is not None:
        scores, unit, factor = _scores(joined, baseline), "win rate", 100
    shared = scores.group_by("prompt_id").agg(pl.col("model").n_unique())["model"].max()
    if not isinstance(shared, int) or shared < 2:
        return [], None, unit
    compared = significance.compare(scores, rounds=_test_rounds(scores["model"].n_unique()), seed=seed)
    return *_rows(compared.rename({"p_bootstrap": "p", "p_bootstrap_holm": "p_holm"}), factor), unit


def _rows(table: pl.DataFrame, factor: int) -> tuple[list[Row], float | None]:
    scaled = table.with_columns(pl.col("difference", "low", "high", "detectable") * factor)
    median = scaled["detectable"].drop_nans().median()
    return scaled.to_dicts(), median if isinstance(median, float) else None


def _test_rounds(models: int) -> int:
    """Bootstrap rounds enough for Holm's correction over all pairs to reach 0.05, as far as memory allows."""
    tests = models * (models - 1) // 2
    return max(significance.ROUNDS, min(100 * tests, _DRAWS // tests))


def _scores(joined: pl.DataFrame, baseline: str) -> pl.DataFrame:
    """What each model won against the baseline on each prompt; the baseline itself has ½ by construction."""
    seen = winrate.views(joined, baseline).filter(pl.col("model") != baseline).drop_nulls("won")
    own = seen.select("prompt_id", "model", score=pl.col("won"))
    itself = seen.select("prompt_id", model=pl.lit(baseline), score=pl.lit(0.5)).unique(maintain_order=True)
    return pl.concat([own, itself])


def _grades(judged: pl.DataFrame) -> pl.DataFrame:
    """The grades of single answers, on average over judges, samples and turns of a prompt."""
    single = judged.filter(pl.col("model_b").is_null() & pl.col("score").is_not_null())
    return single.select("prompt_id", "score", model=pl.col("model_a"))
