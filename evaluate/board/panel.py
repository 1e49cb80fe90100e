"""The judges of a board, judged: what sways each of them, how far they agree, and whether the ranking depends on them."""

from typing import Any

import polars as pl

from ..statistics import agreement, bias, sensitivity, winrate

# An arena's voters are thousands, each with a few votes: beyond this many, they are taken together.
MOST_JUDGES = 12

Row = dict[str, Any]


def panel(
    pairs: pl.DataFrame, controls: pl.DataFrame, baseline: str | None, rounds: int, seed: int
) -> tuple[Row, list[str]]:
    """What a board says of its judges, ready for JSON, and notes. `pairs`, `controls` (of `calibration`): schema JUDGED.

    `judges`: counts, spending, position and length of each; `by_judge`: each model's win rate by each judge and control;
    `calibration`: how far each judge says what each control says; `agreement`: of `agreement.agreement` among the judges;
    `order`, `conclusions`: of `sensitivity.sensitivity`. What needs two judges is empty for one.
    """
    n_judges, notes = pairs["judge"].n_unique(), []
    if n_judges > MOST_JUDGES:
        notes.append(f"{n_judges:,} judges are taken together where judges are compared")
        pairs = pairs.with_columns(judge=pl.lit(f"all {n_judges:,} judges"))
    everyone = pl.concat([pairs, controls])
    found: Row = {
        "judges": _judges(pairs),
        "by_judge": _by_judge(everyone, baseline),
        "calibration": [] if n_judges > MOST_JUDGES else _calibration(everyone, controls, rounds, seed),
        "agreement": None,
        "order": [],
        "conclusions": [],
    }
    voting = pairs.filter((pl.col("status") == "ok") & (pl.col("model_a") != pl.col("model_b")))
    if voting["judge"].n_unique() > 1:
        names = voting["judge"].unique().sort().to_list()
        labels = agreement.by_judge(voting)
        found["agreement"] = agreement.agreement(labels, "prompt_id", names, rounds=rounds, seed=seed)
        compared = sensitivity.sensitivity(voting, rounds=rounds, seed=seed)
        found["order"], found["conclusions"] = compared.order.to_dicts(), compared.conclusions.to_dicts()
        notes += compared.notes
    return found, notes


def _judges(pairs: pl.DataFrame) -> list[Row]:
    counts = pairs.group_by("judge").agg(
        judgements=pl.len(),
        failed=(pl.col("status") != "ok").sum(),
        tokens_in=pl.col("tokens_in").sum(),
        tokens_out=pl.col("tokens_out").sum(),
        cost=pl.when(pl.col("cost").count() > 0).then(pl.col("cost").sum()),
    )
    length = bias.verbosity(pairs).rename({"decisive": "uneven"})
    table = counts.join(bias.position(pairs), on="judge", how="left").join(length, on="judge", how="left")
    return table.sort("judge").to_dicts()


def _by_judge(everyone: pl.DataFrame, baseline: str | None) -> list[Row]:
    rates = winrate.win_rates(winrate.join_orders(everyone), baseline, by=["judge"])
    return rates.select("judge", "model", "win_rate", "clustered_standard_error", "n_total", "n_failed").to_dicts()


def _calibration(everyone: pl.DataFrame, controls: pl.DataFrame, rounds: int, seed: int) -> list[Row]:
    """Rows `judge`, `control`, `n`, `raw`, `tie_discounted` and its interval; a control that says ½ in both orders is a tie."""
    labels = agreement.by_judge(everyone)
    against = controls["judge"].unique().sort().to_list()
    keys = {"prompt_id", "model_a", "model_b", "sample", "turn"}
    rows = []
    for judge in (name for name in labels.columns if name not in keys and name not in against):
        for control in (name for name in against if name in labels.columns):
            both = labels.drop_nulls([judge, control])
            if both.height:
                rows.append({"judge": judge, "control": control, **_agreed(both, judge, control, rounds, seed)})
    return rows


def _agreed(labels: pl.DataFrame, judge: str, control: str, rounds: int, seed: int) -> Row:
    pair = agreement.agreement(labels, "prompt_id", [judge, control], rounds=rounds, seed=seed)
    kept = ("n", "raw", "tie_discounted", "tie_discounted_low", "tie_discounted_high")
    return {name: pair["pairs"][0][name] for name in kept}
