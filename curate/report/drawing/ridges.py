"""Two distributions a row, one before the other: what came and what stayed, on one logarithmic axis; and values with intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from curate import charts
from curate.report.drawing.bars import EM, WIDTH
from curate.report.fates import COLORS

ROW = 46
BEFORE, AFTER = "light-dark(#b9b9bf,#5d5d63)", COLORS["kept"]
# Chosen, random, longest: the same in every row.
SETS = (COLORS["kept"], "light-dark(#6f6f76,#a3a3aa)", "light-dark(#a87708,#e3b54a)")


class Ridge(NamedTuple):
    """Counts in the bins of the common edges, before and after, and the band that the recipe asks for."""

    name: str
    before: Sequence[int]
    after: Sequence[int]
    low: float | None = None
    high: float | None = None


def ridges(title: str, rows: Sequence[Ridge], edges: Sequence[float], x_name: str) -> str:
    """One row a distribution; `edges` grow by a constant factor. Each shape has the row's full height, whatever its count."""
    left = 16 + EM * min(max((len(row.name) for row in rows), default=0), 20)
    first, last = math.log10(edges[0]), math.log10(edges[-1])

    def x(value: float) -> float:
        place = (math.log10(min(max(value, edges[0]), edges[-1])) - first) / (last - first)
        return left + place * (WIDTH - 20 - left)

    bottom = 40 + ROW * len(rows)
    drawn = []
    for tick in _ticks(edges[0], edges[-1]):
        drawn.append(f'<line class="g" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="32" y2="{bottom}"/>')
        drawn.append(charts.label(x(tick), bottom + 16, charts.figure(tick), "middle"))
    for number, row in enumerate(rows):
        base = 40 + ROW * (number + 1) - 6
        if row.low is not None or row.high is not None:
            low, high = x(row.low or edges[0]), x(row.high or edges[-1])
            drawn.append(
                f'<rect x="{low:.1f}" width="{max(high - low, 1):.1f}" y="{base - ROW + 10}" height="{ROW - 10}"'
                f' fill="{AFTER}" fill-opacity=".11"/>'
            )
        name = row.name if len(row.name) <= 20 else row.name[:19] + "…"
        drawn.append(charts.label(left - 10, base - 8, name, "end", "fill:var(--ink)"))
        for counts, color, opacity in ((row.before, BEFORE, ".55"), (row.after, AFTER, ".6")):
            drawn.append(_shape(counts, [x(edge) for edge in edges], base, color, opacity))
    drawn.append(charts.label((left + WIDTH) / 2, bottom + 34, x_name, "middle"))
    return charts.picture(title, drawn, bottom + 42, WIDTH)


def _shape(counts: Sequence[int], places: Sequence[float], base: float, color: str, opacity: str) -> str:
    most = max(counts, default=0)
    if not most:
        return ""
    steps = [f"M{places[0]:.1f} {base}"]
    for count, start, end in zip(counts, places[:-1], places[1:], strict=True):
        steps.append(f"L{start:.1f} {base - count / most * (ROW - 12):.1f}H{end:.1f}")
    path = "".join([*steps, f"V{base}z"])
    return f'<path d="{path}" fill="{color}" fill-opacity="{opacity}" stroke="{color}" stroke-width="1"/>'


def _ticks(low: float, high: float) -> list[float]:
    """1 and 3 times powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        factor * 10.0**power for power in powers for factor in (1, 3) if low * 0.999 <= factor * 10.0**power <= high
    ]


def forest(title: str, rows: Sequence[tuple[str, Sequence[charts.Interval]]]) -> str:
    """One row a measure, each on a scale of its own, with one value and interval for each set; sets in one order in all."""
    names = list(dict.fromkeys(point.name for _, points in rows for point in points))
    left, step = 16 + EM * max((len(name) for name, _ in rows), default=0), 12 * len(names) + 14
    drawn: list[str] = []
    x = left
    for number, name in enumerate(names):
        drawn.append(f'<circle cx="{x:.1f}" cy="34" r="4.5" fill="{SETS[number % len(SETS)]}"/>')
        drawn.append(charts.label(x + 9, 38, name))
        x += 30 + 7 * len(name)
    for number, (name, points) in enumerate(rows):
        top = 54 + step * number
        drawn.append(f'<line class="g" x1="8" x2="{WIDTH - 14}" y1="{top - 7}" y2="{top - 7}"/>')
        drawn.append(charts.label(left - 12, top + step / 2 - 6, name, "end", "fill:var(--ink)"))
        drawn += _whiskers(points, names, left, top)
    return charts.picture(title, drawn, 54 + step * len(rows), WIDTH)


def _whiskers(points: Sequence[charts.Interval], names: Sequence[str], left: float, top: float) -> list[str]:
    numbers = [end for point in points for end in (point.low, point.value, point.high) if end is not None]
    low, high = min(numbers), max(numbers)
    room = (high - low or abs(high) or 1) * 0.04
    x = charts.Scale(low - room, high + room, left + 8, WIDTH - 84, ())
    drawn = []
    for point in points:
        place = names.index(point.name)
        y, color = top + 5 + 12 * place, SETS[place % len(SETS)]
        if point.low is not None and point.high is not None:
            drawn.append(
                f'<line x1="{x(point.low):.1f}" x2="{x(point.high):.1f}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2.2"/>'
            )
        drawn.append(f'<circle cx="{x(point.value):.1f}" cy="{y}" r="4" fill="{color}"/>')
        drawn.append(charts.label(WIDTH - 16, y + 4, f"{point.value:.4g}", "end", f"fill:{color};font-size:11px"))
    return drawn
