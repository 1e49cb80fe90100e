"""How the next token is chosen: penalty, temperature, nucleus, and a draw that belongs to one answer alone.

An answer's draws come from its own seed, one number a token, so that it does not depend on the answers beside it.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from pydantic import Field

from curate.config import Strict

Tensor = Any  # torch's, which loads late


class Decoding(Strict):
    """The settings of sampling, by default LIMA's (section 4.1). With a temperature of 0 the likeliest token is taken."""

    temperature: float = Field(0.7, ge=0, description="0: greedy")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus: the likeliest tokens that hold this much probability")
    repetition_penalty: float = Field(
        1.2, gt=0, description="on tokens of the prompt and of the answer so far; 1: none"
    )
    max_new_tokens: int | None = Field(2048, ge=1, description="of the answer; null: as many as there is room for")
    max_length: int | None = Field(None, ge=2, description="of prompt and answer together; null: no limit")


def seed_of(seed: int, prompt_id: str, sample: int, turn: int) -> int:
    """The seed of one answer, 31 bits: of the run's seed and of what it answers, nothing else."""
    parts = "\0".join(map(str, (seed, prompt_id, sample, turn)))
    return int.from_bytes(blake2b(parts.encode(), digest_size=4).digest(), "big") >> 1


def room(decoding: Decoding, prompt: int, window: int) -> int:
    """Tokens that an answer may have after a prompt of so many, in a model that sees `window`; below 1: none."""
    limits = [
        window - prompt,
        decoding.max_new_tokens,
        None if decoding.max_length is None else decoding.max_length - prompt,
    ]
    return min(limit for limit in limits if limit is not None)


def penalised(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """`scores` (rows, vocabulary) with those `seen` (bool, same shape) divided by `penalty`, multiplied where negative.

    Keskar et al. 2019, section 4.1, in the form of transformers' RepetitionPenaltyLogitsProcessor.
    """
    import torch

    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def drawn(scores: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> Tensor:
    """One token a row, int64 (rows,): of the nucleus of softmax(scores / temperature), where the row's uniform number falls.

    The nucleus: the smallest set of likeliest tokens whose probability reaches `top_p` (Holtzman et al. 2019, section
    3.1). `scores` (rows, vocabulary), `uniforms` float64 (rows,) in [0, 1).
    """
    import torch

    likely, order = torch.sort(torch.softmax(scores.double() / temperature, -1), dim=-1, descending=True, stable=True)
    before = likely.cumsum(-1) - likely
    kept = likely.masked_fill(before >= top_p, 0.0).cumsum(-1)
    place = torch.searchsorted(kept, (uniforms * kept[:, -1])[:, None], right=True)
    # A uniform number so near to 1 that the product rounds to the whole mass: the last token that has any.
    last = (before < top_p).sum(-1, keepdim=True) - 1
    return order.gather(-1, torch.minimum(place, last))[:, 0]


class Chooser:
    """The choice of tokens for the rows of one batch, step by step."""

    def __init__(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], decoding: Decoding, steps: int) -> None:
        import numpy as np

        self.prompts, self.decoding = prompts, decoding
        self.step = 0
        self.seen: Tensor = None
        # One generator a row: the first numbers are the same however many are drawn.
        self.uniforms = np.stack([np.random.default_rng(seed).random(steps) for seed in seeds])

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        """`scores` (rows, vocabulary), -inf everywhere but at the token chosen: the form of a LogitsProcessor.

        `ids` (rows, tokens so far): only its last column is looked at, so padding is never taken for text.
        """
        import torch

        scores = scores.float()
        if self.decoding.repetition_penalty != 1:
            scores = penalised(scores, self._seen(ids, scores), self.decoding.repetition_penalty)
        if self.decoding.temperature == 0:
            chosen = scores.argmax(-1)
        else:
            uniforms = torch.from_numpy(self.uniforms[:, self.step].copy()).to(scores.device)
            chosen = drawn(scores, uniforms, self.decoding.temperature, self.decoding.top_p)
        self.step += 1
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen[:, None], 0.0)

    def _seen(self, ids: Tensor, scores: Tensor) -> Tensor:
        import torch

        if self.seen is None:
            self.seen = torch.zeros_like(scores, dtype=torch.bool)
            for row, prompt in zip(self.seen, self.prompts, strict=True):
                row[torch.tensor(prompt, device=scores.device)] = True
        else:
            self.seen.scatter_(-1, ids[:, -1:], True)
        return self.seen
