"""Judged quality and perplexity as pictures: over the steps of a run (LIMA's Figure 9), and one against the other.

Zhou et al. 2023 (arXiv 2305.11206, appendix B, figure 9) drew both over training steps: validation perplexity rose, and so
did the quality of what the model wrote.
"""

from collections.abc import Sequence
from typing import Any

from curate.charts import COLORS, MARGIN, WIDTH, Scale, figure, label, picture, scale

Row = dict[str, Any]

_HEIGHT = 420
_GAP = 56
# More names than these on one picture hide each other.
NAMED = 12


def over_steps(found: Row) -> str:
    """Quality above, perplexity below, over the steps of checkpoints, with their intervals; "" where steps are unknown.

    `found`: of `correlation.report`. A ring marks the checkpoint that the judge prefers, in both, a square the one that
    predicts best.
    """
    rows = sorted((row for row in found["models"] if row["step"] is not None), key=lambda row: row["step"])
    if len(rows) < 2:
        return ""
    left, right, top, bottom = MARGIN
    middle = (_HEIGHT - bottom - top - _GAP) / 2
    x = scale([row["step"] for row in rows], left, WIDTH - right)
    ends = ((top, top + middle), (top + middle + _GAP, _HEIGHT - bottom))
    drawn = []
    for number, (field, title, (high, low)) in enumerate(
        (("quality", quality_name(found), ends[0]), ("value", against_name(found), ends[1]))
    ):
        y = scale(_numbers(rows, field), low, high, 4)
        drawn += _rules(x, y, title)
        drawn += _curve(rows, field, x, y, COLORS[number])
        drawn += [_mark(row, found, x(row["step"]), y(row[field])) for row in rows]
    drawn += [label(x(tick), _HEIGHT - bottom + 18, figure(tick), "middle") for tick in x.ticks]
    drawn.append(
        label((left + WIDTH - right) / 2, _HEIGHT - 8, "step   ○ the judge's choice   □ perplexity's", "middle")
    )
    return picture("Quality and perplexity over training", drawn, _HEIGHT)


def against(found: Row) -> str:
    """Quality against perplexity, a point a model with both intervals; the names of up to 12 models."""
    rows = found["models"]
    left, right, top, bottom = MARGIN
    height = 360
    x = scale(_numbers(rows, "value"), left, WIDTH - right)
    y = scale(_numbers(rows, "quality"), height - bottom, top)
    drawn = _rules(x, y, quality_name(found))
    drawn += [label(x(tick), y.start + 18, figure(tick), "middle") for tick in x.ticks]
    drawn.append(label((left + WIDTH - right) / 2, height - 8, against_name(found), "middle"))
    for row in rows:
        a, b = x(row["value"]), y(row["quality"])
        if row["quality_low"] is not None:
            drawn.append(_whisker((a, y(row["quality_low"])), (a, y(row["quality_high"]))))
        if row["value_low"] is not None:
            drawn.append(_whisker((x(row["value_low"]), b), (x(row["value_high"]), b)))
        drawn.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{COLORS[0]}"/>')
        drawn.append(_mark(row, found, a, b))
        if len(rows) <= NAMED:
            near_end = a > WIDTH - right - 90
            drawn.append(label(a - 8 if near_end else a + 8, b - 6, row["model"], "end" if near_end else "start"))
    r = found["coefficients"]["spearman"]["value"]
    title = "Quality against perplexity" + ("" if r is None else f", Spearman {r:+.2f}")
    return picture(title, drawn, height)


def quality_name(found: Row) -> str:
    """What quality is, for an axis or the head of a column."""
    return str(found["quality"])


def against_name(found: Row) -> str:
    """What quality is held against, as words."""
    name = "bits per byte" if found["against"] == "bits_per_byte" else "perplexity per token"
    return (
        name if found["view"] is None else f"{name} of the {'answers' if found['view'] == 'answers' else 'whole text'}"
    )


def _numbers(rows: Sequence[Row], field: str) -> list[float]:
    return [
        value for row in rows for value in (row[field], row[f"{field}_low"], row[f"{field}_high"]) if value is not None
    ]


def _rules(x: Scale, y: Scale, title: str) -> list[str]:
    rules = [
        f'<line class="g" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + label(x.start - 8, y(tick) + 4, figure(tick), "end")
        for tick in y.ticks
    ]
    return [*rules, label(8, y.end - 10, title)]


def _curve(rows: Sequence[Row], field: str, x: Scale, y: Scale, color: str) -> list[str]:
    """The line, its interval as a band where there is one, a dot a checkpoint."""
    path = " ".join(f"{x(row['step']):.1f},{y(row[field]):.1f}" for row in rows)
    dots = [f'<circle cx="{x(row["step"]):.1f}" cy="{y(row[field]):.1f}" r="3" fill="{color}"/>' for row in rows]
    band = []
    if all(row[f"{field}_low"] is not None for row in rows):
        edge = [(row, "_high") for row in rows] + [(row, "_low") for row in reversed(rows)]
        around = " ".join(f"{x(row['step']):.1f},{y(row[field + end]):.1f}" for row, end in edge)
        band = [f'<polygon points="{around}" fill="{color}" opacity="0.15"/>']
    return [*band, f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>', *dots]


def _whisker(start: tuple[float, float], end: tuple[float, float]) -> str:
    (a, b), (c, d) = start, end
    return f'<line x1="{a:.1f}" x2="{c:.1f}" y1="{b:.1f}" y2="{d:.1f}" stroke="{COLORS[0]}" opacity="0.35"/>'


def _mark(row: Row, found: Row, a: float, b: float) -> str:
    regret = found["regret"]
    ring = f'<circle cx="{a:.1f}" cy="{b:.1f}" r="7" fill="none" stroke="var(--ink)"/>'
    square = f'<rect x="{a - 6:.1f}" y="{b - 6:.1f}" width="12" height="12" fill="none" stroke="var(--ink)"/>'
    return (ring if row["model"] == regret["best"] else "") + (square if row["model"] == regret["chosen"] else "")
