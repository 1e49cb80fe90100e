from xml.etree import ElementTree as ET

import pytest

from curate import charts
from curate.charts import Interval, Line

SVG = "{http://www.w3.org/2000/svg}"


def elements(svg, name):
    return list(ET.fromstring(svg).iter(f"{SVG}{name}"))


def texts(svg):
    return [element.text for element in elements(svg, "text")]


def test_ticks_are_round_and_hold_all_values():
    assert charts.scale([0.13, 0.87], 0, 100).ticks == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert charts.scale([3, 17], 0, 100).ticks == (0, 5, 10, 15, 20)
    assert charts.scale([1200, 4100], 0, 100).ticks == (1000, 2000, 3000, 4000, 5000)


def test_a_number_stands_where_the_scale_says():
    scale = charts.scale([0, 10], 100, 200)
    assert (scale(0), scale(5), scale(10)) == (100, 150, 200)


def test_equal_values_and_no_values_still_have_a_scale():
    assert charts.scale([4, 4], 0, 1).low < 4 < charts.scale([4, 4], 0, 1).high
    assert charts.scale([], 0, 1).ticks[0] == 0
    assert charts.lines("nothing", [])


def test_a_curve_is_broken_where_a_value_is_not_finite():
    svg = charts.lines("loss", [Line("a", [1, 2, 3, 4, 5], [3.0, 2.0, float("nan"), 1.5, 1.0])])
    assert [len(element.get("points").split()) for element in elements(svg, "polyline")] == [2, 2]


def test_several_curves_are_named_at_their_ends():
    svg = charts.lines("loss", [Line("train", [1, 2], [2, 1]), Line("held out", [1, 2], [3, 2])], "step", "nats")
    assert {"train", "held out", "step", "nats"} <= set(texts(svg))


def test_an_interval_is_a_whisker_and_a_dot_and_a_lone_value_a_dot():
    svg = charts.intervals("win rate", [Interval("ours", 0.6, 0.5, 0.7), Interval("random", 0.5)], reference=0.5)
    assert len(elements(svg, "circle")) == 2
    assert [line.get("stroke-width") for line in elements(svg, "line")].count("2") == 1
    assert [line.get("stroke-dasharray") for line in elements(svg, "line")].count("4 4") == 1


def test_names_have_room_whatever_script_they_are_in():
    """A letter of Korean is as wide as two Latin ones, and its font has 12 px."""
    rows = [Interval("크리펜도르프 알파", 0.5), Interval("alpha", 0.4)]
    (first, *_) = [
        label for label in elements(charts.intervals("agreement", rows), "text") if label.text == rows[0].name
    ]
    assert float(first.get("x")) >= 8 * 12 + 6


def test_a_histogram_has_a_bar_for_each_count_as_high_as_it_says():
    svg = charts.histogram("tokens", [1, 4, 2], [0, 10, 20, 30])
    heights = [float(bar.get("height")) for bar in elements(svg, "rect")]
    assert heights[1] == pytest.approx(4 * heights[0], abs=0.2)
    assert heights[2] == pytest.approx(2 * heights[0], abs=0.2)


def test_a_hostile_name_is_text():
    svg = charts.lines("<script>alert(1)</script>", [Line('"><b>', [1, 2], [1, 2]), Line("b", [1], [1])])
    assert "<script>" not in svg
    assert '"><b>' in texts(svg)
