"""How far judged quality and perplexity go together over models or checkpoints, and what choosing by perplexity costs.

LIMA's perplexity rose while its answers got better (Zhou et al. 2023, arXiv 2305.11206, appendix B). A correlation over a handful of
checkpoints of one run says little: it comes with its interval, and with what is left once the step is known.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from curate.errors import InputError

from . import intervals
from .association import COEFFICIENTS, Coefficient, middle_of_chance, partial, permutation_p, ranks, t_test
from .intervals import Floats

Row = dict[str, Any]

# Below the first nothing is said, below the second it is said with a warning, and models are not drawn anew.
FEWEST, FEW = 4, 8


class Points(NamedTuple):
    """What is known of models, in one order: judged quality, and how well each predicts documents.

    `judged` (prompts, models): a model's value on each prompt, higher is better. `nats` (documents, models): the negative
    log-likelihood of each document, `sizes` what it is divided by: bytes, or tokens. One row where only a total is known.
    `step` and `length` (models,), None where unknown.
    """

    models: list[str]
    judged: Floats
    nats: Floats
    sizes: Floats
    step: Floats | None = None
    length: Floats | None = None


def correlate(points: Points, rounds: int = 2000, seed: int = 1) -> Row:
    """The correlations of judged quality with nats per byte (or token), and the regret of choosing by the latter.

    `models`: each one's `quality` and `predicted` (nats over size), with 95 % intervals. `coefficients`: Pearson, Spearman
    and Kendall, each with the interval of a two-level bootstrap (documents drawn anew for what is predicted, prompts for
    quality, the models fixed), a permutation p, and from 8 models on the interval of drawing models anew
    (`models_low`, `models_high`). `partial`: Pearson's and Spearman's given the step, the length of answers, and both, with
    the p of Student's t on n - 2 - k degrees of freedom. `regret`: the quality of the model judged best less that of the one
    that predicts best, both chosen once, with its interval over prompts; `chosen_again`: in which share of rounds documents
    drawn anew choose the same. Raises InputError below 4 models.
    """
    n = len(points.models)
    if n < FEWEST:
        raise InputError(
            f"{n} models with both a quality and a perplexity: {', '.join(points.models) or 'none'}; a correlation needs"
            f" {FEWEST} or more, and says little below {FEW}"
        )
    quality, predicted = points.judged.mean(0), points.nats.sum(0) / points.sizes.sum(0)
    drawn_quality, drawn_predicted = _drawn(points, rounds, seed)
    best, chosen = int(quality.argmax()), int(predicted.argmin())
    found: Row = {
        "models": _models(points, quality, predicted, drawn_quality, drawn_predicted),
        "documents": len(points.nats),
        "prompts": len(points.judged),
        "coefficients": {
            name: _coefficient(coefficient, (quality, predicted), (drawn_quality, drawn_predicted), rounds, seed)
            for name, coefficient in COEFFICIENTS.items()
        },
        "partial": _partials(points, quality, predicted, drawn_quality, drawn_predicted),
        "regret": {
            "best": points.models[best],
            "chosen": points.models[chosen],
            "value": float(quality[best] - quality[chosen]),
            **_ends(drawn_quality[:, best] - drawn_quality[:, chosen], known=len(points.judged) > 1),
            "chosen_again": float((drawn_predicted.argmin(1) == chosen).mean()) if len(points.nats) > 1 else None,
        },
    }
    return {**found, "notes": _notes(points, found)}


def _drawn(points: Points, rounds: int, seed: int) -> tuple[Floats, Floats]:
    """Quality and what is predicted, (rounds, models), of prompts and documents drawn anew apart from each other."""
    n = len(points.models)
    prompts, documents = len(points.judged), len(points.nats)
    quality = [weights @ points.judged / prompts for weights in intervals.resamples(prompts, rounds, seed, n)]
    predicted = [
        (weights @ points.nats) / (weights @ points.sizes)
        for weights in intervals.resamples(documents, rounds, seed + 1, n)
    ]
    return np.concatenate(quality), np.concatenate(predicted)


def _coefficient(
    coefficient: Coefficient,
    values: tuple[Floats, Floats],
    drawn: tuple[Floats, Floats],
    rounds: int,
    seed: int,
) -> Row:
    quality, predicted = values
    n = len(quality)
    size = max(1, 20_000_000 // n**2)

    def along(a: Floats, b: Floats) -> Floats:
        return np.concatenate([coefficient(a[i : i + size], b[i : i + size]) for i in range(0, len(a), size)])

    varies = bool((np.ptp(drawn[0], axis=0) > 0).any() or (np.ptp(drawn[1], axis=0) > 0).any())
    found = {
        "value": _number(float(coefficient(predicted[None], quality[None])[0])),
        **_ends(along(drawn[1], drawn[0]), known=varies),
        "p": _number(permutation_p(coefficient, predicted, quality, seed)),
    }
    chosen = np.random.default_rng(seed + 2).integers(0, n, (rounds, n))
    of_models = _ends(along(predicted[chosen], quality[chosen]), known=n >= FEW)
    return {**found, **{f"models_{end}": value for end, value in of_models.items()}}


def _partials(
    points: Points, quality: Floats, predicted: Floats, drawn_quality: Floats, drawn_predicted: Floats
) -> list[Row]:
    known = {name: values for name, values in (("step", points.step), ("length", points.length)) if values is not None}
    sets = [*([name] for name in known), *([list(known)] if len(known) > 1 else [])]
    rows = []
    for names in sets:
        given = np.array([known[name] for name in names])
        if len(quality) - 2 - len(names) < 1 or (np.ptp(given, axis=1) == 0).any():
            continue
        for kind, form in (("pearson", np.asarray), ("spearman", ranks)):
            fixed = form(given)
            value = float(partial(form(predicted[None]), form(quality[None]), fixed)[0])
            draws = partial(form(drawn_predicted), form(drawn_quality), fixed)
            p = t_test(value, len(quality) - 2 - len(names))
            rows.append(
                {"given": names, "kind": kind, "value": _number(value), **_ends(draws, known=True), "p": _number(p)}
            )
    return rows


def _models(
    points: Points, quality: Floats, predicted: Floats, drawn_quality: Floats, drawn_predicted: Floats
) -> list[Row]:
    return [
        {
            "model": name,
            "quality": float(quality[i]),
            **_named("quality", _ends(drawn_quality[:, i], known=len(points.judged) > 1)),
            "predicted": float(predicted[i]),
            **_named("predicted", _ends(drawn_predicted[:, i], known=len(points.nats) > 1)),
            "step": None if points.step is None else float(points.step[i]),
            "length": None if points.length is None else float(points.length[i]),
        }
        for i, name in enumerate(points.models)
    ]


def _named(name: str, ends: Row) -> Row:
    return {f"{name}_{end}": value for end, value in ends.items()}


def _ends(draws: Floats, *, known: bool) -> Row:
    low, high = intervals.percentiles(draws, 0.95) if known else (np.nan, np.nan)
    return {"low": _number(float(low)), "high": _number(float(high))}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _notes(points: Points, found: Row) -> list[str]:
    n = len(points.models)
    notes = []
    if n < FEW:
        notes.append(
            f"{n} models are few: of {n} that have nothing to do with each other, every second correlation is beyond"
            f" ±{middle_of_chance(n):.2f}; models are not drawn anew"
        )
    if len(points.nats) < 2:
        notes.append(
            "perplexity is known as a total alone: the intervals leave out that other documents would give another"
        )
    if len(points.judged) < 2:
        notes.append("quality is known as a total alone: the intervals leave out that other prompts would give another")
    if points.step is not None and any(row["given"] == ["step"] and row["value"] is None for row in found["partial"]):
        notes.append("given the step there is nothing left to correlate: it explains one of the two wholly")
    if points.step is not None:
        notes.append(
            "checkpoints of one run follow one another, so p, which takes them for exchangeable, is too small; read the"
            " partial correlation given the step"
        )
    return notes
