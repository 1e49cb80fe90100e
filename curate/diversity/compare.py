"""Every measure of diversity for several sets from one pool, with an interval: what a chosen set has to show for itself.

Two kinds of interval, 95 % each, both seeded. A measure that is a mean over rows has a percentile bootstrap (Efron 1979) over
those rows, each row's value taken once, in the whole set. A measure of the set as a whole would be wrong on resamples with
repeated rows (copies make a set look less diverse), so it is measured on halves drawn without replacement: the spread of
halves estimates that of the whole (delete-d jackknife with d = n/2, Shao and Wu 1989), taken in proportion to the value
because these measures grow with size. A smallest distance is a property of one pair; it has no interval.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from curate import lexical, progress
from curate.diversity import geometry, verbs

SCHEMA = pl.Schema(
    {"set": pl.String(), "measure": pl.String(), "value": pl.Float64(), "low": pl.Float64(), "high": pl.Float64()}
)

MEASURES = {
    "vendi": "Effective number of different examples: exp of the entropy of the eigenvalues of the cosines (Friedman and Dieng 2023).",
    "coverage": "Mean over the pool of the largest cosine to an example of the set (facility location).",
    "nearest_neighbour": "Mean cosine distance of an example to the nearest other one of the set.",
    "nearest_neighbour_min": "Smallest cosine distance of two examples of the set.",
    "novelsum": "Mean distance to the other examples, near ones first, times the pool's density there (NovelSum, Yang et al. 2025).",
    "distinct_1": "Different words as a share of all words of the responses (Li et al. 2016).",
    "distinct_2": "Different pairs of words as a share of all pairs of the responses (Li et al. 2016).",
    "mtld": "Mean words in a row with a type-token ratio above 0.72, over responses of 50 words and more (McCarthy and Jarvis 2010).",
    "compression_ratio": "Bytes of the responses over their bytes after deflate, level 6: less is more diverse (Shaib et al. 2024).",
    "strata_entropy": "Entropy of the shares of strata, in bits.",
    "verb_noun_pairs": "Different pairs of root verb and direct object in the prompts (Self-Instruct's sunburst).",
}

RESAMPLES = 400
# Fewer halves for more than 10,000 rows, at least 8: their spread needs no great number, and each costs as much as the set.
HALVES = 40
HALVED_ROWS = 400_000
# NovelSum sorts n * n distances: larger sets are measured on a seeded sample of this size.
NOVELSUM_ROWS = 10_000


class Figure(NamedTuple):
    """A value with the ends of its interval, NaN where it has none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def compare(
    vectors: np.ndarray | None, pool: pl.DataFrame, sets: Mapping[str, np.ndarray], *, seed: int = 1
) -> pl.DataFrame:
    """One row for each set and measure (schema SCHEMA), sets in their order, measures in that of MEASURES.

    `pool` has a row per example: `prompt`, `response`, `source`, `stratum` (may be null). `vectors` are its float32 unit
    rows, or None: then the measures on vectors are left out. `sets`: the row numbers of each set. `value`, `low` and `high`
    are null where a measure is undefined (nothing in the set, no text long enough), the last two where there is no interval.
    Values are rounded to 6 significant digits, so that the last bit of a matrix product never shows.
    """
    rows = []
    for number, (name, members) in enumerate(sets.items()):
        rng = np.random.default_rng(seed)
        figures = {**_on_vectors(vectors, members, rng), **_on_texts(pool[members], rng)}
        rows += [(name, measure, *figures[measure]) for measure in MEASURES if measure in figures]
        progress.inside(number + 1, len(sets))
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return table.with_columns(pl.col("value", "low", "high").fill_nan(None).round_sig_figs(6))


def _on_vectors(vectors: np.ndarray | None, members: np.ndarray, rng: np.random.Generator) -> dict[str, Figure]:
    if vectors is None:
        return {}
    mine = vectors[members]
    distances = geometry.nearest_neighbour_distances(mine)
    sample = mine if len(mine) <= NOVELSUM_ROWS else mine[np.sort(rng.permutation(len(mine))[:NOVELSUM_ROWS])]
    novel = geometry.novelty(sample, geometry.densities(sample, vectors)) if len(sample) else np.empty(0)
    return {
        "vendi": of_whole(lambda rows: geometry.vendi(mine[rows]), len(mine), rng),
        "coverage": of_mean(geometry.nearest_chosen(vectors, mine), rng),
        "nearest_neighbour": of_mean(distances, rng),
        "nearest_neighbour_min": Figure(float(distances.min()) if len(distances) else float("nan")),
        "novelsum": of_mean(novel, rng),
    }


def _on_texts(mine: pl.DataFrame, rng: np.random.Generator) -> dict[str, Figure]:
    words = lexical.tokens(mine["response"])
    responses = mine["response"].fill_null("").to_list()
    long = words.filter(words.list.len() >= lexical.MTLD_WORDS)
    strata = mine.select(stratum=pl.concat_str("source", pl.col("stratum").fill_null(""), separator="/"))["stratum"]
    found = verbs.pairs(mine["prompt"])
    return {
        "distinct_1": of_whole(_distinct(words, 1), mine.height, rng),
        "distinct_2": of_whole(_distinct(words, 2), mine.height, rng),
        "mtld": of_mean(np.array([lexical.mtld(text.to_list()) for text in long]), rng),
        "compression_ratio": of_whole(
            lambda rows: lexical.compression_ratio([responses[row] for row in rows]), mine.height, rng
        ),
        "strata_entropy": of_whole(lambda rows: lexical.entropy(strata[rows]), mine.height, rng),
        "verb_noun_pairs": of_whole(lambda rows: float(found[rows].drop_nulls().n_unique()), mine.height, rng),
    }


def _distinct(words: pl.Series, n: int) -> Callable[[np.ndarray], float]:
    """`lexical.distinct_n` of some of the texts; the n-grams of all are numbered once."""
    grams, start = lexical.ngram_numbers(words, n)

    def of(rows: np.ndarray) -> float:
        mine = [grams[start[row] : start[row + 1]] for row in rows.tolist()]
        flat = np.concatenate(mine) if mine else grams[:0]
        return len(np.unique(flat)) / len(flat) if len(flat) else float("nan")

    return of


def of_mean(values: np.ndarray, rng: np.random.Generator) -> Figure:
    """The mean of `values` (n,) with the percentile bootstrap's interval; NaN throughout without values."""
    if not len(values) or np.isnan(values).any():
        return Figure(float("nan"))
    wide = values.astype(np.float64)
    means = [wide[rng.integers(0, len(wide), len(wide))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(float(wide.mean()), float(low), float(high))


def of_whole(measure: Callable[[np.ndarray], float], n: int, rng: np.random.Generator) -> Figure:
    """`measure` of rows 0 to n - 1, with an interval from seeded halves; none below 4 rows or where halves have no value."""
    value = measure(np.arange(n))
    if n < 4 or np.isnan(value):
        return Figure(value)
    halves = np.array([measure(half) for half in _halves(n, rng)])
    if np.isnan(halves).any() or halves.mean() == 0:
        return Figure(value)
    spread = 1.96 * abs(value) * float(halves.std(ddof=1)) / abs(float(halves.mean()))
    return Figure(value, value - spread, value + spread)


def _halves(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Half of the rows, in their order, again and again."""
    return (np.sort(rng.permutation(n)[: n // 2]) for _ in range(max(8, min(HALVES, HALVED_ROWS // n))))
