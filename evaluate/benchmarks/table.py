"""Benchmarks × models: as lines for a terminal, and as a page."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ..board.markup import note, table
from ..board.page import POLICY, STYLE
from .results import UNWEIGHTED
from .tasks import TASKS

Row = dict[str, Any]

NAMES = {
    "acc": "accuracy",
    "acc_norm": "accuracy, per character",
    "acc_bytes": "accuracy, per byte",
    UNWEIGHTED: "accuracy, mean of subjects",
    "perplexity": "perplexity",
}
PAIRED = "Differences on the same rows, with 95 % intervals; p: McNemar's exact test."
# What the Open LLM Leaderboard showed, or is usually quoted.
_QUOTED = {"arc_challenge": "acc_norm", "hellaswag": "acc_norm", "mmlu": "acc"}


def cells(found: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """(models, rows of texts): task, examples, metric, rows, then a cell for each model; ± is one standard error."""
    models = list(dict.fromkeys(_column(row) for row in found))
    known: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in found:
        known.setdefault((row["task"], row["shots"], row["metric"]), {})[_column(row)] = row
    order = {task: place for place, task in enumerate(dict.fromkeys(row["task"] for row in found))}
    lines = sorted(known.items(), key=lambda item: order[item[0][0]])
    return models, [
        [
            _title(task),
            "–" if shots is None else str(shots),
            _name(task, metric),
            _sizes(own),
            *(_cell(own.get(one)) for one in models),
        ]
        for (task, shots, metric), own in lines
    ]


def to_text(found: Sequence[Row], different: Sequence[Row] = ()) -> str:
    """A table with a column a model, and one of their differences where there are several."""
    models, rows = cells(found)
    text = _lines([["task", "shots", "metric", "rows", *models], *rows], {1, 3})
    text += "\nin percent, but for perplexities; ± one standard error, [95 % interval]; * what is usually quoted"
    if different:
        text += "\n\n" + _lines([["models", "task", "shots", "metric", "difference", "p"], *gaps(different)], {2})
        text += f"\n{PAIRED}"
    return text


def _lines(lines: Sequence[Sequence[str]], numbers: set[int]) -> str:
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def gaps(found: Sequence[Row]) -> list[list[str]]:
    """Rows of texts: a model against the first, task, examples, metric, difference with its interval, p of McNemar's test."""
    return [
        [f"{row['model']} – {row['first']}", _title(row["task"]), str(row["shots"]), _log_name(row), _gap(row),
         "–" if row["p"] is None else f"{row['p']:.3g}"]
        for row in found
    ]  # fmt: skip


def _log_name(row: Row) -> str:
    return "ln perplexity" if row["metric"] == "perplexity" else _name(row["task"], row["metric"])


def _gap(row: Row) -> str:
    scale, digits = (1, 3) if row["metric"] == "perplexity" else (100, 2)
    ends = "" if row["low"] is None else f" [{scale * row['low']:+.{digits}f}, {scale * row['high']:+.{digits}f}]"
    return f"{scale * row['difference']:+.{digits}f}{ends}"


def to_page(found: Sequence[Row], different: Sequence[Row] = ()) -> str:
    """One self-contained page without script or network."""
    models, rows = cells(found)
    below = table(["models", "task", "shots", "metric", "difference", "p"], gaps(different), 4)
    paired = f"<h2>Row by row</h2>{note(PAIRED)}{below}" if different else ""
    why = "In percent, but for perplexities; ± one standard error and 95 % interval. * marks what is usually quoted; numbers of examples are those of the table."
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>Benchmarks · Lapidary</title>'
        f"<style>{STYLE}</style><h1>Benchmarks</h1><p class=lead>{escape(', '.join(models))}.</p>"
        f"{note(why)}{table(['task', 'shots', 'metric', 'rows', *models], rows, 3)}{paired}</html>\n"
    )


def _column(row: Row) -> str:
    return row["model"] if row["source"] == "lapidary" else f"{row['model']} ({row['source']})"


def _title(task: str) -> str:
    return TASKS[task].title if task in TASKS else task


def _name(task: str, metric: str) -> str:
    name = "true answers' share" if task == "truthfulqa_mc2" else NAMES.get(metric, metric)
    return f"{name} *" if _QUOTED.get(task) == metric else name


def _sizes(own: dict[str, Row]) -> str:
    sizes = sorted({row["n"] for row in own.values() if row["n"] is not None})
    return "–" if not sizes else f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,}–{sizes[-1]:,}"


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    scale, digits = (100, 2) if row["share"] else (1, 3)
    error = "" if row["stderr"] is None else f" ± {scale * row['stderr']:.{digits}f}"
    ends = "" if row["low"] is None else f" [{scale * row['low']:.{digits - 1}f}, {scale * row['high']:.{digits - 1}f}]"
    return f"{scale * row['value']:.{digits}f}{error}{ends}"
