"""What a model says and how well it predicts, measured between two epochs: dev answers and held-out perplexity.

Neither touches the random numbers of training: answers are drawn from generators of their own, one a prompt, and the
network is in evaluation mode, where nothing is drawn.
"""

import json
import math
import warnings
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from curate import runs
from train.prompts import Prompt
from train.rendering import Template, prompt_ids
from train.settings import Decoding

# Prompts that are answered side by side.
TOGETHER = 8


class Gumbel(LogitsProcessor):
    """Adds Gumbel noise from one generator a row, so that the greatest score is a draw from softmax(scores).

    (Gumbel 1954; Maddison et al. 2014, section 2.) A row's draws depend on its own seed alone, not on the rows beside it.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the library's form
        """`scores` (rows, vocabulary), with noise."""
        noise = torch.empty_like(scores)
        for row, generator in zip(noise, self.generators, strict=True):
            row.exponential_(generator=generator)
        return scores - noise.log()


def answer(
    model: Any,  # noqa: ANN401 - a transformers or peft model
    tokenizer: Any,  # noqa: ANN401
    template: Template,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    seed: int,
) -> list[dict[str, Any]]:
    """The answers to a few prompts, side by side: rows of output, seed, finish, tokens and decoding.

    `tokens` counts what was generated, the end token too. A prompt that leaves no room in the model's window has the
    finish `error`. The model is left in the mode it was in.
    """
    asked = [prompt_ids(prompt.messages, tokenizer, template) for prompt in prompts]
    seeds = [int(blake2b(f"{seed} {prompt.id}".encode(), digest_size=4).hexdigest(), 16) for prompt in prompts]
    # Adapters of virtual tokens put them before the padding: a shorter prompt would stand further from them.
    virtual = getattr(getattr(model, "active_peft_config", None), "num_virtual_tokens", 0) or 0
    window = getattr(model.config, "max_position_embeddings", None) or math.inf
    room = int(min(decoding.max_new_tokens, window - virtual - max(map(len, asked))))
    if len(prompts) > 1 and (virtual or room < 1):
        return [row for one in prompts for row in answer(model, tokenizer, template, [one], decoding, seed)]
    generated = _generate(model, asked, template.end_ids, decoding, room, seeds) if room > 0 else [[]]
    rows = []
    for own_seed, ids in zip(seeds, generated, strict=True):
        ended = bool(ids) and ids[-1] in template.end_ids
        text = tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True)
        finish = "error" if room < 1 else "stop" if ended else "length"
        used = {**decoding.model_dump(), "max_new_tokens": max(room, 0)}
        rows.append({"output": text, "seed": own_seed, "finish": finish, "tokens": len(ids), "decoding": used})
    return rows


def _generate(
    model: Any,  # noqa: ANN401
    asked: Sequence[Sequence[int]],
    ends: frozenset[int],
    decoding: Decoding,
    room: int,
    seeds: Sequence[int],
) -> list[list[int]]:
    """What the model adds to each row of tokens, up to and with an end token."""
    device = next(model.parameters()).device
    longest = max(map(len, asked))
    # Padded on the left with the row's own first token: the repetition penalty looks at all that stands in a row, and
    # would punish a padding token, often the end token, in the shorter rows alone.
    ids = torch.tensor([[row[0]] * (longest - len(row)) + list(row) for row in asked], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in asked], device=device)
    scores = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)])
    if decoding.temperature > 0:
        scores += [TemperatureLogitsWarper(decoding.temperature), TopPLogitsWarper(decoding.top_p)]
        scores.append(Gumbel(seeds, device))
    training = model.training
    model.eval()
    with torch.no_grad(), warnings.catch_warnings():
        # peft says so of every adapter of virtual tokens; alone in its batch, a prompt needs no positions.
        warnings.filterwarnings("ignore", "Position ids are not supported")
        # Greedy, for the noise is in the scores; nothing that the base's own generation settings say applies.
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            logits_processor=scores,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=None,
            max_new_tokens=room,
            eos_token_id=sorted(ends),
            pad_token_id=min(ends),
            use_cache=True,
        )
    model.train(training)
    return [_until(row, ends) for row in found[:, longest:].tolist()]


def _until(ids: list[int], ends: frozenset[int]) -> list[int]:
    first = next((place for place, token in enumerate(ids, start=1) if token in ends), len(ids))
    return ids[:first]


def write(
    path: Path,
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    template: Template,
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
    together = [prompts[first : first + TOGETHER] for first in range(0, len(prompts), TOGETHER)]
    for batch in together[rank % processes :: processes]:
        if all(prompt.id in known for prompt in batch):
            continue
        rows = answer(model, tokenizer, template, batch, decoding, seed)
        text = "".join(
            json.dumps(_row(prompt, row, path.stem), ensure_ascii=False) + "\n"
            for prompt, row in zip(batch, rows, strict=True)
        )
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


def _row(prompt: Prompt, row: dict[str, Any], generator: str) -> dict[str, Any]:
    own = {"prompt_id": prompt.id, "instruction": prompt.instruction, "messages": prompt.messages}
    about = {"generator": generator, "dataset": prompt.dataset, "category": prompt.category, "sample": 0}
    return {
        **own,
        "output": row["output"],
        **about,
        **{key: row[key] for key in ("seed", "finish", "tokens", "decoding")},
    }


def _part(path: Path, rank: int) -> Path:
    return path.with_name(f".{path.stem}.part-{rank}")


def _all_parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f".{path.stem}.part-*"))


def _lines(part: Path) -> list[str]:
    """The whole lines of a part file."""
    # Not splitlines: answers may hold other line ends of Unicode.
    return [f"{text}\n" for text in part.read_text(encoding="utf-8").split("\n")[:-1]]
