"""Gates: what a recipe expects of its own build (`expect:`), and whether the figures of a finished run hold it.

    expect:
      kept: [900, 1100]                                # from 900 to 1,100, both included
      contamination.duplicate: 0                       # exactly
      rules.first_person.trusted_kill_rate: "<= 0.15"  # a comparison: <=, <, >=, >, ==

A figure that the run did not measure fails its gate: an expectation that nobody looked at is not met. A partial build
(--limit) is held against nothing.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from curate.contamination import categories
from curate.diversity.compare import MEASURES
from curate.errors import did_you_mean
from curate.sources import RULES as SOURCE_RULES
from curate.stages import STAGES

Number = int | float
Bound = Number | tuple[Number, Number] | str

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
_CONDITION = re.compile(r"\s*(<=|>=|==|<|>)\s*([-+]?[\d_]*\.?\d+(?:[eE][-+]?\d+)?)\s*")

SOURCE_FIGURES = ("inputs", "readable", "passed", "kept")
# Of decisions that the build replayed, and of all that people decided about the run.
REPLAYED, BY_HAND = ("kept", "rejected", "edited", "absent"), ("texts", "share", "rejected_since")
SETS = ("chosen", "random", "longest")
SET_FIGURES = ("examples", "sources", "strata", "median_response_chars", "median_score")
RULES = {rule for rules in (SOURCE_RULES, *(stage.RULES for stage in STAGES.values())) for rule in rules}
# Every figure that a gate may name, apart from those of single sources and licences.
KNOWN = (
    *("inputs", "kept", "dropped", "kept_share", "meaning_recall", "trusted.kill_rate"),
    *(f"stages.{stage}.{figure}" for stage in ("source", *STAGES) for figure in ("into", "dropped", "left")),
    *(f"rules.{rule}.{figure}" for rule in sorted(RULES) for figure in ("dropped", "alone", "trusted_kill_rate")),
    *(f"contamination.{figure}" for figure in (*categories.ORDER, "gray", "decided", "stale")),
    *(f"review.{figure}" for figure in (*REPLAYED, "stale", *BY_HAND, "alpha", "self_agreement")),
    *(f"{name}.{figure}" for name in SETS for figure in SET_FIGURES),
    *(f"diversity.{name}.{measure}" for name in SETS for measure in MEASURES),
)


def flat(given: Any, above: str = "") -> Any:  # noqa: ANN401 - raw YAML
    """Nested mappings as one with dotted names, as `-s expect.contamination.duplicate=0` writes them; the rest stays."""
    if not isinstance(given, dict):
        return given
    found: dict[str, Any] = {}
    for name, value in given.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def parse(name: str, bound: Any) -> Callable[[float], bool]:  # noqa: ANN401 - raw YAML
    """The test that the bound of the gate `name` stands for. Raises ValueError where it is none."""
    if isinstance(bound, int | float) and not isinstance(bound, bool):
        return lambda value: value == bound
    if isinstance(bound, str) and (found := _CONDITION.fullmatch(bound)):
        compare, limit = _COMPARE[found[1]], float(found[2])
        return lambda value: compare(value, limit)
    if isinstance(bound, list | tuple) and [type(end) in (int, float) for end in bound] == [True, True]:
        low, high = bound
        if low > high:
            raise ValueError(f"{name}: the lowest comes first: [{high}, {low}]")
        return lambda value: low <= value <= high
    raise ValueError(f'{name}: expected a number, [lowest, highest], or a comparison such as "<= 0.15", got {bound!r}')


def refuse_unknown(name: str, sources: Iterable[str]) -> None:
    """Raise ValueError where no report of a recipe with these sources has a figure `name`."""
    known = [*KNOWN, *(f"sources.{source}.{figure}" for source in sources for figure in SOURCE_FIGURES)]
    if name in known or name.startswith("licenses."):
        return
    hint = did_you_mean(name, known)
    # Some two hundred names are no hint.
    hint = hint if hint.startswith("Did") else "docs/reports.md lists what a gate can name."
    raise ValueError(f"expect: no report has a figure '{name}'. {hint}")


def figures(summary: dict[str, Any]) -> dict[str, float | None]:
    """Every figure of a run (`report.numbers.summarise`) by the name that a gate gives it; None where it was not measured."""
    return {**dict.fromkeys(KNOWN), **dict(_figures(summary))}


def _figures(summary: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    yield from ((name, summary[name]) for name in ("inputs", "kept", "dropped", "meaning_recall"))
    yield "kept_share", summary["kept"] / summary["inputs"] if summary["inputs"] else None
    for row in summary["funnel"]:
        yield from ((f"stages.{row['stage']}.{figure}", row[figure]) for figure in ("into", "dropped", "left"))
    # A rule that dropped nothing has no row.
    yield from ((f"rules.{rule}.{figure}", 0) for rule in RULES for figure in ("dropped", "alone"))
    for row in summary["rules"]:
        yield from ((f"rules.{row['rule']}.{figure}", row[figure]) for figure in ("dropped", "alone"))
    for row in (summary["trusted"] or {"rules": []})["rules"]:
        name = "trusted.kill_rate" if row["rule"] == "any" else f"rules.{row['rule']}.trusted_kill_rate"
        yield name, row["share"]
    for row in summary["sources"]:
        yield from ((f"sources.{row['source']}.{figure}", row[figure]) for figure in SOURCE_FIGURES)
    if leaks := summary["contamination"]:
        yield from ((f"contamination.{name}", leaks[name]) for name in ("gray", "decided"))
        yield "contamination.stale", len(leaks["stale"])
        yield from ((f"contamination.{name}", count) for name, count in leaks.get("kept", {}).items())
    yield from _reviewed(summary["review"] or {})
    for row in summary["chosen"]:
        yield from ((f"{row['set']}.{figure}", row[figure]) for figure in SET_FIGURES)
    for row in summary["diversity"]["rows"]:
        yield f"diversity.{row['set']}.{row['measure']}", row["value"]
    for row in summary["licenses"]:
        yield f"licenses.{row['license'] or 'null'}", row["examples"]


def _reviewed(found: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    if replayed := found.get("replayed"):
        yield from ((f"review.{figure}", replayed[figure]) for figure in REPLAYED)
        yield "review.stale", len(replayed["stale"])
    if by_hand := found.get("by_hand"):
        yield from ((f"review.{figure}", by_hand[figure]) for figure in BY_HAND)
        yield "review.alpha", (by_hand["between"] or {}).get("alpha")
        yield "review.self_agreement", (by_hand["within"] or {}).get("raw")


def check(expect: dict[str, Any], summary: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a gate, in the recipe's order: `figure`, `expected` (as a condition), `value`, `passed`, `sentence`.

    `value` is None where the run did not measure it, and the gate has failed. `passed` is None in a partial build.
    """
    found = figures(summary)
    rows = []
    for name, bound in expect.items():
        # A licence or a source that no example has is there 0 times.
        value = found.get(name, 0)
        held = value is not None and parse(name, bound)(value)
        passed = held if summary["complete"] else None
        row = {"figure": name, "expected": shown(bound), "value": value, "passed": passed}
        rows.append({**row, "sentence": _sentence(name, shown(bound), value, passed)})
    return rows


def failed(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The gates of a summary that did not hold."""
    return [row for row in summary["gates"] if row["passed"] is False]


def shown(bound: Any) -> str:  # noqa: ANN401 - see Bound
    """A bound in words: `exactly 0`, `900 to 1,100`, `<= 0.15`."""
    if isinstance(bound, list | tuple):
        return f"{_number(bound[0])} to {_number(bound[1])}"
    return bound.strip() if isinstance(bound, str) else f"exactly {_number(bound)}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _sentence(figure: str, expected: str, value: float | None, passed: bool | None) -> str:
    state = {None: "Gate not checked, this is a partial build", True: "Gate held", False: "Gate failed"}[passed]
    measured = "was not measured" if value is None else f"is {_number(value)}"
    return f"{state}: {figure} {measured} (expected {expected})."
