"""People as judges: what they are shown, blind, and what they decide, as judgements like any other.

The app shows `waiting` items with the answers in the order that `blind` gives, and no names; each decision becomes a row
(`decided`, appended by `journal`) in a file of judgements, which leaderboards and agreement read as they read a model's.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from curate.errors import InputError

from ..parsing import Reading
from . import Item, resolved, row

Choice = Literal["first", "second", "neither"]
# Of the question that people are asked, as a model's is of its template.
FINGERPRINT = "human"


def blind(items: Iterable[Item], person: str, seed: int = 1) -> list[Item]:
    """Each pair once, in one order drawn for this person and pair, the pairs shuffled; the same each time."""
    pairs: dict[tuple[str, ...], Item] = {}
    for item in items:
        if item.b is None:
            raise InputError("people compare two answers: the plan holds judgements of one")
        pairs.setdefault(item.key, item)
    draws = random.Random(f"{seed} {person}")
    shown: list[Item] = []
    for _, item in sorted(pairs.items()):
        first: Literal["a", "b"] = "a" if draws.random() < 0.5 else "b"
        shown.append(item._replace(first=first))
    draws.shuffle(shown)
    return shown


def waiting(items: Sequence[Item], records: Iterable[Mapping[str, Any]], person: str) -> list[Item]:
    """The items that a person has not decided, in their order."""
    done = {_key(record) for record in records if record["judge"] == person}
    return [item for item in items if item.key not in done]


def decided(item: Item, choice: Choice, person: str, category: str | None = None) -> dict[str, Any]:
    """A person's choice between the answers shown (LIMA, appendix C: A, B or neither significantly better), as a row."""
    outcome = resolved(item, Reading("tie" if choice == "neither" else choice))
    return row(item, outcome, person, None, FINGERPRINT, category)


def _key(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record[name]) for name in ("prompt_id", "model_a", "model_b", "sample", "turn"))
