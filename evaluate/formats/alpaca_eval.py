"""AlpacaEval's files (github.com/tatsu-lab/alpaca_eval): model outputs, annotations, leaderboards.

An annotation says how far `output_2`, the system's, is preferred to `output_1`, the baseline's, from 1 to 2. Here the
baseline is a and the system is b.
"""

import math
import random
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from curate import chat
from curate.errors import InputError

from .. import record
from .fields import Row, frame, leftover, need, number_or_none, numbered, records, restored, text

SCHEMA = record.JUDGED
# Annotations carry ten decimals, so the two readings of one token distribution are told apart well above this.
_SAME = 1e-6


def annotations(path: Path) -> pl.DataFrame:
    """An `annotations.json` as judgements (schema JUDGED): a is `generator_1`, b the system `generator_2`.

    P(a preferred) is 2 − preference, exactly; the older 0 for a draw is ½. A null preference is a failed judgement:
    `parse_failed` where the judge's words are there, else `api_error`. `first` is what the judge's token probabilities
    show, null where they do not tell. An instruction that the file has twice gives samples 0 and 1.
    """
    rows = [_annotation(row, path, number) for number, row in enumerate(records(path), 1)]
    typed = numbered(frame(rows, SCHEMA, path), ["prompt_id", "model_a", "model_b", "judge"])
    return record.judgements(typed, str(path))


def _annotation(row: Row, path: Path, number: int) -> Row:
    preference = number_or_none(row, "preference", path, number)
    # 0: a draw in the files of 2023 (`alpaca_eval.metrics.winrate`, which replaces it by 1.5).
    if preference is not None and preference != 0 and not 1 <= preference <= 2:
        raise InputError(f"{path}: record {number}: preference is {preference}; expected 1 to 2 (or 0, a draw) or null")
    instruction = text(need(row, "instruction", path, number))
    assert instruction is not None
    raw = row.get("raw_completion")
    probability = None if preference is None else 0.5 if preference == 0 else 2.0 - preference
    failed = "parse_failed" if raw is not None else "api_error"
    judgement: Row = {
        "prompt_id": chat.prompt_id([{"role": "user", "content": instruction}]),
        "model_a": text(need(row, "generator_1", path, number)),
        "model_b": text(need(row, "generator_2", path, number)),
        "first": None if probability is None else _first_by_tokens(raw, probability),
        "probability": probability,
        "status": failed if probability is None else "ok",
        "judge": text(row.get("annotator")) or "unknown",
        "raw": text(raw),
        "cost": number_or_none(row, "price_per_example", path, number),
        "category": text(row.get("dataset")),
        "instruction": instruction,
        "output_a": text(row.get("output_1")),
        "output_b": text(row.get("output_2")),
    }
    return {**judgement, "extra": leftover(row, _written(judgement))}


def _written(judgement: Row) -> Row:
    probability = judgement["probability"]
    raw = judgement["raw"]
    return {
        "instruction": judgement["instruction"],
        "output_1": judgement["output_a"],
        "generator_1": judgement["model_a"],
        "dataset": judgement["category"],
        "output_2": judgement["output_b"],
        "generator_2": judgement["model_b"],
        "annotator": judgement["judge"],
        "preference": None if probability is None else 2.0 - probability,
        "price_per_example": judgement["cost"],
        "raw_completion": orjson.loads(raw) if raw and raw[0] in "{[" and _is_json(raw) else raw,
    }


def _is_json(value: str) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


