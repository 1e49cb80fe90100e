"""Near duplicates by MinHash: time, memory, recall and precision, against datasketch, rensa and text-dedup.

    python benchmarks/minhash.py [--rows 52000] [--only NAME ...] [--text-dedup PYTHON] [--clusters]

The corpus is that of make_corpus.py. Every contestant is a process of its own that gets the texts in memory (text-dedup:
a file) and says which rows leave: word 5-grams, 128 permutations, threshold 0.8. `wall` and `cpu` are from the texts to
that answer, the best of up to three runs (no new one after 10 s), once the compiled code has been loaded; `process` is the
whole process, start, imports, reading and writing included, where the peer can only be run so. `peak` is resident
memory, the texts included (text-dedup: of its main process).

`planted`: share of the planted pairs of exact Jaccard >= 0.8 of which one side leaves. `pairs`: the same of all pairs of
the exact join (not above 250,000 rows). `precision`: share of the rows that left that are so similar to the very row they
name (ours) or to any row at all (peers, which name none).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import make_corpus
import polars as pl

THRESHOLD, PERMUTATIONS, N = 0.8, 128, 5
SHARD = 20_000
JOINED = 250_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS), metavar="NAME")
    parser.add_argument("--text-dedup", metavar="PYTHON", help="interpreter of an environment with text-dedup")
    parser.add_argument("--clusters", action="store_true", help="only the corpora of one huge cluster")
    parser.add_argument("--contestant", nargs=3, metavar=("NAME", "CORPUS", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        contestant(*given.contestant)
    elif given.clusters:
        clusters()
    else:
        contest(given.rows, given.seed, given.only, given.text_dedup)


def contest(rows: int, seed: int, only: list[str], text_dedup: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.parquet"
        frame = make_corpus.make(rows, seed)
        frame.write_parquet(corpus)
        truth = Truth(frame)
        print(
            f"{rows:,} texts, {frame['text'].str.len_bytes().sum() / 1e6:.1f} MB, {len(truth.planted):,} planted pairs"
        )
        print("\n| contestant | wall s | cpu s | process s | peak MB | dropped | planted | pairs | precision |")
        print("|---|---|---|---|---|---|---|---|---|")
        results = {}
        for name in only:
            found = run(name, corpus, Path(folder))
            if isinstance(found, str):
                print(f"{name}: skipped ({found})")
                continue
            results[name] = found
            print(row(name, found, truth))
        if text_dedup is None or not Path(text_dedup).exists():
            print(f"text-dedup: skipped (no interpreter at {text_dedup}; see benchmarks/peers-text-dedup.txt)")
        else:
            results["text-dedup"] = run_text_dedup(text_dedup, corpus, Path(folder))
            print(row("text-dedup", results["text-dedup"], truth))
        print()
        ratios(results)


class Truth:
    """What is near in a corpus: the planted pairs and, where it is small enough, all pairs and the rows in them."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.texts = frame["text"].to_list()
        copies = frame.drop_nulls("copy_of").select("row", "copy_of").iter_rows()
        self.planted = [pair for pair in copies if self.jaccard(*pair) >= THRESHOLD]
        self.pairs = None
        if frame.height <= JOINED:
            self.pairs = list(make_corpus.pairs(self.texts, THRESHOLD, N).select("a", "b").iter_rows())

    def jaccard(self, a: int, b: int) -> float:
        return make_corpus.jaccard(self.texts[a], self.texts[b], N)

    def figures(self, dropped: list[int], others: list[int] | None) -> list[str]:
        gone = set(dropped)
        recalls = [
            f"{sum(a in gone or b in gone for a, b in pairs) / max(len(pairs), 1):.4f}" if pairs is not None else "-"
            for pairs in (self.planted, self.pairs)
        ]
        if others is not None:
            true = sum(self.jaccard(*pair) >= THRESHOLD for pair in zip(dropped, others, strict=True))
        elif self.pairs is not None:
            true = len(gone & {row for pair in self.pairs for row in pair})
        else:
            return [*recalls, "-"]
        return [*recalls, f"{true / max(len(gone), 1):.4f}"]


