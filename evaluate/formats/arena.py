"""Votes between two models: Chatbot Arena battles, arena-hard-auto's judgements, and plain tables of left, right, winner."""

import re
from pathlib import Path

import polars as pl

from curate.errors import InputError

from .. import record
from .fields import Row, frame, need, objects, one_of, records, text

# "bothbad": FastChat until 2024; "both_bad": the releases of 2025. A tie all the same, as in FastChat's ratings.
_WINNERS = {"model_a": "a", "model_b": "b", "tie": "tie", "tie (bothbad)": "tie", "both_bad": "tie"}
_IDS = ("question_id", "id")
_SIDES = {"left": "a", "right": "b", "tie": "tie"}
# arena-hard-auto, show_result.py: what counts, and a strong verdict (`>>`) three times.
_LABEL = re.compile("A(>>|>|=|<|<<)B|B(>>|>|=|<|<<)A")
_STRONG = 3.0
# The baseline of v0.1, whose judgements do not name it.
_BASELINE_V01 = "gpt-4-0314"


def battles(path: Path) -> pl.DataFrame:
    """Arena battles (JSON) as judgements (schema JUDGED): the judge is the voter, `raw` the winner in the file's words.

    The outputs are the last answers of both conversations; token and markdown counts of `conv_metadata` are `style_*`.
    """
    rows = []
    for number, row in enumerate(records(path), 1):
        verdict = one_of(row, "winner", _WINNERS, path, number)
        counts = row.get("conv_metadata")
        battle = {
            "prompt_id": text(next((row[name] for name in _IDS if row.get(name) is not None), f"row {number}")),
            "model_a": text(need(row, "model_a", path, number)),
            "model_b": text(need(row, "model_b", path, number)),
            "verdict": verdict,
            "status": "ok",
            "judge": text(row.get("judge")) or "unknown voter",
            "raw": row["winner"],
            "category": text(row.get("category") or row.get("language")),
            "turn": row.get("turn", 1),
            "instruction": _said(objects(row, "conversation_a", path, number), "user", 0),
        }
        for side in ("a", "b"):
            battle[f"output_{side}"] = _said(objects(row, f"conversation_{side}", path, number), "assistant", -1)
            battle[f"style_{side}"] = _style(counts, side) if isinstance(counts, dict) else None
        rows.append(battle)
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def _said(conversation: list[Row], role: str, position: int) -> str | None:
    turns = [turn.get("content") for turn in conversation if turn.get("role") == role]
    if not turns:
        return None
    content = turns[position]
    if isinstance(content, list):
        # The releases of 2025: a list of parts, of which text is one kind.
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n\n".join(part for part in parts if isinstance(part, str))
    # arena-hard-auto 2.0 wraps an answer.
    return text(content.get("answer") if isinstance(content, dict) else content)


def _style(counts: Row, side: str) -> Row | None:
    if f"sum_assistant_{side}_tokens" not in counts:
        return None
    totals = {}
    for name in ("header", "list", "bold"):
        kinds = counts.get(f"{name}_count_{side}")
        totals[name] = sum(n for n in kinds.values() if isinstance(n, int)) if isinstance(kinds, dict) else None
    return {
        "tokens": counts[f"sum_assistant_{side}_tokens"],
        "headers": totals["header"],
        "lists": totals["list"],
        "bold": totals["bold"],
    }


def votes(path: Path) -> pl.DataFrame:
    """A table with columns left, right, winner (left, right, tie) and perhaps prompt and worker, as judgements.

    Without `prompt` every vote is about a prompt of its own; without `worker` the judge is called `unknown voter`.
    """
    rows = []
    for number, given in enumerate(records(path), 1):
        # A field of a table is empty, not null.
        row = {name: value for name, value in given.items() if value != ""}
        rows.append(
            {
                "prompt_id": text(row.get("prompt")) or f"row {number}",
                "model_a": need(row, "left", path, number),
                "model_b": need(row, "right", path, number),
                "verdict": one_of(row, "winner", _SIDES, path, number),
                "status": "ok",
                "judge": text(row.get("worker")) or "unknown voter",
            }
        )
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def hard_judgements(path: Path) -> pl.DataFrame:
    """arena-hard-auto's judgements as judgements (schema JUDGED), two rows a record: the baseline is a, the model b.

    The baseline is shown first in game 1, second in game 2. A strong verdict has weight 3. A game without a score, or
    with one that is none of the labels, is a failed judgement; arena-hard's own board leaves out its pair altogether.
    """
    rows = []
    for number, row in enumerate(records(path), 1):
        games = need(row, "games", path, number)
        if not isinstance(games, list) or len(games) != 2 or not all(isinstance(game, dict | None) for game in games):
            raise InputError(f"{path}: record {number}: games is {games!r}; expected the two games of the pair")
        pair = {
            "prompt_id": text(need(row, "uid" if "uid" in row else "question_id", path, number)),
            "model_a": text(row.get("baseline")) or _BASELINE_V01,
            "model_b": text(need(row, "model", path, number)),
            "judge": text(need(row, "judge", path, number)),
            "category": text(row.get("category")),
        }
        rows += [{**pair, "first": first, **_game(game, first)} for game, first in zip(games, "ab", strict=True)]
    return record.judgements(frame(rows, record.JUDGED, path), str(path))


def _game(game: Row | None, first: str) -> Row:
    if game is None:
        return {"status": "api_error"}
    said = game.get("judgment")
    raw = text(said.get("answer") if isinstance(said, dict) else said)
    label = game.get("score")
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        return {"status": "parse_failed" if raw else "api_error", "raw": raw}
    is_left = label[0] == ("A" if first == "a" else "B")
    sign = label[1:-1]
    verdict = "tie" if sign == "=" else "a" if (">" in sign) == is_left else "b"
    return {"status": "ok", "verdict": verdict, "raw": raw, "weight": _STRONG if len(sign) == 2 else 1.0}


def hard_answers(path: Path) -> pl.DataFrame:
    """arena-hard-auto's answers as answers (schema ANSWER): the last answer of each."""
    rows = []
    for number, row in enumerate(records(path), 1):
        turns = objects(row, "messages", path, number)
        rows.append(
            {
                "prompt_id": text(need(row, "uid" if "uid" in row else "question_id", path, number)),
                "instruction": _said(turns, "user", 0),
                "generator": text(need(row, "model", path, number)),
                "output": _said(turns, "assistant", -1),
            }
        )
    return record.answers(frame(rows, record.ANSWER, path), str(path))
