"""Rows of tokens that begin alike: what they share goes through the model once, and each row's rest after it.

The choices of a question stand after the same examples, the questions of a subject after the same ones: of ten examples and four choices,
three quarters of all tokens need not be read.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from curate.lm import models
from curate.lm.models import Model

Ids = tuple[int, ...]

# What is shared must be so many tokens: below, a batch of whole rows is the better use of the processor.
LEAST = {"cpu": 64, "cuda": 512}
# A row joins the rows before it if at least so much of what they share remains.
_REMAINS = 0.5
# Keys and values are kept for so many passes' tokens at most.
_KEPT = 8


class Group(NamedTuple):
    """Rows, by their places, whose first `shared` tokens are the same; 0: a row that goes by itself."""

    places: list[int]
    shared: int


def groups(rows: Sequence[Ids], starts: Sequence[int], model: Model) -> Iterator[Group]:
    """The rows in groups of neighbours. `starts`: the first place of each row whose logits are wanted."""
    least, tokens = LEAST[model.device], models.PASS_TOKENS[model.device]
    places: list[int] = []
    shared = widest = 0
    for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
        if places:
            now = min(shared, start, _alike(rows[places[0]], row))
            width = max(widest, len(row)) - now
            room = min(tokens // width, _KEPT * tokens // (now + width))
            if now >= max(least, _REMAINS * shared) and len(places) < room:
                places, shared, widest = [*places, place], now, max(widest, len(row))
                continue
            yield Group(places, shared if len(places) > 1 else 0)
        places, shared, widest = [place], start, len(row)
    if places:
        yield Group(places, shared if len(places) > 1 else 0)


def _alike(one: Ids, other: Ids) -> int:
    """How many tokens both begin with."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def is_able(model: Model) -> bool:
    """Whether the model keeps keys and values of all tokens, so that they can be read again: not all kinds do."""
    import torch
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    with torch.inference_mode():
        found = model.network(input_ids=torch.tensor([model.prefix], device=model.device), use_cache=True).get(
            "past_key_values"
        )
    # More than the one token that was read: an adapter that puts tokens of its own before every text.
    is_plain = isinstance(found, DynamicCache) and found.get_seq_length() == len(model.prefix)
    return is_plain and all(type(one) is DynamicLayer for one in found.layers)


def logits(rows: Sequence[Ids], shared: int, model: Model) -> Any:  # noqa: ANN401 - torch's
    """The logits of what follows the first `shared` tokens of each row, shape (rows, longest rest, words)."""
    import torch

    rests = [row[shared:] for row in rows]
    tokens = np.full((len(rows), max(map(len, rests))), model.prefix[0], dtype=np.int64)
    for place, rest in enumerate(rests):
        tokens[place, : len(rest)] = rest
    first = torch.tensor([rows[0][:shared]], device=model.device)
    last = {"logits_to_keep": 1} if "logits_to_keep" in _takes(model.network) else {}
    with torch.inference_mode():
        kept = model.network(input_ids=first, use_cache=True, **last).past_key_values
        kept.batch_repeat_interleave(len(rows))
        given = torch.from_numpy(tokens).to(model.device)
        return model.network(input_ids=given, past_key_values=kept, use_cache=True).logits


def _takes(network: Any) -> Any:  # noqa: ANN401 - as above
    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    return inspect.signature(inner.forward).parameters
