"""Which of several copies stays: the one order that every stage of duplicates keeps by."""

from typing import Literal

import polars as pl

# What is best: the column that is compared, highest first. `score` is the source's votes, `quality` the stage's of that name.
Best = Literal["score", "longest", "quality"]
COLUMNS: dict[Best, str] = {"score": "score", "longest": "response_chars", "quality": "quality"}
NEEDS = ("source", "decision", *COLUMNS.values())
# Whether a reviewer kept the row: it stays whatever it resembles, and what resembles it gives way.
HELD = (pl.col("decision") == "keep").fill_null(value=False)


def best_first(corpus: pl.DataFrame, best: Best, prefer: tuple[str, ...]) -> pl.DataFrame:
    """`corpus` (`id`, `source`, `decision` and the column of `best`) with the row that is kept before all its copies first.

    What a reviewer kept, then the highest value (none at all last), then the source that comes first in `prefer` (unnamed ones last), then the
    smallest id: a total order, so that the order of rows in `corpus` makes no difference.
    """
    place = {source: number for number, source in enumerate(prefer)}
    return corpus.sort(
        HELD,
        pl.col(COLUMNS[best]),
        pl.col("source").replace_strict(place, default=len(place), return_dtype=pl.Int64),
        "id",
        descending=[True, True, False, False],
        nulls_last=True,
    )
