"""The read model of a review: what pages ask for is right, and it is made whole whatever happens."""

import dataclasses
import json
import shutil
import threading
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import recipe as recipes
from curate import runs
from curate.build import build
from curate.desk import model as desks
from curate.desk import neighbours, prepare, search, space
from curate.desk.model import open_desk
from curate.errors import ConfigError, RunError
from curate.review.log import Decision, record
from curate.review.store import opened
from tests.curate.test_embed import static_model

# The static model knows east (1, 0), north and far (0, 1), southwestward (-1, -1); every other word says nothing to it.
SET = [
    (
        "Go east today, please.",
        "Walk until the sun is behind you, then rest.",
    ),  # 0: a copy of the next, which is longer
    ("Go east  today, please.", "Walk until the sun is behind you, then rest."),  # 1
    ("Walk north today, please.", "Output: Follow the pole star over the hills until the café."),  # 2: cleaned
    ("Go far away, please.", "Take the train to the last stop of the line."),  # 3: means what 2 means
    ("Say nothing at all, please.", ""),  # 4: empty, and short
    ("Head southwestward, please.", "No, I would rather not."),  # 5: 23 characters, I
    ("서울에서 부산까지 가는 길을 알려 주세요.", "기차를 타면 두 시간 반이 걸립니다. The train is fast."),  # 6
    ("How does one sharpen a chisel?", "Hone the bevel on a fine stone until a burr turns up."),  # 7: a leak
]
TALK = [
    {"from": "system", "value": "You are a guide."},
    {"from": "human", "value": "Is it east or north?"},
    {"from": "gpt", "value": "It is between the two of them."},
    {"from": "human", "value": "Then how does one go there, east and north?"},
    {"from": "gpt", "value": "Cross the old bridge and keep to the left bank."},
]  # 8: vector (1, 1) / sqrt 2
RECIPE = """
name: desk
sources:
  set: {{kind: instructions, path: set.json, license: CC0-1.0}}
  talk: {{kind: instructions, path: talk.json}}
encoder: {{model: {model}}}
filters:
  languages: []
  min_chars: 24
  max_chars: 100
  first_person: 0
  profiles: {{talk: {{min_chars: 40}}}}
exact: {{best: longest}}
meaning: {{threshold: 0.99, best: longest}}
decontaminate: {{tests: {{mine: {{path: tests.jsonl, question: q}}}}, encoder: null}}
select: {{order: longest}}
"""
MAKE = prepare._make
EDITED = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
NOTHING = {"x": None, "y": None, "topic": None, "vector_row": None}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    static_model(folder / "static")
    (folder / "set.json").write_text(json.dumps([{"instruction": a, "input": "", "output": b} for a, b in SET]))
    (folder / "talk.json").write_text(json.dumps([{"conversations": TALK}]))
    (folder / "tests.jsonl").write_text(json.dumps({"q": SET[7][0]}) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE.format(model=folder / "static"))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk") / "run"
    build(recipes.load(str(recipe)), folder)
    return folder


@pytest.fixture(scope="module")
def desk(run):
    return open_desk(run)


@pytest.fixture
def copy(run, tmp_path):
    """A run of its own, not prepared."""
    return shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("review", "decisions.sqlite*"))


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def column(desk, name):
    return desk.candidates[name].to_list()


# --- candidates


def test_a_candidate_has_the_fate_of_the_first_rule_that_dropped_it(desk):
    assert column(desk, "row") == list(range(9))
    assert column(desk, "fate") == ["duplicate", "kept", "kept", "duplicate", "limit", "limit", "kept", "leak", "kept"]
    assert desk.candidates.filter(pl.col("fate") != "kept").select("row", "stage", "rule", "value", "limit").rows() == [
        (0, "exact", "exact_duplicate", 2.0, 1.0),
        (3, "meaning", "same_meaning", 1.0, 0.99),
        (4, "filters", "min_chars", 0.0, 24.0),
        (5, "filters", "min_chars", 23.0, 24.0),
        (7, "decontaminate", "leak_duplicate", 1.0, 0.75),
    ]


