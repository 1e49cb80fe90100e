"""Judges that know nothing of quality: what a board says of them is what chance, position and length alone would earn."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

from curate.config import Strict

from . import Item, Judged, Outcome, better

NAMES = ("random", "first", "longer")


class Settings(Strict):
    """`random`: a seeded coin; `first`: the answer shown first; `longer`: more characters (as AlpacaEval counts length)."""

    kind: Literal["random", "first", "longer"]
    seed: int = 1


def identity(settings: Settings) -> list[str]:
    """What the verdicts depend on."""
    return [settings.kind, str(settings.seed)] if settings.kind == "random" else [settings.kind]


def verdicts(items: Iterable[Item], settings: Settings) -> Judged:
    """A verdict on every pair. A random one depends on the seed and the judgement alone, not on what came before it."""
    for item in items:
        yield item, _verdict(item, settings)


def _verdict(item: Item, settings: Settings) -> Outcome:
    assert item.b is not None
    if settings.kind == "first":
        return Outcome("ok", item.first)
    if settings.kind == "longer":
        return Outcome("ok", better(len(item.a[-1]["content"]), len(item.b[-1]["content"])))
    coin = blake2b("\0".join((str(settings.seed), str(item.nth), *item.key)).encode(), digest_size=1).digest()[0]
    return Outcome("ok", "a" if coin % 2 else "b")
