"""A corpus with planted near duplicates, and the truth about it.

    python benchmarks/make_corpus.py [--rows 52000] [--seed 0] [--pairs] [OUT.parquet]

Texts of about 1.3 kB are sentences of real instruction data (../shared/data, where that is present; else of a seeded
generator), drawn anew for each text. One text in ten is a copy of another with words replaced, left out and put in, so
many that the Jaccard similarities of their word 5-grams spread evenly over 0.6 to 1. The truth is an exact join written
for this file alone: nothing of what is measured is used to measure it.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numba import njit

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = (
    "instruction/alpaca_5000.json",
    "instruction/dolly_3k.json",
    "instruction/evol_instruct_1k.json",
    "instruction/alpaca_1k_longest.json",
    "evaluation/alpaca_eval/*/model_outputs.json",
)
# Han, kana and Hangul are tokens without spaces: left out, so that `split` sees the tokens that everybody sees.
PLAIN = re.compile(r"[^\u0130\u2e80-\uffff\U00010000-\U0010ffff]+")
MEAN_CHARS = 1_300
PLANTED = 0.1
LOWEST = 0.6


def make(rows: int, seed: int = 0) -> pl.DataFrame:
    """`row` (UInt32, from 0), `text`, and `copy_of` (UInt32): the row that a planted copy was made from, else null.

    Copies stand at random places. No two texts that are no copies are equal.
    """
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    pool = sentences(seed)
    vocabulary = sorted({word for sentence in pool[:20_000] for word in sentence.split()})
    n_copies = int(rows * PLANTED)
    texts = _drawn(pool, rows - n_copies, rng)
    originals = draw.sample(range(len(texts)), n_copies)
    copies = [_edited(texts[at], draw.uniform(LOWEST, 1.0), vocabulary, draw) for at in originals]
    place = rng.permutation(rows)
    frame = pl.DataFrame(
        {
            "row": place.astype(np.uint32),
            "text": texts + copies,
            "copy_of": pl.Series([None] * len(texts) + place[originals].tolist(), dtype=pl.UInt32),
        }
    )
    return frame.sort("row")


def sentences(seed: int = 0) -> list[str]:
    """The distinct sentences that texts are made of, from the real data or, where it is absent, made up."""
    found = (sentence for text in _real() for sentence in re.split(r"(?<=[.!?\n])\s+", text))
    kept = [sentence for sentence in dict.fromkeys(found) if 20 <= len(sentence) <= 400 and PLAIN.fullmatch(sentence)]
    return kept or list(dict.fromkeys(_made_up(60_000, seed)))


def _real() -> Iterator[str]:
    for pattern in SETS:
        for path in sorted(DATA.glob(pattern)):
            for row in json.loads(path.read_text()):
                turns = row.get("conversations") or []
                yield row.get("output") or row.get("response") or "\n".join(turn["value"] for turn in turns)


def _made_up(n: int, seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    syllables = [a + b + c for a in "bdfglmnprst" for b in "aeiou" for c in ("", "n", "r", "s", "st", "ck")]
    words = ["".join(draw.choices(syllables, k=draw.choice((1, 1, 2, 2, 3)))) for _ in range(20_000)]
    # Word frequencies fall as in natural text (Zipf).
    weights = list(np.cumsum(1 / np.arange(10, 10 + len(words))))
    for _ in range(n):
        yield " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(6, 28))).capitalize() + "."


def _drawn(pool: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` distinct texts of sentences drawn from the pool; lengths spread by a gamma law about MEAN_CHARS."""
    lengths = np.array([len(sentence) + 1 for sentence in pool])
    wanted = np.maximum(rng.gamma(4.0, MEAN_CHARS / 4, n), 120)
    texts: dict[str, None] = {}
    at, order = 0, rng.integers(len(pool), size=0)
    while len(texts) < n:
        if at + 200 > order.size:
            at, order = 0, rng.integers(len(pool), size=2_000_000)
        target = wanted[len(texts)]
        some = order[at : at + 200]
        count = int(np.searchsorted(np.cumsum(lengths[some]), target)) + 1
        at += count
        texts[" ".join([pool[i] for i in some[:count]])] = None
    return list(texts)


def _edited(text: str, jaccard: float, vocabulary: list[str], draw: random.Random) -> str:
    """A copy whose word 5-grams have about that Jaccard similarity to the text's: each edit takes up to five of them."""
    words = text.split(" ")
    edits = max(1, round(len(words) * (1 - jaccard) / (1 + jaccard) / 5))
    for at in sorted(draw.sample(range(len(words)), min(edits, len(words))), reverse=True):
        kind = draw.random()
        if kind < 0.6:
            words[at] = draw.choice(vocabulary)
        elif kind < 0.8:
            del words[at]
        else:
            words.insert(at, draw.choice(vocabulary))
    return " ".join(words)


