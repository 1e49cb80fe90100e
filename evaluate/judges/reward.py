"""A reward model as a judge: of one answer its reward, of two the greater one's answer."""

import math
from collections.abc import Iterable
from itertools import islice
from typing import Literal

from curate.lm import models
from curate.lm.reward import rewards

from . import Item, Judged, Outcome, better

# Items that are scored together: enough for batches of one length, and no more is lost when the process is killed.
CHUNK = 64


class Settings(models.Settings):
    """A reward model's folder."""

    kind: Literal["reward"] = "reward"


def identity(settings: Settings) -> list[str]:
    """What the rewards depend on."""
    return [models.fingerprint(settings.model), settings.precision, str(settings.window)]


def verdicts(items: Iterable[Item], settings: Settings) -> Judged:
    """Of a pair, P(a preferred) = 1 / (1 + exp(r_b − r_a)) (Bradley-Terry, as reward models are trained: Ouyang et al.
    2022, equation 1); of one answer, the reward as its score.

    An answer that the model cannot take (longer than its window, refused by its chat template) is a failed judgement.
    """
    model = models.Settings(model=settings.model, precision=settings.precision, window=settings.window)
    waiting = iter(items)
    while chunk := list(islice(waiting, CHUNK)):
        conversations = [turns for item in chunk for turns in (item.a, item.b) if turns is not None]
        found = iter(rewards(conversations, model).iter_rows())
        for item in chunk:
            yield item, _outcome([next(found) for _ in range(1 if item.b is None else 2)])


def _outcome(found: list[tuple[float | None, str]]) -> Outcome:
    values = [value for value, _ in found if value is not None]
    raw = ", ".join(f"{value:.6g}" if value is not None else status for value, status in found)
    if len(values) < len(found):
        return Outcome("truncated" if any(status == "too_long" for _, status in found) else "parse_failed", raw=raw)
    if len(values) == 1:
        return Outcome("ok", score=values[0], raw=raw)
    a, b = values
    # Beyond ±700 the exponential overflows, and the probability is 0 or 1 to every digit.
    return Outcome("ok", better(a, b), 1 / (1 + math.exp(min(max(b - a, -700.0), 700.0))), raw=raw)
