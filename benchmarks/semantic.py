"""Twins by cosine: ours beside faiss, sentence-transformers and semhash, on the same vectors, one after the other.

    python benchmarks/semantic.py [--rows 52000] [--vectors synthetic-256 synthetic-384 real-128] [--data ../shared/data]
    python benchmarks/semantic.py --scale 1000000 [--vectors synthetic-384]     # above exact_rows: ours alone, by cells

Every method runs in a process of its own, is warmed up on 500 rows, and gets the vectors; importing and embedding are not
timed, building an index is. `synthetic-d`: topics, subjects of very different size, and noise: some 400,000 pairs at 52,000
rows, ten times what real prompts have with MiniLM, so that the pairs cost something too. `real-128`: sentences of ../shared/data through its static
model potion_base_4m_int8, centred. Recall and precision are against ours, which is exact (tests/curate/test_cosine.py
holds it against brute force), so a peer's recall below 1 is its own and a recall of 1.0000 at precision 1.0000 confirms ours.
"""

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

THRESHOLD = 0.8
Found = tuple[np.ndarray, np.ndarray]


def synthetic(n: int, d: int) -> np.ndarray:
    """(n, d) unit rows."""
    source = np.random.default_rng(0)

    def units(k: int) -> np.ndarray:
        rows = source.standard_normal((k, d), dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    topics, subjects = units(200), units(max(n // 250, 1))
    topic = source.integers(0, len(topics), len(subjects))
    weight = source.pareto(2.5, len(subjects)) + 1
    rows = np.empty((n, d), np.float32)
    for start in range(0, n, 65_536):
        part = rows[start : start + 65_536]
        subject = source.choice(len(subjects), len(part), p=weight / weight.sum())
        noise = source.uniform(0.25, 1.25, (len(part), 1)).astype(np.float32)
        part[:] = 0.55 * topics[topic[subject]] + 0.6 * subjects[subject] + noise * units(len(part))
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def real(n: int, data: Path) -> np.ndarray:
    """(n, 128) unit rows: distinct sentences, shuffled; fewer where there are fewer."""
    from model2vec import StaticModel

    files = [*data.glob("instruction/**/*.json*"), *data.glob("raw/**/*.csv"), *data.glob("sarcasm/*.json*")]
    texts = sorted({text for file in sorted(files) for text in sentences(file)})
    random.Random(0).shuffle(texts)
    rows = StaticModel.from_pretrained(str(data / "models/potion_base_4m_int8")).encode(texts[:n]).astype(np.float32)
    rows -= rows.mean(axis=0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / length)[length[:, 0] > 1e-6]


def sentences(file: Path) -> Iterator[str]:
    for part in re.split(r'(?<=[.!?])\s+|\\n|\n|"', file.read_text("utf-8", errors="replace")):
        if 25 <= len(part.strip()) <= 400:
            yield part.strip()


def ours_pairs(vectors: np.ndarray) -> Found:
    from curate.duplicates import cosine

    found = cosine.pairs(vectors, THRESHOLD)
    return found.left, found.right


def ours_without_bytes(vectors: np.ndarray) -> Found:
    """As on a processor without VNNI."""
    from curate.duplicates import products

    with products.threads() as pool:
        found = products.pairs(products.encode(vectors, pool, fast_bytes=False), THRESHOLD, pool)
    return found.left, found.right


def faiss_range_search(vectors: np.ndarray) -> Found:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    limits, _, right = index.range_search(vectors, THRESHOLD)
    left = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
    return left[left < right], right[left < right]


def paraphrase_mining(vectors: np.ndarray) -> Found:
    import torch
    from sentence_transformers import util

    found = util.paraphrase_mining_embeddings(torch.from_numpy(vectors), max_pairs=10_000_000, top_k=100)
    pairs = np.array([(min(i, j), max(i, j)) for score, i, j in found if score >= THRESHOLD], dtype=np.int64)
    return pairs[:, 0], pairs[:, 1]


def ours_representatives(vectors: np.ndarray) -> Found:
    from curate.duplicates import cosine

    found = cosine.representatives(vectors, THRESHOLD)
    print(f"recall stated: {found.recall:.4f}", file=sys.stderr)
    gone = np.flatnonzero(found.twin >= 0)
    return gone, found.twin[gone]


def semhash_self_deduplicate(vectors: np.ndarray) -> Found:
    from semhash import SemHash

    names = [str(row) for row in range(len(vectors))]
    result = SemHash.from_embeddings(vectors, names, model=None).self_deduplicate(THRESHOLD)
    gone = np.array([(int(item.record), int(item.duplicates[0][0])) for item in result.filtered], dtype=np.int64)
    return gone[:, 0], gone[:, 1]


PAIRS: dict[str, Callable[[np.ndarray], Found]] = {
    "ours: pairs": ours_pairs,
    "ours: pairs, with float32 products": ours_without_bytes,
    "faiss IndexFlatIP.range_search": faiss_range_search,
    "sentence-transformers paraphrase_mining, k=100": paraphrase_mining,
}
DEDUPLICATION: dict[str, Callable[[np.ndarray], Found]] = {
    "ours: representatives": ours_representatives,
    "semhash self_deduplicate": semhash_self_deduplicate,
}


def one(method: str, vectors: Path, out: Path) -> None:
    """Run a method in this process; its figures on the last line, what it found in `out`."""
    rows = np.load(vectors)
    work = (PAIRS | DEDUPLICATION)[method]
    work(rows[:500])
    wall, cpu = perf_counter(), process_time()
    left, right = work(rows)
    figures = {"wall": perf_counter() - wall, "cpu": process_time() - cpu}
    np.save(out, np.column_stack([left, right]).astype(np.int64))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps(figures))


def measured(method: str, vectors: Path, folder: Path) -> tuple[dict[str, float], Found] | None:
    """The figures of a method and what it found; None where its library is not installed."""
    out = folder / "found.npy"
    command = [sys.executable, __file__, "--one", method, "--vectors", str(vectors), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr:
        print(f"| {method} | skipped: {done.stderr.strip().splitlines()[-1]} |")
        return None
    if done.returncode:
        raise RuntimeError(f"{method} failed:\n{done.stderr}")
    left, right = np.load(out).reshape(-1, 2).T
    stated = re.search(r"recall stated: (\S+)", done.stderr)
    figures = json.loads(done.stdout.splitlines()[-1])
    return figures | ({"recall": float(stated[1])} if stated else {}), (left, right)


def table(name: str, vectors: np.ndarray, folder: Path, rounds: int, tasks: list[str], *, peers: bool) -> None:
    n, d = vectors.shape
    path = folder / "vectors.npy"
    np.save(path, vectors)
    print(f"\n{name}: {n:,} x {d}, cosine >= {THRESHOLD}; the best of {rounds} by wall time")
    for task in tasks if peers else ["deduplication"]:
        methods, quality = TASKS[task]
        print(
            "\n| method | wall s | cpu s | peak MB | ratio by wall | by cpu | quality |\n|---|---|---|---|---|---|---|"
        )
        ours: tuple[dict[str, float], Found] | None = None
        for method in methods if peers else list(methods)[:1]:
            runs = [run for _ in range(rounds) if (run := measured(method, path, folder))]
            if not runs:
                continue
            figures, found = min(runs, key=lambda run: run[0]["wall"])
            ours = ours or (figures, found)
            by_wall, by_cpu = (figures[clock] / ours[0][clock] for clock in ("wall", "cpu"))
            stated = f"; recall stated {figures['recall']}" if "recall" in figures else ""
            print(
                f"| {method} | {figures['wall']:.2f} | {figures['cpu']:.2f} | {figures['peak_mb']:.0f} | {by_wall:.1f} | "
                f"{by_cpu:.1f} | {quality(vectors, found, ours[1])}{stated} |",
                flush=True,
            )


def pair_quality(vectors: np.ndarray, found: Found, truth: Found) -> str:
    """Recall and precision against the exact pairs."""
    right, all_ = (np.unique(left * len(vectors) + right) for left, right in (found, truth))
    both = len(np.intersect1d(right, all_, assume_unique=True))
    return f"{len(right):,} pairs, recall {both / len(all_):.4f}, precision {both / max(len(right), 1):.4f}"


def kept_quality(vectors: np.ndarray, found: Found, _: Found) -> str:
    """How many stay; whether every one that goes is a twin of one that stays; twins left among the rest (a sample)."""
    gone, twin = found
    stays = np.ones(len(vectors), dtype=bool)
    stays[gone] = False
    cosines = np.concatenate(
        [np.einsum("ij,ij->i", vectors[g], vectors[t]) for g, t in zip(*map(chunks, (gone, twin)), strict=True)]
    )
    reasons = np.mean(stays[twin] & (cosines >= THRESHOLD - 1e-5))
    rest = np.flatnonzero(stays)
    sample = np.sort(np.random.default_rng(0).permutation(rest)[:1_000])
    near = sum(
        int(np.count_nonzero(vectors[sample] @ vectors[rest[at : at + 50_000]].T >= THRESHOLD + 1e-5))
        for at in range(0, len(rest), 50_000)
    )
    return f"{len(rest):,} stay, {reasons:.4f} of those that go have a kept twin, {near - len(sample)} twins left of 1,000 that stay"


def chunks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, len(rows) // 50_000 + 1)


TASKS = {"pairs": (PAIRS, pair_quality), "deduplication": (DEDUPLICATION, kept_quality)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--scale", type=int, help="so many rows, ours alone")
    parser.add_argument("--vectors", nargs="+", default=["synthetic-256", "synthetic-384", "real-128"])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, Path(given.vectors[0]), given.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in given.vectors:
            kind, d = name.split("-")
            if kind == "real" and not given.data.is_dir():
                print(f"\n{name}: skipped, {given.data} is absent")
                continue
            n = given.scale or given.rows
            vectors = real(n, given.data) if kind == "real" else synthetic(n, int(d))
            table(name, vectors, Path(folder), 1 if given.scale else given.rounds, given.tasks, peers=not given.scale)


if __name__ == "__main__":
    main()
