"""The report's numbers, on ledgers of a few rows written here."""

import numpy as np
import polars as pl
import pytest

from curate.record import VERDICT
from curate.report import fates, flow, lengths, mix, rules, space, twins
from curate.report.rules import Margin
from curate.report.sentences import sentences

INPUTS = pl.DataFrame({"id": list("abcdef"), "source": ["x", "x", "x", "x", "y", "y"]})


def ledger(*rows):
    """Verdicts: id, stage, rule and, where given, value, limit, other."""
    padded = [(*row, *[None] * (6 - len(row)), None) for row in rows]
    return pl.DataFrame(padded, schema=VERDICT, orient="row")


LEDGER = ledger(
    ("a", "source", "unreadable"),
    ("b", "filters", "first_person", 3.0, 0.0),
    ("b", "filters", "min_chars", 90.0, 100.0),
    ("c", "filters", "min_chars", 99.0, 100.0),
    ("e", "select", "not_selected", 3.0, 2.0),
)


def test_the_funnel_counts_a_row_once_where_it_left_and_faults_apart():
    rows = {row["stage"]: row for row in flow.funnel(6, LEDGER)}
    assert rows["source"] == {"stage": "source", "into": 6, "dropped": 1, "faults": 1, "left": 5}
    assert rows["filters"] == {"stage": "filters", "into": 5, "dropped": 2, "faults": 0, "left": 3}
    assert rows["select"]["left"] == 2


def test_each_record_goes_one_way_at_the_first_rule_that_is_asked():
    ways = [(row["source"], row["rule"], row["fate"], row["examples"]) for row in flow.paths(INPUTS, LEDGER)]
    assert ways == [
        ("x", "unreadable", "fault", 1),
        # min_chars stands before first_person in the table of rules, so b is drawn there.
        ("x", "min_chars", "limit", 2),
        ("x", None, "kept", 1),
        ("y", "not_selected", "place", 1),
        ("y", None, "kept", 1),
    ]


def test_every_rule_has_a_fate_and_faults_are_rules_that_exist():
    known = {(stage, rule) for stage, rules_ in fates.RULES.items() for rule in rules_}
    assert known >= fates.FAULTS
    assert {fates.fate(*rule) for rule in known} == set(fates.WORDS) - {"kept"}


def test_a_rule_says_what_it_dropped_alone_and_with_whom():
    rows = {row["rule"]: row for row in rules.rules(LEDGER, None, {})}
    assert (rows["min_chars"]["dropped"], rows["min_chars"]["alone"]) == (2, 1)
    assert rows["min_chars"]["together"] == [{"rule": "first_person", "examples": 1}]
    assert rows["first_person"]["alone"] == 0
    assert rows["unreadable"]["together"] == []


def test_a_rule_carries_its_share_of_the_trusted_set():
    trusted = {"examples": 50, "rules": [{"rule": "min_chars", "dropped": 5, "share": 0.1}]}
    rows = {row["rule"]: row for row in rules.rules(LEDGER, trusted, {})}
    assert rows["min_chars"]["trusted_share"] == 0.1
    assert rows["first_person"]["trusted_share"] is None


def margin(values, limits, failed, **more):
    ids = [f"{number:02}" for number in range(len(values))]
    return Margin("length", pl.DataFrame({"id": ids, "value": values, "limit": limits, "failed": failed}), **more)


def test_the_limit_is_an_edge_so_no_bar_stands_on_both_sides():
    found = margin([float(n) for n in range(0, 400, 10)], [100.0] * 40, [n < 100 for n in range(0, 400, 10)])
    row = rules.rules(LEDGER, None, {"filters/min_chars": found})[1]["margin"]
    assert (row["limit"], row["relative"]) == (100.0, False)
    assert 100.0 in row["edges"]
    at = row["edges"].index(100.0)
    assert sum(row["failed"][:at]) == 10
    assert sum(row["failed"][at:]) == sum(row["passed"][:at]) == 0
    assert sum(row["passed"]) == 30


