"""Queues by name, their filters and leases. Their hidden repeats: test_desk_repeats.py."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.desk import gain, model, queues
from curate.desk.queues import HIDDEN, QUEUES, Filter, queue
from curate.errors import InputError
from curate.review import leases, saved
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


def told(*args, **others):
    return queue(*args, **others).select("row", "why").rows()


# At an angle from the first, in degrees.
def at(*degrees):
    return [[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in degrees]


def test_the_plain_order_has_what_nobody_decided_and_says_what_the_build_did(log):
    table = desk({"rank": 3}, {}, dropped("min_chars", value=1190.0, limit=1200.0), dropped("bot"), {}, {})
    say(log, [("ada", 1, "keep"), ("bo", 4, "skip"), ("ada", 5, "skip")])
    assert told(table, log, "undecided", "ada") == [
        (0, "kept, rank 3"),
        (2, "dropped: min_chars 1190, limit 1200"),
        (3, "dropped: bot"),
        (4, "kept"),
    ]
    assert rows(table, log, "dropped", "ada") == [2, 3]
    # ada's skip puts it off for ada alone.
    assert rows(table, log, "undecided", "bo") == [0, 2, 3, 5]


def test_of_rows_with_one_text_the_first_is_shown_and_all_are_decided(log):
    table = desk({"content": "c0"}, {"content": "c0"}, {})
    assert rows(table, log, "undecided", "ada") == [0, 2]
    say(log, [("bo", 0, "reject")])
    assert rows(table, log, "undecided", "ada") == [2]


def test_what_another_holds_is_in_no_queue(log):
    table = desk(*[{}] * 4)
    assert leases.lease(log, "bo", ["c0", "c1"], 2) == ["c0", "c1"]
    assert leases.lease(log, "ada", ["c2"], 1) == ["c2"]
    # What ada holds is still ada's.
    assert rows(table, log, "undecided", "ada") == [2, 3]
    assert rows(table, log, "undecided", "ada", Filter(state="undecided")) == [2, 3]
    assert rows(table, log, "undecided", "cy") == [3]


def test_near_a_threshold_comes_the_smallest_margin_of_either_side(log):
    near = ("nearest", "margin", "nearest_value", "nearest_limit")
    table = desk(
        dict(zip(near, ("min_score", 0.5, 15.0, 10.0), strict=True)),
        dropped("min_chars", **dict(zip(near, ("response_chars", -10 / 1200, 1190.0, 1200.0), strict=True))),
        {},
        dict(zip(near, ("max_chars", 0.001, 4092.0, 4096.0), strict=True)),
        dropped("near", **dict(zip(near, ("near_duplicate", -0.0, 0.8, 0.8), strict=True))),
    )
    assert told(table, log, "near_threshold", "ada") == [
        (4, "near_duplicate 0.8 = 0.8, missed by 0"),
        (3, "max_chars 4092 < 4096, passed by 4"),
        (1, "response_chars 1190 < 1200, missed by 10"),
        (0, "min_score 15 > 10, passed by 5"),
    ]


def test_the_audit_draws_every_rule_in_turn_and_the_seed_decides_whom(log):
    table = desk(*[dropped("a")] * 40, *[dropped("b")] * 3, dropped("c"), {}, {})
    found = queue(table, log, "audit", "ada")
    rules = table.candidates["rule"].gather(found["row"]).to_list()
    assert rules[:7] == ["a", "b", "c", "a", "b", "a", "b"]
    assert sorted(found["row"]) == list(range(44))
    assert rows(table, log, "audit", "bo") == found["row"].to_list()
    assert rows(table, log, "audit", "ada", seed=2) != found["row"].to_list()
    # What is decided leaves the others in their order.
    say(log, [("ada", found["row"][0], "keep")])
    assert rows(table, log, "audit", "bo")[:2] == found["row"].to_list()[1:3]


def test_a_quota_is_filled_where_people_kept_least_of_it(log):
    both = {"quotas": {"se/stem": 4, "wiki": 2}}
    stem, wiki = {"source": "se", "group": "stem"}, {"source": "wiki"}
    table = desk(
        *[stem | {"rank": rank} for rank in (1, 3, 5, 6, 7, 8)],
        *[wiki | {"rank": rank} for rank in (2, 4)],
        select=both,
    )
    assert told(table, log, "quota_gaps", "ada") == [
        (0, "fills se/stem 0/4"),
        (6, "fills wiki 0/2"),
        (1, "fills se/stem 0/4"),
        (2, "fills se/stem 0/4"),
        (7, "fills wiki 0/2"),
        (3, "fills se/stem 0/4"),
    ]
    say(log, [("bo", 0, "keep"), ("bo", 2, "reject"), ("bo", 6, "keep"), ("bo", 7, "keep")])
    # wiki is full; of the stem ones the next by rank takes the place of the rejected one.
    assert told(table, log, "quota_gaps", "ada") == [(row, "fills se/stem 1/4") for row in (1, 3, 4)]


def test_strata_share_a_quota_and_what_the_selection_lacks_is_filled_from_the_dropped(log):
    select = {"quotas": {"se": 6}, "temperature": 1.0}
    one, two = ({"source": "se", "stratum": name} for name in ("one", "two"))
    table = desk(
        *[one | {"rank": rank} for rank in (1, 2, 3)],
        two | {"rank": 4},
        *[dropped("bot", source="se")] * 5,
        select=select,
    )
    # Four reached the selection, which takes all of them: two places are left for what was dropped before.
    found = told(table, log, "quota_gaps", "ada")
    assert sorted(why for _, why in found) == [
        *["fills se, beyond what was selected from 0/2"] * 2,
        *["fills se/one 0/3"] * 3,
        "fills se/two 0/1",
    ]
    assert [row for row, why in found if "beyond" in why] == [4, 5]


def test_of_rows_with_one_text_the_one_that_was_ranked_fills_the_place(log):
    table = desk(
        dropped("exact_duplicate", content="c0"),
        *[{"content": "c0", "rank": 1}, {"rank": 2}, {"rank": 3}],
        select={"quotas": {"s": 2}},
    )
    say(log, [("bo", 0, "keep")])
    assert told(table, log, "quota_gaps", "ada") == [(2, "fills s 1/2")]


def test_a_recipe_without_quotas_wants_as_many_as_its_size(log):
    table = desk(*[{"rank": rank} for rank in (1, 2, 3)], select={"size": 2})
    assert told(table, log, "quota_gaps", "ada") == [(0, "fills all 0/2"), (1, "fills all 0/2")]
    every = desk(*[{"rank": rank} for rank in (1, 2, 3)])
    assert rows(every, log, "quota_gaps", "ada") == [0, 1, 2]
    assert told(desk(dropped("bot")), log, "quota_gaps", "ada") == []


def test_most_valuable_is_what_is_far_from_all_that_is_kept(log):
    # Kept at 0 degrees; candidates near it, far from it, and one just beside the far one.
    table = desk({}, *[dropped("place")] * 3, vectors=at(0, 5, 90, 85))
    say(log, [("bo", 0, "keep")])
    assert rows(table, log, "most_valuable", "ada") == [2, 3, 1]
    # Once the far one is kept, the one beside it adds next to nothing; rejected, it leaves it all to the other.
    say(log, [("bo", 2, "keep")])
    assert rows(table, log, "most_valuable", "ada") == [1, 3]
    say(log, [("bo", 2, "reject")])
    assert rows(table, log, "most_valuable", "ada") == [3, 1]


def test_what_the_build_kept_is_worth_what_would_be_lost_without_it(log):
    # Two of the set stand for each other; the third stands alone, and a candidate is not far from it.
    table = desk({}, {}, {}, dropped("place"), vectors=at(0, 0, 90, 60))
    found = told(table, log, "most_valuable", "ada")
    assert [row for row, _ in found] == [2, 3, 0, 1]
    assert found[0][1] == "gain 1 × quality 0.5"
    assert found[2][1] == "gain 0 × quality 0.5"
    # Rejected, one leaves the other alone.
    say(log, [("bo", 0, "reject")])
    assert sorted(rows(table, log, "most_valuable", "ada")[:2]) == [1, 2]


def test_quality_weighs_the_gain_and_stands_in_for_it_where_there_are_no_vectors(log):
    votes = [{"score": score} | dropped("place") for score in (1.0, 4.0, 3.0, 2.0)]
    assert told(desk(*votes), log, "most_valuable", "ada") == [
        (1, "quality 1"),
        (2, "quality 0.75"),
        (3, "quality 0.5"),
        (0, "quality 0.25"),
    ]
    opposite = desk(*votes[:2], vectors=at(0, 90))
    # Both cover themselves alone: the better one is first.
    assert told(opposite, log, "most_valuable", "ada") == [(1, "gain 1 × quality 1"), (0, "gain 1 × quality 0.5")]
    assert gain.worth(desk({"quality": 0.9}, {"quality": 0.1}, {}).candidates).to_list() == [1.0, 0.5, 0.5]
    assert gain.worth(desk({"source": "a", "score": 5.0}, {"source": "b"}).candidates).to_list() == [1.0, 0.5]


def test_without_a_vector_an_example_comes_last(log):
    table = desk(dropped("place", vector_row=None), {}, {}, vectors=at(0, 10, 90))
    assert rows(table, log, "most_valuable", "ada")[-1] == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 12))
def test_the_order_of_gain_is_plain_greedy_as_long_as_anything_is_gained(data, n):
    degrees = data.draw(st.lists(st.integers(0, 359), min_size=n, max_size=n))
    kept = data.draw(st.sets(st.integers(0, n - 1)))
    weights = np.array(data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=n, max_size=n)))
    vectors = np.array(at(*degrees), dtype=np.float32)
    similar = vectors @ vectors.T

    def coverage(chosen):
        return similar[:, sorted(chosen)].max(axis=1, initial=0).mean()

    covered = gain.cover(similar, np.array(sorted(kept), dtype=np.int64))
    order, gains = gain.in_order(similar, covered, weights, np.arange(n))
    assert sorted(order) == list(range(n))
    chosen, left = set(kept), set(range(n))
    for column, gained in zip(order.tolist(), gains.tolist(), strict=True):
        # What it adds, or of one that is kept already, what would be lost without it; no other has more.
        worth = {c: (coverage(chosen | {c}) - coverage(chosen - {c})) * weights[c] for c in left}
        if max(worth.values()) < 1e-5:
            break
        assert gained * weights[column] == pytest.approx(worth[column], abs=1e-5)
        assert worth[column] == pytest.approx(max(worth.values()), abs=1e-5)
        chosen |= {column}
        left -= {column}


@pytest.mark.parametrize("chunk", [1, 3])
def test_looking_at_a_few_at_a_time_gives_the_same_order(monkeypatch, chunk):
    vectors = np.array(at(*range(0, 340, 7)), dtype=np.float32)
    similar, none = vectors @ vectors.T, np.array([], dtype=np.int64)
    asked = (similar, gain.cover(similar, none), np.linspace(0.1, 1, len(vectors)), np.arange(len(vectors)))
    at_once = gain.in_order(*asked)
    monkeypatch.setattr(gain, "CHUNK", chunk)
    assert gain.in_order(*asked)[0].tolist() == at_once[0].tolist()


def test_disagreements_are_told_until_they_are_settled(log):
    table = desk({}, {})
    say(log, [("ada", 1, "keep"), ("bo", 1, "reject"), ("ada", 0, "keep"), ("bo", 0, "keep")])
    for who in ("ada", "bo", "cy"):
        assert told(table, log, "disagreements", who) == [(1, "ada: keep · bo: reject")]
    review.record(log, [Decision("cy", "s", "t", "c1", "e1", "keep", role="settle")])
    assert rows(table, log, "disagreements", "cy") == []


def test_a_second_look_is_at_what_one_other_has_decided(log):
    table = desk(*[{}] * 5)
    say(log, [("ada", 0, "keep"), ("ada", 1, "keep"), ("bo", 1, "keep"), ("ada", 2, "flag"), ("bo", 3, "skip")])
    say(log, [("ada", 3, "keep"), ("ada", 4, "reject")])
    assert sorted(rows(table, log, "second_look", "bo")) == [0, 4]
    assert sorted(rows(table, log, "second_look", "cy")) == [0, 3, 4]
    assert rows(table, log, "second_look", "ada") == []


def test_the_flagged_are_those_that_nobody_decided_since(log):
    table = desk({}, {})
    say(log, [("ada", 0, "flag"), ("ada", 1, "flag"), ("bo", 1, "keep")])
    assert told(table, log, "flagged", "bo") == [(0, "flagged by ada")]


def test_an_example_is_stale_until_its_new_text_is_decided(log):
    table = desk({"content": "new"}, {})
    say(log, [("ada", 0, "keep"), ("ada", 1, "keep")])
    assert told(table, log, "stale", "bo") == [(0, "its text has changed since ada: keep")]
    assert rows(table, log, "undecided", "bo") == [0]
    review.record(log, [Decision("bo", "s", "t", "new", "e0", "keep")])
    assert rows(table, log, "stale", "ada") == []


def test_an_edit_after_many_other_decisions_makes_nothing_stale_but_what_is(log):
    table = desk(*[{}] * 130, {"content": "new"})
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    say(log, [("ada", row, "keep") for row in [*range(120), 130]])
    review.record(log, [Decision("ada", "s", "edit", "c125", "e125", "edit", messages=messages)])
    assert told(table, log, "stale", "bo") == [(130, "its text has changed since ada: keep")]
    assert model.counts(table, log)["stale"] == 1


def test_an_edit_replayed_by_a_build_is_decided(log):
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    (event,) = review.record(log, [Decision("ada", "s", "t", "c0", "e0", "edit", messages=messages)])
    table = desk({"content": event.edited}, {})
    assert rows(table, log, "undecided", "bo") == [1]
    assert rows(table, log, "stale", "bo") == []


def test_a_saved_queue_keeps_its_order_and_leaves_out_what_is_decided(log):
    table = desk(*[{}] * 5)
    saved.save(log, "corner", ["c3", "c1", "gone", "c4"])
    assert told(table, log, "saved:corner", "ada") == [(3, "corner"), (1, "corner"), (4, "corner")]
    say(log, [("bo", 1, "keep")])
    assert rows(table, log, "saved:corner", "ada") == [3, 4]
    with pytest.raises(InputError, match=r"no saved queue 'cornet'\. Did you mean 'corner'"):
        rows(table, log, "saved:cornet", "ada")


def test_filters_hold_together(log):
    table = desk(
        {"source": "a", "group": "x", "topic": 1},
        {"source": "a", "group": "y", "topic": 2},
        dropped("min_chars", source="a", group="x"),
        dropped("bot", source="b", group="x", topic=1),
    )
    found = {
        Filter(): [0, 1, 2, 3],
        Filter(source="a"): [0, 1, 2],
        Filter(source="a", group="x"): [0, 2],
        Filter(topic=1): [0, 3],
        Filter(rule="bot"): [3],
        Filter(fate="kept"): [0, 1],
        Filter(source="nobody"): [],
    }
    assert {only: rows(table, log, "undecided", "ada", only) for only in found} == found


def test_a_filter_by_state_shows_what_is_decided(log):
    table = desk(*[{}] * 6)
    say(log, [("ada", 0, "keep"), ("bo", 1, "reject"), ("ada", 2, "flag"), ("ada", 3, "skip"), ("ada", 4, "keep")])
    say(log, [("bo", 4, "reject")])
    states = ("undecided", "decided", "disagree", "keep", "reject", "flag", "skip", "edit")
    assert {state: rows(table, log, "undecided", "ada", Filter(state=state)) for state in states} == {
        "undecided": [3, 5],
        "decided": [0, 1, 4],
        "disagree": [4],
        "keep": [0],
        "reject": [1, 4],
        "flag": [2],
        "skip": [3],
        "edit": [],
    }
    with pytest.raises(InputError, match="no state 'kept'"):
        queue(table, log, "undecided", "ada", Filter(state="kept"))


def test_a_search_gives_the_plain_order_its_order_and_the_others_only_their_rows(log, monkeypatch):
    table = desk({"score": 1.0}, {"score": 2.0}, {"score": 3.0})
    monkeypatch.setattr(queues, "search_words", lambda _, words, limit: pl.Series([2, 0, 1][: len(words)][:limit]))
    found = pl.DataFrame({"row": [0, 2], "cosine": [0.9, 0.8]})
    monkeypatch.setattr(queues, "search_meaning", lambda _, text: found)
    assert rows(table, log, "undecided", "ada", Filter(words="xyz")) == [2, 0, 1]
    assert rows(table, log, "undecided", "ada", Filter(words="xy")) == [2, 0]
    assert rows(table, log, "undecided", "ada", Filter(meaning="x")) == [0, 2]
    assert rows(table, log, "undecided", "ada", Filter(words="x", meaning="x")) == [2]
    assert rows(table, log, "most_valuable", "ada", Filter(meaning="x")) == [2, 0]


@pytest.mark.parametrize("name", QUEUES)
def test_every_queue_is_the_same_twice_on_any_run_and_empty_on_none(log, name):
    table = desk(*[{"rank": rank} for rank in range(1, 31)], *[dropped("bot")] * 10, vectors=at(*range(0, 80, 2)))
    assert queue(desk(), log, name, "ada").schema == {"row": pl.Int64, "why": pl.String, "repeat": pl.Boolean}
    say(log, [("ada", row, "keep") for row in range(25)] + [("bo", row, "reject") for row in range(20, 28)])
    found = queue(table, log, name, "ada")
    assert queue(table, log, name, "ada").equals(found)
    assert found["row"].n_unique() == found.height
    assert found["why"].null_count() == 0
    assert len(QUEUES[name]) > 20


def test_a_queue_that_there_is_none_of_is_named(log):
    with pytest.raises(InputError, match=r"no queue 'most_valueable'\. Did you mean 'most_valuable'"):
        queue(desk(), log, "most_valueable", "ada")
    assert set(HIDDEN) < set(QUEUES)
