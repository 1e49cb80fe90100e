"""What an item looks like in a template: the request, the answers, whole dialogues, the reference."""

from collections.abc import Sequence

from curate.chat import Message

from ..templates import Template, fill
from . import Item


def question(item: Item, template: Template) -> list[Message]:
    """The template filled in for an item; for a turn after the first, the template it names for later turns."""
    reference = "" if item.reference is None else f"\nA reference answer:\n{item.reference}\n"
    texts = {"question": _request(item.a[:-1]), "reference": reference}
    if item.b is None:
        texts |= {"answer": item.a[-1]["content"], "dialogue": _dialogue(item.a)}
    else:
        for place, turns in enumerate(item.shown, start=1):
            texts |= {f"answer_{place}": turns[-1]["content"], f"dialogue_{place}": _dialogue(turns)}
    return fill(of_turn(template, item.turn), texts)


def of_turn(template: Template, turn: int) -> Template:
    """The template for answers of that turn, from 1."""
    return template.later if turn > 1 and template.later else template


def _request(turns: Sequence[Message]) -> str:
    return turns[0]["content"] if len(turns) == 1 else _dialogue(turns)


def _dialogue(turns: Sequence[Message]) -> str:
    return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)
