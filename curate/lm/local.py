"""Log-probabilities of texts under a causal language model.

Every text starts with the tokenizer's BOS token (where it has none, its EOS token), so that the first token of a text
without context has a probability too. Context and continuation are turned into tokens apart: the continuation is the same
tokens whatever stands before it, and two contexts can be compared on it. Texts of about one length share a forward pass,
padded on the right, where a causal model cannot look.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from curate import cache
from curate.lm import models
from curate.lm.models import Model, Settings

Status = Literal["ok", "context_cut", "too_long", "empty", "not_finite"]


class Scored(NamedTuple):
    """`logprob`: summed over `tokens` tokens, in nats; `greedy`: each of them was the likeliest at its place."""

    logprob: float | None
    tokens: int
    greedy: bool | None
    status: Status


def logprobs(contexts: Sequence[str], continuations: Sequence[str], settings: Settings) -> pl.DataFrame:
    """The ln p(continuation | context) under a causal model: one row a pair, in their order.

    `logprob` (Float64, nats, summed over the continuation's tokens), `tokens` (UInt32: the continuation's), `greedy`
    (Boolean: greedy decoding would have written it) and `status` (String). An empty context is allowed. What does not fit
    the window: a context loses its beginning (`context_cut`; the value is given); a continuation that does not fit by
    itself (`too_long`), or has no tokens (`empty`), has null, and so has one whose value is no number (`not_finite`).

    Equal pairs are computed once and kept in the cache `lm`; a call with nothing new loads no model. Raises ConfigError
    where the folder holds no causal model.
    """
    identity = ["logprobs-1", models.fingerprint(settings.model), settings.precision, str(settings.window)]
    keys = [cache.key(*identity, *pair) for pair in zip(contexts, continuations, strict=True)]
    pairs = dict(zip(keys, zip(contexts, continuations, strict=True), strict=True))
    found = models.kept(pairs, lambda waiting: _measure_pairs(waiting, models.load(settings, "causal")))
    schema = {"logprob": pl.Float64, "tokens": pl.UInt32, "greedy": pl.Boolean, "status": pl.String}
    return pl.DataFrame([found[key] for key in keys], schema=schema, orient="row")


def sequence_logprobs(
    model: Model, sequences: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Iterator[list[tuple[int, Scored]]]:
    """The same on token ids: (what stands before, at least one token; what is scored, at least one token).

    Yields (position in `sequences`, score) of one forward pass after the other, the longest sequences first. The last
    token is only predicted, so `window` + 1 tokens fit; it is for the caller to see to that.
    """
    import torch

    lengths = [len(before) + len(ids) - 1 for before, ids in sequences]
    for rows, shape in models.passes(lengths, model):
        tokens = np.full(shape, model.prefix[0], dtype=np.int64)
        for row, position in enumerate(rows):
            tokens[row, : lengths[position]] = [*sequences[position][0], *sequences[position][1]][:-1]
        with torch.inference_mode():
            logits = model.network(input_ids=torch.from_numpy(tokens).to(model.device)).logits
            sums = []
            for row, position in enumerate(rows):
                before, ids = sequences[position]
                own = logits[row, len(before) - 1 : lengths[position]].float()
                targets = torch.tensor(ids, device=model.device)
                taken = torch.log_softmax(own, -1).gather(-1, targets[:, None]).double().sum()
                sums.append(torch.stack([taken, (own.argmax(-1) == targets).all().double()]))
            values = torch.stack(sums).tolist()
        yield [
            (position, _scored(logprob, len(sequences[position][1]), greedy=bool(greedy)))
            for position, (logprob, greedy) in zip(rows, values, strict=True)
        ]


def _scored(logprob: float, tokens: int, *, greedy: bool) -> Scored:
    return Scored(logprob, tokens, greedy, "ok") if np.isfinite(logprob) else Scored(None, tokens, None, "not_finite")


def _measure_pairs(pairs: list[tuple[str, str]], model: Model) -> Iterator[list[tuple[int, Scored]]]:
    contexts = _tokens(model, [context for context, _ in pairs])
    continuations = _tokens(model, [continuation for _, continuation in pairs])
    decided: list[tuple[int, Scored]] = []
    fitting: list[tuple[int, bool]] = []
    sequences: list[tuple[list[int], list[int]]] = []
    for position, (context, ids) in enumerate(zip(contexts, continuations, strict=True)):
        # The last token of a sequence is only predicted: it needs no place in the window.
        room = model.window + 1 - len(model.prefix) - len(ids)
        if not ids or room < 0:
            decided.append((position, Scored(None, len(ids), None, "too_long" if ids else "empty")))
            continue
        fitting.append((position, len(context) > room))
        sequences.append((model.prefix + context[max(0, len(context) - room) :], ids))
    if decided:
        yield decided
    for scored in sequence_logprobs(model, sequences):
        yield [
            (fitting[i][0], one._replace(status="context_cut") if fitting[i][1] and one.status == "ok" else one)
            for i, one in scored
        ]


def _tokens(model: Model, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of texts, without the special tokens that a tokenizer puts around them."""
    ids = model.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False).input_ids
    # A chat template may have written the BOS token itself; it stands there once.
    return [row[1:] if row[:1] == model.prefix else row for row in ids]
