"""Ways to choose a diverse set, as plain functions on unit vectors; facility location has a module of its own.

All take `vectors` (n, d), float32 unit rows, and `places`, and return rows in the order in which they were chosen with what
each added then. Ties go to the first row, so that the caller's order of rows decides them.
"""

import numpy as np

from curate import progress
from curate.diversity.facility import covering
from curate.diversity.geometry import densities, similarities
from curate.diversity.places import Chosen, Places, chosen

# Candidates that `deita` compares with the chosen in one matrix product.
BLOCK = 512


def by_quality(quality: np.ndarray, places: Places) -> Chosen:
    """The best rows: descending `quality` (n,), ties to the first row. Gain: the row's quality."""
    order, left = [], places.capacity.copy()
    for row in np.argsort(-quality, kind="stable").tolist():
        if left[places.group[row]] > 0:
            left[places.group[row]] -= 1
            order.append(row)
    return chosen(order, quality[order].tolist())


def k_center(vectors: np.ndarray, places: Places) -> Chosen:
    """Always the row farthest from all that are chosen (Gonzalez 1985), beginning with the one nearest to the mean.

    The largest distance of a row to its nearest chosen one is at most twice the least possible. It loves outliers: clip
    low quality first. Gain: the cosine distance to the nearest chosen row (of the first: to the mean's direction).
    """
    mean = vectors.sum(axis=0, dtype=np.float64)
    centre = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    # float64, so that the largest of many equal distances is not decided by the last bit of a product.
    distance = 1 - (vectors @ centre).astype(np.float64)
    picker = _Picker(places)
    row = picker.pick(-distance, gain=distance)
    while row is not None:
        to_row = 1 - (vectors @ vectors[row]).astype(np.float64)
        distance = to_row if len(picker.order) == 1 else np.minimum(distance, to_row)
        row = picker.pick(distance)
    return picker.chosen()


