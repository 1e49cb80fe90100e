"""Desks made by hand: candidates of a few columns, without a run behind them."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl

from curate.desk.model import Desk
from curate.review.log import Decision, record

SCHEMA = {
    **dict.fromkeys(("id", "content", "source", "group", "stratum", "fate", "stage", "rule", "nearest"), pl.String),
    **dict.fromkeys(("score", "quality", "value", "limit", "margin", "nearest_value", "nearest_limit"), pl.Float64),
    **dict.fromkeys(("rank", "topic", "vector_row"), pl.Int64),
}
DEFAULTS = {"source": "s", "fate": "kept"}
SELECT = {"quotas": {}, "size": None, "temperature": 1.0}


def desk(*rows, vectors=None, select=None):
    """Row i is example `e<i>` with content `c<i>`, kept, of source `s`, but for what `rows` say; vector i is its own."""
    made = [
        {"id": f"e{i}", "content": f"c{i}", **({"vector_row": i} if vectors is not None else {}), **DEFAULTS, **row}
        for i, row in enumerate(rows)
    ]
    candidates = pl.DataFrame([dict.fromkeys(SCHEMA) | row for row in made], schema=SCHEMA)
    candidates = candidates.with_row_index("row").cast({"row": pl.Int64})
    values = {
        "run": Path("run"),
        "candidates": candidates,
        "verdicts": candidates.filter(pl.col("rule").is_not_null()).select("row", "stage", "rule", "value", "limit"),
        "recipe": {"select": SELECT | (select or {})},
        "vectors": None if vectors is None else _unit(np.array(vectors, dtype=np.float32)),
        "rows_of_vectors": np.arange(len(rows)),
        "topics": [],
        "manifest": {},
    }
    return Desk(**{field.name: values.get(field.name) for field in fields(Desk)})


def dropped(rule, **others):
    return {"fate": "limit", "stage": "filters", "rule": rule, **others}


def say(log, words, session="s"):
    """Decide as (reviewer, row, decision), one after another, each with a token of its own."""
    start = log.execute("SELECT count(*) FROM events").fetchone()[0]
    return [
        record(log, [Decision(who, session, f"t{start + i}", f"c{row}", f"e{row}", word)])[0]
        for i, (who, row, word) in enumerate(words)
    ]


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
