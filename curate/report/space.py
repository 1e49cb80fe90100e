"""Where examples lie among each other, from the vectors that the run has: a map, and topics with what is thin or missing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import corpus, runs

# Points drawn on the map, topics at most, prompts that name them.
POINTS, TOPICS, NAMED = 2_000, 24, 20_000
# Cells of the raster, down and across.
GRID = (66, 110)
# A topic is thin where it has less than half of the places that its share of the pool would give it, and those are not few.
THIN, FEW = 0.5, 3.0
PROMPT_CHARS = 400
# A word that a larger share of all prompts has sets nothing apart.
COMMON = 0.4
WORD = r"[\p{L}][\p{L}\p{M}'’-]+"
_STOP = (
    "a about above after again all also am an and any are as at be because been before being below between both but by can could"
    " did do does doing down during each few for from further had has have having he her here hers him his how i if in into is it"
    " its itself just like make me more most my myself no nor not now of off on once one only or other our ours out over own same"
    " she should so some such than that the their theirs them then there these they this those through to too two under until up"
    " use used using very was we were what when where which while who whom why will with would you your yours please following"
    " give given write get may must need question answer input output whats don't i'm it's let's"
)
STOP = _STOP.split()


def vectors(run: Path) -> tuple[pl.Series, np.ndarray] | None:
    """The ids of all rows that have a vector, sorted, and their unit vectors (n, d) float32, from the last stage that measured
    any; None where none did.
    """
    for folder in reversed(runs.stage_folders(run)):
        schema = pl.read_parquet_schema(folder.parts[0]) if folder.parts else {}
        if isinstance(schema.get("vector"), pl.Array):
            found = corpus.read(run, folder, ("vector",)).drop_nulls()
            return (found["id"], found["vector"].to_numpy()) if found.height > 2 else None
    return None


def map_of(ids: pl.Series, found: np.ndarray, kept: pl.DataFrame) -> dict[str, Any]:
    """The two directions in which the vectors differ most (principal components), as a raster of counts and the kept points.

    `examples`; `explained`, the shares of the variance; `grid`, rows of counts from top to bottom, numbers with spaces
    between; `points`: `x y` of each kept example (the first POINTS by rank) in the unit square; `kept`, how many there are.
    """
    places, explained = principal(found)
    order = kept.select("id", "rank").join(ids.to_frame("id").with_row_index("row"), on="id").sort("rank")
    bins = [np.linspace(0, 1, edges + 1) for edges in GRID]
    grid = np.histogram2d(places[:, 1], places[:, 0], bins=bins)[0].astype(int)[::-1]
    points = places[order["row"].to_numpy()[:POINTS]]
    return {
        "examples": len(found),
        "kept": order.height,
        "explained": [round(share, 4) for share in explained],
        "grid": [" ".join(map(str, row)) for row in grid.tolist()],
        "points": [f"{x:.3f} {y:.3f}" for x, y in points.tolist()],
    }


def principal(found: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The first two principal components, (n, 2) in the unit square (98 % of each axis inside, the rest at its edge)."""
    centred = found - found.mean(axis=0, dtype=np.float64).astype(np.float32)
    values, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    two = axes[:, [-1, -2]]
    # An axis has no direction of its own: its largest part points upwards.
    two *= np.sign(two[np.abs(two).argmax(axis=0), [0, 1]])
    places = centred @ two.astype(np.float32)
    low, high = np.percentile(places, [1, 99], axis=0)
    room = np.maximum(high - low, 1e-9) * 0.04
    inside = np.clip((places - low + room) / (high - low + 2 * room), 0, 1)
    return inside, (values[[-1, -2]] / max(values.sum(), 1e-12)).tolist()


def topics(
    run: Path, pool: pl.DataFrame, kept: pl.DataFrame, with_vectors: tuple[pl.Series, np.ndarray] | None
) -> dict[str, Any]:
    """What `pool` (`id`, `random_rank`: what reached selection) is about, and how much of each topic is `kept` (`id`).

    `of`: `clusters` (spherical k-means of the vectors) or `strata` (where there are none); `topics`: rows `name` (its terms, or
    the stratum's name and its terms), `terms`, `candidates`, `kept`, `fair` (the places that its share of the pool would give
    it), `state` (`missing`, `thin` or null), and of clusters `x`, `y` on the map. Largest first.
    """
    if with_vectors is None or pool.join(with_vectors[0].to_frame("id"), on="id", how="semi").is_empty():
        label, places, kind = _strata(run, pool), None, "strata"
    else:
        label, places = _clusters(*with_vectors, pool)
        kind = "clusters"
    size = pool.join(kept.select("id"), on="id", how="semi").height
    members = label.join(kept.select("id", kept=True), on="id", how="left")
    counted = members.group_by("topic").agg(candidates=pl.len(), kept=pl.col("kept").fill_null(value=False).sum())
    naming = _terms(run, label.join(pool.filter(pl.col("random_rank") <= NAMED), on="id", how="semi"))
    rows = []
    for row in counted.sort(["candidates", "topic"], descending=[True, False]).to_dicts():
        fair = row["candidates"] / max(label.height, 1) * size
        found = naming.get(row["topic"], [])
        words = ", ".join(found[:3]) or "(no words in common)"
        name = words if kind == "clusters" else f"{row['topic']}: {words}"
        place = dict(zip("xy", places[int(row["topic"])], strict=True)) if places is not None else {}
        counts = {"candidates": row["candidates"], "kept": row["kept"], "fair": round(fair, 1)}
        rows.append({"name": name, "terms": found, **counts, "state": _state(row["kept"], fair), **place})
    return {"of": kind, "topics": rows}


