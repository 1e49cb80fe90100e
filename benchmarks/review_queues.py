"""How long each queue of the review takes on a large run, and how well the sampled gain does what the exact one would.

    python benchmarks/review_queues.py RUN [--times 40] [--pool 20000]

RUN is a finished run, such as one made by benchmarks/review_data.py; its decisions are read from a copy.
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from curate.desk import bulk, gain
from curate.desk.model import Desk, open_desk
from curate.desk.queues import QUEUES, Filter, queue
from curate.review.store import opened

LIMIT = 300


def queues(desk: Desk, log: sqlite3.Connection, times: int) -> bool:
    """Prints the times of every queue, in wall-clock and in processor time; whether all p95 are within LIMIT."""
    started = time.perf_counter()
    pool = gain.pool(desk)
    print(f"sample of the pool, once: {time.perf_counter() - started:.2f} s, {pool.similar.nbytes / 1e6:.0f} MB")
    words = max(desk.candidates["title"][:50].to_list(), key=len).split()[0]
    asked = [(name, Filter()) for name in QUEUES]
    asked += [("most_valuable", Filter(source=desk.candidates["source"][0])), ("most_valuable", Filter(topic=0))]
    asked += [("undecided", Filter(words=words)), ("undecided", Filter(state="keep"))]
    good = True
    for name, only in asked:
        wall, processor = [], []
        for _ in range(times):
            begun, busy = time.perf_counter(), time.process_time()
            found = queue(desk, log, name, "ann", only)
            wall.append(time.perf_counter() - begun)
            processor.append(time.process_time() - busy)
        p50, p95 = np.quantile(wall, [0.5, 0.95]) * 1000
        good &= p95 <= LIMIT
        narrowed = " ".join(f"{key}={value}" for key, value in only._asdict().items() if value is not None)
        print(
            f"{name:15} {narrowed:16} {found.height:7} rows  p50 {p50:4.0f}  p95 {p95:4.0f} ms"
            f"  (processor {np.median(processor) * 1000:4.0f})"
        )
    begun = time.perf_counter()
    found = bulk.preview(desk, log, range(desk.candidates.height), "reject")
    print(f"bulk preview of {found.rows} rows {1000 * (time.perf_counter() - begun):.0f} ms")
    return good


def sampled(vectors: np.ndarray, steps: int = gain.AHEAD) -> None:
    """Prints what `steps` choices by the sample add to the coverage of all `vectors`, as a share of what exact greedy adds."""
    rng = np.random.default_rng(0)
    n = len(vectors)
    kept, random = np.split(rng.permutation(n)[: 2 * steps], 2)
    every, worth = np.arange(n), np.ones(n)

    def adds(chosen: np.ndarray) -> float:
        before, after = (np.maximum((vectors @ vectors[rows].T).max(axis=1), 0).mean() for rows in (kept, chosen))
        return float(after - before)

    def greedy(similar: np.ndarray) -> np.ndarray:
        return np.concatenate([kept, gain.in_order(similar, gain.cover(similar, kept), worth, every)[0][:steps]])

    exact = adds(greedy(vectors @ vectors.T))
    print(
        f"{steps} more beside {steps} kept of {n}: drawn at random {adds(np.concatenate([kept, random])) / exact:.0%}",
        end="",
    )
    for size in (128, 256, 512, 1024):
        of = [vectors[np.random.default_rng(seed).permutation(n)[:size]] for seed in range(3)]
        shares = [adds(greedy(np.ascontiguousarray(rows @ vectors.T))) / exact for rows in of]
        print(f", by a sample of {size} {np.mean(shares):.0%}", end="")
    print(" of what exact greedy adds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--pool", type=int, default=20_000, help="vectors that the sample is compared on")
    given = parser.parse_args()
    desk = open_desk(given.run)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "decisions.sqlite"
        if (given.run / copy.name).exists():
            shutil.copy(given.run / copy.name, copy)
        with opened(copy) as log:
            decisions = log.execute("SELECT count(*) FROM events").fetchone()[0]
            print(f"{desk.candidates.height} candidates, {decisions} decisions")
            good = queues(desk, log, given.times)
    if desk.vectors is not None:
        chosen = np.random.default_rng(1).permutation(len(desk.vectors))[: given.pool]
        sampled(np.ascontiguousarray(desk.vectors[np.sort(chosen)], dtype=np.float32))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
