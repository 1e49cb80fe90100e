"""Bars: shares that make a whole, values in a row, and values on both sides of a limit."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from curate import charts

# Wide enough for a page, narrow enough for a phone, where letters are drawn larger: there is room for EM pixels each.
WIDTH, EM = 520, 8.0
# Characters of a name at a bar.
NAME = 26
# One colour a part, in an order in which neighbours differ; what is left over is grey.
PARTS = (
    "light-dark(#2c6ca3,#6fb2e6)",
    "light-dark(#d98a2b,#f0ab55)",
    "light-dark(#2f7d5b,#5fbf93)",
    "light-dark(#84589f,#c79fe0)",
    "light-dark(#b5506b,#ea8ba3)",
    "light-dark(#3f8f99,#76c9d3)",
    "light-dark(#7b7a35,#c0bf6d)",
    "light-dark(#5c6bc0,#9fabf2)",
)
OTHERS = "light-dark(#b9b9bf,#5d5d63)"


class Bar(NamedTuple):
    """A value in a row of its own; `mark` is where it should end."""

    name: str
    value: float
    words: str
    color: str
    mark: float | None = None


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on one scale from 0, each with its words; a mark is a line across its row."""
    left = 16 + EM * min(max((len(row.name) for row in rows), default=0), NAME)
    right = 14 + EM * max((len(row.words) for row in rows), default=0)
    most = max((max(row.value, row.mark or 0) for row in rows), default=0) or 1
    unit, drawn = (WIDTH - left - right) / most, []
    for number, row in enumerate(rows):
        y = 36 + 24 * number
        width = max(row.value * unit, 1.5 if row.value else 0)
        drawn.append(charts.label(left - 10, y + 11, _brief(row.name, NAME), "end", "fill:var(--ink)"))
        drawn.append(
            f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="15" rx="2" fill="{row.color}" fill-opacity=".85"/>'
        )
        end = max(width, (row.mark or 0) * unit)
        drawn.append(charts.label(left + end + 8, y + 12, row.words))
        if row.mark is not None:
            x = left + row.mark * unit
            drawn.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + 18}" stroke="var(--ink)" stroke-width="2"/>'
            )
    return charts.picture(title, drawn, 44 + 24 * len(rows), WIDTH)


def stacked(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """Rows of parts, each row as long as the others: what share of it each part is. A part has one colour in all rows."""
    totals: dict[str, float] = {}
    for _, parts in rows:
        whole = sum(value for _, value in parts) or 1
        for name, value in parts:
            totals[name] = totals.get(name, 0.0) + value / whole
    named = sorted(totals, key=lambda name: -totals[name])[: len(PARTS)]
    colors = {name: PARTS[named.index(name)] if name in named else OTHERS for name in totals}
    left = 16 + EM * max((len(name) for name, _ in rows), default=0)
    drawn = []
    for number, (name, parts) in enumerate(rows):
        y = 34 + 30 * number
        drawn.append(charts.label(left - 10, y + 15, name, "end", "fill:var(--ink)"))
        drawn += _parts(parts, colors, named, left, y)
    legend, height = _legend(named, colors, len(totals) > len(named), 34 + 30 * len(rows) + 18)
    return charts.picture(title, [*drawn, *legend], height, WIDTH)


def _parts(
    parts: Sequence[tuple[str, float]], colors: dict[str, str], named: Sequence[str], left: float, y: float
) -> list[str]:
    whole = sum(value for _, value in parts) or 1
    x, drawn = left, []
    counts = dict(parts)
    rest = sum(value for name, value in parts if name not in named)
    for name, value in [*((name, counts.get(name, 0)) for name in named), ("others", rest)]:
        width = value / whole * (WIDTH - 14 - left)
        if value:
            drawn.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(width - 1, 0.4):.1f}" height="22" fill="{colors.get(name, OTHERS)}"'
                f' fill-opacity=".88"><title>{escape(f"{name}: {value:,.0f}, {value / whole:.1%}")}</title></rect>'
            )
        if width > 34:
            share = f"{value / whole:.0%}"
            drawn.append(charts.label(x + width / 2, y + 15, share, "middle", "fill:light-dark(#fff,#111)"))
        x += width
    return drawn


def _legend(named: Sequence[str], colors: dict[str, str], others: bool, y: float) -> tuple[list[str], int]:
    entries = [(_brief(name, 26), colors[name]) for name in named] + ([("others", OTHERS)] if others else [])
    x, drawn = 16.0, []
    for name, color in entries:
        width = 26 + 8.4 * len(name)
        if x + width > WIDTH and x > 16:
            x, y = 16.0, y + 20
        drawn.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" fill="{color}"/>')
        drawn.append(charts.label(x + 15, y, name))
        x += width
    return drawn, round(y + 14)


def margins(
    title: str,
    kept: Sequence[int],
    dropped: Sequence[int],
    edges: Sequence[float],
    limit: float | None,
    x_name: str,
    limit_name: str,
) -> str:
    """How far values are from a limit: for each bin between `edges` those that passed and, on them, those that did not."""
    x = charts.scale([edges[0], edges[-1]], 46, 466)._replace(low=edges[0], high=edges[-1])
    tallest = max((a + b for a, b in zip(kept, dropped, strict=True)), default=0) or 1
    y = charts.scale([0, tallest], 128, 36, ticks=3)
    drawn = [
        f'<line class="g" x1="46" x2="466" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + charts.label(40, y(tick) + 4, charts.figure(tick), "end")
        for tick in y.ticks
    ]
    for low, high, passed, failed in zip(edges[:-1], edges[1:], kept, dropped, strict=True):
        width = max(x(high) - x(low) - 0.8, 0.6)
        for value, base, color in ((passed, 0, PARTS[2]), (failed, passed, "light-dark(#c4472f,#f08a6c)")):
            if value:
                height = max(y(base) - y(base + value), 1.0)
                drawn.append(
                    f'<rect x="{x(low):.1f}" y="{y(base + value):.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'
                )
    ticks = [tick for tick in x.ticks if edges[0] <= tick <= edges[-1]]
    drawn += [charts.label(x(tick), 145, charts.figure(tick), "middle") for tick in ticks]
    if limit is not None and edges[0] <= limit <= edges[-1]:
        at = x(limit)
        drawn.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="30" y2="132" stroke="var(--ink)" stroke-width="1.6" stroke-dasharray="5 3"/>'
        )
        anchor = "end" if at > 330 else "start"
        drawn.append(charts.label(at + (-5 if at > 330 else 5), 40, limit_name, anchor, "fill:var(--ink)"))
    drawn.append(charts.label(256, 161, x_name, "middle"))
    return charts.picture(title, drawn, 166, 480)


def _brief(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
