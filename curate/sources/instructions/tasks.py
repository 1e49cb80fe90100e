"""Tasks as instruction data: Natural Instructions files, and plain tables of tasks put into words by templates.

A table of questions and answers is not a conversation until somebody asks. As FLAN did (Wei et al. 2021, section 2), each kind of
task has several wordings, and a row takes one of them by a hash of seed and key: the same row always the same.
"""

import re
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Self

from pydantic import Field, model_validator

from curate import config
from curate.errors import InputError, did_you_mean
from curate.sources.instructions.forms import Form, Options, each_row, unreadable
from curate.turns import Reading, Row, blank, combine, kind, listed, pick, text

TEMPLATES = Path(__file__).with_name("templates.yaml")
PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}")


class Wording(config.Strict):
    """One way to put a task: `{column}` stands for the row's text, `{{` and `}}` for braces."""

    prompt: str
    response: str
    system: str | None = None


class Task(config.Strict):
    """A kind of task: the columns its tables have and the wordings it can be put in."""

    about: str = Field("", description="one sentence for readers of the file")
    columns: tuple[str, ...] = Field(min_length=1, description="columns that a row needs, lower case")
    names: dict[str, tuple[str, ...]] = Field({}, description="words for a column that holds numbers counted from 0")
    wordings: tuple[Wording, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _placeholders_are_columns(self) -> Self:
        known = {*self.columns, *(("letter",) if "choices" in self.columns else ())}
        for wording in self.wordings:
            for place in PLACE.finditer(f"{wording.system or ''} {wording.prompt} {wording.response}"):
                if place[1] and place[1] not in known:
                    raise ValueError(f"{place[0]} stands for no column. {did_you_mean(place[1], known)}")
        return self


class Templates(config.Strict):
    """The file: kinds of tasks by name."""

    tasks: dict[str, Task]


def table_forms(path: Path = TEMPLATES) -> tuple[Form, ...]:
    """A form for each kind of task in a templates file, named after it. Raises ConfigError with file:line:column."""
    # Read once for all files of a folder, and again after somebody edits it.
    return _table_forms(path, path.stat().st_mtime_ns if path.is_file() else 0)


@cache
def _table_forms(path: Path, _changed: int) -> tuple[Form, ...]:
    return tuple(_table_form(name, task) for name, task in config.load(path, Templates).tasks.items())


def draw(seed: int, key: str) -> int:
    """A number in [0, 2^64) that depends on nothing but seed and key."""
    return int.from_bytes(blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest(), "big")


def _table_form(name: str, task: Task) -> Form:
    def read(row: Row, key: str, options: Options) -> list[Reading]:
        missing = [column for column in task.columns if column not in row]
        if missing:
            raise InputError(f"the row has no {', '.join(missing)}; found {', '.join(sorted(row)) or 'no columns'}")
        values = _values(row, task)
        wording = task.wordings[draw(options.seed, key) % len(task.wordings)]
        empty = [place[1] for place in PLACE.finditer(wording.prompt) if place[1] and blank(values[place[1]])]
        if empty:
            raise InputError(f"{empty[0]} is empty, so there is nothing to ask")
        system = None if wording.system is None else fill(wording.system, values)
        columns = {"system": system, "prompt": fill(wording.prompt, values), "response": fill(wording.response, values)}
        return [Reading(columns)]

    return Form(name, tuple((column,) for column in task.columns), each_row(read))


def fill(template: str, values: dict[str, str]) -> str:
    """A template with `{name}` replaced by its value, which is text and never looked at again.

    >>> fill("{{x}} is {x}", {"x": "{y}"})
    '{x} is {y}'
    """
    return PLACE.sub(lambda place: values[place[1]] if place[1] else place[0][0], template)


def _values(row: Row, task: Task) -> dict[str, str]:
    """The texts of a row's columns; choices become lettered lines, the answer to them its text and its `letter`."""
    if "choices" not in task.columns:
        return {column: _named(row[column], column, task) for column in task.columns}
    choices, labels = _choices(row["choices"])
    values = {c: _named(row[c], c, task) for c in task.columns if c not in ("choices", "answer")}
    values["choices"] = "\n".join(
        f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)
    )
    at = _answer(row.get("answer"), choices, labels)
    return {**values, "answer": "" if at is None else choices[at], "letter": "" if at is None else ascii_uppercase[at]}


