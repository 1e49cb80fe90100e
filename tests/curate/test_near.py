"""Near duplicates as a stage: what is measured, who stays, what the verdicts say, what each setting changes."""

import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from curate import record
from curate.errors import InputError
from curate.record import VERDICT
from curate.stages import near

SKY = "The sky is blue because air scatters the short waves of sunlight far more than it scatters the long ones"
SKY_TOO = SKY.replace("far more", "much more")
SOUP = "Cut the onions, fry them in butter until they are brown, add broth and let it simmer for an hour"


def examples(*rows):
    """Frames of rows (key, prompt, response) with columns of later use: source, score."""
    given = [
        {"key": key, "prompt": prompt, "response": response, "score": 0, **more}
        for key, prompt, response, *rest in rows
        for more in [rest[0] if rest else {}]
    ]
    return record.examples("s", given)


def decided(frame, settings, measured=None):
    """The verdicts by key, as (rule, key of other, value, limit, detail), and the scores by key."""
    measured = near.measure(frame, settings) if measured is None else measured
    known = frame.select("id", "source", "score", response_chars=pl.col("response").str.len_chars())
    undecided = {"quality": pl.lit(None, pl.Float64), "decision": pl.lit(None, pl.String)}
    corpus = known.with_columns(**undecided).hstack(measured.drop("id"))
    decision = near.decide(corpus.select("id", *near.NEEDS), settings)
    assert decision.verdicts.schema == VERDICT
    keys = dict(frame.select("id", "key").iter_rows()) | {None: None}
    rows = decision.verdicts.sort("id", "rule").to_dicts()
    by_key = {}
    for row in rows:
        found = (row["rule"], keys[row["other"]], row["value"], row["limit"], row["detail"])
        by_key.setdefault(keys[row["id"]], []).append(found)
    scores = {keys[i]: (keys[cluster], value) for i, cluster, value in decision.scores.iter_rows()}
    return by_key, scores


LOW = near.Settings(threshold=0.5)
ROWS = examples(("a", "Why?", SKY, {"score": 3}), ("b", "Why?", SKY_TOO, {"score": 9}), ("c", "Soup?", SOUP))


def test_of_two_near_examples_the_better_scored_stays():
    verdicts, scores = decided(ROWS, LOW)
    # 17 shingles each (prompt word and 20 words), 5 of which have the changed word: 12 in common of 22.
    assert verdicts == {"a": [("near_duplicate", "b", 12 / 22, 0.5, None)]}
    assert scores == {"a": ("b", 12 / 22), "b": ("b", None), "c": (None, None)}


def test_what_a_reviewer_kept_is_the_best_of_its_twins_and_stays_beside_another_one():
    decision = near.decide(corpus_of(ROWS, LOW).with_columns(decision=pl.lit("keep")), LOW)
    # a, with fewer votes, is like b: that is said, though both stay, and each stands for itself.
    keys = dict(ROWS.select("id", "key").iter_rows())
    assert [(keys[id_], keys[other]) for id_, other in decision.verdicts.select("id", "other").iter_rows()] == [
        ("a", "b")
    ]
    assert decision.scores["near_cluster"].null_count() == 3
    alone = corpus_of(ROWS, LOW).with_columns(decision=pl.when(pl.col("score") == 3).then(pl.lit("keep")))
    verdicts = near.decide(alone, LOW).verdicts
    assert [(keys[id_], keys[other]) for id_, other in verdicts.select("id", "other").iter_rows()] == [("b", "a")]


def test_a_pair_at_the_threshold_is_near_and_one_above_is_not():
    assert "a" in decided(ROWS, near.Settings(threshold=12 / 22))[0]
    assert decided(ROWS, near.Settings(threshold=0.55))[0] == {}


def test_ties_go_to_the_preferred_source_then_to_the_smallest_id():
    one, other = (record.examples(name, [{"key": "1", "prompt": "Why?", "response": SKY}]) for name in ("x", "y"))
    frame = pl.concat([one, other])
    for prefer in (("x",), ("y",)):
        settings = near.Settings(prefer=prefer)
        decision = near.decide(corpus_of(frame, settings), settings)
        kept = frame.filter(pl.col("source") == prefer[0])["id"][0]
        assert decision.verdicts["other"].to_list() == [kept]
    decision = near.decide(corpus_of(frame, near.Settings()), near.Settings())
    assert decision.verdicts["other"].to_list() == [min(frame["id"])]


