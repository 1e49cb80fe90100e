"""Near duplicates: of conversations that share most of their wording one stays, and every other names it as its twin."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import Field

from curate import reference
from curate.config import Strict
from curate.duplicates import keep
from curate.record import Decision, verdicts
from curate.text import Part, part

if TYPE_CHECKING:
    from curate.duplicates.representatives import Signed

NEEDS = (*keep.NEEDS, "signature", "shingles", "prompt_words", "reference", "reference_similarity")

RULES = {
    "near_duplicate": (
        "Another example that is kept shares most of its word sequences (exact Jaccard similarity of shingles, found by"
        " MinHash: Broder 1997); the best stays, then the preferred source's, then the smallest id."
    ),
    "near_reference": (
        "An example of a set that is compared with shares most of its word sequences (exact Jaccard similarity of"
        " shingles); the verdict's detail names it."
    ),
    "not_novel": (
        "The prompt repeats that of an earlier-ranked example that is kept: ROUGE-L F above the limit (Alpaca's and"
        " Self-Instruct's rule: above 0.7, Wang et al. 2023, section 2.2)."
    ),
}


class Settings(Strict):
    """What counts as near and which copy stays."""

    of: Part = Field("conversation", description="the text that is compared")
    threshold: float | None = Field(
        0.8,
        ge=0.2,
        le=1,
        description="Jaccard similarity from which two examples are near duplicates; null: nothing is compared",
    )
    ngram: Literal["word", "char"] = Field(
        "word", description="shingles of words (Han, kana, Hangul: characters) or of characters everywhere"
    )
    n: int = Field(5, ge=1, le=100, description="words or characters in a shingle; shorter texts are compared whole")
    digits: Literal["keep", "fold"] = Field(
        "keep", description="fold: every digit counts as 0, so that texts that differ in numbers alone are equal"
    )
    permutations: int = Field(128, ge=16, le=4096, description="values in a signature")
    recall: float = Field(
        0.99, gt=0, lt=1, description="share of the pairs just at the threshold that must be found; others more often"
    )
    seed: int = Field(1, ge=0, lt=2**32, description="of the permutations; datasketch's default is 1, too")
    hash: Literal["mixed", "xxh32"] = Field(
        "mixed", description="hash of a shingle: the fast one, or xxHash as in an index of datasketch made elsewhere"
    )
    best: keep.Best = Field("score", description="which copy stays: most votes, the longest answer, the best quality")
    prefer: tuple[str, ...] = Field((), description="sources, best first; by default in the recipe's order")
    novelty: float | None = Field(
        None, ge=0, lt=1, description="ROUGE-L F up to which a prompt is novel (Alpaca: 0.7); null: not looked at"
    )
    against: tuple[Path, ...] = Field(
        (), description="sets whose near duplicates leave: instruction files, or runs; compared as they stand"
    )


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: text and signature; with `against`, also its files and what is near."""
    if settings.threshold is None:
        return [None, settings.novelty is not None]
    against: list[object] = []
    if settings.against:
        against = [settings.threshold, settings.recall, *(reference.stamp(path) for path in settings.against)]
    return [settings.of, *_scheme(settings), settings.novelty is not None, against]


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id` and, null where switched off:

    `signature` (Array(UInt32, permutations)) and `shingles` (List(UInt32)), see curate.duplicates.minhash;
    `prompt_words` (List(UInt32)), see curate.duplicates.novelty; `reference` (String: file and key) and
    `reference_similarity` (Float64) of the nearest example of `against`, null where none is near.
    """
    from curate.duplicates import minhash, novelty  # numba

    columns = minhash.empty(shard.height, settings.permutations)
    words = pl.Series("prompt_words", [None] * shard.height, dtype=pl.List(pl.UInt32))
    if settings.threshold is not None:
        columns = minhash.measure(_texts(shard, settings), minhash.Scheme(*_scheme(settings)))
    if settings.novelty is not None:
        words = novelty.words(shard["prompt"])
    return shard.select("id").hstack([*columns, words, *_nearest_references(columns, settings)])


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """Verdicts: value = similarity, limit = the setting, other = the example that is kept (of `against`: in the detail).

    Scores of every row: `near_cluster` (String: the id of the kept example, its own for that one; null where none is
    near) and `near_similarity` (Float64: Jaccard similarity to the kept one, null for the kept one itself).
    """
    ranked = keep.best_first(
        corpus.select("id", "source", "decision", keep.COLUMNS[settings.best]).with_row_index("row"),
        settings.best,
        settings.prefer,
    )
    leaked = _near_reference(corpus, settings)
    near, repeats = _give_way(corpus, ranked["row"], leaked["id"], settings)
    # What a reviewer kept stays beside its twin, and stands for itself.
    gone = near.join(corpus.filter(keep.HELD), on="id", how="anti")
    cluster = pl.concat(
        [gone.select("id", near_cluster="other"), gone.select(id="other", near_cluster="other").unique()]
    )
    scores = (
        corpus.select("id")
        .join(cluster, on="id", how="left", maintain_order="left")
        .join(gone.select("id", near_similarity="value"), on="id", how="left", maintain_order="left")
    )
    found = {"near_duplicate": near, "near_reference": leaked, "not_novel": repeats}
    return Decision(pl.concat(verdicts("near", rule, frame) for rule, frame in found.items()), scores)


def _near_reference(corpus: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    near = corpus.filter(pl.col("reference").is_not_null())
    return near.select(
        "id", value="reference_similarity", limit=pl.lit(settings.threshold, pl.Float64), detail="reference"
    )


def _give_way(
    corpus: pl.DataFrame, order: pl.Series, leaving: pl.Series, settings: Settings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are near to a kept one, and those whose prompt repeats a kept one's: `id`, `value`, `limit`, `other`."""
    from curate.duplicates import minhash, novelty, representatives  # numba

    on = settings.threshold is not None
    threshold = settings.threshold or 1.0
    rows = representatives.signed(corpus) if on else representatives.NOT_SIGNED
    novel = representatives.NOT_NOVEL
    if settings.novelty is not None:
        novel = novelty.candidates(representatives.lists(corpus["prompt_words"]), order.to_numpy(), settings.novelty)
    found = representatives.choose(
        rows,
        order.to_numpy(),
        threshold,
        minhash.bands(threshold, settings.permutations, settings.recall),
        barred=corpus["id"].is_in(leaving.implode()).to_numpy(),
        held=corpus.select(keep.HELD).to_series().to_numpy(),
        novel=novel,
    )
    near, repeats = (
        corpus.select(
            "id",
            value=pl.Series(values, dtype=pl.Float64),
            limit=pl.lit(limit, pl.Float64),
            other=corpus["id"].gather(pl.Series(other).replace(-1, None)),
        ).drop_nulls("other")
        for (other, values), limit in zip(found, (settings.threshold, settings.novelty), strict=True)
    )
    return near, repeats


def _texts(examples: pl.DataFrame, settings: Settings) -> pl.Series:
    return examples.select(text=part(settings.of))["text"]


def _scheme(settings: Settings) -> tuple[Any, ...]:
    """The fields of curate.duplicates.minhash.Scheme."""
    return (settings.ngram, settings.n, settings.permutations, settings.seed, settings.digits, settings.hash)


def _nearest_references(columns: pl.DataFrame, settings: Settings) -> list[pl.Series]:
    from curate.duplicates import minhash, representatives  # numba

    if settings.threshold is None or not settings.against or columns.is_empty():
        return [
            pl.Series("reference", [None] * columns.height, dtype=pl.String),
            pl.Series("reference_similarity", [None] * columns.height, dtype=pl.Float64),
        ]
    names, rows = _reference(settings, tuple(str(reference.stamp(path)) for path in settings.against))
    keys = minhash.bands(settings.threshold, settings.permutations, settings.recall)
    other, similarity = representatives.matches(representatives.signed(columns), rows, settings.threshold, keys)
    near = pl.Series(other).replace(-1, None)
    values = pl.select(pl.when(near.is_not_null()).then(pl.Series(similarity)))
    return [names.gather(near).alias("reference"), values.to_series().alias("reference_similarity")]


# One entry: every shard of a build asks for the same sets. The stamps are part of the key so that a long-lived process
# sees a file that has changed.
@lru_cache(maxsize=1)
def _reference(settings: Settings, stamps: tuple[str, ...]) -> tuple[pl.Series, "Signed"]:  # noqa: ARG001 - see above
    """The names of all examples of these sets, as the verdicts give them, and their signatures."""
    from curate.duplicates import minhash, representatives  # numba

    sets = [(path, reference.examples_of(path)) for path in settings.against]
    names = pl.concat([pl.Series("name", f"{path.name}: " + examples["key"]) for path, examples in sets])
    texts = pl.concat([_texts(examples, settings) for _, examples in sets])
    return names, representatives.signed(minhash.measure(texts, minhash.Scheme(*_scheme(settings))))
