"""A table of labels: which column names the item, which hold what each rater said of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.errors import InputError, did_you_mean

from .formats.fields import records, text


def read(path: Path, items: str, labels: Sequence[str]) -> pl.DataFrame:
    """The columns `items` (String) and `labels` of a CSV, JSON Lines or Parquet file, in its order.

    Labels are Float64 where every one of them, in all columns, is a number (also written as text, as in a CSV), else
    String. An empty field is a missing label. Raises InputError for a column that no record has.
    """
    rows = records(path)
    known = list(dict.fromkeys(name for row in rows for name in row))
    for name in (items, *labels):
        if name not in known:
            raise InputError(f"{path}: no column {name!r}. {did_you_mean(name, known)}")
    values = {name: [_label(row.get(name)) for row in rows] for name in labels}
    numbers = {name: [_number(value) for value in column] for name, column in values.items()}
    is_numeric = all(
        number is not None or value is None
        for name, column in values.items()
        for value, number in zip(column, numbers[name], strict=True)
    )
    chosen, kind = (numbers, pl.Float64) if is_numeric else (values, pl.String)
    named = pl.Series(items, [text(row.get(items)) for row in rows], dtype=pl.String)
    if named.null_count():
        place = named.is_null().arg_max()
        raise InputError(f"{path}: record {(place or 0) + 1}: no {items}; every row needs the item it is about")
    return pl.DataFrame([named, *(pl.Series(name, chosen[name], dtype=kind) for name in labels)])


def _label(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    said = text(value)
    return said.strip() or None if said is not None else None


def _number(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