def corpus_of(frame, settings):
    known = frame.select("id", "source", "score", response_chars=pl.col("response").str.len_chars())
    undecided = {"quality": pl.lit(None, pl.Float64), "decision": pl.lit(None, pl.String)}
    corpus = known.with_columns(**undecided).hstack(near.measure(frame, settings).drop("id"))
    return corpus.select("id", *near.NEEDS)


def test_the_order_and_the_shards_of_the_corpus_make_no_difference():
    settings = near.Settings(threshold=0.5, novelty=0.7)
    whole = near.measure(ROWS, settings)
    assert_frame_equal(whole, pl.concat([near.measure(ROWS[:1], settings), near.measure(ROWS[1:], settings)]))
    corpus = corpus_of(ROWS, settings)
    one, other = (near.decide(rows, settings) for rows in (corpus, corpus.reverse()))
    assert_frame_equal(one.verdicts.sort("id", "rule"), other.verdicts.sort("id", "rule"))
    assert_frame_equal(one.scores.sort("id"), other.scores.sort("id"))


@pytest.mark.parametrize(
    ("setting", "rows", "default", "changed"),
    [
        ({"of": "response"}, [("a", "Why is the sky blue?", SKY), ("b", "I want to know all of it", SKY)], False, True),
        ({"of": "prompt"}, [("a", SKY, "One."), ("b", SKY, SOUP)], False, True),
        ({"threshold": 0.9}, [("a", "Why?", SKY), ("b", "Why?", f"{SKY} of it")], True, False),
        ({"threshold": None}, [("a", "Why?", SKY), ("b", "Why?", SKY)], True, False),
        ({"n": 1}, [("a", "Why?", SKY), ("b", "Why?", SKY_TOO)], False, True),
        ({"ngram": "char"}, [("a", "Why?", SKY), ("b", "Why?", SKY_TOO)], False, True),
        ({"digits": "fold"}, [("a", "1 + 2 = ?", "It is 3 of course"), ("b", "2 + 2 = ?", "It is 4 of course")], False, True),
    ],
)  # fmt: skip
def test_each_setting_of_the_text_decides_what_is_near(setting, rows, default, changed):
    frame = examples(*rows)
    for settings, expected in ((near.Settings(), default), (near.Settings(**setting), changed)):
        assert bool(decided(frame, settings)[0]) == expected
    assert near.measured_by(near.Settings(**setting)) != near.measured_by(near.Settings()) or "threshold" in setting


@pytest.mark.parametrize("setting", [{"permutations": 64}, {"seed": 2}, {"hash": "xxh32"}])
def test_each_setting_of_the_signature_changes_it(setting):
    settings = near.Settings(**setting)
    assert (
        near.measure(ROWS, settings)["signature"].to_list()
        != near.measure(ROWS, near.Settings())["signature"].to_list()
    )
    assert near.measured_by(settings) != near.measured_by(near.Settings())
    assert decided(ROWS, near.Settings(threshold=0.5, **setting))[0].keys() == {"a"}


def test_a_lower_recall_may_miss_pairs_that_a_higher_one_finds():
    """With a target of 0.01 at 0.5 there is one band: near pairs are found seldom."""
    pairs = [(f"{i}{which}", f"{i}?", f"{SKY if which == 'x' else SKY_TOO} {i}") for i in range(40) for which in "xy"]
    frame = examples(*pairs)
    found = [len(decided(frame, near.Settings(threshold=0.45, recall=recall))[0]) for recall in (0.01, 0.999)]
    assert found[0] < found[1]


def test_the_limits_move_without_measuring_again():
    assert near.measured_by(LOW) == near.measured_by(near.Settings(threshold=0.7, recall=0.9, best="longest"))
    assert near.measured_by(near.Settings(novelty=0.5)) == near.measured_by(near.Settings(novelty=0.7))


def test_best_says_which_copy_stays():
    frame = examples(("a", "Why?", SKY, {"score": 3}), ("b", "Why?", f"{SKY}, yes", {"score": 1}))
    assert decided(frame, near.Settings())[0].keys() == {"b"}
    assert decided(frame, near.Settings(best="longest"))[0].keys() == {"a"}


