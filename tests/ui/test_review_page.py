"""The Review page and the plain one without a browser: every queue opens, and the plain page holds to the card's rules."""

import shutil
import time

import pytest
from streamlit.testing.v1 import AppTest

from curate.desk.model import open_desk, texts
from curate.review import drafts
from curate.review.log import Decision, current, history, record
from curate.review.store import opened
from tests.ui.server import sample  # noqa: F401
from ui import card
from ui.card import examples


def review_page():
    from ui import review

    review.page()


def plain_page():
    from ui import plain

    plain.page()


@pytest.fixture
def run(sample, tmp_path, monkeypatch):  # noqa: F811
    folder = shutil.copytree(sample, tmp_path / "runs" / "sample")
    monkeypatch.setenv("LAPIDARY_RUN", str(folder))
    return folder


def page(of, **params):
    test = AppTest.from_function(of, default_timeout=120)
    test.query_params.update({"reviewer": "ana", "queue": "undecided", **params})
    test.run()
    assert not test.exception, test.exception
    return test


def events(run):
    with opened(run / "decisions.sqlite") as log:
        return [(event.decision, event.example, list(event.reasons)) for event in history(log)]


def press(test, label):
    next(button for button in test.button if button.label == label).click()
    test.run()
    assert not test.exception, test.exception


def test_the_page_opens_with_every_queue_and_says_the_choice_in_the_url(run):
    test = page(review_page)
    for queue in test.selectbox(key="queue").options[1:]:
        test.selectbox(key="queue").select(next(name for name in NAMES if NAMES[name] == queue)).run()
        assert not test.exception, (queue, test.exception)
        assert not test.error, (queue, test.error)
    assert test.query_params["queue"] == "dropped"


NAMES = {
    "most_valuable": "Most valuable next",
    "near_threshold": "Near a threshold",
    "audit": "Audit of what was dropped",
    "quota_gaps": "Gaps in the quotas",
    "disagreements": "Disagreements",
    "second_look": "A second opinion",
    "stale": "Changed since decided",
    "flagged": "Flagged",
    "undecided": "Undecided, in order",
    "dropped": "Dropped by the build",
}


def test_filters_of_the_url_are_the_filters_of_the_page(run):
    test = page(review_page, source="wikihow", words="bread", fate="limit")
    assert test.selectbox(key="source").value == "wikihow"
    assert test.text_input(key="words").value == "bread"
    assert {"source", "words", "fate"} <= {*test.query_params}
    press(test, "Clear filters")
    assert {"source", "fate"} & {*test.query_params} == set()
    assert test.query_params["words"] == "bread"


def test_a_source_that_no_candidate_has_is_no_filter(run):
    test = page(review_page, source="nowhere", queue="nothing")
    assert test.selectbox(key="source").value is None
    assert test.selectbox(key="queue").value == "most_valuable"


def test_an_example_whose_text_has_changed_says_since_whose_decision_and_how(run):
    desk = open_desk(run)
    row = desk.candidates.height - 1
    (now,) = texts(desk, [row])
    then = [*now.messages[:-1], {**now.messages[-1], "content": f"As it was. {now.messages[-1]['content']}"}]
    with opened(run / "decisions.sqlite") as log:
        old = Decision("ben", "earlier", "1", "0" * 32, now_id(desk, row), "edit", (), then)
        record(log, [old, old._replace(reviewer="cleo", token="2", decision="reject", messages=None)])
    test = page(plain_page, queue="stale")
    assert now_id(desk, row) == test.session_state["plain shown"][0]
    views = next(one for one in test.button_group if "Changed since" in one.options)
    assert views.options == ["Rendered", "Changed since", "Raw", "What cleaning removed"]
    views.set_value("since").run()
    shown = "".join(one.proto.body for one in test.get("html"))
    assert "<del>As it was. </del>" in shown
    assert [text.value[:14] for text in test.text[1:3]] == ["Kept as edited", "Rejected · cle"]
    assert any("is not known" in caption.value for caption in test.caption)
    # On the text as it is now; then it is no longer asked for.
    settled(test)
    press(test, "Keep")
    assert "queue" in test.info[0].value
    # The view is that of changed examples alone.
    test = page(plain_page)
    assert all("Changed since" not in one.options for one in test.button_group)


