"""How diverse the words of a set of texts are."""

import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from curate import text

# McCarthy and Jarvis 2010: a factor is complete where the type-token ratio falls to this.
MTLD_RATIO = 0.72
# Texts with fewer words have too few factors for a stable MTLD.
MTLD_WORDS = 50
GZIP_LEVEL = 6


def tokens(texts: pl.Series) -> pl.Series:
    """The lower-cased words of each text, List(String)."""
    return texts.to_frame("text").select(words=text.words(pl.col("text").str.to_lowercase()))["words"]


def mtld(words: Sequence[str], ratio: float = MTLD_RATIO) -> float:
    """The mean number of words in a row that keep the type-token ratio above `ratio`, forwards and backwards averaged.

    McCarthy and Jarvis 2010: words / factors; a factor ends where the ratio reaches `ratio`, and what is left at the end
    counts as the fraction (1 - its ratio) / (1 - `ratio`). A text in which no word comes twice has no factor: its number
    of words is returned. NaN without words.
    """
    if not len(words):
        return float("nan")
    return (_one_way(words, ratio) + _one_way(words[::-1], ratio)) / 2


def _one_way(words: Sequence[str], ratio: float) -> float:
    factors, types, count = 0.0, set[str](), 0
    for word in words:
        types.add(word)
        count += 1
        if len(types) / count <= ratio:
            factors += 1
            types, count = set(), 0
    if count:
        factors += (1 - len(types) / count) / (1 - ratio)
    return len(words) / factors if factors else float(len(words))


def ngram_numbers(words: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Each text's n-grams as numbers that are equal where the n-grams are: all of them (m,), and where each text starts.

    The second has shape (texts + 1,). A text with fewer than n words has none.
    """
    lengths = words.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = words.filter(lengths > 0).explode() if lengths.any() else pl.Series([], dtype=pl.String)
    number = flat.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    grams = number
    for _ in range(n - 1):
        # Each step joins a number with the word behind it and numbers the pairs anew, so that nothing overflows.
        m = max(len(grams) - 1, 0)
        later = number[len(number) - m :] if m else number[:0]
        grams = np.unique(grams[:m] * (number.max(initial=0) + 1) + later, return_inverse=True)[1] if m else grams[:0]
    inside = owner[: len(grams)] == owner[n - 1 : n - 1 + len(grams)] if n > 1 else np.ones(len(grams), dtype=bool)
    counts = np.bincount(owner[: len(grams)][inside], minlength=len(lengths))
    return grams[inside], np.concatenate([[0], np.cumsum(counts)])


def distinct_n(words: pl.Series, n: int) -> float:
    """Different n-grams of words as a share of all n-grams of all texts (Li et al. 2016). NaN where there are none."""
    grams, _ = ngram_numbers(words, n)
    return len(np.unique(grams)) / len(grams) if len(grams) else float("nan")


def compression_ratio(texts: Sequence[str]) -> float:
    """UTF-8 bytes of all texts, a line break between them, over their bytes after deflate at level 6, zlib's default.

    Redundant texts have a high ratio (Shaib et al. 2024). NaN without text.
    """
    joined = "\n".join(texts).encode("utf-8", "surrogatepass")
    return len(joined) / len(zlib.compress(joined, GZIP_LEVEL)) if joined else float("nan")


def entropy(labels: pl.Series) -> float:
    """Shannon entropy of the shares of the different labels, in bits: log2(number of labels) where all are equally many.

    A null label is a label of its own. 0 for one label, NaN for none.
    """
    counts = labels.to_frame("label").group_by("label").len()["len"].to_numpy()
    shares = counts / max(counts.sum(), 1)
    # + 0.0: no -0.0 for a single label.
    return float(-(shares * np.log2(shares)).sum()) + 0.0 if len(labels) else float("nan")