def _first_by_tokens(raw: object, probability: float) -> str | None:
    """Which output was shown as `m`, the first: the judge's P(m) is P(a) or P(b), as `logprob_parser` swapped it or not.

    Of `weighted_alpaca_eval_gpt4_turbo` (alpaca_eval, completion_parsers.py): a single token, m or M.
    """
    try:
        top = raw["logprobs"]["content"][0]["top_logprobs"]  # type: ignore[index]
        logprobs = {entry["token"]: float(entry["logprob"]) for entry in top}
    except (TypeError, KeyError, IndexError):
        return None
    odds = logprobs.get("m", -math.inf), logprobs.get("M", -math.inf)
    if max(odds) == -math.inf:
        return None
    small, large = (math.exp(value - max(odds)) for value in odds)
    is_a = abs(small / (small + large) - probability) < _SAME
    is_b = abs(large / (small + large) - probability) < _SAME
    return None if is_a == is_b else "a" if is_a else "b"


def first_shown(instruction: str, seed: int = 0) -> str:
    """The answer that AlpacaEval shows first for this instruction: `a` (the baseline's) or `b`.

    `RandomSwitchTwoColumnsProcessor` of alpaca_eval's processors.py: one draw seeded by column, instruction and seed.
    """
    is_switched = random.Random(f"is_switched_outputs{instruction}{seed}").choices([False, True], k=1)[0]
    return "b" if is_switched else "a"


def write_annotations(judgements: pl.DataFrame, path: Path) -> None:
    """Judgements of pairs (schema JUDGED) as an `annotations.json`; one that was read from such a file is equal to it.

    A verdict without a probability is written as 1, 1.5 or 2, a failed judgement as null. Raises InputError where a
    row has no second model or no instruction.
    """
    if judgements["model_b"].null_count() or judgements["instruction"].null_count():
        raise InputError(f"{path}: AlpacaEval's annotations need two models and the instruction in every judgement")
    rows = judgements.with_columns(probability=record.preference_a()).to_dicts()
    # Without `leftover`, a draw by verdict would come out as 1.5 all the same.
    _write([restored(_written(row), row["extra"]) for row in rows], path)


def outputs(path: Path) -> pl.DataFrame:
    """A `model_outputs.json` as answers (schema ANSWER); of a list of outputs each is a sample.

    `input`, where there is one, follows the instruction after an empty line. Without `generator` the model has the name
    of the folder (of a file `model_outputs.json`) or of the file. An answer that is not text is its JSON; null stays.
    """
    named = path.parent.name if path.name.startswith("model_outputs") else path.name.split(".")[0]
    rows = []
    for number, row in enumerate(records(path), 1):
        instruction = "\n\n".join(filter(None, [text(need(row, "instruction", path, number)), text(row.get("input"))]))
        messages = [{"role": "user", "content": instruction}]
        answer = {
            "prompt_id": chat.prompt_id(messages),
            "instruction": instruction,
            "messages": messages,
            "generator": text(row.get("generator")) or named,
            "dataset": text(row.get("dataset")),
        }
        given = row.get("output")
        rows += [{**answer, "output": text(one)} for one in (given if isinstance(given, list) else [given])]
    typed = frame(rows, record.ANSWER, path)
    return record.answers(numbered(typed, ["prompt_id", "generator"]), str(path))


def write_outputs(answers: pl.DataFrame, path: Path) -> None:
    """Answers (schema ANSWER) as a `model_outputs.json`: instruction, output, generator, dataset."""
    _write(answers.select("instruction", "output", "generator", "dataset").to_dicts(), path)


def leaderboard(path: Path) -> pl.DataFrame:
    """A published leaderboard CSV: `model` (its first column, unnamed there) and the others as they stand.

    Numbers are Float64, empty fields null. Raises InputError where it has no win rate.
    """
    rows = records(path)
    if not rows or "win_rate" not in rows[0]:
        raise InputError(f"{path}: no column win_rate; expected an AlpacaEval leaderboard")
    table = pl.DataFrame([{name or "model": value or None for name, value in row.items()} for row in rows])
    texts = [name for name in table.columns if name in ("model", "mode")]
    try:
        return table.with_columns(pl.exclude(texts).cast(pl.Float64))
    except pl.exceptions.InvalidOperationError as error:
        raise InputError(f"{path}: a column that should hold numbers does not: {error}") from error


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    path.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
