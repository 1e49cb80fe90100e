"""What a row says: a conversation, or rival answers to one prompt, whatever its fields are called.

Read are the forms that training sets come in: messages, ShareGPT, LIMA's and Alpaca's, and the fields of curate. A form
that is not among them is `python -m curate build`'s to read, whose dataset.jsonl is. Roles without a turn of their own in
a chat have the names that published sets use.
"""

import math
from typing import Any

from curate.chat import Message
from curate.errors import InputError, did_you_mean

Row = dict[str, Any]
Ranked = list[tuple[str, float]]

_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt", "function_call"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}
_CHATS = ("messages", "conversations", "conversation")
_ASKED = ("instruction", "prompt", "question", "query")
_INPUTS = ("input", "context")
_ANSWERED = ("output", "response", "completion", "answer")


def conversation(row: Row) -> list[Message]:
    """The turns of a row up to its last answer: what is asked after it, nobody answered.

    Raises InputError, naming field and turn, where there is no answer, a turn has no text or an unknown role.
    """
    answer = next((name for name in _ANSWERED if row.get(name) is not None), None)
    is_chat = any(row.get(name) is not None for name in _CHATS)
    if not is_chat and answer is None:
        asked = next((name for name in _ASKED if name in row), None)
        missing = f"{asked} without an answer ({', '.join(_ANSWERED)})" if asked else "no conversation"
        raise InputError(
            f"the row has {missing}; its fields: {', '.join(row) or 'none'}. Expected messages, or instruction and output"
        )
    turns = prompt(row)
    if not is_chat and answer is not None:
        turns.append({"role": "assistant", "content": _text(row[answer], answer)})
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "assistant"), default=-1)
    if last < 0:
        raise InputError(f"the conversation of {len(turns)} turns has no assistant turn, so nothing can be trained")
    return turns[: last + 1]


def prompt(row: Row) -> list[Message]:
    """The turns of a row that has no answer beside them: system, history, the question. Errors as `conversation`."""
    if row.get("tools"):
        raise InputError(
            "the row has tools, which no template here writes. Let curate read the set: it puts them into words"
        )
    system = [{"role": "system", "content": _text(row["system"], "system")}] if row.get("system") else []
    name = next((name for name in (*_CHATS, *_ASKED) if row.get(name) is not None), None)
    if name is None:
        raise InputError(f"the row has no prompt; its fields: {', '.join(row) or 'none'}. Expected messages or prompt")
    if name in _CHATS or isinstance(row[name], list):
        return [*system, *_turns(row[name], name)]
    # The instruction, a blank line, its input: as curate puts them together, and Alpaca's own prompt sets them apart.
    more = next((row[field] for field in _INPUTS if row.get(field)), None)
    asked = _text(row[name], name) + (f"\n\n{_text(more, 'input')}" if more else "")
    return [*system, *_turns(row.get("history") or [], "history"), {"role": "user", "content": asked}]


def rivals(row: Row) -> tuple[list[Message], Ranked]:
    """The prompt of a preference and its answers with their scores, the best first; equal scores stay in order.

    From `answers` [{content, score}, …], or from `chosen` and `rejected` (scores 1 and 0), each a text, a message, or the
    whole conversation that ends in it. Errors as `conversation`, and where a score is no number.
    """
    if row.get("answers") is not None:
        return prompt(row), sorted(_scored(row["answers"]), key=lambda answer: -answer[1])
    missing = [name for name in ("chosen", "rejected") if row.get(name) is None]
    if missing:
        raise InputError(
            f"the row has no {' and no '.join(missing)}; its fields: {', '.join(row) or 'none'}. Expected chosen and"
            " rejected, or answers: [{content, score}, …]"
        )
    found = [_answer(row[name], name) for name in ("chosen", "rejected")]
    has_prompt = any(row.get(name) is not None for name in (*_CHATS, *_ASKED))
    before = prompt(row) if has_prompt else found[0][0]
    if not before:
        raise InputError(
            "the row has no prompt: expected prompt or messages, or it as the first turns of chosen and rejected"
        )
    for name, (lead, _) in zip(("chosen", "rejected"), found, strict=True):
        if (lead or before) != before:
            raise InputError(
                f"the turns before the answer in {name} are not the prompt; both answers need the same one"
            )
    return before, [(found[0][1], 1.0), (found[1][1], 0.0)]


def plain(row: Row) -> str:
    """The text of a row of plain text. Raises InputError where there is none."""
    if row.get("text") is None:
        raise InputError(f"the row has no text; its fields: {', '.join(row) or 'none'}. Expected text (form: text)")
    text = _text(row["text"], "text")
    if not text.strip():
        raise InputError("the text is empty")
    return text


def _turns(value: object, field: str) -> list[Message]:
    """Messages, [question, answer] pairs, or texts that alternate, the user's first."""
    if not isinstance(value, list) or (not value and field != "history"):
        raise InputError(f"{field} is {_kind(value)}; expected a list of turns")
    turns: list[Message] = []
    for number, turn in enumerate(value, start=1):
        where = f"turn {number} of {field}"
        if isinstance(turn, dict):
            turns.append(_turn(turn, where))
        elif isinstance(turn, list) and len(turn) == 2:
            turns += [
                {"role": "user", "content": _text(turn[0], where)},
                {"role": "assistant", "content": _text(turn[1], where)},
            ]
        elif isinstance(turn, str):
            turns.append({"role": "user" if number % 2 else "assistant", "content": turn})
        else:
            raise InputError(f"{where} is {_kind(turn)}; expected {{role, content}}")
    return turns


def _turn(turn: Row, where: str) -> Message:
    name = turn.get("role", turn.get("from"))
    role = _ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        hint = did_you_mean(str(name), _ROLES) if name else f"It has {', '.join(turn) or 'no fields'}."
        raise InputError(f"{where} has no known role: {name!r}. {hint}")
    if turn.get("tool_calls"):
        raise InputError(
            f"{where} has tool_calls, which no template here writes. Let curate read the set: it puts them into words"
        )
    content = next((turn[field] for field in ("content", "value", "text") if turn.get(field) is not None), None)
    return {"role": role, "content": _text(content, where)}


def _answer(value: object, field: str) -> tuple[list[Message], str]:
    """The turns before an answer, where it comes with them, and its text."""
    if isinstance(value, str):
        return [], value
    turns = _turns([value] if isinstance(value, dict) else value, field)
    if turns[-1]["role"] != "assistant":
        raise InputError(f"{field} ends with a {turns[-1]['role']} turn; expected an answer of the assistant")
    return turns[:-1], turns[-1]["content"]


def _scored(value: object) -> Ranked:
    if not isinstance(value, list) or not value:
        raise InputError(f"answers is {_kind(value)}; expected a list of {{content, score}}")
    found = []
    for number, answer in enumerate(value, start=1):
        score = answer.get("score") if isinstance(answer, dict) else None
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise InputError(
                f"answer {number} has no number as its score; expected {{content, score}}, found {answer!r:.60}"
            )
        found.append((_text(answer.get("content"), f"answer {number}"), float(score)))
    return found


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is {_kind(value)}; expected text")
    return value


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        dict: "an object",
        type(None): "missing",
    }
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return names.get(type(value), f"a {type(value).__name__}")
