"""Measures on words: known answers."""

import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import lexical


def words(*texts):
    return lexical.tokens(pl.Series(list(texts), dtype=pl.String))


def test_mtld_by_hand():
    """a b a: ratio 2/3 <= 0.72 after three words, one factor; twice that is 6 words in 2 factors, both ways."""
    assert lexical.mtld(["a", "b", "a"] * 2) == 3
    # Forwards a factor (a b a) and the rest c d: ratio 1, no part of a factor. Backwards (d c a b a): 4/5 of 5 words, so
    # (1 - 0.8) / 0.28 of a factor.
    assert lexical.mtld(["a", "b", "a", "c", "d"]) == pytest.approx((5 / 1 + 5 / (0.2 / 0.28)) / 2)


def test_mtld_is_that_of_the_package_lexicalrichness():
    """Version 0.5.1, threshold 0.72; equal on 200 long answers too. (lexical-diversity 0.1.1 wants 10 words a factor.)"""
    text = (
        "the cat sat on the mat and the dog sat on the log while the cat and the dog saw a bird that sang on a branch of the"
        " old oak tree by the river where children play"
    )
    assert lexical.mtld(text.split()) == pytest.approx(22.67345354154085, abs=1e-12)


def test_mtld_of_a_text_without_repeats_is_its_length():
    assert lexical.mtld(list("abcdefgh")) == 8
    assert np.isnan(lexical.mtld([]))


def test_distinct_n_by_hand():
    """the cat / the cat sat: 5 words of which 3 differ; 3 pairs of which 2 differ; no pair across texts."""
    assert lexical.distinct_n(words("The cat", "the cat sat"), 1) == 3 / 5
    assert lexical.distinct_n(words("The cat", "the cat sat"), 2) == 2 / 3
    assert np.isnan(lexical.distinct_n(words("one", ""), 2))
    assert np.isnan(lexical.distinct_n(words(), 1))


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=6), st.integers(1, 4))
def test_ngram_numbers_are_the_ngrams(texts, n):
    grams, start = lexical.ngram_numbers(pl.Series(texts, dtype=pl.List(pl.String)), n)
    expected = [[tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for text in texts]
    assert np.diff(start).tolist() == [len(of_text) for of_text in expected]
    flat = [gram for of_text in expected for gram in of_text]
    names = dict(zip(grams.tolist(), flat, strict=True))
    assert [names[number] for number in grams.tolist()] == flat
    assert len(names) == len(set(flat))


def test_the_compression_ratio_is_bytes_over_deflated_bytes():
    texts = ["Schön ist das.", "Schön ist das."]
    joined = "\n".join(texts).encode()
    assert lexical.compression_ratio(texts) == len(joined) / len(zlib.compress(joined, 6))
    assert lexical.compression_ratio(["a" * 1000]) > 50
    assert np.isnan(lexical.compression_ratio([]))


def test_entropy_counts_null_as_a_label():
    assert lexical.entropy(pl.Series(["a", "b", "c", None])) == 2
    assert lexical.entropy(pl.Series(["a", "a"])) == 0
    assert np.isnan(lexical.entropy(pl.Series([], dtype=pl.String)))
