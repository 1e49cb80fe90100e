import pytest

from curate.review import audit, store
from curate.review.log import Decision, record, undo


@pytest.fixture
def log(tmp_path):
    with store.opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def decide(log, reviewer, content, decision, token, reasons=(), act=None):
    record(log, [Decision(reviewer, "s", token, content, f"id-{content}", decision, reasons, act=act)])


def test_each_act_says_from_what_to_what_newest_first(log):
    decide(log, "ann", "a", "keep", "1")
    decide(log, "ann", "a", "reject", "2", ("incomplete",))
    undo(log, "ann", "s", "3")
    decide(log, "bob", "a", "flag", "4")
    found = [(act.reviewer, act.decision, act.before, act.after, act.reasons) for act in audit.page(log, 0, 10)]
    assert found == [
        ("bob", "flag", None, "flag", ()),
        ("ann", "undo", "reject", "keep", ()),
        ("ann", "reject", "keep", "reject", ("incomplete",)),
        ("ann", "keep", None, "keep", ()),
    ]


def test_a_bulk_act_and_its_undo_are_one_line_each_with_their_size(log):
    record(log, [Decision("ann", "s", f"t{c}", c, f"id-{c}", "reject", ("duplicate",), act="x") for c in "abc"])
    undo(log, "ann", "s", "u")
    assert [(act.decision, act.many, act.before, act.after) for act in audit.page(log, 0, 10)] == [
        ("undo", 3, "reject", None),
        ("reject", 3, None, "reject"),
    ]
    assert audit.count(log) == 2


def test_pages_follow_one_another_and_can_be_of_one_reviewer(log):
    for number in range(5):
        decide(log, "ann" if number % 2 else "bob", str(number), "keep", str(number))
    pages = [[act.content for act in audit.page(log, first, 2)] for first in (0, 2, 4, 6)]
    assert pages == [["4", "3"], ["2", "1"], ["0"], []]
    assert [act.content for act in audit.page(log, 0, 9, "ann")] == ["3", "1"]
    assert audit.count(log, "ann") == 2


def test_reasons_are_those_of_rejections_that_count(log):
    decide(log, "ann", "a", "reject", "1", ("incomplete",))
    decide(log, "ann", "b", "reject", "2", ("incomplete", "duplicate"))
    decide(log, "bob", "a", "reject", "3", ("duplicate",))
    decide(log, "bob", "a", "keep", "4")
    assert audit.reasons(log) == [("incomplete", 2), ("duplicate", 1)]


def test_days_count_what_stands(log):
    decide(log, "ann", "a", "keep", "1")
    decide(log, "ann", "b", "keep", "2")
    decide(log, "ann", "c", "reject", "3")
    undo(log, "ann", "s", "4")
    (day, decision, number), *rest = audit.per_day(log)
    assert (decision, number, rest, len(day)) == ("keep", 2, [], 10)


def test_an_empty_log_has_nothing_to_look_through(log):
    assert (audit.count(log), audit.page(log, 0, 5), audit.reasons(log), audit.per_day(log)) == (0, [], [], [])
