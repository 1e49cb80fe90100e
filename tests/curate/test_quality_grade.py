"""Grades by a language model: what is asked, and what counts as a grade."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.lm import api
from curate.lm.api import Answer, Settings
from curate.quality import grade
from curate.quality.grade import SCALES, parse
from curate.record import examples

HELPFULNESS, ACCURACY = SCALES["helpfulness"], SCALES["accuracy"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is right and complete.\n5", 5),
        ("Fine.\n\n  6 \n", 6),
        ("Well.\n**Score: 4/6**", 4),
        ("grade: 3.", 3),
        ("[[2]]", 2),
        ("4\nbecause it is right", None),
        ("I would give it 4", None),
        ("7", None),
        ("0", None),
        ("4/10", None),
        ("4/5", None),
        ("45", None),
        ("5 or 6", None),
        ("-5", None),
        ("- 5", 5),
        ("", None),
        ("\n", None),
    ],
)
def test_a_grade_stands_alone_on_the_last_line(text, expected):
    assert parse(text, HELPFULNESS) == expected


def test_accuracy_has_halves_and_begins_at_zero():
    assert [parse(text, ACCURACY) for text in ("4.5", "0", "5", "5.5", "6")] == [4.5, 0, 5, None, None]


@given(st.text())
def test_no_text_makes_a_grade_off_the_scale(text):
    number = parse(text, HELPFULNESS)
    assert number is None or 1 <= number <= 6


@pytest.fixture
def answering(monkeypatch):
    asked = []

    def use(*answers):
        def ask(conversations, settings):
            asked.extend(conversations)
            return list(answers)[: len(conversations)]

        monkeypatch.setattr(api, "ask", ask)
        return asked

    return use


def said(text, status="ok"):
    return Answer(text, status, "", 1, None, None)


def rows(*pairs, **more):
    return examples("s", [{"key": str(i), "prompt": p, "response": r, **more} for i, (p, r) in enumerate(pairs)])


def test_what_is_no_grade_is_null_and_says_why(answering):
    answering(said("Good.\n5"), said("I cannot say."), said(None, "refused"), said(None, "api_error"))
    found = grade.grades(rows(*[("q", "a")] * 4), "helpfulness", Settings(model="m"))
    assert found.rows() == [(5.0, "ok"), (None, "unparsed"), (None, "refused"), (None, "api_error")]


def test_the_question_holds_the_conversation_and_the_answer_and_fills_neither_in_twice(answering):
    asked = answering(said("1"))
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    grade.grades(rows(("{answer}", "{conversation} \\1"), history=turns), "accuracy", Settings(model="m"))
    ((message,),) = asked
    assert "CONVERSATION\nUser: Hi\n\nAssistant: Hello\n\nUser: {answer}\nCONVERSATION" in message["content"]
    assert "ANSWER\n{conversation} \\1\nANSWER" in message["content"]
    assert "from 0 to 5" in message["content"]


def test_the_scale_and_its_wording_are_part_of_what_a_grade_depends_on(monkeypatch):
    settings = Settings(model="m")
    one, two = grade.identity("accuracy", settings), grade.identity("helpfulness", settings)
    assert one != two
    monkeypatch.setitem(SCALES, "accuracy", ACCURACY._replace(question="another"))
    assert grade.identity("accuracy", settings) != one
