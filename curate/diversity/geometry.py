"""How diverse a set of vectors is. All vectors are float32 unit rows, (n, d); a cosine distance is 1 - cosine, in [0, 2]."""

from collections.abc import Iterator

import numpy as np

# Similarities in memory at a time.
BLOCK_PAIRS = 25_000_000


def similarities(rows: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Cosines of unit rows (c, d) and (m, d), float32, shape (c, m)."""
    # A copy, so that numpy does not see one matrix times itself and take the slower symmetric routine.
    found: np.ndarray = np.matmul(rows, pool.copy().T)
    return found


def vendi(vectors: np.ndarray) -> float:
    """The Vendi score, an effective number of different rows: 1 where all are equal, n where all are orthogonal.

    exp of the entropy of the eigenvalues of K / n, K the cosines (Friedman and Dieng 2023). K = X X^T and the smaller X^T X
    have the same eigenvalues apart from zeros, so n rows of d numbers cost n d^2 + d^3 and never n^3. NaN without rows.
    """
    n = len(vectors)
    if n == 0:
        return float("nan")
    gram = vectors @ vectors.T if n <= vectors.shape[1] else vectors.T @ vectors
    values = np.linalg.eigvalsh(gram.astype(np.float64) / n)
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))


def nearest_chosen(pool: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The largest cosine of each row of `pool` (n, d) to one of `chosen` (k, d), (n,) float32. Its mean is the coverage.

    The objective of facility location (Nemhauser et al. 1978, on cosines). NaN where nothing is chosen.
    """
    if not len(chosen):
        return np.full(len(pool), np.nan, dtype=np.float32)
    blocks = [similarities(block, chosen).max(axis=1) for block in _blocks(pool, len(chosen))]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)


def nearest_neighbour_distances(vectors: np.ndarray) -> np.ndarray:
    """The cosine distance of each row to the nearest other row, (n,) float32; NaN for a single row."""
    if len(vectors) < 2:
        return np.full(len(vectors), np.nan, dtype=np.float32)
    found, done = [], 0
    for block in _blocks(vectors, len(vectors)):
        similar = similarities(block, vectors)
        similar[np.arange(len(block)), np.arange(done, done + len(block))] = -np.inf
        found.append(1 - similar.max(axis=1))
        done += len(block)
    return np.asarray(np.maximum(np.concatenate(found), 0))


def densities(vectors: np.ndarray, pool: np.ndarray, *, neighbours: int = 10, power: float = 0.5) -> np.ndarray:
    """How dense the `pool` is around each of `vectors`: 1 / (mean squared distance to its nearest rows + 1e-9)^power.

    NovelSum's density factor (Yang et al. 2025, `utils.py`): Euclidean distances to the `neighbours` nearest of the
    different rows of the pool, the nearest of all (a row itself) left out. (n,) float64; 1 where the pool has one row.
    """
    different = np.unique(pool, axis=0)
    k = min(neighbours, len(different) - 1)
    if k < 1:
        return np.ones(len(vectors))
    import faiss

    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(np.ascontiguousarray(different))
    cosine, _ = index.search(np.ascontiguousarray(vectors), k + 1)
    squared = np.maximum(2 - 2 * cosine[:, 1:].astype(np.float64), 0)
    return np.asarray(1 / (squared.mean(axis=1) + 1e-9) ** power)


def novelty(vectors: np.ndarray, density: np.ndarray | None = None, *, distance_power: float = 1.0) -> np.ndarray:
    """The novelty of each row, (n,) float64: a mean of its distances to all rows in which near ones weigh most.

    The distance of rank r counts with 1 / r^distance_power; a row's distance to itself, 0, has rank 1; the mean is
    multiplied by the row's `density`. The mean over rows is NovelSum (Yang et al. 2025, `novelsum.py`, whose best
    parameters are 10 neighbours, density power 0.5, distance power 1). Without `density` all rows count as equally dense.
    """
    n = len(vectors)
    if n == 0:
        return np.empty(0)
    weights = 1 / np.arange(1, n + 1) ** distance_power
    weights /= weights.sum()
    found, done = [], 0
    for block in _blocks(vectors, n):
        distance = np.maximum(1 - similarities(block, vectors), 0)
        distance[np.arange(len(block)), np.arange(done, done + len(block))] = 0
        distance.sort(axis=1)
        found.append(distance @ weights)
        done += len(block)
    novel = np.concatenate(found)
    return novel if density is None else novel * density


def _blocks(rows: np.ndarray, others: int) -> Iterator[np.ndarray]:
    step = max(BLOCK_PAIRS // max(others, 1), 1)
    return (rows[start : start + step] for start in range(0, len(rows), step))