def test_where_sources_have_different_limits_values_are_differences_from_them():
    found = margin([90.0, 120.0, 900.0, 1300.0], [100.0, 100.0, 1000.0, 1000.0], [True, False, True, False])
    row = rules.rules(LEDGER, None, {"filters/min_chars": found})[1]["margin"]
    assert (row["limit"], row["relative"]) == (0.0, True)
    assert sum(row["failed"][: row["edges"].index(0.0)]) == 2


def test_the_kept_nearest_to_the_line_are_those_that_passed_by_least():
    found = margin([100.0, 180.0, 101.0, 50.0, 140.0], [100.0] * 5, [False, False, False, True, False])
    kept = pl.DataFrame({"id": ["00", "01", "03", "04"]})
    assert rules.near_the_line(found, kept, 2)["id"].to_list() == ["00", "04"]
    alike = margin([0.0, 0.0], [0.0, 0.0], [False, False])
    assert rules.near_the_line(alike, pl.DataFrame({"id": ["00", "01"]})).is_empty()


def test_a_cluster_is_the_one_that_stayed_and_all_that_gave_way_to_it():
    found = ledger(
        ("b", "exact", "exact_duplicate", 3.0, 1.0, "a"),
        ("c", "exact", "exact_duplicate", 3.0, 1.0, "a"),
        ("e", "near", "near_duplicate", 0.9, 0.8, "d"),
        ("f", "near", "near_duplicate", 0.95, 0.8, "d"),
        ("g", "near", "near_duplicate", 0.81, 0.8, "d"),
        ("h", "near", "near_reference", 0.9, 0.8),
    )
    counts = {row["of"]: row for row in twins.clusters(found)}
    assert (counts["exact"]["clusters"], counts["exact"]["members"]) == (1, 3)
    assert (counts["near"]["clusters"], counts["near"]["members"]) == (1, 4)
    assert [row["clusters"] for row in counts["near"]["sizes"]] == [0, 0, 1, 0, 0, 0]
    largest = twins.largest(found)
    assert largest["id"].to_list() == ["d", "f", "e", "g", "a", "b", "c"]
    assert largest["value"].to_list() == [None, 0.95, 0.9, 0.81, None, 1.0, 1.0]


def test_limas_own_mix_is_its_table_of_1000():
    assert sum(mix.LIMA.values()) == 1000
    assert {name for names in mix.KINDS.values() for name in names} == set(mix.LIMA)


def test_lengths_count_what_came_and_what_stayed_in_the_same_bins():
    values = pl.Series([5, 30, 300, 300], dtype=pl.UInt32)
    found = lengths._distribution(values, np.geomspace(10, 1000, 5))
    assert found["counts"] == [1, 1, 2, 0] or sum(found["counts"]) == 4
    assert (found["median"], found["p05"], found["p95"]) == (300, 5, 300)


def test_principal_components_find_the_direction_in_which_vectors_differ_and_point_it_upwards():
    along = np.linspace(-1, 1, 41, dtype=np.float32)
    found = np.stack([along, 0.1 * along**2, np.zeros_like(along)], axis=1)
    places, explained = space.principal(found)
    assert explained[0] > 0.9
    assert places[:, 0].tolist() == sorted(places[:, 0].tolist())
    assert places.min() >= 0
    assert places.max() <= 1
    assert space.principal(-found)[0][0, 0] > space.principal(-found)[0][-1, 0]


def test_the_map_counts_every_vector_and_draws_the_kept():
    ids = pl.Series("id", [f"{n:02}" for n in range(50)])
    found = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    kept = pl.DataFrame({"id": ["03", "07", "44"], "rank": [2, 1, 3]})
    drawn = space.map_of(ids, found, kept)
    assert sum(int(count) for row in drawn["grid"] for count in row.split()) == 50
    assert len(drawn["points"]) == drawn["kept"] == 3


@pytest.mark.parametrize(
    ("kept", "fair", "state"),
    [(0, 5.0, "missing"), (0, 0.4, None), (2, 5.0, "thin"), (3, 5.0, None), (1, 2.9, None)],
)
def test_a_topic_is_missing_without_places_and_thin_below_half_of_its_share(kept, fair, state):
    assert space._state(kept, fair) == state


