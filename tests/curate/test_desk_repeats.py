"""Hidden repeats: how many, of what, and that nobody can tell one from why it is there."""

import re

import numpy as np
import polars as pl
import pytest

from curate.desk.queues import AGAIN, HIDDEN, QUEUES, Filter, queue
from curate.review import log as review
from curate.review.log import Decision
from curate.review.store import opened
from tests.curate.review_desks import desk, dropped, say


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def rows(*args, **others):
    return queue(*args, **others)["row"].to_list()


def many(log, who, first, last, word="keep"):
    say(log, [(who, row, word) for row in range(first, last)])


def test_one_in_twenty_is_a_repeat_of_what_was_decided_at_least_twenty_decisions_ago(log):
    table = desk(*[{}] * 1500)
    many(log, "ada", 0, 100)
    found = queue(table, log, "undecided", "ada")
    again = found.filter("repeat")
    # Nobody asks for the last twenty, nor for the same one twice.
    assert again["row"].n_unique() == again.height
    assert set(again["row"]) <= set(range(80))
    assert 0.03 < found.head(1000)["repeat"].mean() < 0.07
    assert set(again["why"]) == {"kept"}
    assert queue(table, log, "undecided", "ada").equals(found)
    assert not queue(table, log, "undecided", "ada", seed=2).equals(found)
    # Another reviewer has nothing to repeat.
    assert not queue(table, log, "undecided", "bo")["repeat"].any()
    # Place by place the same once the first one is decided: what the number of the decision says.
    many(log, "ada", 100, 101)
    places = found.with_row_index().filter("repeat")["index"].to_list()
    then = queue(table, log, "undecided", "ada").with_row_index().filter("repeat")["index"].to_list()
    assert [place - 1 for place in places if place > 0][:20] == then[:20]


def test_a_repeat_is_not_asked_for_again_once_it_is_decided(log):
    table = desk(*[{}] * 300)
    many(log, "ada", 0, 40)
    row = queue(table, log, "undecided", "ada").filter("repeat")["row"][0]
    again = Decision("ada", "s", "again", f"c{row}", f"e{row}", "reject", role="repeat")
    review.record(log, [again])
    assert row not in rows(table, log, "repeats", "ada")
    assert review.counting(log)[f"c{row}"].decision == "keep"
    review.undo(log, "ada", "s", "u")
    assert row in rows(table, log, "repeats", "ada")


def test_nobody_repeats_skips_edits_bulk_acts_or_settlements(log):
    table = desk(*[{}] * 60)
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    say(log, [("ada", 0, "skip"), ("ada", 4, "keep"), ("ada", 5, "flag")])
    review.record(log, [Decision("ada", "s", "edit", "c1", "e1", "edit", messages=messages)])
    review.record(log, [Decision("ada", "s", "bulk", "c2", "e2", "keep", act="a")])
    review.record(log, [Decision("ada", "s", "settle", "c3", "e3", "keep", role="settle")])
    # After the first keep stand its flag, an edit, a settlement and these: 19.
    many(log, "ada", 10, 26)
    assert rows(table, log, "repeats", "ada") == []
    many(log, "ada", 26, 27)
    assert rows(table, log, "repeats", "ada") == [4]
    many(log, "ada", 27, 28)
    assert sorted(rows(table, log, "repeats", "ada")) == [4, 5]


def test_a_repeat_is_one_that_the_queue_could_show(log):
    table = desk(*[{}] * 40, *[dropped("bot")] * 40, *[{"source": "b"}] * 900, *[dropped("bot")] * 900)
    many(log, "ada", 0, 80)
    assert set(queue(table, log, "audit", "ada").filter("repeat")["row"]) <= set(range(40, 80))
    of_source = queue(table, log, "undecided", "ada", Filter(source="b"))
    assert not of_source["repeat"].any()
    assert not queue(table, log, "undecided", "ada", Filter(state="undecided"))["repeat"].any()


def test_where_nothing_is_left_nothing_is_repeated(log):
    table = desk(*[{}] * 60)
    many(log, "ada", 0, 60)
    assert rows(table, log, "undecided", "ada") == []


# ---- nobody can tell one from why it is there ------------------------------------------------------------------------

# Those with hidden repeats.
ORDERS = sorted({*QUEUES} - {*AGAIN, *HIDDEN})


def whys(table, log, name, who="ada"):
    """Row to why: of those that are fresh, and of the repeats."""
    found = queue(table, log, name, who)
    parts = (found.filter(pl.col("repeat") == again) for again in (False, True))
    return tuple(dict(part.select("row", "why").iter_rows()) for part in parts)


def margin(value, limit=1000.0):
    share = (value - limit) / limit
    return {"nearest": "min_chars", "nearest_value": value, "nearest_limit": limit, "margin": share}


