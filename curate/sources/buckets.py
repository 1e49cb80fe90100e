"""Rows set apart by a number, in memory or on disk, so that a join holds one part of each side at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl


class Buckets:
    """Frames of one schema, split over `n` buckets by a whole number modulo `n`.

    One bucket stays in memory; more are Arrow stream files in `folder`, one each, compressed with LZ4. Rows keep their
    order. Use `opened`.
    """

    def __init__(self, folder: Path, schema: pl.Schema, by: pl.Expr, n: int) -> None:
        self._schema, self._by, self._n = schema, by, n
        self._folder = folder
        self._held: list[pl.DataFrame] = []
        self._paths = [folder / f"{bucket:03}.arrows" for bucket in range(n)] if n > 1 else []
        self._writers: list[Any] = []
        self._open_files = ExitStack()

    def add(self, frame: pl.DataFrame) -> None:
        """Put each row into its bucket."""
        if not self._paths:
            self._held.append(frame)
            return
        self._writers = self._writers or self._start()
        bucketed = frame.with_columns(bucket=self._by % self._n)
        for (bucket,), part in bucketed.partition_by("bucket", as_dict=True, include_key=False).items():
            for batch in part.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
                self._writers[bucket].write_batch(batch)

    def take(self, bucket: int) -> pl.DataFrame:
        """All rows of one bucket, which is then empty. No row can be added after the first call."""
        self._finish()
        if not self._paths:
            frames, self._held = self._held, []
            return pl.concat([self._schema.to_frame(), *frames])
        path = self._paths[bucket]
        if not path.exists():
            return self._schema.to_frame()
        frame = pl.read_ipc_stream(path)
        path.unlink()
        return frame

    def clear(self) -> None:
        """Close and remove the files."""
        self._finish()
        for path in self._paths:
            path.unlink(missing_ok=True)
        if self._writers:
            self._folder.rmdir()

    def _start(self) -> list[Any]:
        import pyarrow as pa

        self._folder.mkdir(parents=True)
        schema = self._schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        return [
            self._open_files.enter_context(
                pa.ipc.new_stream(self._open_files.enter_context(path.open("wb")), schema, options=options)
            )
            for path in self._paths
        ]

    def _finish(self) -> None:
        self._open_files.close()


@contextmanager
def opened(folder: Path, schema: pl.Schema, by: pl.Expr, n: int) -> Iterator[Buckets]:
    """Buckets whose files are gone when the context ends."""
    buckets = Buckets(folder, schema, by, n)
    try:
        yield buckets
    finally:
        buckets.clear()
