"""What a reward model gives an answer."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from curate import cache
from curate.chat import Message
from curate.lm import models
from curate.lm.models import Model, Settings


def rewards(conversations: Sequence[Sequence[Message]], settings: Settings) -> pl.DataFrame:
    """What a reward model (sequence classification with one output) gives the last answer of each conversation.

    `reward` (Float64: the raw output) and `status` (String). A conversation is rendered by the tokenizer's chat template;
    without one, all before the answer and the answer are given as a pair of texts. One that is longer than the window has
    null (`too_long`), as has one that the template refuses (`not_rendered`) and one whose value is no number
    (`not_finite`). Cached as `logprobs` are. Raises ConfigError where the folder holds no trained reward model.
    """
    identity = ["rewards-1", models.fingerprint(settings.model), settings.precision, str(settings.window)]
    keys = [cache.key(*identity, orjson.dumps(conversation).decode()) for conversation in conversations]
    given = dict(zip(keys, conversations, strict=True))
    found = models.kept(given, lambda waiting: _measure_rewards(waiting, models.load(settings, "reward")))
    schema = {"reward": pl.Float64, "status": pl.String}
    return pl.DataFrame([found[key] for key in keys], schema=schema, orient="row")


def _measure_rewards(
    conversations: list[Sequence[Message]], model: Model
) -> Iterator[list[tuple[int, tuple[float | None, str]]]]:
    import torch

    encoded = [_rendered(model.tokenizer, list(conversation)) for conversation in conversations]
    lengths = [len(ids) for ids in encoded]
    fitting = [position for position, length in enumerate(lengths) if 0 < length <= model.window]
    yield [
        (position, (None, "too_long" if lengths[position] else "not_rendered"))
        for position in sorted(set(range(len(encoded))) - set(fitting))
    ]
    pad = model.network.config.pad_token_id
    for rows, (height, width) in models.passes([lengths[position] for position in fitting], model, single=pad is None):
        tokens = np.full((height, width), pad or 0, dtype=np.int64)
        mask = np.zeros((height, width), dtype=np.int64)
        # An empty row that sees nothing at all would be no number, and some kernels let that spread.
        mask[:, 0] = 1
        for row, index in enumerate(rows):
            length = lengths[fitting[index]]
            tokens[row, :length], mask[row, :length] = encoded[fitting[index]], 1
        with torch.inference_mode():
            batch = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
            output = model.network(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        values = output.logits[: len(rows), 0].double().tolist()
        yield [
            (fitting[index], (value, "ok") if np.isfinite(value) else (None, "not_finite"))
            for index, value in zip(rows, values, strict=True)
        ]


def _rendered(tokenizer: Any, conversation: list[Message]) -> list[int]:  # noqa: ANN401 - transformers' own
    """A conversation as token ids; none at all where the chat template refuses it."""
    from jinja2.exceptions import TemplateError

    if tokenizer.chat_template is None:
        before = "\n\n".join(message["content"] for message in conversation[:-1])
        return list(tokenizer(before, conversation[-1]["content"], verbose=False).input_ids)
    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False)
    except TemplateError:
        return []
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)
