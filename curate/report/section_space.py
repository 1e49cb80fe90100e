"""The page's sections on what the set is about and how diverse it is: map, topics, verbs and their objects, measures."""

from typing import Any

import numpy as np

from curate.charts import Interval
from curate.report.drawing import bars, maps, ridges
from curate.report.fates import COLORS
from curate.report.markup import brief, chart, fold, note, table

TOPICS_SHOWN = 24
STATE = {"missing": "nothing of it is in the set", "thin": "less than half of its share", None: ""}


def map_of(summary: dict[str, Any]) -> str:
    """The raster of all vectors with the kept ones on it, and the names of the largest topics."""
    found = summary["map"]
    if found is None:
        return note(
            "This run has no vectors: set meaning.threshold, select.diversity or an order that looks at vectors."
        )
    grid = np.array([[int(count) for count in row.split()] for row in found["grid"]])
    points = np.array([[float(part) for part in point.split()] for point in found["points"]]).reshape(-1, 2)
    svg = maps.density(
        f"{found['examples']:,} examples, the kept ones as points", grid, points, _spots(summary["topics"])
    )
    shown = (
        ""
        if found["kept"] <= len(points)
        else f" Of {found['kept']:,} kept, the first {len(points):,} by rank are drawn."
    )
    text = (
        f"The first two principal components of the vectors, which hold {sum(found['explained']):.0%} of their variance: near"
        f" points are often alike, far ones are not.{shown}"
    )
    rows = [
        {"component": number, "share of the variance": f"{share:.1%}"}
        for number, share in enumerate(found["explained"], 1)
    ]
    return chart(
        svg, table(rows) + note("The counts of the raster and the places of the points stand in report.json.")
    ) + note(text)


def _spots(topics: dict[str, Any]) -> list[maps.Spot]:
    """The largest topics' first terms, as many as fit beside each other."""
    placed: list[maps.Spot] = []
    for row in topics["topics"]:
        if "x" not in row or not row["terms"] or len(placed) == 9:
            continue
        if all(abs(row["y"] - spot.y) > 0.05 or abs(row["x"] - spot.x) > 0.17 for spot in placed):
            placed.append(maps.Spot(row["x"], row["y"], row["terms"][0]))
    return placed


def topics(summary: dict[str, Any]) -> str:
    """What is thin or missing first; then every topic with its share of the candidates and of the set."""
    found = summary["topics"]
    rows = found["topics"]
    if not rows:
        return note("No example reached selection.")
    how = (
        "k-means clusters of the vectors of what reached selection, named by the words that set them apart (class-based tf-idf)."
        if found["of"] == "clusters"
        else "Strata of what reached selection, with the words that set them apart (class-based tf-idf)."
    )
    drawn = [
        bars.Bar(
            row["name"],
            row["kept"],
            f"{row['kept']:,}",
            COLORS["fault"] if row["state"] else COLORS["kept"],
            row["fair"],
        )
        for row in rows[:TOPICS_SHOWN]
    ]
    lacking = [row for row in rows if row["state"]]
    said = "".join(
        f"<li><b>{brief(row['name'])}</b>: {row['kept']:,} kept of {row['candidates']:,} candidates, {STATE[row['state']]}"
        for row in lacking[:12]
    )
    flat = [{**row, "terms": ", ".join(row["terms"]), "state": row["state"] or ""} for row in rows]
    names = {
        "name": "topic",
        "terms": "terms",
        "candidates": "candidates",
        "kept": "kept",
        "fair": "its share of places",
        "state": "state",
    }
    listed = f"<ul class=lacking>{said}</ul>" if said else ""
    text = f"{how} Bars: kept; the line: the places that a topic's share of the candidates would give it."
    return listed + chart(bars.bars("Kept by topic", drawn), table(flat, names)) + note(text)


def verbs(summary: dict[str, Any]) -> str:
    """The sunburst of verbs and objects."""
    found = summary["verbs"]
    if not found["pairs"]:
        return note("No prompt of the set opens with a verb and its object.")
    rows = [(row["verb"], row["verb_examples"], row["noun"], row["examples"]) for row in found["pairs"]]
    svg = maps.sunburst("What prompts ask for", rows)
    text = (
        f"The commonest verbs and their objects in the first sentences of the set's prompts; {found['with_pair']:,} of"
        f" {found['prompts']:,} have such a pair. Read off by rules, not by a parser (curate/diversity/verbs.py)."
    )
    names = {"verb": "verb", "verb_examples": "examples with it", "noun": "object", "examples": "examples with both"}
    return chart(svg, table(found["pairs"], names)) + note(text)


def diversity(summary: dict[str, Any]) -> str:
    """Each measure for the set, a random and a longest one of its size, with intervals; and plain figures of the three."""
    found = summary["diversity"]
    cells: dict[str, list[Interval]] = {}
    about = {}
    for row in found["rows"]:
        if row["value"] is not None:
            cells.setdefault(row["measure"], []).append(Interval(row["set"], row["value"], row["low"], row["high"]))
            about[row["measure"]] = row["about"]
    flat = [
        {"measure": measure.replace("_", " ")} | {point.name: _with_interval(point) for point in points}
        for measure, points in cells.items()
    ]
    sets = list(dict.fromkeys(point.name for points in cells.values() for point in points))
    flat = [{name: row.get(name, "–") for name in ("measure", *sets)} for row in flat]
    text = f"{found['examples']:,} examples of each set, from a pool of {found['pool']:,}; whiskers are 95 % intervals. Every measure has a scale of its own."
    meanings = "".join(f"<dt>{brief(name.replace('_', ' '))}<dd>{brief(words, 300)}" for name, words in about.items())
    svg = ridges.forest(
        "Diversity beside a random and the longest set",
        [(name.replace("_", " "), points) for name, points in cells.items()],
    )
    drawn = chart(svg, table(flat)) if cells else ""
    return note(text) + drawn + fold("What each measure is", f"<dl>{meanings}</dl>") + table(summary["chosen"])


def _with_interval(point: Interval) -> str:
    return f"{point.value:.4g}" + ("" if point.low is None else f" [{point.low:.4g}, {point.high:.4g}]")