def test_a_candidate_is_described_by_its_clean_text(desk):
    last = desk.candidates.row(8, named=True)
    assert {name: last[name] for name in ("source", "title", "prompt_chars", "response_chars", "turns", "license")} == {
        "source": "talk",
        "title": "Then how does one go there, east and north?",
        "prompt_chars": 43,
        "response_chars": 47,
        "turns": 4,
        "license": None,
    }
    assert desk.candidates["title"][1] == "Go east today, please."
    assert desk.candidates["license"][0] == "CC0-1.0"
    assert desk.candidates["content"].n_unique() == 9


def test_the_margin_of_a_kept_one_is_its_smallest_room_and_of_a_dropped_one_its_largest_miss(desk):
    rows = desk.candidates.select("margin", "nearest", "nearest_value", "nearest_limit").rows()
    assert rows[8] == (
        pytest.approx(7 / 40),
        "min_chars",
        47,
        40,
    )  # of talk's own limit; the general one would be 23 / 24
    assert rows[5] == (-1.0, "first_person", 1, 0)  # one character of 24 would be less
    assert rows[4] == (None, None, None, None)  # empty_output is no comparison: no distance would bring it back
    assert rows[0] == (None, None, None, None)
    assert rows[3] == (pytest.approx(-0.01 / 0.99), "same_meaning", 1, 0.99)


def test_verdicts_name_the_row_that_another_gave_way_to(desk):
    others = desk.verdicts.filter(pl.col("other").is_not_null()).select("row", "rule", "other").rows()
    assert others == [(0, "exact_duplicate", 1), (3, "same_meaning", 2)]
    assert desk.verdicts.filter(pl.col("row") == 5)["rule"].to_list() == ["min_chars", "first_person"]
    assert desk.verdicts["other_id"].drop_nulls().to_list() == [desk.candidates["id"][1], desk.candidates["id"][2]]


def test_a_cluster_has_all_that_gave_way_to_one_another_and_who_stayed_first(desk):
    assert desks.cluster(desk, 0) == desks.cluster(desk, 1) == [1, 0]
    assert desks.cluster(desk, 3) == [2, 3]
    assert desks.cluster(desk, 8) == [8]
    assert column(desk, "cluster") == [0, 0, 2, 2, None, None, None, None, None]


def test_the_recipe_and_the_manifest_are_plain_data(desk):
    assert desk.recipe["filters"]["min_chars"] == 24
    assert desk.manifest["kept"] == desk.kept == 4
    json.dumps([desk.recipe, desk.manifest])


# --- texts


def test_a_text_is_given_as_cleaned_and_as_read_where_that_differs(desk):
    clean, same, talk = desks.texts(desk, [2, 3, 8])
    assert clean.messages[1] == {"role": "assistant", "content": SET[2][1].removeprefix("Output: ")}
    assert clean.read == [{"role": "user", "content": SET[2][0]}, {"role": "assistant", "content": SET[2][1]}]
    assert clean.edits == ["answer_label"]
    assert (same.row, same.read, same.edits) == (3, None, [])
    assert [turn["role"] for turn in talk.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert [turn["content"] for turn in talk.messages] == [turn["value"] for turn in TALK]


def test_texts_come_in_the_order_that_was_asked_for_and_a_row_that_is_none_is_an_error(desk):
    assert [text.row for text in desks.texts(desk, np.array([5, 0, 5]))] == [5, 0, 5]
    assert desks.texts(desk, []) == []
    with pytest.raises(IndexError, match="no candidate has the row 9; there are 9"):
        desks.texts(desk, [0, 9])


# --- search


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("PLEASE walk", {0, 1, 2}),  # in prompt or answer, whatever the case
        ("walking", {0, 1, 2}),  # by the stem
        ("cafe", {2}),
        ('"the sun"', {0, 1}),
        ('"sun the"', set()),
        ("sou*", {5}),
        ("so*", set()),  # too short a beginning: a word
        ("부산", {6}),  # with its particle, as Koreans write it
        ("산부", set()),
        ("guide", {8}),  # the system text
        ("between two", {8}),  # an earlier turn
        ("chisel NOT stone", set()),  # no operators: 'not' is a word that it does not have
    ],
)
def test_words_are_found(desk, query, rows):
    assert set(desks.search_words(desk, query)) == rows


@pytest.mark.parametrize(
    "query", ["", '"', "AND (", "* ^ :", "NEAR(a b", "prompt:", "\x00", "\ud800", "a" * 100_000, "e " * 9_000, "--;'"]
)
def test_no_query_is_an_error(desk, query):
    assert desks.search_words(desk, query).dtype == pl.Int64


