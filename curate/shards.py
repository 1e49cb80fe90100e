"""Rows gathered into part files, cut at the same rows whatever batches they came in."""

from pathlib import Path

import polars as pl

from curate import runs

# A shard is also closed at this size, so that a few very long texts do not make a huge one.
SHARD_BYTES = 256_000_000


class Shards:
    """Writes `<stem>-<n>.parquet` files of `shard_rows` rows (fewer where they would pass SHARD_BYTES) into `folder`.

    `rows` counts what was added. Nothing is complete before `close`.
    """

    def __init__(self, folder: Path, stem: str, schema: pl.Schema, shard_rows: int) -> None:
        self.folder, self.stem, self.schema, self.shard_rows = folder, stem, schema, shard_rows
        self.held: list[pl.DataFrame] = []
        self.rows = self.written = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows of the schema; whole shards are written at once."""
        if frame.schema != self.schema:
            raise AssertionError(f"a source yielded {frame.schema}, expected {self.schema}")
        self.rows += frame.height
        self.held.append(frame)
        while sum(held.height for held in self.held) >= self.shard_rows:
            joined = pl.concat(self.held)
            self._write(joined.head(self.shard_rows))
            self.held = [joined.slice(self.shard_rows)]

    def close(self) -> None:
        """Write what is left; no file where nothing ever came."""
        joined = pl.concat([self.schema.to_frame(), *self.held])
        if joined.height:
            self._write(joined)
        self.held = []

    def _write(self, frame: pl.DataFrame) -> None:
        # Long texts: cut further, always into equal halves, so that the cut depends on the rows alone.
        if frame.height > 1 and frame.estimated_size() > SHARD_BYTES:
            self._write(frame.head(frame.height // 2))
            self._write(frame.slice(frame.height // 2))
            return
        runs.write_parquet(self.folder / f"{self.stem}-{self.written:05}.parquet", frame)
        self.written += 1
