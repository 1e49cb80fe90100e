"""A list of candidates by filter, search and order."""

import pytest

from curate.desk import listing
from curate.desk.model import open_desk
from curate.desk.queues import Filter
from curate.errors import InputError
from tests.curate.small_desks import desk, states
from tests.curate.small_runs import built

ROWS = [
    {"source": "a", "group": "x", "topic": 0, "score": 3, "response_chars": 30, "margin": 0.5},
    {"source": "b", "topic": 1, "score": 9, "response_chars": 10, "fate": "limit", "margin": -0.1},
    {"source": "b", "topic": 0, "score": None, "response_chars": 20, "fate": "duplicate", "margin": None},
]
VERDICTS = [
    {"row": 1, "stage": "filters", "rule": "min_chars", "value": 10, "limit": 40},
    {"row": 2, "stage": "exact", "rule": "exact_duplicate", "value": 2, "limit": 1, "other": 0},
    {"row": 2, "stage": "filters", "rule": "min_chars", "value": 20, "limit": 40},
]


def rows(only=None, order="best", decisions=None):
    found = listing.listing(desk(ROWS, VERDICTS), states(3, decisions or {}), only or Filter(), order)
    return found["row"].to_list()


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Filter(), [0, 1, 2]),
        (Filter(source="b"), [1, 2]),
        (Filter(group="x"), [0]),
        (Filter(topic=0), [0, 2]),
        (Filter(fate="limit"), [1]),
        (Filter(rule="min_chars"), [1, 2]),
        (Filter(source="b", topic=0, rule="exact_duplicate"), [2]),
        (Filter(source="nobody"), []),
    ],
)
def test_a_filter_holds_what_is_all_that_it_says(only, expected):
    assert rows(only) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [("undecided", [1, 2]), ("decided", [0]), ("skip", [1]), ("keep", [0]), ("disagree", [])],
)
def test_a_skip_is_no_decision(state, expected):
    assert rows(Filter(state=state), decisions={0: "keep", 1: "skip"}) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("votes", [1, 0, 2]),
        ("longest", [0, 2, 1]),
        ("shortest", [1, 2, 0]),
        ("closest", [1, 0, 2]),
        ("input", [0, 1, 2]),
    ],
)
def test_an_order_has_what_it_cannot_say_last(order, expected):
    assert rows(order=order) == expected


def test_an_order_or_a_state_that_there_is_none_of_is_an_error_that_names_the_nearest():
    with pytest.raises(InputError, match="votes"):
        rows(order="vote")
    with pytest.raises(InputError, match="undecided"):
        rows(Filter(state="undecide"))


def test_words_narrow_a_list_and_give_it_its_order(tmp_path):
    run, _ = built(tmp_path)
    opened = open_desk(run)
    every = states(opened.candidates.height, {})
    found = listing.listing(opened, every, Filter(words="apples cellar"))
    titles = opened.candidates["title"].gather(found["row"]).to_list()
    assert titles == ["Name a fruit that keeps for months."] * 2
    assert listing.listing(opened, every, Filter(words="apples", fate="kept")).height == 1
    assert listing.listing(opened, every, Filter(words="zeppelin")).is_empty()