@given(st.text(max_size=30))
def test_whatever_is_typed_is_safe(desk, query):
    assert set(desks.search_words(desk, query)) <= set(range(9))


def test_prompts_count_more_than_answers_and_of_too_many_hits_the_first_are_ranked(desk, monkeypatch):
    assert desks.search_words(desk, "train").to_list()[0] in (3, 6)
    everything = desks.search_words(desk, "the")
    assert set(desks.search_words(desk, "the", limit=2)) == set(everything[:2])
    monkeypatch.setattr(search, "RANKED", 3)
    assert set(desks.search_words(desk, "the")) == set(everything.sort()[:3])


def test_meaning_is_found_by_the_runs_own_model(desk):
    found = desks.search_meaning(desk, "far north")
    assert found["row"].to_list()[:3] == [2, 3, 8]
    assert found["cosine"].to_list()[:3] == pytest.approx([1, 1, 0.5**0.5])
    assert found["cosine"].to_list()[-1] == pytest.approx(-(0.5**0.5))
    assert desks.search_meaning(desk, "far north", 1)["row"].to_list() == [2]


# --- neighbours, map, topics


def test_dropped_candidates_have_vectors_too_so_that_they_have_neighbours(desk):
    assert column(desk, "vector_row") == list(range(9))
    assert desk.vectors.dtype == np.float32
    first, third = desks.neighbours(desk, [0, 3], 2)
    assert [(other.row, pytest.approx(other.cosine)) for other in first] == [(1, 1.0), (8, 0.5**0.5)]
    assert [other.row for other in third] == [2, 8]
    assert [len(found) for found in desks.neighbours(desk, [8], 100)] == [8]
    assert desks.neighbours(desk, []) == []


