"""What the fields of one row of an instruction set say: its texts, its turns, and the facts beside them.

Rows come from files that strangers wrote. Missing text has three spellings (a null, a NaN, an empty string) that mean the
same; the same role has a dozen names; a list may stand in a CSV cell as JSON. All of that ends here.
"""

import json
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from curate.chat import Message, from_messages
from curate.errors import InputError, did_you_mean

Row = dict[str, Any]

# The names under which published sets speak of the four roles of a chat. A function call is something the assistant
# writes; what comes back from it is a tool's turn.
ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "question", "instruction"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "bing", "bard", "model", "answer", "chatbot"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "function_response", "ipython"), "tool"),
}
MEDIA = ("image", "images", "picture", "pictures", "audio", "audios", "video", "videos")


class Reading(NamedTuple):
    """What one row, or one part of a row, says.

    `columns` are columns of EXAMPLE; where `rule` names a reject rule of the source, columns of REJECT. `part` is what
    tells this reading from others of the same row; it is added to the row's key (`#2`). `other` is that of a reading
    which was preferred to this one: the end of its key, after the file's name (`:17`, `:17#2`).
    """

    columns: dict[str, Any]
    rule: str = ""
    part: str = ""
    other: str = ""


def lowered(row: Row) -> Row:
    """A row with its columns in lower case and `_` for spaces, so that `Best Answer` is best_answer."""
    named: Row = {}
    for name, value in row.items():
        ours = column(name)
        # Of `Source` and `source` the one that is spelt as we spell it counts.
        if ours not in named or ours == name:
            named[ours] = value
    return named


def renamed(row: Row, columns: dict[str, str]) -> Row:
    """A lowered row with the columns of a recipe (our name: the file's name) under our names, whatever stood there."""
    if not columns:
        return row
    wanted = {ours: column(theirs) for ours, theirs in columns.items()}
    rest = {name: value for name, value in row.items() if name not in wanted.values()}
    return rest | {ours: row[theirs] for ours, theirs in wanted.items() if theirs in row}


@lru_cache(4096)
def column(name: str) -> str:
    """The name of a column as forms spell it."""
    return name.strip().lower().replace(" ", "_")


def kind(value: object) -> str:
    """What a value is, in the words of JSON."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "nothing" if blank(value) else names.get(type(value), f"a {type(value).__name__}")


def blank(value: object) -> bool:
    """Whether nothing is there: null, NaN, empty or white text, an empty list or object."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def text(value: object, name: str) -> str:
    """The text of a field, untouched; "" where nothing is there. Numbers and lists of numbers become text.

    Raises InputError where the field holds anything else: an object, or a list of texts.

    >>> text(float("nan"), "input"), text(11760, "answer"), text(True, "answer"), text([1, 2.5], "answer")
    ('', '11760', 'True', '[1, 2.5]')
    """
    if isinstance(value, str):
        return value
    if blank(value):
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, int | float) for item in value):
        return str(value)
    raise InputError(f"{name} is {kind(value)}; expected text")


def pick(row: Row, names: Iterable[str]) -> str:
    """The text of the first of these fields that holds any; "" where none does."""
    return next((text(row[name], name) for name in names if not blank(row.get(name))), "")


def combine(*texts: str) -> str:
    r"""Texts as paragraphs of one prompt: the instruction, a blank line, its input.

    The prompt that came with Alpaca (github.com/tatsu-lab/stanford_alpaca, README) sets instruction and input apart in
    the same way. Texts without content are left out.

    >>> combine("Translate to French.", "", "Good morning.")
    'Translate to French.\n\nGood morning.'
    """
    return "\n\n".join(part for part in texts if not blank(part))


def listed(value: object, name: str) -> list[Any]:
    """A list; also one that stands as JSON text in a cell of a table. Nothing gives []. Raises InputError otherwise."""
    if blank(value):
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{name} looks like a list but is not valid JSON: {error}") from error
    if not isinstance(value, list):
        raise InputError(f"{name} is {kind(value)}; expected a list")
    return value


