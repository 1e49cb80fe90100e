"""Choosing a diverse thousand: seconds, memory and objective beside apricot-select, faiss k-means and vendi-score.

    python benchmarks/selection.py [--small 10000] [--large 50000] [--k 1000] [--vectors real|clustered] [--all] [--repeat 1]

Every job runs in a process of its own, one after the other, with numba's compiled code cached and imports done before the
clock starts; `peak` is that process's largest resident memory, libraries and vectors (`base`) included. `coverage`, the
objective of facility location, is computed here, by one formula for all. Vectors: real texts (questions, answers and
headlines of ../shared/data) by the static model potion-base-4M, 128 dimensions; where that is absent, 256 dimensions in
clusters, made here. A peer that is not installed is said to be missing and left out.
"""

import argparse
import csv
import heapq
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

SHARED = Path(__file__).parents[2] / "shared/data"
MODEL = SHARED / "models/potion_base_4m_int8"


def strings(value):
    if isinstance(value, str):
        if len(value) > 25:
            yield value[:500]
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("article_link", "id", "url"):
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def texts():
    for path in sorted((SHARED / "instruction").rglob("*.json")):
        yield from strings(json.loads(path.read_text()))
    for name in ("sarcasm/Sarcasm_Headlines_Dataset.json", "sarcasm/figlang2020_reddit_train.jsonl"):
        yield from (found for line in (SHARED / name).open() for found in strings(json.loads(line)))
    with (SHARED / "raw/wikihow/wikihow_lists.csv").open(newline="") as handle:
        yield from (found for row in csv.reader(handle) for found in strings(row))


def real(n):
    from model2vec import StaticModel

    distinct = list(dict.fromkeys(texts()))
    chosen = np.random.default_rng(0).permutation(len(distinct))[:n]
    vectors = StaticModel.from_pretrained(MODEL).encode([distinct[i] for i in chosen]).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors[norms[:, 0] > 0] / norms[norms[:, 0] > 0])