def summary(**changes):
    """The parts of a summary that sentences read: 100 records in, 40 kept, nothing to look at."""
    source = {"source": "x", "inputs": 100, "readable": 80, "passed": 60, "kept": 40}
    whole = {"after": {"median": 900}, "before": {"median": 500}}
    return {
        "complete": True,
        "inputs": 100,
        "kept": 40,
        "sources": [source],
        "trusted": None,
        "contamination": None,
        "review": None,
        "quotas": [],
        "rules": [],
        "meaning_recall": 1.0,
        "funnel": [{"stage": "filters", "into": 80}],
        "topics": {"topics": []},
        "licenses": [{"license": "CC0", "examples": 40}],
        "diversity": {"rows": []},
        "paths": [{"fate": "kept", "examples": 40}, {"fate": "limit", "examples": 60}],
        "lengths": {"rows": [whole]},
        "leaks": None,
    } | changes


def looks(**changes):
    return [sentence.text for sentence in sentences(summary(**changes)) if sentence.look]


def test_a_run_in_order_has_nothing_to_look_at_and_says_what_came_and_stayed():
    assert looks() == []
    assert [sentence.text for sentence in sentences(summary())] == [
        "100 records came in from 1 source; 80 became examples, 60 passed every rule, 40 were kept.",
        "60 left: 60 by limits of the recipe.",
        "The median answer of the set has 900 characters; of all examples, 500.",
        "No test set was named, so nothing was checked for leaks.",
    ]


