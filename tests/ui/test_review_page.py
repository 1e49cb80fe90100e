"""The Review page and the plain one without a browser: every queue opens, and the plain page holds to the card's rules."""

import shutil
import time

import pytest
from streamlit.testing.v1 import AppTest

from curate.review import drafts
from curate.review.log import current, history
from curate.review.store import opened
from tests.ui.server import sample  # noqa: F401


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
