"""The page's sections on what came, what left and what the set is made of."""

from typing import Any

from curate.report import fates
from curate.report.drawing import bars, ridges, sankey
from curate.report.fates import COLORS
from curate.report.markup import chart, legend, note, table
from curate.report.mix import LIMA

# Rules of a stage and sources with a node of their own (the others share one), distributions of lengths, quotas.
RULES_SHOWN, SOURCES_SHOWN, RIDGES_SHOWN, QUOTAS_SHOWN = 6, 12, 16, 40
BAND = "light-dark(#94949b,#8d8d94)"


def funnel(summary: dict[str, Any]) -> str:
    """From source to stage to rule, with the numbers by stage below."""
    colors = {fate: color for fate, color in COLORS.items() if any(row["fate"] == fate for row in summary["paths"])}
    rows = [
        {**row, "share": f"{row['dropped'] / row['into']:.1%}" if row["into"] else "–"} for row in summary["funnel"]
    ]
    names = {
        "stage": "stage",
        "into": "in",
        "dropped": "dropped",
        "share": "of those in",
        "faults": "faults of the data",
        "left": "left",
    }
    text = (
        "Each record is drawn once, at the first rule that drops it; rules are asked in their order. How many each rule"
        " drops in all stands under Rules."
    )
    return legend(colors) + chart(_sankey(summary["paths"]), table(rows, names)) + note(text)


def _sankey(paths: list[dict[str, Any]]) -> str:
    """Sources, then stages with what was kept first, then rules by stage, limits before faults and the common ones first."""
    names = _named_sources(paths)
    rules = _named_rules(paths)
    stages = ["kept", *fates.RULES]
    first: dict[str, list[Any]] = {}
    second: dict[str, list[Any]] = {}
    third: dict[str, list[Any]] = {}
    links: dict[tuple[str, str, str], int] = {}
    ordered = sorted(paths, key=lambda row: (stages.index(row["stage"] or "kept"), row["fate"] == "fault"))
    for row in ordered:
        stage, color, examples = row["stage"] or "kept", COLORS[row["fate"]], row["examples"]
        source, rule = names[row["source"]], rules.get((stage, row["rule"]))
        second.setdefault(stage, [stage, 0, COLORS["kept"] if stage == "kept" else BAND])[1] += examples
        steps = [(f"source/{source}", stage, color)]
        if rule:
            third.setdefault(f"{stage}/{row['fate']}/{rule}", [rule, 0, color])[1] += examples
            steps.append((stage, f"{stage}/{row['fate']}/{rule}", color))
        for step in steps:
            links[step] = links.get(step, 0) + examples
    # Sources in the recipe's order, and those without a node of their own last.
    for row in sorted(paths, key=lambda row: names[row["source"]] != row["source"]):
        source = names[row["source"]]
        first.setdefault(f"source/{source}", [_short(source), 0, BAND])[1] += row["examples"]
    by_size = sorted(third.items(), key=lambda item: (item[1][0].startswith("other "), -item[1][1]))
    by_stage = sorted(by_size, key=lambda item: (stages.index(item[0].split("/")[0]), item[0].split("/")[1] == "fault"))
    columns = [[sankey.Node(key, *node) for key, node in column.items()] for column in (first, second, dict(by_stage))]
    drawn = [sankey.Link(start, end, value, color) for (start, end, color), value in links.items()]
    return sankey.sankey("Where records came from, and where they left", columns, drawn)


def _named_sources(paths: list[dict[str, Any]]) -> dict[str, str]:
    """The name under which each source is drawn."""
    counts = _totals(paths, lambda row: row["source"])
    shown = sorted(counts, key=lambda name: -counts[name])[:SOURCES_SHOWN]
    others = f"{len(counts) - len(shown):,} other sources"
    return {name: name if name in shown else others for name in counts}


