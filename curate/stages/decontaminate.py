"""Decontamination: no example may teach what a test set asks.

An example leaks a test item where they share words (`curate.contamination.ngrams`) or meaning (`curate.embed`). Every pair
is measured of each row by itself; deciding only says which category it is of, and which categories leave.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field, field_validator

from curate import embed, testsets
from curate.config import Strict
from curate.contamination import categories, review
from curate.contamination import items as test_items
from curate.contamination.categories import Category, Limits
from curate.contamination.schema import FLOOR, FLOOR_COSINE, LEAKS
from curate.errors import did_you_mean
from curate.record import Decision, verdicts
from curate.testsets import Test
from curate.text import content_hashes

NEEDS = ("leaks", "content")

RULES = {
    "leak_duplicate": (
        "The example asks a question of a test set: word for word or all but, with the same numbers (Platypus, section 2.3:"
        " duplicate)."
    ),
    "leak_gray_area": (
        "The example is no copy of a question of a test set, but its wording or meaning is that close (Platypus, section"
        " 2.3: gray area)."
    ),
    "leak_similar": (
        "The example has the wording of a question of a test set with other numbers or names, or asks something else about"
        " it (Platypus, section 2.3: similar but different)."
    ),
    "leak_reviewed": "A person looked at the example beside the question of a test set and decided that it leaks.",
}
_RULE: dict[Category, str] = {name: f"leak_{name}" for name in categories.ORDER}
SCORES = {"leak_category": pl.String, "leak_item": pl.String, "leak_coverage": pl.Float64, "leak_cosine": pl.Float64, "leak_detail": pl.String, "leak_pairs": pl.UInt32, "leak_kept": pl.Boolean}  # fmt: skip


class Settings(Strict):
    """The test sets, from where on a pair is a leak, and which leaks leave."""

    tests: dict[str, Test | None] = Field(
        {},
        description="test sets by name: a path, fields of a file of your own, or null: the Hub; none: the stage is off",
    )
    parts: tuple[Literal["question", "answer", "question_and_answer"], ...] = Field(
        ("question",), min_length=1, description="what of an item is searched for"
    )
    ngram: int = Field(
        8, ge=4, le=50, description="words in a row that make a pair; half as many for items under twice that"
    )
    coverage: float = Field(
        0.75, ge=FLOOR, le=1, description="share of an item's words, weighted by rarity, from which a pair is a leak"
    )
    near_copy: float = Field(0.9, ge=FLOOR, le=1, description="share from which it can be a duplicate")
    cosine: float = Field(0.8, ge=FLOOR_COSINE, le=1, description="of prompt and question, from which a pair is a leak")
    encoder: embed.Settings | None = Field(embed.Settings(), description="what embeds them; null: words alone")
    drop: tuple[Category, ...] = Field(categories.ORDER, description="the categories that leave (Platypus: all)")
    review: Path | None = Field(None, description="a run's contamination.jsonl with your decisions, which are replayed")

    @field_validator("tests")
    @classmethod
    def _known(cls, tests: dict[str, Test | None]) -> dict[str, Test | None]:
        known = test_items.registry()
        for name, test in tests.items():
            if test is not None and test.path is not None:
                continue
            if name not in known:
                raise ValueError(
                    f"{name} is not a test set known here, so it needs a path. {did_you_mean(name, known)}"
                )
            if known[name].hub is None:
                raise ValueError(f"{name} needs a path: {known[name].file}")
        return tests


def measured_by(settings: Settings) -> object:
    """What of the settings and of the files they name `measure` depends on; of a set on the Hub, its name and revision.

    Looks into every file that the settings name, so that a build does not end after hours at a field that is not there.
    Raises as `items` and `review.read`.
    """
    if not settings.tests:
        return []
    for name, test in settings.tests.items():
        if test is not None and test.path is not None and test.path.is_file():
            testsets.read(name, test, 1)
    encoder = None if settings.encoder is None else embed.fingerprint(settings.encoder)
    review.read(settings.review)
    stamps = [[name, testsets.stamp(name, test)] for name, test in settings.tests.items()]
    return [stamps, sorted(settings.parts), settings.ngram, encoder]


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id`, `leaks` (List(Struct), see contamination.match.LEAK) and `content` (the hash that decisions are kept by); both
    null where there is no test set. Raises InputError and ConfigError as `items`.
    """
    if not settings.tests or not shard.height:
        absent = {"leaks": pl.lit(None, LEAKS), "content": pl.lit(None, pl.String)}
        return shard.select("id").with_columns(**absent)
    from curate.contamination import match  # numba

    stamp = repr([testsets.stamp(name, test) for name, test in settings.tests.items()])
    found = match.leaks(shard, _tests(stamp, settings.model_dump_json()), settings.encoder)
    return shard.select("id", leaks=found, content=content_hashes(shard))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for each row and category of its leaks: value = coverage or cosine, the stronger, of its strongest pair,
    limit = the setting, detail = the item and the evidence; and for each row that a person wants dropped.

    Scores: for each row with a leak its strongest (`leak_category`, `leak_item`, `leak_coverage`, `leak_cosine`,
    `leak_detail`), how many pairs it has (`leak_pairs`), and whether a person kept it (`leak_kept`).
    """
    found, decisions = leaks(corpus, settings), review.read(settings.review)
    decided = found.join(decisions.select("content", "item", "decision"), on=["content", "item"], how="left")
    standing = decided.filter(pl.col("decision").is_null() | (pl.col("decision") == "drop"))
    best = categories.strongest_first(standing).unique(["id", "category"], keep="first", maintain_order=True)
    best = best.with_columns(categories.evidence(best).alias("detail"))
    parts = [
        verdicts(
            "decontaminate",
            _RULE[name],
            best.filter(pl.col("category") == name).select("id", "value", "limit", "detail"),
        )
        for name in categories.ORDER
        if name in settings.drop
    ]
    wanted = corpus.join(decisions.filter(pl.col("decision") == "drop"), on="content").sort("id", "item")
    reviewed = wanted.unique("id", keep="first", maintain_order=True).select(
        "id", detail=pl.format("{}: {}", "item", "evidence")
    )
    return Decision(pl.concat([*parts, verdicts("decontaminate", "leak_reviewed", reviewed)]), _scores(decided))


def leaks(corpus: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Every pair that is a leak: `id`, `content`, the fields of LEAK, `category`, `value`, `limit`; one row a pair."""
    limits = Limits(settings.coverage, settings.cosine, settings.near_copy)
    return categories.categorised(categories.pairs(corpus), limits)


