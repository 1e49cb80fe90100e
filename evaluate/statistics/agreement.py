"""How far raters agree, judges and people alike: share, chance-corrected coefficients, tie-discounted accuracy.

Rows are things rated, columns raters, entries labels; an empty entry is a rating that is missing. Every coefficient is a
function of a table that counts how often label c met label k, and such tables add up over items: that is how an interval
comes from drawing items anew.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate.coefficients import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha, ratio, raw, tie_discounted
from curate.errors import InputError, did_you_mean

from .intervals import Floats, Ints, codes, percentiles, resamples

ROUNDS = 1000

# Labels that say neither is better, where the caller does not name one.
TIES = ("tie", "draw", "neither", "equal", "tie (bothbad)", "both_bad")

Figures = dict[tuple[str, str], Floats]


class _Labels(NamedTuple):
    """`codes` (rows, raters): positions in `values`, -1 where missing. `item` (rows,) of `items`."""

    codes: Ints
    values: list[Any]
    item: Ints
    items: int


class _Tables(NamedTuple):
    """Sparse (labels², items): of each pair of raters, of all raters' pairable values, and of rows nobody left out."""

    pairs: list[Any]
    pairable: Any
    complete: Any


def agreement(
    frame: pl.DataFrame,
    items: str,
    labels: Sequence[str],
    *,
    people: Sequence[str] | None = None,
    tie: str | float | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Agreement between the raters in the columns `labels`, as a dictionary ready for JSON.

    `items`, `rows`, `labels`, `tie` (the label that is one, or null), `pairs`: for each two raters `a`, `b`, `n` (rows
    that both rated), `raw`, `tie_discounted`, `cohen_kappa`, `gwet_ac1` and, of numbers, `cohen_kappa_linear`,
    `cohen_kappa_quadratic`; `fleiss_kappa` (over `fleiss_rows`, those that all rated), `krippendorff_alpha` (nominal;
    of numbers also `…_ordinal`, `…_interval`), `leave_one_out`: for each rater `label`, `n`, `agreement`, see `_leave_one_out`.
    Beside each figure stand `…_low` and `…_high`, percentiles over `rounds` draws of items with all their rows. What the
    labels do not determine (say, κ where there is one label) is null.

    `people`: the columns that are the reference of leave-one-out (all). Raises InputError for a column that is not there.
    """
    given = _read(frame, items, labels)
    reference = list(labels) if people is None else list(people)
    if unknown := [name for name in reference if name not in labels]:
        raise InputError(f"agreement: {unknown[0]} is not among the labels. {did_you_mean(unknown[0], labels)}")
    tied = _tie(given.values, tie)
    tables, against = _tables(given), _leave_one_out(given, labels, reference)
    sums, judged = (_per_item(given, part) for part in (np.nan_to_num(against), ~np.isnan(against)))
    k, names = len(given.values), [*combinations(labels, 2)]

    def figures(times: Floats) -> Figures:
        def table(matrix: Any) -> Floats:  # noqa: ANN401 - scipy has no types
            return np.asarray((matrix @ times.T).T).reshape(-1, k, k)

        found: Figures = {}
        for pair, matrix in zip(names, tables.pairs, strict=True):
            found |= {
                (f"{pair[0]}\0{pair[1]}", name): value for name, value in _of_pair(table(matrix), given, tied).items()
            }
        found |= {("", name): value for name, value in _of_all(table(tables.pairable), given).items()}
        found["", "fleiss_kappa"] = fleiss_kappa(table(tables.complete))
        means = ratio(times @ sums, times @ judged)
        return found | {(label, "agreement"): means[:, i] for i, label in enumerate(labels)}

    width = k * k * (len(names) + 2)
    blocks = [figures(times) for times in resamples(given.items, rounds if given.items > 1 else 0, seed, width)]
    cell = _with_intervals(figures(np.ones((1, given.items))), blocks, level)
    present = given.codes >= 0
    pairs = [
        {"a": a, "b": b, "n": int((present[:, i] & present[:, j]).sum()), **cell[f"{a}\0{b}"]}
        for (i, a), (j, b) in combinations(enumerate(labels), 2)
    ]
    alone = [{"label": label, "n": int(judged[:, i].sum()), **cell[label]} for i, label in enumerate(labels)]
    head = {"items": given.items, "rows": len(given.codes), "labels": list(labels)}
    head["tie"] = None if tied is None else given.values[tied]
    return {**head, "pairs": pairs, "fleiss_rows": int(present.all(axis=1).sum()), **cell[""], "leave_one_out": alone}


def by_judge(judgements: pl.DataFrame) -> pl.DataFrame:
    """Judgements of pairs (schema JUDGEMENT) as labels: a row a compared pair, a column of a / b / tie for each judge.

    Rows are `prompt_id`, `model_a`, `model_b` (in the order of their names), `sample`, `turn`. A judge that saw both orders
    and did not say the same in both counts as tie (MT-bench, Zheng et al. 2023, section 3.4). Failed judgements are missing.
    """
    keys = ["prompt_id", "model_a", "model_b", "sample", "turn"]
    swapped = pl.col("model_a") > pl.col("model_b")
    turned = pl.col("verdict").replace({"a": "b", "b": "a"})
    said = judgements.filter((pl.col("status") == "ok") & pl.col("model_b").is_not_null())
    ordered = said.with_columns(
        model_a=pl.min_horizontal("model_a", "model_b"),
        model_b=pl.max_horizontal("model_a", "model_b"),
        verdict=pl.when(swapped).then(turned).otherwise("verdict"),
    )
    same = pl.when(pl.col("verdict").n_unique() == 1).then(pl.col("verdict").first()).otherwise(pl.lit("tie"))
    labels = ordered.group_by(*keys, "judge").agg(same.alias("verdict")).sort(*keys, "judge")
    return labels.pivot("judge", index=keys, values="verdict", sort_columns=True)


def _read(frame: pl.DataFrame, items: str, labels: Sequence[str]) -> _Labels:
    for name in (items, *labels):
        if name not in frame.columns:
            raise InputError(f"agreement: no column {name}. {did_you_mean(name, frame.columns)}")
    if len(set(labels)) < 2 or len(set(labels)) < len(labels):
        raise InputError(f"agreement: at least two different columns of labels are needed, got {', '.join(labels)}")
    columns = [frame[name] for name in labels]
    numbers = all(column.dtype.is_numeric() or column.dtype == pl.Null for column in columns)
    kind = pl.Float64 if numbers else pl.String
    cast = [column.cast(kind).fill_nan(None) if numbers else column.cast(kind) for column in columns]
    known = pl.concat([column.rename("") for column in cast]).drop_nulls().unique().sort()
    if known.is_empty():
        raise InputError(f"agreement: no label in {', '.join(labels)}")
    place = pl.DataFrame({"": known, "code": np.arange(len(known))})
    coded = [c.rename("").to_frame().join(place, on="", how="left", maintain_order="left")["code"] for c in cast]
    numbered, count = codes(frame[items].cast(pl.String).fill_null("").to_numpy())
    return _Labels(np.stack([c.fill_null(-1).to_numpy() for c in coded], axis=1), known.to_list(), numbered, count)


def _tie(values: list[Any], tie: str | float | None) -> int | None:
    """The position of the label that is a tie; none where no label is one."""
    if tie is not None:
        if tie not in values:
            raise InputError(f"agreement: no label is {tie!r}, so it cannot be the tie; there are {values[:10]}")
        return values.index(tie)
    return next((i for i, value in enumerate(values) if isinstance(value, str) and value.lower() in TIES), None)


def _tables(given: _Labels) -> _Tables:
    """Of pairs: how often the one said c and the other k. Pairable: every ordered pair of one row's m labels, by 1 / (m - 1)."""
    from scipy.sparse import csr_array

    k, raters = len(given.values), given.codes.shape[1]
    present = given.codes >= 0
    weight = 1 / np.maximum(present.sum(axis=1) - 1, 1)
    all_present = present.all(axis=1)

    def table(i: int, j: int, weights: Floats) -> Any:  # noqa: ANN401 - scipy has no types
        both = present[:, i] & present[:, j] & (weights > 0)
        cell = given.codes[both, i] * k + given.codes[both, j]
        return csr_array((weights[both], (cell, given.item[both])), shape=(k * k, given.items))

    one = np.ones(len(weight))
    pairs = [table(i, j, one) for i, j in combinations(range(raters), 2)]
    both_ways = [(i, j) for i in range(raters) for j in range(raters) if i != j]
    pairable = sum((table(i, j, weight) for i, j in both_ways[1:]), table(*both_ways[0], weight))
    whole = weight * all_present
    return _Tables(pairs, pairable, sum((table(i, j, whole) for i, j in both_ways[1:]), table(*both_ways[0], whole)))


def _of_pair(table: Floats, given: _Labels, tie: int | None) -> dict[str, Floats]:
    found = {
        "raw": raw(table),
        "tie_discounted": raw(table) if tie is None else tie_discounted(table, tie),
        "cohen_kappa": cohen_kappa(table),
        "gwet_ac1": gwet_ac1(table),
    }
    if _is_numeric(given):
        apart = np.abs(np.subtract.outer(given.values, given.values))
        found |= {
            "cohen_kappa_linear": cohen_kappa(table, apart),
            "cohen_kappa_quadratic": cohen_kappa(table, apart**2),
        }
    return found


def _of_all(pairable: Floats, given: _Labels) -> dict[str, Floats]:
    found = {"krippendorff_alpha": krippendorff_alpha(pairable)}
    if _is_numeric(given):
        values = np.asarray(given.values, np.float64)
        found["krippendorff_alpha_ordinal"] = krippendorff_alpha(pairable, ordinal=True)
        found["krippendorff_alpha_interval"] = krippendorff_alpha(pairable, values)
    return found


def _is_numeric(given: _Labels) -> bool:
    return not isinstance(given.values[0], str)


def _leave_one_out(given: _Labels, labels: Sequence[str], people: Sequence[str]) -> Floats:
    """How far each rater names the majority of people, shape (rows, raters); nan where that cannot be said.

    A person is held against the most frequent label of the other people; of several such labels one would be drawn, so
    each counts in part. Any other rater is held against the people without one of them, on average over whom, so that it
    is on a person's footing (alpaca_eval, analyze.py: the expected leave-one-out agreement).
    """
    columns = [labels.index(name) for name in people]
    votes = (given.codes[:, :, None] == np.arange(len(given.values))).astype(np.float64)
    everyone = votes[:, columns].sum(axis=1)
    without = []
    for person in columns:
        others = everyone - votes[:, person]
        most = others.max(axis=1, keepdims=True)
        modes = (others == most) & (most > 0)
        without.append(ratio(modes.astype(np.float64), modes.sum(axis=1, keepdims=True).astype(np.float64)))
    found = np.full(given.codes.shape, np.nan)
    for rater in range(len(labels)):
        mine = [without[columns.index(rater)]] if rater in columns else without
        shares = np.stack([(votes[:, rater] * share).sum(axis=1) for share in mine])
        known = ~np.isnan(shares) & (given.codes[:, rater] >= 0)
        found[:, rater] = ratio(np.where(known, shares, 0).sum(axis=0), known.sum(axis=0))
    return found


def _per_item(given: _Labels, values: np.ndarray) -> Floats:
    columns = [np.bincount(given.item, column, given.items) for column in values.T]
    return np.stack(columns, axis=1)


def _with_intervals(full: Figures, blocks: Sequence[Figures], level: float) -> dict[str, dict[str, float | None]]:
    cell: dict[str, dict[str, float | None]] = {}
    for (section, name), value in full.items():
        draws = np.concatenate([block[section, name] for block in blocks]) if blocks else np.empty(0)
        low, high = percentiles(draws[:, None], level)
        ends = {name: value[0], f"{name}_low": low[0], f"{name}_high": high[0]}
        cell.setdefault(section, {}).update({key: _number(end) for key, end in ends.items()})
    return cell


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