def _named_rules(paths: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The name under which each rule of a stage is drawn: the commonest of each stage by their own, the others together."""
    counts = _totals([row for row in paths if row["stage"]], lambda row: (row["stage"], row["rule"]))
    kinds = {(row["stage"], row["rule"]): row["fate"] for row in paths}
    found = {}
    for stage in fates.RULES:
        mine = sorted((key for key in counts if key[0] == stage), key=lambda key: -counts[key])
        most = len(mine) if len(mine) <= RULES_SHOWN + 2 else RULES_SHOWN
        for place, key in enumerate(mine):
            found[key] = key[1] if place < most else f"other {'faults' if kinds[key] == 'fault' else 'limits'}"
    return found


def _totals(rows: list[dict[str, Any]], key: Any) -> dict[Any, int]:  # noqa: ANN401 - a function of a row
    found: dict[Any, int] = {}
    for row in rows:
        found[key(row)] = found.get(key(row), 0) + row["examples"]
    return found


def lengths(summary: dict[str, Any]) -> str:
    """Distributions of the answers' lengths by source, what came behind what stayed."""
    found = summary["lengths"]
    rows = [
        ridges.Ridge(row["source"], row["before"]["counts"], row["after"]["counts"], row["low"], row["high"])
        for row in found["rows"]
    ]
    flat = [
        {
            "source": row["source"],
            **{
                f"{when}_{name}": row[when][name]
                for when in ("before", "after")
                for name in ("examples", "p05", "median", "p95")
            },
            "low": row["low"],
            "high": row["high"],
        }
        for row in found["rows"]
    ]
    names = {
        "source": "source",
        "before_examples": "examples",
        "before_p05": "5 %",
        "before_median": "median",
        "before_p95": "95 %",
        "after_examples": "kept",
        "after_p05": "5 %",
        "after_median": "median",
        "after_p95": "95 %",
        "low": "min_chars",
        "high": "max_chars",
    }
    svg = ridges.ridges("Characters of an answer", _drawn(rows), found["edges"], "characters, logarithmic")
    text = (
        "Grey: all examples that reached the filters; green: those that were kept; each as high as its row. The shaded band"
        " is what min_chars and max_chars ask of the source."
    )
    return note(text) + chart(svg, table(flat, names))


def _drawn(rows: list[ridges.Ridge]) -> list[ridges.Ridge]:
    """As many sources as fit, in their order, and all of them together; those with a band first, then the largest."""
    *each, whole = rows
    by_weight = sorted(each, key=lambda row: (row.low is None and row.high is None, -sum(row.after), -sum(row.before)))
    shown = by_weight[:RIDGES_SHOWN]
    return [*(row for row in each if row in shown), whole]


def sources(summary: dict[str, Any]) -> str:
    """Sources at each step, quotas, and the kinds of source beside LIMA's."""
    steps = {"inputs": "came in", "readable": "examples", "passed": "passed", "kept": "kept"}
    rows = [(words, [(row["source"], row[name]) for row in summary["sources"]]) for name, words in steps.items()]
    if summary["quotas"]:
        wanted: dict[str, int] = {}
        for row in summary["quotas"]:
            name = row["bucket"].partition("/")[0]
            wanted[name] = wanted.get(name, 0) + row["quota"]
        rows.append(("quota", list(wanted.items())))
    rows = [(name, parts) for name, parts in rows if sum(value for _, value in parts)]
    names = {
        "source": "source",
        "inputs": "came in",
        "readable": "became an example",
        "passed": "passed every rule",
        "kept": "kept",
    }
    mixed = chart(bars.stacked("Shares of the sources at each step", rows), table(summary["sources"], names))
    return mixed + _quotas(summary) + _beside_lima(summary)


def _quotas(summary: dict[str, Any]) -> str:
    if not summary["quotas"]:
        return note("The recipe sets no quotas.")
    rows = [
        bars.Bar(
            row["bucket"],
            row["kept"],
            f"{row['kept']:,} of {row['quota']:,}"
            if row["kept"] <= row["quota"]
            else f"{row['kept']:,}, quota {row['quota']:,}",
            COLORS["kept"] if row["kept"] >= row["quota"] else COLORS["fault"],
            row["quota"],
        )
        for row in summary["quotas"][:QUOTAS_SHOWN]
    ]
    names = {"bucket": "bucket", "quota": "quota", "candidates": "candidates that passed", "kept": "kept"}
    text = "The line is the quota. Places that a bucket cannot fill go to those that can."
    return chart(bars.bars("Kept against quota", rows), table(summary["quotas"], names)) + note(text)


def _beside_lima(summary: dict[str, Any]) -> str:
    rows = summary["beside_lima"]
    bars_ = [
        ("this set", [(row["kind"], row["kept"]) for row in rows]),
        ("LIMA", [(row["kind"], row["lima"]) for row in rows]),
    ]
    svg = bars.stacked(
        "Kinds of source beside LIMA's own mix", [(name, parts) for name, parts in bars_ if any(n for _, n in parts)]
    )
    whole = ", ".join(f"{name} {count:,}" for name, count in LIMA.items())
    return chart(svg, table(rows)) + note(f"LIMA's 1,000 (Zhou et al. 2023, table 1): {whole}.")


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"