def now_id(desk, row):
    return desk.candidates["id"][row]


@pytest.mark.parametrize("of", [review_page, plain_page])
def test_a_second_opinion_is_asked_for_without_telling_the_first(run, of, monkeypatch):
    desk = open_desk(run)
    row = desk.candidates["row"][0]
    with opened(run / "decisions.sqlite") as log:
        record(log, [Decision("ben", "s", "1", desk.candidates["content"][row], now_id(desk, row), "keep")])
    told = []
    made = examples.examples
    monkeypatch.setattr(examples, "examples", lambda *given: told.append(made(*given)) or told[-1])
    page(of, queue="second_look")
    assert [one["decision"] for cards in told for one in cards.values()] == [None]
    page(of, row=str(row))
    assert "keep" in [one["decision"] for cards in told for one in cards.values()]


def test_the_card_is_told_what_comes_again_and_why_each_is_here(run, monkeypatch):
    given = []
    monkeypatch.setattr(card, "show", lambda data, key: given.append((key, data)))
    test = page(review_page, queue="dropped")
    deck = test.session_state["deck"]
    deck.repeats = {deck.ahead[2], deck.ahead[5]}
    test.run()
    (key, last) = given[-1]
    assert (key, last["deck"], last["again"]) == ("card", deck.ahead, [deck.ahead[2], deck.ahead[5]])
    assert last["because"] == {row: deck.why[row] for row in deck.ahead}
    assert all(why.startswith("dropped: ") for why in last["because"].values())


def settled(test):
    """The plain page with its example on the screen for long enough."""
    test.session_state["plain shown"] = (test.session_state["plain shown"][0], -1e6)
    return test.session_state["plain shown"][0]


def test_a_plain_button_is_one_decision_and_undo_takes_it_back(run):
    test = page(plain_page)
    first = settled(test)
    press(test, "Keep")
    second = settled(test)
    assert second != first
    press(test, "Reject")
    press(test, "incomplete")
    assert events(run) == [("keep", first, []), ("reject", second, ["incomplete"])]
    press(test, "Undo")
    assert test.session_state["plain shown"][0] == second
    press(test, "Undo")
    press(test, "Undo")
    with opened(run / "decisions.sqlite") as log:
        assert current(log) == []
    assert test.text[0].value == "There is nothing to undo."


def test_a_plain_decision_that_comes_too_soon_or_for_another_example_is_none(run):
    test = page(plain_page)
    first = test.session_state["plain shown"][0]
    test.session_state["plain shown"] = (first, time.monotonic() + 60)  # it will be shown in a minute
    press(test, "Keep")
    assert "nobody reads so fast" in test.text[0].value
    test.session_state["plain shown"] = ("another", -1e6)
    press(test, "Keep")
    assert events(run) == []
    assert test.session_state["plain shown"][0] == first


def test_a_plain_edit_is_kept_with_its_words_and_a_draft_waits(run):
    test = page(plain_page)
    example = settled(test)
    press(test, "Edit")
    area = next(area for area in test.text_area if area.label == "Assistant")
    area.set_value("Better words.")
    press(test, "Keep as a draft")
    assert events(run) == []
    settled(test)
    press(test, "Edit")
    assert next(area for area in test.text_area if area.label == "Assistant").value == "Better words."
    press(test, "Save and keep")
    with opened(run / "decisions.sqlite") as log:
        (event,) = current(log, "ana")
        assert drafts.load(log, "ana", event.content) is None
    assert (event.decision, event.example) == ("edit", example)
    assert event.messages[-1]["content"] == "Better words."
