"""The candidates of a run as the points of its map: their places, the ways to colour them, the names of its regions."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.desk import lasso
from curate.desk.model import Desk
from ui.canvas import NAMED, Label, Layer, Value

LABEL_CHARS = 34
# What stays in the background: most points of a large run, of which there is nothing to say yet.
MUTED = {"undecided", "place"}


class Points(NamedTuple):
    """The candidates that have a place: their rows in the desk, and places of 16 bits a side, all of equal length."""

    rows: npt.NDArray[np.int64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]


def of(desk: Desk) -> Points:
    """The points of a run; none where it has no vectors."""
    found = desk.candidates.select("row", "x", "y").drop_nulls()
    return Points(found["row"].to_numpy(), lasso.places(found["x"]), lasso.places(found["y"]))


def layers(desk: Desk, points: Points, decisions: pl.Series, t: Callable[..., str]) -> list[Layer]:
    """By fate, decision, topic and source; `decisions` has one word or null a candidate, in the order of rows."""
    mine = desk.candidates.select("fate", "topic", "source")[points.rows]
    decided = decisions.gather(points.rows).fill_null("undecided")
    names: dict[str, Callable[[str], str]] = {
        "fate": t,
        "decision": t,
        "topic": lambda key: desk.topics[int(key)],
        "source": str,
    }
    keys = {"fate": mine["fate"], "decision": decided, "topic": mine["topic"].cast(pl.String), "source": mine["source"]}
    return [_layer(name, t(f"by_{name}"), keys[name].fill_null("?"), names[name]) for name in names]


def _layer(name: str, title: str, keys: pl.Series, called: Callable[[str], str]) -> Layer:
    counts = keys.value_counts(sort=True, name="count").sort(["count", keys.name], descending=[True, False])
    order = counts[keys.name].to_list()
    values = [
        Value(key, "?" if key == "?" else called(key), count, key in MUTED and name in ("fate", "decision"))
        for key, count in counts.iter_rows()
    ]
    codes = keys.replace_strict(order, range(len(order)), return_dtype=pl.UInt16)
    return Layer(name, title, values, codes.to_numpy())


def labels(desk: Desk, points: Points) -> list[Label]:
    """The topics' names, each in the middle of its points, the largest topic first."""
    middle = (
        pl.DataFrame({"row": points.rows, "x": points.x, "y": points.y})
        .join(desk.candidates.select("row", "topic"), on="row")
        .drop_nulls("topic")
        .group_by("topic")
        .agg(pl.len(), pl.col("x").median(), pl.col("y").median())
        .filter(pl.col("len") >= NAMED)
        .sort(["len", "topic"], descending=[True, False])
    )
    return [Label(_short(desk.topics[topic]), int(x), int(y)) for topic, _, x, y in middle.iter_rows()]


class Choice(NamedTuple):
    """What was chosen: a polygon's inside, or a topic, without the values of `by` that are `hidden`."""

    by: str
    hidden: tuple[str, ...]
    polygon: Sequence[lasso.Corner]
    topic: int | None

    @property
    def made(self) -> bool:
        """Whether anything was chosen."""
        return len(self.polygon) > 2 or self.topic is not None


def chosen(points: Points, layered: Mapping[str, Layer], choice: Choice) -> npt.NDArray[np.int64]:
    """The places, among the points, of what was chosen; none where nothing was."""
    if not choice.made:
        return np.empty(0, np.int64)
    inside = np.ones(len(points.rows), np.bool_)
    if len(choice.polygon) > 2:
        inside &= lasso.inside(points.x, points.y, choice.polygon)
    if choice.topic is not None:
        inside &= _has(layered["topic"], (str(choice.topic),))
    if choice.hidden and choice.by in layered:
        inside &= ~_has(layered[choice.by], choice.hidden)
    return np.flatnonzero(inside)


def _has(layer: Layer, keys: Sequence[str]) -> npt.NDArray[np.bool_]:
    wanted = [place for place, value in enumerate(layer.values) if value.key in keys]
    return np.isin(layer.codes, np.asarray(wanted, np.uint16))


def _short(words: str) -> str:
    return words if len(words) <= LABEL_CHARS else words[: LABEL_CHARS - 1].rstrip(" ,") + "…"
