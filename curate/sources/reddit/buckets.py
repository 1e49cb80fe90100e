"""An external partition: frames of several kinds are split by a key and come back one part at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.files import COMPRESSIONS

# Text in one part; joining takes several times as much memory.
PART_BYTES = 2**25
# Compressed, Reddit's JSON is about a tenth of its size, and the fields that are read make up about half of it.
EXPANSION = dict.fromkeys(COMPRESSIONS, 6)
# Every part keeps one file per kind open while the dumps are read. A month of all Reddit (20 GB) fills larger parts.
MAX_PARTS = 256


def n_parts(files: Sequence[Path]) -> int:
    """How many parts keep each of them within PART_BYTES of memory, by the size of the files."""
    expected = sum(file.stat().st_size * EXPANSION.get(file.suffix.lower(), 1) for file in files)
    return min(MAX_PARTS, 1 + expected // PART_BYTES)


class Partition:
    """Frames of several kinds, split by their column `link`: rows with the same `link` are in the same part.

    One part stays in memory; more are Arrow streams in `scratch`, removed as they are read. `close` closes them.
    """

    def __init__(self, scratch: Path, n_parts: int) -> None:
        self._scratch = scratch
        self._n_parts = n_parts
        self._held: dict[str, list[pl.DataFrame]] = {}
        self._writers: dict[tuple[str, int], Any] = {}

    def add(self, kind: str, frame: pl.DataFrame) -> None:
        """Take a frame; all frames of a kind have the same columns."""
        frames = self._held.setdefault(kind, [])
        frames.append(frame)
        # Split as much as a part may hold at a time, so that the pieces written are few.
        if self._n_parts > 1 and sum(frame.estimated_size() for frame in frames) > PART_BYTES:
            self._spill(kind)

    def parts(self) -> Iterator[dict[str, pl.DataFrame]]:
        """The parts that hold anything, one after the other, each by kind."""
        if self._n_parts == 1:
            yield {kind: pl.concat(frames) for kind, frames in self._held.items()}
            return
        for kind in list(self._held):
            self._spill(kind)
        self.close()
        for part in sorted({part for _, part in self._writers}):
            paths = {kind: self._path(kind, number) for kind, number in self._writers if number == part}
            yield {kind: pl.read_ipc_stream(path) for kind, path in paths.items()}
            for path in paths.values():
                path.unlink()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _spill(self, kind: str) -> None:
        import pyarrow as pa

        # Ids are counted up in base 36, so the remainder spreads them evenly.
        part_of = (pl.col("link").str.to_integer(base=36, strict=False).fill_null(0) % self._n_parts).alias("part")
        frame = pl.concat(self._held.pop(kind))
        for (part,), rows in sorted(
            frame.with_columns(part_of).partition_by("part", as_dict=True, include_key=False).items()
        ):
            table = rows.to_arrow()
            if (kind, part) not in self._writers:
                options = pa.ipc.IpcWriteOptions(compression="zstd")
                self._writers[kind, part] = pa.ipc.new_stream(self._path(kind, part), table.schema, options=options)
            self._writers[kind, part].write_table(table)

    def _path(self, kind: str, part: int) -> Path:
        return self._scratch / f"{kind}-{part:03}.arrow"