def jaccard(one: str, other: str, n: int = 5) -> float:
    """The exact Jaccard similarity of the sets of word n-grams of two texts, in lower case."""
    a, b = _ngrams(one, n), _ngrams(other, n)
    return len(a & b) / len(a | b)


def _ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))}


def pairs(texts: list[str], threshold: float, n: int = 5) -> pl.DataFrame:
    """All pairs of rows whose word n-grams have a Jaccard similarity of at least the threshold: `a` < `b`, `jaccard`.

    An exact join by prefix filter (Bayardo et al. 2007): of two sets that are so similar, one element in common is among
    the rarest `size - ceil(threshold * size) + 1` of each.
    """
    values, offsets = _shingle_sets(texts, n)
    found = _join(values, offsets, threshold)
    return pl.DataFrame({"a": found[0], "b": found[1], "jaccard": found[2]}).sort("a", "b")


def _shingle_sets(texts: list[str], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Each text's distinct n-grams as numbers that grow with frequency, sorted, one text after the other; its offsets."""
    numbers: dict[str, int] = {}
    words = [[numbers.setdefault(word, len(numbers) + 1) for word in text.lower().split()] for text in texts]
    multiplier = np.random.default_rng(1).integers(2**62, size=n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = np.random.default_rng(2).integers(2**63, size=len(numbers) + 1, dtype=np.uint64)
    sets = []
    for row in words:
        codes = mixed[np.array(row + [0] * (n - len(row)), dtype=np.int64)]
        windows = np.lib.stride_tricks.sliding_window_view(codes, n)
        sets.append(np.unique((windows * multiplier).sum(axis=1, dtype=np.uint64)))
    sizes = np.array([len(found) for found in sets])
    flat = np.concatenate(sets)
    _, place, counts = np.unique(flat, return_inverse=True, return_counts=True)
    rank = np.empty(counts.size, dtype=np.uint32)
    rank[np.argsort(counts, kind="stable")] = np.arange(counts.size, dtype=np.uint32)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values = rank[place]
    for start, end in pairwise(offsets):
        values[start:end].sort()
    return values, offsets


@njit(cache=True)
def _join(values, offsets, threshold):
    n = offsets.size - 1
    head = np.full(values.max() + 1, -1, dtype=np.int64)
    after = np.full(values.size, -1, dtype=np.int64)
    owner = np.empty(values.size, dtype=np.int64)
    seen = np.full(n, -1, dtype=np.int64)
    found_a, found_b, found_j = [0], [0], [0.0]
    for i in range(n):
        start, size = offsets[i], offsets[i + 1] - offsets[i]
        prefix = size - np.int64(np.ceil(threshold * size - 1e-9)) + 1
        for k in range(start, start + prefix):
            at = head[values[k]]
            while at >= 0:
                j = owner[at]
                at = after[at]
                other = offsets[j + 1] - offsets[j]
                if seen[j] == i or min(size, other) < threshold * max(size, other) - 1e-9:
                    continue
                seen[j] = i
                x, y, common = start, offsets[j], 0
                while x < start + size and y < offsets[j + 1]:
                    if values[x] == values[y]:
                        common += 1
                        x += 1
                        y += 1
                    elif values[x] < values[y]:
                        x += 1
                    else:
                        y += 1
                similarity = common / (size + other - common)
                if similarity >= threshold:
                    found_a.append(j)
                    found_b.append(i)
                    found_j.append(similarity)
        for k in range(start, start + prefix):
            owner[k] = i
            after[k] = head[values[k]]
            head[values[k]] = k
    return np.array(found_a)[1:], np.array(found_b)[1:], np.array(found_j)[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=52_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", action="store_true", help="count the true pairs, too")
    parser.add_argument("out", type=Path, nargs="?")
    given = parser.parse_args()
    frame = make(given.rows, given.seed)
    megabytes = frame["text"].str.len_bytes().sum() / 1e6
    print(f"{frame.height:,} texts, {megabytes:.1f} MB, {frame['copy_of'].count():,} of them planted copies")
    if given.pairs:
        found = pairs(frame["text"].to_list(), 0.7)
        print(*(f"{found.filter(pl.col('jaccard') >= t).height:,} pairs at {t}" for t in (0.7, 0.8, 0.9)), sep="\n")
    if given.out:
        frame.write_parquet(given.out)


if __name__ == "__main__":
    main()
