"""What the card's browser half sends, taken into the log: each entry once, and none that nobody can have meant."""

import shutil

import pytest

from curate.desk.model import cluster, open_desk
from curate.desk.queues import EVERYTHING
from curate.review import drafts, leases
from curate.review.log import current, history
from curate.review.store import opened
from tests.ui.server import sample  # noqa: F401
from ui.card import deck as decks
from ui.card.protocol import take


@pytest.fixture(scope="module")
def desk(sample, tmp_path_factory):  # noqa: F811
    return open_desk(shutil.copytree(sample, tmp_path_factory.mktemp("protocol") / "sample"))


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as found:
        yield found


def entry(desk, seq, row, kind="keep", **more):
    example, content = desk.candidates.select("id", "content").row(row)
    given = {"session": "s", "seq": seq, "kind": kind, "row": row, "id": example, "content": content, "shown_ms": 900}
    return {**given, "reasons": [], "messages": None, "keep": None, "drop": None, **more}


def undo(seq):
    return {"session": "s", "seq": seq, "kind": "undo", "row": None}


def states(desk, log):
    rows = dict(desk.candidates.select("content", "row").iter_rows())
    return {rows[event.content]: event.decision for event in current(log)}


def test_entries_sent_twice_are_written_once(desk, log):
    entries = [entry(desk, 1, 3), entry(desk, 2, 4, "reject", reasons=["incomplete"]), undo(3), entry(desk, 4, 5)]
    first, again = take(desk, log, "ana", entries), take(desk, log, "ana", entries)
    assert first == again
    assert first[2]["undone"] == 4
    assert states(desk, log) == {3: "keep", 5: "keep"}
    assert len(history(log)) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": "another"}, "is on a text that is not the one of row 3"),
        ({"id": "another"}, "is on a text that is not the one of row 3"),
        ({"shown_ms": 149}, "nobody reads so fast"),
        ({"shown_ms": None}, "nobody reads so fast"),
        ({"kind": "delete"}, "expected one of keep"),
        ({"row": 10**9}, "expected one of the"),
        ({"row": -1}, "expected one of the"),
        ({"row": "3"}, "expected one of the"),
        ({"kind": "cluster", "keep": 3, "drop": [0, 1]}, "no duplicates of row 3"),
        ({"kind": "edit", "messages": [{"role": "user", "content": "only a question"}]}, "no question followed by"),
        ({"kind": "edit", "messages": None}, "expected edited messages"),
    ],
)
def test_what_nobody_can_have_meant_is_refused_and_keeps_nothing_else_out(desk, log, change, said):
    first, bad, last = take(desk, log, "ana", [entry(desk, 1, 2), {**entry(desk, 2, 3), **change}, entry(desk, 3, 4)])
    assert said in bad["error"]
    assert "error" not in first
    assert "error" not in last
    assert states(desk, log) == {2: "keep", 4: "keep"}


def test_an_undo_opens_what_was_last_and_its_edit_is_a_draft_again(desk, log):
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
    take(desk, log, "ana", [entry(desk, 1, 3), entry(desk, 2, 4, "edit", messages=messages)])
    (answer,) = take(desk, log, "ana", [undo(3)])
    assert (answer["undone"], answer["was"], answer["messages"]) == (4, "edit", messages)
    assert drafts.load(log, "ana", desk.candidates["content"][4]) == messages
    assert take(desk, log, "ana", [undo(4)])[0]["undone"] == 3
    assert take(desk, log, "ana", [undo(5)])[0]["undone"] is None
    assert take(desk, log, "ben", [undo(6)])[0]["undone"] is None


def test_a_cluster_is_one_act_that_one_undo_takes_back(desk, log):
    row = desk.candidates.filter(desk.candidates["cluster"].is_not_null())["row"][0]
    members = cluster(desk, row)
    take(desk, log, "ana", [entry(desk, 1, row, "cluster", keep=members[0], drop=members[1:])])
    # Rows of one text share its decision.
    texts = desk.candidates["content"].gather(members)
    wanted = {text: "keep" if text == texts[0] else "reject" for text in texts}
    assert {event.content: event.decision for event in current(log)} == wanted
    (answer,) = take(desk, log, "ana", [undo(2)])
    assert answer["was"] == "cluster"
    assert set(answer["rows"]) <= set(members)
    assert states(desk, log) == {}


def test_a_hidden_repeat_is_recorded_as_one(desk, log):
    take(desk, log, "ana", [entry(desk, 1, 3)])
    take(desk, log, "ana", [entry(desk, 2, 3, "reject")], repeats={3})
    assert [event.role for event in history(log)] == [None, "repeat"]
    assert states(desk, log) == {3: "keep"}


def test_two_decks_share_no_example_and_a_deck_refills_from_its_queue(desk, log):
    ana, ben = (decks.opened(desk, log, name, "undecided", EVERYTHING, (name,)) for name in ("ana", "ben"))
    assert len(ana.ahead) == len(ben.ahead) == decks.AHEAD
    assert not {*ana.ahead} & {*ben.ahead}
    gone = ana.ahead[:6]
    take(desk, log, "ana", [entry(desk, seq, row) for seq, row in enumerate(gone)])
    decks.decided(ana, gone)
    decks.fill(ana, desk, log, "ana")
    assert len(ana.ahead) == decks.AHEAD
    assert not {*ana.ahead} & {*ben.ahead, *gone}
    held = leases.held(log)
    assert {held[desk.candidates["content"][row]] for row in ana.ahead} == {"ana"}


def test_a_deck_gives_up_what_another_reviewer_got_meanwhile(desk, log):
    deck = decks.opened(desk, log, "ana", "undecided", EVERYTHING, ())
    lost = deck.ahead[0]
    content = desk.candidates["content"][lost]
    leases.release(log, "ana", [content])
    leases.lease(log, "ben", [content], 1)
    decks.renew(deck, desk, log, "ana")
    assert lost not in deck.ahead
    assert len(deck.ahead) == decks.AHEAD - 1
