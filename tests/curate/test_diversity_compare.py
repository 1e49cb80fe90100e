"""All measures of several sets, with intervals."""

import numpy as np
import polars as pl
import pytest

from curate.diversity import compare as module
from curate.diversity.compare import MEASURES, SCHEMA, compare, of_mean, of_whole


@pytest.fixture(scope="module")
def pool():
    """Two hundred examples in ten clusters: 50 words each, of a vocabulary that grows with the row."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, 16))
    vectors = (centres[np.arange(200) % 10] + 0.2 * rng.standard_normal((200, 16))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    letters = np.array(list("abcdefghij"))
    texts = [" ".join("".join(letters[rng.integers(0, 10, 2)]) for _ in range(60)) for _ in range(200)]
    prompts = [f"Write a {noun}." for noun in ("poem", "story", "letter", "song")] * 50
    frame = pl.DataFrame(
        {"prompt": prompts, "response": texts, "source": "s", "stratum": [f"{i % 10}" for i in range(200)]}
    )
    return vectors, frame


def value(table, name, measure):
    return table.filter((pl.col("set") == name) & (pl.col("measure") == measure)).row(0, named=True)


def test_a_spread_set_beats_one_of_a_single_cluster(pool):
    vectors, frame = pool
    spread, narrow = np.arange(20), np.arange(0, 200, 10)
    table = compare(vectors, frame, {"chosen": spread, "random": narrow})
    assert table.schema == SCHEMA
    assert table["measure"].to_list() == [*MEASURES, *MEASURES]
    for measure in ("vendi", "coverage", "nearest_neighbour", "strata_entropy"):
        one, two = value(table, "chosen", measure), value(table, "random", measure)
        assert one["low"] > (two["high"] if two["high"] is not None else two["value"]), measure
    assert value(table, "chosen", "verb_noun_pairs")["value"] == 4
    assert value(table, "chosen", "nearest_neighbour_min")["low"] is None


def test_the_interval_holds_the_value(pool):
    table = compare(*pool, {"all": np.arange(200)}).drop_nulls("low")
    assert table.filter((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high"))).height == table.height


def test_the_same_seed_gives_the_same_table_and_sets_do_not_touch_each_other(pool):
    one, two = np.arange(30), np.arange(30, 60)
    both = compare(*pool, {"one": one, "two": two})
    assert both.equals(compare(*pool, {"one": one, "two": two}))
    assert both.filter(pl.col("set") == "two").equals(compare(*pool, {"two": two}))
    assert not both.equals(compare(*pool, {"one": one, "two": two}, seed=2))


def test_without_vectors_the_words_are_measured_all_the_same(pool):
    table = compare(None, pool[1], {"all": np.arange(9)})
    assert table["measure"].to_list() == list(MEASURES)[5:]


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_set_and_a_set_of_one_have_rows_and_no_false_figures(pool, n):
    table = compare(*pool, {"tiny": np.arange(n)})
    assert table.height == len(MEASURES)
    assert value(table, "tiny", "nearest_neighbour")["value"] is None
    assert value(table, "tiny", "vendi")["value"] == (1 if n else None)


def test_the_intervals_have_the_width_that_theory_says():
    """The mean of 400 values of standard deviation 1 has a standard error of 0.05; so has it when seen as a whole."""
    values = np.random.default_rng(3).standard_normal(400) + 10
    values = (values - values.mean()) / values.std() + 10
    by_rows = of_mean(values, np.random.default_rng(1))
    by_halves = of_whole(lambda rows: float(values[rows].mean()), 400, np.random.default_rng(1))
    for figure in (by_rows, by_halves):
        assert figure.value == pytest.approx(10)
        assert figure.high - figure.low == pytest.approx(2 * 1.96 * 0.05, rel=0.3)


def test_a_large_set_has_its_novelsum_taken_from_a_sample(pool, monkeypatch):
    whole = value(compare(*pool, {"all": np.arange(200)}), "all", "novelsum")["value"]
    monkeypatch.setattr(module, "NOVELSUM_ROWS", 120)
    sample = value(compare(*pool, {"all": np.arange(200)}), "all", "novelsum")["value"]
    assert sample != whole
    assert sample == pytest.approx(whole, rel=0.15)
