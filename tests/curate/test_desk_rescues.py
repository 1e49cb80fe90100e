"""The funnel by rule, how often people brought something back, and the inputs that have no text."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from curate.desk import rescues
from curate.record import INPUT, VERDICT
from tests.curate.small_desks import desk, stages, states

ROWS = [
    {"fate": "kept"},
    {"fate": "limit", "stage": "filters", "rule": "min_chars"},
    {"fate": "limit", "stage": "filters", "rule": "min_chars"},
    {"fate": "limit", "stage": "filters", "rule": "max_chars"},
    {"fate": "duplicate", "stage": "exact", "rule": "exact_duplicate"},
]
VERDICTS = [
    {"row": 1, "stage": "filters", "rule": "min_chars", "value": 10, "limit": 40},
    {"row": 2, "stage": "filters", "rule": "min_chars", "value": 39, "limit": 40},
    {"row": 2, "stage": "filters", "rule": "symbol_ratio", "value": 0.5, "limit": 0.2},
    {"row": 3, "stage": "filters", "rule": "max_chars", "value": 99, "limit": 90},
    {"row": 4, "stage": "exact", "rule": "exact_duplicate", "value": 2, "limit": 1, "other": 0},
]


@pytest.fixture
def run(tmp_path):
    return stages(tmp_path / "run")


def test_the_first_rules_of_the_dropped_add_up_and_every_rule_says_whom_it_alone_drops(run):
    found = rescues.funnel(desk(ROWS, VERDICTS, run=run), states(5, {}))
    assert found.select("stage", "rule", "dropped", "failed", "alone").rows() == [
        ("filters", "min_chars", 2, 2, 1),
        ("filters", "max_chars", 1, 1, 1),
        ("filters", "symbol_ratio", 0, 1, 0),
        ("exact", "exact_duplicate", 1, 1, 1),
    ]


def test_a_rescue_counts_for_every_rule_that_the_example_fails(run):
    found = rescues.funnel(desk(ROWS, VERDICTS, run=run), states(5, {1: "reject", 2: "edit", 3: "skip", 4: "flag"}))
    judged = {row["rule"]: (row["judged"], row["rescued"], row["rate"]) for row in found.to_dicts()}
    assert judged == {
        "min_chars": (2, 1, 0.5),
        "symbol_ratio": (1, 1, 1.0),
        "max_chars": (0, 0, None),
        "exact_duplicate": (0, 0, None),
    }


@given(st.integers(1, 400), st.data())
def test_the_interval_is_wilsons(judged, data):
    rescued = data.draw(st.integers(0, judged))
    row = rescues.with_rates(pl.DataFrame({"rescued": [rescued], "judged": [judged]})).row(0, named=True)
    expected = binomtest(rescued, judged).proportion_ci(0.95, "wilson")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_what_fails_a_rule_comes_as_a_sample_or_nearest_to_the_limit_first():
    rows = [{"fate": "limit", "stage": "filters", "rule": "min_chars"}] * 40
    verdicts = [{"row": n, "stage": "filters", "rule": "min_chars", "value": n, "limit": 40} for n in range(40)]
    some = desk(rows, verdicts)
    drawn = rescues.failing(some, "filters", "min_chars")["row"].to_list()
    assert sorted(drawn) == list(range(40)) != drawn
    assert drawn == rescues.failing(some, "filters", "min_chars")["row"].to_list()
    assert drawn != rescues.failing(some, "filters", "min_chars", seed=2)["row"].to_list()
    near = rescues.failing(some, "filters", "min_chars", "near")
    assert near.select("row", "value", "limit", "missed").head(2).rows() == [(39, 39, 40, 1), (38, 38, 40, 2)]


def test_a_rule_that_dropped_nothing_has_no_sample(run):
    nothing = desk([{}], run=run)
    assert rescues.failing(nothing, "filters", "min_chars").is_empty()
    assert rescues.funnel(nothing, states(1, {})).is_empty()


def test_what_a_build_kept_because_a_reviewer_had_said_so_still_counts_for_its_rule(run):
    verdict = {"row": 0, "stage": "filters", "rule": "min_chars", "value": 10, "limit": 40}
    (row,) = rescues.funnel(desk([{}], overridden=[verdict], run=run), states(1, {0: "keep"})).to_dicts()
    assert (row["dropped"], row["failed"], row["judged"], row["rescued"]) == (0, 1, 1, 1)
    assert rescues.failing(desk([{}], overridden=[verdict]), "filters", "min_chars")["row"].to_list() == [0]


def test_inputs_without_text_are_counted_and_listed_with_their_reason(tmp_path):
    inputs = [
        {"id": str(n), "source": source, "key": f"{source}:{n}", "file": "set.json", "position": n}
        for n, source in enumerate("aabb", start=1)
    ]
    pl.DataFrame(inputs, schema=INPUT).write_parquet(tmp_path / "inputs.parquet")
    verdicts = [
        {"id": "4", "stage": "source", "rule": "unreadable", "detail": "no object"},
        {"id": "1", "stage": "filters", "rule": "min_chars", "value": 1.0, "limit": 40.0},
        {"id": "2", "stage": "source", "rule": "no_answer"},
        {"id": "3", "stage": "source", "rule": "unreadable", "detail": "cut off"},
    ]
    pl.DataFrame(verdicts, schema=VERDICT).write_parquet(tmp_path / "ledger.parquet")
    assert rescues.rejected(tmp_path).rows() == [("b", "unreadable", 2), ("a", "no_answer", 1)]
    found = rescues.rejects(tmp_path, "b", "unreadable")
    assert found.select("key", "position", "detail").rows() == [("b:3", 3, "cut off"), ("b:4", 4, "no object")]
    assert rescues.rejects(tmp_path, "b", "unreadable", offset=1, limit=1)["key"].to_list() == ["b:4"]
