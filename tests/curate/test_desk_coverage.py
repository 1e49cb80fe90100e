"""What the set has of each topic and source, what the quotas lack, and which topics are thin."""

import pytest

from curate.desk import coverage
from tests.curate.small_desks import desk, states

ROWS = [
    {"source": "a", "group": "x", "topic": 0, "rank": 1},
    {"source": "a", "group": "y", "topic": 0, "rank": 2},
    {"source": "a", "topic": 0, "rank": 9, "fate": "place"},
    {"source": "b", "topic": 1, "fate": "limit"},
    {"source": "b", "topic": 1, "fate": "limit"},
    {"source": "b", "topic": None, "rank": 3},
]


def test_a_cell_counts_candidates_kept_by_the_build_by_people_and_undecided():
    found = coverage.crossed(desk(ROWS), states(6, {0: "keep", 1: "reject", 2: "edit", 3: "skip"}))
    assert found.rows() == [(0, "a", 3, 2, 2, 0), (1, "b", 2, 0, 0, 2), (None, "b", 1, 1, 0, 1)]


def test_another_column_can_stand_for_the_topics():
    found = coverage.crossed(desk(ROWS), states(6, {}), "group")
    assert found.select("group", "source", "candidates").rows() == [
        ("x", "a", 1),
        ("y", "a", 1),
        (None, "a", 1),
        (None, "b", 3),
    ]


def test_a_group_with_a_quota_of_its_own_is_not_its_sources():
    found = coverage.quotas(desk(ROWS, quotas={"a/x": 2, "a": 2, "b": 1, "c": 4}), states(6, {0: "keep", 2: "keep"}))
    names = ("bucket", "source", "group", "quota", "candidates", "passed", "built", "people", "gap")
    assert found.select(names).rows() == [
        ("a/x", "a", "x", 2, 1, 1, 1, 1, 1),
        ("a", "a", None, 2, 2, 2, 1, 1, 1),
        ("b", "b", None, 1, 3, 1, 1, 0, 1),
        ("c", "c", None, 4, 0, 0, 0, 0, 4),
    ]


def test_a_quota_that_people_overfill_lacks_nothing():
    found = coverage.quotas(desk(ROWS, quotas={"a": 1}), states(6, {0: "keep", 1: "keep"}))
    assert found["gap"].to_list() == [0]


def test_a_recipe_without_quotas_has_no_rows():
    assert coverage.quotas(desk(ROWS), states(6, {})).is_empty()


def test_a_topic_is_thin_that_has_less_than_half_of_its_even_share():
    # Two of five with a topic are kept, both of topic 0: of topic 1 an even set of two would have 2 x 2 / 5 = 0.8.
    found = coverage.thin(desk(ROWS), states(6, {}))
    assert found.rows() == [(1, 2, 0, 0.8, 2)]


def test_what_people_rejected_is_not_in_the_set():
    found = coverage.thin(desk(ROWS), states(6, {0: "reject", 1: "reject", 3: "keep"}))
    assert found.select("topic", "kept", "waiting").rows() == [(0, 0, 1)]
    assert found["expected"].item() == pytest.approx(0.6)


def test_a_topic_with_nobody_left_to_look_at_is_not_listed():
    assert coverage.thin(desk(ROWS), states(6, {3: "reject", 4: "reject"})).is_empty()


def test_a_run_without_candidates_has_nothing_to_show():
    nothing = desk([])
    assert coverage.crossed(nothing, states(0, {})).is_empty()
    assert coverage.thin(nothing, states(0, {})).is_empty()
    assert coverage.quotas(desk([], quotas={"a": 3}), states(0, {}))["gap"].to_list() == [3]
