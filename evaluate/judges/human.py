"""People as judges: what they are shown, blind, and what they decide, as judgements like any other.

`blind` draws for each person the order of the pairs and the side of each answer, `with_repeats` shows some pairs a second
time with the sides swapped; each decision becomes a row (`decided`), which leaderboards and agreement read as they read a
model's. A pair shown twice is to them one judged in both orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal

from curate.errors import InputError

from ..parsing import Reading
from . import Item, resolved, row

Choice = Literal["first", "second", "neither"]
# Of the question that people are asked, as a model's is of its template.
FINGERPRINT = "human"
# Of the pairs, how many are shown twice, and how many others stand between the two times (fewer in a small set).
REPEATS = 0.05
APART = 10
# In so many successive pairs of the same two models, each is shown first equally often.
_BLOCK = 8


def blind(items: Iterable[Item], person: str, seed: int | str = 1) -> list[Item]:
    """Each pair once, the pairs shuffled and the sides drawn for this person; the same each time.

    Of every two models the one is shown first as often as the other, exactly, up to one pair where their number is odd, and
    so over all pairs. Sides are drawn in blocks of eight (permuted blocks, as trials allocate patients), so that who stops
    early is balanced too, and hardly anything of a side can be told from the sides before. Raises InputError where an item is one answer.
    """
    pairs: dict[tuple[str, ...], Item] = {}
    for item in items:
        if item.b is None:
            raise InputError("people compare two answers: the plan holds judgements of one")
        pairs.setdefault(item.key, item)
    order = sorted(pairs.values(), key=lambda item: _draw(seed, person, "place", item))
    of_two: dict[tuple[str, ...], list[Item]] = {}
    for item in order:
        of_two.setdefault(item.key[1:3], []).append(item)
    first: dict[tuple[str, ...], Literal["a", "b"]] = {}
    is_b = int(_keyed(seed, person, "start"), 16) % 2 == 1
    for _, own in sorted(of_two.items()):
        for start in range(0, len(own), _BLOCK):
            block = own[start : start + _BLOCK]
            for item in sorted(block, key=lambda item: _draw(seed, person, "side", item)):
                first[item.key] = "b" if is_b else "a"
                is_b = not is_b
    return [item._replace(first=first[item.key]) for item in order]


def with_repeats(shown: Sequence[Item], person: str, seed: int | str = 1, share: float = REPEATS) -> list[Item]:
    """What `blind` gave, with a `share` of the pairs again later on, sides swapped; as many of either side first.

    Of fewer than 2 · APART pairs nothing is repeated: a person would remember.
    """
    if len(shown) < 2 * APART:
        return list(shown)
    early = list(enumerate(shown[:-APART]))
    early.sort(key=lambda entry: _draw(seed, person, "repeat", entry[1]))
    sides = [[entry for entry in early if entry[1].first == side] for side in ("a", "b")]
    turns = [entry for two in zip(*sides, strict=False) for entry in two]
    after: dict[int, list[Item]] = {}
    for place, item in turns[: max(1, round(share * len(shown)))]:
        room = len(shown) - place - APART
        later = place + APART + int(_draw(seed, person, "again", item), 16) % room
        after.setdefault(later, []).append(item._replace(first="a" if item.first == "b" else "b"))
    return [one for place, item in enumerate(shown) for one in (item, *after.get(place, []))]


def waiting(items: Sequence[Item], records: Iterable[Mapping[str, Any]], person: str) -> list[Item]:
    """The items that a person has not decided, in their order."""
    done = {_key(record) for record in records if record["judge"] == person}
    return [item for item in items if (*item.key, item.first) not in done]


def decided(item: Item, choice: Choice, person: str, category: str | None = None) -> dict[str, Any]:
    """A person's choice between the answers shown (LIMA, appendix C: A, B or neither significantly better), as a row."""
    outcome = resolved(item, Reading("tie" if choice == "neither" else choice))
    return row(item, outcome, person, None, FINGERPRINT, category)


def _key(record: Mapping[str, Any]) -> tuple[str | None, ...]:
    names = ("prompt_id", "model_a", "model_b", "sample", "turn")
    return (*(str(record[name]) for name in names), record["first"])


def _draw(seed: int | str, person: str, what: str, item: Item) -> str:
    return _keyed(seed, person, what, *item.key)


def _keyed(seed: int | str, *parts: str) -> str:
    """A hash of the parts under a key: who does not have the key cannot tell one draw from another."""
    key = blake2b(str(seed).encode(), digest_size=32).digest()
    return blake2b("\0".join(parts).encode(), key=key, digest_size=8).hexdigest()