SOURCE = {"source": "x", "inputs": 100, "readable": 80, "passed": 60, "kept": 40}
RULE = {"rule": "min_chars", "stage": "filters", "fate": "limit", "dropped": 60, "alone": 5}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gates": [{"sentence": "Gate failed: kept is 40.", "passed": False}]}, "Gate failed: kept is 40."),
        ({"complete": False, "limit": 20}, "This is a partial build, made with --limit 20"),
        (
            {"sources": [SOURCE, {"source": "y", "inputs": 7, "readable": 7, "passed": 0, "kept": 0}]},
            "Nothing of y (7 records) is left: every record was dropped before selection.",
        ),
        (
            {
                "trusted": {
                    "examples": 1029,
                    "rules": [
                        {"rule": "first_person", "dropped": 350, "share": 0.34},
                        {"rule": "nsfw", "dropped": 1, "share": 0.001},
                        {"rule": "any", "dropped": 360, "share": 0.35},
                    ],
                }
            },
            "The rules would drop 35.0% of the 1,029 trusted examples: above all first_person (34.0%).",
        ),
        (
            {"contamination": {"gray": 3, "decided": 1, "stale": []}},
            "2 gray pairs of an example and a test question wait",
        ),
        (
            {"quotas": [{"bucket": "wikihow", "quota": 200, "kept": 30}]},
            "1 quota could not be filled: wikihow has 30 of 200.",
        ),
        (
            {"rules": [RULE | {"rule": "unreadable", "stage": "source", "fate": "fault"}]},
            "60 records could not be read.",
        ),
        (
            {"review": {"replayed": {"stale": [{}, {}]}, "by_hand": None, "unreadable": None}},
            "2 decisions of reviewers are stale: the text has changed since, so they were not applied.",
        ),
        (
            {"review": {"replayed": None, "by_hand": {"rejected_since": 1}, "unreadable": None}},
            "1 example of the set was rejected after it was built",
        ),
        ({"meaning_recall": 0.97}, "The search for duplicates by meaning found 97.0% of a sample's pairs"),
        ({"rules": [RULE | {"alone": 50}]}, "min_chars alone drops 62% of what reaches filters."),
        ({"licenses": [{"license": None, "examples": 12}]}, "12 kept examples name no licence."),
        (
            {"topics": {"topics": [{"name": "bread, flour", "state": "missing"}]}},
            "1 topic of the candidates is thin or missing in the set: “bread, flour”.",
        ),
        (
            {
                "diversity": {
                    "rows": [
                        {"measure": "vendi", "set": "chosen", "value": 30.0, "low": 29.0, "high": 31.0},
                        {"measure": "vendi", "set": "random", "value": 40.0, "low": 38.0, "high": 42.0},
                    ]
                }
            },
            "The set is less diverse than a random one of its size: Vendi score 30 against 40.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_deserves_a_look_is_said_in_a_sentence(changes, expected):
    assert [text for text in looks(**changes) if text.startswith(expected)]


def test_a_set_that_covers_its_pool_better_is_said_to_though_it_is_less_diverse():
    rows = [("vendi", "chosen", 30, 29, 31), ("vendi", "random", 40, 38, 42)]
    rows += [("coverage", "chosen", 0.6, 0.59, 0.61), ("coverage", "random", 0.5, 0.49, 0.51)]
    keys = ("measure", "set", "value", "low", "high")
    (text,) = looks(diversity={"rows": [dict(zip(keys, row, strict=True)) for row in rows]})
    assert text.endswith("though it covers the pool better (0.600 against 0.500).")


def test_a_trusted_set_that_the_rules_leave_alone_is_a_fact_and_no_look():
    trusted = {"examples": 50, "rules": [{"rule": "any", "dropped": 1, "share": 0.02}]}
    assert looks(trusted=trusted) == []
    said = [sentence.text for sentence in sentences(summary(trusted=trusted))]
    assert "The rules would drop 2.0% of the 50 trusted examples." in said


def test_a_failed_gate_comes_first_and_no_more_than_ten_sentences_are_said():
    bad = {
        "gates": [{"sentence": f"Gate failed: {number}.", "passed": False} for number in range(9)],
        "complete": False,
        "limit": 5,
        "meaning_recall": 0.5,
    }
    said = sentences(summary(**bad))
    assert said[0].text == "Gate failed: 0."
    assert 5 <= len(said) <= 10
    assert "more to look at" in said[5].text


@pytest.fixture
def four_subjects(tmp_path):
    """A run with forty prompts on four subjects, and vectors that point where the subject is; the last subject was not kept."""
    subjects = ["bread", "violin", "harbour", "thunder"]
    ids = [f"{number:02}" for number in range(40)]
    prompts = [f"Please explain the {subjects[number % 4]} of place{number}" for number in range(40)]
    (tmp_path / "0-source").mkdir()
    (tmp_path / "1-clean").mkdir()
    clean = {"id": ids, "prompt": prompts, "source": ["x"] * 40, "stratum": [subjects[n % 4] for n in range(40)]}
    pl.DataFrame(clean).write_parquet(tmp_path / "1-clean/part-0.parquet")
    found = np.eye(4, 8, dtype=np.float32)[[number % 4 for number in range(40)]]
    found += np.random.default_rng(1).normal(scale=0.02, size=found.shape).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    pool = pl.DataFrame({"id": ids, "random_rank": range(1, 41)})
    kept = pool.filter(pl.int_range(pl.len()) % 4 != 3).head(12).select("id")
    return tmp_path, pool, kept, (pl.Series("id", ids), found)


def test_topics_are_clusters_named_by_their_words_and_one_without_kept_examples_is_missing(four_subjects):
    run, pool, kept, vectors = four_subjects
    found = space.topics(run, pool, kept, vectors)
    assert found["of"] == "clusters"
    states = {row["terms"][0]: (row["candidates"], row["kept"], row["fair"], row["state"]) for row in found["topics"]}
    assert states == {
        "bread": (10, 4, 3.0, None),
        "violin": (10, 4, 3.0, None),
        "harbour": (10, 4, 3.0, None),
        "thunder": (10, 0, 3.0, "missing"),
    }


def test_without_vectors_topics_are_strata(four_subjects):
    run, pool, kept, _ = four_subjects
    found = space.topics(run, pool, kept, None)
    assert found["of"] == "strata"
    assert [row["name"] for row in found["topics"] if row["state"]] == ["x/thunder: thunder"]