def row(name: str, found: dict, truth: Truth) -> str:
    seconds = [f"{found[key]:.2f}" if found.get(key) is not None else "-" for key in ("wall", "cpu", "process")]
    quality = ["-"] * 3 if name in CHARACTERS else truth.figures(found["dropped"], found.get("others"))
    counts = [f"{found['peak']:.0f}", f"{len(found['dropped']):,}"]
    return f"| {' | '.join([name, *seconds, *counts, *quality])} |"


def ratios(results: dict[str, dict]) -> None:
    for ours, peer, measure in (
        ("lapidary", "datasketch", "wall"),
        ("lapidary", "datasketch-xxh32", "wall"),
        ("lapidary", "rensa", "wall"),
        ("lapidary", "rensa", "cpu"),
        ("lapidary-chars", "rensa-chars", "wall"),
        ("lapidary-chars", "rensa-chars", "cpu"),
        ("lapidary-process", "text-dedup", "process"),
    ):
        if ours in results and peer in results:
            times = results[peer][measure] / results[ours][measure]
            print(f"{peer} takes {times:.1f} times the {measure} seconds of {ours}")


def run(name: str, corpus: Path, folder: Path) -> dict | str:
    """A contestant's result from a process of its own, or why there is none."""
    out = folder / f"{name}.json"
    started = time.perf_counter()
    command = [sys.executable, __file__, "--contestant", name, str(corpus), str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if "ModuleNotFoundError" in done.stderr:
        return f"not installed: {done.stderr.strip().splitlines()[-1]}"
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    found = json.loads(out.read_text())
    return found | {"process": seconds if found["runs"] == 0 else None}


def contestant(name: str, corpus: str, out: str) -> None:
    """Run one contestant and write what it found."""
    prepare = CONTESTANTS[name]
    work = prepare(pl.read_parquet(corpus, columns=["row", "text"]))
    if name == "lapidary-process":
        found = {"runs": 0} | work() | {"cpu": time.process_time()}
    else:
        best: dict = {}
        spent, runs = 0.0, 0
        while runs < 3 and spent < 10:
            wall, cpu = time.perf_counter(), time.process_time()
            found = work()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best = min(best, {**found, "wall": wall, "cpu": cpu}, key=lambda r: r.get("wall", float("inf")))
            spent, runs = spent + wall, runs + 1
        found = best | {"runs": runs}
    Path(out).write_text(json.dumps({**found, "peak": peak_mb("self")}))


def peak_mb(process: int | str) -> float:
    """The most memory that a process has held (rusage would count what its parent held when it was started)."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


def lapidary(frame: pl.DataFrame, ngram: str = "word") -> Callable[[], dict]:
    from curate import record
    from curate.stages import near

    settings = near.Settings(of="response", ngram=ngram, threshold=THRESHOLD, permutations=PERMUTATIONS, n=N)
    ids = pl.concat_str(pl.lit("r"), pl.col("row").cast(pl.String).str.zfill(8))
    examples = record.conform(frame.select(id=ids, source=pl.lit("s"), response="text"), record.EXAMPLE)
    known = examples.select("source", "score", quality=pl.lit(None, pl.Float64), response_chars=pl.lit(0))
    known = known.with_columns(decision=pl.lit(None, pl.String))

    def work(examples: pl.DataFrame = examples) -> dict:
        # As the driver does: shards are measured, then all rows decided at once.
        measured = pl.concat([near.measure(shard, settings) for shard in examples.iter_slices(SHARD)])
        corpus = measured.hstack(known.head(examples.height)).select("id", *near.NEEDS)
        del measured
        verdicts = near.decide(corpus, settings).verdicts
        rows = verdicts.select(pl.col("id", "other").str.slice(1).cast(pl.Int64))
        return {"dropped": rows["id"].to_list(), "others": rows["other"].to_list()}

    work(examples.head(100))
    return work


def lapidary_process(frame: pl.DataFrame) -> Callable[[], dict]:
    def work() -> dict:
        found = lapidary(frame)()
        with tempfile.NamedTemporaryFile(suffix=".parquet") as out:
            frame.filter(~pl.col("row").is_in(found["dropped"])).write_parquet(out.name)
        return found

    return work


def word_ngrams(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[i : i + N]) for i in range(max(1, len(words) - N + 1))]


def char_ngrams(text: str) -> list[str]:
    folded = " ".join(text.lower().split())
    return [folded[i : i + N] for i in range(max(1, len(folded) - N + 1))]


def datasketch(frame: pl.DataFrame, hashfunc: Callable[[bytes], int] | None = None) -> Callable[[], dict]:
    from datasketch import MinHash, MinHashLSH

    texts = frame["text"].to_list()

    def work() -> dict:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        shingles = ([gram.encode() for gram in word_ngrams(text)] for text in texts)
        dropped = []
        for at, sketch in enumerate(MinHash.generator(shingles, num_perm=PERMUTATIONS, hashfunc=hashfunc)):
            if index.query(sketch):
                dropped.append(at)
            else:
                index.insert(at, sketch, check_duplication=False)
        return {"dropped": dropped}

    return work


def datasketch_xxh32(frame: pl.DataFrame) -> Callable[[], dict]:
    import xxhash

    return datasketch(frame, xxhash.xxh32_intdigest)


def rensa(frame: pl.DataFrame, ngrams: Callable[[str], list[str]] = word_ngrams) -> Callable[[], dict]:
    from rensa import RMinHashDeduplicator

    texts = frame["text"].to_list()

    def work() -> dict:
        deduplicator = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True, seed=42)
        added = deduplicator.add_pairs([(str(at), ngrams(text)) for at, text in enumerate(texts)])
        return {"dropped": [at for at, new in enumerate(added) if not new]}

    return work


CONTESTANTS: dict[str, Callable[[pl.DataFrame], Callable[[], dict]]] = {
    "lapidary": lapidary,
    "rensa": rensa,
    "datasketch-xxh32": datasketch_xxh32,
    "datasketch": datasketch,
    "lapidary-chars": lambda frame: lapidary(frame, "char"),
    "rensa-chars": lambda frame: rensa(frame, char_ngrams),
    "lapidary-process": lapidary_process,
}
# Compared by characters: the truth by words is none about them.
CHARACTERS = {"lapidary-chars", "rensa-chars"}


def run_text_dedup(python: str, corpus: Path, folder: Path) -> dict:
    """text-dedup's command, with two processes and its faster hash."""
    out = folder / "text-dedup"
    options = {
        "path": "parquet",
        "data_files": corpus,
        "split": "train",
        "cache_dir": folder / "cache",
        "output": out,
        "column": "text",
        "idx_column": "row",
        "threshold": THRESHOLD,
        "num_perm": PERMUTATIONS,
        "ngram": N,
        "hash_func": "xxh3",
        "hash_bits": 32,
        "num_proc": 2,
    }
    command = [python, "-m", "text_dedup.minhash", *(str(x) for name, v in options.items() for x in (f"--{name}", v))]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = 0.0
    with (folder / "log").open("w") as log:
        environment = {"HF_HUB_OFFLINE": "1", "HOME": str(folder)}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.1)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"text-dedup failed:\n{(folder / 'log').read_text()[-3000:]}")
    kept = pl.concat(pl.read_ipc_stream(file, columns=["row"]) for file in sorted(out.glob("*.arrow")))["row"]
    rows = pl.read_parquet(corpus, columns=["row"])["row"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "process": seconds,
        "cpu": cpu,
        "peak": peak,
        "dropped": rows.filter(~rows.is_in(kept.implode())).to_list(),
    }


def clusters() -> None:
    """One huge cluster: twice the rows must take about twice the time."""
    import random

    draw = random.Random(0)
    words = [f"w{i}" for i in range(5_000)]
    base = draw.choices(words, k=220)

    def template(tail: int) -> str:
        return " ".join(base + draw.choices(words, k=tail))

    print("| corpus | rows | wall s | dropped |\n|---|---|---|---|")
    for name, make in (
        ("equal texts", lambda: " ".join(base)),
        ("one template, Jaccard 0.5", lambda: template(107)),
        ("one template, Jaccard 0.77", lambda: template(33)),
        ("one template, Jaccard 0.79", lambda: template(28)),
    ):
        for rows in (5_000, 10_000, 20_000):
            frame = pl.DataFrame({"row": range(rows), "text": [make() for _ in range(rows)]})
            work = lapidary(frame)
            started = time.perf_counter()
            found = work()
            print(f"| {name} | {rows:,} | {time.perf_counter() - started:.2f} | {len(found['dropped']):,} |")


if __name__ == "__main__":
    main()
