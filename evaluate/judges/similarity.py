"""Nearness in meaning to the prompt's reference answer: cosine of sentence embeddings (by default MiniLM's)."""

from collections.abc import Iterable
from itertools import islice
from typing import Literal

import numpy as np

from curate import embed
from curate.config import Strict

from . import Item, Judged, Outcome, better

CHUNK = 256


class Settings(Strict):
    """The encoder; long texts are cut where it cuts them."""

    kind: Literal["similarity"] = "similarity"
    encoder: embed.Settings = embed.Settings()


def identity(settings: Settings) -> list[str]:
    """What the similarities depend on."""
    return [embed.fingerprint(settings.encoder)]


def verdicts(items: Iterable[Item], settings: Settings) -> Judged:
    """Of one answer its cosine with the reference, −1 to 1, as the score; of a pair, the nearer answer.

    Every item must have a reference answer.
    """
    waiting = iter(items)
    while chunk := list(islice(waiting, CHUNK)):
        texts = [text for item in chunk for text in (item.reference, _last(item.a), _last(item.b))]
        vectors = embed.vectors(texts, settings.encoder).reshape(len(chunk), 3, -1)
        near = np.einsum("nd,nkd->nk", vectors[:, 0], vectors[:, 1:], dtype=np.float64).tolist()
        for item, (a, b) in zip(chunk, near, strict=True):
            if item.b is None:
                yield item, Outcome("ok", score=a)
            else:
                yield item, Outcome("ok", better(a, b), raw=f"{a:.6f}, {b:.6f}")


def _last(turns: tuple[dict[str, str], ...] | None) -> str:
    return "" if turns is None else turns[-1]["content"]