def clustered(n, d=256):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((300, d), dtype=np.float32)
    vectors = centres[rng.integers(0, 300, n)] + rng.standard_normal((n, d), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def coverage(vectors, order):
    blocks = [(vectors[start : start + 2000] @ vectors[order].T).max(axis=1) for start in range(0, len(vectors), 2000)]
    return float(np.concatenate(blocks).mean(dtype=np.float64))


def textbook(vectors, k):
    """Lazy greedy as written in Minoux 1978, in numpy on the full matrix of similarities."""
    similar = vectors @ vectors.T
    best = np.full(len(vectors), -1, dtype=np.float32)
    heap = [(-float(gain), row) for row, gain in enumerate((similar + 1).sum(axis=1, dtype=np.float64))]
    heapq.heapify(heap)
    known, order = np.full(len(vectors), -1), []
    while len(order) < k:
        _, row = heap[0]
        if known[row] == len(order):
            heapq.heappop(heap)
            np.maximum(best, similar[row], out=best)
            order.append(row)
        else:
            known[row] = len(order)
            heapq.heapreplace(heap, (-float(np.maximum(similar[row] - best, 0).sum(dtype=np.float64)), row))
    return order


def apricot(vectors, k):
    from apricot import FacilityLocationSelection

    FacilityLocationSelection(10, metric="cosine", optimizer="lazy").fit(vectors[:200])  # compiles
    return lambda: FacilityLocationSelection(k, metric="cosine", optimizer="lazy").fit(vectors).ranking


def faiss_k_means(vectors, k):
    import faiss

    def run():
        means = faiss.Kmeans(vectors.shape[1], k, niter=20, spherical=True, seed=1)
        means.train(vectors)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return np.unique(index.search(means.centroids, 1)[1])

    return run


def ours(name):
    def prepare(vectors, k):
        from curate.diversity import choosers
        from curate.diversity.facility import facility_location
        from curate.diversity.places import anywhere

        quality = np.random.default_rng(1).random(len(vectors))
        chooser = {
            "facility_location": facility_location,
            "k_means": choosers.k_means,
            "k_center": choosers.k_center,
            "novelselect": choosers.novelselect,
            "dpp": choosers.dpp,
            "deita": lambda vectors, places: choosers.deita(vectors, places, quality=quality[: len(vectors)])[0],
        }[name]
        chooser(vectors[:600], anywhere(min(len(vectors), 600), 10))
        places = anywhere(len(vectors), k)
        return lambda: chooser(vectors, places).order

    return prepare


def vendi(which):
    def prepare(vectors, _):
        if which == "ours":
            from curate.diversity import geometry

            return lambda: geometry.vendi(vectors)
        from vendi_score import vendi as peer

        # score_K takes the matrix of similarities: making it is part of the job.
        return (lambda: peer.score_K(vectors @ vectors.T)) if which == "score_K" else (lambda: peer.score_dual(vectors))

    return prepare


JOBS = {
    "apricot": apricot,
    "textbook": lambda vectors, k: lambda: textbook(vectors, k),
    "random": lambda vectors, k: lambda: np.random.default_rng(1).permutation(len(vectors))[:k],
    "faiss_k_means": faiss_k_means,
    **{name: ours(name) for name in ("facility_location", "k_means", "k_center", "novelselect", "dpp", "deita")},
    **{f"vendi_{which}": vendi(which) for which in ("ours", "score_K", "score_dual")},
}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def one(name, path, n, k, repeat):
    """Run a job in this process; its figures as JSON on stdout."""
    warnings.simplefilter("ignore")
    vectors = np.load(path)[:n]
    vectors @ vectors[:8].T  # wakes the threads of the matrix library
    run = JOBS[name](vectors, k)
    base, walls, cpus = peak(), [], []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        found = run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    figures = {"wall": np.median(walls), "cpu": np.median(cpus), "base": base, "peak": peak()}
    if name.startswith("vendi"):
        print(json.dumps({**figures, "value": float(found)}))
    else:
        order = np.asarray(found)
        close = vectors[order] @ vectors[order].T
        np.fill_diagonal(close, -1)
        print(
            json.dumps(
                {**figures, "value": coverage(vectors, order), "chosen": len(order), "nearest": float(1 - close.max())}
            )
        )


def job(name, path, n, k, repeat=1):
    command = [sys.executable, __file__, "--one", name, str(path), str(n), str(k), str(repeat)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        print(f"| {name} | missing or failed: {last[0]} |")
        return None
    figures = json.loads(done.stdout.splitlines()[-1])
    more = f" {figures['nearest']:.3f} |" if "nearest" in figures else " |"
    print(
        f"| {name} | {n:,} | {figures['wall']:.3f} | {figures['cpu']:.3f} | {figures['base']:.2f} | {figures['peak']:.2f} |"
        f" {figures['value']:.5f} |{more}",
        flush=True,
    )
    return figures


def main():
    if sys.argv[1:2] == ["--one"]:
        name, path, *numbers = sys.argv[2:]
        one(name, path, *map(int, numbers))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=50_000)
    parser.add_argument("--k", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=1, help="of our own and the quick jobs; the median is shown")
    parser.add_argument("--vectors", choices=["real", "clustered"], default="real" if MODEL.exists() else "clustered")
    parser.add_argument("--all", action="store_true", help="every chooser on the large pool")
    given = parser.parse_args()
    vectors = real(given.large) if given.vectors == "real" else clustered(given.large)
    print(f"{given.vectors} vectors: {vectors.shape[0]:,} x {vectors.shape[1]}; k = {given.k}\n")
    print("| job | rows | wall s | cpu s | base GB | peak GB | coverage or Vendi | least distance |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "vectors.npy"
        np.save(path, vectors)
        small, large, k, repeat = given.small, len(vectors), given.k, given.repeat
        exact = job("textbook", path, small, k)
        peer = job("apricot", path, small, k)
        mine = job("facility_location", path, small, k, repeat)
        big = job("facility_location", path, large, k)
        others = {name: job(name, path, large, k) for name in ("random", "faiss_k_means", "k_means")}
        if given.all:
            for name in ("deita", "k_center", "novelselect", "dpp"):
                job(name, path, large, k)
        found = {name: job(f"vendi_{name}", path, k, k, 25) for name in ("score_K", "score_dual", "ours")}
        job("vendi_score_dual", path, large, k)
        job("vendi_ours", path, large, k)
    print()
    if mine and exact:
        print(f"objective beside exact greedy (textbook): {mine['value'] / exact['value']:.6f} (bar 0.999)")
    if mine and peer:
        print(
            f"facility location {small:,}: {peer['wall'] / mine['wall']:.1f}x apricot by wall, {peer['cpu'] / mine['cpu']:.1f}x by cpu (bar 3x)"
        )
    if big and others["k_means"]:
        print(
            f"facility location {large:,}: {big['wall']:.1f} s, peak {big['peak']:.2f} GB (bar 2 GB), coverage {big['value']:.4f}"
            f" beside k-means + nearest {others['k_means']['value']:.4f}; apricot would hold {8 * large**2 / 1e9:.0f} GB"
        )
    if found["ours"] and found["score_K"]:
        ratio = found["score_K"]["wall"] / found["ours"]["wall"]
        dual = found["score_dual"]["wall"] / found["ours"]["wall"]
        print(f"Vendi of {k}: {ratio:.1f}x score_K (bar 15x), {dual:.1f}x score_dual")


if __name__ == "__main__":
    main()
