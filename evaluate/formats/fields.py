"""What the readers share: the records of a file, their fields as typed columns, and what a form has no column for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

import orjson
import polars as pl

from curate import files
from curate.errors import InputError

Row = dict[str, Any]
T = TypeVar("T")
_LARGEST = 2**63 - 1


def records(path: Path) -> list[Row]:
    """The objects of a JSON, JSON Lines, CSV or Parquet file, in order; lines of JSON end at a newline and nowhere else.

    Raises InputError where one of them cannot be read: a judgement that is left out would move a result in silence.
    """
    return list(_rows(path))


def first_record(path: Path) -> Row:
    """The first object of a file, of which no more is read; errors as in `records`, and where the file has none."""
    row = next(_rows(path), None)
    if row is None:
        raise InputError(f"{path}: holds no records; expected judgements, answers or prompts")
    return row


def _rows(path: Path) -> Iterator[Row]:
    for number, row in files.rows(path):
        if isinstance(row, files.Unreadable):
            raise InputError(f"{path}: record {number}: {row.reason}; mend or remove this record")
        yield row


def text(value: object) -> str | None:
    """A value as text: text as it is, null as null, anything else as its JSON (an answer `Yes.` may be stored as `true`)."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def need(row: Mapping[str, Any], name: str, path: Path, number: int) -> Any:  # noqa: ANN401 - any JSON value
    """The field `name` of a record; raises InputError where it is missing or null."""
    if row.get(name) is None:
        raise InputError(f"{path}: record {number}: no {name}; the record has {', '.join(row)}")
    return row[name]


def number_or_none(row: Mapping[str, Any], name: str, path: Path, number: int) -> float | None:
    """The field `name` as a number or null (also where it is missing); raises InputError where it is anything else."""
    value = row.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise InputError(f"{path}: record {number}: {name} is {value!r}; expected a number or null")


def one_of(row: Mapping[str, Any], name: str, known: Mapping[str, T], path: Path, number: int) -> T:
    """What the word in field `name` stands for in `known`; raises InputError where it is no such word."""
    word = need(row, name, path, number)
    if not isinstance(word, str) or word not in known:
        raise InputError(f"{path}: record {number}: {name} is {word!r}; expected {', '.join(known)}")
    return known[word]


def objects(row: Mapping[str, Any], name: str, path: Path, number: int) -> list[Row]:
    """The field `name` as a list of objects, empty where it is missing or null; raises InputError for anything else."""
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError(f"{path}: record {number}: {name} is {_shown(value)}; expected a list of objects")
    return value


def frame(rows: Iterable[Mapping[str, Any]], schema: pl.Schema, path: Path) -> pl.DataFrame:
    """Records as a frame with the columns of `schema` that any of them has, each value of its column's type.

    Raises InputError naming record, field, what was found and what was expected. A whole number where a real one is
    expected is fine; a boolean is never a number, and a number never text.
    """
    rows = list(rows)
    given = set().union(*rows)
    present = {name: dtype for name, dtype in schema.items() if name in given}
    numbers = range(1, len(rows) + 1)
    columns = {
        name: _column([row.get(name) for row in rows], numbers, dtype, name, path) for name, dtype in present.items()
    }
    return pl.DataFrame(columns, schema=present)


_KINDS: list[tuple[type[pl.DataType], set[type], str]] = [
    (pl.String, {str, NoneType}, "text"),
    (pl.Int64, {int, NoneType}, "a whole number"),
    (pl.Float64, {int, float, NoneType}, "a number"),
    (pl.List, {list, NoneType}, "a list"),
    (pl.Struct, {dict, NoneType}, "an object"),
]


# `dtype` is any: polars' types are compared with `==` here, and a list's or an object's parts are read off it.
def _column(values: list[Any], numbers: Sequence[int], dtype: Any, name: str, path: Path) -> list[Any]:  # noqa: ANN401
    """`values` (of the records `numbers`) as they are, all of them checked; objects without what has no part in them."""
    allowed, expected = next((types, words) for kind, types, words in _KINDS if dtype == kind)
    # By exact type, as a boolean is an instance of int; all at once, as there may be a million votes.
    if not set(map(type, values)) <= allowed:
        number, value = next((n, value) for n, value in zip(numbers, values, strict=True) if type(value) not in allowed)
        raise InputError(f"{path}: record {number}: {name} is {_shown(value)}; expected {expected} or null")
    if dtype == pl.Int64 and any(value is not None and abs(value) > _LARGEST for value in values):
        number, value = next((n, value) for n, value in zip(numbers, values, strict=True) if abs(value or 0) > _LARGEST)
        raise InputError(f"{path}: record {number}: {name} is {value}, which is too large a number")
    if dtype == pl.List:
        pairs = zip(numbers, values, strict=True)
        return [None if v is None else _column(v, [n] * len(v), dtype.inner, name, path) for n, v in pairs]
    if dtype == pl.Struct:
        known = [{} if value is None else value for value in values]
        parts = {
            part.name: _column([one.get(part.name) for one in known], numbers, part.dtype, f"{name}.{part.name}", path)
            for part in dtype.fields
        }
        whole = (dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True))
        return [None if value is None else one for value, one in zip(values, whole, strict=True)]
    return values


def _shown(value: object) -> str:
    shown = orjson.dumps(value).decode()
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def leftover(row: Row, written: Row) -> str | None:
    """What must be changed in `written` (the record as a writer would make it of the columns) to get `row` again.

    A JSON object as text: `set`, fields that differ or that have no column; `unset`, fields that `row` has not. Null
    where the two are equal.
    """
    changed = {name: value for name, value in row.items() if name not in written or _differ(written[name], value)}
    absent = [name for name in written if name not in row]
    if not changed and not absent:
        return None
    return orjson.dumps({"set": changed, "unset": absent}).decode()


def restored(written: Row, extra: str | None) -> Row:
    """`written` with the changes of `leftover` made to it."""
    if extra is None:
        return written
    changes = orjson.loads(extra)
    absent = changes.get("unset", [])
    return {name: value for name, value in {**written, **changes.get("set", {})}.items() if name not in absent}


def _differ(mine: object, theirs: object) -> bool:
    # Not `!=`: 1, 1.0 and true are equal in Python and different in a file.
    return orjson.dumps(mine) != orjson.dumps(theirs)


def numbered(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """`frame` with `sample` counting, from 0, the rows that share `keys`: a prompt that a file has twice keeps both."""
    if frame.is_empty():
        return frame
    return frame.with_columns(sample=pl.int_range(pl.len(), dtype=pl.Int64).over(keys))