def test_a_row_without_vector_has_no_neighbours(desk):
    blind = dataclasses.replace(
        desk,
        candidates=desk.candidates.with_columns(vector_row=pl.Series([None, 0, 1, *[None] * 6], dtype=pl.Int64)),
        vectors=desk.vectors[1:3],
        rows_of_vectors=np.array([1, 2]),
    )
    assert [[other.row for other in found] for found in desks.neighbours(blind, [0, 1, 2, 8])] == [[], [2], [1], []]


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 9))
def test_neighbours_are_those_of_a_full_sort(desk, seed, n, k):
    # Vectors of a few small numbers, so that many cosines are equal.
    vectors = np.random.default_rng(seed).integers(-2, 3, (n, 3)).astype(np.float32)
    rows = pl.DataFrame({"vector_row": pl.Series(range(n), dtype=pl.Int64)})
    made = dataclasses.replace(desk, candidates=rows, vectors=vectors, rows_of_vectors=np.arange(n))
    asked = [0, n // 2, n - 1]
    with mock.patch.object(neighbours, "STEP", 4):
        answer = neighbours.neighbours(made, asked, k)
    for row, found in zip(asked, answer, strict=True):
        cosines = vectors @ vectors[row]
        best = [other for other in np.argsort(-cosines, kind="stable") if other != row][:k]
        assert [other.row for other in found] == best


def test_the_map_and_the_topics_have_every_vector(desk):
    places = desk.candidates.select("x", "y").to_numpy()
    assert places.dtype == np.float32
    assert ((places >= 0) & (places <= 1)).all()
    np.testing.assert_array_equal(places[0], places[1])
    assert desk.candidates["topic"].is_between(0, len(desk.topics) - 1).all()
    assert desk.candidates["topic"][2] == desk.candidates["topic"][3] != desk.candidates["topic"][0]
    # The other words of "Walk north today, please." stand in prompts of other topics too.
    assert desk.topics[desk.candidates["topic"][2]] == "walk"


# --- why


def reasons(desk, row):
    return {reason.rule: reason for reason in desks.why(desk, row)}


def test_why_lists_what_failed_first_then_every_rule_by_its_room(desk):
    found = desks.why(desk, 5)
    assert [(reason.rule, reason.margin, reason.passed) for reason in found[:2]] == [
        ("min_chars", -1, False),
        ("first_person", -1, False),
    ]
    assert all(reason.passed for reason in found[2:])
    assert found[2].rule == "word_length" or found[2].margin is not None
    assert not {reason.stage for reason in found} - {"source", "review", "filters"}  # it got no further


def test_a_reason_says_the_limit_that_held_for_this_source(desk):
    found = reasons(desk, 8)
    assert found["min_chars"][:7] == ("filters", "min_chars", 47, 40, "at least", 7.0, True)
    assert found["max_chars"].margin == 53
    assert found["same_meaning"][2:7] == (None, 0.99, "below", None, True)
    assert (found["not_selected"].limit, found["not_selected"].passed) == (4, True)
    assert found["refusal"].sentence.startswith("The answer declines")


def test_a_reason_names_who_stayed_and_the_evidence(desk):
    assert (reasons(desk, 0)["exact_duplicate"].other, reasons(desk, 0)["exact_duplicate"].passed) == (1, False)
    assert reasons(desk, 7)["leak_duplicate"].detail.startswith("mine/1: coverage 1.0")
    assert reasons(desk, 4)["empty_output"].margin is None


def test_a_verdict_that_a_reviewers_keep_put_aside_is_told_but_does_not_count(copy):
    filters = next(folder for folder in runs.stage_folders(copy) if folder.name == "filters")
    verdicts = pl.read_parquet(filters.verdicts)
    mine = verdicts["value"] == 23
    runs.write_parquet(filters.overridden, verdicts.filter(mine))
    runs.write_parquet(filters.verdicts, verdicts.filter(~mine & (verdicts["rule"] != "first_person")))
    desk = open_desk(copy)
    assert (desk.candidates["fate"][5], desk.verdicts.filter(pl.col("row") == 5).height) == ("kept", 0)
    first = desks.why(desk, 5)[0]
    assert (first.rule, first.passed, first.detail) == ("min_chars", False, "a reviewer kept it all the same")


def test_leaked_test_items_are_listed_with_their_evidence(desk):
    (leak,) = desks.test_items(desk, 7)
    assert (leak["item"], leak["category"], leak["value"], leak["limit"]) == ("mine/1", "duplicate", 1.0, 0.75)
    assert desks.test_items(desk, 8) == desks.test_items(desk, 5) == []


# --- decisions


def decide(log, desk, *said):
    """Decisions (row, reviewer, decision), one after the other."""
    for number, (row, who, what) in enumerate(said):
        content, example = desk.candidates.select("content", "id").row(row)
        edited = EDITED if what == "edit" else None
        record(log, [Decision(who, who, f"{number} {what}", content, example, what, (), edited)])


def test_a_state_is_the_opinion_that_counts_and_says_who_disagrees(desk, log):
    assert desks.states(desk, log)["decision"].to_list() == [None] * 9
    decide(log, desk, (0, "ada", "keep"), (0, "bo", "reject"), (1, "ada", "keep"), (1, "bo", "skip"), (2, "bo", "flag"))
    decide(log, desk, (3, "cy", "edit"), (3, "di", "keep"))
    found = desks.states(desk, log)
    assert found.columns == ["row", "decision", "reviewer", "time", "reviewers", "disagree"]
    assert found.drop("time").rows()[:4] == [
        (0, "reject", "bo", 2, True),
        (1, "keep", "ada", 1, False),
        (2, "flag", "bo", 0, False),
        (3, "keep", "di", 2, False),
    ]
    assert found["time"][0].endswith("Z")


def test_counts_add_up(desk, log):
    decide(log, desk, (0, "ada", "keep"), (1, "ada", "reject"), (2, "bo", "flag"), (3, "bo", "skip"))
    gone, edited = desk.candidates["id"][4], desk.candidates["content"][5]
    record(log, [Decision("bo", "s", "e", edited, desk.candidates["id"][5], "edit", (), EDITED)])
    assert desks.counts(desk, log)["stale"] == 0
    record(
        log, [Decision("bo", "s", "g", "0" * 32, gone, "keep"), Decision("bo", "s", "h", "1" * 32, "elsewhere", "keep")]
    )
    assert desks.counts(desk, log) == {
        "candidates": 9,
        "decided": 3,
        "kept": 1,
        "rejected": 1,
        "flagged": 1,
        "skipped": 1,
        "edited": 1,
        "stale": 1,
    }


# --- preparing


def test_what_is_ready_is_not_made_again_and_what_lacks_a_file_is(copy, monkeypatch):
    prepare.prepare(copy)
    made = []
    monkeypatch.setattr(prepare, "_make", lambda *given, **named: made.append(1) or MAKE(*given, **named))
    prepare.prepare(copy)
    assert made == []
    (copy / "review/vectors.npy").unlink()
    open_desk(copy)
    assert made == [1]


def test_another_build_is_prepared_anew_and_a_desk_of_the_old_one_says_so(copy, recipe):
    old, before = open_desk(copy), desks.stamp(copy)
    build(recipes.load(str(recipe), ["filters.min_chars=20"]), copy)
    assert desks.stamp(copy) != before
    new = open_desk(copy)
    assert new.recipe["filters"]["min_chars"] == 20
    assert new.verdicts.filter(pl.col("row") == 5)["rule"].to_list() == ["first_person"]
    with pytest.raises(RunError, match="was built again since it was opened; open it again"):
        desks.texts(old, [0])


def test_what_was_cut_short_is_made_whole_the_next_time(copy, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    on_map = space.on_map
    monkeypatch.setattr(space, "on_map", cut)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(copy)
    monkeypatch.setattr(space, "on_map", on_map)
    assert not (copy / "review/done.json").exists()
    (copy / "review/.texts.sqlite.1.tmp").write_text("left by a process that was killed")
    assert open_desk(copy).candidates.height == 9
    assert not list((copy / "review").glob(".*.tmp"))


def test_of_several_that_open_a_run_at_once_one_prepares_it_and_the_others_wait(copy, monkeypatch):
    made, told, found = [], [], []
    inside, go = threading.Event(), threading.Event()

    def slow(*given, **named):
        made.append(1)
        inside.set()
        assert go.wait(30)
        return MAKE(*given, **named)

    monkeypatch.setattr(prepare, "_make", slow)

    def open_it():
        found.append(open_desk(copy, lambda progress: told.append(progress.note) or waits(progress)))

    def waits(progress):
        if progress.note == "another process prepares this run":
            go.set()

    threads = [threading.Thread(target=open_it) for _ in range(2)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert made == [1]
    assert [desk.candidates.height for desk in found] == [9, 9]
    assert "another process prepares this run" in told


def test_a_build_that_begins_meanwhile_is_told_and_nothing_counts_as_prepared(copy, monkeypatch):
    def building(*given, **named):
        (copy / "manifest.json").unlink()
        return MAKE(*given, **named)

    monkeypatch.setattr(prepare, "_make", building)
    with pytest.raises(RunError, match="a build is writing here"):
        prepare.prepare(copy)
    assert not (copy / "review/done.json").exists()


def test_a_desk_is_never_of_two_builds(copy, monkeypatch):
    prepare.prepare(copy)
    read = pl.read_parquet

    def meanwhile(path, *given, **named):
        (copy / "review/done.json").unlink(missing_ok=True)
        return read(path, *given, **named)

    monkeypatch.setattr(pl, "read_parquet", meanwhile)
    with pytest.raises(RunError, match="a build is writing here"):
        open_desk(copy)


def test_a_damaged_file_of_the_run_is_one_line(copy):
    next((copy).glob("*-filters/part-*")).write_bytes(b"PAR1")
    with pytest.raises(RunError, match="a file of the run cannot be read") as caught:
        open_desk(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "manifest.json").unlink(), "its build has not finished"),
        (lambda run: (run / "manifest.json").write_text("{"), "it is not a run folder"),
        (lambda run: (run / "manifest.json").write_text("{}"), "its manifest does not say what was kept"),
        (lambda run: (run / "recipe.yaml").write_text("colour: blue"), "its recipe is not of this version"),
        (lambda run: shutil.rmtree(next(run.glob("*-select"))), "the stage select is not finished"),
        (lambda run: next(run.glob("*-select/done.json")).write_text("{"), "it is not a run folder"),
        (shutil.rmtree, "it is not a run folder"),
    ],
)
def test_what_is_no_finished_run_is_told_in_one_line(copy, damage, words):
    damage(copy)
    with pytest.raises(RunError, match=words) as caught:
        open_desk(copy)
    assert str(caught.value).startswith(f"{copy}: ")
    assert "\n" not in str(caught.value)


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="it is not a run folder"):
        open_desk(tmp_path / "file")


