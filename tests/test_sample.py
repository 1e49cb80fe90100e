"""The embedded sample, built: each record's fate against labels.jsonl, and the ledger's totals against a reviewed file."""

import json

import polars as pl
import pytest

from curate import recipe as recipes
from curate.build import build
from tests import golden

LABELS = recipes.SHIPPED / "sample" / "labels.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "sample"
    build(recipes.load("sample"), folder)
    return folder


@pytest.fixture(scope="module")
def fates(run):
    """(source, key) to the set of rules that dropped it, `not_selected` left out."""
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id", "source", "key"])
    ledger = pl.read_parquet(run / "ledger.parquet").filter(pl.col("rule") != "not_selected")
    rules = ledger.group_by("id").agg("rule")
    joined = inputs.join(rules, on="id", how="left")
    return {(row["source"], row["key"]): set(row["rule"] or []) for row in joined.to_dicts()}


def labels():
    return [json.loads(line) for line in LABELS.read_text().splitlines()]


def test_every_record_has_a_label_and_every_label_a_record(fates):
    labelled = [(label["source"], label["key"]) for label in labels()]
    assert len(labelled) == len(set(labelled)) >= 240
    assert set(labelled) == set(fates)


def test_every_record_meets_the_fate_that_its_label_says(fates):
    wrong = []
    for label in labels():
        found = fates[label["source"], label["key"]]
        if set(label["rules"]) != found:
            wrong.append(f"{label['key']}: expected {sorted(label['rules'])}, found {sorted(found)} ({label['why']})")
    assert not wrong, "\n".join(wrong)


def test_the_totals_are_the_reviewed_ones(run):
    """After a change that is meant: `python -m tests.golden` writes the file anew; read the diff before committing it."""
    assert golden.totals(run) == json.loads(golden.TOTALS.read_text())


def test_what_cleaning_must_remove_is_nowhere_in_the_dataset(run):
    text = (run / "dataset.jsonl").read_text()
    for trace in ("plantedscript", "<div", "&amp;", "\\u200b", "onclick", "[[Image", "thanks for the gold"):
        assert trace not in text


def test_the_dataset_loads_with_datasets(run, tmp_path):
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(run / "dataset.jsonl"), split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == json.loads((run / "manifest.json").read_bytes())["kept"]
    assert {message["role"] for row in loaded for message in row["messages"]} <= {"system", "user", "assistant"}


def test_the_sample_covers_what_it_promises(fates):
    rules = {rule for found in fates.values() for rule in found}
    assert len(fates) >= 240
    assert {
        "unreadable",
        "no_answer",
        "not_best_answer",
        "first_person",
        "sarcasm",
        "language",
        "exact_duplicate",
    } <= rules
