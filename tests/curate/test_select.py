"""Quotas, back-fill, temperature, ranks."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import recipe as recipes
from curate.build import build
from curate.diversity.shares import apportion
from curate.errors import ConfigError
from curate.record import EXAMPLE, conform
from curate.stages import select
from curate.stages.select import Settings


def pool(rows):
    """Rows `(id, source, group, stratum, score, response_chars)`, measured."""
    columns = ["id", "source", "group", "stratum", "score", "response_chars"]
    frame = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"score": pl.Int64})
    measured = frame.join(select.measure(frame, Settings()), on="id")
    return measured.with_columns(quality=pl.lit(None, pl.Float64), decision=pl.lit(None, pl.String))


def placed(points, worth, strata=None):
    """Examples `a`, `b`, ... on the unit circle at these angles in degrees, with a quality each."""
    ids = [chr(ord("a") + i) for i in range(len(points))]
    rows = [(id_, "s", "g", x, None, 1) for id_, x in zip(ids, strata or ["x"] * len(ids), strict=True)]
    angles = np.radians(points)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return pool(rows).with_columns(
        quality=pl.Series(worth, dtype=pl.Float64), vector=pl.Series(vectors, dtype=pl.Array(pl.Float32, 2))
    )


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


def kept_by_a_reviewer(frame, *ids):
    return frame.with_columns(decision=pl.when(pl.col("id").is_in(ids)).then(pl.lit("keep")))


def test_what_a_reviewer_kept_comes_first_whatever_its_votes_and_the_size_stays():
    rows = [(id_, "s", "g", "x", score, 1) for id_, score in zip("abcd", (9, 8, 7, 1), strict=True)]
    decision = select.decide(kept_by_a_reviewer(pool(rows), "d"), Settings(size=2))
    assert chosen(decision) == ["a", "d"]
    assert decision.scores.filter(pl.col("id") == "d")["rank"].to_list() == [1]


def test_a_stratum_has_the_places_that_what_reviewers_kept_of_it_needs():
    """Six places over strata of six and three are four and two; three are kept of the smaller one."""
    rows = [(f"a{i}", "s", "g", "x", 5, 1) for i in range(6)] + [(f"b{i}", "s", "g", "y", 5, 1) for i in range(3)]
    assert [id_[0] for id_ in chosen(select.decide(pool(rows), Settings(size=6)))] == ["a"] * 4 + ["b"] * 2
    decision = select.decide(kept_by_a_reviewer(pool(rows), "b0", "b1", "b2"), Settings(size=6))
    assert [id_[0] for id_ in chosen(decision)] == ["a"] * 3 + ["b"] * 3


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


CHOOSERS = ["facility_location", "mix", "k_center", "deita", "novelselect", "kmeans", "dpp"]


@pytest.mark.parametrize("order", CHOOSERS)
def test_every_chooser_fills_the_strata_and_reports_gains(order):
    frame = placed([0, 20, 40, 60, 80, 100, 120, 140], [3, 1, 4, 1, 5, 9, 2, 6], list("xxxxyyyy"))
    decision = select.decide(frame, Settings(size=2, order=order, clip=0, threshold=0.99))
    strata = dict(frame.select("id", "stratum").iter_rows())
    assert sorted(strata[id_] for id_ in chosen(decision)) == ["x", "y"]
    gains = dict(decision.scores.select("id", "gain").iter_rows())
    assert {id_ for id_, gain in gains.items() if gain is not None} == set(chosen(decision))
    assert decision.verdicts["value"].sort().to_list() == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("order", CHOOSERS)
def test_the_order_of_rows_decides_nothing(order):
    frame = placed([0, 20, 40, 60, 80, 100, 120, 140], [3, 1, 4, 1, 5, 9, 2, 6], list("xxxxyyyy"))
    settings = Settings(size=4, order=order)
    one, two = select.decide(frame, settings), select.decide(frame.reverse(), settings)
    assert one.scores.equals(two.scores)
    assert one.verdicts.sort("id").equals(two.verdicts.sort("id"))


def test_deita_drops_the_twin_of_a_better_one_and_keeps_the_better_one():
    """distilabel's DeitaFiltering looks for neighbours in the whole pool and would drop both of the twins a and b."""
    decision = select.decide(placed([0, 5, 90], [1, 2, 3]), Settings(order="deita"))
    assert chosen(decision) == ["b", "c"]
    row = decision.verdicts.row(0, named=True)
    assert (row["id"], row["rule"], row["other"]) == ("a", "too_similar", "b")
    assert (row["value"], row["limit"]) == (0.9962, 0.9)


