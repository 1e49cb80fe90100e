"""Models on benchmarks: a row's likelihoods in a file that can be gone on with, and the figures that they come to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from curate import cache
from curate.errors import ConfigError, InputError, did_you_mean
from curate.lm import models
from curate.progress import Progress, Watcher, silent

from .. import journal
from ..reader import Reader, Settings, load
from ..subjects import Subject
from . import metrics, requests, sharing, sources
from .requests import Question
from .scoring import Likelihood, Tokens, fitting, likelihoods
from .tasks import TASKS, Task

Row = dict[str, Any]

FIELDS = ("model", "task", "subject", "row", "shots", "nats", "greedy", "marks", "asked", "setup")
# Rows are written after so many passes: what a kill can cost.
PASSES_KEPT = 8
# Characters of English text to a token, at least: only to cut the work into blocks.
_CHARACTERS = 3


class Asked(NamedTuple):
    """A task with its questions, the rows that they were made of, those of the examples, and where both were read."""

    task: Task
    shots: int
    questions: list[Question]
    rows: list[Row]
    pool: list[Row]
    where: str
    examples: str | None


def chosen(names: str) -> list[Task]:
    """The tasks of a list with commas. Raises ConfigError."""
    given = [name.strip() for name in names.split(",") if name.strip()]
    for name in given:
        if name not in TASKS:
            raise ConfigError(f"--tasks {name}: no such task. {did_you_mean(name, TASKS)}")
    if not given:
        raise ConfigError(f"--tasks is empty: name one or more of {', '.join(TASKS)}")
    return [TASKS[name] for name in dict.fromkeys(given)]


def ask(task: Task, where: sources.Data, shots: int | None, limit: int | None) -> Asked:
    """What a task asks. Errors: as of `sources` and `requests`."""
    n = task.shots if shots is None else shots
    part = sources.asked(task, where)
    pool = sources.examples(task, where, n) if n else None
    found = list(requests.questions(task, part.rows, pool.rows if pool else [], n, limit))
    rows = [part.rows[one.number] for one in found]
    return Asked(task, n, found, rows, pool.rows if pool else [], part.where, pool.where if pool else None)


def measure(
    asked: Sequence[Asked],
    subjects: Sequence[Subject],
    settings: Settings,
    out: Path | None = None,
    watch: Watcher = silent,
) -> list[Row]:
    """One row for each model and question, models, tasks and questions in their order.

    `model`, `task`, `subject` (MMLU's), `row` (its number from 0), `shots`; `nats` and `greedy` of each choice, the `marks` that it
    gives by metric; `asked` (of equal texts: equal) and `setup` (of one model read in one way: equal).

    With `out` (JSONL), rows are in the file soon after they are made, and what it holds is not measured again. Raises ConfigError where
    a model cannot be loaded, InputError where `out` holds rows of another setup or of other questions, or a question cannot be measured,
    RunError where another process writes to `out` or memory runs out.
    """
    with nullcontext() if out is None else journal.held(out):
        done = {} if out is None else {_key(row): row for row in journal.rows(out, FIELDS)}
        for subject in subjects:
            _add(done, subject, asked, settings, out, watch)
    return [done[_place(subject, question)] for subject in subjects for one in asked for question in one.questions]


def _key(row: Row) -> tuple[Any, ...]:
    return row["model"], row["task"], row["shots"], row["row"]


def _place(subject: Subject, question: Question) -> tuple[Any, ...]:
    return subject.name, question.task.name, question.shots, question.number


def _add(
    done: dict[tuple[Any, ...], Row],
    subject: Subject,
    asked: Sequence[Asked],
    settings: Settings,
    out: Path | None,
    watch: Watcher,
) -> None:
    """Put the rows of one model into `done` and the file; when it returns, the model is out of memory."""
    reader = load(subject, settings._replace(template="none"))
    share = sharing.is_able(reader.model)
    setup = cache.key(reader.setup, _digest(reader.model.tokenizer)).hex()[:16]
    with nullcontext(lambda _: None) if out is None else journal.appending(out) as append:
        for one in asked:
            _check(done, subject, one.questions, setup, out)
            waiting = [question for question in one.questions if _place(subject, question) not in done]
            for new in _measured(subject, waiting, reader, setup, watch, share=share):
                append(new)
                done |= {_key(row): row for row in new}


def _digest(tokenizer: Any) -> str:  # noqa: ANN401 - transformers' classes have no common type
    """What turns texts into tokens: an adapter may bring its own."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    return fast.to_str() if fast is not None else f"{type(tokenizer).__name__} {len(tokenizer)}"


def _check(
    done: Mapping[tuple[Any, ...], Row], subject: Subject, questions: Sequence[Question], setup: str, out: Path | None
) -> None:
    """Raise InputError where the file's rows of this name come from another model or other questions."""
    for question in questions:
        row = done.get(_place(subject, question))
        if row is None:
            continue
        if row["setup"] != setup:
            raise InputError(
                f"{out}: holds rows of another model {subject.name}, or of this one with another window or precision."
                " Write to another --out, or give this one a name: --model NAME=FOLDER"
            )
        if row["asked"] != question.key:
            raise InputError(
                f"{out}: its row {question.number + 1} of {question.task.name} was asked otherwise (other rows or other"
                " examples). Write to another --out"
            )


def _measured(
    subject: Subject, waiting: Sequence[Question], reader: Reader, setup: str, watch: Watcher, *, share: bool
) -> Iterator[list[Row]]:
    """The rows of the waiting questions, block by block of about equally long ones, the longest first."""
    done, total = 0, len(waiting)
    if not waiting:
        return
    stage = f"{subject.name}: {waiting[0].task.name}"
    watch(Progress(stage, 0, total, 0))
    for block in _blocks(waiting, PASSES_KEPT * models.PASS_TOKENS[reader.model.device] * _CHARACTERS):
        tokens = [one for question in block for one in _tokens(question, reader)]
        found = iter(likelihoods(tokens, reader.model, share=share))
        yield [_row(subject.name, one, [next(found) for _ in one.item.choices], setup) for one in block]
        done += len(block)
        watch(Progress(stage, done, total, 0))


def _tokens(question: Question, reader: Reader) -> list[Tokens]:
    pairs = list(zip(question.item.contexts, question.item.continuations, strict=True))
    try:
        return fitting(pairs, reader.model)
    except InputError as error:
        raise InputError(f"{question.task.name}, row {question.number + 1}: {error}") from error


def _blocks(waiting: Sequence[Question], budget: int) -> Iterator[list[Question]]:
    """Questions of about `budget` characters together, the longest first, those of a subject, which begin alike, together."""
    sizes = [sum(map(len, dict.fromkeys(one.item.contexts))) + sum(map(len, one.item.continuations)) for one in waiting]
    block: list[Question] = []
    size = 0
    for place in sorted(
        range(len(waiting)), key=lambda place: (waiting[place].subject, -len(waiting[place].item.contexts[0]))
    ):
        block.append(waiting[place])
        size += sizes[place]
        if size >= budget:
            yield block
            block, size = [], 0
    if block:
        yield block


def _row(name: str, question: Question, found: Sequence[Likelihood], setup: str) -> Row:
    return {
        "model": name,
        "task": question.task.name,
        "subject": question.subject,
        "row": question.number,
        "shots": question.shots,
        "nats": [one.nats for one in found],
        "greedy": [one.greedy for one in found],
        "marks": metrics.marks(question.task, question.item, found),
        "asked": question.key,
        "setup": setup,
    }
