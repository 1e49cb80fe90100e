"""index.html of a loop: what was built, which epoch was taken and why, and where its wins and losses lie in the data."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from curate import charts, runs

from ..board.markup import note, share, table
from ..board.page import POLICY, STYLE
from .settings import Settings

SHOWN = 12
# Characters of a prompt in its own line.
BEGINNING = 120


def write(out: Path, settings: Settings, seconds: dict[str, float]) -> Path:
    """Write the page of a finished loop from the files of its steps; its path."""
    report = runs.read_json(out / "build" / "report.json") or {}
    chosen = runs.read_json(out / "train" / "select.json") or {}
    found = runs.read_json(out / "attribution.json") or {}
    title = f"The loop of {report.get('name', out.name)}"
    parts = [
        section("The set", _set(report)),
        section("The epochs", _epochs(chosen) + _correlation(out)),
        section("What won and lost prompts lean on", _leanings(found)),
        section("What was dropped near lost prompts", _crowded(found)),
        section("Prompt by prompt", _traces(found)),
        section("How it was made", _made(settings, seconds)),
    ]
    page = document(title, _lead(report, chosen, found), parts)
    runs.write_text(out / "index.html", page)
    return out / "index.html"


def document(title: str, lead: str, parts: Sequence[str]) -> str:
    """A page of its own, in the boards' style and under their policy: no script, no request."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)} · Lapidary</title>'
        f"<style>{STYLE}{charts.STYLE}</style><h1>{escape(title)}</h1><p class=lead>{escape(lead)}</p>{''.join(parts)}</html>\n"
    )


def section(title: str, content: str) -> str:
    """A heading and what stands under it."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _lead(report: dict[str, Any], chosen: dict[str, Any], found: dict[str, Any]) -> str:
    ties, others = chosen["tied_with"], len(chosen["epochs"]) - 1
    named = "any other" if len(ties) == others > 1 else ", ".join(ties)
    sure = f"not to be told from {named}" if ties else "ahead of all others"
    return (
        f"{report['kept']:,} of {report['inputs']:,} inputs became the set. Of {len(chosen['epochs'])} epochs the judge took"
        f" {chosen['best']}, {sure} on {chosen['prompts']} prompts; perplexity would have taken {chosen['by_perplexity']}."
        f" {found['won']} prompts were won, {found['lost']} lost ({_threshold(found)})."
    )


def _threshold(found: dict[str, Any]) -> str:
    if found["measure"] == "score":
        return f"above and below the median score, {found['threshold']:.3f}"
    return "a win rate above and below one half"


def _set(report: dict[str, Any]) -> str:
    rows = [[row["stage"], f"{row['into']:,}", f"{row['dropped']:,}", f"{row['left']:,}"] for row in report["funnel"]]
    links = '<p><a href="build/report.html">The report of the set</a> · <a href="board/leaderboard.html">the board of the epochs</a></p>'
    return table(("stage", "in", "dropped", "left"), rows) + links


def _epochs(chosen: dict[str, Any]) -> str:
    epochs = chosen["epochs"]
    numbers = [int(row["epoch"].split("-")[1]) for row in epochs]
    pictures = [
        charts.intervals(
            f"{chosen['measure'].capitalize()} by epoch (95 %)",
            [charts.Interval(row["epoch"], row["judged"], row["low"], row["high"]) for row in epochs],
            chosen["measure"],
        )
    ]
    if all(row["perplexity"] is not None for row in epochs):
        curve = charts.Line("perplexity", numbers, [row["perplexity"] for row in epochs])
        pictures.append(charts.lines("Held-out perplexity by epoch", [curve], "epoch", "perplexity"))
    rows = [
        [
            row["epoch"], f"{row['judged']:.4f}", f"{row['low']:.4f} – {row['high']:.4f}",
            "–" if row["perplexity"] is None else f"{row['perplexity']:.3f}",
            " and ".join(who for who, name in (("judge", chosen["best"]), ("perplexity", chosen["by_perplexity"])) if name == row["epoch"]),
        ]
        for row in epochs
    ]  # fmt: skip
    told = table(("epoch", chosen["measure"], "95 % interval", "perplexity", "taken by"), rows)
    return f"<div class=charts>{''.join(pictures)}</div>" + told + note(f"Judged by {', '.join(chosen['judges'])}.")


def _correlation(out: Path) -> str:
    """LIMA's figure 9 of this run, where there are epochs enough."""
    picture = out / "correlation" / "figure9.svg"
    if not picture.is_file():
        return note("Fewer than four epochs: nothing is said of perplexity against the judge.")
    drawn = picture.read_text(encoding="utf-8")
    return (
        f"<div class=charts>{drawn}</div><p class=why>Judged quality and perplexity over epochs, as LIMA's figure 9;"
        ' <a href="correlation/correlation.html">what that says, with intervals</a>.</p>'
    )


