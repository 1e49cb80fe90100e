"""How well a model predicts answers that it is not trained on, through packed passes as in training.

Evaluation mode: nothing is drawn, and nothing learned.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from train.packed import document_logprobs
from train.plan import collate
from train.record import Example


class Predicted(NamedTuple):
    """Of trained tokens: the sum of their negative log-probabilities (nats), their number, the bytes of their text."""

    nats: float
    tokens: int
    text_bytes: int

    @property
    def perplexity(self) -> float:
        """The exponential of nats / tokens."""
        return math.exp(min(self.nats / self.tokens, 700.0))

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte, nats / (ln 2 · bytes): the same whatever the tokenizer. End tokens count as nats, but have no bytes."""
        return self.nats / math.log(2) / self.text_bytes


def predict(
    model: Any,  # noqa: ANN401
    examples: Sequence[Example],
    pass_tokens: int,
    share: tuple[int, int] = (0, 1),
    *,
    packing: bool = True,
) -> Predicted:
    """How well the model predicts the trained tokens of examples; of this process's share (rank, processes) of them.

    Through packed passes, as in training; nothing is drawn and nothing learned. Sums add up over the processes.
    """
    rank, processes = share
    own = examples[rank % processes :: processes]
    found = logprobs(model, own, pass_tokens, packing=packing)
    tokens = sum(document.trained for example in own for document in example.documents)
    return Predicted(-math.fsum(map(math.fsum, found)), tokens, sum(example.trained_bytes for example in own))


def logprobs(
    model: Any,  # noqa: ANN401
    examples: Sequence[Example],
    pass_tokens: int,
    *,
    packing: bool = True,
) -> list[tuple[float, ...]]:
    """Of each example the log-probability (nats) of each document's trained tokens, through packed passes."""
    device = next(model.parameters()).device
    found: list[tuple[float, ...]] = []
    for chosen in _packs(examples, pass_tokens if packing else 1):
        batch = collate(chosen, 1, chosen[0].documents[0].ids[0], packing=packing)
        moved = {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
        sums = iter(document_logprobs(model, moved).tolist())
        found += [tuple(next(sums) for _ in example.documents) for example in chosen]
    return found


def _packs(examples: Sequence[Example], budget: int) -> Iterator[list[Example]]:
    """Examples in their order, as many together as the budget of tokens holds; one alone may be longer."""
    together: list[Example] = []
    for example in examples:
        if together and sum(one.tokens for one in together) + example.tokens > budget:
            yield together
            together = []
        together.append(example)
    if together:
        yield together
