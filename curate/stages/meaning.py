"""Duplicates by meaning: of examples whose embeddings are that similar one stays, and every other names it.

Off until a threshold is set: then nothing is measured and no model is loaded. See `curate.duplicates.cosine` for who stays.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from curate import embed, reference
from curate.config import Strict
from curate.duplicates import cosine, keep
from curate.record import VERDICT, Decision, verdicts
from curate.text import Part, part

NEEDS = (*keep.NEEDS, "vector", "against_key", "against_similarity")

RULES = {
    "same_meaning": (
        "The embedding of another example that stays is at or above this cosine; the best of such examples stays (Platypus,"
        " section 2.2: 0.80 with all-MiniLM-L6-v2 on instruction and input, the longest answer stays)."
    ),
    "same_meaning_reference": (
        "The embedding of an example of a set named by `against` is at or above this cosine, and only ours leaves"
        " (Platypus, section 2.3: 0.80)."
    ),
}


class Settings(Strict):
    """From which cosine on two examples mean the same, by which model, and which of them stays."""

    threshold: float | None = Field(
        None, gt=0, le=1, description="the cosine from which on; null: off, no model is loaded; Platypus: 0.80"
    )
    of: Part = Field(
        "prompt", description="the text that is embedded; the prompt is instruction and input, as with Platypus"
    )
    encoder: embed.Settings = Field(embed.Settings(), description="the model that embeds")
    best: keep.Best = Field("score", description="which example stays; Platypus: longest")
    prefer: tuple[str, ...] = Field((), description="sources, best first; by default in the recipe's order")
    against: tuple[Path, ...] = Field(
        (), description="sets that were published before, or runs: ours leaves where it means the same as one of theirs"
    )
    exact_rows: int = Field(
        100_000,
        ge=0,
        description="up to so many examples every pair is compared; above, those in neighbouring cells, at a stated recall",
    )


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: the text, the model and the sets compared with; nothing while off."""
    if settings.threshold is None:
        return None
    return [settings.of, embed.fingerprint(settings.encoder), [reference.stamp(path) for path in settings.against]]


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id`, `vector` (Array(Float32, d), length 1; null for a blank text), and the nearest example of `against`:
    `against_key` (String: file and key) and `against_similarity` (Float64, the cosine to six decimals). All null while off.
    """
    nothing = {"against_key": pl.lit(None, pl.String), "against_similarity": pl.lit(None, pl.Float64)}
    if settings.threshold is None:
        return shard.select("id", vector=pl.lit(None), **nothing)
    texts = _texts(shard, settings)
    measured = shard.select("id", embed.column(texts, settings.encoder).alias("vector")).with_columns(
        pl.when(_written(texts)).then("vector").alias("vector"), **nothing
    )
    if not settings.against:
        return measured
    names, theirs = _references(settings, str(measured_by(settings)))
    some = measured.select("id", "vector").drop_nulls()
    row, similarity = cosine.nearest(embed.matrix(some["vector"]), theirs)
    found = some.select(
        "id",
        against_key=names.gather(pl.Series(row).replace(-1, None)),
        against_similarity=pl.Series(similarity).fill_nan(None),
    )
    return measured.select("id", "vector").join(found, on="id", how="left", maintain_order="left")


def _texts(frame: pl.DataFrame, settings: Settings) -> pl.Series:
    return frame.select(text=part(settings.of).fill_null(""))["text"]


# One entry: every shard of a build asks for the same sets. The stamp is part of the key so that a long-lived process sees a
# file that has changed.
@lru_cache(maxsize=1)
def _references(settings: Settings, stamp: str) -> tuple[pl.Series, np.ndarray]:  # noqa: ARG001 - see above
    """The names of all examples of these sets, as the verdicts give them, and their vectors (n, d); no blank texts."""
    sets = [(path, reference.examples_of(path)) for path in settings.against]
    names = pl.concat([pl.Series("name", f"{path.name}: " + examples["key"]) for path, examples in sets])
    texts = pl.concat([_texts(examples, settings) for _, examples in sets])
    written = _written(texts)
    return names.filter(written), embed.vectors(texts.filter(written), settings.encoder)


def _written(texts: pl.Series) -> pl.Series:
    """Which texts are not blank: a model has a vector for nothing too, and it would resemble those of short texts."""
    return texts.str.contains(r"\S")


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """Verdicts: value = cosine, limit = threshold, other = the example that stays (of `against`: in the detail).

    Those that resemble a set of `against` leave first and speak for nobody. Blank texts are duplicates of one another and of
    nothing else. Scores: `meaning_cluster` (String), the id of the example that stays, for it and all it stands for, null
    where that is nobody; `meaning_similarity` (Float64), the cosine to it of those that leave; `meaning_recall` (Float64),
    the share of a sample's pairs that the search finds, 1 up to `exact_rows` examples; all null while off.
    """
    if settings.threshold is None:
        return Decision(pl.DataFrame(schema=VERDICT), _scores(corpus["id"], _none(), None))
    rows = corpus.drop("vector").with_row_index("row").with_columns(written=corpus["vector"].is_not_null())
    theirs = (pl.col("against_similarity") >= settings.threshold).fill_null(value=False)
    ranked = keep.best_first(rows.filter(~theirs | keep.HELD), settings.best, settings.prefer)
    written, blank = ranked.filter("written"), ranked.filter(~pl.col("written"))
    vectors = embed.matrix(corpus["vector"].gather(written["row"]))
    held = written.filter(keep.HELD).height
    found = cosine.representatives(vectors, settings.threshold, exact_rows=settings.exact_rows, held=held)
    leaving = pl.concat(
        [
            written.select(
                "id", other=pl.col("id").gather(pl.Series(found.twin).replace(-1, None)), value=found.cosine
            ),
            blank.select("id", other=pl.col("id").first(), value=pl.lit(1.0)).slice(1),
        ]
    ).drop_nulls("other")
    limit = pl.lit(settings.threshold)
    of_theirs = rows.filter(theirs).select("id", detail="against_key", value="against_similarity")
    decided = [
        verdicts("meaning", rule, frame.with_columns(pl.col("value").round(4), limit=limit))
        for rule, frame in (("same_meaning", leaving), ("same_meaning_reference", of_theirs))
    ]
    # What a reviewer kept stays beside its twin, and stands for itself.
    gone = leaving.join(corpus.filter(keep.HELD), on="id", how="anti")
    return Decision(pl.concat(decided), _scores(corpus["id"], gone, found.recall))


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema={"id": pl.String, "other": pl.String, "value": pl.Float64})


def _scores(ids: pl.Series, leaving: pl.DataFrame, recall: float | None) -> pl.DataFrame:
    """The scores of all examples, of which `leaving` (`id`, `other`, `value`) are duplicates of `other`."""
    members = pl.concat(
        [
            leaving.select("id", meaning_cluster="other", meaning_similarity=pl.col("value").round(4)),
            leaving.select(id="other", meaning_cluster="other").unique(),
        ],
        how="diagonal",
    )
    stated = None if recall is None else round(recall, 4)
    return (
        ids.to_frame()
        .join(members, on="id", how="left", maintain_order="left")
        .with_columns(meaning_recall=pl.lit(stated, pl.Float64).fill_nan(None))
        .sort("id")
    )
