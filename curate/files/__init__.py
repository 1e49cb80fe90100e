"""Opening files: streams of bytes, and rows as plain dictionaries.

A row that cannot be read is a value (`Unreadable`), so that the rest of the file still counts; a file that cannot be
read to its end is an InputError, so that a part is never taken for the whole.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from curate.errors import InputError
from curate.files.jsons import Numbered, Unreadable, json_array, json_frames, json_lines, loads
from curate.files.streams import COMPRESSIONS, Sniff, expand, open_stream, plain_name, read_text
from curate.files.tables import csv_rows, parquet_rows

__all__ = [
    "COMPRESSIONS",
    "SUFFIXES",
    "Numbered",
    "Sniff",
    "Unreadable",
    "count",
    "csv_rows",
    "expand",
    "json_array",
    "json_frames",
    "json_lines",
    "open_stream",
    "parquet_rows",
    "plain_name",
    "read_text",
    "rows",
]

# What `rows` reads, compressed or not (Parquet: not).
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_LINES = (".jsonl", ".ndjson")
_PEEK = 2**20


def rows(path: Path) -> Iterator[Numbered]:
    """(number from 1, fields by name | Unreadable) of each record of a JSON, JSON Lines, CSV, TSV or Parquet file.

    Tables are recognised by suffix, JSON by its first bytes, so that lines of JSON in a `.json` are read as lines and an
    array in a `.jsonl` as an array. The number is the line of JSON Lines, else the record's. Raises InputError where the
    file is missing, truncated or of no known form.
    """
    suffix = Path(plain_name(path)).suffix.lower()
    if suffix == ".parquet":
        return parquet_rows(path)
    if suffix in (".csv", ".tsv"):
        return csv_rows(path, "\t" if suffix == ".tsv" else ",")
    with open_stream(path) as stream:
        start = stream.read(_PEEK)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return json_array(path)
    if text.startswith(b"{"):
        first, newline, _ = text.partition(b"\n")
        is_lines = suffix in _LINES or (newline and not isinstance(loads(first), Unreadable))
        return json_lines(path) if is_lines else json_array(path)
    if suffix in _LINES or (suffix == ".json" and not text):
        return json_lines(path)
    if start.startswith(b"PAR1"):
        return parquet_rows(path)
    raise InputError(f"{path}: begins with {_shown(start)}; expected one of {', '.join(SUFFIXES)} (also compressed)")


def count(path: Path) -> int:
    """How many records a file of `rows` holds, unreadable ones too; reads all of it. Errors as in `rows`."""
    return sum(1 for _ in rows(path))


def _shown(start: bytes) -> str:
    return repr(re.sub(r"\s+", " ", start[:40].decode("utf-8", "replace"))) if start else "nothing"
