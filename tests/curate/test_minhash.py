"""Shingles and signatures: what datasketch makes of the same shingles, bit for bit."""

import datasketch
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from curate.duplicates.minhash import Scheme, bands, empty, measure, to_datasketch
from curate.duplicates.shingles import shingle_hash

TEXTS = [
    "",
    " \n\t",
    "Hello",
    "a b c d",
    "a b c d e",
    "The quick  brown\nfox jumps\u00a0over the LAZY dog. It was great; x+=1",
    "日本語のテキストです、とても 良い",
    "mixed 日本 text ÉÀ ß 😀 emoji ok 한국어",
    "\u0130stanbul \U00020001 \u023a \u212a 12 ٣٤",
]
HAN = [(0x2E80, 0x2E99), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x2A6DF)]  # fmt: skip


def lowered(text):
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def tokens(text):
    """White-space tokens, with each Han, kana or Hangul character apart."""
    return "".join(f" {c} " if any(a <= ord(c) <= b for a, b in HAN) else c for c in lowered(text)).split()


def shingles(text, ngram, n):
    """The shingles of one text in normal form, as bytes, by way of Python's own strings."""
    parts, gap = (tokens(text), " ") if ngram == "word" else (" ".join(lowered(text).split()), "")
    return [gap.join(parts[i : i + n]).encode() for i in range(max(1, len(parts) - n + 1))]


def values(text, **scheme):
    return measure(pl.Series([text]), Scheme(**scheme))["shingles"][0].to_list()


@pytest.mark.parametrize("hash_", ["mixed", "xxh32"])
@pytest.mark.parametrize("ngram", ["word", "char"])
def test_signatures_are_those_of_datasketch(ngram, hash_):
    measured = measure(pl.Series(TEXTS), Scheme(ngram, 3, 64, 7, hash=hash_))
    for text, signature in zip(TEXTS, measured["signature"], strict=True):
        theirs = datasketch.MinHash(num_perm=64, seed=7, hashfunc=shingle_hash(ngram, hash_))
        theirs.update_batch(shingles(text, ngram, 3))
        assert signature.to_list() == theirs.hashvalues.tolist(), text


def test_the_default_scheme_is_datasketchs_default_with_five_words():
    signature = measure(pl.Series(TEXTS[5:6]), Scheme())["signature"][0].to_list()
    theirs = datasketch.MinHash(hashfunc=shingle_hash("word"))
    theirs.update_batch(shingles(TEXTS[5], "word", 5))
    assert signature == theirs.hashvalues.tolist()


def test_an_index_of_datasketch_takes_our_signatures():
    text = " ".join(f"word{i}" for i in range(60))
    texts = pl.Series([text, text.replace("word30", "other"), "something else entirely, in a few more words"])
    sketches = [to_datasketch(row, Scheme()) for row in measure(texts, Scheme())["signature"]]
    index = datasketch.MinHashLSH(threshold=0.5, num_perm=128)
    index.insert("first", sketches[0])
    index.insert("third", sketches[2])
    assert index.query(sketches[1]) == ["first"]
    assert sketches[0].jaccard(sketches[1]) == pytest.approx(51 / 61, abs=0.15)
    # It is a whole MinHash: more shingles can be added to it.
    more = datasketch.MinHash(hashfunc=shingle_hash("word"))
    more.update_batch(shingles(texts[0], "word", 5) + shingles(texts[2], "word", 5))
    sketches[0].update_batch(shingles(texts[2], "word", 5))
    assert (sketches[0].hashvalues == more.hashvalues).all()


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=40), max_size=5))
def test_rows_measured_apart_are_rows_measured_together(texts):
    column = pl.Series(texts, dtype=pl.String)
    for ngram in ("word", "char"):
        whole = measure(column, Scheme(ngram, 3, 16))
        halves = [
            measure(part, Scheme(ngram, 3, 16)) for part in (column[: len(texts) // 2], column[len(texts) // 2 :])
        ]
        assert_frame_equal(whole, pl.concat(halves))
        assert whole.schema == empty(0, 16).schema


@settings(max_examples=60)
@given(st.text(st.sampled_from("aB\u00c9 \n\u00a0\u2003x日가\U000200011.😀\u212a"), max_size=30))
def test_shingles_are_hashes_of_the_normal_form(text):
    for ngram in ("word", "char"):
        for hash_ in ("mixed", "xxh32"):
            expected = [shingle_hash(ngram, hash_)(shingle) for shingle in shingles(text, ngram, 3)]
            assert values(text, ngram=ngram, n=3, permutations=16, hash=hash_)[: len(expected)] == expected


def test_case_and_white_space_are_folded_and_punctuation_is_not():
    assert values("One  TWO\nthree four five") == values("one two three four five ")
    assert values("if a == b : return c") != values("if a != b : return c")


def test_scripts_without_spaces_are_compared_by_characters():
    one, other = values("自然言語処理は楽しい"), values("自然言語処理は難しい")
    assert len(one) == len(other) == 10 - 5 + 1
    assert one[:3] == other[:3]
    assert one[3] != other[3]


def test_digits_stay_unless_they_are_folded():
    texts = ("sum of 17 and 25 is", "sum of 18 and 26 is")
    assert values(texts[0]) != values(texts[1])
    assert values(texts[0], digits="fold") == values(texts[1], digits="fold")


def test_a_text_shorter_than_a_shingle_is_one_with_checks_behind_it():
    assert values("Yes, of course") == values("yes,  of course")
    short, longer = values("a b c d"), values("a b c d e")
    assert (len(short), len(longer)) == (4, 1)
    assert short[0] == shingle_hash("word")(b"a b c d")
    assert not set(short) & set(values("a b c e"))


def test_the_shingles_of_a_text_follow_it_repeats_too():
    assert len(values("la la la la la la la")) == 3
    assert len(set(values("la la la la la la la"))) == 1


# Curation notes, table 2z: 1 - (1 - s^r)^b at the threshold.
@pytest.mark.parametrize(
    ("permutations", "threshold", "recall", "expected"),
    [
        (128, 0.7, 0.95, (25, 5)),
        (128, 0.7, 0.99, (32, 4)),
        (128, 0.8, 0.95, (18, 7)),
        (128, 0.8, 0.99, (21, 6)),
        (128, 0.9, 0.95, (10, 12)),
        (128, 0.9, 0.99, (12, 10)),
        (256, 0.7, 0.95, (36, 7)),
        (256, 0.7, 0.99, (42, 6)),
        (256, 0.8, 0.95, (28, 9)),
        (256, 0.8, 0.99, (32, 8)),
        (256, 0.9, 0.95, (16, 16)),
        (256, 0.9, 0.99, (18, 14)),
        (128, 1.0, 0.99, (1, 128)),
        (16, 0.2, 0.999, (16, 1)),
    ],
)
def test_bands_are_the_longest_that_reach_the_recall(permutations, threshold, recall, expected):
    assert bands(threshold, permutations, recall) == expected