def test_a_prompt_that_repeats_an_earlier_one_is_not_novel():
    """Alpaca's rule. ROUGE-L F of 'write a poem about the sea' and '... the old sea': 2 * 6 / 13."""
    frame = examples(
        ("a", "Write a poem about the sea.", "Waves.", {"score": 2}),
        ("b", "Write a poem about the old sea", "Foam and salt.", {"score": 1}),
        ("c", "Name three rivers", "Rhine, Rhône, Po."),
    )
    assert decided(frame, near.Settings())[0] == {}
    verdicts, scores = decided(frame, near.Settings(novelty=0.7))
    assert verdicts == {"b": [("not_novel", "a", 12 / 13, 0.7, None)]}
    assert scores["b"] == (None, None)
    assert decided(frame, near.Settings(novelty=0.95))[0] == {}


def test_novelty_works_without_the_comparison_of_shingles():
    frame = examples(("a", "Name three rivers", SKY, {"score": 1}), ("b", "Name three rivers", SKY))
    verdicts, _ = decided(frame, near.Settings(threshold=None, novelty=0.7))
    assert [row[:2] for row in verdicts["b"]] == [("not_novel", "a")]


def write(path, rows):
    path.write_text("".join(json.dumps({"instruction": p, "output": r}) + "\n" for p, r in rows))
    return path


def test_what_is_near_to_a_set_that_is_compared_with_leaves(tmp_path):
    path = write(tmp_path / "test.jsonl", [("Soup?", "None today."), ("Why?", SKY)])
    settings = near.Settings(threshold=0.5, against=(path,))
    verdicts, scores = decided(ROWS, settings)
    # b stays a near duplicate of nothing: a leaves, too, so b cannot give way to it.
    assert verdicts == {
        "a": [("near_reference", None, 1.0, 0.5, "test.jsonl: test.jsonl:2")],
        "b": [("near_reference", None, 12 / 22, 0.5, "test.jsonl: test.jsonl:2")],
    }
    assert scores == dict.fromkeys("abc", (None, None))
    halves = pl.concat([near.measure(ROWS[:1], settings), near.measure(ROWS[1:], settings)])
    assert_frame_equal(halves, near.measure(ROWS, settings))


def test_a_set_that_changes_is_read_and_measured_again(tmp_path):
    path = write(tmp_path / "test.jsonl", [("Why?", SKY)])
    settings = near.Settings(against=(path,))
    before = near.measured_by(settings)
    assert decided(ROWS, settings)[0].keys() == {"a"}
    write(path, [("Soup?", SOUP)])
    assert near.measured_by(settings) != before
    assert decided(ROWS, settings)[0].keys() == {"c"}
    assert near.measured_by(settings) != near.measured_by(near.Settings(against=(path,), threshold=0.7))


def test_a_missing_set_is_one_line(tmp_path):
    settings = near.Settings(against=(tmp_path / "nowhere.jsonl",))
    for call in (lambda: near.measured_by(settings), lambda: near.measure(ROWS, settings)):
        with pytest.raises(InputError, match=r"nowhere\.jsonl"):
            call()


@pytest.mark.parametrize(
    "settings", [near.Settings(), near.Settings(threshold=None), near.Settings(threshold=None, novelty=0.7)]
)
def test_columns_are_the_same_for_no_rows_one_row_and_switched_off(settings):
    schema = near.measure(ROWS, near.Settings()).schema
    for frame in (ROWS.clear(), ROWS[:1]):
        assert near.measure(frame, settings).schema == schema
        assert decided(frame, settings)[0] == {}


def test_what_is_switched_off_is_null():
    off = near.measure(ROWS, near.Settings(threshold=None))
    assert off.drop("id").null_count().row(0) == (3,) * 5
    assert decided(ROWS, near.Settings(threshold=None))[1] == dict.fromkeys("abc", (None, None))


def test_no_answer_and_no_prompt_are_compared_as_empty_text():
    frame = examples(("a", "", ""), ("b", "", ""), ("c", "", "Yes"))
    assert [row[:3] for rows in decided(frame, near.Settings(of="response"))[0].values() for row in rows] == [
        ("near_duplicate", min("ab", key=lambda key: frame.filter(key=key)["id"][0]), 1.0)
    ]


def test_settings_out_of_range_are_refused():
    for wrong in ({"threshold": 1.2}, {"recall": 1}, {"n": 0}, {"novelty": 1}, {"permutations": 1}, {"seed": -1}):
        with pytest.raises(ValidationError):
            near.Settings(**wrong)
