"""All rows of a run at once, but only their numbers: what deciding and reporting read."""

from pathlib import Path

import polars as pl

from curate import runs
from curate.runs import StageFolder


def read(run: Path, folder: StageFolder, needs: tuple[str, ...]) -> pl.DataFrame:
    """`id` and the columns `needs` of every row that reached this stage, sorted by id.

    A column comes from the latest stage that measured it or has it among its scores. Text columns are refused: deciding is for
    numbers.
    """
    own = _columns(folder.parts)
    corpus = pl.scan_parquet(folder.parts).select("id", *[name for name in needs if name in own]).collect()
    for earlier in reversed(runs.stage_folders(run)[: folder.number]):
        for files in ([earlier.scores] if earlier.scores.exists() else [], earlier.parts):
            missing = [name for name in needs if name not in corpus.columns and name in _columns(files)]
            if missing:
                columns = pl.scan_parquet(files).select("id", *missing).collect()
                corpus = corpus.join(columns, on="id", how="left")
    return corpus.select("id", *needs).sort("id")


def _columns(files: list[Path]) -> list[str]:
    return list(pl.read_parquet_schema(files[0])) if files else []
