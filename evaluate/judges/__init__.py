"""Judges: each takes judgements to be made and gives back what it said, in any order, as it becomes known.

api           a model behind an OpenAI-compatible endpoint, asked with a template
local         a causal model in a folder, by the log-probabilities of the two verdicts
reward        a reward model in a folder
similarity    nearness of an answer to the prompt's reference answer
human         what people decided, from a file of judgements
random, first, longer   controls, which every board shows beside the others

A judge module has Settings, `identity(settings)` (what its verdicts depend on, beside the question), `orders(settings)`
and `verdicts(items, settings, …)`.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from curate.chat import Message

from ..parsing import Reading

Status = Literal["ok", "parse_failed", "refused", "truncated", "api_error"]


class Item(NamedTuple):
    """One judgement to be made: of a pair of answers in one order, or of one answer (`b` null, `first` null).

    `key`: prompt_id, model_a, model_b (or empty), sample, turn. `a` and `b` are conversations that end with the answer to
    be judged. `nth` counts the times that one judgement is
    asked for: samples first, then reruns.
    """

    key: tuple[str, ...]
    instruction: str
    a: tuple[Message, ...]
    b: tuple[Message, ...] | None
    first: Literal["a", "b"] | None
    turn: int
    reference: str | None
    nth: int = 0

    @property
    def shown(self) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
        """The two conversations in the order shown."""
        assert self.b is not None
        return (self.b, self.a) if self.first == "b" else (self.a, self.b)

    @property
    def outputs(self) -> tuple[str, str | None]:
        """The two answers, of one answer it and null."""
        return self.a[-1]["content"], None if self.b is None else self.b[-1]["content"]


class Outcome(NamedTuple):
    """What a judge said of an item: the fields of a judgement that it decides. `cost` in the price file's currency."""

    status: Status
    verdict: Literal["a", "b", "tie"] | None = None
    probability: float | None = None
    score: float | None = None
    raw: str | None = None
    attempts: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None


Judged = Iterator[tuple[Item, Outcome]]


def resolved(item: Item, reading: Reading) -> Outcome:
    """A reading by place as a verdict on a and b."""
    if reading.seen is None:
        return Outcome("ok", score=reading.score)
    is_swapped = item.first == "b"
    probability = reading.probability
    if probability is not None and is_swapped:
        probability = 1 - probability
    if reading.seen == "tie":
        return Outcome("ok", "tie", probability)
    return Outcome("ok", "a" if (reading.seen == "first") != is_swapped else "b", probability)


def row(
    item: Item, outcome: Outcome, judge: str, template: str | None, fingerprint: str, category: str | None
) -> dict[str, Any]:
    """A judgement as a record (schema JUDGED without style, weight and extra)."""
    prompt_id, model_a, model_b, sample, turn = item.key
    output_a, output_b = item.outputs
    return {
        "prompt_id": prompt_id,
        "model_a": model_a,
        "model_b": model_b or None,
        "first": item.first,
        "verdict": outcome.verdict,
        "probability": outcome.probability,
        "score": outcome.score,
        "status": outcome.status,
        "judge": judge,
        "template": template,
        "fingerprint": fingerprint,
        "raw": outcome.raw,
        "attempts": outcome.attempts,
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "cost": outcome.cost,
        "sample": int(sample),
        "category": category,
        "turn": int(turn),
        "instruction": item.instruction,
        "output_a": output_a,
        "output_b": output_b,
    }


def better(a: float, b: float) -> Literal["a", "b", "tie"]:
    """The greater of two scores."""
    return "a" if a > b else "b" if b > a else "tie"
