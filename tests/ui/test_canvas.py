"""What is sent to the map's canvas, and what a choice on it holds."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from curate.desk import lasso
from ui import canvas
from ui.canvas import Label, Layer, Value, points

SIDE = lasso.SIDE


def desk(rows, *topics):
    """What the map reads of a desk."""
    schema = {
        "row": pl.Int64,
        "x": pl.Float32,
        "y": pl.Float32,
        "topic": pl.Int64,
        "source": pl.String,
        "fate": pl.String,
    }
    given = [{"row": number, "source": "a", "fate": "kept", **row} for number, row in enumerate(rows)]
    return SimpleNamespace(candidates=pl.DataFrame(given, schema=schema), topics=list(topics))


@pytest.fixture
def four():
    """Four candidates, of which the third has no vector: two topics, two sources, three fates."""
    return desk(
        [
            {"x": 0.0, "y": 0.0, "topic": 0, "source": "forum", "fate": "kept"},
            {"x": 1.0, "y": 0.0, "topic": 0, "source": "forum", "fate": "place"},
            {"x": None, "y": None, "topic": None, "source": "guide", "fate": "limit"},
            {"x": 1.0, "y": 1.0, "topic": 1, "source": "guide", "fate": "limit"},
        ],
        "bread, oven",
        "bicycle",
    )


def layered(made):
    found = points.of(made)
    decided = pl.Series([None, "keep", "reject", None], dtype=pl.String)
    return found, {layer.name: layer for layer in points.layers(made, found, decided, lambda key: key.upper())}


def unpacked(data):
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length])
    step = -(-head["n"] * 2 // 4) * 4
    arrays = [
        np.frombuffer(data, "<u2", head["n"], head["start"] + step * place) for place in range(2 + len(head["codes"]))
    ]
    assert len(data) == head["start"] + step * len(arrays)
    return head, arrays


def test_the_points_are_the_candidates_with_a_place(four):
    found = points.of(four)
    assert found.rows.tolist() == [0, 1, 3]
    assert list(zip(found.x.tolist(), found.y.tolist(), strict=True)) == [(0, 0), (SIDE, 0), (SIDE, SIDE)]


def test_a_layer_counts_its_values_the_most_frequent_first(four):
    _, layers = layered(four)
    assert layers["source"].values == [Value("forum", "forum", 2), Value("guide", "guide", 1)]
    assert layers["topic"].values == [Value("0", "bread, oven", 2), Value("1", "bicycle", 1)]
    assert layers["decision"].values == [Value("undecided", "UNDECIDED", 2, muted=True), Value("keep", "KEEP", 1)]
    assert layers["decision"].codes.tolist() == [0, 1, 0]
    assert {value.key for value in layers["fate"].values if value.muted} == {"place"}


BELOW = [(0, 0), (SIDE + 1, 0), (SIDE + 1, 10), (0, 10)]


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        (points.Choice("fate", (), [], None), []),  # nothing was chosen
        (points.Choice("fate", (), BELOW[:2], None), []),
        (points.Choice("fate", (), BELOW, None), [0, 1]),
        (points.Choice("fate", ("kept",), BELOW, None), [1]),
        (points.Choice("source", ("guide",), [], 1), []),
        (points.Choice("fate", (), [], 0), [0, 1]),
        (points.Choice("fate", (), BELOW, 1), []),
    ],
)
def test_a_choice_holds_what_is_inside_and_not_hidden(four, choice, rows):
    found, layers = layered(four)
    assert found.rows[points.chosen(found, layers, choice)].tolist() == rows


def test_what_is_packed_comes_back_as_it_was(four):
    found, layers = layered(four)
    data = canvas.packed("run", found.x, found.y, list(layers.values()), [Label("bread", 7, 9)], {"all": "모두"})
    head, arrays = unpacked(data)
    assert (head["n"], head["labels"], head["words"]) == (3, [{"text": "bread", "x": 7, "y": 9}], {"all": "모두"})
    assert arrays[0].tolist() == found.x.tolist()
    assert [array.tolist() for array in arrays[2:]] == [layer.codes.tolist() for layer in layers.values()]


def test_another_decision_is_another_version_and_the_same_points_are_the_same(four):
    found, layers = layered(four)
    first, again = (unpacked(canvas.packed("run", found.x, found.y, [*layers.values()], [], {}))[0] for _ in range(2))
    moved = layers["decision"]._replace(codes=1 - layers["decision"].codes)
    other = unpacked(canvas.packed("run", found.x, found.y, [moved], [], {}))[0]
    assert first["version"] == again["version"] != other["version"]


def test_a_topic_is_named_in_the_middle_of_its_points_where_it_has_a_few(four):
    assert points.labels(four, points.of(four)) == []
    many = desk(
        [{"x": x, "y": 0.5, "topic": 0} for x in (0.0, 0.5, 1.0)], "a long name of many words that goes on and on"
    )
    (label,) = points.labels(many, points.of(many))
    assert (label.x, label.y) == (32768, 32768)
    assert label.text.endswith("…")
    assert len(label.text) <= points.LABEL_CHARS


def test_no_points_can_be_packed_too():
    nothing = np.empty(0, np.uint16)
    head, _ = unpacked(canvas.packed("run", nothing, nothing, [Layer("fate", "fate", [], nothing)], [], {}))
    assert head["n"] == 0
