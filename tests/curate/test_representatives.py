"""Who stays among near duplicates and repeated prompts, against a greedy search of all pairs."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates import compiled, novelty, representatives
from curate.duplicates.minhash import Scheme, bands, measure
from curate.duplicates.representatives import NOT_SIGNED, choose, lists, matches, signed

SCHEME = Scheme(n=2)
WORDS = ["water", "heat", "yeast", "salt", "flour", "oven", "dough", "rise", "bake", "cool", "slice", "eat"]


def jaccard(one, other):
    a, b = (set(zip(text.split(), text.split()[1:], strict=False)) or {text} for text in (one, other))
    return len(a & b) / len(a | b)


def rouge_l(one, other):
    a, b = one.split(), other.split()
    row = [0] * (len(b) + 1)
    for word in a:
        diagonal = 0
        for k, theirs in enumerate(b, start=1):
            row[k], diagonal = (diagonal + 1 if word == theirs else max(row[k], row[k - 1])), row[k]
    return 2 * row[-1] / (len(a) + len(b)) if a and b else 0.0


def ours(texts, order, threshold, *, limit=None, **states):
    rows = signed(measure(pl.Series(texts), SCHEME)) if threshold is not None else NOT_SIGNED
    novel = representatives.NOT_NOVEL
    if limit is not None:
        novel = novelty.candidates(lists(novelty.words(pl.Series(texts))), order, limit)
    return choose(rows, order, threshold or 1.0, bands(threshold or 1.0, 128, 0.999999), novel=novel, **states)


def brute_force(texts, order, threshold, *, limit=None, barred=(), held=()):
    near, repeats, kept = {}, {}, []
    for row in order:
        for found, similarity, passes in (
            (near, jaccard, lambda s: threshold is not None and s >= threshold),
            (repeats, rouge_l, lambda s: limit is not None and s > limit),
        ):
            scored = [(similarity(texts[row], texts[other]), -place, other) for place, other in enumerate(kept)]
            best = max((item for item in scored if passes(item[0])), default=None)
            if best:
                found[int(row)] = (int(best[2]), best[0])
        if row in held or (row not in near and row not in repeats and row not in barred):
            kept.append(row)
    return near, repeats


def as_dict(found):
    return {row: (int(found.other[row]), found.similarity[row]) for row in np.flatnonzero(found.other >= 0)}


def variants(seed, n):
    """Texts of some families whose members differ in a few words."""
    draw = random.Random(seed)
    families = [draw.choices(WORDS, k=draw.randint(1, 25)) for _ in range(max(1, n // 5))]
    texts = []
    for _ in range(n):
        words = list(draw.choice(families))
        for _ in range(draw.randint(0, 3)):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    return texts, np.array(draw.sample(range(n), n), dtype=np.int64)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_near_duplicates_are_those_of_a_search_of_all_pairs(seed, n, threshold):
    texts, order = variants(seed, n)
    near, _ = ours(texts, order, threshold)
    assert as_dict(near) == brute_force(texts, order, threshold)[0]


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.0, 0.5, 0.7]))
def test_repeated_prompts_are_those_of_a_search_of_all_pairs(seed, n, limit):
    texts, order = variants(seed, n)
    _, repeats = ours(texts, order, None, limit=limit)
    assert as_dict(repeats) == brute_force(texts, order, None, limit=limit)[1]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_with_both_rules_nothing_gives_way_to_what_leaves(seed, n):
    texts, order = variants(seed, n)
    barred = np.arange(n) % 4 == 0
    near, repeats = ours(texts, order, 0.7, limit=0.7, barred=barred)
    assert (as_dict(near), as_dict(repeats)) == brute_force(texts, order, 0.7, limit=0.7, barred=np.flatnonzero(barred))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_held_rows_stay_whatever_they_resemble_and_others_give_way_to_them(seed, n):
    texts, order = variants(seed, n)
    barred, held = np.arange(n) % 4 == 0, np.arange(n) % 3 == 0
    near, repeats = ours(texts, order, 0.7, limit=0.7, barred=barred, held=held)
    states = {"barred": np.flatnonzero(barred), "held": np.flatnonzero(held)}
    all_near, all_repeats = brute_force(texts, order, 0.7, limit=0.7, **states)
    assert as_dict(repeats) == all_repeats
    assert as_dict(near).keys() == all_near.keys()
    for row, (other, similarity) in as_dict(near).items():
        # Of held rows with the same words any may be named: the search ends at the first that is wholly alike.
        assert similarity == all_near[row][1]
        assert other == all_near[row][0] or (similarity == 1 and held[other])


def test_nothing_is_chained():
    """b is near to a and c near to b, but c is not near to a: with a kept, b goes and c stays."""
    words = [f"w{i}" for i in range(40)]
    a, b, c = " ".join(words), " ".join(words[3:]), " ".join(words[6:])
    near, _ = ours([a, b, c], np.arange(3), 0.9)
    assert near.other.tolist() == [-1, 0, -1]
    assert near.similarity[1] == 36 / 39


def test_the_most_similar_kept_row_is_named_and_of_equals_the_better():
    base = [f"w{i}" for i in range(40)]
    head, tail = base[:28], base[8:]
    near, _ = ours([" ".join(words) for words in (head, tail, base)], np.arange(3), 0.5)
    assert near.other.tolist() == [-1, -1, 1]
    assert near.similarity[2] == 31 / 39
    near, _ = ours(["a b c x", "a b c y", "a b c"], np.arange(3), 0.6)
    assert near.other.tolist() == [-1, -1, 0]


def test_different_short_texts_are_never_twins_and_equal_ones_are():
    texts = [f"{i}" for i in range(5_000)] + ["", "17", " "]
    near, _ = choose(signed(measure(pl.Series(texts), Scheme())), np.arange(5_003), 0.2, bands(0.2, 128, 0.99))
    assert as_dict(near) == {5_001: (17, 1.0), 5_002: (5_000, 1.0)}


def test_equal_texts_are_each_compared_with_the_one_that_stays():
    """Ten thousand equal rows would be fifty million pairs; a quadratic pass takes minutes here."""
    near, _ = ours(["to be or not to be"] * 10_000, np.arange(10_000)[::-1], 0.8)
    assert near.other.tolist() == [9_999] * 9_999 + [-1]


def test_of_a_crowded_bucket_only_the_last_kept_rows_are_looked_at(monkeypatch):
    """Rows with equal signatures but different shingles: all are kept, in one bucket."""
    rows = signed(measure(pl.Series(["same text here"] * 4), SCHEME))
    values = np.array([1, 2, 3, 4, 5, 6, 1, 2], dtype=np.uint32)
    crowd = rows._replace(shingles=compiled.Sets(values, np.arange(0, 8, 2), np.arange(2, 10, 2)))
    assert choose(crowd, np.arange(4), 0.9, bands(0.9, 128, 0.99))[0].other.tolist() == [-1, -1, -1, 0]
    monkeypatch.setattr(representatives, "LOOKED_AT", 2)
    assert choose(crowd, np.arange(4), 0.9, bands(0.9, 128, 0.99))[0].other.tolist() == [-1, -1, -1, -1]


def test_matches_are_the_nearest_rows_of_the_other_set_each_row_by_itself():
    reference = signed(measure(pl.Series(["a b c d e f", "a b c d e x", "q r s t u v"]), SCHEME))
    mine = pl.Series(["a b c d e f", "q r s t u x", "nothing like it", "a b c d e y", "a b c d e f"])
    found = matches(signed(measure(mine, SCHEME)), reference, 0.6, bands(0.6, 128, 0.999999))
    assert found.other.tolist() == [0, 2, -1, 0, 0]
    assert found.similarity.tolist() == [1.0, 4 / 6, 0.0, 4 / 6, 1.0]


def test_lists_are_read_where_they_lie_in_a_column():
    column = pl.Series([[9], [1, 2], [], [3]], dtype=pl.List(pl.UInt32))
    for rows, expected in ((column, [[9], [1, 2], [], [3]]), (column[1:], [[1, 2], [], [3]]), (column[2:3], [[]])):
        found = lists(rows)
        ranges = zip(found.starts, found.ends, strict=True)
        assert [found.values[start:end].tolist() for start, end in ranges] == expected


def test_nothing_gives_nothing():
    for limit in (None, 0.7):
        near, repeats = ours([], np.zeros(0, dtype=np.int64), 0.8, limit=limit)
        assert near.other.size == repeats.other.size == 0
    assert as_dict(ours(["alone"], np.arange(1), 0.8, limit=0.7)[0]) == {}


def test_rouge_l_is_that_of_rouge_score():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"], use_stemmer=False)
    draw = random.Random(3)
    pairs = [
        [" ".join(draw.choices([*WORDS, "it's", "C++,", "3.5"], k=draw.randint(3, 14))) for _ in "ab"]
        for _ in range(300)
    ]
    checked = 0
    for one, other in pairs:
        expected = scorer.score(one, other)["rougeL"].fmeasure
        _, repeats = ours([one, other], np.arange(2), None, limit=0.3)
        if expected > 0.3001:
            assert repeats.similarity[1] == pytest.approx(expected)
            checked += 1
        elif expected < 0.2999:
            assert repeats.other[1] == -1
    assert checked > 50
