"""What was expensive to compute, kept for the next run: bytes by key, in one SQLite file a kind of value.

Keys are hashes of everything the value depends on (text, model, settings), so nothing here is ever out of date, only
unused: the folder may be deleted at any time. It is `$LAPIDARY_CACHE`, or `lapidary` below `$XDG_CACHE_HOME` or
`~/.cache`. Several processes may use one file at once.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from curate.errors import RunError

# How long a process waits for another's write before it gives up.
BUSY_SECONDS = 60
# SQLite takes 32,766 parameters in one statement.
CHUNK = 10_000


def folder() -> Path:
    """Where caches are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("LAPIDARY_CACHE") or Path(home) / "lapidary").expanduser()


def key(*parts: str) -> bytes:
    """16 bytes that stand for these strings, in this order."""
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.digest()


def get(name: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The values of those keys that the cache `name` holds. Raises RunError where its file is no cache."""
    found: dict[bytes, bytes] = {}
    if not _file(name).exists():
        return found
    with _open(name) as connection:
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            marks = ",".join("?" * len(chunk))
            found.update(connection.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", chunk))  # noqa: S608 - only question marks
    return found


def put(name: str, items: Iterable[tuple[bytes, bytes]]) -> None:
    """Keep these values; a key that is there already keeps its first value. All of them or none, safe against a crash.

    Raises RunError where the cache cannot be written.
    """
    with _open(name) as connection, connection:
        connection.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", items)


def _file(name: str) -> Path:
    return folder() / f"{name}.sqlite"


@contextlib.contextmanager
def _open(name: str) -> Iterator[sqlite3.Connection]:
    path = _file(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            write_ahead(connection)
            connection.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            yield connection
    except (OSError, sqlite3.DatabaseError) as error:
        raise RunError(
            f"{path}: the cache cannot be used ({error}). Delete the file, or name another folder with LAPIDARY_CACHE."
        ) from error


def write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to a write-ahead log. SQLite waits for other processes everywhere but here.

    Raises sqlite3.OperationalError where another process keeps the file locked for BUSY_SECONDS.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
