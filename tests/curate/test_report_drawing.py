"""The report's pictures: the geometry, on a few numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from curate.charts import Interval
from curate.report.drawing import bars, maps, ridges, sankey


def parsed(svg):
    return ET.fromstring(svg)


def rects(svg):
    return [
        {key: float(rect.get(key)) for key in ("x", "y", "width", "height")}
        for rect in parsed(svg).findall(".//{*}rect")
    ]


def test_nodes_and_bands_are_as_thick_as_what_they_stand_for():
    columns = [
        [sankey.Node("in", "in", 100, "red")],
        [sankey.Node("kept", "kept", 60, "green"), sankey.Node("out", "out", 40, "blue")],
    ]
    links = [sankey.Link("in", "kept", 60, "green"), sankey.Link("in", "out", 40, "blue")]
    svg = sankey.sankey("flow", columns, links)
    whole, kept, out = rects(svg)
    assert whole["height"] == pytest.approx(380)
    assert kept["height"] == pytest.approx(228)
    assert out["height"] == pytest.approx(152)
    thick = [float(found) for found in re.findall(r"v(\d+\.\d)C", svg)]
    assert thick == pytest.approx([228, 152])
    starts = [float(y) for y in re.findall(r'<path d="M\S+ (\d+\.\d)', svg)]
    assert starts == pytest.approx([whole["y"], whole["y"] + 228])


def test_bars_end_at_their_value_and_marks_stand_at_theirs():
    svg = bars.bars("kept", [bars.Bar("a", 50, "50 of 100", "green", 100), bars.Bar("b", 100, "100", "green")])
    half, whole = rects(svg)
    assert whole["width"] == pytest.approx(2 * half["width"], abs=0.2)
    mark = float(parsed(svg).find(".//{*}line").get("x1"))
    assert mark == pytest.approx(whole["x"] + whole["width"], abs=0.2)


def test_shares_of_a_row_fill_it_and_a_part_has_one_colour():
    svg = bars.stacked("mix", [("before", [("x", 3), ("y", 1)]), ("after", [("y", 2), ("x", 2)])])
    parts = [rect for rect in parsed(svg).findall(".//{*}rect") if rect.get("height") == "22"]
    widths = [float(rect.get("width")) + 1 for rect in parts]
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.01)
    assert widths[0] + widths[1] == pytest.approx(widths[2] + widths[3])
    assert [rect.get("fill") for rect in parts[:2]] == [rect.get("fill") for rect in parts[2:]]


def test_more_parts_than_colours_share_a_grey():
    svg = bars.stacked("mix", [("all", [(f"s{number}", 20 - number) for number in range(12)])])
    assert svg.count(bars.OTHERS) == 2  # the bar, and the legend
    assert "others" in svg


def test_a_margin_stacks_what_failed_on_what_passed_and_marks_the_limit():
    svg = bars.margins("min_chars", [0, 4], [2, 1], [0, 100, 200], 100, "characters", "limit 100")
    assert len(rects(svg)) == 3
    assert "limit 100" in svg
    line = [line for line in parsed(svg).findall(".//{*}line") if line.get("stroke-dasharray")]
    assert float(line[0].get("x1")) == pytest.approx((46 + 466) / 2)


def test_ridges_shade_the_band_and_leave_out_what_is_empty():
    row = ridges.Ridge("x", [1, 2, 0], [0, 0, 0], 10, 100)
    svg = ridges.ridges("lengths", [row], [1, 10, 100, 1000], "characters")
    (band,) = rects(svg)
    left = 16 + ridges.EM
    assert band["x"] == pytest.approx(left + (520 - 20 - left) / 3, abs=0.1)
    assert band["width"] == pytest.approx((520 - 20 - left) / 3, abs=0.1)
    assert svg.count("<path") == 1


def test_a_forest_has_a_whisker_only_where_there_is_an_interval():
    svg = ridges.forest("diversity", [("vendi", [Interval("chosen", 5.0, 4.0, 6.0), Interval("random", 4.0)])])
    assert svg.count('stroke-width="2.2"') == 1
    assert svg.count("<circle") == 4


def test_the_raster_covers_what_has_counts_and_points_lie_where_they_should():
    grid = np.zeros((10, 20), dtype=int)
    grid[0, 0] = 400
    svg = maps.density("map", grid, np.array([[0.0, 1.0], [1.0, 0.0]]), [maps.Spot(0.5, 0.5, "<b>")])
    assert "M0 0h" in svg
    assert "M0 30h0M640 350h0" in svg
    assert "&lt;b&gt;" in svg


def test_an_empty_map_is_drawn_too():
    assert parsed(maps.density("map", np.zeros((3, 5), dtype=int), np.empty((0, 2)))) is not None


def test_a_sunburst_gives_each_verb_its_nouns_and_a_single_pair_a_whole_ring():
    rows = [("write", 5, "story", 3), ("write", 5, "poem", 1), ("list", 2, "name", 2)]
    svg = maps.sunburst("verbs", rows)
    assert svg.count("<path") == 5
    assert {"write", "story", "list"} <= {text.text for text in parsed(svg).findall(".//{*}text")}
    assert parsed(maps.sunburst("verbs", [("write", 1, "story", 1)])) is not None