def _named(value: object, column: str, task: Task) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    words = task.names.get(column)
    if words is None or blank(value):
        return text(value, column)
    digits = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    number = int(digits) if digits.isdigit() else -1
    if not 0 <= number < len(words):
        raise InputError(f"{column} is {value!r}; expected a number from 0 to {len(words) - 1}")
    return words[number]


def _choices(value: object) -> tuple[list[str], list[str]]:
    """The texts of the choices and, where the set names them ({text: [...], label: [...]}), their labels."""
    labels: list[str] = []
    if isinstance(value, dict):
        labels = [text(label, "label") for label in listed(value.get("label"), "label")]
        value = value.get("text")
    choices = [text(choice, "choices") for choice in listed(value, "choices")]
    if not 2 <= len(choices) <= len(ascii_uppercase):
        raise InputError(f"choices has {len(choices)} entries; expected 2 to {len(ascii_uppercase)}")
    return choices, labels


def _answer(value: object, choices: list[str], labels: list[str]) -> int | None:
    """Which choice is meant: by label, by number counted from 0, by its own text, or by letter. None where nothing is said."""
    if blank(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    said = str(value).strip()
    if said in labels:
        return labels.index(said)
    if said in choices and isinstance(value, str):
        return choices.index(said)
    if len(said) == 1 and said.upper() in ascii_uppercase[: len(choices)]:
        return ascii_uppercase.index(said.upper())
    if said.isdigit() and int(said) < len(choices):
        return int(said)
    raise InputError(
        f"answer {said!r} is none of the {len(choices)} choices; expected a number from 0, a letter or the text"
    )


def natural(row: Row, key: str, options: Options) -> Iterator[Reading]:
    """The instances of one task of Natural Instructions (Wang et al. 2022); stratum is its category, group its domain.

    The prompt is the definition, a blank line and the input; with `positive_examples` the task's own examples stand
    between them. Of several reference outputs the first is the response. Of a task with more instances than
    `instances_per_task`, those that a draw by seed and key puts first are examples, the rest `not_sampled`.
    """
    instances = listed(row["instances"], "instances")
    if not instances:
        raise InputError("instances is empty; expected a list of {input, output}")
    definition = combine(*_texts(row["definition"], "definition"))
    shown = listed(row.get("positive_examples"), "positive_examples")[: options.positive_examples]
    about = {
        "stratum": _first(row.get("categories")),
        "group": _first(row.get("domains")),
        "url": _first(row.get("url")),
        "license": _first(row.get("instance_license")),
    }
    limit = options.instances_per_task or len(instances)
    order = sorted(range(len(instances)), key=lambda at: (draw(options.seed, f"{key}#{at + 1}"), at))
    places = {at: place for place, at in enumerate(order, start=1)}
    for at, instance in enumerate(instances):
        part = f"#{at + 1}"
        try:
            if places[at] > limit:
                yield Reading({"value": float(places[at]), "limit": float(limit)}, "not_sampled", part)
            else:
                prompt = combine(definition, *(_example(example) for example in shown), _input(instance, shown))
                yield Reading({**about, "prompt": prompt, "response": _output(instance)}, part=part)
        except InputError as error:
            yield unreadable(f"instance {at + 1}: {error}")._replace(part=part)


def _example(example: object) -> str:
    return f"{_input(example, shown=True)} {_output(example)}"


def _input(instance: object, shown: Any) -> str:  # noqa: ANN401 - any list or flag: whether examples precede it
    if not isinstance(instance, dict):
        raise InputError(f"it is {kind(instance)}; expected input and output")
    words = pick(instance, ("input",))
    return f"Input: {words}\nOutput:" if shown else words


def _output(instance: object) -> str:
    if not isinstance(instance, dict) or "output" not in instance:
        raise InputError(
            f"it has no output; found {', '.join(instance) if isinstance(instance, dict) else kind(instance)}"
        )
    return next(iter(_texts(instance["output"], "output")), "")


def _texts(value: object, name: str) -> list[str]:
    """A text, or a list of texts."""
    return [text(item, name) for item in value] if isinstance(value, list) else [text(value, name)]


def _first(value: object) -> str | None:
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, str) and found.strip() else None


NATURAL = Form(
    "natural_instructions",
    (("definition",), ("instances",)),
    each_row(natural),
    lambda row: isinstance(row["instances"], list),
)
