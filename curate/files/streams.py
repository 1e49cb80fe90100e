"""Bytes of a file, whatever it is compressed with, and never less than all of them."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

from curate.errors import InputError

# Pushshift compresses with `zstd --long=31`; the library refuses windows above 2^27 unless told otherwise.
ZSTD_WINDOW = 2**31
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
# Compressed bytes are decoded in small pieces, so that a stream of zeros cannot expand into all the memory at once.
PIECE = 2**14
BUFFER = 2**20

DECODING_ERRORS = (zlib.error, OSError, lzma.LZMAError, zstandard.ZstdError, EOFError, ValueError)


class Sniff(NamedTuple):
    """What a source makes of a file: its kind and form, records looked at, how many fit, and a remark."""

    kind: str
    form: str
    rows: int
    covered: int
    detail: str


class _Decoder(Protocol):
    """What zlib, bz2, lzma and zstandard have in common: decodes one stream and keeps what follows it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def open_stream(path: Path) -> BinaryIO:
    """The decoded bytes of a plain, gzip, bzip2, xz or Zstandard file, as a buffered reader to be closed by the caller.

    The compression is recognised by the first bytes, never by the name. Several streams or frames one after the other
    read as one; zstd windows up to 2 GiB are accepted. Raises InputError where the file cannot be opened, and while
    reading where the compressed data is corrupt or ends early: `zstandard.stream_reader` would end in silence there.
    """
    handle, found = _open(path)
    if found is None:
        return handle
    name, new_decoder = found
    return io.BufferedReader(_Chunks(_decode(path, handle, name, new_decoder), handle), BUFFER)


def read_text(path: Path) -> str:
    """The text of a whole file, line ends as `\\n`. Opened as by `open_stream`; InputError where it is not UTF-8, too."""
    with io.TextIOWrapper(open_stream(path), "utf-8-sig") as stream:
        try:
            return stream.read()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start:,}. Save it as UTF-8") from error


def chunks(path: Path) -> Iterator[bytes]:
    """The decoded bytes in the pieces in which they come, for readers that would only copy a buffer. As `open_stream`."""
    handle, found = _open(path)
    with handle:
        if found is None:
            while piece := handle.read(BUFFER):
                yield piece
        else:
            name, new_decoder = found
            yield from _decode(path, handle, name, new_decoder)


def _open(path: Path) -> tuple[io.BufferedReader, tuple[str, Callable[[], _Decoder]] | None]:
    try:
        handle = path.open("rb")
        return handle, _compression(handle.peek(6)[:6])
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened: {error.strerror or error}. Check the path and its permissions"
        ) from error


def expand(path: Path, suffixes: Sequence[str] = ()) -> list[Path]:
    """The file itself, or all files below a folder whose name ends in one of `suffixes`, sorted by path.

    A compression suffix after it is allowed (`.json` also finds `.json.zst`); case does not matter; no suffixes means
    every file. Hidden files are left out. Raises InputError where the path does not exist or the folder has no such file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder. Check the path in the recipe")
    wanted = tuple(suffix.lower() for suffix in suffixes)
    found = [
        file
        for file in path.rglob("*")
        if file.is_file()
        and not file.name.startswith(".")
        and (not wanted or plain_name(file).lower().endswith(wanted))
    ]
    if not found:
        expected = f"a file ending in {', '.join(wanted)} (or one of these compressed)" if wanted else "files"
        raise InputError(f"{path}: the folder holds nothing to read; expected {expected}")
    return sorted(found, key=lambda file: file.relative_to(path).parts)


def plain_name(path: Path) -> str:
    """The name of a file without its compression suffix.

    >>> plain_name(Path("raw/RC_2011-03.zst"))
    'RC_2011-03'
    """
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def _compression(magic: bytes) -> tuple[str, Callable[[], _Decoder]] | None:
    if magic[:2] == b"\x1f\x8b":
        return "gzip", lambda: zlib.decompressobj(wbits=31)
    if magic[:3] == b"BZh":
        return "bzip2", bz2.BZ2Decompressor
    if magic[:6] == b"\xfd7zXZ\x00":
        return "xz", lzma.LZMADecompressor
    # The second form is a skippable frame, with which parallel compressors begin (RFC 8878, section 3.1.2).
    if magic[:4] == b"\x28\xb5\x2f\xfd" or (
        len(magic) >= 4 and magic[0] & 0xF0 == 0x50 and magic[1:4] == b"\x2a\x4d\x18"
    ):
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        return "zstd", decompressor.decompressobj
    return None


def _decode(path: Path, handle: BinaryIO, name: str, new_decoder: Callable[[], _Decoder]) -> Iterator[bytes]:
    decoder: _Decoder | None = None
    while data := handle.read(PIECE):
        while data:
            if decoder is None:
                # gzip and xz allow zeros as padding between streams.
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = new_decoder()
            try:
                decoded = decoder.decompress(data)
            except DECODING_ERRORS as error:
                raise InputError(
                    f"{path}: corrupt {name} data before byte {handle.tell()}: {error}. Fetch the file again"
                ) from error
            if decoded:
                yield decoded
            data = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise InputError(f"{path}: truncated: the {name} data breaks off at byte {handle.tell()}. Fetch the file again")


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file: the standard library's own way to give an iterator a `read` is to derive from this."""

    def __init__(self, chunks: Iterator[bytes], handle: BinaryIO) -> None:
        self._chunks = chunks
        self._handle = handle
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        n = min(len(buffer), len(self._rest))
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n

    def close(self) -> None:
        self._handle.close()
        super().close()
