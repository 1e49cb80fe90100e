"""A whole source out of a function that reads one file."""

import gzip
from types import SimpleNamespace
from typing import Literal

import pytest

from curate import record
from curate.errors import InputError
from curate.files import Sniff, read_text
from curate.sources import by_file


class Settings(by_file.Settings):
    kind: Literal["pairs"]
    upper: bool = False


def records(file, settings):
    for line in read_text(file).splitlines():
        question, arrow, answer = line.partition(" -> ")
        if not arrow:
            yield {"rule": "unreadable", "detail": "no arrow"}
        elif not answer:
            yield {"rule": "no_answer"}
        else:
            yield {"prompt": question, "response": answer.upper() if settings.upper else answer, "markup": "plain"}


PAIRS = by_file.source(SimpleNamespace(__name__="curate.sources.pairs", Settings=Settings, records=records), ".pairs")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.pairs").write_text("Rye? -> A grass.\nWhy? -> \nand so on\n")
    (tmp_path / "b/c.pairs.gz").write_bytes(gzip.compress("Oats? -> A grass, too.\r\n".encode("utf-8-sig")))
    (tmp_path / "notes.txt").write_text("Rye? -> No.\n")
    return tmp_path


def test_each_file_below_the_path_that_ends_so_is_a_unit(folder):
    chosen = Settings(kind="pairs", path=folder)
    assert PAIRS.units(chosen) == [(folder / "a.pairs",), (folder / "b/c.pairs.gz",)]
    assert PAIRS.units(Settings(kind="pairs", path=folder / "a.pairs")) == [(folder / "a.pairs",)]
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected a file ending in \.pairs"):
        PAIRS.units(Settings(kind="pairs", path=folder / "empty"))


def test_every_record_has_its_place_and_its_file_for_a_stratum(folder):
    chosen = Settings(kind="pairs", path=folder, upper=True)
    (first,), (second,) = (tuple(PAIRS.load("mine", unit, chosen, folder)) for unit in PAIRS.units(chosen))
    assert first.rejects.select("key", "file", "position", "rule", "detail").rows() == [
        ("a.pairs:2", "a.pairs", 2, "no_answer", None),
        ("a.pairs:3", "a.pairs", 3, "unreadable", "no arrow"),
    ]
    columns = ("id", "key", "group", "stratum", "response")
    assert first.examples.select(columns).rows() == [
        (record.example_id("mine", "a.pairs:1"), "a.pairs:1", "mine", "a", "A GRASS.")
    ]
    assert second.examples.select(columns[1:]).rows() == [("b/c.pairs.gz:1", "mine", "c", "A GRASS, TOO.")]


def test_a_file_is_taken_for_what_its_records_say(folder):
    found = Sniff("pairs", ".pairs", 3, 2, "")
    assert PAIRS.sniff(folder / "a.pairs") == found
    assert PAIRS.forms((folder / "a.pairs",), Settings(kind="pairs", path=folder)) == [found]
    assert PAIRS.sniff(folder / "notes.txt") is None
    (folder / "empty.pairs").write_text("")
    assert PAIRS.sniff(folder / "empty.pairs") is None
    assert PAIRS.count(folder / "a.pairs") == 3


def test_text_in_another_encoding_is_an_error_that_says_where(tmp_path):
    (tmp_path / "latin.pairs").write_bytes("Öl? -> Ja.".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.pairs: not UTF-8: .* at byte 0"):
        PAIRS.count(tmp_path / "latin.pairs")


def test_batches_are_cut_at_so_many_rows_or_so_much_text(monkeypatch):
    rows = [
        record.place("f", 1) | {"prompt": "a", "response": "b"},
        record.place("f", 2) | {"rule": "no_answer", "group": "left out"},
        record.place("f", 3) | {"prompt": "c", "response": "d", "history": [{"role": "user", "content": "e" * 90}]},
        record.place("f", 4) | {"prompt": "g", "response": "h"},
    ]
    assert [(b.examples.height, b.rejects.height) for b in record.batches("s", rows, 2)] == [(1, 1), (2, 0)]
    monkeypatch.setattr(record, "BATCH_CHARS", 90)
    assert [(b.examples.height, b.rejects.height) for b in record.batches("s", rows)] == [(2, 1), (1, 0)]
    assert list(record.batches("s", [])) == []