def _leanings(found: dict[str, Any]) -> str:
    rows = [
        [row["kind"], row["trait"], share(row["won"]), share(row["lost"]), _difference(row), share(row["set"])]
        for row in found["leanings"]
    ]
    by_size: dict[str, list[list[str]]] = {}
    for row in rows:
        by_size.setdefault(row[0], []).append(row)
    shown = [row for kind in by_size.values() for row in kind[:SHOWN]]
    about = note(
        f"Of the {found['nearest']} training examples nearest to each prompt (cosine of the questions), the share that has the trait,"
        " over won and over lost prompts; 95 % interval of the difference from resampled prompts. It shows where a prompt's"
        " neighbours are, not what caused an answer. Many traits are compared: of twenty without any effect, one interval"
        " misses zero by chance."
    )
    return about + table(("kind", "trait", "won", "lost", "won − lost, points", "of the set"), shown, 2)


def _difference(row: dict[str, Any]) -> str:
    if row["difference"] is None:
        return "–"
    points = f"{100 * row['difference']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
    return points.replace("-", "−")


def _crowded(found: dict[str, Any]) -> str:
    rows = [
        [row["trait"], share(row["lost"]), share(row["won"]), _difference(row), f"{row['candidates']:,}"]
        for row in found["crowded_out"][:SHOWN]
    ]
    about = note(
        f"The share of prompts for which this rule dropped a candidate nearer than everything in the set, of"
        f" {found['dropped_looked_through']:,} that were looked through. {found['next']:,} examples to look at next"
        " are in next.jsonl, and wait in the review as the queue next: python -m curate review build, in this folder."
    )
    return about + (
        table(("rule", "lost", "won", "won − lost, points", "candidates"), rows)
        or note("Nothing that was dropped is nearer.")
    )


def _traces(found: dict[str, Any]) -> str:
    shown = found["traces"][:SHOWN] + found["traces"][SHOWN:][-SHOWN:]
    return note("The worst first, the best last.") + "".join(_trace(row) for row in shown)


def _trace(row: dict[str, Any]) -> str:
    def listed(rows: list[dict[str, Any]]) -> str:
        return "".join(f"<li>{one['cosine']:.2f} {escape(one['source'])}: {escape(one['prompt'])}" for one in rows)

    near = f"<h4>Nearest in the set</h4><ul>{listed(row['taught'])}</ul>"
    gone = f"<h4>Dropped, and nearer</h4><ul>{listed(row['nearer'])}</ul>" if row["nearer"] else ""
    asked = row["instruction"]
    head = f"{escape(asked if len(asked) <= BEGINNING else asked[:BEGINNING] + '…')}<small>{row['outcome']}, {row['value']:.3f}</small>"
    return f"<details><summary>{head}</summary><pre>{escape(asked)}</pre>{near}{gone}</details>"


def _made(settings: Settings, seconds: dict[str, float]) -> str:
    rows = [[name, f"{took:.1f}"] for name, took in [*seconds.items(), ("in all", sum(seconds.values()))]]
    told = (
        f"{settings.build.recipe}, {settings.train.base} by {settings.train.preset}, judged by {settings.judge.name}."
    )
    return note(told + " All settings are in loop.yaml.") + table(("step", "seconds"), rows)
