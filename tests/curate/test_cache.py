"""The cache of expensive values."""

import multiprocessing
import sqlite3

import pytest

from curate import cache
from curate.errors import RunError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))


def fill(start):
    cache.put("shared", [(cache.key(str(i)), str(i).encode()) for i in range(start, start + 500)])


def test_what_was_put_is_there_and_nothing_else():
    cache.put("vectors", [(b"a", b"1"), (b"b", b"2")])
    assert cache.get("vectors", [b"a", b"b", b"c"]) == {b"a": b"1", b"b": b"2"}
    assert cache.get("others", [b"a"]) == {}


def test_the_first_value_of_a_key_stays():
    cache.put("vectors", [(b"a", b"1")])
    cache.put("vectors", [(b"a", b"2")])
    assert cache.get("vectors", [b"a"]) == {b"a": b"1"}


def test_more_keys_than_one_statement_takes():
    cache.put("many", ((cache.key(str(i)), b"") for i in range(25_000)))
    assert len(cache.get("many", [cache.key(str(i)) for i in range(30_000)])) == 25_000


def test_keys_keep_their_parts_apart():
    assert cache.key("ab", "c") != cache.key("a", "bc")
    assert len(cache.key("\ud800")) == 16


def test_two_processes_write_one_file():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(fill, [0, 250, 500, 750])
    assert len(cache.get("shared", [cache.key(str(i)) for i in range(1_250)])) == 1_250


def test_a_file_that_is_no_cache_is_one_line():
    cache.folder().mkdir()
    (cache.folder() / "vectors.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(RunError, match="LAPIDARY_CACHE"):
        cache.get("vectors", [b"a"])


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(RunError, match="cannot be used"):
        cache.put("vectors", [(b"a", b"1")])


def test_a_new_file_that_another_process_is_just_making_is_waited_for(monkeypatch):
    class Busy:
        left = 2

        def execute(self, _):
            self.left -= 1
            if self.left >= 0:
                raise sqlite3.OperationalError("database is locked")

    cache.write_ahead(Busy())
    monkeypatch.setattr(cache, "BUSY_SECONDS", -1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        cache.write_ahead(Busy())
