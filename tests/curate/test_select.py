"""Quotas, back-fill, temperature, ranks."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.stages import select
from curate.stages.select import Settings, apportion


def pool(rows):
    """Rows `(id, source, group, stratum, score, response_chars)`, measured."""
    columns = ["id", "source", "group", "stratum", "score", "response_chars"]
    frame = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"score": pl.Int64})
    return frame.join(select.measure(frame, Settings()), on="id")


def chosen(decision):
    dropped = set(decision.verdicts["id"])
    return sorted(set(decision.scores["id"]) - dropped)


def test_temperature_three_takes_the_cube_root_of_the_sizes():
    """1000^(1/3) : 8^(1/3) = 10 : 2, so 12 places are shared 10 to 2."""
    rows = [(f"big{i:04}", "s", "g", "big", i, 1) for i in range(1000)]
    rows += [(f"tiny{i}", "s", "g", "tiny", i, 1) for i in range(8)]
    decision = select.decide(pool(rows), Settings(size=12, temperature=3))
    assert [id_[:3] for id_ in chosen(decision)].count("tin") == 2


def test_the_best_scored_come_first_inside_a_stratum_and_unscored_last():
    rows = [("a", "s", "g", "x", 5, 1), ("b", "s", "g", "x", None, 1), ("c", "s", "g", "x", 9, 1)]
    decision = select.decide(pool(rows), Settings(size=2))
    assert chosen(decision) == ["a", "c"]
    assert decision.verdicts.select("id", "rule", "value", "limit").rows() == [("b", "not_selected", 3.0, 2.0)]


def test_a_quota_can_name_one_group_of_a_source():
    rows = [(f"s{i}", "se", "stem", "x", 1, 1) for i in range(5)]
    rows += [(f"o{i}", "se", "other", "x", 1, 1) for i in range(5)]
    decision = select.decide(pool(rows), Settings(quotas={"se/stem": 3, "se/other": 1}))
    assert [id_[0] for id_ in chosen(decision)] == ["o", "s", "s", "s"]


def test_what_one_bucket_cannot_fill_goes_to_those_that_can():
    rows = [(f"a{i}", "a", "g", "x", 1, 1) for i in range(2)] + [(f"b{i}", "b", "g", "x", 1, 1) for i in range(9)]
    decision = select.decide(pool(rows), Settings(quotas={"a": 5, "b": 3}))
    assert [id_[0] for id_ in chosen(decision)] == ["a"] * 2 + ["b"] * 6


def test_a_source_without_a_quota_fills_only_what_is_left():
    rows = [(f"a{i}", "a", "g", "x", 1, 1) for i in range(2)] + [(f"c{i}", "c", "g", "x", 99, 1) for i in range(9)]
    assert [id_[0] for id_ in chosen(select.decide(pool(rows), Settings(quotas={"a": 4})))] == ["a", "a", "c", "c"]


def test_without_size_and_quotas_everything_stays():
    rows = [("a", "s", "g", "x", 5, 1), ("b", "s", "g", "y", 1, 1)]
    decision = select.decide(pool(rows), Settings())
    assert decision.verdicts.is_empty()
    assert decision.scores["rank"].to_list() == [1, 2]


def test_the_longest_baseline_ranks_by_length_alone():
    rows = [("a", "s", "g", "x", 5, 10), ("b", "s", "g", "x", 1, 30), ("c", "s", "g", "x", 9, 20)]
    scores = select.decide(pool(rows), Settings(size=1)).scores
    assert scores.select("id", "longest_rank").rows() == [("a", 3), ("b", 1), ("c", 2)]


def test_an_empty_pool_is_no_trouble():
    decision = select.decide(pool([("a", "s", "g", "x", 1, 1)]).head(0), Settings(quotas={"s": 3}))
    assert decision.verdicts.is_empty()
    assert decision.scores.is_empty()


@pytest.mark.parametrize(
    ("weights", "capacity", "total", "given"),
    [
        ([1, 1, 1], [5, 5, 5], 7, [3, 2, 2]),
        ([10, 1, 1], [2, 5, 5], 7, [2, 3, 2]),
        ([1, 2], [1, 1], 9, [1, 1]),
        ([0, 1], [9, 9], 4, [0, 4]),
    ],
)
def test_apportion_by_hand(weights, capacity, total, given):
    assert apportion(np.array(weights, float), np.array(capacity), total).tolist() == given


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), min_size=1, max_size=8), st.integers(0, 200))
def test_apportion_gives_out_all_there_is_and_never_more_than_fits(pairs, total):
    weights = np.array([weight for weight, _ in pairs], float)
    capacity = np.array([room for _, room in pairs])
    given = apportion(weights, capacity, total)
    assert (given <= capacity).all()
    assert given.sum() == min(total, capacity[weights > 0].sum())


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("gh"), st.sampled_from("xyz"), st.integers(0, 3)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 50),
    st.sampled_from([1.0, 3.0]),
)
def test_ranks_are_a_permutation_and_exactly_size_stay(rows, size, temperature):
    frame = pool([(f"{i:03}", a, g, x, score, 1) for i, (a, g, x, score) in enumerate(rows)])
    decision = select.decide(frame, Settings(size=size, quotas={"a/g": 4, "b": 2}, temperature=temperature))
    assert sorted(decision.scores["rank"]) == list(range(1, len(rows) + 1))
    assert len(chosen(decision)) == min(size, len(rows))
    assert set(decision.scores.filter(pl.col("rank") <= size)["id"]) == set(chosen(decision))
