"""Test items: what a benchmark asks, its choices and its answer, whatever form the benchmark is published in."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files as resources
from typing import Any, Self

import polars as pl
import yaml
from pydantic import model_validator

from curate.config import Strict
from curate.errors import InputError, did_you_mean
from curate.files import Numbered, Unreadable

# `item` is the test set's name and the item's key: `gsm8k/17`, the seventeenth record; `#2` is its second turn.
ITEM = pl.Schema(
    {
        "item": pl.String(),
        "test": pl.String(),
        "question": pl.String(),
        "choices": pl.List(pl.String),
        "answer": pl.String(),
    }
)
# A question of fewer words says too little without its choices ("Which of these is true?").
FEW_WORDS = 8
_LETTER = re.compile(r"^\(?([A-Z])\)?[.:)]?$")
_NUMBERED = re.compile(r"^\D*(\d+)$")


class Form(Strict):
    """The fields of one form in which a test set is published (recipes/benchmarks.yaml explains them)."""

    question: tuple[str, ...]
    choices: tuple[str, ...] = ()
    answer: str | None = None
    first: int = 0
    separate: str | None = None
    between: str | None = None
    without: str | None = None

    @model_validator(mode="after")
    def _patterns(self) -> Self:
        for pattern in (self.separate, self.between, self.without):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return self


class Hub(Strict):
    """Where a test set is on the Hub."""

    path: str
    configs: tuple[str, ...]
    split: str
    revision: str | None = None


class TestSet(Strict):
    """An entry of the registry."""

    __test__ = False  # no test of pytest's

    about: str
    license: str | None = None
    hub: Hub | None = None
    file: str | None = None
    forms: tuple[Form, ...]


@cache
def registry() -> dict[str, TestSet]:
    """The test sets that are known by name."""
    text = resources("curate").joinpath("recipes/benchmarks.yaml").read_text(encoding="utf-8")
    return {name: TestSet.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def read(name: str, where: str, rows: Iterable[Numbered], forms: tuple[Form, ...]) -> pl.DataFrame:
    """The items in the records of a test set called `name`, a frame of ITEM; `where` names their file in messages.

    A record's form is the first whose question it has. Raises InputError where a record has none of them or cannot be
    read, where a pattern does not match, and where there is no record: a test set is read whole or not at all.
    """
    found: list[dict[str, Any]] = []
    for number, row in rows:
        if isinstance(row, Unreadable):
            raise InputError(f"{where}:{number}: cannot be read: {row.reason}")
        form = next((form for form in forms if all(_field(row, path) is not None for path in form.question)), None)
        if form is None:
            wanted = " or ".join(" + ".join(form.question) for form in forms)
            hint = did_you_mean(forms[0].question[0], map(str, row))
            raise InputError(f"{where}:{number}: test set {name}: no field {wanted} with the question. {hint}")
        try:
            found.extend(_items(f"{name}/{number}", name, row, form))
        except ValueError as error:
            raise InputError(f"{where}:{number}: test set {name}: {error}") from error
    if not found:
        raise InputError(f"{where}: test set {name}: there are no records in it")
    return pl.DataFrame(found, schema=ITEM)


def searched(items: pl.DataFrame, parts: Iterable[str]) -> pl.DataFrame:
    """What of each item is searched for: `item`, `part` and `text`, one row a part; parts without a text are left out.

    Where a set asks a question word for word with several lists of choices, the choices belong to it; where it is short,
    it is searched for with its choices and without.
    """
    asked = pl.col("question").str.to_lowercase().str.strip_chars()
    few = pl.col("question").str.extract_all(r"[\p{L}\p{N}]+").list.len() < FEW_WORDS
    choices = pl.col("choices").list.join("\n")
    several = choices.n_unique().over("test", asked) > 1
    joined = items.with_columns(
        few=few & (choices != ""), several=several, both=pl.concat_str("question", choices, separator="\n")
    )
    answered = pl.concat_str("question", "answer", separator="\n")
    frames = {
        "question": [
            joined.filter(~pl.col("several")).select("item", text="question"),
            joined.filter(pl.col("several") | pl.col("few")).select("item", text="both"),
        ],
        "answer": [items.select("item", text="answer")],
        "question_and_answer": [items.select("item", text=answered)],
    }
    found = [frame.select("item", part=pl.lit(part), text="text") for part in parts for frame in frames[part]]
    return pl.concat(found).filter(pl.col("text").str.contains(r"\S"))


def _items(item: str, test: str, row: dict[str, Any], form: Form) -> Iterator[dict[str, Any]]:
    values = [_field(row, path) for path in form.question]
    if len(values) == 1 and isinstance(values[0], list):
        for turn, text in enumerate(values[0], start=1):
            yield {"item": f"{item}#{turn}", "test": test, "question": _text(text), "choices": [], "answer": None}
        return
    question = "\n".join(map(_text, values))
    labels, choices = _choices(row, form)
    if form.separate:
        match = re.search(form.separate, question, re.DOTALL)
        if match is None:
            raise ValueError(f"the question does not have the form {form.separate!r}: {question[:60]!r}")
        question = match["question"]
        if form.between:
            choices = [choice.strip() for choice in re.split(form.between, match["choices"])]
    answer = _answer(_field(row, form.answer) if form.answer else None, choices, labels, form)
    yield {"item": item, "test": test, "question": question.strip(), "choices": choices, "answer": answer}


def _choices(row: dict[str, Any], form: Form) -> tuple[list[str], list[str]]:
    """The labels and the texts of the choices that have fields of their own."""
    values = [_field(row, path) for path in form.choices]
    if len(values) == 1 and isinstance(values[0], dict):
        return [str(label) for label in values[0].get("label", [])], [_text(text) for text in values[0].get("text", [])]
    if len(values) == 1 and isinstance(values[0], list):
        # ARC's own files have a list of {text, label}.
        pairs = [
            (str(v.get("label", "")), _text(v.get("text"))) if isinstance(v, dict) else ("", _text(v))
            for v in values[0]
        ]
        return [label for label, _ in pairs if label], [text for _, text in pairs]
    return [], [_text(value) for value in values if value is not None]


def _answer(given: Any, choices: list[str], labels: list[str], form: Form) -> str | None:  # noqa: ANN401 - a field of any file
    """The answer's text: the choice that a label, a letter or a number stands for, or what the field says."""
    if given is None:
        return None
    text = _text(given).strip()
    if choices:
        place = _place(text, labels, form.first)
        return choices[place] if place is not None and 0 <= place < len(choices) else text
    return re.sub(form.without, "", text, flags=re.DOTALL) if form.without else text


def _place(text: str, labels: list[str], first: int) -> int | None:
    if text in labels:
        return labels.index(text)
    if letter := _LETTER.match(text):
        return ord(letter[1]) - ord("A")
    number = _NUMBERED.match(text)
    return int(number[1]) - first if number else None


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected a text, found {type(value).__name__}")


def _field(row: Any, path: str) -> Any:  # noqa: ANN401 - as above
    """The value at a dotted path, or None; a field that is called so is taken first (`Best Answer`, `a.b`)."""
    if isinstance(row, dict) and path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    if isinstance(row, list):
        inner = row[int(head)] if head.isdigit() and int(head) < len(row) else None
    else:
        inner = row.get(head) if isinstance(row, dict) and dot else None
    return _field(inner, rest) if dot and inner is not None else inner
