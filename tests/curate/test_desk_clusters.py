"""Clusters of duplicates: who is in one, who stayed, and the act that keeps another one instead."""

import pytest

from curate.desk import bulk, clusters
from curate.desk.clusters import Member
from curate.review import log
from curate.review.store import opened
from tests.curate.small_desks import desk

ROWS = [{}, {"fate": "duplicate"}, {"fate": "duplicate"}, {}, {"fate": "duplicate"}, {}]
# 1 gave way to 0, and 2 to 1 by its words; 4 means the same as 3; 5 is alone.
VERDICTS = [
    {"row": 1, "stage": "exact", "rule": "exact_duplicate", "value": 2, "limit": 1, "other": 0},
    {"row": 2, "stage": "near", "rule": "near_duplicate", "value": 0.9, "limit": 0.8, "other": 1},
    {"row": 4, "stage": "meaning", "rule": "same_meaning", "value": 0.85, "limit": 0.8, "other": 3},
    {"row": 5, "stage": "near", "rule": "near_reference", "value": 0.9, "limit": 0.8, "other": None},
]


@pytest.fixture
def journal(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def test_who_gave_way_to_one_another_by_any_number_of_steps_is_one_cluster_the_largest_first():
    found = clusters.clusters(desk(ROWS, VERDICTS))
    assert found.rows() == [(0, 3, [0, 1, 2], ["exact", "near"]), (3, 2, [3, 4], ["meaning"])]


def test_one_stage_alone_has_its_own_clusters():
    found = clusters.clusters(desk(ROWS, VERDICTS), ["near"])
    assert found.rows() == [(1, 2, [1, 2], ["near"])]


def test_a_run_without_duplicates_has_no_clusters():
    assert clusters.clusters(desk(ROWS)).is_empty()
    assert clusters.clusters(desk([])).is_empty()


def test_of_two_that_stayed_the_one_that_the_build_kept_stands_first():
    rows = [{"fate": "place"}, {"fate": "duplicate"}, {}]
    verdicts = [
        {"row": 1, "stage": "near", "rule": "near_duplicate", "value": 0.9, "limit": 0.8, "other": 0},
        {"row": 1, "stage": "meaning", "rule": "same_meaning", "value": 0.9, "limit": 0.8, "other": 2},
    ]
    assert clusters.clusters(desk(rows, verdicts))["members"].to_list() == [[2, 0, 1]]


def test_members_come_with_their_similarity_the_one_that_stayed_first():
    found = clusters.members(desk(ROWS, VERDICTS), [2, 1, 0])
    assert found == [Member(0, None, None), Member(1, 1.0, "exact"), Member(2, 0.9, "near")]


def test_keeping_one_drops_the_others_and_one_undo_takes_all_of_it_back(journal):
    some = desk(ROWS, VERDICTS)
    log.record(journal, clusters.keep_one(some, 2, [0, 1, 2], "ann", "s", "act"))
    said = {event.content: (event.decision, event.reasons) for event in log.current(journal)}
    assert said == {"text2": ("keep", ()), "text0": ("reject", ("duplicate",)), "text1": ("reject", ("duplicate",))}
    log.undo(journal, "ann", "s", "back")
    assert log.current(journal) == []


def test_a_row_with_the_very_same_text_is_decided_with_it_not_against_it(journal):
    some = desk([{"content": "same"}, {"content": "same"}, {"content": "other"}])
    decisions = clusters.keep_one(some, 1, [0, 1, 2], "ann", "s", "act")
    assert [(d.content, d.example, d.decision) for d in decisions] == [
        ("same", "id1", "keep"),
        ("other", "id2", "reject"),
    ]
    log.record(journal, decisions)
    assert bulk.preview(some, journal, [0, 1], "keep").already == 1