def deita(
    vectors: np.ndarray, places: Places, *, quality: np.ndarray, threshold: float = 0.9
) -> tuple[Chosen, np.ndarray]:
    """Best first, and only what is not too similar to the already chosen: cosine <= `threshold` to all of them.

    DEITA (Liu et al. 2024; `src/deita/selection/filter/base.py`): of two twins the better one stays.
    (distilabel's DeitaFiltering compares with the whole pool and loses both.) May choose fewer than there are places.
    Gain: 1 - the largest cosine to those chosen before, 1 for the first. Also returns (n,) int64: the chosen row that a
    passed-over row is too similar to, the most similar of those chosen before it; -1 for all others.
    """
    by_score = np.argsort(-quality, kind="stable")
    left, total = places.capacity.copy(), places.total
    order: list[int] = []
    gains: list[float] = []
    twin = np.full(len(vectors), -1, dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        if len(order) == total:
            break
        block = by_score[start : start + BLOCK]
        # Largest cosine of each candidate to the chosen, and to which; kept up while the block goes on choosing.
        nearest, to = _nearest(vectors[block], vectors[order], np.array(order, dtype=np.int64))
        among = similarities(vectors[block], vectors[block])
        for i, row in enumerate(block.tolist()):
            if nearest[i] > threshold:
                twin[row] = to[i]
            elif left[places.group[row]] > 0:
                left[places.group[row]] -= 1
                gains.append(float(1 - nearest[i]) if order else 1.0)
                order.append(row)
                closer = among[i] > nearest
                nearest[closer], to[closer] = among[i][closer], row
        progress.inside(len(order), total)
    return chosen(order, gains), twin


def _nearest(rows: np.ndarray, others: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest cosine of each of `rows` to one of `others`, and that one's name; -2 and -1 where there are none."""
    if not len(others):
        return np.full(len(rows), -2, dtype=np.float32), np.full(len(rows), -1, dtype=np.int64)
    similar = similarities(rows, others)
    at = similar.argmax(axis=1)
    return similar[np.arange(len(rows)), at], names[at]


def novelselect(
    vectors: np.ndarray,
    places: Places,
    *,
    neighbours: int = 10,
    density_power: float = 0.5,
    distance_power: float = 1.0,
) -> Chosen:
    """Always the row of greatest novelty against those chosen (NovelSelect, Yang et al. 2025, `novelselect.py`).

    Novelty of x: the mean over chosen y of w * (density(x) + density(y)) * (1 - cos(x, y)), where w = 1 / r^distance_power
    and r is the rank of y among the chosen by that weighted distance, nearest first. Begins with the densest row (the
    reference begins with a random one). Gain: the novelty (of the first: its density). Takes n * k * 4 bytes.
    """
    from curate.diversity import novelty

    density = densities(vectors, vectors, neighbours=neighbours, power=density_power)
    picker = _Picker(places)
    weights = (1 / np.arange(1, places.total + 1) ** distance_power).astype(np.float32)
    # The weighted distances of every row to the chosen, ascending: a new one is put in its place, nothing is sorted again.
    ascending = np.empty((len(vectors), places.total), dtype=np.float32)
    row = picker.pick(density)
    while row is not None:
        weighted = (1 - vectors @ vectors[row]) * (density + density[row])
        novel = novelty.insert(ascending, len(picker.order) - 1, weighted.astype(np.float32), weights)
        row = picker.pick(novel / len(picker.order))
    return picker.chosen()


def k_means(vectors: np.ndarray, places: Places, *, seed: int = 1, rounds: int = 20) -> Chosen:
    """The rows nearest to the centres of as many spherical k-means clusters as there are places, in each group by itself.

    Within a cluster the row nearest to the centre is taken; an empty cluster takes the first row not taken. All are then
    ordered by greedy facility location among themselves: the gain is what a row added to the coverage of all `vectors`.
    """
    taken = []
    for number, capacity in enumerate(places.capacity.tolist()):
        rows = np.flatnonzero(places.group == number)
        taken.append(rows if len(rows) <= capacity else rows[_medoids(vectors[rows], capacity, seed, rounds)])
    rows = np.sort(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
    found = covering(vectors, rows)
    return Chosen(rows[found.order], found.gain)


def _medoids(vectors: np.ndarray, k: int, seed: int, rounds: int) -> np.ndarray:
    """`k` different rows, one near the centre of each cluster; k < len(vectors)."""
    if k == 0:
        return np.empty(0, dtype=np.int64)
    import faiss

    means = faiss.Kmeans(vectors.shape[1], k, niter=rounds, spherical=True, seed=seed, min_points_per_centroid=1)
    means.train(np.ascontiguousarray(vectors))
    cosine, cluster = (found[:, 0] for found in means.index.search(np.ascontiguousarray(vectors), 1))
    # Nearest to its centre first, ties by position: the first of each cluster is its medoid.
    nearest_first = np.argsort(-cosine, kind="stable")
    _, at = np.unique(cluster[nearest_first], return_index=True)
    medoids = nearest_first[at]
    spare = np.setdiff1d(np.arange(len(vectors)), medoids)
    return np.concatenate([medoids, spare[: k - len(medoids)]])


def dpp(vectors: np.ndarray, places: Places, *, quality: np.ndarray | None = None) -> Chosen:
    """Greedy MAP of a determinantal point process with kernel q_i * cos(i, j) * q_j (Chen, Zhang and Zhou 2018).

    Each choice maximises the determinant of the chosen rows' kernel; `quality` (n,) > 0, by default 1 for all. It loves
    outliers: clip low quality first. Gain: the log of the factor by which the determinant grew. Stops where the kernel has
    no rank left (more places than dimensions), since then every further set has volume 0. Takes n * k * 4 bytes.
    """
    strength = np.ones(len(vectors)) if quality is None else np.asarray(quality, dtype=np.float64)
    # Unit rows have exactly 1 on the diagonal (a text without a vector 0): equal rows are a tie, not a matter of the last bit.
    volume = strength**2 * np.rint((vectors.astype(np.float64) ** 2).sum(axis=1))
    basis = np.zeros((places.total, len(vectors)), dtype=np.float32)
    picker = _Picker(places)
    # Below this a volume is the rounding error of float32, not a direction.
    floor = 1e-5 * float(volume.max(initial=0.0))
    while True:
        row = picker.pick(np.where(volume > floor, np.log(np.maximum(volume, 1e-30)), -np.inf))
        if row is None:
            return picker.chosen()
        t = len(picker.order) - 1
        kernel = strength[row] * strength * (vectors @ vectors[row])
        basis[t] = (kernel - basis[:t].T @ basis[:t, row]) / np.sqrt(volume[row])
        volume = volume - basis[t].astype(np.float64) ** 2


class _Picker:
    """What a chooser that looks at all rows in every step keeps: what is chosen, and which rows may still be."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.left = places.capacity.copy()
        self.closed = self.left[places.group] == 0
        self.order: list[int] = []
        self.gains: list[float] = []

    def pick(self, worth: np.ndarray, gain: np.ndarray | None = None) -> int | None:
        """The open row of largest `worth` (n,), which is then chosen; None where no place is left or all are -inf."""
        if len(self.order) == self.places.total:
            return None
        open_ = np.where(self.closed, -np.inf, worth)
        row = int(np.argmax(open_))
        if open_[row] == -np.inf:
            return None
        group = self.places.group[row]
        self.left[group] -= 1
        self.closed[row] = True
        if self.left[group] == 0:
            self.closed |= self.places.group == group
        self.order.append(row)
        self.gains.append(float((worth if gain is None else gain)[row]))
        progress.inside(len(self.order), self.places.total)
        return row

    def chosen(self) -> Chosen:
        return chosen(self.order, self.gains)
