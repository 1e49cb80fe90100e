"""FastChat's files (github.com/lm-sys/FastChat, fastchat/llm_judge): questions, answers, judgements.

A pair was judged twice: game 1 shows `model_1` first, game 2 `model_2`. Here `model_1` is a, and each game is a row.
"""

from pathlib import Path

import orjson
import polars as pl

from curate.errors import InputError

from .. import record
from .fields import Row, frame, leftover, need, number_or_none, objects, one_of, records, restored, text

_WINNERS = {"model_1": "a", "model_2": "b", "tie": "tie", "error": None}
# What FastChat stores in place of a judge's words after its last try (`common.API_ERROR_OUTPUT`).
_API_ERROR = "$ERROR$"


def questions(path: Path) -> pl.DataFrame:
    """A `question.jsonl` as prompts (schema PROMPT): the first turn is the prompt, the others follow its answer."""
    rows = []
    for number, row in enumerate(records(path), 1):
        turns = row["turns"] if "turns" in row else [need(row, "text", path, number)]
        if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
            raise InputError(f"{path}: record {number}: turns is {turns!r}; expected a list of texts")
        prompt = {
            "prompt_id": text(need(row, "question_id", path, number)),
            "instruction": turns[0],
            "messages": [{"role": "user", "content": turns[0]}],
            "follow_ups": turns[1:],
            "category": text(row.get("category")),
        }
        rows.append({**prompt, "reference": [text(one) for one in row.get("reference") or []]})
    return record.prompts(frame(rows, record.PROMPT, path), str(path))


def answers(path: Path) -> pl.DataFrame:
    """A `model_answer/<model>.jsonl` as answers (schema ANSWER), one row a choice (`sample`) and turn.

    The older form of one `text` is one turn. Of a question answered twice, the last answer counts, as in FastChat.
    """
    rows = []
    for number, row in enumerate(records(path), 1):
        answer = {
            "prompt_id": text(need(row, "question_id", path, number)),
            "generator": text(need(row, "model_id", path, number)),
        }
        choices = objects(row, "choices", path, number) if "choices" in row else [{"turns": [row.get("text")]}]
        for choice in choices:
            turns = need(choice, "turns", path, number)
            if not isinstance(turns, list):
                raise InputError(f"{path}: record {number}: turns is {turns!r}; expected a list of answers")
            sample = choice.get("index", 0)
            rows += [{**answer, "sample": sample, "turn": i, "output": text(turn)} for i, turn in enumerate(turns, 1)]
    typed = record.answers(frame(rows, record.ANSWER, path), str(path))
    return typed.unique(["prompt_id", "generator", "sample", "turn"], keep="last", maintain_order=True)


def single(path: Path) -> pl.DataFrame:
    """A `<judge>_single.jsonl` as judgements of one answer each (schema JUDGED): `score`, or a failure where it is −1."""
    rows = []
    for number, row in enumerate(records(path), 1):
        score = number_or_none(row, "score", path, number)
        said = text(row.get("judgment"))
        is_ok = score is not None and score != -1
        judgement = {
            **_judged(row, path, number),
            "model_a": text(need(row, "model", path, number)),
            "score": score if is_ok else None,
            "status": "ok" if is_ok else _failure(said),
            "raw": said,
        }
        rows.append({**judgement, "extra": leftover(row, _written_single(judgement))})
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def pair(path: Path) -> pl.DataFrame:
    """A `<judge>_pair.jsonl` as judgements (schema JUDGED), two rows a record: first shown a, then b."""
    rows = []
    for number, row in enumerate(records(path), 1):
        games = []
        for game, first in (("g1", "a"), ("g2", "b")):
            verdict = one_of(row, f"{game}_winner", _WINNERS, path, number)
            said = text(row.get(f"{game}_judgment"))
            judgement = {
                **_judged(row, path, number),
                "model_a": text(need(row, "model_1", path, number)),
                "model_b": text(need(row, "model_2", path, number)),
                "first": first,
                "verdict": verdict,
                "status": "ok" if verdict else _failure(said),
                "raw": said,
            }
            games.append(judgement)
        # The record's other fields stand once, with its first game.
        extra = leftover(row, _written_pair(games[0], games[1]))
        rows += [{**games[0], "extra": extra}, games[1]]
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def _judged(row: Row, path: Path, number: int) -> Row:
    judge = need(row, "judge", path, number)
    name, template = (judge[0], judge[1]) if isinstance(judge, list) and len(judge) == 2 else (judge, None)
    turn = row.get("turn", 1)
    return {
        "prompt_id": text(need(row, "question_id", path, number)),
        "judge": text(name),
        "template": text(template),
        "turn": turn,
    }


def _failure(said: str | None) -> str:
    return "api_error" if said is None or said == _API_ERROR else "parse_failed"


def write_single(judgements: pl.DataFrame, path: Path) -> None:
    """Judgements of single answers (schema JUDGED) as a `_single.jsonl`; equal to the file that they were read from."""
    rows = judgements.filter(pl.col("model_b").is_null()).to_dicts()
    _write_lines([restored(_written_single(row), row["extra"]) for row in rows], path)


def write_pair(judgements: pl.DataFrame, path: Path) -> None:
    """Judgements of pairs in both orders (schema JUDGED) as a `_pair.jsonl`; equal to the file that they were read from.

    Raises InputError where a pair was not judged once in each order.
    """
    key = [name for name in record.JUDGEMENT_KEY if name != "first"]
    rows = []
    for games in judgements.filter(pl.col("model_b").is_not_null()).partition_by(key, maintain_order=True):
        if sorted(games["first"].fill_null("").to_list()) != ["a", "b"]:
            shown = ", ".join(str(games[name][0]) for name in ("prompt_id", "model_a", "model_b", "judge"))
            raise InputError(f"{path}: FastChat's pairs need one judgement in each order; not so: {shown}")
        one, two = games.sort("first").to_dicts()
        rows.append(restored(_written_pair(one, two), one["extra"]))
    _write_lines(rows, path)


def _question_id(prompt: str) -> int | str:
    return int(prompt) if prompt.isdecimal() and prompt == str(int(prompt)) else prompt


def _written_single(judgement: Row) -> Row:
    return {
        "question_id": _question_id(judgement["prompt_id"]),
        "model": judgement["model_a"],
        "judge": [judgement["judge"], judgement["template"]],
        "judgment": judgement["raw"],
        "score": -1 if judgement["score"] is None else judgement["score"],
        "turn": judgement["turn"],
    }


def _written_pair(one: Row, two: Row) -> Row:
    names = {verdict: winner for winner, verdict in _WINNERS.items()}
    return {
        "question_id": _question_id(one["prompt_id"]),
        "model_1": one["model_a"],
        "model_2": one["model_b"],
        "g1_winner": names[one["verdict"]],
        "g2_winner": names[two["verdict"]],
        "judge": [one["judge"], one["template"]],
        "g1_judgment": one["raw"],
        "g2_judgment": two["raw"],
        "turn": one["turn"],
    }


def _write_lines(rows: list[Row], path: Path) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
