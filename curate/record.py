"""The rows that everything else passes around: examples, rejected inputs, verdicts."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import polars as pl

TURN = pl.Struct({"role": pl.String, "content": pl.String})

# One input, whatever became of it. `key` is the source's own name for it (`cooking.stackexchange.com/a/12`,
# `t1_c0a1`, `alpaca.json:17`); `file` and `position` (1-based line, row or record number) say where it was read.
INPUT = pl.Schema(
    {
        "id": pl.String,
        "source": pl.String,
        "key": pl.String,
        "file": pl.String,
        "position": pl.Int64,
        "license": pl.String,
        "url": pl.String,
    }
)

# One candidate example. `group` and `stratum` are what selection balances over (topic group and site, category, task
# cluster); `markup` is the language that prompt, response, system and history are written in: html, markdown or plain.
# `prompt_role` is `tool` where what a tool said is answered, else null: the user asked.
# `title` is the question's own title where the source has one; `context_chars` the length of a question body that is
# not part of the prompt. `flags` are the source's own marks: deleted, bot, over_18, stickied, ...
EXAMPLE = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),
        "key": pl.String(),
        "file": pl.String(),
        "position": pl.Int64(),
        "license": pl.String(),
        "url": pl.String(),
        "group": pl.String(),
        "stratum": pl.String(),
        "system": pl.String(),
        "history": pl.List(TURN),
        "prompt": pl.String(),
        "prompt_role": pl.String(),
        "response": pl.String(),
        "markup": pl.String(),
        "title": pl.String(),
        "context_chars": pl.Int64(),
        "score": pl.Int64(),
        "date": pl.String(),
        "tags": pl.List(pl.String()),
        "flags": pl.List(pl.String()),
    }
)

# "At `stage`, `rule` removed `id`, which measured `value` against `limit`, because of `other`." `detail` is evidence in
# words (why a row is unreadable, the language found); it is never compared with anything.
VERDICT = pl.Schema(
    {
        "id": pl.String,
        "stage": pl.String,
        "rule": pl.String,
        "value": pl.Float64,
        "limit": pl.Float64,
        "other": pl.String,
        "detail": pl.String,
    }
)

# An input that a source could not turn into an example, with its verdict (stage `source`).
REJECT = pl.Schema([*INPUT.items(), *((name, dtype) for name, dtype in VERDICT.items() if name not in ("id", "stage"))])

# What a source holds in memory at once: rows, and characters of their texts.
BATCH_ROWS = 20_000
BATCH_CHARS = 32_000_000


class Batch(NamedTuple):
    """What a source yields: examples (schema EXAMPLE) and rejected inputs (schema REJECT)."""

    examples: pl.DataFrame
    rejects: pl.DataFrame


class Decision(NamedTuple):
    """What a stage decides: `verdicts` (schema VERDICT) and `scores` (`id` and the stage's own columns; none by default)."""

    verdicts: pl.DataFrame
    scores: pl.DataFrame = pl.DataFrame(schema={"id": pl.String})


def example_id(source: str, key: str) -> str:
    """The id of an input: 16 hex digits, the same on every machine and for every version of the text."""
    return blake2b(f"{source}\0{key}".encode(), digest_size=8).hexdigest()


def example_ids(source: str, keys: pl.Series) -> pl.Series:
    """`example_id` of each key, as a series named `id`."""
    prefix = blake2b(f"{source}\0".encode(), digest_size=8)

    def digest(key: str) -> str:
        state = prefix.copy()
        state.update(key.encode())
        return state.hexdigest()

    return pl.Series("id", [digest(key) for key in keys], dtype=pl.String)


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """`frame` with exactly the columns of `schema`, cast and in order; columns it lacks are null (lists: empty).

    Raises polars' own SchemaError or InvalidOperationError where a column cannot be cast: that is a defect of the caller.
    """
    columns = []
    for name, dtype in schema.items():
        column = pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name)
        columns.append(column.fill_null([]) if isinstance(dtype, pl.List) else column)
    return frame.select(columns)


def examples(source: str, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of schema EXAMPLE; `source` and `id` are filled in from `source` and each row's `key`."""
    return _identified(source, rows, EXAMPLE)


def rejects(source: str, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of schema REJECT; `source` and `id` are filled in from `source` and each row's `key`."""
    return _identified(source, rows, REJECT)


def _identified(source: str, rows: Iterable[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    given = {name: dtype for name, dtype in schema.items() if name not in ("id", "source")}
    frame = pl.DataFrame(list(rows), schema=given, orient="row")
    return conform(frame.with_columns(example_ids(source, frame["key"]), source=pl.lit(source)), schema)


def place(file: str, number: int, part: str = "") -> dict[str, Any]:
    """Where a record was read, as columns of INPUT: `key` is file:number, and `part` tells those of one record apart."""
    return {"key": f"{file}:{number}{part}", "file": file, "position": number}


def batches(source: str, rows: Iterable[dict[str, Any]], most: int = BATCH_ROWS) -> Iterator[Batch]:
    """Rows of EXAMPLE and, where they name a `rule`, of REJECT, in batches of `most`; of fewer where their texts are long."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if "rule" in row:
            bad.append({name: value for name, value in row.items() if name in REJECT})
        else:
            good.append(row)
            size += sum(
                map(len, (row["prompt"], row["response"], *(turn["content"] for turn in row.get("history") or ())))
            )
        if len(good) + len(bad) >= most or size >= BATCH_CHARS:
            yield Batch(examples(source, good), rejects(source, bad))
            good, bad, size = [], [], 0
    if good or bad:
        yield Batch(examples(source, good), rejects(source, bad))


def sliced(batch: Batch) -> Iterator[Batch]:
    """A batch in pieces of at most BATCH_ROWS examples and as many rejects; none where it is empty."""
    for start in range(0, max(batch.examples.height, batch.rejects.height), BATCH_ROWS):
        yield Batch(batch.examples.slice(start, BATCH_ROWS), batch.rejects.slice(start, BATCH_ROWS))


def verdicts(stage: str, rule: str, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` (`id` and any of `value`, `limit`, `other`, `detail`) as verdicts of one rule of one stage."""
    return conform(frame.with_columns(stage=pl.lit(stage), rule=pl.lit(rule)), VERDICT)
