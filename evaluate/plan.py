"""The judgements to be made: prompts × pairs × orders × samples, from files of answers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

from curate.chat import Message
from curate.errors import ConfigError, InputError, did_you_mean

from . import formats
from .formats.alpaca_eval import first_shown
from .judges import Item

Order = Literal["both", "alpaca_eval", "fixed"]


class Planned(NamedTuple):
    """`items`, the `category` of each prompt, and `notes`: what was left out, for a person."""

    items: list[Item]
    category: dict[str, str | None]
    notes: list[str]


class Given(NamedTuple):
    """Answers by (prompt, sample, turn) of each model, in the order of the files."""

    models: dict[str, dict[tuple[str, int, int], Mapping[str, Any]]]
    prompts: dict[str, Mapping[str, Any]]


def read(paths: Sequence[str], prompts: Path | None = None) -> Given:
    """The answers of files, each a path or NAME=path, which names the model. `prompts`: what FastChat's answers lack.

    Raises InputError where a file holds no answers, or two files hold one model.
    """
    models: dict[str, dict[tuple[str, int, int], Mapping[str, Any]]] = {}
    for given in paths:
        name, path = _named(given)
        form = formats.sniff(path)
        if form.kind != "answers":
            raise InputError(f"{path}: holds {form.kind} ({form.name}); expected answers")
        frame = form.read(path)
        if name is not None and frame["generator"].n_unique() > 1:
            raise InputError(f"{path}: holds answers of {frame['generator'].n_unique()} models; {name} can name one")
        parts = frame.partition_by("generator", maintain_order=True, as_dict=True)
        for (found,), part in parts.items():
            model = name or str(found)
            if model in models:
                raise InputError(f"{path}: answers of {model} were given before. Name one of them: NAME={path}")
            models[model] = {(row["prompt_id"], row["sample"], row["turn"]): row for row in part.iter_rows(named=True)}
    questions = formats.load([prompts]).prompts if prompts else None
    if questions is not None and questions.is_empty():
        raise InputError(f"{prompts}: holds no prompts")
    known: dict[str, Mapping[str, Any]] = (
        {} if questions is None else {row["prompt_id"]: row for row in questions.iter_rows(named=True)}
    )
    return Given(models, known)


def _named(given: str) -> tuple[str | None, Path]:
    if Path(given).exists() or "=" not in given:
        return None, Path(given)
    name, _, path = given.partition("=")
    return name, Path(path)


def pairs(given: Given, order: Order, samples: int, baseline: str | None = None, *, shown: bool = True) -> Planned:
    """Two answers to one prompt, of each two models, or of each against the `baseline`, which is then a.

    `both` orders, `alpaca_eval`'s seeded one, or a first (`fixed`); a judge that is `shown` nothing has no order.
    """
    names = list(given.models)
    if baseline is not None and baseline not in names:
        raise ConfigError(f"--baseline {baseline}: there are no answers of it. {did_you_mean(baseline, names)}")
    couples = combinations(names, 2) if baseline is None else ((baseline, name) for name in names if name != baseline)
    planned = Planned([], {}, [])
    for a, b in couples:
        keys = [key for key in given.models[a] if key in given.models[b]]
        alone = len(given.models[a].keys() ^ given.models[b].keys())
        if not keys:
            raise InputError(f"{a} and {b}: not one prompt in common; their answers must have the same prompt_id")
        if alone:
            planned.notes.append(f"{a}, {b}: {len(keys):,} answers in common; {alone:,} only one of them has")
        _add(planned, given, (a, b), keys, samples, order if shown else None)
    return planned


def singles(given: Given, samples: int) -> Planned:
    """Every answer by itself."""
    planned = Planned([], {}, [])
    for model, answers in given.models.items():
        _add(planned, given, (model,), list(answers), samples, None)
    return planned


def _add(
    planned: Planned,
    given: Given,
    names: tuple[str, ...],
    keys: Iterable[tuple[str, int, int]],
    samples: int,
    order: Order | None,
) -> None:
    absent = 0
    for key in keys:
        talks = [_conversation(given, name, key) for name in names]
        if any(talk is None for talk in talks):
            absent += 1
            continue
        prompt_id, sample, turn = key
        a, b = (*talks, None)[:2]
        assert a is not None
        row = given.models[names[0]][key]
        prompt = given.prompts.get(prompt_id, {})
        planned.category[prompt_id] = row["category"] or row["dataset"] or prompt.get("category")
        references = prompt.get("reference") or []
        reference = references[turn - 1] if turn <= len(references) else None
        instruction = row["instruction"] or prompt.get("instruction") or ""
        for repeat in range(samples):
            name = (prompt_id, names[0], names[1] if b else "", str(sample * samples + repeat), str(turn))
            for first in _orders(order, instruction):
                planned.items.append(Item(name, instruction, a, b, first, turn, reference, repeat))
    if absent:
        planned.notes.append(f"{', '.join(names)}: {absent:,} not judged, for an answer is missing (null)")


def _orders(order: Order | None, instruction: str) -> list[Literal["a", "b"] | None]:
    if order is None:
        return [None]
    if order == "alpaca_eval":
        return ["b" if first_shown(instruction) == "b" else "a"]
    return ["a", "b"] if order == "both" else ["a"]


def _conversation(given: Given, model: str, key: tuple[str, int, int]) -> tuple[Message, ...] | None:
    """The turns of an answer, it itself last; None where it is missing. Raises InputError where its prompt is unknown."""
    row = given.models[model][key]
    if row["output"] is None:
        return None
    final: Message = {"role": "assistant", "content": row["output"]}
    if row["messages"]:
        return (*row["messages"], final)
    prompt_id, sample, turn = key
    prompt = given.prompts.get(prompt_id)
    if prompt is None or len(prompt["follow_ups"]) < turn - 1:
        raise InputError(
            f"{model}: the answers do not hold the text of prompt {prompt_id}, turn {turn}: give the questions: --prompts FILE"
        )
    turns: list[Message] = list(prompt["messages"])
    for number, user in enumerate(prompt["follow_ups"][: turn - 1], start=1):
        before = given.models[model].get((prompt_id, sample, number))
        if before is None or before["output"] is None:
            return None
        turns += [{"role": "assistant", "content": before["output"]}, {"role": "user", "content": user}]
    return (*turns, final)
