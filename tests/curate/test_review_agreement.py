"""Agreement between and within reviewers by hand, and the cases that an adjudicator ends."""

import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.desk import adjudication
from curate.quality import reviewer
from curate.review import log as review
from curate.review.agreement import Agreement, between, within
from curate.review.exchange import export_decisions, import_decisions
from curate.review.log import Decision
from curate.review.store import opened, transaction
from tests.curate.review_desks import desk, say

EDITED = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def repeat(log, who, row, word, token):
    fields = (who, "s", token, f"c{row}", f"e{row}", word)
    return review.record(log, [Decision(*fields, messages=EDITED if word == "edit" else None, role="repeat")])


def settle(log, who, row, word, token="settled", **others):
    return adjudication.settle(log, who, "s", token, f"c{row}", f"e{row}", word, **others)


def rate(log, ada, bo):
    """Two reviewers' words, k, r, f or - (none) a text."""
    words = {"k": "keep", "r": "reject", "f": "flag"}
    for who, said in (("ada", ada), ("bo", bo)):
        say(log, [(who, row, words[word]) for row, word in enumerate(said) if word != "-"])


def test_alpha_raw_and_tie_discounted_accuracy_by_hand(log):
    rate(log, ada="kkkkkrrrf-", bo="kkkkrrrkkk")
    found = between(log)
    # Eight texts with keep or reject from both: 10 keeps and 6 rejects. Two texts differ, in 4 ordered pairs of 16 where
    # chance would have 2 * 10 * 6 / 15 = 8.
    assert found.alpha == pytest.approx(1 - 4 / 8)
    assert (found.pairs, found.raw) == (8, 6 / 8)
    # With the flag against a keep: (6 + 1/2) / 9.
    assert found.tie_discounted == pytest.approx(6.5 / 9)
    assert (found.tied_pairs, found.texts) == (9, 9)
    assert found.low < found.alpha < found.high
    assert found.raw_low < found.raw < found.raw_high <= 1
    assert 0 <= found.tie_low < found.tie_discounted < found.tie_high <= 1


def test_three_on_a_text_count_by_one_less_than_their_number(log):
    say(log, [("ada", 0, "keep"), ("bo", 0, "keep"), ("cy", 0, "reject"), ("ada", 1, "reject"), ("bo", 1, "reject")])
    # Pairable values: of text 0, k-k 1, k-r 1, r-k 1 (six ordered pairs by 1/2); of text 1, r-r 2. n_k = 2, n_r = 3.
    assert between(log).alpha == pytest.approx(1 - 2 * 4 / (2 * 2 * 3))
    assert (between(log).pairs, between(log).raw) == (4, 0.5)


def test_one_label_has_no_alpha_and_nobody_no_figure(log):
    nothing = between(log)
    assert (nothing.pairs, nothing.tied_pairs, nothing.texts) == (0, 0, 0)
    assert all(math.isnan(nothing[Agreement._fields.index(name)]) for name in ("alpha", "raw", "tie_discounted", "low"))
    rate(log, ada="kkk", bo="kkk")
    found = between(log)
    assert math.isnan(found.alpha)
    assert (found.raw, found.raw_low, found.tie_discounted) == (1, 1, 1)


def test_the_same_log_gives_the_same_interval_and_another_draw_another(log):
    rate(log, ada="kkkkkrrrfrkrkrk", bo="kkkkrrrkkkrrkkf")
    assert between(log) == between(log)
    assert between(log, seed=1).low != between(log).low or between(log, seed=1).high != between(log).high
    assert between(log, level=0.5).low > between(log).low


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("krf-"), st.sampled_from("krf-")), max_size=12))
def test_agreement_is_the_same_whoever_is_named_first(tmp_path_factory, words):
    found = []
    for swapped in (False, True):
        with opened(tmp_path_factory.mktemp("log") / "decisions.sqlite") as log:
            sides = [[pair[place] for pair in words] for place in (0, 1)]
            rate(log, *(reversed(sides) if swapped else sides))
            found.append(between(log))
    assert str(found[0]) == str(found[1])


def test_only_what_each_decided_alone_and_by_looking_counts(log):
    say(log, [("ada", 0, "keep"), ("ada", 1, "keep"), ("ada", 2, "reject"), ("ada", 2, "keep")])
    say(log, [("bo", 0, "reject"), ("bo", 1, "skip"), ("bo", 2, "keep")])
    before = between(log)
    # ada's last word on text 2 is that of bo; on text 1 bo said nothing.
    assert (before.pairs, before.raw) == (2, 0.5)
    bulk = [Decision("bo", "s", "bulk", "c1", "e1", "reject", act="a")]
    review.record(log, bulk)
    settle(log, "ada", 0, "reject")
    repeat(log, "ada", 2, "reject", "again")
    assert between(log) == before
    # An edit is a keep.
    review.record(log, [Decision("bo", "s", "edit", "c1", "e1", "edit", messages=EDITED)])
    assert (between(log).pairs, between(log).raw) == (3, 2 / 3)


def test_what_was_taken_back_does_not_count(log):
    rate(log, ada="k", bo="r")
    assert between(log).raw == 0
    review.undo(log, "bo", "s", "u")
    assert between(log).pairs == 0


