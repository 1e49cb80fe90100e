import numpy as np
import polars as pl
import pytest

from evaluate.loop import attribution

UNIT = {"east": [1.0, 0.0], "north": [0.0, 1.0], "north-east": [0.6, 0.8], "west": [-1.0, 0.0]}


def frame(name, rows):
    vectors = pl.Series("vector", [UNIT[where] for _, where in rows], dtype=pl.Array(pl.Float32, 2))
    return pl.DataFrame({name: [one for one, _ in rows]}, schema={name: pl.String}).with_columns(vectors)


KEPT = frame("id", [("bread", "east"), ("stars", "north"), ("tides", "west")])
PROMPTS = frame("prompt_id", [("p1", "east"), ("p2", "north-east")])


def test_a_prompt_is_traced_to_its_nearest_training_examples():
    found = attribution.trace(PROMPTS, KEPT, KEPT.clear(), 2)
    assert found.taught.select("prompt_id", "id", "place").rows() == [
        ("p1", "bread", 1),
        ("p1", "stars", 2),
        ("p2", "stars", 1),
        ("p2", "bread", 2),
    ]
    assert found.taught["cosine"].to_list() == pytest.approx([1, 0, 0.8, 0.6])
    assert found.nearer.is_empty()


def test_what_was_dropped_counts_where_it_is_nearer_than_everything_that_is_taught():
    dropped = frame("id", [("moon", "north-east"), ("flour", "east")])
    found = attribution.trace(PROMPTS, KEPT, dropped, 1)
    # As near as what is taught is not nearer.
    assert found.nearer.select("prompt_id", "id").rows() == [("p2", "moon")]


def test_more_neighbours_than_there_are_examples_are_all_of_them():
    assert attribution.trace(PROMPTS, KEPT, KEPT.clear(), 10).taught.height == 6


def judged(*rows):
    return attribution.outcomes(pl.DataFrame(rows, schema=["prompt_id", "value"], orient="row"), 0.5)


def test_won_and_lost_lie_on_the_two_sides_of_the_threshold():
    assert judged(("a", 0.7), ("b", 0.5), ("c", 0.2))["outcome"].to_list() == ["won", "even", "lost"]


TAUGHT = pl.DataFrame(
    [("a", "bread"), ("a", "tides"), ("c", "stars"), ("c", "tides"), ("d", "stars"), ("d", "bread")],
    schema=["prompt_id", "id"],
    orient="row",
)
TRAITS = pl.DataFrame({"id": ["bread", "stars", "tides", "rest"], "source": ["wiki", "forum", "wiki", "wiki"]})


def test_leanings_are_mean_shares_of_the_neighbourhoods_of_won_and_lost_prompts():
    found = attribution.leanings(TAUGHT, TRAITS, judged(("a", 1.0), ("b", 0.5), ("c", 0.0), ("d", 0.1)))
    rows = {row["trait"]: row for row in found.to_dicts()}
    # Won: a has wiki twice. Lost: c and d have one wiki and one forum each.
    assert (rows["wiki"]["won"], rows["wiki"]["lost"], rows["wiki"]["set"]) == (1.0, 0.5, 0.75)
    assert (rows["forum"]["won"], rows["forum"]["lost"]) == (0.0, 0.5)
    assert rows["wiki"]["difference"] == 0.5
    # Every resample of one won prompt and of two equal lost ones is the same.
    assert (rows["wiki"]["low"], rows["wiki"]["high"]) == (0.5, 0.5)


def test_the_interval_of_a_leaning_covers_no_difference_where_there_is_none():
    generator = np.random.default_rng(0)
    prompts = [f"p{number:03}" for number in range(60)]
    near = pl.DataFrame({"prompt_id": prompts, "id": generator.choice(["bread", "stars"], 60).tolist()})
    values = judged(*zip(prompts, generator.random(60).tolist(), strict=True))
    row = attribution.leanings(near, TRAITS, values).filter(pl.col("trait") == "wiki").to_dicts()[0]
    assert row["low"] < 0 < row["high"]


def test_without_a_won_prompt_there_is_no_difference_to_speak_of():
    row = attribution.leanings(TAUGHT, TRAITS, judged(("c", 0.0), ("d", 0.1))).to_dicts()[0]
    assert (row["won"], row["difference"], row["low"]) == (None, None, None)


def test_a_rule_is_named_with_the_lost_prompts_whose_nearest_candidate_it_dropped():
    nearer = pl.DataFrame(
        [("c", "moon", 0.9), ("c", "mars", 0.8), ("d", "moon", 0.9)],
        schema=["prompt_id", "id", "cosine"],
        orient="row",
    )
    rules = pl.DataFrame({"id": ["moon", "mars", "mars"], "rule": ["min_chars", "min_chars", "sarcasm"]})
    found = attribution.crowded_out(nearer, rules, judged(("a", 1.0), ("c", 0.0), ("d", 0.1)))
    assert found.select("trait", "won", "lost", "candidates").rows() == [
        ("min_chars", 0.0, 1.0, 2),
        ("sarcasm", 0.0, 0.5, 1),
    ]


def test_suggestions_begin_with_the_worst_prompt_and_name_an_example_once():
    dropped = frame("id", [("moon", "north-east")])
    traced = attribution.trace(PROMPTS, KEPT, dropped, 2)
    found = attribution.suggestions(traced, judged(("p1", 0.4), ("p2", 0.1)))
    assert found.select("id", "prompt_id", "why").rows() == [
        ("moon", "p2", "missing"),
        ("stars", "p2", "taught"),
        ("bread", "p2", "taught"),
    ]


def test_nothing_is_suggested_for_prompts_that_were_won():
    traced = attribution.trace(PROMPTS, KEPT, KEPT.clear(), 2)
    assert attribution.suggestions(traced, judged(("p1", 0.9), ("p2", 0.8))).is_empty()
