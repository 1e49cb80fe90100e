"""A file of JSON lines that grows while work goes on: whole lines are safe, whatever ends the process."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from curate import runs
from curate.errors import InputError, RunError

Row = dict[str, Any]
Append = Callable[[Sequence[Row]], None]


def rows(path: Path, fields: Sequence[str] = ()) -> list[Row]:
    """The whole lines of a file; none where it does not exist. A last line that a kill cut in two is left out.

    Raises InputError where a line is not a JSON object with these `fields`: the file is another one than was meant.
    """
    if not path.exists():
        return []
    found = []
    # Lines end at "\n" and nowhere else: U+2028 is a character of an answer.
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: not JSON: {error}; mend or remove this line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: expected one JSON object a line")
        lacking = [name for name in fields if name not in row]
        if lacking:
            raise InputError(
                f"{path}:{number}: no {', '.join(lacking)}: this file was not written here. Take another --out"
            )
        found.append(row)
    return found


def write(path: Path, new: Sequence[Row]) -> None:
    """Replace the file by these rows, all at once."""
    runs.write_atomically(path, lambda handle: handle.write(b"".join(map(_line, new))))


@contextmanager
def appending(path: Path) -> Iterator[Append]:
    """A function that adds rows to the file, safe from the process's end when it returns, and at last on disk.

    A broken last line is cut off first.
    """
    with runs.clear_write_errors(path), path.open("ab+") as handle:
        handle.seek(0)
        handle.truncate(handle.read().rfind(b"\n") + 1)

        def append(new: Sequence[Row]) -> None:
            handle.write(b"".join(map(_line, new)))
            # Out of the process: what a kill cannot take back. Only a power cut could.
            handle.flush()

        try:
            yield append
        finally:
            os.fsync(handle.fileno())


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file against other processes. Raises RunError where another holds it; the kernel drops it with the process."""
    lock = path.with_name(f".{path.name}.lock")
    with runs.clear_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("a+")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{path}: another process is writing to it. Wait for it, or write to another --out"
            ) from error
        # The empty lock file stays: were it removed, two processes could each hold one of that name.
        yield


def _line(row: Row) -> bytes:
    return orjson.dumps(row) + b"\n"
