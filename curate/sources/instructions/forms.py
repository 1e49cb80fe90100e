"""The forms in which instruction sets are published: how each is recognised and how a row of it is read.

A form is an entry in a table, not a class: the columns it needs, a look at their shape where names alone cannot tell, and a
reader. Here are those whose rows stand for themselves; trees and tasks have modules of their own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from curate.errors import InputError
from curate.files import Numbered, Unreadable
from curate.turns import (
    Reading,
    Row,
    blank,
    chat,
    combine,
    conversation,
    facts,
    kind,
    listed,
    pick,
    system_text,
    text,
)

Rows = Callable[[], Iterator[Numbered]]
Located = Iterator[tuple[int, Reading]]

ANSWERS = ("response", "output", "completion", "answer")
QUIZ = ("answer", "response", "output", "best_answer")


class Options(NamedTuple):
    """What a reader may need beside the rows: the file's name (the start of every key) and the settings of some forms."""

    file: str = ""
    seed: int = 0
    paths: str = "best"
    instances_per_task: int | None = None
    positive_examples: int = 0


class Form(NamedTuple):
    """A form: `needs` lists groups of column names, of each of which a row has one; `read` opens the rows as often as it likes."""

    name: str
    needs: tuple[tuple[str, ...], ...]
    read: Callable[[Rows, Options], Located]
    shaped: Callable[[Row], bool] = lambda _: True

    def fits(self, row: Row) -> bool:
        """Whether a row has this form's columns in this form's shape."""
        return not self.missing(row) and self.shaped(row)

    def missing(self, columns: Iterable[str]) -> list[str]:
        """The groups of columns of which none is there, each as `output|response`."""
        return ["|".join(group) for group in self.needs if not set(group) & set(columns)]

    def expects(self) -> str:
        """The needed columns in words: `instruction, output|response`."""
        return ", ".join("|".join(group) for group in self.needs)


def each_row(read: Callable[[Row, str, Options], Iterable[Reading]]) -> Callable[[Rows, Options], Located]:
    """A reader of files out of a reader of rows (row, its key, options): what cannot be read becomes `unreadable`.

    The facts a row states about itself (`facts`) are added to every reading of it, below what the reading itself says.
    """

    def read_all(open_rows: Rows, options: Options) -> Located:
        for number, row in open_rows():
            if isinstance(row, Unreadable):
                yield number, unreadable(row.reason)
                continue
            try:
                about = facts(row)
                found = list(read(row, f"{options.file}:{number}", options))
            except InputError as error:
                yield number, unreadable(str(error))
                continue
            for reading in found:
                yield number, reading._replace(columns={**about, **reading.columns})

    return read_all


def unreadable(reason: str) -> Reading:
    """The reading of a row that says nothing that could be used, and why."""
    return Reading({"detail": reason}, "unreadable")


def _form(
    name: str, needs: str, read: Callable[[Row], Iterable[Reading]], shaped: Callable[[Row], bool] = lambda _: True
) -> Form:
    groups = tuple(tuple(group.split("|")) for group in needs.split())

    def checked(row: Row, _key: str, _options: Options) -> Iterable[Reading]:
        missing = ["|".join(group) for group in groups if not set(group) & set(row)]
        if missing:
            raise InputError(f"the row has no {', '.join(missing)}; found {', '.join(sorted(row)) or 'no columns'}")
        return read(row)

    return Form(name, groups, each_row(checked), shaped)


def _question(asks: Sequence[str], inputs: Sequence[str], answers: Sequence[str]) -> Callable[[Row], list[Reading]]:
    """A reader of rows that name one question and one answer, with `system` and `history` where they have them."""

    def read(row: Row) -> list[Reading]:
        return [
            Reading(
                {
                    "system": system_text(row) or None,
                    "history": chat(row.get("history"), "history"),
                    "prompt": combine(pick(row, asks), pick(row, inputs)),
                    "response": pick(row, answers),
                }
            )
        ]

    return read


def _chat(*names: str) -> Callable[[Row], list[Reading]]:
    """A reader of rows that hold a conversation in the first of these columns that is there."""

    def read(row: Row) -> list[Reading]:
        name = next(name for name in names if name in row)
        return [conversation(chat(row[name], name), row)]

    return read


def _input_output(row: Row) -> list[Reading]:
    """`input` is the prompt, or a list of messages that `output` answers (Nemotron's post-training sets)."""
    asked = row["input"]
    if not _holds(asked, dict):
        return _question(("input",), (), ("output",))(row)
    return [conversation([*chat(asked, "input"), {"role": "assistant", "content": text(row["output"], "output")}], row)]


def _scibench(row: Row) -> list[Reading]:
    """A problem from a textbook: the worked solution where there is one, then the answer and its unit."""
    answer = f"{pick(row, ('answer_latex', 'answer_number')).strip()} {pick(row, ('unit',)).strip()}".strip()
    return [Reading({"prompt": pick(row, ("problem_text",)), "response": combine(pick(row, ("solution",)), answer)})]


