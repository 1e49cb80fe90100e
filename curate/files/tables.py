"""Rows of CSV and Parquet files, one at a time."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from curate.errors import InputError
from curate.files.jsons import MAX_RECORD, Numbered, Unreadable
from curate.files.streams import open_stream

BATCH = 2**12


def csv_rows(path: Path, delimiter: str = ",") -> Iterator[Numbered]:
    """(row number from 1, not counting the header, fields by column name) of each row that is not blank.

    A row with another number of fields than the header, or with bytes that are not UTF-8, is `Unreadable` and reading
    goes on. NUL characters stay in the text. Raises InputError where the header is missing or names a column twice,
    where the file ends inside a quoted field (it is cut off), and where a field is longer than 256 MiB.
    """
    # One setting for the whole process, and the default (128 KiB) is shorter than many an article.
    csv.field_size_limit(MAX_RECORD)
    # Undecodable bytes become lone surrogates, so that only their row is lost.
    with io.TextIOWrapper(open_stream(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        number = 0
        n_complete = 0  # lines up to the end of the last whole row

        def lines() -> Iterator[str]:
            yield from text
            # Only inside a quoted field does the reader want another line here; it would close that field in silence.
            if reader.line_num != n_complete:
                raise InputError(f"{path}: truncated: row {number + 1}, line {n_complete + 1}, never closes its quotes")

        reader = csv.reader(lines(), delimiter=delimiter)
        try:
            header = next(reader, [])
            _check_header(path, header)
            n_complete = reader.line_num
            for fields in reader:
                n_complete = reader.line_num
                if fields:
                    number += 1
                    yield number, _row(header, fields)
        except csv.Error as error:
            raise InputError(
                f"{path}: row {number + 1}, line {reader.line_num}: not readable as CSV: {error}"
            ) from error


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Numbered]:
    """(row number from 1, values by column name) of a Parquet file, decoded a few thousand rows at a time.

    Raises InputError where the file cannot be read or lacks one of `columns`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(file.schema_arrow.names)}")
            numbers = count(1)
            for batch in file.iter_batches(BATCH, columns=None if columns is None else list(columns)):
                yield from zip(numbers, batch.to_pylist(), strict=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet (cut off or corrupt?): {error}") from error


def _check_header(path: Path, header: list[str]) -> None:
    if not any(header):
        raise InputError(f"{path}: no header row; expected the names of the columns in the first line")
    if not _is_text(header):
        raise InputError(f"{path}: the header row is not UTF-8; convert the file to UTF-8")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"{path}: the header row names {', '.join(map(repr, repeated))} more than once")


def _row(header: list[str], fields: list[str]) -> dict[str, str] | Unreadable:
    if len(fields) != len(header):
        return Unreadable(f"{len(fields)} fields where the header has {len(header)}")
    if not _is_text(fields):
        return Unreadable("not UTF-8")
    return dict(zip(header, fields, strict=True))


def _is_text(fields: list[str]) -> bool:
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:
        return False
    return True