def test_within_holds_each_repeat_against_what_it_repeats(log):
    say(log, [("ada", row, word) for row, word in enumerate(["keep", "keep", "reject", "keep", "flag"])])
    assert within(log).pairs == 0
    for row, word in enumerate(["keep", "reject", "reject", "edit", "keep"]):
        repeat(log, "ada", row, word, f"again {row}")
    # To change one's mind is no repeat, and does not change what was measured.
    say(log, [("ada", 0, "reject"), ("bo", 0, "keep")])
    found = within(log)
    assert (found.pairs, found.raw) == (4, 3 / 4)
    assert (found.tied_pairs, found.tie_discounted) == (5, 3.5 / 5)
    assert within(log, "ada") == found
    assert within(log, "bo").pairs == 0
    review.undo(log, "ada", "s", "u1")
    review.undo(log, "ada", "s", "u2")
    assert within(log).tied_pairs == 4


def rows(log, table):
    return [case.row for case in adjudication.open_cases(table, log)]


def test_a_case_is_a_text_that_some_would_keep_and_others_not(log):
    table = desk(*[{}] * 5, {"content": "c1"})
    say(log, [("ada", 0, "keep"), ("bo", 0, "flag"), ("ada", 1, "keep"), ("bo", 1, "reject"), ("cy", 1, "flag")])
    say(log, [("bo", 3, "reject"), ("ada", 3, "reject"), ("ada", 4, "reject"), ("ada", 9, "keep"), ("bo", 9, "reject")])
    review.record(log, [Decision("bo", "s", "edit", "c4", "e4", "edit", messages=EDITED)])
    first, second = adjudication.open_cases(table, log)
    assert (first.row, first.content) == (1, "c1")
    assert [(event.reviewer, event.decision) for event in first.events] == [("ada", "keep"), ("bo", "reject")]
    assert (second.row, second.events[1].messages) == (4, EDITED)
    # The text 9 is no longer in the corpus: that case is for the stale, not for here.
    assert list(adjudication.disagreements(log)) == ["c1", "c4", "c9"]


def test_a_settlement_counts_last_in_the_export_and_an_undo_opens_the_case_again(log, tmp_path):
    table, there = desk({}, {}), tmp_path / "decisions.jsonl"
    say(log, [("zoe", 0, "reject"), ("bo", 0, "keep"), ("ada", 1, "keep")])
    settled = settle(log, "ada", 0, "reject", reasons=("duplicate",))
    assert rows(log, table) == []
    assert review.counting(log)["c0"].reviewer == "ada"
    export_decisions(log, there)
    lines = [orjson.loads(line) for line in there.read_bytes().splitlines()]
    assert [(line["content"], line["reviewer"]) for line in lines] == [
        ("c0", "zoe"),
        ("c0", "bo"),
        ("c0", "ada"),
        ("c1", "ada"),
    ]
    assert dict(reviewer.decisions(there).iter_rows()) == {"c0": False, "c1": True}
    assert settle(log, "ada", 0, "reject", reasons=("duplicate",)) == settled
    review.undo(log, "ada", "s", "u")
    assert rows(log, table) == [0]
    assert review.counting(log)["c0"].reviewer == "bo"


def test_a_settlement_is_last_whatever_the_clocks_say(log, tmp_path):
    later, table = "2999-01-01T00:00:00.000Z", desk({})
    with transaction(log):
        for who, word in (("zoe", "keep"), ("bo", "reject")):
            review.insert(log, Decision(who, "import", who, "c0", "e0", word), later)
    # A millisecond after the latest.
    assert settle(log, "ada", 0, "keep").time == "2999-01-01T00:00:00.001Z"
    assert rows(log, table) == []
    assert review.counting(log)["c0"].reviewer == "ada"
    export_decisions(log, tmp_path / "there.jsonl")
    last = orjson.loads((tmp_path / "there.jsonl").read_bytes().splitlines()[-1])
    assert (last["reviewer"], last["decision"]) == ("ada", "keep")
    with opened(tmp_path / "other.sqlite") as other:
        import_decisions(other, tmp_path / "there.jsonl")
        assert rows(other, table) == []
        assert review.counting(other)["c0"].reviewer == "ada"


def test_whoever_decides_against_a_settlement_opens_the_case_again(log):
    table = desk({})
    rate(log, ada="k", bo="r")
    settle(log, "cy", 0, "keep")
    say(log, [("bo", 0, "keep")])
    assert rows(log, table) == []
    say(log, [("bo", 0, "reject")])
    assert rows(log, table) == [0]
    settle(log, "bo", 0, "edit", "again", messages=EDITED)
    assert rows(log, table) == []
    assert review.counting(log)["c0"].decision == "edit"


def test_one_of_two_may_settle_and_is_alone_then_in_what_they_said_before(log):
    table = desk({})
    rate(log, ada="k", bo="r")
    settle(log, "ada", 0, "reject")
    assert rows(log, table) == []
    # Their first word is still what is measured.
    assert between(log).raw == 0


def test_nobody_disagrees_in_an_empty_log(log):
    assert adjudication.open_cases(desk({}), log) == []