def test_deita_takes_what_a_reviewer_kept_and_refuses_what_is_too_similar_to_it():
    frame = placed([0, 5, 90, 180], [1, 9, 3, 2])
    decision = select.decide(kept_by_a_reviewer(frame, "a"), Settings(order="deita", size=3))
    assert chosen(decision) == ["a", "c", "d"]
    assert decision.verdicts.select("id", "rule", "other").rows() == [("b", "too_similar", "a")]


@pytest.mark.parametrize("order", CHOOSERS)
def test_every_chooser_fills_the_places_that_reviewers_left(order):
    angles = [0, 20, 41, 63, 90, 118, 150, 180]
    frame = kept_by_a_reviewer(placed(angles, range(1, 9), "xxxxyyyy"), "a", "b", "h")
    settings = Settings(size=4, order=order, clip=0, threshold=0.999)
    decision = select.decide(frame, settings)
    assert set("abh") < set(chosen(decision))
    assert len(chosen(decision)) == 4
    gains = dict(decision.scores.select("id", "gain").iter_rows())
    assert [gains[id_] for id_ in "abh"] == [None] * 3
    # Where all that is kept has no room, the best of it stays, and nothing else.
    both = select.decide(frame, settings.model_copy(update={"size": 2}))
    assert set(chosen(both)) < set("abh")


def test_a_place_that_only_twins_could_take_stays_free():
    frame = placed([0, 1, 2, 90], [4, 3, 2, 1], ["x", "x", "x", "y"])
    decision = select.decide(frame, Settings(size=3, order="deita", temperature=1))
    assert chosen(decision) == ["a", "d"]
    assert decision.scores.sort("rank")["id"].to_list()[:2] == ["a", "d"]


def test_a_looser_threshold_lets_twins_in():
    frame = placed([0, 5, 90], [1, 2, 3])
    assert chosen(select.decide(frame, Settings(order="deita", threshold=0.999))) == ["a", "b", "c"]


def test_the_worst_are_clipped_before_an_outlier_lover_chooses():
    """k-center would take the outlier d; as the quarter of lowest quality it is left out first."""
    frame = placed([0, 10, 20, 180], [4, 3, 2, 1])
    wild = select.decide(frame, Settings(size=2, order="k_center", clip=0))
    tame = select.decide(frame, Settings(size=2, order="k_center", clip=0.25))
    assert "d" in chosen(wild)
    assert "d" not in chosen(tame)


def test_clipped_examples_still_fill_places_that_nobody_else_can():
    decision = select.decide(placed([0, 10, 180], [3, 2, 1], ["x", "x", "y"]), Settings(size=3, order="dpp", clip=0.34))
    assert chosen(decision) == ["a", "b", "c"]


def test_alpha_moves_the_mix_from_quality_to_coverage():
    """b covers all three best; c is the best example."""
    frame = placed([0, 30, 60], [1, 2, 3])
    assert chosen(select.decide(frame, Settings(size=1, order="mix", alpha=1))) == ["b"]
    assert chosen(select.decide(frame, Settings(size=1, order="mix", alpha=0))) == ["c"]


def test_quality_orders_by_quality_and_by_votes_where_none_was_measured():
    frame = placed([0, 30, 60], [1, 3, 2])
    assert chosen(select.decide(frame, Settings(size=1, order="quality"))) == ["b"]
    votes = frame.with_columns(quality=pl.lit(None, pl.Float64), score=pl.Series([7, 5, 9]))
    assert chosen(select.decide(votes, Settings(size=1, order="quality"))) == ["c"]


