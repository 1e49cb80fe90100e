"""How far reviewers agree, with one another and with themselves.

Counted is what people decided by looking, each for themselves: the last standing decision of a reviewer on a text, bulk acts
and settlements left out. An edit is a keep. Krippendorff's alpha is nominal, of keep and reject; in LIMA's tie-discounted
accuracy (Zhou et al. 2023, section 4.1) a flag is the tie: it says neither. Intervals draw the texts anew.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from curate.coefficients import krippendorff_alpha, raw, tie_discounted

ROUNDS = 2000
_LABELS = {"keep": 0, "edit": 0, "reject": 1, "flag": 2}


class Agreement(NamedTuple):
    """`alpha` of keep and reject, and of all `pairs` of them the share `raw` that agree; `tie_discounted` accuracy over
    `tied_pairs`, those with a flag among them; `texts` with two decisions or more. Each figure with its interval; nan where
    the decisions do not determine it (alpha: where all say the same).
    """

    alpha: float
    low: float
    high: float
    pairs: int
    raw: float
    raw_low: float
    raw_high: float
    tie_discounted: float
    tie_low: float
    tie_high: float
    tied_pairs: int
    texts: int


def between(log: sqlite3.Connection, *, seed: int = 0, level: float = 0.95) -> Agreement:
    """The agreement of reviewers with one another, on the texts that two or more of them decided."""
    rows = log.execute(
        "SELECT content, reviewer, decision FROM standing WHERE role IS NULL AND act IS NULL AND decision <> 'skip'"
        " ORDER BY id"
    )
    return among(rows, seed=seed, level=level)


def among(rows: Iterable[tuple[str, str, str]], *, seed: int = 0, level: float = 0.95) -> Agreement:
    """The agreement in decisions (text, reviewer, decision), the later ones last."""
    last = {(content, reviewer): decision for content, reviewer, decision in rows}
    by_content: dict[str, list[int]] = {}
    for (content, _), decision in last.items():
        by_content.setdefault(content, []).append(_LABELS[decision])
    return _agreement(by_content.values(), seed, level)


def within(log: sqlite3.Connection, reviewer: str | None = None, *, seed: int = 0, level: float = 0.95) -> Agreement:
    """The agreement of reviewers, or of one, with themselves: each hidden repeat against the decision that it repeats."""
    rows = log.execute(
        "SELECT first.decision, again.decision FROM standing AS again JOIN events AS first ON first.id = again.previous"
        " WHERE again.role = 'repeat' AND again.decision <> 'skip' AND first.decision <> 'skip'"
        " AND again.reviewer = coalesce(?, again.reviewer)",
        (reviewer,),
    )
    return _agreement([[_LABELS[first], _LABELS[again]] for first, again in rows], seed, level)


def _agreement(texts: Iterable[Sequence[int]], seed: int, level: float) -> Agreement:
    """The figures of the labels on each text. Texts with the same labels are one kind, so that a draw is one of kinds."""
    kinds = Counter(tuple(sorted(labels)) for labels in texts if len(labels) > 1)
    names, times = list(kinds), np.array(list(kinds.values()), dtype=np.int64)
    n = int(times.sum())
    # The first round is what was seen.
    rounds = times[None]
    if n:
        rounds = np.vstack([rounds, np.random.default_rng(seed).multinomial(n, times / n, size=ROUNDS)])
    decided = [tuple(label for label in labels if label < 2) for labels in names]
    plain = _summed(rounds, [_pairs(labels, 2) for labels in decided])
    pairable = _summed(rounds, [_pairs(labels, 2) / max(len(labels) - 1, 1) for labels in decided])
    tied = _summed(rounds, [_pairs(labels, 3) for labels in names])
    alpha, low, high = _figure(krippendorff_alpha(pairable), level)
    alike, alike_low, alike_high = _figure(raw(plain), level)
    discounted, tie_low, tie_high = _figure(tie_discounted(tied, 2), level)
    return Agreement(
        alpha=alpha,
        low=low,
        high=high,
        pairs=int(plain[0].sum()) // 2,
        raw=alike,
        raw_low=alike_low,
        raw_high=alike_high,
        tie_discounted=discounted,
        tie_low=tie_low,
        tie_high=tie_high,
        tied_pairs=int(tied[0].sum()) // 2,
        texts=n,
    )


def _summed(rounds: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """The tables of the kinds (k), summed as often as each round (r, k) has them."""
    if not tables:
        return np.zeros((len(rounds), 3, 3))
    return np.asarray(np.einsum("rk,kij->rij", rounds.astype(np.float64), np.array(tables)))


def _pairs(labels: Sequence[int], k: int) -> np.ndarray:
    """How often one said i and another j on a text, every ordered pair: (k, k)."""
    found = np.zeros((k, k))
    for i, j in combinations(labels, 2):
        found[i, j] += 1
        found[j, i] += 1
    return found


def _figure(rounds: np.ndarray, level: float) -> tuple[float, float, float]:
    """What was seen, and the percentile interval of those draws that determine the figure."""
    known = rounds[1:][~np.isnan(rounds[1:])]
    if not len(known):
        return float(rounds[0]), np.nan, np.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(rounds[0]), float(low), float(high)
