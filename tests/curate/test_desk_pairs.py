"""Decisions on gray pairs: in the log, in a file that no build writes, and in the next build."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from curate.contamination import review
from curate.desk import pairs
from curate.errors import InputError
from curate.review.store import opened

GRAY = [
    {"content": "one", "item": "t/1", "category": "gray_area", "evidence": "t/1: coverage 0.8", "decision": None},
    {"content": "two", "item": "t/2", "category": "gray_area", "evidence": "t/2: cosine 0.9", "decision": None},
    {"content": "old", "item": "t/3", "category": "gray_area", "evidence": "t/3: run 9", "decision": "keep"},
]


@pytest.fixture
def run(tmp_path):
    (tmp_path / pairs.GRAY).write_text("".join(json.dumps(row) + "\n" for row in GRAY))
    return tmp_path


@pytest.fixture
def journal(run):
    with opened(run / "decisions.sqlite") as connection:
        yield connection


def said(run, journal):
    return {row["item"]: row["decision"] for row in pairs.pairs(run, journal).to_dicts()}


def replayed(run):
    """What the next build reads."""
    return {row["item"]: row["decision"] for row in review.read(run / pairs.DECIDED).to_dicts()}


def test_a_decision_stands_in_the_log_and_in_the_file_that_the_next_build_reads(run, journal):
    event = pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    assert (event.reviewer, event.decision) == ("ann", "drop")
    assert said(run, journal) == {"t/1": "drop", "t/2": None, "t/3": "keep"}
    assert replayed(run) == {"t/1": "drop", "t/3": "keep"}
    (row,) = [row for row in pairs.pairs(run, journal).to_dicts() if row["item"] == "t/1"]
    assert (row["reviewer"], row["evidence"]) == ("ann", "t/1: coverage 0.8")


def test_a_rebuild_that_writes_the_pairs_anew_destroys_no_decision(run, journal):
    pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    (run / pairs.GRAY).write_text(json.dumps(GRAY[1]) + "\n")
    assert said(run, journal) == {"t/1": "drop", "t/2": None, "t/3": "keep"}
    pairs.decide(run, journal, "ann", "s", "2", "two", "t/2", "keep")
    assert replayed(run) == {"t/1": "drop", "t/2": "keep", "t/3": "keep"}


def test_a_log_that_is_gone_takes_no_decision_with_it(run, journal):
    pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    with opened(run / "another.sqlite") as empty:
        assert said(run, empty) == {"t/1": "drop", "t/2": None, "t/3": "keep"}


def test_the_later_decision_counts_and_a_decision_can_be_taken_back(run, journal):
    for number, decision in enumerate(("drop", "keep", "undecided")):
        pairs.decide(run, journal, "ann", "s", str(number), "one", "t/1", decision)
    pairs.decide(run, journal, "ann", "s", "old", "old", "t/3", "undecided")
    assert said(run, journal) == {"t/1": None, "t/2": None, "t/3": None}
    assert replayed(run) == {}
    assert [event.decision for event in pairs.history(journal)] == ["drop", "keep", "undecided", "undecided"]


def test_the_same_token_twice_is_one_decision_and_another_decision_under_it_an_error(run, journal):
    first = pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    assert pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop") == first
    with pytest.raises(InputError, match="token 1"):
        pairs.decide(run, journal, "ann", "s", "1", "two", "t/2", "drop")
    assert len(pairs.history(journal)) == 1


def test_what_is_no_decision_or_no_pair_is_not_written(run, journal):
    with pytest.raises(InputError, match="expected one of keep, drop, undecided"):
        pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "maybe")
    with pytest.raises(InputError, match="no pair"):
        pairs.decide(run, journal, "ann", "s", "1", "one", "t/9", "drop")
    assert pairs.history(journal) == []
    assert not (run / pairs.DECIDED).exists()


def test_a_file_that_cannot_be_written_leaves_the_log_as_it_was(run, journal, monkeypatch):
    def refuse(path, write):
        raise OSError("no")

    monkeypatch.setattr(pairs.runs, "write_atomically", refuse)
    with pytest.raises(OSError, match="no"):
        pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    assert pairs.history(journal) == []


def test_decisions_of_several_writers_all_stand_in_the_file(run):
    rows = [{**GRAY[0], "content": f"text{n}", "item": f"t/{n}"} for n in range(12)]
    (run / pairs.GRAY).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def decide(n):
        with opened(run / "decisions.sqlite") as log:
            pairs.decide(run, log, f"r{n % 3}", "s", str(n), f"text{n}", f"t/{n}", "keep")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decide, range(12)))
    assert replayed(run) == {f"t/{n}": "keep" for n in range(12)}


def test_a_logged_decision_cannot_be_changed(run, journal):
    pairs.decide(run, journal, "ann", "s", "1", "one", "t/1", "drop")
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        journal.execute("UPDATE pairs SET decision = 'keep'")
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        journal.execute("DELETE FROM pairs")


def test_a_run_without_pairs_has_none_and_a_damaged_file_says_which_line(run, journal):
    (run / pairs.GRAY).write_text("")
    assert pairs.pairs(run, journal).is_empty()
    (run / pairs.GRAY).unlink()
    assert pairs.pairs(run, journal).is_empty()
    (run / pairs.GRAY).write_text(json.dumps(GRAY[0]) + "\n{broken\n")
    with pytest.raises(InputError, match="jsonl:2"):
        pairs.pairs(run, journal)
