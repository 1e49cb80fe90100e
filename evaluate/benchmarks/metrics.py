"""What likelihoods come to: a row's marks, and their means with standard errors as lm-eval 0.4.13 has them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .scoring import Likelihood
from .tasks import Item, Task

# 97.5 % of the normal distribution.
Z = 1.959963984540054
# A perplexity whose interval goes from a ten-millionth of it to ten million times as much has none.
WIDEST = math.log(1e7)


def marks(task: Task, item: Item, found: Sequence[Likelihood]) -> dict[str, float]:
    """What one row gives, by metric.

    Of choices: whether the likeliest is the right one, by the sum (`acc`), the sum per character (`acc_norm`) and per byte of UTF-8
    (`acc_bytes`). Of TruthfulQA mc2: the share of probability that the true answers have. Of LAMBADA: whether the word would have been
    written, and the ln p of it, of whose mean the perplexity is made.
    """
    nats = np.array([one.nats for one in found])
    right = np.array(item.right)
    if task.kind == "word":
        return {"acc": float(found[0].greedy), "perplexity": found[0].nats}
    if task.kind == "mass":
        # Less the largest, so that a sum of probabilities too small for a float is not 0.
        shares = np.exp(nats - nats.max())
        return {"acc": float(shares[right].sum() / shares.sum())}
    lengths = {
        "acc": np.ones(len(nats)),
        "acc_norm": np.array([len(choice) for choice in item.choices], float),
        "acc_bytes": np.array([len(choice.encode()) for choice in item.choices], float),
    }
    return {name: float(right[np.argmax(nats / lengths[name])]) for name in task.metrics}


def mean(values: ArrayLike) -> tuple[float, float | None]:
    """The mean, and its standard error (sample standard deviation / √n), None for fewer than two."""
    given = np.asarray(values, float)
    error = float(given.std(ddof=1)) / math.sqrt(len(given)) if len(given) > 1 else None
    return float(given.mean()), error


def perplexity(nats: ArrayLike) -> tuple[float, float | None]:
    """E to the negative mean, and its standard error by the delta method; lm-eval draws 100,000 bootstrap samples for it."""
    value, error = mean(nats)
    return math.exp(-value), None if error is None else math.exp(-value) * error


def weighted(groups: Mapping[str, ArrayLike]) -> tuple[float, float | None]:
    """The mean over all rows of several subjects, and its error from the scatter inside each (lm-eval's `pooled_sample_stderr`)."""
    given = [np.asarray(values, float) for values in groups.values()]
    n, inside = sum(map(len, given)), sum(float(((one - one.mean()) ** 2).sum()) for one in given)
    value = sum(float(one.sum()) for one in given) / n
    if any(len(one) < 2 for one in given):
        return value, None
    # (size - 1) · error² · size of one subject is the sum of its squares.
    return value, math.sqrt(inside / (n - len(given)) / n)


def unweighted(groups: Mapping[str, ArrayLike]) -> tuple[float, float | None]:
    """The mean of the subjects' means, which the Open LLM Leaderboard showed (lm-eval's `unweighted_mean_stderr`)."""
    found = [mean(values) for values in groups.values()]
    errors = [error for _, error in found if error is not None]
    value = sum(one for one, _ in found) / len(found)
    return value, math.sqrt(sum(error**2 for error in errors)) / len(found) if len(errors) == len(found) else None


def interval(value: float, error: float | None, n: int | None, *, share: bool) -> tuple[float, float] | None:
    """The ends of a 95 % interval; None without an error.

    Of a share Wilson's, on value · (1 - value) / error² rows, or on `n` where the error is 0: it stays in [0, 1] and is never of no width.
    Of a perplexity the normal one of its logarithm.
    """
    if error is None or not math.isfinite(error):
        return None
    if not share:
        width = Z * error / value
        # As wide as that, it says nothing, and its end may be more than a float can hold.
        return None if width > WIDEST else (value / math.exp(width), value * math.exp(width))
    spread = value * (1 - value)
    rows = spread / error**2 if error > 0 and spread > 0 else n
    if not rows:
        return None
    middle = (value + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    margin = Z / (1 + Z**2 / rows) * math.sqrt(spread / rows + Z**2 / (4 * rows**2))
    return min(value, middle - margin), max(value, middle + margin)
