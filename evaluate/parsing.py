"""What a judge's reply says: a verdict, a score, or nothing that can be read, which is never taken for a low score."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .templates import Head, Seen

_LABELLED = r"[\W_]*(?:(?:final\s+)?(?:verdict|answer|choice|winner|grade|rating|score)\b[\W_]*(?:is\b)?)?[\W_]*"
_BRACKETS = re.compile(r"\[\[\s*([^\[\]]*?)\s*\]\]")
_NUMBER = re.compile(r"(?<![-\d.])(\d+(?:\.\d+)?)(?:\s*/\s*(\d+))?")
_DECODER = json.JSONDecoder()


class Reading(NamedTuple):
    """Of a pair: `seen` is the better one by its place, `probability` that it is the first. Of one answer: `score`."""

    seen: Seen | None = None
    probability: float | None = None
    score: float | None = None


def read(reply: str, head: Head) -> Reading | None:
    """What a reply says under the template's rules; None where it says nothing that can be read.

    Of several verdicts the last counts, for judges quote and weigh before they decide. A number off the scale is none.
    """
    if head.reads == "json":
        return _value(_last_object(reply, "score" if head.scale else "verdict"), head)
    bracketed = _BRACKETS.findall(reply) if head.reads == "brackets" else []
    # A judge that was reminded writes the verdict alone, with brackets or without: the last line reads both.
    return _value(bracketed[-1], head) if bracketed else _last_line(reply, head)


def of_tokens(top: Sequence[tuple[str, float]], head: Head) -> Reading | None:
    """P(the first is better) from the log-probabilities (nats) of the first token's alternatives.

    p(first) over p of all verdicts, as AlpacaEval's `logprob_parser` (alpaca_eval, completion_parsers.py) has it, a tie
    counting half for each; a token that is not among the alternatives has no probability. None where no verdict is.
    """
    found = [(_meaning(token, head), logprob) for token, logprob in top]
    # What is above 0 is no log-probability; a NaN is not either.
    known = [(seen, logprob) for seen, logprob in found if seen and -math.inf < logprob <= 0]
    if not known:
        return None
    # Only ratios count; of far negative ones the exponentials would all be 0.
    greatest = max(logprob for _, logprob in known)
    mass = {"first": 0.0, "second": 0.0, "tie": 0.0}
    for seen, logprob in known:
        mass[seen] += math.exp(logprob - greatest)
    first = (mass["first"] + mass["tie"] / 2) / sum(mass.values())
    return Reading("first" if first > 0.5 else "second" if first < 0.5 else "tie", probability=first)


def _value(given: Any, head: Head) -> Reading | None:  # noqa: ANN401 - whatever stood in the reply
    if head.scale is not None:
        if isinstance(given, bool):
            return None
        if isinstance(given, str):
            found = _NUMBER.fullmatch(given.strip())
            given = float(found[1]) if found and (not found[2] or float(found[2]) == head.scale[1]) else None
        lowest, highest = head.scale
        return Reading(score=float(given)) if isinstance(given, int | float) and lowest <= given <= highest else None
    if not isinstance(given, str):
        return None
    seen = _meaning(given, head)
    return Reading(seen) if seen else None


def _meaning(said: str, head: Head) -> Seen | None:
    """What a label means; upper and lower case are one, unless they tell two labels apart (AlpacaEval's m and M)."""
    folded = {label.casefold(): seen for label, seen in head.verdicts.items()}
    if len(folded) < len(head.verdicts):
        return head.verdicts.get(said.strip())
    return folded.get(said.strip().casefold())


def _last_line(reply: str, head: Head) -> Reading | None:
    lines = [line for line in reply.splitlines() if line.strip()]
    if not lines:
        return None
    one = _NUMBER.pattern if head.scale else "|".join(map(re.escape, sorted(head.verdicts, key=len, reverse=True)))
    found = re.fullmatch(rf"{_LABELLED}(?P<one>{one})[\W_]*", lines[-1].strip(), re.IGNORECASE)
    return _value(found["one"], head) if found else None


def _last_object(reply: str, field: str) -> Any:  # noqa: ANN401 - any JSON value
    found = [value[field] for value in _objects(reply) if field in value]
    return found[-1] if found else None


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, from left to right, those inside another one not by themselves."""
    start = reply.find("{")
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(reply, start)
        except (json.JSONDecodeError, RecursionError):
            end = start + 1
        else:
            yield value
        start = reply.find("{", end)