def reviewed(corpus: pl.DataFrame, settings: Settings) -> review.Review:
    """The gray pairs of a build for `contamination.jsonl`, with the decisions of `settings.review`, and the stale ones."""
    return review.review_rows(leaks(corpus, settings), corpus["content"], review.read(settings.review))


def items(settings: Settings) -> pl.DataFrame:
    """The items of all test sets (schema contamination.items.ITEM). Raises InputError for a file that is missing, lacks a
    field or cannot be read, and ConfigError where the recipe does not say which field has the question.
    """
    return pl.concat(
        [test_items.ITEM.to_frame(), *(testsets.read(name, test) for name, test in settings.tests.items())]
    )


def _scores(leaks: pl.DataFrame) -> pl.DataFrame:
    order = categories.strongest_first(leaks)
    order = order.with_columns(detail=categories.evidence(order))
    rows = order.group_by("id", maintain_order=True).agg(
        leak_category=pl.col("category").first(),
        leak_item=pl.col("item").first(),
        leak_coverage=pl.col("weighted").first(),
        leak_cosine=pl.col("cosine").first(),
        leak_detail=pl.col("detail").first(),
        leak_pairs=pl.len(),
        leak_kept=(pl.col("decision") == "keep").fill_null(value=False).all(),
    )
    return rows.select("id", *SCORES).cast(SCORES)  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def _tests(stamp: str, settings_json: str) -> Any:  # noqa: ANN401, ARG001 - match.Tests, which needs numba; a stamp to tell states apart
    """The test items ready to be searched for: built once a process, and again when a file has changed."""
    from curate.contamination import match

    settings = Settings.model_validate_json(settings_json)
    found = items(settings)
    return match.tests(found, test_items.searched(found, settings.parts), settings.ngram, settings.encoder)
