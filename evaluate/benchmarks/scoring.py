"""How likely a continuation is after a context: lm-eval 0.4.13's tokens, in as few passes as give the same numbers.

Context and continuation are turned into tokens together, and what is more than the context's tokens is the continuation's
(`TemplateLM._encode_pair`); spaces that end the context belong to the continuation. The tokenizer puts its own special tokens, unless
the text begins with the BOS token. What does not fit loses its beginning. Requests that differ in their last token only are one row of
a pass, and what rows begin with alike is read once (`sharing`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from curate.errors import InputError, RunError
from curate.lm import models
from curate.lm.models import Model

from . import sharing

Pair = tuple[str, str]
Ids = list[int]
Tokens = tuple[Ids, Ids]


class Likelihood(NamedTuple):
    """ln p of a continuation, summed over its tokens; `greedy`: each of them was the likeliest at its place."""

    nats: float
    greedy: bool


def fitting(pairs: Sequence[Pair], model: Model) -> list[Tokens]:
    """The tokens of each context, as many of its last as fit, and of its continuation.

    Raises InputError where a continuation has no token of its own or is longer than the window.
    """
    found = []
    for (before, ids), (_, text) in zip(encode(pairs, model.tokenizer, model.prefix[0]), pairs, strict=True):
        # The last token is only predicted: it needs no place in the window.
        room = model.window + 1 - len(ids)
        if not ids or room < 1:
            long = f"is longer than the model's window ({len(ids)} tokens of {model.window})"
            raise InputError(
                f"the answer {text.strip()[:60]!r} {long if ids else 'has no token of its own'}: its likelihood cannot be measured"
            )
        found.append((before[-room:], ids))
    return found


def likelihoods(sequences: Sequence[Tokens], model: Model, *, share: bool = False) -> list[Likelihood]:
    """The likelihood of the second tokens of each pair, at least one, after the first, at least one, in their order.

    `share`: what neighbours begin with alike is read once (`sharing.is_able`). Raises RunError where a value is no number or memory
    runs out.
    """
    rows: dict[tuple[int, ...], list[int]] = {}
    for place, (before, ids) in enumerate(sequences):
        rows.setdefault((*before, *ids[:-1]), []).append(place)
    given = list(rows.items())
    found: list[Any] = [None] * len(sequences)
    with _in_memory():
        for row, logits in _read([tokens for tokens, _ in given], _starts(sequences, rows), model, share=share):
            places = given[row][1]
            for place, value in zip(places, _values(logits, [sequences[p][1] for p in places]), strict=True):
                found[place] = value
    if not all(np.isfinite(one.nats) for one in found):
        raise RunError("a likelihood is no number: take another --precision, such as float32")
    return found


def _starts(sequences: Sequence[Tokens], rows: Mapping[tuple[int, ...], Sequence[int]]) -> list[int]:
    """The first place of each row whose logits are wanted: that of the last token before a continuation."""
    return [min(len(sequences[place][0]) for place in places) - 1 for places in rows.values()]


def _read(
    rows: Sequence[tuple[int, ...]], starts: Sequence[int], model: Model, *, share: bool
) -> Iterator[tuple[int, Any]]:
    """(row, its logits, or those of its last tokens from its start on) of all rows, in any order."""
    together = list(sharing.groups(rows, starts, model)) if share else []
    for places, shared in together:
        if shared:
            found = sharing.logits([rows[place] for place in places], shared, model)
            yield from ((place, own[: len(rows[place]) - shared]) for place, own in zip(places, found, strict=True))
    alone = [place for group in together if not group.shared for place in group.places] if share else range(len(rows))
    for chosen, shape in models.passes([len(rows[place]) for place in alone], model):
        found = _logits([rows[alone[one]] for one in chosen], shape, model)
        yield from ((alone[one], own[: len(rows[alone[one]])]) for one, own in zip(chosen, found, strict=True))


@contextmanager
def _in_memory() -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunError("out of memory: ask with fewer examples (--shots), or choose a smaller --window") from error


def encode(pairs: Sequence[Pair], tokenizer: Any, first: int) -> list[Tokens]:  # noqa: ANN401 - transformers' classes have no common type
    """The tokens of each context and of its continuation. `first`: the BOS token, or the EOS token where there is none."""
    moved = [_moved(*pair) for pair in pairs]
    mark = tokenizer.decode(first)
    texts = dict.fromkeys(text for before, after in moved if before for text in (before, before + after))
    ids = dict(zip(texts, _tokens(list(texts), tokenizer, mark), strict=True))
    return [
        (ids[before], ids[before + after][len(ids[before]) :]) if before else _opening(after, tokenizer, first)
        for before, after in moved
    ]


def _moved(context: str, continuation: str) -> Pair:
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def _opening(text: str, tokenizer: Any, first: int) -> Tokens:  # noqa: ANN401 - as above
    """A text with nothing before it: after `first`, which it may bring itself."""
    ids = tokenizer.encode(text, add_special_tokens=False, verbose=False)
    return (ids[:1], ids[1:]) if ids[:1] == [first] else ([first], ids)


def _tokens(texts: Sequence[str], tokenizer: Any, mark: str) -> list[Ids]:  # noqa: ANN401 - as above
    found: list[Ids] = [[]] * len(texts)
    for own in (True, False):
        places = [place for place, text in enumerate(texts) if text.startswith(mark) is not own]
        if places:
            given = [texts[place] for place in places]
            ids = tokenizer(given, add_special_tokens=own, return_attention_mask=False, verbose=False).input_ids
            for place, one in zip(places, ids, strict=True):
                found[place] = one
    return found


def _logits(rows: Sequence[tuple[int, ...]], shape: tuple[int, int], model: Model) -> Any:  # noqa: ANN401 - torch's
    import torch

    tokens = np.full(shape, model.prefix[0], dtype=np.int64)
    for row, own in enumerate(rows):
        tokens[row, : len(own)] = own
    with torch.inference_mode():
        return model.network(input_ids=torch.from_numpy(tokens).to(model.device)).logits[: len(rows)]


def _values(logits: Any, continuations: Sequence[Ids]) -> list[Likelihood]:  # noqa: ANN401 - as above
    """`logits`: up to the last token of a row; the continuations end one token after it, and differ in that one, or in their lengths."""
    import torch

    longest = max(map(len, continuations))
    with torch.inference_mode():
        # In double precision, so that only the model's own rounding is in a sum.
        own = logits[-longest:].double()
        whole, best = own.logsumexp(-1), own.argmax(-1)
        found = []
        for ids in continuations:
            n = len(ids)
            targets = torch.tensor(ids, device=own.device)
            nats = (own[-n:].gather(-1, targets[:, None])[:, 0] - whole[-n:]).sum()
            found.append(Likelihood(float(nats), bool((best[-n:] == targets).all())))
    return found
