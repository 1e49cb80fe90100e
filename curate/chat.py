"""One conversation, two forms: columns (system, history, prompt, response) and chat messages."""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import polars as pl

from curate.errors import InputError
from curate.record import TURN

ROLES = ("system", "user", "assistant", "tool")

Message = dict[str, str]


def to_messages(example: dict[str, Any]) -> list[Message]:
    """The chat messages of an EXAMPLE row, oldest first. An empty system text gives no system message.

    >>> to_messages({"system": None, "history": [], "prompt": "Why?", "response": "Because."})
    [{'role': 'user', 'content': 'Why?'}, {'role': 'assistant', 'content': 'Because.'}]
    """
    system = [{"role": "system", "content": example["system"]}] if example.get("system") else []
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in example.get("history") or []]
    prompt = {"role": example.get("prompt_role") or "user", "content": example["prompt"]}
    return [*system, *turns, prompt, {"role": "assistant", "content": example["response"]}]


def from_messages(messages: list[Message]) -> dict[str, Any]:
    """The `system`, `history`, `prompt`, `prompt_role` and `response` of a conversation.

    Leading system messages are joined; the last assistant turn is the response, the user or tool turn before it the
    prompt (`prompt_role` is then `tool`, else None); turns after the last answer are not part of an example. Raises InputError where a role is unknown, a
    content is not text, or there is no user turn followed by an answer.
    """
    for number, message in enumerate(messages, start=1):
        if message.get("role") not in ROLES:
            raise InputError(f"message {number} has role {message.get('role')!r}; expected one of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise InputError(f"message {number} has no text content")
    n_system = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    system = "\n\n".join(message["content"] for message in messages[:n_system]) or None
    turns = messages[n_system:]
    answers = [i for i, message in enumerate(turns) if message["role"] == "assistant"]
    if not answers or answers[-1] == 0 or turns[answers[-1] - 1]["role"] not in ("user", "tool"):
        raise InputError("the conversation has no question followed by an answer")
    last = answers[-1]
    history = [{"role": turn["role"], "content": turn["content"]} for turn in turns[: last - 1]]
    return {
        "system": system,
        "history": history,
        "prompt": turns[last - 1]["content"],
        "prompt_role": "tool" if turns[last - 1]["role"] == "tool" else None,
        "response": turns[last]["content"],
    }


def prompt_id(messages: Sequence[Message]) -> str:
    """The id of a prompt that has none of its own: 16 hex digits of blake2b over its text.

    One user turn: over the text of that turn, so that every file with that instruction agrees. Several turns: over
    their JSON as `json.dumps(messages, ensure_ascii=False)` writes it, each turn {"role", "content"} in that order.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        text = messages[0]["content"]
    else:
        turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
        text = json.dumps(turns, ensure_ascii=False)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def messages() -> pl.Expr:
    """`to_messages` as an expression over EXAMPLE columns, type List(Struct(role, content)), named `messages`."""

    def turn(role: pl.Expr, column: str) -> pl.Expr:
        return pl.struct(role=role, content=pl.col(column)).cast(TURN)

    nothing = pl.lit([], dtype=pl.List(TURN))
    system = (
        pl.when(pl.col("system").fill_null("") != "")
        .then(pl.concat_list(turn(pl.lit("system"), "system")))
        .otherwise(nothing)
    )
    last = pl.concat_list(
        turn(pl.col("prompt_role").fill_null("user"), "prompt"), turn(pl.lit("assistant"), "response")
    )
    return pl.concat_list(system, pl.col("history").fill_null([]), last).alias("messages")
