"""Bulk acts: the preview says what will happen, and one undo takes all of it back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.desk import bulk
from curate.errors import InputError
from curate.review import log as review
from curate.review.store import opened
from tests.curate.review_desks import desk, say


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def counts(log):
    return {content: opinion.decision for content, opinion in review.counting(log).items()}


def test_the_preview_says_what_is_new_what_changes_and_whose_it_is(log):
    table = desk(*[{}] * 6)
    say(log, [("ada", 0, "keep"), ("bo", 1, "keep"), ("bo", 2, "reject"), ("cy", 3, "flag"), ("ada", 4, "keep")])
    found = bulk.preview(table, log, range(6), "reject")
    assert found == bulk.Preview(
        rows=6,
        new=1,
        changes=4,
        already=1,
        by_state={"flag": 1, "keep": 3, "reject": 1, "undecided": 1},
        whose={"ada": 2, "bo": 1, "cy": 1},
    )
    assert bulk.decide(log, table, "ada", "s", "act", range(6), "reject", ("duplicate",)) == 5
    assert counts(log) == dict.fromkeys(["c0", "c1", "c2", "c3", "c4", "c5"], "reject")
    # What bo had rejected already is bo's still.
    assert review.counting(log)["c2"].reviewer == "bo"
    assert {event.reasons for event in review.current(log, "ada")} == {("duplicate",)}
    assert bulk.preview(table, log, range(6), "reject").already == 6


def test_one_undo_brings_back_what_was_there(log):
    table = desk(*[{}] * 4)
    say(log, [("ada", 0, "keep"), ("bo", 1, "flag"), ("ada", 3, "skip")])
    before = counts(log)
    bulk.decide(log, table, "ada", "s", "act", [0, 1, 2, 3], "reject")
    review.undo(log, "ada", "s", "u")
    assert counts(log) == before
    assert len(review.history(log)) == 3 + 4 + 1


def test_an_act_sent_again_changes_nothing_even_after_its_undo(log):
    table = desk({}, {})
    assert bulk.decide(log, table, "ada", "s", "act", [0, 1], "keep") == 2
    assert bulk.decide(log, table, "ada", "s", "act", [0, 1], "keep") == 2
    review.undo(log, "ada", "s", "u")
    assert bulk.decide(log, table, "ada", "s", "act", [0, 1], "keep") == 2
    assert counts(log) == {}
    assert bulk.decide(log, table, "ada", "s", "a new act", [0, 1], "keep") == 2
    assert counts(log) == {"c0": "keep", "c1": "keep"}


def test_rows_with_one_text_are_one_decision(log):
    table = desk({"content": "c0"}, {"content": "c0"}, {})
    assert bulk.preview(table, log, [0, 1, 2], "keep")[:4] == (3, 2, 0, 0)
    assert bulk.decide(log, table, "ada", "s", "act", [0, 1, 2, 2], "keep") == 2
    assert [(event.content, event.example) for event in review.current(log)] == [("c0", "e0"), ("c2", "e2")]


def test_an_edited_text_is_kept_already(log):
    table = desk({})
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    review.record(log, [review.Decision("ada", "s", "t", "c0", "e0", "edit", messages=messages)])
    assert bulk.preview(table, log, [0], "keep").already == 1
    assert bulk.decide(log, table, "bo", "s", "act", [0], "keep") == 0
    assert bulk.preview(table, log, [0], "reject").whose == {"ada": 1}


def test_no_rows_are_no_act(log):
    table = desk({})
    assert bulk.preview(table, log, [], "keep") == bulk.Preview(0, 0, 0, 0, {}, {})
    assert bulk.decide(log, table, "ada", "s", "act", [], "keep") == 0


def test_what_cannot_be_done_to_many_is_refused(log):
    table = desk({})
    with pytest.raises(InputError, match="cannot be 'edit'"):
        bulk.preview(table, log, [0], "edit")
    with pytest.raises(InputError, match="Did you mean 'reject'"):
        bulk.decide(log, table, "ada", "s", "act", [0], "rejects")
    for rows in ([0, 1], [-1]):
        with pytest.raises(IndexError, match="the desk has 1"):
            bulk.decide(log, table, "ada", "s", "act", rows, "keep")
    assert review.history(log) == []


@settings(max_examples=30, deadline=None)
@given(
    before=st.lists(
        st.tuples(st.sampled_from(["ada", "bo"]), st.integers(0, 4), st.sampled_from(review.DECISIONS[:4]))
    ),
    rows=st.sets(st.integers(0, 4)),
    word=st.sampled_from(["keep", "reject"]),
)
def test_the_preview_adds_up_and_is_what_happens(tmp_path_factory, before, rows, word):
    table = desk(*[{}] * 5)
    with opened(tmp_path_factory.mktemp("log") / "decisions.sqlite") as log:
        say(log, before)
        found, was = bulk.preview(table, log, rows, word), counts(log)
        assert found.new + found.changes + found.already == found.rows == sum(found.by_state.values())
        assert sum(found.whose.values()) == found.changes
        assert bulk.decide(log, table, "ada", "s", "act", rows, word) == found.new + found.changes
        assert counts(log) == was | {f"c{row}": word for row in rows}
        if found.new + found.changes:
            review.undo(log, "ada", "s", "u")
        assert counts(log) == was
