"""What a row says: a conversation, or rival answers to one prompt, whatever its fields are called.

Read are the forms that training sets come in: messages, ShareGPT, LIMA's and Alpaca's, and the fields of curate; tools and
calls are put into words as curate does. Any other form is `python -m curate build`'s to read, whose dataset.jsonl is not.
"""

import math

from curate.chat import Message
from curate.errors import InputError
from curate.turns import Row, chat, combine, kind, pick, system_text

Ranked = list[tuple[str, float]]

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
            f"the row has {missing}; its fields: {_fields(row)}. Expected messages, or instruction and output"
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
    system = system_text(row)
    lead: list[Message] = [{"role": "system", "content": system}] if system else []
    name = next((name for name in (*_CHATS, *_ASKED) if row.get(name) is not None), None)
    if name is None:
        raise InputError(f"the row has no prompt; its fields: {_fields(row)}. Expected messages or prompt")
    if name in _CHATS or isinstance(row[name], list):
        return [*lead, *chat(row[name], name)]
    asked = combine(_text(row[name], name), pick(row, _INPUTS))
    return [*lead, *chat(row.get("history"), "history"), {"role": "user", "content": asked}]


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
            f"the row has no {' and no '.join(missing)}; its fields: {_fields(row)}. Expected chosen and rejected, or"
            " answers: [{content, score}, …]"
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
        raise InputError(f"the row has no text; its fields: {_fields(row)}. Expected text (form: text)")
    text = _text(row["text"], "text")
    if not text.strip():
        raise InputError("the text is empty")
    return text


def _answer(value: object, field: str) -> tuple[list[Message], str]:
    """The turns before an answer, where it comes with them, and its text."""
    if isinstance(value, str):
        return [], value
    turns = chat([value] if isinstance(value, dict) else value, field)
    if not turns or turns[-1]["role"] != "assistant":
        found = f"ends with a {turns[-1]['role']} turn" if turns else "is empty"
        raise InputError(f"{field} {found}; expected an answer of the assistant")
    return turns[:-1], turns[-1]["content"]


def _scored(value: object) -> Ranked:
    if not isinstance(value, list) or not value:
        raise InputError(f"answers is {kind(value)}; expected a list of {{content, score}}")
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
    """What is asked or answered: text, and not a number that stands in its place by mistake."""
    if not isinstance(value, str):
        raise InputError(f"{where} is {kind(value)}; expected text")
    return value


def _fields(row: Row) -> str:
    return ", ".join(row) or "none"
