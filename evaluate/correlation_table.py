"""Quality and perplexity of models from one table that holds both."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate import files
from curate.errors import InputError, did_you_mean

from .correlation import Given, uncomparable
from .statistics.correlation import Points
from .statistics.intervals import Floats

Row = dict[str, Any]

_NEEDED = ("model", "quality")
# The column of what quality is held against.
_COLUMNS = {"bits_per_byte": "bits_per_byte", "token_perplexity": "perplexity"}


def of_table(path: Path, against: str | None = None) -> Given:
    """Points from one table (CSV, JSONL, Parquet): `model`, `quality` (higher is better), and `bits_per_byte` or `perplexity`
    (per token); `step`, `length` and `tokenizer` where they are known.

    Raises InputError where a column or value is missing, ConfigError where perplexities of several tokenizers would be
    compared.
    """
    rows = []
    for number, row in files.rows(path):
        if isinstance(row, files.Unreadable):
            raise InputError(f"{path}:{number}: {row.reason}")
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: holds no rows; expected {', '.join(_NEEDED)}, and {' or '.join(_COLUMNS.values())}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    kind = against or ("bits_per_byte" if "bits_per_byte" in names else "token_perplexity")
    if missing := [name for name in (*_NEEDED, _COLUMNS[kind]) if name not in names]:
        hint = did_you_mean(missing[0], names)
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {', '.join(names)}. {hint}")
    models = [str(row.get("model")) for row in rows]
    if twice := next((name for name in models if models.count(name) > 1), None):
        raise InputError(f"{path}: model {twice} stands there twice; expected one row a model")
    tokenizers = {str(row["tokenizer"]) for row in rows if row.get("tokenizer") not in (None, "")}
    if kind == "token_perplexity" and len(tokenizers) > 1:
        raise uncomparable(f"{path}: the tokenizers are {', '.join(sorted(tokenizers))}")
    value = _column(rows, _COLUMNS[kind], path)
    nats = value * math.log(2) if kind == "bits_per_byte" else np.log(_positive(value, _COLUMNS[kind], path))
    known = {name: _column(rows, name, path) for name in ("step", "length") if _is_given(rows, name)}
    notes = []
    if kind == "token_perplexity" and not tokenizers:
        notes.append(
            "perplexities per token are taken to be of one tokenizer, as the table names none (column tokenizer); across"
            " tokenizers only bits_per_byte compares"
        )
    points = Points(models, _column(rows, "quality", path)[None], nats[None], np.ones((1, len(rows))), **known)
    return Given(points, "quality", kind, None, notes)


def _is_given(rows: Sequence[Row], name: str) -> bool:
    return any(row.get(name) not in (None, "") for row in rows)


def _column(rows: Sequence[Row], name: str, path: Path) -> Floats:
    values = []
    for number, row in enumerate(rows, start=1):
        try:
            value = float(row[name])
        except (KeyError, TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{path}: record {number}: {name} is {row.get(name)!r}; expected a number")
        values.append(value)
    return np.array(values)


def _positive(values: Floats, name: str, path: Path) -> Floats:
    if (values < 1).any():
        raise InputError(f"{path}: {name} {values.min():g} is below 1, which no perplexity is")
    return values
