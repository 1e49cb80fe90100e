import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.contamination.evidence import LONGEST, compare, numbers

DUCKS = "Janet's ducks lay 16 eggs per day. She eats three. How much does she make at the farmers' market in Ohio?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16 eggs, three hens and $1,000.50", ["16", "3", "1000.5"]),
        ("3 + 5", ["3", "+5"]),
        ("3 - 5", ["3", "-5"]),
        ("3-5", ["3", "-5"]),
        ("at -3 or 3", ["-3", "3"]),
        ("x^2 = 9", ["^2", "=9"]),
        ("6 × 7, 6 ÷ 2", ["6", "*7", "6", "/2"]),
        ("1. first\n- 4 eggs\n(b) 5 hens", ["4", "5"]),
        ("3.0 and 0.50", ["3", "0.5"]),
        ("version 1.2.3", ["1.2.3"]),
        ("Half a dozen, twice", ["0.5", "12", "2"]),
        ("no number", []),
    ],
)  # fmt: skip
def test_numbers_are_read_in_one_spelling_with_the_operator_before_them(text, expected):
    assert numbers(text) == expected


def test_other_numbers_are_listed_on_both_sides_each_time_they_occur():
    found = compare("2 hens and 2 eggs and 7 cows", "2 hens and 3 eggs and 7 cows")
    assert (found.numbers_missing, found.numbers_extra) == (("2",), ("3",))


def test_digits_and_words_for_the_same_number_do_not_differ():
    found = compare("She eats three of 1000", "she eats 3 of 1,000")
    assert not found.numbers_missing
    assert not found.numbers_extra


def test_a_sign_is_part_of_a_number():
    assert compare("solve x = -3", "solve x = 3").numbers_missing != ()


def test_names_and_turning_words_that_differ_are_listed():
    found = compare(DUCKS, DUCKS.replace("Ohio", "Texas").replace("She eats", "He never eats"))
    assert found.words_missing == ("Ohio",)
    assert found.words_extra == ("Texas", "never")


def test_capitals_that_begin_a_sentence_or_fill_it_and_apostrophes_are_no_names():
    assert compare("Find it. I'll don’t", "Compute it. I’ll don't")[2:4] == ((), ())
    assert compare("the Nile is long", "THE NILE IS LONG, SIR")[2:4] == ((), ())


def test_a_text_without_the_last_sentence_of_the_item_asks_something_else():
    assert compare(
        DUCKS, DUCKS.replace("How much does she make at the farmers' market in Ohio?", "How many remain?")
    ).asks_else
    assert not compare(DUCKS, DUCKS).asks_else
    assert not compare("One sentence only?", "nothing").asks_else


def test_the_detail_names_what_differs_and_stays_short():
    assert compare(DUCKS, DUCKS.replace("16", "18")).detail() == "numbers 16 -> 18"
    assert compare(DUCKS, DUCKS).detail() == ""
    many = " ".join(map(str, range(100, 140)))
    detail = compare(many, "5").detail()
    assert detail == "numbers 100, 101, 102, 103 and 36 more -> 5"
    words = " ".join(f"a {'X' * 30}{letter}" for letter in "abcdefghij")
    assert len(compare(words, words.replace("X", "Y")).detail()) <= LONGEST


@given(st.text(max_size=80))
def test_a_text_does_not_differ_from_itself(text):
    found = compare(text, text)
    assert found[:4] == ((), (), (), ())
    assert not found.asks_else
    assert found.detail() == ""
