"""How many places each source and each stratum has in a set: quotas with back-fill, strata with temperature."""

import numpy as np
import polars as pl


def share_out(strata: pl.DataFrame, quotas: dict[str, int], size: int, temperature: float) -> pl.DataFrame:
    """`strata` (`bucket`, `stratum`, `n`, `held`) with `places`: how many of each stratum are in a set of `size`.

    Every bucket gets its quota or all it has; places left over go to the buckets that have more, in proportion to their
    quotas (to what they have left, where none of them has a quota). Within a bucket places follow n^(1/temperature),
    never more than n, rounded by largest remainder with ties in the order of names, and at least `held` (how many of n must
    be in the set) as far as the bucket has places.
    """
    buckets = strata.group_by("bucket").agg(pl.col("n").sum()).sort("bucket")
    names, have = buckets["bucket"].to_list(), buckets["n"].to_numpy()
    quota = np.array([quotas.get(name, 0) for name in names], dtype=float)
    take = apportion(quota, np.minimum(have, quota.astype(int)), min(size, int(quota.sum())))
    weights = np.where(quota > 0, quota, 0.0)
    while (missing := min(size, int(have.sum())) - int(take.sum())) > 0:
        room = have - take
        weight = weights * (room > 0) if (weights * (room > 0)).any() else room.astype(float)
        take = take + apportion(weight, room, missing)
    chosen = []
    for name, places in zip(names, take, strict=True):
        mine = strata.filter(pl.col("bucket") == name)
        n, held = mine["n"].to_numpy(), mine["held"].to_numpy()
        chosen.append(_apportion_from(n ** (1 / temperature), n, held, int(places)))
    flat = np.concatenate(chosen) if chosen else np.array([], dtype=np.int64)
    return strata.with_columns(places=pl.Series(flat, dtype=pl.Int64))


def _apportion_from(weights: np.ndarray, capacity: np.ndarray, least: np.ndarray, total: int) -> np.ndarray:
    """`apportion`, where each gets `least` before anyone gets more."""
    if least.sum() >= total:
        return apportion(least.astype(float), least, total)
    given, raised = apportion(weights, capacity, total), np.zeros(len(weights), dtype=bool)
    while (given < least).any():
        raised |= given < least
        rest = apportion(np.where(raised, 0.0, weights), capacity, total - int(least[raised].sum()))
        given = np.where(raised, least, rest)
    return given


def apportion(weights: np.ndarray, capacity: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers, at most `capacity` each, that sum to `total` (or to all the capacity there is with a weight).

    In proportion to `weights`; whoever would pass its capacity is filled and the rest shared among the others (so p ~ w
    among those with room); fractions by largest remainder, ties to the first. Shapes: all (n,).
    """
    given = np.zeros(len(weights), dtype=np.int64)
    open_ = (weights > 0) & (capacity > 0)
    total = min(total, int(capacity[open_].sum()))
    while total > 0:
        exact = np.where(open_, weights, 0.0) * (total / weights[open_].sum())
        full = open_ & (exact >= capacity)
        if not full.any():
            given[open_] = np.floor(exact[open_])
            remainder = np.where(open_, exact - np.floor(exact), -1.0)
            given[np.argsort(-remainder, kind="stable")[: total - int(np.floor(exact[open_]).sum())]] += 1
            break
        given[full] = capacity[full]
        total -= int(capacity[full].sum())
        open_ &= ~full
    return given
