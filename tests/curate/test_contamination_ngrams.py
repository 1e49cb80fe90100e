import math

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curate.contamination import ngrams
from curate.contamination.words import words

LONG = "A farmer keeps twelve brown hens and every hen lays two eggs on each day of the long week"


def search(rows, items, n=8):
    index = ngrams.index(pl.Series(items, dtype=pl.String), n)
    return ngrams.matches(words(pl.Series(rows, dtype=pl.String)), index)


def pairs(frame):
    return list(frame.select("row", "entry").iter_rows())


def test_an_item_that_stands_in_a_text_is_found_whole():
    (found,) = search([f"Solve this. {LONG.upper()}! Think first."], [LONG]).iter_rows(named=True)
    assert (found["run"], found["coverage"], found["weighted"], found["whole"]) == (19, 1.0, 1.0, True)
    assert (found["first"], found["last"]) == (2, 20)


def test_every_text_with_an_item_and_every_item_in_a_text_is_found():
    other = "The quick grey wolf ran over seven hills before it met the old shepherd near a mill"
    frame = search([LONG, f"{LONG}. {other}", "nothing of the kind", f"so: {LONG}"], [LONG, other, LONG])
    assert pairs(frame) == [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2), (3, 0), (3, 2)]


def test_one_changed_word_anywhere_leaves_the_pair():
    parts = LONG.split()
    rows = [" ".join([*parts[:i], "zebra", *parts[i + 1 :]]) for i in range(len(parts))]
    frame = search(rows, [LONG])
    assert frame["row"].to_list() == list(range(19))
    assert not frame["whole"].any()
    assert frame["coverage"].min() >= 17 / 19


def test_a_short_item_with_one_changed_word_is_found_by_half_the_run():
    item = "Which gas do green plants take from air"
    frame = search(["Which gas do all plants take from air"], [item])
    assert frame["run"].to_list() == [4]
    assert frame["coverage"].to_list() == [7 / 8]


def test_common_phrases_are_no_pair():
    stem = "Which of the following is the best way to"
    items = [
        f"{stem} measure the mass of a small wooden block?",
        *(f"{stem} a{n} b{n} c{n} d{n} e{n} f{n}" for n in range(8)),
    ]
    assert search(["Which of the following is the best way to cook rice? Rinse it, and steam it."], items).height == 0


def test_an_item_of_fewer_words_than_a_run_must_stand_whole():
    assert pairs(search(["tell me: who invented the telescope?"], ["Who invented the telescope"])) == [(0, 0)]
    assert search(["who invented the first violin"], ["Who invented the first telescope"]).height == 0


def test_an_item_shorter_than_half_a_run_is_found_nowhere():
    assert search(["What is it? What is it?"], ["What is it"]).height == 0


def test_phrases_that_many_items_share_start_no_pair_but_their_rare_words_do():
    items = [f"In the year of the great flood the town number {n} grew" for n in range(300)]
    frame = search(["In the year of the great flood the king slept", items[7]], items)
    assert frame.filter(pl.col("whole")).select("row", "entry").rows() == [(1, 7)]
    assert frame.filter(pl.col("row") == 0).height == 0


def test_an_item_all_of_whose_phrases_are_shared_is_still_found():
    assert search([LONG], [LONG] * 150).height == 150


def test_weights_are_log_of_one_plus_items_by_items_with_the_word():
    items = ["alpha beta gamma delta epsilon zeta eta theta", "alpha one two three four five six seven"]
    found = ngrams.index(pl.Series(items), 8)
    assert found.weights[0] == pytest.approx(math.log(2))  # in both items
    assert found.weights[1] == pytest.approx(math.log(3))  # in one


def test_empty_texts_items_and_columns_are_no_pairs():
    assert search([], [LONG]).schema == ngrams.PAIR
    assert search(["", None, "?"], [LONG, "", "…"]).height == 0
    assert search([LONG], []).height == 0


def test_a_text_in_chinese_is_matched_by_characters():
    item = "大众社会理论表明媒体操纵大众"
    frame = search([f"请回答：{item}。"], [item])
    assert frame["whole"].to_list() == [True]


def test_more_pairs_than_there_was_room_for_are_all_there():
    frame = search([LONG] * 20, [LONG] * 400)
    assert frame.height == 20 * 400


VOCABULARY = st.sampled_from([f"w{n}" for n in range(12)])
TEXT = st.lists(VOCABULARY, max_size=25).map(" ".join)


def common_run(a, b):
    return max(
        (k for i in range(len(a)) for j in range(len(b)) for k in range(1, min(len(a) - i, len(b) - j) + 1) if a[i : i + k] == b[j : j + k]),
        default=0,
    )  # fmt: skip


@given(TEXT, TEXT)
def test_a_pair_shares_a_run_that_is_long_enough_and_it_is_the_longest(row, item):
    for found in search([row], [item], n=6).iter_rows(named=True):
        a, b = row.split(), item.split()
        assert found["run"] == common_run(a, b) >= (6 if len(b) >= 12 else 3)
        assert found["whole"] == (found["run"] == len(b))
        assert 0 <= found["first"] <= found["last"] < len(a)
        assert found["weighted"] >= ngrams.FLOOR or found["whole"]


@given(TEXT, TEXT, TEXT)
def test_an_item_put_into_any_text_is_found_there(before, item, after):
    assume(len(item.split()) >= 3)
    (found,) = search([f"{before} {item} {after}"], [item], n=6).iter_rows(named=True)
    assert found["whole"]
    assert found["coverage"] == 1.0


@given(TEXT, TEXT)
def test_coverage_of_a_given_pair_is_the_share_of_words_in_shared_runs_of_two(row, item):
    a, b = row.split(), item.split()
    index = ngrams.index(pl.Series([item]), 8)
    found = ngrams.cover(words(pl.Series([row])), index, pl.DataFrame({"row": [0], "entry": [0]}))
    grams = {tuple(a[i : i + 2]) for i in range(len(a) - 1)}
    inside = {i + k for i in range(len(b) - 1) if tuple(b[i : i + 2]) in grams for k in (0, 1)}
    if len(b) == 1 and b[0] in a:
        inside = {0}
    assert found["coverage"][0] == pytest.approx(len(inside) / max(len(b), 1))
    assert found["run"][0] == common_run(a, b)


def test_hashes_of_sequences_are_equal_for_equal_words_only():
    texts = words(pl.Series(["A b!", "a  B", "b a", "a", "", None]))
    one, two, three, four, five, six = ngrams.sequence_hashes(texts).tolist()
    assert one == two
    assert len({one, three, four, five}) == 4
    assert five == six == 0
