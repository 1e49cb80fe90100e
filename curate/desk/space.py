"""The vectors of a run's candidates, brought into one array, and the map and the topics that are drawn from them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate import embed
from curate.errors import ConfigError
from curate.recipe import Recipe
from curate.report import space
from curate.runs import StageFolder
from curate.text import conversation

# So many texts are embedded without being asked for: a few minutes with the default model on a processor.
FEW = 2_000

Array = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class Vectors(NamedTuple):
    """`matrix` (n, d) float32 of unit rows, the `rows` (n,) that they are of, what of a text was embedded and by what."""

    matrix: Array
    rows: np.ndarray
    of: str
    encoder: embed.Settings


def measured(folders: Sequence[StageFolder], recipe: Recipe, rows: pl.DataFrame) -> Vectors | None:
    """The vectors that the last stage with any measured of the candidates (`row`, `id`), and those that other stages measured of
    the same text by the same model; None where there are none.
    """
    stages = [folder for folder in folders if folder.name in ("meaning", "select") and _has_vectors(folder)]
    if not stages:
        return None
    text = [(getattr(recipe, folder.name).of, getattr(recipe, folder.name).encoder) for folder in stages]
    width = pl.read_parquet_schema(stages[-1].parts[0])["vector"].shape[0]  # type: ignore[attr-defined]
    # Pages that are never written take no memory.
    matrix, known = np.zeros((rows.height, width), dtype=np.float32), np.zeros(rows.height, dtype=bool)
    for folder, own in zip(stages, text, strict=True):
        for part in folder.parts if own == text[-1] else []:
            found = pl.read_parquet(part, columns=["id", "vector"]).drop_nulls().join(rows, on="id")
            places = found["row"].to_numpy()
            matrix[places], known[places] = embed.matrix(found["vector"].rechunk()), True
    places = np.flatnonzero(known)
    if not len(places):
        return None
    return Vectors(matrix if known.all() else matrix[places], places, *text[-1])


def _has_vectors(folder: StageFolder) -> bool:
    return bool(folder.parts) and isinstance(pl.read_parquet_schema(folder.parts[0]).get("vector"), pl.Array)


def completed(
    found: Vectors | None, clean: StageFolder, rows: pl.DataFrame, recipe: Recipe, *, everything: bool
) -> tuple[Vectors | None, str]:
    """`found` with the candidates that have no vector embedded by the run's own model, and a remark where that was not done.

    Up to FEW are embedded, with `everything` all, also where the run has no vectors. Blank texts have none. Raises ConfigError
    where `everything` was asked for and the model is missing.
    """
    lacking = rows.height - (len(found.rows) if found else 0)
    if lacking == 0 or (not everything and (found is None or lacking > FEW)):
        return found, f"{lacking} candidates have no vector" if lacking else ""
    if found is None:
        nothing = np.empty((0, embed.dimensions(recipe.meaning.encoder)), dtype=np.float32)
        found = Vectors(nothing, np.empty(0, dtype=np.int64), recipe.meaning.of, recipe.meaning.encoder)
    texts = _texts(clean, rows.filter(~pl.col("row").is_in(found.rows)), found.of)
    if texts.is_empty():
        return found, ""
    try:
        new = _embedded(texts["text"], found)
    except ConfigError as error:
        if everything:
            raise
        return found, f"{lacking} candidates have no vector: {error}"
    numbers = np.concatenate([found.rows, texts["row"].to_numpy()])
    order = np.argsort(numbers)
    return found._replace(matrix=np.concatenate([found.matrix, new])[order], rows=numbers[order]), ""


def _embedded(texts: pl.Series, found: Vectors) -> Array:
    if embed.dimensions(found.encoder) != found.matrix.shape[1]:
        raise ConfigError(f"{found.encoder.model} is another model than when the run was built")
    return embed.vectors(texts, found.encoder)


def _texts(clean: StageFolder, rows: pl.DataFrame, of: str) -> pl.DataFrame:
    """`row` and `text` of those of the candidates (`row`, `id`) whose text is not blank."""
    text = conversation() if of == "conversation" else pl.col(of)
    parts = [pl.read_parquet(part).join(rows, on="id").select("row", text=text.fill_null("")) for part in clean.parts]
    return pl.concat(parts).filter(pl.col("text").str.contains(r"\S")).sort("row")


def on_map(found: Vectors) -> pl.DataFrame:
    """`row`, `x`, `y` (Float32 in [0, 1]), the two directions in which the vectors differ most, and `vector_row`."""
    places = space.principal(found.matrix)[0].astype(np.float32)
    return pl.DataFrame({"row": found.rows, "x": places[:, 0], "y": places[:, 1]}).with_columns(
        vector_row=pl.int_range(pl.len(), dtype=pl.Int64)
    )


def topics(found: Vectors, candidates: pl.DataFrame, clean: StageFolder) -> tuple[pl.DataFrame, list[str]]:
    """`row` and `topic` (Int64) of every candidate with a vector, and the words that name each topic.

    The clusters are those of the report: of what reached selection (`random_rank` is not null), or, where that is nothing, of
    all. What was dropped before is of the nearest one.
    """
    mine = (
        pl.DataFrame({"row": found.rows})
        .with_row_index("place")
        .join(candidates.select("row", "id", "random_rank"), on="row", how="left", maintain_order="left")
    )
    pool = mine.filter(pl.col("random_rank").is_not_null())
    pool = (mine if pool.is_empty() else pool).sort("id")
    labels, k = space.clusters(found.matrix[pool["place"].to_numpy()], found.matrix)
    labelled = mine.with_columns(topic=pl.Series(labels))
    of_pool = labelled.join(pool.select("row"), on="row", how="semi")
    named = of_pool.filter(pl.col("random_rank").fill_null(0) <= space.NAMED).select("id", "topic")
    prompts = pl.concat(pl.read_parquet(part, columns=["id", "prompt"]).join(named, on="id") for part in clean.parts)
    terms = space.terms(prompts)
    return labelled.select("row", "topic"), [
        ", ".join(terms.get(number, [])[:3]) or "(no words in common)" for number in range(k)
    ]