def chat(turns: object, name: str) -> list[Message]:
    """The messages in field `name`: objects with a role and text, [question, answer] pairs, or plain texts that alternate.

    Objects name the role `from` or `role` (names in ROLES) and the text `value`, `content` or `text`; the content may be
    a list of parts. An object {human, assistant} or {user, assistant} is a pair. Raises InputError, naming the turn.
    """
    messages: list[Message] = []
    for number, turn in enumerate(listed(turns, name), start=1):
        where = f"turn {number} of {name}"
        if isinstance(turn, str):
            messages.append({"role": "user" if number % 2 else "assistant", "content": turn})
        elif isinstance(turn, list):
            if len(turn) != 2:
                raise InputError(f"{where} has {len(turn)} texts; expected a question and its answer")
            messages += _pair(turn[0], turn[1], where)
        elif isinstance(turn, dict) and "assistant" in turn and ("human" in turn or "user" in turn):
            messages += _pair(turn.get("human", turn.get("user")), turn["assistant"], where)
        elif isinstance(turn, dict):
            messages.append({"role": _role(turn, where), "content": _content(turn, where)})
        else:
            raise InputError(f"{where} is {kind(turn)}; expected an object with a role and a text")
    return messages


def _pair(question: object, answer: object, where: str) -> list[Message]:
    return [{"role": "user", "content": text(question, where)}, {"role": "assistant", "content": text(answer, where)}]


def _role(turn: Row, where: str) -> str:
    name = turn.get("from", turn.get("role"))
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        hint = did_you_mean(str(name), ROLES) if name else f"It has {', '.join(sorted(turn))}."
        raise InputError(f"{where} has no known role in `from` or `role`, found {name!r}. {hint}")
    return role


def _content(turn: Row, where: str) -> str:
    value = next((turn[name] for name in ("value", "content", "text") if name in turn), None)
    if isinstance(value, list):
        value = "".join(_part(part, where) for part in value)
    words = text(value, where)
    # A call without words around it has a null content; the call itself is then what the assistant wrote.
    calls = turn.get("tool_calls")
    return words if blank(calls) else combine(words, _json(calls, where))


def _json(value: object, name: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except RecursionError as error:
        raise InputError(f"{name} is nested too deep") from error


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") in ("text", "input_text", "output_text"):
        return text(part.get("text"), where)
    found = part.get("type") if isinstance(part, dict) else kind(part)
    raise InputError(f"{where} holds a part that is not text ({found}); only text can be used")


def conversation(messages: list[Message], row: Row) -> Reading:
    """A row's messages as a reading; its `system` and `tools` fields come before them as system text.

    The tools' descriptions are kept because the calls in the conversation mean nothing without them. A question after
    the last answer is left out of the example and leaves the flag `trailing_question`; where nobody answered at all the
    rule is `no_answer`. Raises InputError where there is no user turn or no text.
    """
    lead = [{"role": "system", "content": system}] if (system := system_text(row)) else []
    roles = [message["role"] for message in messages]
    if "user" in roles and "assistant" not in roles:
        return Reading({"detail": "no assistant turn"}, "no_answer")
    columns = from_messages([*lead, *messages])
    return Reading({**columns, "flags": ["trailing_question"] if roles[-1] == "user" else []})


def system_text(row: Row) -> str:
    """The system text beside a conversation (`system` or `system_prompt`), then the tools it may call."""
    tools = row.get("tools")
    if blank(tools) or (isinstance(tools, str) and tools.strip() in ("[]", "null")):
        return pick(row, ("system", "system_prompt"))
    listing = tools if isinstance(tools, str) else _json(tools, "tools")
    return combine(pick(row, ("system", "system_prompt")), f"Available tools:\n{listing}")


def facts(row: Row) -> dict[str, Any]:
    """The columns of EXAMPLE that a row states beside its conversation, null where it does not.

    stratum: the first of category, task, subject, ... that holds text; group: group, domain or field; score: a number,
    rounded half up; license, url and date as they stand; tags: a list of texts. Raises InputError where the row needs a
    picture or a sound, because its text alone would not be the example.
    """
    needed = next((name for name in MEDIA if not blank(row.get(name))), None)
    if needed:
        raise InputError(f"the row comes with {needed}; only text can be used")
    score = next((row[n] for n in ("score", "answer_score") if is_number(row.get(n))), None)
    tags = row.get("tags")
    return {
        "stratum": _fact(
            row, ("category", "task", "task_name", "subject", "subfield", "topic", "data_source", "dataset", "source")
        ),
        "group": _fact(row, ("group", "domain", "field")),
        "score": None if score is None else math.floor(float(score) + 0.5),
        "license": _fact(row, ("license", "licence", "content_license")),
        "url": _fact(row, ("url", "link", "source_url")),
        "date": _fact(row, ("date", "created_at", "created_date")),
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
    }


def _fact(row: Row, names: Iterable[str]) -> str | None:
    """The first of these fields that holds text; facts of another type say nothing and are no reason to lose a row."""
    return next((row[name] for name in names if isinstance(row.get(name), str) and row[name].strip()), None)


def is_number(value: object) -> bool:
    """Whether a value is a number that fits a column: no truth value, no NaN, nothing beyond 2^53."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
