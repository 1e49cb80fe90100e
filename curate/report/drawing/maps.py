"""Two pictures of all examples at once: where they lie, and what they ask for."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from curate import charts
from curate.report.drawing.bars import PARTS
from curate.report.fates import COLORS

WIDTH = 640
# Shades of the raster: as many paths, whatever the number of examples.
SHADES = 7


class Spot(NamedTuple):
    """A name at a place of the map, in the unit square."""

    x: float
    y: float
    words: str


def density(title: str, grid: np.ndarray, points: np.ndarray, spots: Sequence[Spot] = ()) -> str:
    """A raster of counts (`grid`: rows from top to bottom) with points (k, 2) of the unit square on it, y upwards.

    Counts are smoothed, the more the fewer there are, and shaded by rank among the cells that are not empty, so that a crowd
    does not hide the rest.
    """
    height = round(WIDTH * grid.shape[0] / grid.shape[1])
    cell = WIDTH / grid.shape[1]
    smooth = _smoothed(grid.astype(np.float64), 0.35 * grid.shape[1] / max(float(grid.sum()), 1.0) ** 0.5)
    seen = smooth[smooth > 0.03 * smooth.max()]
    levels = np.quantile(seen, np.linspace(0, 0.94, SHADES)) if len(seen) else []
    # Each shade lies on those before it.
    drawn = [
        f'<path d="{"".join(_runs(smooth >= level))}" fill="light-dark(#5a6b86,#8fa6c9)" fill-opacity=".13"/>'
        for level in levels
    ]
    raster = f'<g transform="translate(0 30) scale({cell:.4f})" shape-rendering="crispEdges">{"".join(drawn)}</g>'
    dots = "".join(f"M{x * WIDTH:.0f} {30 + (1 - y) * height:.0f}h0" for x, y in points.tolist())
    size = 5 if len(points) <= 300 else 3.4 if len(points) <= 1200 else 2.4
    marks = (
        f'<path d="{dots}" stroke="{COLORS["kept"]}" stroke-width="{size}" stroke-linecap="round" stroke-opacity=".8"/>'
    )
    halo = (
        "fill:var(--ink);font-weight:600;paint-order:stroke;stroke:light-dark(#fdfcfa,#17181a);stroke-width:4px;"
        "stroke-linejoin:round"
    )
    names = "".join(
        charts.label(min(max(spot.x * WIDTH, 60), WIDTH - 60), 30 + (1 - spot.y) * height, spot.words, "middle", halo)
        for spot in spots
    )
    return charts.picture(title, [raster, marks, names], height + 34, WIDTH)


def _smoothed(grid: np.ndarray, sigma: float) -> np.ndarray:
    """Counts under a Gaussian of `sigma` cells."""
    reach = max(round(3 * sigma), 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 0.3)) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        grid = np.apply_along_axis(lambda line: np.convolve(line, weights, "full")[reach:-reach], axis, grid)
    return grid


def _runs(cells: np.ndarray) -> list[str]:
    """The true cells as rectangles one cell high, as path commands in units of a cell."""
    found = []
    for y, row in enumerate(cells):
        turns = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        found += [
            f"M{start} {y}h{end - start}v1h-{end - start}z"
            for start, end in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)
        ]
    return found


def sunburst(title: str, rows: Sequence[tuple[str, int, str, int]]) -> str:
    """Verbs inside, their objects outside; rows `verb, its examples, noun, examples`, verbs together and largest first.

    Self-Instruct's figure (Wang et al. 2023, figure 3). A verb's arc is as wide as its shown objects.
    """
    shown: dict[str, list[tuple[str, int]]] = {}
    for verb, _, noun, examples in rows:
        shown.setdefault(verb, []).append((noun, examples))
    whole = sum(examples for _, _, _, examples in rows) or 1
    middle, angle, drawn = 260.0, 0.0, []
    for number, (verb, nouns) in enumerate(shown.items()):
        color = PARTS[number % len(PARTS)]
        width = sum(examples for _, examples in nouns) / whole * 2 * math.pi
        drawn.append(_arc(middle, 62, 142, angle, width, color, 0.9))
        drawn.append(_along(middle, 102, angle + width / 2, width * 102, verb, "fill:light-dark(#fff,#111)"))
        inside = angle
        for noun, examples in nouns:
            part = examples / whole * 2 * math.pi
            drawn.append(_arc(middle, 144, 218, inside, part, color, 0.42))
            drawn.append(_along(middle, 181, inside + part / 2, part * 181, noun, "fill:var(--ink)"))
            inside += part
        angle += width
    return charts.picture(title, drawn, 2 * middle - 20, 2 * middle)


def _place(middle: float, radius: float, angle: float) -> tuple[float, float]:
    return middle + radius * math.sin(angle), middle - radius * math.cos(angle)


def _arc(middle: float, inner: float, outer: float, start: float, width: float, color: str, opacity: float) -> str:
    # A whole circle has no arc of its own: its ends would be one point.
    end = start + min(width, 2 * math.pi - 1e-4)
    large = int(end - start > math.pi)
    (ax, ay), (bx, by) = _place(middle, outer, start), _place(middle, outer, end)
    (cx, cy), (dx, dy) = _place(middle, inner, end), _place(middle, inner, start)
    return (
        f'<path d="M{ax:.1f} {ay:.1f}A{outer} {outer} 0 {large} 1 {bx:.1f} {by:.1f}L{cx:.1f} {cy:.1f}'
        f'A{inner} {inner} 0 {large} 0 {dx:.1f} {dy:.1f}z" fill="{color}" fill-opacity="{opacity}"'
        ' stroke="light-dark(#fdfcfa,#17181a)"/>'
    )


def _along(middle: float, radius: float, angle: float, room: float, words: str, style: str) -> str:
    """A word along the radius, upright on both halves; none where its arc is too thin for a line."""
    if room < 11:
        return ""
    words = words if len(words) <= 12 else words[:11] + "…"
    x, y = _place(middle, radius, angle)
    turn = math.degrees(angle) - 90 if angle < math.pi else math.degrees(angle) + 90
    text = charts.label(x, y + 4, words, "middle", f"{style};font-size:11px")
    return f'<g transform="rotate({turn:.1f} {x:.1f} {y:.1f})">{text}</g>'
