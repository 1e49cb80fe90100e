import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curate.contamination import words as w
from curate.text import normalise
from curate.text import words as plain_words


def split(*texts):
    found = w.words(pl.Series(texts, dtype=pl.String))
    return [[found.text(i, i) for i in range(found.offsets[row], found.offsets[row + 1])] for row in range(len(texts))]


def hashes(*texts):
    found = w.words(pl.Series(texts, dtype=pl.String))
    return [found.hashes[found.offsets[row] : found.offsets[row + 1]].tolist() for row in range(len(texts))]


def test_words_end_at_anything_but_letters_digits_and_apostrophes():
    assert split("Janet's ducks lay 16 eggs/day; 3.5 of has_close-elements(x)") == [
        ["Janet's", "ducks", "lay", "16", "eggs", "day", "3", "5", "of", "has", "close", "elements", "x"]
    ]


def test_case_punctuation_and_spelling_of_the_same_characters_make_no_difference():
    plain, *others = hashes(
        "Dont cafe\u0301 full x2",
        "don’t CAFÉ full x²",
        "  DON'T -- **café**,\n\n ｆｕｌｌ x2.",
    )
    assert plain[1:] == others[0][1:]
    assert others[0] == others[1]
    assert plain == others[0]


def test_other_digits_are_other_words():
    first, second = hashes("16 eggs", "18 eggs")
    assert first[0] != second[0]
    assert first[1] == second[1]


def test_a_character_without_spaces_around_is_a_word_in_chinese_japanese_and_korean():
    assert split("世界abc각", "가\u11a8") == [["世", "界", "abc", "각"], ["각"]]


def test_null_and_empty_texts_have_no_words_and_shift_nobody():
    assert split(None, "a", "", "?!", "b c") == [[], ["a"], [], [], ["b", "c"]]
    assert split() == []


def test_han_beyond_the_table_is_one_word_a_character():
    assert split("\U00020000\U0002a6d6") == [["\U00020000", "\U0002a6d6"]]


@given(st.lists(st.text(st.characters(codec="utf-8", max_codepoint=0x1FFFF), max_size=30), max_size=4))
def test_splitting_agrees_with_the_words_of_the_project_up_to_joiners(texts):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    # Apostrophes join, hyphens part, and a character that is a word by itself is one everywhere.
    spread = normalise(pl.col("t")).str.replace_all(r"['’]", "").str.replace_all("-", " ")
    spread = spread.str.replace_all(r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}])", " $1 ")
    expected = frame.select(plain_words(spread))
    assert [len(row) for row in hashes(*texts)] == [len(row) for row in expected.to_series()]


@given(
    st.lists(st.sampled_from(["a", "b1", "世", "é", "don't", "Ω"]), max_size=12), st.sampled_from([" ", ", ", "\n\n"])
)
def test_hashes_do_not_depend_on_what_stands_between_words(parts, between):
    assert hashes(between.join(parts)) == hashes(" ".join(parts))
