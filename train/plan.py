"""Which examples make up each optimizer step of a run, and how a step is cut into forward passes.

The examples of a step are chosen first, `batch_examples` of them; only then are they packed into passes under a budget of
tokens. Batch sizes of papers count examples: packing must not change how many of them an update sees. (Packing rows of
fixed length first, and counting rows, makes an epoch of 1,000 examples several times fewer updates.)

Everything here is a pure function of the examples, the settings and the seed, so that a resumed run finds the same plan.
"""

from collections import Counter
from collections.abc import Sequence
from heapq import heapify, heapreplace
from typing import NamedTuple

import numpy as np

from curate.errors import ConfigError, InputError
from train.record import UNTRAINED, Batch, Document, Example
from train.settings import Dataset, Settings

# The budget of one pass where the settings leave it open: about what fills the device.
PASS_TOKENS = {"cpu": 2048, "cuda": 16384}


class Step(NamedTuple):
    """One update. `epoch` counts from 1 through all stages; a pass is a tuple of positions in the run's examples."""

    epoch: int
    passes: tuple[tuple[int, ...], ...]
    examples: int
    documents: int
    tokens: int
    trained: int


class Plan(NamedTuple):
    """A whole run. Every step has `passes` passes (some may be empty), each of at most `pass_tokens` tokens."""

    steps: tuple[Step, ...]
    passes: int
    pass_tokens: int

    @property
    def epoch_ends(self) -> dict[int, int]:
        """After how many steps each epoch ends."""
        return {step.epoch: number for number, step in enumerate(self.steps, start=1)}


