from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.desk import lasso
from curate.errors import InputError

SMALL = st.integers(0, 12)
CORNER = st.tuples(SMALL, SMALL)


def reference(x, y, polygon):
    """One point against one edge after the other, where each edge is crossed, in fractions."""
    turns = 0
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + Fraction((x2 - x1) * (y - y1), y2 - y1):
            turns += 1 if y2 > y1 else -1
    return turns != 0


@given(st.lists(CORNER, max_size=8), st.lists(CORNER, min_size=1, max_size=30))
def test_the_lasso_decides_as_one_edge_after_the_other_would(polygon, points):
    x, y = np.array(points).T
    expected = [len(polygon) > 2 and reference(a, b, polygon) for a, b in points]
    assert lasso.inside(x, y, polygon).tolist() == expected


@given(st.lists(CORNER, min_size=3, max_size=8), st.integers(0, 7))
def test_where_a_polygon_begins_does_not_matter(polygon, turn):
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(13), np.arange(13)))
    turned = [*polygon[turn:], *polygon[:turn]]
    assert (lasso.inside(x, y, polygon) == lasso.inside(x, y, turned)).all()


def test_a_point_is_in_one_only_of_two_halves_of_a_square():
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(11), np.arange(11)))
    lower = lasso.inside(x, y, [(0, 0), (10, 0), (10, 10)])
    upper = lasso.inside(x, y, [(0, 0), (10, 10), (0, 10)])
    assert not (lower & upper).any()
    assert (lower | upper).sum() == 100  # its lower and left sides belong to a square, the others do not


def test_a_line_whose_end_overlaps_its_beginning_has_no_hole():
    star = [(5, 0), (8, 10), (0, 4), (10, 4), (2, 10)]  # its middle is gone around twice
    assert lasso.inside([5, 5, 0], [2, 5, 0], star).tolist() == [True, True, False]


def test_fewer_than_three_corners_and_no_points_hold_nothing():
    assert lasso.inside([1, 2], [1, 2], [(0, 0), (9, 9)]).tolist() == [False, False]
    assert lasso.inside([], [], [(0, 0), (9, 9), (0, 9)]).tolist() == []


def test_the_whole_map_is_reached_without_overflow():
    side = lasso.SIDE
    x = np.array([0, side // 2, side - 1], np.uint16)
    assert lasso.inside(x, x, [(0, 0), (side, 0), (side, side), (0, side)]).all()


def test_coordinates_become_places_of_16_bits():
    assert lasso.places([0.0, 0.5, 1.0, 1.5, -2]).tolist() == [0, 32768, 65535, 65535, 0]


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=40))
def test_a_polygon_comes_back_from_its_text(polygon):
    text = lasso.to_text(polygon)
    assert lasso.from_text(text) == polygon
    assert len(text) <= 5.4 * len(polygon) + 3


@pytest.mark.parametrize("text", ["a", "äöü", "AAAA", "not a polygon!", "AAA=A"])
def test_a_broken_address_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="draw it again") as found:
        lasso.from_text(text)
    assert "\n" not in str(found.value)


def test_a_polygon_of_a_browser_is_rounded_and_moved_onto_the_map():
    assert lasso.from_numbers([[1.4, 2.6], [-5, 70000]]) == [(1, 3), (0, 65535)]


@pytest.mark.parametrize(
    "value", [None, "x", [[1]], [["a", "b"]], [[1, 2, 3]], [[float("nan"), 1]], [[1, 2]] * 513, {"a": 1}]
)
def test_what_is_no_polygon_is_refused(value):
    with pytest.raises(InputError, match="selection"):
        lasso.from_numbers(value)
