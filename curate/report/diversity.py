"""How diverse the chosen set is, beside a random and a longest set of the same size from the same pool."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import corpus, runs
from curate.diversity import compare

# Larger sets are measured on their first ranks: every prefix of a ranking is a fair set of its kind.
MOST = 5_000
RANKS = {"chosen": "rank", "random": "random_rank", "longest": "longest_rank"}


def measured(run: Path) -> dict[str, Any]:
    """`examples` (how many of each set were measured), `pool` (how many they were chosen from) and `rows`: `set`, `measure`,
    `value`, `low`, `high` (see curate.diversity.compare), `about` (what the measure is).

    Measures on vectors are there where the run has vectors. Where all of the pool was kept, there is one set.
    """
    folders = runs.stage_folders(run)
    ranks = pl.read_parquet(folders[-1].scores).sort("id")
    kept = ranks.height - pl.read_parquet(folders[-1].verdicts, columns=["id"])["id"].n_unique()
    size = min(kept, MOST)
    names = ["chosen"] if kept == ranks.height <= MOST else list(RANKS)
    wanted = ranks.filter(pl.any_horizontal(pl.col(RANKS[name]) <= size for name in names))
    texts = _texts(run, wanted["id"])
    # Those whose texts are needed come first, so that the others are nothing but vectors.
    order = pl.concat([wanted, ranks.join(wanted, on="id", how="anti", maintain_order="left")])
    sets = {name: _first(wanted, RANKS[name], size) for name in names}
    vectors = _vectors(run, folders, order["id"])
    if vectors is not None and len(vectors) != order.height:
        vectors = None
    rows = compare.compare(vectors, texts, sets).to_dicts()
    about = compare.MEASURES
    return {"examples": size, "pool": ranks.height, "rows": [{**row, "about": about[row["measure"]]} for row in rows]}


def _first(wanted: pl.DataFrame, rank: str, size: int) -> np.ndarray:
    return wanted.select((pl.col(rank) <= size).arg_true()).to_series().to_numpy()


def _texts(run: Path, ids: pl.Series) -> pl.DataFrame:
    """What the measures on texts read, in the order of `ids`."""
    columns = ("id", "prompt", "response", "source", "stratum")
    found = pl.concat(
        pl.read_parquet(path, columns=list(columns)).filter(pl.col("id").is_in(ids.implode()))
        for path in runs.stage_folders(run)[1].parts
    )
    return ids.to_frame().join(found, on="id", how="left", maintain_order="left")


def _vectors(run: Path, folders: list[runs.StageFolder], ids: pl.Series) -> np.ndarray | None:
    """The vectors (n, d) of these rows in their order, from the last stage that measured any; None where a row has none."""
    for folder in reversed(folders):
        schema = pl.read_parquet_schema(folder.parts[0]) if folder.parts else {}
        if isinstance(schema.get("vector"), pl.Array):
            found = corpus.read(run, folder, ("vector",))
            ours = ids.to_frame().join(found, on="id", how="left", maintain_order="left")["vector"]
            return None if ours.null_count() else ours.to_numpy()
    return None