def _preference(row: Row) -> list[Reading]:
    """The preferred answer. `chosen` is a text, one message, the messages of the answer, or the whole conversation."""
    chosen = row["chosen"]
    answer = (
        [{"role": "assistant", "content": text(chosen, "chosen")}]
        if not _turns(chosen)
        else chat(_listed(chosen), "chosen")
    )
    if answer and answer[0]["role"] in ("system", "user"):
        return [conversation(answer, row)]
    name = next(
        name for name in ("conversations", "messages", "prompt", "question", "query", "instruction") if name in row
    )
    if _turns(row[name]):
        return [conversation([*chat(row[name], name), *answer], row)]
    asked = combine(text(row[name], name), pick(row, ("input",)))
    history = chat(row.get("history"), "history")
    return [conversation([*history, {"role": "user", "content": asked}, *answer], row)]


def _labelled(row: Row) -> list[Reading]:
    """An answer that somebody wanted (true) or not (false), for Kahneman-Tversky optimisation; one not wanted is rejected."""
    name = next(name for name in ("label", "kto_tag") if name in row)
    wanted = {"true": True, "false": False}.get(str(row[name]).strip().lower())
    if wanted is None:
        raise InputError(f"{name} is {kind(row[name])}; expected true or false")
    inner = next((form for form in (*PLAIN, *LOOSE) if form.fits(row)), None)
    if inner is None:
        raise InputError(f"the row has a {name} but no conversation; found {', '.join(sorted(row))}")
    readings = [reading for _, reading in inner.read(lambda: iter([(1, row)]), Options())]
    if wanted:
        return readings
    return [
        reading if reading.rule else Reading({"detail": f"{name} is false"}, "not_preferred") for reading in readings
    ]


def _seed_task(row: Row) -> list[Reading]:
    """Each of the instances of a self-instruct seed task is an example."""
    readings = []
    for number, instance in enumerate(listed(row["instances"], "instances"), start=1):
        if not isinstance(instance, dict) or "output" not in instance:
            readings.append(
                unreadable(f"instance {number} is {kind(instance)}; expected input and output")._replace(
                    part=f"#{number}"
                )
            )
            continue
        columns = {"prompt": combine(text(row["instruction"], "instruction"), pick(instance, ("input",)))}
        readings.append(Reading({**columns, "response": pick(instance, ("output",))}, part=f"#{number}"))
    if not readings:
        raise InputError("instances is empty; expected at least one {input, output}")
    return readings


def _turns(value: object) -> bool:
    return isinstance(value, dict) or _holds(value, dict)


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _holds(value: object, item: type) -> bool:
    """Whether a field is a list whose first item is of this type; JSON in a CSV cell is looked at, not parsed."""
    if isinstance(value, str):
        return value.lstrip()[:2] == ("[{" if item is dict else '["')
    return isinstance(value, list) and bool(value) and isinstance(value[0], item)


def _is_label(row: Row) -> bool:
    values = (row[name] for name in ("label", "kto_tag") if name in row)
    return all(blank(v) or str(v).strip().lower() in ("true", "false") for v in values) and any(
        f.fits(row) for f in (*PLAIN, *LOOSE)
    )


def _has(item: type, *names: str) -> Callable[[Row], bool]:
    return lambda row: any(_holds(row.get(name), item) for name in names)


CHATS = ("conversations", "conversation", "items", "dialog", "data")

# One conversation, or one question and its answer, a row.
PLAIN = (
    _form("lima", "conversations|conversation|items|dialog|data", _chat(*CHATS), _has(str, *CHATS)),
    _form("sharegpt", "conversations|conversation|items|dialog|data", _chat(*CHATS), _has(dict, *CHATS)),
    _form("messages", "messages", _chat("messages"), _has(dict, "messages")),
    _form(
        "dolly",
        "instruction context|input response|output category",
        _question(("instruction",), ("context", "input"), ("response", "output")),
    ),
    _form(
        "alpaca",
        "instruction output|response",
        _question(("instruction",), ("input", "context"), ("output", "response")),
    ),
    _form("query_response", "query response", _question(("query",), (), ("response",))),
    _form(
        "p3",
        "inputs|inputs_pretokenized targets|targets_pretokenized",
        _question(("definition",), ("inputs_pretokenized", "inputs"), ("targets_pretokenized", "targets")),
    ),
    _form("scibench", "problem_text answer_latex|answer_number", _scibench),
    _form("prompt_response", f"prompt {'|'.join(ANSWERS)}", _question(("prompt",), ("input",), ANSWERS)),
)

# Names so common that a table of tasks has them too: tried after those.
LOOSE = (
    _form("question_answer", f"question {'|'.join(QUIZ)}", _question(("question",), ("input",), QUIZ)),
    _form("input_output", "input output", _input_output),
)

# Rows that hold several conversations, or one beside a judgement of it, also fit the form of the conversation alone.
SPECIAL = (
    _form("seed_tasks", "instruction instances", _seed_task, _has(dict, "instances")),
    _form("kto", "label|kto_tag messages|conversations|prompt|instruction|query", _labelled, _is_label),
    _form("preference", "chosen conversations|messages|prompt|question|query|instruction", _preference),
)
