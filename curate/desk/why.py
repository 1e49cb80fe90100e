"""Why a candidate was kept or dropped: every rule that was asked, its limit, and how much room there was."""

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curate import explain
from curate.desk import texts
from curate.desk.candidates import bounds
from curate.report.fates import RULES
from curate.rules.table import BY_NAME, Limit

if TYPE_CHECKING:
    from curate.desk.model import Desk

# How a value of these rules is compared with its limit; of the filters, the table of rules says it.
COMPARISONS = {
    "exact_duplicate": "at most",
    "max_ifd": "below",
    "min_reward": "at least",
    "min_grade": "at least",
    "min_keep": "at least",
    "near_duplicate": "below",
    "near_reference": "below",
    "not_novel": "at most",
    "same_meaning": "below",
    "same_meaning_reference": "below",
    "leak_duplicate": "below",
    "leak_gray_area": "below",
    "leak_similar": "below",
    "not_selected": "at most",
    "too_similar": "at most",
}

# The detail of a verdict that does not count.
OVERRIDDEN = "a reviewer kept it all the same"


class Reason(NamedTuple):
    """One rule that was asked about a candidate: `value` must be `comparison` the `limit`.

    `margin` is the room that is left, in the value's own unit, negative where it is beyond; None for flags and words, and
    where nothing was measured. `sentence` says what the rule drops; `other` is the row that it gave way to.
    """

    stage: str
    rule: str
    value: Any
    limit: Limit
    comparison: str
    margin: float | None
    passed: bool
    sentence: str
    other: int | None
    detail: str | None


def why(desk: "Desk", row: int) -> list[Reason]:
    """Every rule that was on for a candidate in the stages that it reached: what failed first, then by room, least first.

    Raises polars' OutOfBoundsError for a row that is none.
    """
    mine, measured = (frame.row(row, named=True) for frame in (desk.candidates, desk.measured))
    own = pl.col("row") == row
    failed = [_failed(verdict) for verdict in desk.verdicts.filter(own).iter_rows(named=True)]
    failed += [
        _failed(verdict)._replace(detail=OVERRIDDEN) for verdict in desk.overridden.filter(own).iter_rows(named=True)
    ]
    missed = {(reason.stage, reason.rule) for reason in failed}
    stages = list(RULES)
    reached = stages[: stages.index(mine["stage"]) + 1] if mine["stage"] in stages else stages
    passed = [
        reason
        for reason in [*_filters(desk, mine, measured), *_quality(desk, measured), *_others(desk, mine)]
        if reason.stage in reached and (reason.stage, reason.rule) not in missed
    ]
    return failed + sorted(passed, key=_by_room)


def test_items(desk: "Desk", row: int) -> list[dict[str, Any]]:
    """The items of test sets that a candidate leaks, strongest first: `item`, `category`, `value`, `limit`, `coverage`,
    `cosine`, `detail`; [] where there is none, or the candidate did not reach that stage.
    """
    return texts.leaks(desk, row)


def cluster(desk: "Desk", row: int) -> list[int]:
    """All rows that gave way to one another, this one among them: who gave way to nobody first, then kept ones, then by row."""
    number = desk.candidates["cluster"][row]
    if number is None:
        return [row]
    members = desk.candidates.lazy().filter(pl.col("cluster") == number).select("row", "fate", "stage").collect()
    order = members.sort(pl.col("fate") == "duplicate", pl.col("fate") != "kept", "row")
    return order["row"].to_list()


def _failed(verdict: dict[str, Any]) -> Reason:
    stage, rule, value, limit = (verdict[name] for name in ("stage", "rule", "value", "limit"))
    known = BY_NAME[rule].comparison if rule in BY_NAME else COMPARISONS.get(rule, "never")
    compared = None not in (value, limit) and known not in ("never", "always", "one of")
    if known == "within":
        known = "at least" if value < limit else "at most"
    margin = -round(abs(value - limit), 6) if compared else None
    sentence = RULES.get(stage, {}).get(rule, "")
    return Reason(stage, rule, value, limit, known, margin, False, sentence, verdict["other"], verdict["detail"])


def _filters(desk: "Desk", mine: dict[str, Any], measured: dict[str, Any]) -> list[Reason]:
    rules = explain.filter_rules(desk.settings.filters, mine["source"], measured, [])
    return [
        Reason(
            "filters",
            rule["rule"],
            rule["value"],
            rule["limit"],
            rule["comparison"],
            rule["margin"],
            True,
            RULES["filters"][rule["rule"]],
            None,
            None,
        )
        for rule in rules
    ]


def _quality(desk: "Desk", measured: dict[str, Any]) -> list[Reason]:
    found = []
    for bound in bounds(desk.settings):
        if bound.stage == "quality":
            low, high = bound.others
            limit, value = low if high is None else high, measured.get(bound.column)
            room = (
                None if value is None or limit is None else round(value - limit if high is None else limit - value, 6)
            )
            found.append(_asked("quality", bound.rule, value, limit, room))
    return found


def _others(desk: "Desk", mine: dict[str, Any]) -> list[Reason]:
    """The rules of the later stages that are on. Of most only what fails is measured."""
    recipe = desk.settings
    near, meaning, leaks = recipe.near, recipe.meaning, recipe.decontaminate
    found = [_asked("exact", "exact_duplicate", 1.0, 1.0)]
    if near.threshold is not None:
        found.append(_asked("near", "near_duplicate", None, near.threshold))
        found += [_asked("near", "near_reference", None, near.threshold)] if near.against else []
    if near.novelty is not None:
        found.append(_asked("near", "not_novel", None, near.novelty))
    if meaning.threshold is not None:
        found.append(_asked("meaning", "same_meaning", None, meaning.threshold))
        found += [_asked("meaning", "same_meaning_reference", None, meaning.threshold)] if meaning.against else []
    if leaks.tests:
        found += [_asked("decontaminate", f"leak_{category}", None, leaks.coverage) for category in leaks.drop]
    if mine["rank"] is not None:
        size = desk.kept
        found.append(_asked("select", "not_selected", mine["rank"], size, float(size - mine["rank"])))
    return found


def _asked(stage: str, rule: str, value: Any, limit: float | None, room: float | None = None) -> Reason:  # noqa: ANN401 - a number or none
    return Reason(stage, rule, value, limit, COMPARISONS[rule], room, True, RULES[stage][rule], None, None)


def _by_room(reason: Reason) -> tuple[int, float]:
    """Rooms of different units are compared as shares of their limits; of a limit of 0 there is none."""
    limits = reason.limit if isinstance(reason.limit, tuple) else (reason.limit,)
    scale = max((abs(limit) for limit in limits if isinstance(limit, int | float)), default=0)
    if reason.margin is None:
        return 2, 0.0
    return (0, reason.margin / scale) if scale else (1, reason.margin)