def _state(kept: int, fair: float) -> str | None:
    if kept == 0 and fair >= 1:
        return "missing"
    return "thin" if fair >= FEW and kept < THIN * fair else None


def _strata(run: Path, pool: pl.DataFrame) -> pl.DataFrame:
    files = runs.stage_folders(run)[1].parts
    found = pl.scan_parquet(files).select("id", "source", "stratum").collect()
    named = pl.concat_str("source", pl.col("stratum"), separator="/", ignore_nulls=True)
    return pool.select("id").join(found, on="id", how="left").select("id", topic=named)


def _clusters(ids: pl.Series, found: np.ndarray, pool: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[float, float]]]:
    """The cluster of each row of the pool that has a vector (`id`, `topic`), and where each lies on the map."""
    rows = ids.to_frame("id").with_row_index("row").join(pool.select("id"), on="id", how="semi", maintain_order="left")
    mine = np.ascontiguousarray(found[rows["row"].to_numpy()])
    labels, k = clusters(mine, mine)
    on_map = principal(found)[0][rows["row"].to_numpy()]
    middles = [
        on_map[labels == number].mean(axis=0) if (labels == number).any() else np.zeros(2) for number in range(k)
    ]
    topic = pl.Series("topic", labels).cast(pl.String)
    return rows.select("id").with_columns(topic), [(round(float(x), 3), round(float(y), 3)) for x, y in middles]


def clusters(of: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """The cluster of each of `rows` (m, d), (m,) int64, by spherical k-means of `of` (n, d), and how many there are."""
    import faiss

    k = min(TOPICS, max(4, round(math.sqrt(len(of) / 8))), len(of))
    means = faiss.Kmeans(of.shape[1], k, niter=20, spherical=True, seed=1, min_points_per_centroid=1)
    means.train(np.ascontiguousarray(of))
    return means.index.search(np.ascontiguousarray(rows), 1)[1][:, 0].astype(np.int64), k


def _terms(run: Path, label: pl.DataFrame) -> dict[str, list[str]]:
    """The words that set each topic apart, of the rows of `label` (`id`, `topic`)."""
    parts = runs.stage_folders(run)[1].parts
    return terms(
        pl.concat(pl.read_parquet(path, columns=["id", "prompt"]).join(label, on="id", how="inner") for path in parts)
    )


def terms(prompts: pl.DataFrame, most: int = 6) -> dict[Any, list[str]]:
    """The words of the prompts (`topic`, `prompt`) that set each topic apart: tf log(1 + A / f), tf the share of the topic's
    prompts with the word, f the prompts with it over all topics, A the mean number of different words of a topic (class-based tf-idf, Grootendorst
    2022, equation 2, counting each word once a prompt). Words of one prompt alone name nothing, where there are others, nor do
    those that most prompts have.
    """
    words = pl.col("prompt").fill_null("").str.slice(0, PROMPT_CHARS).str.to_lowercase().str.extract_all(WORD)
    each = prompts.select("topic", word=words.list.unique()).explode("word").drop_nulls()
    each = each.filter(~pl.col("word").is_in(STOP) & pl.col("word").str.len_chars().is_between(3, 24))
    counts = each.group_by("topic", "word").agg(n=pl.len())
    if counts.is_empty():
        return {}
    mean = counts["n"].sum() / counts["topic"].n_unique()
    sizes = prompts.group_by("topic").agg(prompts=pl.len())
    scored = counts.join(sizes, on="topic").with_columns(
        score=pl.col("n") / pl.col("prompts") * (1 + mean / pl.col("n").sum().over("word")).log()
    )
    rare = (pl.col("n") > 1) | (pl.col("n").max().over("topic") == 1)
    common = pl.col("n").sum().over("word") > COMMON * prompts.height
    scored = scored.filter(rare & (~common | (sizes.height == 1)))
    best = scored.sort(["topic", "score", "word"], descending=[False, True, False]).group_by(
        "topic", maintain_order=True
    )
    return dict(best.agg(pl.col("word").head(most)).iter_rows())
