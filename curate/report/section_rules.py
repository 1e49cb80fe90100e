"""The page's section on rules: what each dropped, by how much, with which others, and three on each side of its line."""

from html import escape
from typing import Any

from curate.report.drawing import bars
from curate.report.fates import COLORS
from curate.report.markup import example, fold, note, number, table

# A share of the trusted set from which a rule is marked.
STRICT = 0.05


def rules(summary: dict[str, Any], samples: dict[str, Any], chars: int) -> str:
    """A bar and a folded block for each rule, by stage."""
    trusted = summary["trusted"]
    if trusted:
        share = trusted["rules"][-1]["share"]
        text = (
            f"Of the {trusted['examples']:,} examples of the trusted set the filters together would drop {share:.1%}; the"
            " share of each stands beside it, where there is any."
        )
    else:
        text = "The recipe names no trusted set (trusted), so there is no check of what the rules would drop of good examples."
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(summary["rules"], key=lambda row: -row["dropped"]):
        stages.setdefault(row["stage"], []).append(row)
    parts = "".join(
        f"<h3>{escape(row['stage'])}: {row['dropped']:,} of {row['into']:,} dropped</h3>"
        + "".join(_block(rule, samples, chars, stages[row["stage"]][0]["dropped"]) for rule in stages[row["stage"]])
        for row in summary["funnel"]
        if row["stage"] in stages
    )
    return note(text) + (parts or note("No rule dropped anything.")) + _trusted(trusted)


def _trusted(trusted: dict[str, Any] | None) -> str:
    if not trusted:
        return ""
    rows = [{**row, "share": f"{row['share']:.2%}"} for row in trusted["rules"]]
    return fold(
        "What every rule would drop of the trusted set",
        table(rows, {"rule": "rule", "dropped": "dropped", "share": "share"}),
    )


def _block(row: dict[str, Any], samples: dict[str, Any], chars: int, most: int) -> str:
    name = f"{row['stage']}/{row['rule']}"
    color = COLORS[row["fate"]]
    width = max(row["dropped"] / most * 100, 0.6)
    alone = "" if row["alone"] == row["dropped"] else f", {row['alone']:,} by it alone"
    facts = f"{row['dropped']:,} dropped{alone}"
    strict = ""
    if row["trusted_share"]:
        mark = " class=warn" if row["trusted_share"] > STRICT else ""
        strict = f"<em{mark}>{row['trusted_share']:.1%} of the trusted set</em>"
    head = (
        f"<summary><span class=rule><code>{escape(row['rule'])}</code><span class=facts>{facts}{strict}</span>"
        f'<span class=track><i style="width:{width:.1f}%;background:{color}"></i></span></span></summary>'
    )
    return f"<details class=r>{head}{note(row['sentence'])}{_margin(row)}{_together(row)}{_sides(name, samples, chars)}</details>"


def _margin(row: dict[str, Any]) -> str:
    margin = row["margin"]
    if not margin:
        return ""
    svg = bars.margins(
        f"{row['rule']}: passed and dropped by value",
        margin["passed"],
        margin["failed"],
        margin["edges"],
        margin["limit"],
        margin["of"] + (", from the limit of the source" if margin["relative"] else ""),
        "limit" if margin["relative"] or margin["limit"] is None else f"limit {number(margin['limit'])}",
    )
    lines = [
        {"from": low, "to": high, "passed": passed, "dropped": failed}
        for low, high, passed, failed in zip(
            margin["edges"], margin["edges"][1:], margin["passed"], margin["failed"], strict=False
        )
        if passed or failed
    ]
    return f"<figure class=small><div class=scroll>{svg}</div>{fold('As a table', table(lines))}</figure>"


def _together(row: dict[str, Any]) -> str:
    if not row["together"]:
        return ""
    named = ", ".join(
        f"<code>{escape(other['rule'])}</code> {other['examples'] / row['dropped']:.0%}" for other in row["together"]
    )
    return f"<p class=why>Of what it drops, this share is dropped by another rule too: {named}.</p>"


def _sides(name: str, samples: dict[str, Any], chars: int) -> str:
    near = [example(row, chars, [_held(row)]) for row in samples["near"].get(name, [])]
    gone = [example(row, chars, _drop_facts(row)) for row in samples["dropped"].get(name, [])]
    found = f"<h4>Kept, nearest to the line</h4>{''.join(near)}" if near else ""
    return found + (f"<h4>Dropped</h4>{''.join(gone)}" if gone else "")


def _held(row: dict[str, Any]) -> str:
    return f"measured {number(row['value'])}, limit {number(row['limit'])}"


def _drop_facts(row: dict[str, Any]) -> list[str]:
    facts = []
    if row["value"] is not None:
        limit = "" if row["limit"] is None else f", limit {number(row['limit'])}"
        facts.append(f"measured {number(row['value'])}{limit}")
    if row["detail"]:
        facts.append(row["detail"])
    if row["other"]:
        facts.append(f"because of {row['other']}")
    return facts
