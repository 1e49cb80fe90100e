"""Our own files: prompts of any usual form, answers, judgements; one JSON object a line where we write them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import polars as pl

from curate import chat
from curate.errors import InputError

from .. import record
from .fields import Row, frame, records, text

_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}
_IDS = ("prompt_id", "id", "question_id", "uid")


def prompts(path: Path) -> pl.DataFrame:
    """Prompts (schema PROMPT) of records with `instruction` (and `input`), `prompt`, `messages` or `conversations`.

    `conversations`: texts in turn (LIMA) or {"from", "value"} (ShareGPT). An answer that stands at the end is no part of
    the prompt but its `reference`. The id is the file's own (`prompt_id`, `id`, `question_id`, `uid`) or
    `chat.prompt_id`; a prompt that stands twice is there twice.
    """
    rows = []
    for number, row in enumerate(records(path), 1):
        turns = _turns(row, path, number)
        reference = row.get("reference") or []
        if turns[-1]["role"] == "assistant":
            reference = [turns[-1]["content"]]
            turns = turns[:-1]
        if not turns or turns[-1]["role"] != "user":
            raise InputError(f"{path}: record {number}: the prompt does not end with a turn of the user")
        given = next((text(row[name]) for name in _IDS if row.get(name) is not None), None)
        rows.append(
            {
                "prompt_id": given or chat.prompt_id(turns),
                "instruction": instruction(turns),
                "messages": turns,
                "category": text(row.get("category")),
                "dataset": text(row.get("dataset")),
                "reference": [reference] if isinstance(reference, str) else [text(one) for one in reference],
            }
        )
    return record.prompts(frame(rows, record.PROMPT, path), str(path))


def instruction(turns: Sequence[Row]) -> str:
    """A prompt as one text: the user's turn, or of several turns each after its role, with empty lines between."""
    if len(turns) == 1:
        return str(turns[0]["content"])
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def _turns(row: Row, path: Path, number: int) -> list[Row]:
    for name in ("instruction", "prompt"):
        if isinstance(row.get(name), str):
            words = [row[name], row.get("input")] if name == "instruction" else [row[name]]
            return [{"role": "user", "content": "\n\n".join(filter(None, words))}]
    given = row.get("messages") or row.get("conversations")
    if not isinstance(given, list) or not given:
        raise InputError(
            f"{path}: record {number}: no prompt; expected instruction, prompt, messages or conversations, "
            f"the record has {', '.join(row)}"
        )
    turns = []
    for place, turn in enumerate(given):
        if isinstance(turn, str):
            turns.append({"role": ("user", "assistant")[place % 2], "content": turn})
            continue
        role = _ROLES.get(str(turn.get("role") or turn.get("from"))) if isinstance(turn, dict) else None
        content = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if role is None or not isinstance(content, str):
            raise InputError(f"{path}: record {number}: turn {place + 1} is {turn!r}; expected a role and its text")
        turns.append({"role": role, "content": content})
    return turns


def answers(path: Path) -> pl.DataFrame:
    """Answers in our own form (schema ANSWER). An `output` that is not text is its JSON; null stays null."""
    rows = []
    for row in records(path):
        decoding = row.get("decoding")
        rows.append({**row, "output": text(row.get("output")), "decoding": text(decoding)})
    return record.answers(frame(rows, record.ANSWER, path), str(path))


def judgements(path: Path) -> pl.DataFrame:
    """Judgements in our own form (schema JUDGED); what else a record holds is kept in `extra`."""
    rows = []
    for row in records(path):
        others = {name: value for name, value in row.items() if name not in record.JUDGED}
        kept = {"extra": orjson.dumps({"set": others, "unset": []}).decode()} if others else {}
        rows.append({**row, **kept})
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def write_answers(answers: pl.DataFrame, path: Path) -> None:
    """Answers as JSON lines; `decoding` as an object again."""
    rows = answers.to_dicts()
    _write(({**row, "decoding": orjson.loads(row["decoding"] or "null")} for row in rows), path)


def write_judgements(judgements: pl.DataFrame, path: Path) -> None:
    """Judgements as JSON lines: the columns of schema JUDGEMENT, whatever else the frame has."""
    _write(judgements.select(list(record.JUDGEMENT)).to_dicts(), path)


def _write(rows: Iterable[Row], path: Path) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
