"""A Sankey diagram: columns of nodes, and between them bands as thick as what flows there."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from curate import charts

# What the largest column takes, and the least that a node takes: a line of text.
HEIGHT, SLOT, GAP, BAR = 380.0, 15.0, 5.0, 9.0
WIDTH = 790
# Where columns stand; names of the first stand left of it, of the others right.
PLACES = (182.0, 364.0, 592.0)
TOP = 34.0
# Words lie on bands: a rim of the page's own colour sets them apart.
HALO = "fill:var(--ink);paint-order:stroke;stroke:light-dark(#fdfcfa,#17181a);stroke-width:3px;stroke-linejoin:round"


class Node(NamedTuple):
    """A place in a column: `key` is its own, `words` stand beside it."""

    key: str
    words: str
    value: float
    color: str


class Link(NamedTuple):
    """A band from one node to one of the next column."""

    start: str
    end: str
    value: float
    color: str


class _Box(NamedTuple):
    x: float
    y: float
    height: float


def sankey(title: str, columns: Sequence[Sequence[Node]], links: Sequence[Link]) -> str:
    """Three columns at most, nodes from top to bottom as given; bands leave and arrive in the order of the other column."""
    most = max((sum(node.value for node in column) for column in columns), default=0) or 1
    unit = HEIGHT / most
    boxes, bottom = {}, 0.0
    for place, column in zip(PLACES, columns, strict=False):
        y = TOP
        for node in column:
            height = max(node.value * unit, 1.0)
            slot = max(height, SLOT)
            boxes[node.key] = _Box(place, y + (slot - height) / 2, height)
            y += slot + GAP
        bottom = max(bottom, y)
    number = {node.key: (at, place) for at, column in enumerate(columns) for place, node in enumerate(column)}
    drawn = [_band(link, x, y, to_x, to_y, unit) for link, x, y, to_x, to_y in _ends(links, boxes, number, unit)]
    drawn += [_node(node, boxes[node.key], at == 0) for at, column in enumerate(columns) for node in column]
    return charts.picture(title, drawn, round(bottom + 6), WIDTH)


def _ends(
    links: Sequence[Link], boxes: dict[str, _Box], number: dict[str, tuple[int, int]], unit: float
) -> list[tuple[Link, float, float, float, float]]:
    """Each link with x and y of both its ends. At a node links lie below each other in the order of their other ends, so that
    they do not cross there; links between the same two nodes in the order given.
    """
    leaving: dict[str, float] = {}
    arriving: dict[str, float] = {}
    starts, ends = {}, {}
    for at, link in sorted(enumerate(links), key=lambda item: (number[item[1].start], number[item[1].end], item[0])):
        starts[at] = boxes[link.start].y + leaving.get(link.start, 0.0)
        leaving[link.start] = leaving.get(link.start, 0.0) + link.value * unit
    for at, link in sorted(enumerate(links), key=lambda item: (number[item[1].end], number[item[1].start], item[0])):
        ends[at] = boxes[link.end].y + arriving.get(link.end, 0.0)
        arriving[link.end] = arriving.get(link.end, 0.0) + link.value * unit
    return [(link, boxes[link.start].x + BAR, starts[at], boxes[link.end].x, ends[at]) for at, link in enumerate(links)]


def _band(link: Link, x: float, y: float, to_x: float, to_y: float, unit: float) -> str:
    middle, thick = (x + to_x) / 2, max(link.value * unit, 0.6)
    return (
        f'<path d="M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}v{thick:.1f}'
        f'C{middle:.1f} {to_y + thick:.1f} {middle:.1f} {y + thick:.1f} {x:.1f} {y + thick:.1f}z" fill="{link.color}"'
        f' fill-opacity=".32"><title>{escape(f"{link.value:,.0f}")}</title></path>'
    )


def _node(node: Node, box: _Box, left: bool) -> str:
    bar = f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{BAR:g}" height="{box.height:.1f}" rx="1.5" fill="{node.color}"/>'
    x, anchor = (box.x - 8, "end") if left else (box.x + BAR + 7, "start")
    words = charts.label(x, box.y + box.height / 2 + 4, node.words, anchor, HALO)
    count = f'<tspan dx="6" fill="var(--soft)">{node.value:,.0f}</tspan></text>'
    return bar + words.replace("</text>", count)