def test_votes_of_two_sources_are_compared_by_percentile():
    rows = [("a", "big", "g", "x", 900, 1), ("b", "big", "g", "x", 100, 1), ("c", "tiny", "g", "x", 2, 1)]
    rows += [("d", "mute", "g", "x", None, 1), ("e", "half", "g", "x", None, 1), ("f", "half", "g", "x", 3, 1)]
    worth = select._with_worth(pool(rows), Settings())["worth"].to_list()
    assert worth == [1.0, 0.5, 1.0, 0.5, None, 1.0]


@pytest.mark.parametrize("order", ["quality", "mix", "deita", "k_center", "dpp"])
def test_an_order_that_needs_quality_says_so_where_there_is_none(order):
    frame = placed([0, 30], [1, 2]).with_columns(quality=pl.lit(None, pl.Float64))
    with pytest.raises(ConfigError, match=f"select.order: {order} needs to know good examples from bad"):
        select.decide(frame, Settings(size=1, order=order))
    if order in ("k_center", "dpp"):
        assert len(chosen(select.decide(frame, Settings(size=1, order=order, clip=0)))) == 1


@pytest.mark.parametrize("order", CHOOSERS)
def test_an_empty_pool_is_no_trouble_for_a_chooser(order):
    assert select.decide(placed([0], [1]).head(0), Settings(size=3, order=order)).scores.is_empty()


@pytest.mark.parametrize("order", [order for order in CHOOSERS if order != "deita"])
def test_where_all_can_stay_all_stay(order):
    assert len(chosen(select.decide(placed([0, 30, 60], [1, 2, 3]), Settings(order=order)))) == 3


def test_vectors_are_made_only_where_they_are_wanted(monkeypatch):
    calls = []

    def column(texts, settings):
        calls.append(texts.to_list())
        return pl.Series("vector", [[1.0, 0.0]] * len(texts), dtype=pl.Array(pl.Float32, 2))

    monkeypatch.setattr(select.embed, "column", column)
    shard = conform(pl.DataFrame({"id": ["a"], "prompt": ["Why?"], "response": ["So."]}), EXAMPLE)
    assert select.measure(shard, Settings())["vector"].null_count() == 1
    assert not calls
    for settings in (Settings(diversity=True), Settings(order="kmeans", of="response")):
        assert select.measure(shard, settings)["vector"].null_count() == 0
    select.measure(shard, Settings(diversity=True, of="conversation"))
    assert calls == [["Why?"], ["So."], ["Why?\n\nSo."]]


def test_what_is_measured_depends_on_the_model_only_where_vectors_are_wanted(monkeypatch):
    monkeypatch.setattr(select.embed, "fingerprint", lambda settings: settings.model)
    assert select.measured_by(Settings()) == [1, None]
    assert select.measured_by(Settings(order="dpp", of="response", seed=2))[:1] == [2]
    assert select.measured_by(Settings(order="dpp")) != select.measured_by(Settings(order="dpp", of="response"))


def test_a_build_chooses_by_what_the_texts_say(shared_data, tmp_path, monkeypatch):
    """Six questions on two subjects, in one file; two places: one of each subject, whatever their votes."""
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    ask = ["How do I bake bread?", "How do I bake a loaf of bread at home?", "What flour is best for baking bread?"]
    ask += ["How do I train a neural network?", "What is a deep neural network?", "Which neural network learns best?"]
    rows = [{"instruction": prompt, "output": f"Answer {n}. " + "It depends. " * 9} for n, prompt in enumerate(ask)]
    (tmp_path / "asked.json").write_text(json.dumps(rows))
    model = shared_data("models/potion_base_4m_int8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: asked\nsources:\n  asked: {kind: instructions, path: asked.json}\n"
        f"select: {{size: 2, order: facility_location, encoder: {{model: {model}}}}}\n"
    )
    build(recipes.load(str(recipe)), tmp_path / "run")
    kept = [json.loads(line)["messages"][0]["content"] for line in (tmp_path / "run/dataset.jsonl").open()]
    assert sorted("bread" in prompt for prompt in kept) == [False, True]
