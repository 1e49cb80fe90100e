"""Numbers as SVG pictures that need no script: lines over steps, values with their intervals, histograms.

A chart is one <svg> for a page or a file of its own. It follows the reader's light or dark theme, scales with its width, and
carries its title for those who cannot see it; the numbers themselves belong into a table beside it.
"""

import math
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 640, 300
# Room for what is written around the plot: left, right, top, bottom.
MARGIN = (64, 24, 54, 44)
# Okabe and Ito's colours for all kinds of colour vision, in an order in which neighbours differ in lightness too; the dark
# ones have a lighter twin for the dark theme.
COLORS = (
    "light-dark(#0072b2,#56b4e9)",
    "light-dark(#d55e00,#f0833a)",
    "light-dark(#009e73,#2fc79b)",
    "#cc79a7",
    "#e69f00",
    "#8a8a8a",
)
STYLE = (
    ".lc{font:12px system-ui,sans-serif;color-scheme:light dark;--ink:light-dark(#1c1c1e,#e8e6e3);"
    "--soft:light-dark(#6b6b70,#a19f9b);--line:light-dark(#e4e1da,#33353a)}"
    ".lc text{fill:var(--soft)}.lc .t{fill:var(--ink);font-weight:600;font-size:14px}.lc .g{stroke:var(--line)}"
)


class Line(NamedTuple):
    """One curve: equally many `x` and `y`; a value that is not finite breaks the curve there."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


class Interval(NamedTuple):
    """A value with its interval; `low` and `high` are None where it has none."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


class Scale(NamedTuple):
    """A linear map from numbers to places on the picture, with round ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        """The place of a number, in pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def scale(values: Sequence[float], start: float, end: float, ticks: int = 5) -> Scale:
    """A scale that holds all finite `values`, from one round number to another (steps of 1, 2 or 5 times a power of ten)."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, start, end, tuple(number * step for number in range(first, last + 1)))


def lines(title: str, curves: Sequence[Line], x_name: str = "", y_name: str = "") -> str:
    """Curves over one axis, named at their right ends; a single point is a dot."""
    left, right, top, bottom = MARGIN
    named = len(curves) > 1
    right = right + 7 * max(map(len, (curve.name for curve in curves)), default=0) if named else right
    x = scale([value for curve in curves for value in curve.x], left, WIDTH - right)
    y = scale([value for curve in curves for value in curve.y], HEIGHT - bottom, top)
    drawn, ends = [], []
    for number, curve in enumerate(curves):
        color = COLORS[number % len(COLORS)]
        for run in _runs(curve, x, y):
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in run)
            shape = f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>'
            drawn.append(
                shape if len(run) > 1 else f'<circle cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3" fill="{color}"/>'
            )
        points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True) if math.isfinite(b)]
        if named and points:
            ends.append((*points[-1], curve.name, color))
    drawn += [label(a + 6, b + 4, name, style=f"fill:{color}") for a, b, name, color in _apart(ends)]
    return picture(title, [*_axes(x, y, x_name, y_name), *drawn], HEIGHT)


def intervals(title: str, rows: Sequence[Interval], x_name: str = "", reference: float | None = None) -> str:
    """One row a value, with its interval as a whisker; `reference` is a dashed line (chance, no difference)."""
    _, right, top, bottom = MARGIN
    left = 24 + 7 * max((_cells(row.name) for row in rows), default=0)
    height = top + bottom + 26 * len(rows)
    numbers = [number for row in rows for number in (row.value, row.low, row.high) if number is not None]
    x = scale([*numbers, *([] if reference is None else [reference])], left, WIDTH - right)
    drawn = [_tick(x(tick), top - 6, height - bottom, figure(tick)) for tick in x.ticks]
    if reference is not None:
        drawn.append(
            f'<line x1="{x(reference):.1f}" x2="{x(reference):.1f}" y1="{top - 6}" y2="{height - bottom}" stroke="var(--soft)"'
            ' stroke-dasharray="4 4"/>'
        )
    for number, row in enumerate(rows):
        middle = top + 26 * number + 10
        drawn.append(label(left - 10, middle + 4, row.name, "end", "fill:var(--ink)"))
        if row.low is not None and row.high is not None:
            drawn.append(
                f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{middle}" y2="{middle}" stroke="{COLORS[0]}"'
                ' stroke-width="2"/>'
            )
        drawn.append(f'<circle cx="{x(row.value):.1f}" cy="{middle}" r="4" fill="{COLORS[0]}"/>')
    drawn.append(label((left + WIDTH - right) / 2, height - 8, x_name, "middle"))
    return picture(title, drawn, height)


def histogram(title: str, counts: Sequence[int], edges: Sequence[float], x_name: str = "") -> str:
    """Bars of `counts` between `edges` (one more than counts), as numpy.histogram gives them."""
    left, right, top, bottom = MARGIN
    x = scale(edges, left, WIDTH - right)
    y = scale([0, *counts], HEIGHT - bottom, top)
    bars = [
        f'<rect x="{x(low):.1f}" width="{max(x(high) - x(low) - 1, 0.5):.1f}" y="{y(count):.1f}"'
        f' height="{y(0) - y(count):.1f}" fill="{COLORS[0]}"/>'
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    return picture(title, [*_axes(x, y, x_name, ""), *bars], HEIGHT)


def _cells(text: str) -> int:
    """How many Latin letters wide a text is, about: a letter of Korean, Chinese or Japanese takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _apart(ends: list[tuple[float, float, str, str]]) -> list[tuple[float, float, str, str]]:
    """Names at the ends of curves, from top to bottom, each at least a line below the one above it."""
    placed: list[tuple[float, float, str, str]] = []
    for a, b, name, color in sorted(ends, key=lambda end: end[1]):
        placed.append((a, max(b, placed[-1][1] + 14) if placed else b, name, color))
    return placed


def _runs(curve: Line, x: Scale, y: Scale) -> list[list[tuple[float, float]]]:
    """The unbroken stretches of a curve."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(curve.x, curve.y, strict=True):
        if math.isfinite(b):
            stretches[-1].append((x(a), y(b)))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def _axes(x: Scale, y: Scale, x_name: str, y_name: str) -> list[str]:
    rules = [
        f'<line class="g" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + label(x.start - 8, y(tick) + 4, figure(tick), "end")
        for tick in y.ticks
    ]
    marks = [label(x(tick), y.start + 18, figure(tick), "middle") for tick in x.ticks]
    names = [label((x.start + x.end) / 2, y.start + 36, x_name, "middle"), label(8, y.end - 10, y_name)]
    return [*rules, *marks, *(name for name in names if name)]


def _tick(place: float, top: float, bottom: float, words: str) -> str:
    line = f'<line class="g" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{bottom}"/>'
    return line + label(place, bottom + 16, words, "middle")


def label(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    """A line of text on a picture, escaped; nothing for an empty one."""
    if not text:
        return ""
    styled = f' style="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'


def figure(value: float) -> str:
    """A number as it stands at an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def picture(title: str, parts: Sequence[str], height: float, width: float = WIDTH) -> str:
    """`parts` as one <svg> of this size with its title, styled as all charts are."""
    return (
        f'<svg class="lc" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(title)}"><style>{STYLE}</style><title>{escape(title)}</title>'
        f'<text class="t" x="8" y="18">{escape(title)}</text>{"".join(parts)}</svg>'
    )
