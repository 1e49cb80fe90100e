"""Dev prompts: what is asked after each epoch."""

from pathlib import Path
from typing import Any, NamedTuple

from curate import files
from curate.chat import Message, prompt_id
from curate.errors import InputError
from curate.files import Unreadable

# Where a prompt file may keep the question: instruction (AlpacaEval), turns (FastChat), conversations (LIMA's test set).
QUESTIONS = ("messages", "instruction", "prompt", "turns", "conversations")


class Prompt(NamedTuple):
    """A question to be answered: the turns that stand before the answer, and what its file says of it."""

    id: str
    messages: list[Message]
    dataset: str | None
    category: str | None

    @property
    def instruction(self) -> str:
        """The last turn's text."""
        return self.messages[-1]["content"]


def read(path: Path) -> list[Prompt]:
    """The prompts of a file (JSON, JSON Lines): {"instruction"}, {"prompt"}, {"messages"}, {"turns"} or
    {"conversations"} with one question, each with an optional id and category.

    Raises InputError, naming the line, where a record is none of these or two have one id.
    """
    found: list[Prompt] = []
    for number, row in files.rows(path):
        where = f"{path}:{number}"
        if isinstance(row, Unreadable):
            raise InputError(f"{where}: {row.reason}")
        messages = _messages(row, where)
        given = next((row[key] for key in ("prompt_id", "id", "question_id") if row.get(key) is not None), None)
        name = prompt_id(messages) if given is None else str(given)
        found.append(Prompt(name, messages, row.get("dataset"), row.get("category")))
    if not found:
        raise InputError(f"{path}: no prompts; expected records with one of {', '.join(QUESTIONS)}")
    names = [prompt.id for prompt in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: prompt {twice} stands there twice")
    return found


def _messages(row: dict[str, Any], where: str) -> list[Message]:
    """The turns before the answer."""
    key = next((key for key in QUESTIONS if row.get(key)), None)
    if key is None:
        raise InputError(f"{where}: no question; expected one of the keys {', '.join(QUESTIONS)}")
    value = row[key]
    if key in ("turns", "conversations") and isinstance(value, list):
        if len(value) != 1:
            raise InputError(
                f"{where}: {key} holds {len(value)} turns; a dev prompt has one (evaluate answers several)"
            )
        value = value[0]
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    is_chat = key == "messages" and isinstance(value, list) and all(_is_message(message) for message in value)
    if not is_chat or value[-1]["role"] == "assistant":
        raise InputError(f"{where}: {key} is not a question: expected text, or turns that end before an answer")
    return [{"role": message["role"], "content": message["content"]} for message in value]


def _is_message(message: Any) -> bool:  # noqa: ANN401 - whatever the file holds
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))
