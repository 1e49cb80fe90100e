"""style.html: how two or more models word their answers, what they learned by heart, and how they predict what they saw and what
they did not: NEFTune's table 4 and figures 3 and 4 (Jain et al. 2023) as one page.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from curate import charts

from .markup import note, table
from .page import POLICY, STYLE

BINS = 24
_WORDS = {
    "characters": "characters",
    "words": "words",
    "rep_2": "repeated pairs (rep-2)",
    "rep_3": "repeated threes (rep-3)",
    "rep_4": "repeated fours (rep-4)",
    "log_diversity": "log-diversity",
    "log_diversity_published": "log-diversity as published",
    "mtld": "MTLD",
    "rouge_l": "ROUGE-L",
    "bleu_4": "BLEU-4",
    "seen": "loss on the training set",
    "unseen": "loss on other texts",
}


def render(found: dict[str, Any]) -> str:
    """The page of what the command `style` found; without script, under the boards' own policy."""
    names = ", ".join(found["models"])
    parts = [
        _section("Length and repetition", _wording(found)),
        *([_section("Learned by heart", _memory(found["memorised"]))] if found["memorised"] else []),
        *([_section("What was seen and what was not", _loss(found["loss"]))] if found["loss"] else []),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>Style · Lapidary</title>'
        f"<style>{STYLE}{charts.STYLE}</style><h1>Style</h1><p class=lead>{escape(names)}.</p>{''.join(parts)}</html>\n"
    )


def figures(rows: Sequence[dict[str, Any]], measures: Sequence[str], models: Sequence[str]) -> list[list[str]]:
    """A row a measure, its mean and interval for each model."""
    known = {(row["generator"], row["measure"]): row for row in rows}
    return [[_WORDS[measure], *(_figure(known.get((model, measure))) for model in models)] for measure in measures]


def gaps(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A row a paired difference, its interval, and whether it holds zero."""
    return [
        [
            f"{row['generator']} − {row['against']}", _WORDS[row["measure"]], _signed(row["value"]),
            "" if row["low"] is None else f"{_signed(row['low'])} to {_signed(row['high'])}", f"{row['prompts']:,}",
        ]
        for row in rows
    ]  # fmt: skip


def _wording(found: dict[str, Any]) -> str:
    about = note(
        f"Means over the answers to {found['prompts']:,} prompts, with 95 % intervals. Repetition and log-diversity look at the first"
        f" {found['first']} words of answers that have as many; MTLD at answers of 50 words or more. Longer answers are not better ones."
    )
    measures = list(dict.fromkeys(row["measure"] for row in found["wording"]))
    means = table(("", *found["models"]), figures(found["wording"], measures, found["models"]))
    differences = table(("paired difference", "", "mean", "95 % interval", "prompts"), gaps(found["differences"]), 2)
    return about + means + differences


def _memory(found: dict[str, Any]) -> str:
    about = note(
        "Answers to prompts of the training set against its answers: the nearer, the more was learned by heart. NEFTune's figure 4"
        " shows less of it with noise."
    )
    pictures = [
        _curves(f"{_WORDS[measure]} to the training answer", found["values"], measure)
        for measure in ("rouge_l", "bleu_4")
    ]
    means = table(("", *found["models"]), figures(found["summary"], ("rouge_l", "bleu_4"), found["models"]))
    differences = table(("paired difference", "", "mean", "95 % interval", "prompts"), gaps(found["differences"]), 2)
    return f"{about}<div class=charts>{''.join(pictures)}</div>{means}{differences}"


def _loss(found: dict[str, Any]) -> str:
    about = note(
        "Nats per token of the answers, of one document after the other, measured without noise. NEFTune's figure 3: with noise"
        " the loss on the training set is higher and the loss on other texts lower."
    )
    pictures = [_curves(_WORDS[side].capitalize(), found["values"], side) for side in found["sides"]]
    means = table(("", *found["models"]), figures(found["summary"], found["sides"], found["models"]))
    return f"{about}<div class=charts>{''.join(pictures)}</div>{means}"


def _curves(title: str, values: dict[str, dict[str, list[float]]], measure: str) -> str:
    """Each model's shares of documents over one axis, as lines through the middles of the bins."""
    everything = [value for mine in values.values() for value in mine.get(measure, [])]
    edges = np.histogram_bin_edges(everything, BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    lines = []
    for model, mine in values.items():
        counts = np.histogram(mine.get(measure, []), edges)[0]
        lines.append(charts.Line(model, middles.tolist(), (counts / max(counts.sum(), 1)).tolist()))
    return charts.lines(title, lines, _WORDS[measure], "share")


def _figure(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "–"
    interval = "" if row["low"] is None else f" [{_number(row['low'])}, {_number(row['high'])}]"
    return _number(row["value"]) + interval


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 20 else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"+{_number(value)}" if value >= 0 else f"−{_number(-value)}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"