def plan(
    stages: Sequence[Sequence[Example]],
    settings: Settings,
    *,
    device: str = "cpu",
    processes: int = 1,
    packing: bool = True,
) -> Plan:
    """The steps of a run over `stages` (examples of each stage); positions count through all stages.

    A stage is trained for all its epochs before the next. The last step of an epoch may have fewer examples. All steps
    have the same number of passes, a multiple of `processes`: process r takes passes r, r + processes, … `device`: cpu or
    cuda, for the default budget. Without `packing` each example is a pass of its own. Raises ConfigError where an example
    does not fit `pass_tokens`, or where shares do not add up; InputError for an empty stage.
    """
    examples = [example for stage in stages for example in stage]
    sizes = [example.tokens for example in examples]
    budget = pass_budget(examples, settings, device)
    epochs = _epochs(stages, settings)
    batches = [
        (epoch, order[start : start + settings.batch_examples])
        for epoch, order in enumerate(epochs, start=1)
        for start in range(0, len(order), settings.batch_examples)
    ]
    needed = max(_needed([sizes[i] for i in batch], budget) if packing else len(batch) for _, batch in batches)
    passes = -(-needed // processes) * processes
    documents = [len(example.documents) for example in examples]
    trained = [sum(document.trained for document in example.documents) for example in examples]
    steps = tuple(
        Step(
            epoch,
            _packed(batch, sizes, passes) if packing else _apart(batch, passes),
            len(batch),
            sum(documents[i] for i in batch),
            sum(sizes[i] for i in batch),
            sum(trained[i] for i in batch),
        )
        for epoch, batch in batches
    )
    return Plan(steps, passes, budget)


def pass_budget(examples: Sequence[Example], settings: Settings, device: str) -> int:
    """Tokens that one pass may have. Raises ConfigError where the longest example does not fit the one in the settings."""
    longest = max(examples, key=lambda example: example.tokens, default=None)
    if longest is None:
        raise InputError("there is no example to train on")
    if settings.pass_tokens is None:
        return max(PASS_TOKENS.get(device, PASS_TOKENS["cuda"]), longest.tokens)
    if longest.tokens > settings.pass_tokens:
        raise ConfigError(
            f"pass_tokens={settings.pass_tokens}: example {longest.id} has {longest.tokens:,} tokens, and an example is not"
            " divided. Raise pass_tokens, or lower max_tokens"
        )
    return settings.pass_tokens


def mixture(examples: Sequence[Example], datasets: Sequence[Dataset], epoch: int, seed: int) -> list[int]:
    """Positions of the examples of one epoch (from 1) of a stage, in shuffled order.

    A set without `examples` and `share` gives all its examples. A set with `examples: n` gives the next n of an endless
    row of its own shuffles: none comes again before all have come, over epochs as well. A share s counts of the whole
    epoch: the others together are the rest. The same seed gives the same order on every machine.
    """
    own: dict[str, list[int]] = {str(dataset.path): [] for dataset in datasets}
    for position, example in enumerate(examples):
        own[example.dataset].append(position)
    order: list[int] = []
    counts = _counts(datasets, {name: len(positions) for name, positions in own.items()})
    # By its place in the recipe, not by its path: the same files give the same order wherever they lie.
    for place, name in enumerate(own):
        order += _draw(own[name], counts[name], epoch, [seed, place])
    shuffled = np.random.default_rng([seed, epoch]).permutation(len(order))
    return [order[i] for i in shuffled]


def collate(examples: Sequence[Example], step_items: int, filler: int, *, packing: bool = True) -> Batch:
    """The tensors of one pass (see record.Batch), the documents one after the other, nothing padded.

    No example makes a document of one `filler` token that trains nothing (group -1): each process runs the same number
    of passes. Without `packing` there are no `position_ids`, which adapters of virtual tokens count themselves.
    """
    import torch

    documents = [document for example in examples for document in example.documents]
    groups = [group for group, example in enumerate(examples) for _ in example.documents]
    if not documents:
        documents, groups = [Document([filler], [UNTRAINED])], [-1]
    lengths = [len(document.ids) for document in documents]
    shifted = [label for document in documents for label in (*document.labels[1:], UNTRAINED)]
    batch: Batch = {
        "input_ids": torch.tensor([[token for document in documents for token in document.ids]]),
        "shift_labels": torch.tensor([shifted]),
        "cu_seq_lens": torch.tensor([0, *np.cumsum(lengths).tolist()], dtype=torch.int32),
        "max_length": max(lengths),
        "groups": torch.tensor(groups),
        "step_items": torch.tensor(step_items),
    }
    if packing:
        batch["position_ids"] = torch.tensor([[place for length in lengths for place in range(length)]])
    for name in ("scores", "reference"):
        if any(getattr(example, name) for example in examples):
            values = [value for example in examples for value in getattr(example, name)]
            assert len(values) == len(documents), f"{name}: one a document"
            batch[name] = torch.tensor(values, dtype=torch.float32)
    return batch


def _epochs(stages: Sequence[Sequence[Example]], settings: Settings) -> list[list[int]]:
    """The order of each epoch of the run, as positions in the examples of all stages."""
    numbers = sorted({dataset.stage for dataset in settings.data})
    assert len(numbers) == len(stages), "one list of examples a stage"
    epochs: list[list[int]] = []
    offset = 0
    for number, examples in zip(numbers, stages, strict=True):
        datasets = [dataset for dataset in settings.data if dataset.stage == number]
        orders = (mixture(examples, datasets, epoch, settings.seed) for epoch in range(1, settings.epochs + 1))
        epochs += [[offset + i for i in order] for order in orders]
        offset += len(examples)
    return epochs


def _counts(datasets: Sequence[Dataset], sizes: dict[str, int]) -> dict[str, int]:
    """How many examples each set gives to an epoch."""
    for name, times in Counter(str(dataset.path) for dataset in datasets).items():
        if times > 1:
            raise ConfigError(
                f"data: {name} stands {times} times in one stage; give `examples` in place of repeating it"
            )
        if not sizes[name]:
            raise InputError(f"{name}: no example to draw from")
    shares = {str(dataset.path): dataset.share for dataset in datasets if dataset.share is not None}
    counts = {
        name: dataset.examples or sizes[name] for dataset in datasets if (name := str(dataset.path)) not in shares
    }
    if shares and (not counts or sum(shares.values()) >= 1):
        raise ConfigError(
            f"data: the shares of a stage add up to {sum(shares.values()):g}, and {len(counts)} of its sets give none;"
            " at least one must give no share, and the shares must stay below 1"
        )
    whole = sum(counts.values()) / (1 - sum(shares.values()))
    return {name: counts.get(name) or max(1, round(shares[name] * whole)) for name in sizes}


def _draw(positions: Sequence[int], count: int, epoch: int, seed: list[int]) -> list[int]:
    """The `epoch`th `count` positions of an endless row of shuffles of `positions`."""
    start, size = (epoch - 1) * count, len(positions)
    first, last = start // size, (start + count - 1) // size
    shuffles = [np.random.default_rng([*seed, turn]).permutation(size) for turn in range(first, last + 1)]
    row = np.concatenate(shuffles)[start - first * size :][:count]
    return [positions[i] for i in row]


def _needed(sizes: Sequence[int], budget: int) -> int:
    """The fewest passes that hold examples of these sizes, each within the budget, as `_loads` spreads them."""
    passes = max(1, -(-sum(sizes) // budget))
    while max(_loads(sizes, passes)[1]) > budget:
        passes += 1
    return passes


def _packed(batch: Sequence[int], sizes: Sequence[int], passes: int) -> tuple[tuple[int, ...], ...]:
    places = _loads([sizes[i] for i in batch], passes)[0]
    return tuple(tuple(i for i, place in zip(batch, places, strict=True) if place == own) for own in range(passes))


def _apart(batch: Sequence[int], passes: int) -> tuple[tuple[int, ...], ...]:
    return tuple((i,) for i in batch) + ((),) * (passes - len(batch))


def _loads(sizes: Sequence[int], passes: int) -> tuple[list[int], list[int]]:
    """The pass of each size, and the tokens of each pass: longest first, each into the emptiest pass (Graham 1969).

    It keeps passes of about one length, so that processes wait little for each other. More passes never make the fullest
    one fuller.
    """
    places, loads = [0] * len(sizes), [0] * passes
    heap = [(0, number) for number in range(passes)]
    heapify(heap)
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        load, number = heap[0]
        places[i], loads[number] = number, load + sizes[i]
        heapreplace(heap, (loads[number], number))
    return places, loads
