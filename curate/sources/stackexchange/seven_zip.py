"""A member of a `.7z` archive as a stream of bytes, decompressed once, in place, in bounded memory.

py7zr pushes a member's bytes into an object that it is given. A thread lets it push into a short queue, and a reader
pulls them out at its own pace.
"""

import lzma
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from queue import Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from curate.errors import InputError

if TYPE_CHECKING:
    import py7zr

MAGIC = b"7z\xbc\xaf\x27\x1c"
# Bytes handed over at a time, and how many such pieces may wait.
PIECE_BYTES = 4_000_000
QUEUE_LENGTH = 4

_DAMAGED = (lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, struct.error, IndexError, TypeError)


class Member(NamedTuple):
    """A file in an archive: its name there, and its size in bytes when unpacked."""

    name: str
    n_bytes: int


class _Closed(Exception):  # noqa: N818 - not an error: the reader has seen enough
    """Ends py7zr's work from inside a write."""


class Stream:
    """The bytes of a member, for reading forward."""

    def __init__(self, pieces: "Queue[bytes | Exception | None]") -> None:
        self._pieces = pieces
        self._held: bytes | memoryview = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes, fewer only at the end. Raises InputError where the archive is damaged."""
        parts: list[bytes | memoryview] = []
        wanted = size
        while wanted:
            if not self._held:
                self._held = self._next()
                if not self._held:
                    break
            parts.append(self._held[:wanted])
            self._held = memoryview(self._held)[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)

    def drain(self) -> None:
        """Take what is still coming, so that the thread that sends it can end."""
        while not self._ended:
            self._ended = not isinstance(self._pieces.get(), bytes)

    def _next(self) -> bytes:
        if self._ended:
            return b""
        piece = self._pieces.get()
        if isinstance(piece, bytes):
            return piece
        self._ended = True
        if piece is not None:
            raise piece
        return b""


class _Sink:
    """What py7zr writes a member into (its Py7zIO protocol), and the factory that gives it out."""

    def __init__(self, pieces: "Queue[bytes | Exception | None]", closed: Event) -> None:
        self._pieces, self._closed = pieces, closed

    def create(self, _filename: str) -> "_Sink":
        return self

    def write(self, data: bytes | bytearray) -> int:
        for start in range(0, len(data), PIECE_BYTES):
            if self._closed.is_set():
                raise _Closed
            self._pieces.put(bytes(data[start : start + PIECE_BYTES]))
        return len(data)

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to do: the end of the member is told by the thread, after its checksum has been compared."""


def find_member(path: Path, name: str) -> Member | None:
    """The member of an archive whose last name is `name` (in any case), or None. Raises InputError as `open_member`."""
    with path.open("rb") as handle, _opened(path, handle) as archive:
        return _find(path, archive, name)


@contextmanager
def open_member(path: Path, name: str) -> Iterator[Stream]:
    """The bytes of the member whose last name is `name`, as something to `read` from.

    Leaving the context early stops the decompression. Raises InputError, naming the archive and the byte in it, where
    the archive is no 7z file, is truncated or encrypted, or holds no such member; and from `read` where its data are
    damaged or do not have the checksum that the archive states.
    """
    with path.open("rb") as handle, _opened(path, handle) as archive:
        member = _find(path, archive, name)
        if member is None:
            raise InputError(f"{path}: holds no {name}; expected an archive of one Stack Exchange site")
        pieces: Queue[bytes | Exception | None] = Queue(QUEUE_LENGTH)
        closed = Event()
        thread = Thread(target=_extract, args=(path, handle, archive, member, pieces, closed), daemon=True)
        thread.start()
        stream = Stream(pieces)
        try:
            yield stream
        finally:
            closed.set()
            stream.drain()
            thread.join()


def _extract(
    path: Path,
    handle: BinaryIO,
    archive: "py7zr.SevenZipFile",
    member: Member,
    pieces: "Queue[bytes | Exception | None]",
    closed: Event,
) -> None:
    from py7zr.exceptions import ArchiveError, CrcError

    # What the reader gets in place of the end, unless the end is reached.
    outcome: Exception | None = RuntimeError(f"{path}: decompression stopped; its own traceback says why")
    try:
        archive.extract(targets=[member.name], factory=_Sink(pieces, closed))  # type: ignore[arg-type] # same methods
        outcome = None
    except _Closed:
        outcome = None
    except CrcError:
        outcome = InputError(f"{path}: {member.name} does not have the checksum the archive states; fetch it again")
    except (ArchiveError, *_DAMAGED) as error:
        outcome = InputError(
            f"{path}: damaged before byte {handle.tell()}: {error or type(error).__name__}; fetch it again"
        )
    finally:
        pieces.put(outcome)


@contextmanager
def _opened(path: Path, handle: BinaryIO) -> Iterator["py7zr.SevenZipFile"]:
    import py7zr
    from py7zr.exceptions import ArchiveError, PasswordRequired

    _check_length(path, handle)
    try:
        archive = py7zr.SevenZipFile(handle)
    except PasswordRequired as error:
        raise InputError(f"{path}: the archive is encrypted; unpack it first") from error
    except (ArchiveError, *_DAMAGED) as error:
        raise InputError(f"{path}: the list of members is damaged (before byte {handle.tell()}): {error}") from error
    with archive:
        if archive.needs_password():
            raise InputError(f"{path}: the archive is encrypted; unpack it first")
        yield archive


def _check_length(path: Path, handle: BinaryIO) -> None:
    """Raise InputError where a file is not 7z, or ends before its list of members, which stands last.

    The first 32 bytes hold the signature, and where that list begins and its length (7zFormat.txt of the LZMA SDK,
    SignatureHeader).
    """
    start = handle.read(32)
    n_bytes = handle.seek(0, 2)
    handle.seek(0)
    if not MAGIC.startswith(start[: len(MAGIC)]):
        raise InputError(f"{path}: begins with {start[:6]!r}; expected a 7z archive")
    begin, length = struct.unpack_from("<QQ", start, 12) if len(start) == 32 else (0, 1)
    expected = 32 + begin + length
    if n_bytes < expected:
        raise InputError(f"{path}: truncated: ends at byte {n_bytes} of {expected}; fetch it again")


def _find(path: Path, archive: "py7zr.SevenZipFile", name: str) -> Member | None:
    found = [
        Member(entry.filename, entry.uncompressed)
        for entry in archive.list()
        if not entry.is_directory and PurePosixPath(entry.filename).name.lower() == name.lower()
    ]
    if len(found) > 1:
        names = ", ".join(member.name for member in found)
        raise InputError(f"{path}: holds {len(found)} members named {name} ({names}); expected one site an archive")
    return found[0] if found else None
