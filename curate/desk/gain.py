"""What an example would add to what is kept: how much better the pool is covered with it, times its quality.

Facility location on cosines (`curate.diversity.facility`): a text of the pool is covered by the kept one most similar to it.
The gain of an example is how much more the pool is covered once it is kept; of one that is kept already, how much would be
lost without it. The pool is a fixed sample, so that both are known a moment after every decision.
"""

import heapq
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk.model import Desk
from curate.desk.remembered import per_desk

# Texts of the pool that stand for all. Of 20,000 texts in 60 clusters, a hundred examples chosen by 512 of them add 79 % of
# what exact greedy adds, by 1,024 86 %, drawn at random 56 % (benchmarks/review_queues.py). The cosines of 100,000 take 0.2 GB.
SAMPLE = 512
# So many are chosen one after another, each counted as kept from then on: as many as a page takes before it asks anew.
# Whoever is further down has the gain that is true now. They are looked for among CHUNK more whenever one of those could be
# better.
AHEAD, CHUNK = 100, 1000


class Pool(NamedTuple):
    """`similar` (m, v): cosines of a sample of the vectors to all; `row` (v,): the candidate of each, `column` (n,) the other way
    round, -1 where there is no vector; `worth` (n,) in (0, 1], and `by_worth` (n,): the rows by it, the best first.
    """

    similar: np.ndarray
    row: np.ndarray
    column: np.ndarray
    worth: np.ndarray
    by_worth: np.ndarray


class Cover(NamedTuple):
    """What covers each text of the sample, all (m,): the largest cosine to a kept one, which, and the second largest."""

    best: np.ndarray
    by: np.ndarray
    second: np.ndarray


@per_desk
def pool(desk: Desk) -> Pool:
    """The sample and the worth of this desk's candidates. The same run has the same sample."""
    measured = desk.candidates.select("row", "vector_row").drop_nulls().sort("vector_row")
    quality = worth(desk.candidates).to_numpy()
    row, column = measured["row"].to_numpy(), np.full(desk.candidates.height, -1, dtype=np.int64)
    similar = np.empty((0, 0), dtype=np.float32)
    if desk.vectors is None:
        row = row[:0]
    elif len(row):
        vectors = np.ascontiguousarray(desk.vectors[measured["vector_row"].to_numpy()], dtype=np.float32)
        chosen = np.sort(np.random.default_rng(1).permutation(len(vectors))[:SAMPLE])
        similar = vectors[chosen] @ vectors.T
    column[row] = np.arange(len(row))
    return Pool(similar, row, column, quality, np.argsort(-quality, kind="stable"))


def worth(candidates: pl.DataFrame) -> pl.Series:
    """How good each is among all, in (0, 1]: the percentile of quality, or of votes within the source (see `stages.select`).

    A half where nothing is known: no quality, or a source without votes.
    """
    quality, votes = pl.col("quality").cast(pl.Float64), pl.col("score").cast(pl.Float64)
    measured = candidates["quality"].count() > 0
    by_votes = (votes.rank("average") / votes.count()).over("source")
    ranked = quality.rank("average") / quality.count() if measured else by_votes
    return candidates.select(worth=ranked.fill_null(0.5).fill_nan(0.5)).to_series()


def cover(similar: np.ndarray, kept: np.ndarray) -> Cover:
    """What the columns `kept` (k,) of `similar` (m, v) cover; nothing covers 0."""
    m = len(similar)
    best, second = np.zeros(m, dtype=np.float32), np.zeros(m, dtype=np.float32)
    by = np.full(m, -1, dtype=np.int64)
    if not len(kept):
        return Cover(best, by, second)
    for i, row in enumerate(similar):
        mine = row[kept]
        at = int(mine.argmax())
        if mine[at] > 0:
            best[i], by[i] = mine[at], kept[at]
            mine[at] = 0
            second[i] = max(mine.max(), 0)
    return Cover(best, by, second)


def gains(similar: np.ndarray, covered: Cover, columns: np.ndarray) -> np.ndarray:
    """What each of these `columns` (a,) of `similar` (m, v) adds to the mean coverage, or holds of it if it is kept: (a,)."""
    alone = covered.by >= 0
    held = np.bincount(covered.by[alone], (covered.best - covered.second)[alone], similar.shape[1])[columns]
    # Of few columns a copy is the shorter way, of many a pass over all of them.
    few = len(columns) < similar.shape[1] // 4
    given = np.ascontiguousarray(similar[:, columns]) if few else similar
    total, memory = (np.zeros(given.shape[1], dtype=np.float32) for _ in range(2))
    for row, best in zip(given, covered.best, strict=True):
        np.subtract(row, best, out=memory)
        np.maximum(memory, 0, out=memory)
        total += memory
    added = total if few else total[columns]
    return np.where(held > 0, held, added) / max(len(similar), 1)


def in_order(
    similar: np.ndarray, covered: Cover, weights: np.ndarray, able: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The columns `able` (a,) by gain times `weights` (v,), best first, and the gain of each: both (a,).

    The first AHEAD are chosen one after another, each counted as kept when the next is chosen, so that they do not all say
    the same; a gain only shrinks as more is kept, so only few have to be looked at again (lazy greedy, Minoux 1978). Ties
    go to the first in `able`.
    """
    gain = gains(similar, covered, able)
    by_bound = np.argsort(-gain * weights[able], kind="stable")
    order, gain = able[by_bound], gain[by_bound]
    bound = gain * weights[order]
    best, second = covered.best.copy(), covered.second.copy()
    heap: list[tuple[float, int, int]] = []
    mine: list[np.ndarray] = []
    first: list[int] = []
    found: list[float] = []
    while len(first) < AHEAD:
        if len(mine) < len(order) and (not heap or -heap[0][0] < bound[len(mine)]):
            more = order[len(mine) : len(mine) + CHUNK]
            # Not at its gain: it may have shrunk since.
            heap += [(-float(bound[place]), place, -1) for place in range(len(mine), len(mine) + len(more))]
            mine += list(np.ascontiguousarray(similar[:, more].T))
            heapq.heapify(heap)
        if not heap or heap[0][0] >= 0:
            break
        score, place, at = heap[0]
        if at == len(first):
            heapq.heappop(heap)
            first.append(place)
            found.append(-score / float(weights[order[place]]))
            # One that is kept already goes on covering what it covers.
            np.minimum(np.maximum(second, mine[place]), best, out=second)
            higher = mine[place] > best
            second[higher], best[higher] = best[higher], mine[place][higher]
        else:
            others = np.where(covered.by == order[place], second, best)
            now = float(np.maximum(mine[place] - others, 0).mean()) * float(weights[order[place]])
            heapq.heapreplace(heap, (-now, place, len(first)))
    rest = np.delete(np.arange(len(order)), first)
    return np.concatenate([order[first], order[rest]]), np.concatenate([np.array(found), gain[rest]])