@pytest.mark.parametrize("name", ORDERS)
def test_a_repeat_says_what_the_others_say_in_other_figures(log, name):
    made = [
        {"source": f"s{i % 3}", "score": float(i), **margin(1001.0 + i), **({} if i % 4 else {"rank": i + 1})}
        | (dropped("bot") if i % 4 else {})
        for i in range(400)
    ]
    table = desk(*made, vectors=np.eye(400), select={"quotas": {"s0": 60, "s1": 60, "s2": 60}})
    for row in rows(table, log, name, "ada")[:60]:
        say(log, [("ada", row, ("keep", "reject", "flag")[row % 3])])
    fresh, again = whys(table, log, name)
    assert again

    def form(why):
        return re.sub(r"[0-9.]+", "1", why)

    assert {form(why) for why in again.values()} <= {form(why) for why in fresh.values()}


@pytest.mark.parametrize("name", ["undecided", "dropped", "audit", "near_threshold"])
def test_where_a_why_is_of_the_build_alone_a_decision_does_not_change_it(log, name, tmp_path):
    table = desk(*[dropped("bot", value=float(i), limit=9.0) | margin(1000.0 + i % 7) for i in range(300)])
    with opened(tmp_path / "nobody.sqlite") as nobody:
        undecided, _ = whys(table, nobody, name)
    many(log, "ada", 0, 30)
    _, again = whys(table, log, name)
    assert again
    assert again == {row: undecided[row] for row in again}


def test_a_repeat_near_a_threshold_is_no_farther_from_it_than_the_first_hundred(log):
    # 0 to 24 were decided: the even ones are as near as the others, the odd ones far away.
    decided = [margin(1001.0 if i % 2 == 0 else 1900.0) for i in range(25)]
    table = desk(*decided, *[margin(1002.0)] * 150)
    many(log, "ada", 0, 25)
    assert sorted(rows(table, log, "repeats", "ada")) == [0, 1, 2, 3, 4]
    _, again = whys(table, log, "near_threshold")
    assert again == dict.fromkeys([0, 2, 4], "min_chars 1001 > 1000, passed by 1")
    # Where the others are as far there is nothing to see.
    _, again = whys(desk(*decided, *[margin(1950.0)] * 150), log, "near_threshold")
    assert sorted(again) == [0, 1, 2, 3, 4]


def test_the_gain_of_a_repeat_is_what_it_would_be_if_nobody_had_decided_on_it(log):
    # Each of 200 stands alone, but 1 has a twin that another keeps, and 2 has two twins that nobody wants.
    vectors = np.eye(200)
    vectors[197], vectors[[198, 199]] = vectors[1], vectors[2]
    table = desk(*[dropped("place")] * 200, vectors=vectors)
    say(log, [("ada", 0, "keep"), ("ada", 1, "keep"), ("ada", 2, "reject"), ("ada", 3, "reject"), ("ada", 4, "flag")])
    many(log, "ada", 5, 25)
    say(log, [("bo", 197, "keep"), ("bo", 198, "reject"), ("bo", 199, "reject")])
    fresh, again = whys(table, log, "most_valuable")
    assert {*fresh.values()} == {"gain 1 × quality 0.5"}
    # 1 adds nothing to its twin: among these it would stick out. 2 would be the most valuable of all, which is a gain of 1.
    assert again == dict.fromkeys([0, 2, 3, 4], "gain 1 × quality 0.5")


def test_no_repeat_says_that_it_gains_where_none_of_the_others_has_a_gain(log):
    table = desk(*[dropped("place")] * 30, *[dropped("place", vector_row=None)] * 130, vectors=np.eye(160))
    assert {why.split()[0] for why in whys(table, log, "most_valuable")[0].values()} == {"gain", "quality"}
    many(log, "ada", 0, 30)
    many(log, "ada", 30, 60)
    # The first 40 are due; those that have no vector, as the others, come again.
    fresh, again = whys(table, log, "most_valuable")
    assert {*fresh.values()} == {*again.values()} == {"quality 0.5"}
    assert {*again} <= {*range(30, 60)}


def test_what_is_due_for_a_repeat_takes_nothing_from_what_is_undecided(log):
    vectors = np.eye(60)
    vectors[1] = vectors[0]
    table = desk(*[dropped("place")] * 60, vectors=vectors)
    say(log, [("ada", 0, "reject")])
    many(log, "ada", 2, 24)
    assert 0 in rows(table, log, "repeats", "ada")
    # Two texts of the sample are like 1: the rejected one covers neither.
    fresh, _ = whys(table, log, "most_valuable")
    assert next(iter(fresh.items())) == (1, "gain 1 × quality 0.5")
    assert fresh == whys(table, log, "most_valuable", "bo")[0]


def test_a_repeat_fills_what_the_others_of_its_cell_fill_and_none_is_of_a_full_cell(log):
    table = desk(
        *[{"source": "wiki", "rank": rank} for rank in (1, 2)],
        *[{"source": "se", "rank": rank} for rank in range(3, 203)],
        select={"quotas": {"wiki": 2, "se": 190}},
    )
    say(log, [("ada", row, "keep") for row in (0, 1, 2)])
    many(log, "ada", 3, 25, "reject")
    assert sorted(rows(table, log, "repeats", "ada")) == [0, 1, 2, 3, 4]
    fresh, again = whys(table, log, "quota_gaps")
    assert {*fresh.values()} == {"fills se 1/190"}
    assert again == dict.fromkeys([2, 3, 4], "fills se 1/190")
