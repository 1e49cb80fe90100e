"""Win rates: both orders of a judgement made one, then each model's share of wins, with ties and failures in the open.

A win counts 1, a loss 0, a tie ½; a judge that gives a probability counts with it. Rates and errors are in percent.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from .. import record

# One pair of answers as one judge sees it in all orders shown. `preference_a` null: every judgement of it failed.
# `worst_a`, `best_a`: the same with every failed judgement taken for b, and for a. `orders`: what two orders say of each
# other, null where it was not judged ok in both.
JOINED = pl.Schema(
    {
        "prompt_id": pl.String(),
        "model_a": pl.String(),
        "model_b": pl.String(),
        "judge": pl.String(),
        "template": pl.String(),
        "fingerprint": pl.String(),
        "sample": pl.Int64(),
        "turn": pl.Int64(),
        "category": pl.String(),
        "instruction": pl.String(),
        "output_a": pl.String(),
        "output_b": pl.String(),
        "preference_a": pl.Float64(),
        "worst_a": pl.Float64(),
        "best_a": pl.Float64(),
        "weight": pl.Float64(),
        "n_ok": pl.UInt32(),
        "n_failed": pl.UInt32(),
        "orders": pl.String(),
    }
)
_KEY = [name for name in record.JUDGEMENT_KEY if name != "first"]
_TEXTS = ("category", "instruction", "output_a", "output_b")


def join_orders(judgements: pl.DataFrame, rule: Literal["mean", "agree"] = "mean") -> pl.DataFrame:
    """One row (schema JOINED) for all judgements of a pair by one judge (schema JUDGEMENT or JUDGED), in their order.

    Rule `mean`: the mean preference of the judgements that are ok, by weight. `agree`: where two orders do not name the
    same winner, ½ (MT-bench: FastChat, show_result.py). A pair stands under its two names in sorted order, however the
    judge was given it. `orders`: `consistent` (one winner in both orders), `tie` (a tie in at least one), `inconsistent`
    (two winners), as FastChat's `load_pairwise_model_judgments` tells them apart. Judgements of single answers are left out.
    """
    pairs = _sorted_names(judgements.filter(pl.col("model_b").is_not_null()))
    weight = pl.col("weight")
    known = pl.col("preference").is_not_null()
    total, n_failed = (weight * pl.col("preference")).sum(), (~known).sum()
    known_weight = weight.filter(known).sum()
    verdicts = [pl.col("verdict").filter(known & (pl.col("first") == side)).first() for side in ("a", "b")]
    orders = (
        pl.when(pl.any_horizontal(verdict.is_null() for verdict in verdicts))
        .then(None)
        .when(pl.any_horizontal(verdict == "tie" for verdict in verdicts))
        .then(pl.lit("tie"))
        .when(verdicts[0] == verdicts[1])
        .then(pl.lit("consistent"))
        .otherwise(pl.lit("inconsistent"))
    )
    joined = pairs.group_by(_KEY, maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in _TEXTS),
        preference_a=pl.when(known.any()).then(total / known_weight),
        worst_a=total / (known_weight + n_failed),
        best_a=(total + n_failed) / (known_weight + n_failed),
        # A failed judgement would have counted once, whatever a strong verdict counts.
        weight=(known_weight + n_failed) / pl.len(),
        n_ok=known.sum(),
        n_failed=n_failed,
        orders=orders,
    )
    if rule == "agree":
        split = pl.col("orders").is_in(["tie", "inconsistent"])
        joined = joined.with_columns(preference_a=pl.when(split).then(0.5).otherwise("preference_a"))
    return joined.select(pl.col(name).cast(dtype) for name, dtype in JOINED.items())


def _sorted_names(pairs: pl.DataFrame) -> pl.DataFrame:
    absent = {name: pl.lit(None, pl.String) for name in _TEXTS if name not in pairs.columns}
    weight = pl.col("weight") if "weight" in pairs.columns else pl.lit(1.0)
    pairs = pairs.with_columns(record.preference_a().alias("preference"), weight.alias("weight"), **absent)
    flip = pl.col("model_a") > pl.col("model_b")
    other = {"a": "b", "b": "a"}

    def swapped(left: str, right: str) -> list[pl.Expr]:
        return [
            pl.when(flip).then(right).otherwise(left).alias(left),
            pl.when(flip).then(left).otherwise(right).alias(right),
        ]

    return pairs.with_columns(
        *swapped("model_a", "model_b"),
        *swapped("output_a", "output_b"),
        *(pl.when(flip).then(pl.col(name).replace(other)).otherwise(name).alias(name) for name in ("first", "verdict")),
        preference=pl.when(flip).then(1 - pl.col("preference")).otherwise("preference"),
    )


def views(joined: pl.DataFrame, baseline: str | None = None) -> pl.DataFrame:
    """Each row of `join_orders` as each of its models sees it: `model`, `opponent`, `won`, `worst`, `best` in [0, 1].

    Also `output`, `opponent_output` and the other columns of JOINED. With a `baseline`, only the rows against it. A model
    that meets itself has one view of that.
    """
    a = joined.rename(
        {"model_a": "model", "model_b": "opponent", "output_a": "output", "output_b": "opponent_output"}
    ).rename({"preference_a": "won", "worst_a": "worst", "best_a": "best"})
    b = a.filter(pl.col("model") != pl.col("opponent")).with_columns(
        model="opponent",
        opponent="model",
        output="opponent_output",
        opponent_output="output",
        won=1 - pl.col("won"),
        worst=1 - pl.col("best"),
        best=1 - pl.col("worst"),
    )
    both = pl.concat([a, b])
    return both if baseline is None else both.filter(pl.col("opponent") == baseline)


def common_opponent(judgements: pl.DataFrame) -> str | None:
    """The model that takes part in every pair: the baseline of AlpacaEval or arena-hard files. Null where there is none.

    Of a single pair it is the first model, `model_a`.
    """
    pairs = judgements.filter(pl.col("model_b").is_not_null()).select("model_a", "model_b").unique(maintain_order=True)
    if pairs.is_empty():
        return None
    in_all = set.intersection(*({*pair} for pair in pairs.iter_rows()))
    return next((name for name in pairs.row(0) if name in in_all), None)


def win_rates(joined: pl.DataFrame, baseline: str | None = None, by: Sequence[str] = ()) -> pl.DataFrame:
    """The win rate of each model (against `baseline`, else over all its pairs), and of each value of the columns `by`.

    Of `join_orders`: `model`, `by`, `n_total` (pairs with a preference), `n_prompts`, `n_failed` (pairs in which every
    judgement failed), `n_failed_judgements`, `n_wins`, `n_losses`, `n_draws`; in percent `win_rate` (ties ½, AlpacaEval's),
    `win_rate_ties_dropped`, `win_rate_ties_lost`, `discrete_win_rate` (each preference rounded to a win, ½ or a loss),
    `worst_case` and `best_case` (every failed judgement lost, won); `standard_error` of `win_rate` as AlpacaEval has it,
    sd / √n with n - 1 degrees of freedom (alpaca_eval, metrics/winrate.py), and `clustered_standard_error`, of which
    the units are the prompts, equal to it where a prompt has one row. Both are null for fewer than two units. Sorted by
    `win_rate`, the best first.
    """
    seen = views(joined, baseline)
    keys = ["model", *by]
    ok = seen.filter(pl.col("won").is_not_null())
    won, weight = pl.col("won"), pl.col("weight")
    is_draw = won == 0.5
    discrete = pl.when(is_draw).then(0.5).otherwise((won > 0.5).cast(pl.Float64))
    rates = ok.group_by(keys).agg(
        n_total=pl.len(),
        n_prompts=pl.col("prompt_id").n_unique(),
        n_wins=(won > 0.5).sum(),
        n_losses=(won < 0.5).sum(),
        n_draws=is_draw.sum(),
        win_rate=_share(won, weight),
        win_rate_ties_dropped=_share(won.filter(~is_draw), weight.filter(~is_draw)),
        win_rate_ties_lost=_share(pl.when(is_draw).then(0.0).otherwise(won), weight),
        discrete_win_rate=_share(discrete, weight),
    )
    bounds = seen.group_by(keys).agg(
        n_failed=won.is_null().sum(),
        n_failed_judgements=pl.col("n_failed").sum(),
        worst_case=_share(pl.col("worst"), weight),
        best_case=_share(pl.col("best"), weight),
    )
    table = bounds.join(rates, on=keys, how="left", nulls_equal=True)
    for name, units in (("standard_error", []), ("clustered_standard_error", ["prompt_id"])):
        table = table.join(_errors(ok, rates, keys, units, name), on=keys, how="left", nulls_equal=True)
    counts = ["n_total", "n_prompts", "n_failed", "n_failed_judgements", "n_wins", "n_losses", "n_draws"]
    columns = [*keys, *counts, "win_rate", "standard_error", "clustered_standard_error", "discrete_win_rate"]
    columns += ["win_rate_ties_dropped", "win_rate_ties_lost", "worst_case", "best_case"]
    filled = table.with_columns(pl.col(counts).fill_null(0).cast(pl.Int64))
    return filled.select(columns).sort(
        [*by, "win_rate", "model"], descending=[*[False] * len(by), True, False], nulls_last=True
    )


def _share(values: pl.Expr, weights: pl.Expr) -> pl.Expr:
    """The weighted mean in percent; null, not nan, where nothing is left."""
    return pl.when(weights.sum() > 0).then(100 * (values * weights).sum() / weights.sum())


def _errors(ok: pl.DataFrame, rates: pl.DataFrame, keys: list[str], units: list[str], name: str) -> pl.DataFrame:
    """The standard error of a weighted mean in percent, from the residuals of each unit: rows, or what `units` names."""
    residual = pl.col("weight") * (100 * pl.col("won") - pl.col("win_rate"))
    rows = ok.join(rates.select(*keys, "win_rate"), on=keys, nulls_equal=True).with_columns(residual=residual)
    sums = rows.group_by([*keys, *units]).agg(pl.col("residual", "weight").sum()) if units else rows
    n = pl.len()
    error = (n / (n - 1) * (pl.col("residual") ** 2).sum()).sqrt() / pl.col("weight").sum()
    return sums.group_by(keys).agg(pl.when(n > 1).then(error).alias(name))


def order_counts(judgements: pl.DataFrame, by: Sequence[str] = ("judge",)) -> pl.DataFrame:
    """How the two orders of a pair agree, for each value of the columns `by` (of JOINED).

    Counts of pairs: `consistent`, `tie`, `inconsistent` (see `join_orders`), `first_both` and `second_both` (the
    inconsistent ones in which the answer shown first, or second, won twice), `one_order` (judged ok in one order, or
    order unknown), `failed` (in none). `flip_rate`: inconsistent in percent of those judged in both.
    """
    joined = join_orders(judgements)
    said = pl.col("orders")
    # a is shown first once and second once: if the first wins twice, a has one win and b the other, so the verdict on
    # the row where a is first tells which.
    pairs = _sorted_names(judgements.filter(pl.col("model_b").is_not_null()))
    a_first = pairs.filter((pl.col("first") == "a") & pl.col("preference").is_not_null())
    shown = a_first.unique(_KEY, keep="first", maintain_order=True).select(*_KEY, when_first="verdict")
    rows = joined.join(shown, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    split = said == "inconsistent"
    both = said.is_not_null().sum()
    counts = rows.group_by(list(by), maintain_order=True).agg(
        consistent=(said == "consistent").sum(),
        tie=(said == "tie").sum(),
        inconsistent=split.sum(),
        first_both=(split & (pl.col("when_first") == "a")).sum(),
        second_both=(split & (pl.col("when_first") == "b")).sum(),
        one_order=(said.is_null() & (pl.col("n_ok") > 0)).sum(),
        failed=(pl.col("n_ok") == 0).sum(),
        flip_rate=pl.when(both > 0).then(100 * split.sum() / both),
    )
    return counts.with_columns(pl.col(pl.UInt32).cast(pl.Int64))


def average_lengths(judgements: pl.DataFrame) -> pl.DataFrame:
    """`model`, `avg_length` (Int64): characters of a model's outputs on average, cut to a whole number as AlpacaEval does.

    Of judgements with outputs (schema JUDGED), each answer once; null where a model has none. A null output is not an
    answer.
    """
    sides = [
        judgements.select("prompt_id", "sample", "turn", model=f"model_{side}", output=f"output_{side}")
        for side in ("a", "b")
    ]
    each = pl.concat(sides).filter(pl.col("model").is_not_null()).unique(maintain_order=True)
    length = pl.col("output").str.len_chars().mean().floor().cast(pl.Int64)
    return each.group_by("model", maintain_order=True).agg(avg_length=length)