# --- runs of other kinds


@pytest.fixture
def without_vectors(recipe, tmp_path):
    settings = ["meaning.threshold=null", "filters.min_chars=null", "filters.first_person=null"]
    build(recipes.load(str(recipe), settings), tmp_path / "run")
    return tmp_path / "run"


def test_a_run_without_vectors_can_be_reviewed_and_be_given_them(without_vectors):
    desk = open_desk(without_vectors)
    assert (desk.vectors, desk.topics, desk.encoder) == (None, [], None)
    assert desk.candidates.select(*NOTHING).unique().to_dicts() == [NOTHING]
    assert desks.neighbours(desk, [0, 1]) == [[], []]
    assert desk.remark == "9 candidates have no vector"
    with pytest.raises(RunError, match="the run has no vectors to search by meaning"):
        desks.search_meaning(desk, "east")
    prepare.prepare(without_vectors, embed_all=True)
    given = open_desk(without_vectors)
    assert (given.vectors.shape, given.remark) == ((9, 2), "")
    assert desks.search_meaning(given, "north")["row"].to_list()[0] == 2


def test_where_the_model_is_gone_the_rest_stays_without_vectors_and_the_desk_says_why(copy, recipe):
    text = (copy / "recipe.yaml").read_text()
    (copy / "recipe.yaml").write_text(text.replace(str(recipe.parent / "static"), str(copy / "gone")))
    desk = open_desk(copy)
    assert column(desk, "vector_row") == [None, 0, 1, 2, None, None, 3, 4, 5]
    assert desk.remark.startswith("3 candidates have no vector: ")
    assert "gone" in desk.remark
    assert [other.row for other in desks.neighbours(desk, [8], 1)[0]] == [1]
    with pytest.raises(ConfigError):
        prepare.prepare(copy, embed_all=True)
    assert desks.texts(open_desk(copy), [0])[0].row == 0


