"""Duplicates by meaning: the stage. What is a twin of what is tested in test_cosine.py."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from curate import embed
from curate.config import load
from curate.duplicates import cosine
from curate.errors import ConfigError
from curate.record import VERDICT, examples
from curate.stages import meaning
from curate.stages.meaning import Settings

ON = Settings(threshold=0.8)
COLUMNS = ["id", "rule", "value", "limit", "other", "detail"]


def at(degrees):
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


@pytest.fixture
def by_first_word(monkeypatch):
    """An encoder whose vector of a text points at as many degrees as its first word says; anything else is at 0."""

    def vectors(texts, settings):
        firsts = [text.split()[0] if text.split() else "" for text in texts]
        return np.array([at(float(word) if word.isdigit() else 0) for word in firsts], np.float32).reshape(-1, 2)

    def column(texts, settings):
        return pl.Series("text", vectors(texts, settings), dtype=pl.Array(pl.Float32, 2))

    monkeypatch.setattr(embed, "vectors", vectors)
    monkeypatch.setattr(embed, "column", column)
    monkeypatch.setattr(embed, "fingerprint", lambda settings: settings.model)


def rows(*prompts, response="r"):
    return examples("s", [{"key": str(i), "prompt": prompt, "response": response} for i, prompt in enumerate(prompts)])


def corpus(*table):
    """Rows of id, source, score and degrees (None: a blank text)."""
    ids, sources, scores, degrees = zip(*table, strict=True) if table else ((), (), (), ())
    vectors = [None if angle is None else at(angle) for angle in degrees]
    return pl.DataFrame(
        {"id": ids, "source": sources, "score": scores, "vector": vectors},
        schema={"id": pl.String, "source": pl.String, "score": pl.Int64, "vector": pl.Array(pl.Float32, 2)},
    ).with_columns(
        response_chars=pl.lit(1),
        quality=pl.lit(None, pl.Float64),
        decision=pl.lit(None, pl.String),
        against_key=pl.lit(None, pl.String),
        against_similarity=pl.lit(None, pl.Float64),
    )


def dropped(decision):
    return decision.verdicts.select("id", "rule", "value", "limit", "other").sort("id").rows()


def kept_by_a_reviewer(table, *ids):
    return table.with_columns(decision=pl.when(pl.col("id").is_in(ids)).then(pl.lit("keep")))


def test_what_a_reviewer_kept_is_the_best_of_its_twins_and_stays_beside_another_one():
    """b is like a; c, which is like b alone, gives way to b too. d resembles a set that was published before."""
    table = corpus(("a", "s", 9, 0), ("b", "s", 1, 30), ("c", "s", 5, 60), ("d", "s", 3, 180)).with_columns(
        against_key=pl.when(pl.col("id") == "d").then(pl.lit("other: 1")),
        against_similarity=pl.when(pl.col("id") == "d").then(0.9),
    )
    assert [row[0] for row in dropped(meaning.decide(table, ON))] == ["b", "d"]
    decision = meaning.decide(kept_by_a_reviewer(table, "a", "b", "d"), ON)
    # What speaks against b and d is said all the same: the build puts it aside.
    assert [(row[0], row[1], row[4]) for row in dropped(decision)] == [
        ("b", "same_meaning", "a"),
        ("c", "same_meaning", "b"),
        ("d", "same_meaning_reference", None),
    ]
    clusters = dict(decision.scores.select("id", "meaning_cluster").iter_rows())
    assert clusters == {"a": None, "b": "b", "c": "b", "d": None}
    assert [row[0] for row in dropped(meaning.decide(kept_by_a_reviewer(table, "b"), ON))] == ["a", "c", "d"]


def test_while_off_nothing_is_embedded_and_nobody_leaves():
    measured = meaning.measure(rows("a", "b"), Settings())
    assert measured.null_count().row(0) == (0, 2, 2, 2)
    table = corpus(("1", "s", 1, 0), ("2", "s", 1, 0)).with_columns(vector=pl.lit(None))
    decision = meaning.decide(table, Settings())
    assert decision.verdicts.schema == VERDICT
    assert decision.verdicts.is_empty()
    assert decision.scores.rows() == [("1", None, None, None), ("2", None, None, None)]
    assert meaning.measured_by(Settings(of="response")) == meaning.measured_by(Settings())


def test_while_off_no_model_is_loaded():
    code = (
        "import sys; from tests.curate.test_meaning import *; meaning.measure(rows('a'), Settings());"
        "meaning.decide(corpus(), Settings()); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numba", "transformers", "sentence_transformers"} & set(loaded)


def test_the_best_scored_of_a_group_stays_and_the_others_name_it():
    table = corpus(("1", "s", 3, 0), ("2", "s", 7, 10), ("3", "s", None, 20), ("4", "s", 1, 90))
    decision = meaning.decide(table, ON)
    # cos 10° = 0.98481
    assert dropped(decision) == [
        ("1", "same_meaning", 0.9848, 0.8, "2"),
        ("3", "same_meaning", 0.9848, 0.8, "2"),
    ]
    assert decision.scores.rows() == [
        ("1", "2", 0.9848, 1.0),
        ("2", "2", None, 1.0),
        ("3", "2", 0.9848, 1.0),
        ("4", None, None, 1.0),
    ]


def test_there_is_no_chaining():
    table = corpus(("1", "s", 9, 0), ("2", "s", 8, 30), ("3", "s", 7, 60))
    assert [(row[0], row[4]) for row in dropped(meaning.decide(table, ON))] == [("2", "1")]


def test_ties_go_to_the_preferred_source_then_the_smallest_id():
    table = corpus(("1", "web", 3, 0), ("2", "human", 3, 0), ("3", "human", 3, 0))
    assert {row[4] for row in dropped(meaning.decide(table, ON.model_copy(update={"prefer": ("human", "web")})))} == {
        "2"
    }
    assert {row[4] for row in dropped(meaning.decide(table, ON))} == {"1"}


def test_the_longest_answer_stays_where_the_recipe_says_so():
    table = corpus(("1", "s", 3, 0), ("2", "s", 7, 0)).with_columns(response_chars=pl.Series([90, 10]))
    assert dropped(meaning.decide(table, Settings(threshold=0.8, best="longest")))[0][4] == "1"


def test_the_threshold_decides():
    table = corpus(("1", "s", 3, 0), ("2", "s", 2, 30))
    assert len(dropped(meaning.decide(table, Settings(threshold=0.86)))) == 1
    assert len(dropped(meaning.decide(table, Settings(threshold=0.87)))) == 0


def test_the_order_of_rows_changes_nothing():
    table = corpus(*((f"{i:02}", "s", i % 5, 7 * i % 90) for i in range(40)))
    one, two = (meaning.decide(frame, ON) for frame in (table, table.sample(fraction=1, shuffle=True, seed=1)))
    assert 0 < one.verdicts.height < 40
    assert one.verdicts.sort("id").equals(two.verdicts.sort("id"))
    assert one.scores.equals(two.scores)


def test_blank_texts_are_duplicates_of_one_another_and_of_nothing_else(by_first_word):
    measured = meaning.measure(rows("short", " \n", ""), ON)
    assert measured["vector"].is_null().to_list() == [False, True, True]
    # A model has a vector for the empty text too; here it would equal that of `short`.
    table = corpus(("1", "s", 3, 0), ("2", "s", 2, None), ("3", "s", 1, None))
    assert dropped(meaning.decide(table, ON)) == [("3", "same_meaning", 1.0, 0.8, "2")]


def test_a_set_without_rows_and_a_set_of_blank_texts_have_no_verdict(by_first_word):
    assert meaning.decide(corpus(), ON).verdicts.is_empty()
    assert meaning.decide(corpus(("1", "s", 1, None)), ON).scores.rows() == [("1", None, None, 1.0)]
    empty = meaning.measure(rows(), ON)
    assert empty.schema == meaning.measure(rows("a"), ON).schema


def test_the_named_text_is_embedded(by_first_word):
    shard = rows("0 a", "90 b", response="45 c")
    vectors = meaning.measure(shard, ON)["vector"].to_numpy()
    assert vectors.round(3).tolist() == np.array([at(0), at(90)], np.float32).round(3).tolist()
    vectors = meaning.measure(shard, Settings(threshold=0.8, of="response"))["vector"].to_numpy()
    assert vectors.round(3).tolist() == np.array([at(45), at(45)], np.float32).round(3).tolist()
    assert len({json.dumps(meaning.measured_by(Settings(threshold=0.8, of=of))) for of in ("prompt", "response")}) == 2


def test_only_ours_leaves_where_it_means_the_same_as_one_of_theirs(by_first_word, tmp_path):
    theirs = tmp_path / "theirs.json"
    records = [{"instruction": text, "output": "x"} for text in ("80 far", "10 near", " ")]
    theirs.write_text(json.dumps(records))
    settings = Settings(threshold=0.8, against=(theirs,))
    measured = meaning.measure(rows("0 ours", "", "40 ours too"), settings)
    assert measured.select("against_key", "against_similarity").rows() == [
        ("theirs.json: theirs.json:2", 0.984808),
        (None, None),
        ("theirs.json: theirs.json:2", 0.866025),
    ]
    table = corpus(("1", "s", 9, 0), ("2", "s", 8, None), ("3", "s", 7, 25)).with_columns(
        measured.select("against_key", pl.Series("against_similarity", [0.984808, None, 0.79]))
    )
    decision = meaning.decide(table, settings)
    # 3 resembles 1, but 1 leaves and speaks for nobody.
    assert decision.verdicts.select(COLUMNS).rows() == [
        ("1", "same_meaning_reference", 0.9848, 0.8, None, "theirs.json: theirs.json:2")
    ]


def test_a_changed_set_is_read_again(by_first_word, tmp_path):
    theirs = tmp_path / "theirs.json"
    settings = Settings(threshold=0.8, against=(theirs,))
    for angle, similarity in ((10, 0.984808), (60, 0.5)):
        theirs.write_text(json.dumps([{"instruction": f"{angle} {'x' * angle}", "output": "x"}]))
        assert meaning.measure(rows("0 ours"), settings)["against_similarity"].to_list() == [similarity]


def test_above_exact_rows_the_measured_recall_is_stated(monkeypatch):
    search = cosine.representatives

    def rough(vectors, threshold, *, exact_rows, held):
        return search(vectors, threshold)._replace(recall=0.98765 if len(vectors) > exact_rows else 1.0)

    monkeypatch.setattr(cosine, "representatives", rough)
    table = corpus(("1", "s", 1, 0), ("2", "s", 1, 90))
    for exact_rows, stated in ((2, 1.0), (1, 0.9877)):
        scores = meaning.decide(table, Settings(threshold=0.8, exact_rows=exact_rows)).scores
        assert scores["meaning_recall"].to_list() == [stated, stated]


def test_a_recall_that_cannot_be_measured_is_null():
    decision = meaning.decide(corpus(("1", "s", 1, 0), ("2", "s", 1, 90)), Settings(threshold=0.8, exact_rows=0))
    assert decision.scores["meaning_recall"].to_list() == [None, None]


def test_a_threshold_outside_0_to_1_is_refused(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("threshold: 80")
    with pytest.raises(ConfigError, match="less than or equal to 1"):
        load(recipe, Settings)


def test_a_real_model_finds_the_reworded_prompt(shared_data):
    model = shared_data("models/potion_base_4m_int8")
    settings = Settings(threshold=0.6, encoder=embed.Settings(model=str(model)))
    shard = rows(
        "How do I bake a chocolate cake?", "Explain how to bake a chocolate cake.", "Write a poem about the sea."
    )
    measured = meaning.measure(shard, settings)
    undecided = {"quality": pl.lit(None, pl.Float64), "decision": pl.lit(None, pl.String)}
    table = measured.with_columns(shard["source"], shard["score"], response_chars=pl.lit(1), **undecided)
    decision = meaning.decide(table, settings)
    assert decision.verdicts.height == 1
    assert set(decision.verdicts.select("id", "other").row(0)) == set(shard["id"][:2])
