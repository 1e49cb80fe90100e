"""Test sets: how many examples leak them, in which way, and the pairs to look at."""

from pathlib import Path
from typing import Any

import polars as pl

from curate import corpus, runs
from curate.contamination import categories
from curate.errors import InputError
from curate.recipe import Recipe
from curate.stages import decontaminate

# Pairs shown of each category, strongest first.
SHOWN = 4


def leaks(run: Path, recipe: Recipe) -> dict[str, Any] | None:
    """`tests`: one row a test set, `test`, and for each category how many `pairs` of an example and an item and how many
    `examples` and `items` they are of; `pairs`: the strongest of each category, `id`, `item`, `test`, `category`, `evidence`,
    `coverage`, `cosine` and `left` (whether the example left by it). None where the recipe names no test set.
    """
    settings = recipe.decontaminate
    if not settings.tests:
        return None
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == "decontaminate")
    found = decontaminate.leaks(corpus.read(run, folder, decontaminate.NEEDS), settings)
    found = found.with_columns(test=pl.col("item").str.split("/").list.first())
    counted = found.group_by("test", "category").agg(
        pairs=pl.len(), examples=pl.col("id").n_unique(), items=pl.col("item").n_unique()
    )
    counts = {(row["test"], row["category"]): row for row in counted.to_dicts()}
    none = {"pairs": 0, "examples": 0, "items": 0}
    tests = [
        {"test": name, "category": category, **{key: counts.get((name, category), none)[key] for key in none}}
        for name in settings.tests
        for category in categories.ORDER
    ]
    return {"tests": tests, "pairs": _strongest(found, pl.read_parquet(folder.verdicts, columns=["id"]))}


def _strongest(found: pl.DataFrame, left: pl.DataFrame) -> list[dict[str, Any]]:
    best = categories.strongest_first(found).unique(["id", "item"], keep="first", maintain_order=True)
    some = (
        best.with_columns(evidence=categories.evidence(best))
        .sort(["value", "id"], descending=[True, False], maintain_order=True)
        .group_by("category", maintain_order=True)
        .head(SHOWN)
        .join(left.unique().with_columns(left=True), on="id", how="left", maintain_order="left")
        .with_columns(pl.col("left").fill_null(value=False), pl.col("weighted", "cosine").round(3))
    )
    order = {name: place for place, name in enumerate(categories.ORDER)}
    rows = some.select("id", "item", "test", "category", "evidence", "left", coverage="weighted", cosine="cosine")
    return sorted(rows.to_dicts(), key=lambda row: order[row["category"]])


def questions(recipe: Recipe, pairs: list[dict[str, Any]]) -> dict[str, str | None]:
    """The question of each item among `pairs`; None where its file is not there any more or says something else now."""
    settings = recipe.decontaminate
    named = {row["test"] for row in pairs}
    wanted = {row["item"] for row in pairs}
    texts: dict[str, str | None] = dict.fromkeys(sorted(wanted))
    for name in settings.tests:
        if name not in named:
            continue
        one = settings.model_copy(update={"tests": {name: settings.tests[name]}})
        try:
            items = decontaminate.items(one)
        except InputError:
            # A finished run outlives the files that it was built from; the page says that the question is not there.
            continue
        for row in items.filter(pl.col("item").is_in(list(wanted))).to_dicts():
            texts[row["item"]] = row["question"]
    return texts