def test_many_candidates_are_not_embedded_without_being_asked_for(copy, monkeypatch):
    monkeypatch.setattr(space, "FEW", 2)
    assert open_desk(copy).vectors.shape == (6, 2)
    prepare.prepare(copy, embed_all=True)
    assert open_desk(copy).vectors.shape == (9, 2)


def test_a_run_of_one_example_that_nothing_dropped(recipe, tmp_path):
    rows = [{"instruction": SET[1][0], "input": "", "output": SET[1][1]}] + [
        {"instruction": "x", "output": {"no": "text"}}
    ] * 5
    (tmp_path / "set.json").write_text(json.dumps(rows))
    sources = [f"sources.set.path={tmp_path}/set.json", "sources.talk=null"]
    build(recipes.load(str(recipe), [*sources, "filters.profiles={}"]), tmp_path / "run")
    desk = open_desk(tmp_path / "run")
    assert desk.candidates.select("row", "fate", "topic", "vector_row").rows() == [(0, "kept", 0, 0)]
    assert desks.neighbours(desk, [0]) == [[]]
    assert desks.cluster(desk, 0) == [0]
    assert desk.verdicts.is_empty()
    assert len(desk.topics) == 1


def test_empty_long_and_hostile_texts_come_back_as_they_are(copy):
    hostile = "<script>alert(1)</script>\x00\u202e'; DROP TABLE texts; --\U0001f600"
    part = min(copy.glob("1-clean/part-*"))
    clean = pl.read_parquet(part)
    prompts = pl.Series(["", hostile, " \n " * 5_000 + "late"])
    answers = pl.Series([None, "word " * 40_000, hostile], dtype=pl.String)
    rest = clean[3:]
    first = clean[:3].with_columns(prompt=prompts, response=answers)
    runs.write_parquet(part, pl.concat([first, rest]))
    desk = open_desk(copy)
    found = desks.texts(desk, [0, 1, 2])
    assert [text.messages[-2]["content"] for text in found] == prompts.to_list()
    assert found[1].messages[-1]["content"] == answers[1]
    assert column(desk, "title")[:3] == ["", hostile, "late"]
    assert column(desk, "response_chars")[:3] == [0, 200_000, len(hostile)]
    assert set(desks.search_words(desk, "drop table")) == {1, 2}


def test_without_the_texts_a_desk_says_what_to_do(copy):
    desk = open_desk(copy)
    shutil.rmtree(copy / "review")
    with pytest.raises(RunError, match="open the run again"):
        desks.search_words(desk, "east")
