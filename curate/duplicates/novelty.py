"""Alpaca's novelty rule: an instruction that repeats an earlier one, by ROUGE-L.

Self-instruct and Alpaca compare each new instruction with all before it (generate_instruction.py of
github.com/tatsu-lab/stanford_alpaca: rougeL, no stemmer, F above 0.7). Here only those are compared that can pass: a
longest common subsequence is no longer than the words two texts share, and two that share enough of them share one of
their rarest (Chaudhuri, Ganti and Kaushik 2006, prefix filter). Nothing that passes is missed.

Words are runs of letters, digits and marks in lower case, each character of Han, kana and Hangul one of its own; where a
text is plain English these are rouge-score's tokens ([a-z0-9]+).
"""

import numpy as np
import polars as pl

from curate.duplicates.compiled import Array, Novel, Sets
from curate.duplicates.folding import words_alone
from curate.duplicates.shingles import buffers, lists, word_rows


def words(texts: pl.Series) -> pl.Series:
    """The words of each text as 32-bit numbers, in their order: List(UInt32) `prompt_words`. A null text has none."""
    text = buffers(texts)
    values = np.empty(text.data.size // 2 + len(texts) + 1, dtype=np.uint32)
    counts = np.empty(len(texts), dtype=np.int64)
    used = word_rows(text.data, text.offsets, words_alone(), values, counts)
    return lists("prompt_words", values[:used].copy(), counts)


def candidates(rows: Sets, order: Array, limit: float) -> Novel:
    """What the greedy pass needs: the words of each place of `order`, and those by which to look others up.

    A text of m words and one of F > limit share more than limit * m / (2 - limit) words, whatever the other's length, so
    one of the m less that many, plus one, rarest words of each is among those of the other.
    """
    sizes = (rows.ends - rows.starts)[order]
    ends = np.cumsum(sizes)
    starts = ends - sizes
    # Position in the new list, less where its text starts there, plus where it started.
    values = rows.values[np.arange(int(sizes.sum())) + np.repeat(rows.starts[order] - starts, sizes)]
    numbers, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    rarity = np.empty(numbers.size, dtype=np.uint32)
    rarity[np.argsort(counts, kind="stable")] = np.arange(numbers.size, dtype=np.uint32)
    named = rarity[place]
    return Novel(Sets(named, starts, ends), _prefixes(named, starts, sizes, limit), numbers.size, limit)


def _prefixes(named: Array, starts: Array, sizes: Array, limit: float) -> Sets:
    text = np.repeat(np.arange(sizes.size, dtype=np.uint64), sizes)
    ordered = np.sort(text << np.uint64(32) | named)
    shared = np.floor(limit * sizes / (2 - limit) - 1e-9).astype(np.int64) + 1
    length = np.maximum(sizes - shared + 1, 0)
    position = np.arange(named.size) - np.repeat(starts, sizes)
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: named.size]
    used = first & (position < np.repeat(length, sizes))
    ends = np.cumsum(np.bincount(text[used].astype(np.int64), minlength=sizes.size))
    return Sets(ordered[used].astype(np.uint32), np.concatenate([[0], ends[:-1]])[: sizes.size], ends)
