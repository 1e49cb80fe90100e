"""What kind of leak a pair is, in the words of Platypus (Lee et al. 2023, section 2.3), from what was measured of it."""

from typing import Literal, NamedTuple

import polars as pl

Category = Literal["duplicate", "gray_area", "similar"]
ORDER: tuple[Category, ...] = ("duplicate", "gray_area", "similar")
# An item that covers less of its words in the example is not asked in the same wording.
WORDING = 0.5


class Limits(NamedTuple):
    """From where on a pair is a leak: weighted coverage, cosine; and a near copy: weighted coverage."""

    coverage: float
    cosine: float
    near_copy: float


def pairs(corpus: pl.DataFrame) -> pl.DataFrame:
    """`id` (and `content`, where it is there) beside the fields of each pair in the column `leaks`: one row a pair."""
    kept = [name for name in ("id", "content") if name in corpus.columns]
    return corpus.select(*kept, "leaks").explode("leaks", empty_as_null=True).drop_nulls("leaks").unnest("leaks")


def categorised(pairs: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The pairs that are leaks, with `category`, and `value` and `limit` of the stronger of the two measures.

    duplicate: the item stands in the example whole, or all but whole, with the same numbers, names and question. Similar:
    the same wording with other numbers, names or another question. Gray area: the rest. A pair whose numbers differ is
    never a duplicate.
    """
    by_words = pl.col("whole") | (pl.col("weighted") >= limits.coverage)
    by_meaning = (pl.col("cosine") >= limits.cosine).fill_null(value=False)
    asks_other = by_words & (pl.col("changed_words") | pl.col("asks_else"))
    other_numbers = pl.col("changed_numbers") & (pl.col("coverage") >= WORDING)
    similar = asks_other | other_numbers
    copy = pl.col("whole") | (pl.col("weighted") >= limits.near_copy)
    category = pl.when(~similar & copy & pl.col("same_numbers")).then(pl.lit("duplicate"))
    words_lead = by_words & (pl.col("weighted") >= pl.col("cosine").fill_null(0.0)) | ~by_meaning
    return pairs.filter(by_words | by_meaning).with_columns(
        category=category.when(similar).then(pl.lit("similar")).otherwise(pl.lit("gray_area")),
        value=pl.when(words_lead).then("weighted").otherwise("cosine"),
        limit=pl.when(words_lead).then(limits.coverage).otherwise(limits.cosine),
    )


def strongest_first(leaks: pl.DataFrame) -> pl.DataFrame:
    """Pairs in the order in which one stands for the others of its row: category, then strength, then the item's name."""
    place = {category: number for number, category in enumerate(ORDER)}
    return leaks.sort(
        "id",
        pl.col("category").replace_strict(place, return_dtype=pl.Int64),
        "value",
        "run",
        "item",
        "part",
        descending=[False, False, True, True, False, False],
        nulls_last=True,
    )


def evidence(leaks: pl.DataFrame) -> pl.Series:
    """A line on each pair for the ledger: `gsm8k/17: coverage 0.91, run 23, cosine 0.88, answer given; numbers 16 -> 18`."""
    share = pl.format(
        "{}{}: coverage {}, run {}{}{}{}",
        "item",
        pl.when(pl.col("part") == "question")
        .then(pl.lit(""))
        .otherwise(pl.format(" ({})", pl.col("part").str.replace_all("_", " "))),
        pl.col("weighted").round(2),
        "run",
        pl.when(pl.col("cosine").is_null())
        .then(pl.lit(""))
        .otherwise(pl.format(", cosine {}", pl.col("cosine").round(2))),
        pl.when(pl.col("answer").fill_null(value=False)).then(pl.lit(", answer given")).otherwise(pl.lit("")),
        pl.when(pl.col("detail") == "").then(pl.lit("")).otherwise("; " + pl.col("detail")),
    )
    return leaks.select(evidence=share).to_series()
