"""What is measured of an example and a test item, and the floors below which nothing is recorded."""

import polars as pl

# `whole`: the item stands in the example word for word; `run`: the longest run of words that both share; `coverage`,
# `weighted`: shares of the item (see ngrams); `cosine` of prompt and question, null without an encoder; `same_numbers`:
# both have the same numbers; `changed_numbers`, `changed_words`: each has some that the other has not; `asks_else`: the
# item's last sentence is missing; `answer`: the response has the item's answer, null where the item has none.
LEAK = pl.Struct(
    {
        "item": pl.String,
        "part": pl.String,
        "whole": pl.Boolean,
        "run": pl.UInt32,
        "coverage": pl.Float64,
        "weighted": pl.Float64,
        "cosine": pl.Float64,
        "same_numbers": pl.Boolean,
        "changed_numbers": pl.Boolean,
        "changed_words": pl.Boolean,
        "asks_else": pl.Boolean,
        "answer": pl.Boolean,
        "detail": pl.String,
    }
)
LEAKS = pl.List(LEAK)
# Pairs below both are not recorded, so no limit can be set below: weighted coverage, and cosine.
FLOOR = 0.5
FLOOR_COSINE = 0.75
