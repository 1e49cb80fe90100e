"""Repetition and symbols, and the compiled scan of words that they rest on."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.record import examples
from curate.rules import scan
from curate.stages import filters
from curate.text import words

ON = filters.Settings(languages=(), bullet_lines=0.9)
# 60 different words, so that nothing repeats.
PROSE = " ".join(f"{a}{b}" for a in ("wort", "malt", "hops", "yeast", "foam", "keg") for b in "abcdefghij")


def failing(response):
    frame = examples("s", [{"key": "1", "prompt": "How is beer made?", "response": response}])
    measured = filters.measure(frame, ON)
    return set(filters.decide(frame.select("source", "score").hstack(measured), ON).verdicts["rule"])


LINES = "Boil the wort first.\nAdd the hops then.\nCool it down fast.\nAdd the yeast now.\n"


@pytest.mark.parametrize(
    ("rule", "response"),
    [
        ("duplicate_lines", LINES + "Add the yeast now.\n" * 6),
        ("duplicate_paragraphs", LINES.replace("\n", "\n\n") + "Add the yeast now.\n\n" * 6),
        ("top_ngrams", PROSE + " very good beer" * 60),
        ("duplicate_ngrams", PROSE + " boil the wort for an hour and cool it" * 20),
        ("symbol_ratio", " # ".join(PROSE.split()[:55])),
        ("symbol_ratio", "So ... it boils ... and cools ... and then ... you add ... the yeast ... and wait ..."),
        ("word_length", " ".join("abcdefghijklmnopqrstuvwxyz"[i % 26] for i in range(100))),
        ("alpha_words", " ".join(str(number) for number in range(60))),
        ("bullet_lines", "\n".join(f"- {word}" for word in PROSE.split()[:12])),
        ("ellipsis_lines", "\n".join(f"{word} and so on..." for word in PROSE.split()[:6])),
    ],
)
def test_a_repetitive_answer_fails_its_rule(rule, response):
    assert rule in failing(response)


@pytest.mark.parametrize(
    "response",
    [
        LINES + "Add the yeast now.\n" * 4,  # four of eight lines, the share of a song
        "Ha ha ha ha ha ha.",  # too short to say
        "So it is done:\n```\n" + "print(1234567890)\n" * 20 + "```\n" + LINES,
        "| beer | grade |\n" + "| stout | good |\n" * 12 + LINES,
        PROSE + " # ".join(PROSE.split()[:9]),
        "Well... it boils.",
        "#beer #malt #hops #yeast #foam " * 4 + "C# is a language, ## is not.",
        "Internationalization",
        "## Heading\n" * 1 + PROSE,
        "맥주를 만드는 방법은 다음과 같습니다. " * 1 + "물을 끓이고 홉을 넣은 다음 식혀서 효모를 넣고 기다립니다.",
        "- one beer\n- two beers\n- three beers\nand then no more\n" + PROSE,
        "Wait...\n" + "\n".join(PROSE.split()[:6]),
        "Year 1990: 12\n" + PROSE,
    ],
)
def test_an_ordinary_answer_passes(response):
    assert failing(response) == set()


def slow(text):
    """The same figures as `scan.words`, word by word."""
    found = pl.select(words(pl.lit(text))).item().to_list()
    lower = ["".join(c.lower() if c.isascii() else c for c in word) for word in found]
    chars = sum(map(len, lower))
    top, covered, seen = 0, set(), set()
    for n in (2, 3, 4):
        grams = Counter(tuple(lower[i : i + n]) for i in range(len(lower) - n + 1))
        top = max([top, *(count * sum(map(len, gram)) for gram, count in grams.items() if count > 1)])
    for i in range(len(lower) - 4):
        gram = tuple(lower[i : i + 5])
        if gram in seen:
            covered.update(range(i, i + 5))
        seen.add(gram)
    return (
        len(found),
        min(1.0, top / chars) if chars else 0.0,
        sum(len(lower[i]) for i in covered) / chars if chars else 0.0,
    )


@given(st.lists(st.text(alphabet="ab A1-'’.é漢가 \n—𝄞", max_size=60), min_size=1, max_size=5))
def test_the_scan_agrees_with_counting_word_by_word(texts):
    found = scan.words(pl.Series(texts))
    for text, row in zip(texts, found.select("words", "top_ngrams", "duplicate_ngrams").iter_rows(), strict=True):
        assert row == pytest.approx(slow(text))


def test_the_scan_measures_each_row_by_itself():
    series = pl.Series(["one two one two one two", None, "", "漢字 가", "don't stop-it 42"])
    found = scan.words(series)
    assert found["words"].to_list() == [6, 0, 0, 3, 3]
    assert found["word_length"].to_list()[0] == 3.0
    assert found["word_length"].to_list()[4] == pytest.approx((5 + 7 + 2) / 3)
    assert found["alpha_words"].to_list()[4] == pytest.approx(2 / 3)
    assert found["top_ngrams"].to_list()[0] == 1.0
    assert scan.words(series[2:], ngrams=False)["words"].to_list() == [0, 3, 3]


def test_the_scan_of_nothing_is_empty():
    assert scan.words(pl.Series([], dtype=pl.String)).height == 0
