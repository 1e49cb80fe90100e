"""A desk of a few rows written in the test, without a build: what the tests of pure questions about candidates look at."""

from dataclasses import fields
from pathlib import Path

import polars as pl

from curate.desk.model import Desk

CANDIDATES = {
    "row": pl.Int64,
    "id": pl.String,
    "content": pl.String,
    "source": pl.String,
    "group": pl.String,
    "stratum": pl.String,
    "title": pl.String,
    "response_chars": pl.Int64,
    "score": pl.Int64,
    "quality": pl.Float64,
    "rank": pl.Int64,
    "fate": pl.String,
    "stage": pl.String,
    "rule": pl.String,
    "margin": pl.Float64,
    "topic": pl.Int64,
}
VERDICTS = {
    "row": pl.Int64,
    "stage": pl.String,
    "rule": pl.String,
    "value": pl.Float64,
    "limit": pl.Float64,
    "other": pl.Int64,
    "other_id": pl.String,
    "detail": pl.String,
}
STATES = {"row": pl.Int64, "decision": pl.String, "disagree": pl.Boolean}


def desk(rows, verdicts=(), *, overridden=(), quotas=None, run=Path("run")):
    """A desk of these rows: `id<n>` with the text `text<n>`, of source `a` and kept, where they say nothing else."""
    given = [
        {"row": n, "id": f"id{n}", "content": f"text{n}", "source": "a", "fate": "kept", **row}
        for n, row in enumerate(rows)
    ]
    known = {
        "run": run,
        "candidates": pl.DataFrame(given, schema=CANDIDATES),
        "verdicts": pl.DataFrame(list(verdicts), schema=VERDICTS),
        "overridden": pl.DataFrame(list(overridden), schema=VERDICTS),
        "recipe": {"select": {"quotas": quotas or {}}},
    }
    # What the tests do not ask about is not there.
    return Desk(**{field.name: known.get(field.name) for field in fields(Desk)})


def states(n, decisions):
    """The states of `n` rows, of which these have a decision."""
    rows = [{"row": row, "decision": decisions.get(row), "disagree": False} for row in range(n)]
    return pl.DataFrame(rows, schema=STATES)


def stages(run, names=("source", "clean", "filters", "exact")):
    """A run with the folders of these stages."""
    for number, name in enumerate(names):
        (run / f"{number}-{name}").mkdir(parents=True)
    return run
