"""What a model says between two epochs: the dev prompts answered, as `evaluate answer` would with the same seed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from curate import runs
from curate.lm import generation
from curate.lm.decoding import Decoding, seed_of
from curate.lm.generation import Answerer, Generated
from train.prompts import Prompt

# Prompts that are answered side by side; the memory of a GPU is training's.
TOGETHER = 8


def answer(
    model: Answerer, prompts: Sequence[Prompt], decoding: Decoding, seed: int, generator: str
) -> Iterator[list[dict[str, Any]]]:
    """The answers to prompts, rows in the form that evaluate judges, of one batch after the other.

    A prompt that leaves no room in the model's window has the finish `error` and no output.
    """
    asked = [generation.prompt_ids(prompt.messages, model) for prompt in prompts]
    seeds = [seed_of(seed, prompt.id, 0, 1) for prompt in prompts]
    used = generation.described(decoding, model)
    for found in generation.generate(asked, seeds, model, decoding):
        yield [_row(prompts[i], seeds[i], one, generator, used) for i, one in found]


def write(
    path: Path,
    model: Answerer,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    seed: int,
    share: tuple[int, int] = (0, 1),
) -> None:
    """Answer this process's share (rank, processes) of the prompts into a part file beside `path`.

    What a part file already holds is not answered again: it must be from this very model. `merge` makes the whole file.
    """
    rank, processes = share
    path.parent.mkdir(parents=True, exist_ok=True)
    own = _part(path, rank)
    if own.exists():
        # A line that a kill cut in two must not become the beginning of the next.
        runs.write_text(own, "".join(text for text in _lines(own)))
    known = {json.loads(text)["prompt_id"] for part in _all_parts(path) for text in _lines(part)}
    waiting = [prompt for prompt in prompts[rank % processes :: processes] if prompt.id not in known]
    for rows in answer(model, waiting, decoding, seed, path.stem):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with runs.clear_write_errors(path), own.open("a", encoding="utf-8") as handle:
            handle.write(text)


def merge(path: Path, prompts: Sequence[Prompt]) -> None:
    """Put the part files together, in the order of the prompts, as one file that is whole or not there."""
    found = {json.loads(text)["prompt_id"]: text for part in _all_parts(path) for text in _lines(part)}
    runs.write_text(path, "".join(found[prompt.id] for prompt in prompts))
    forget(path)


def forget(path: Path) -> None:
    """Remove the part files of an answer file."""
    for part in _all_parts(path):
        part.unlink()


def _row(prompt: Prompt, seed: int, answer: Generated, generator: str, decoding: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt_id": prompt.id,
        "instruction": prompt.instruction,
        "messages": prompt.messages,
        "output": answer.text,
        "generator": generator,
        "dataset": prompt.dataset,
        "category": prompt.category,
        "sample": 0,
        "seed": seed,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "decoding": decoding,
    }


def _part(path: Path, rank: int) -> Path:
    return path.with_name(f".{path.stem}.part-{rank}")


def _all_parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f".{path.stem}.part-*"))


def _lines(part: Path) -> list[str]:
    """The whole lines of a part file."""
    # Not splitlines: answers may hold other line ends of Unicode.
    return [f"{text}\n" for text in part.read_text(encoding="utf-8").split("\n")[:-1]]
