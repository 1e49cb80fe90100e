"""JSON records of a file, one at a time: lines, a top-level array, or objects one after the other."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import orjson
import polars as pl

from curate.errors import InputError
from curate.files.streams import chunks, open_stream

T = TypeVar("T")

BLOCK = 2**20
FRAME_BLOCK = 2**23
# A longer record is a mistake about the form of the file (an array read as lines, a quote that never closes).
MAX_RECORD = 2**28

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


class Unreadable(NamedTuple):
    """Stands where a record should be: why it could not be read."""

    reason: str


Numbered = tuple[int, dict[str, Any] | Unreadable]


def json_lines(path: Path) -> Iterator[Numbered]:
    """(line number from 1, object) of each line that is not blank; a bad line is `Unreadable` and reading goes on.

    NaN and infinities become None, lone surrogates U+FFFD, a byte-order mark is skipped. Raises InputError where the
    file is truncated (also in the middle of its last line) or a line is longer than 256 MiB.
    """
    number = 0
    for block, ended in line_blocks(path):
        lines = block.split(b"\n")
        # One handler for a whole block: lines that are all good, the usual case, cost nothing extra.
        try:
            values = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError:
            values = [_line(path, number + i, line, ended=ended) for i, line in enumerate(lines, start=1)]
        for value in values:
            number += 1
            if type(value) is dict:
                yield number, value
            elif value is not _BLANK:
                yield number, value if isinstance(value, Unreadable) else _not_an_object(value)


def json_frames(path: Path, columns: Sequence[str]) -> Iterator[tuple[pl.DataFrame, list[tuple[int, Unreadable]]]]:
    """`json_lines` as frames: `position` (Int64, the line number) and `columns` as text, and the unreadable lines.

    Every value becomes text, whatever its type in the file (`5` and `"5"` are equal, a list is its JSON, missing is
    null), so a field that changed its type over the years still reads as one column. Errors as in `json_lines`.
    """
    schema = dict.fromkeys(columns, pl.String)
    number = 0
    for block, ended in _ahead(line_blocks(path, FRAME_BLOCK)):
        n_lines = block.count(b"\n") + 1
        frame = _frame(block, schema)
        unreadable: list[tuple[int, Unreadable]] = []
        positions: Sequence[int] = range(number + 1, number + n_lines + 1)
        if frame is None or frame.height != n_lines:
            good = []
            for position, line in zip(positions, block.split(b"\n"), strict=True):
                value = _line(path, position, line, ended=ended)
                if type(value) is dict:
                    good.append((position, orjson.dumps(value)))
                elif value is not _BLANK:
                    unreadable.append((position, value if isinstance(value, Unreadable) else _not_an_object(value)))
            positions = [position for position, _ in good]
            frame = pl.read_ndjson(b"\n".join(line for _, line in good), schema=schema)
        yield frame.select(pl.Series("position", positions, pl.Int64), *columns), unreadable
        number += n_lines


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """`items`, the next of them being made in a thread while one is used: decompression leaves the other core alone."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def line_blocks(path: Path, size: int = BLOCK) -> Iterator[tuple[bytes, bool]]:
    """Blocks of whole lines of about `size` bytes, without the newline at their end.

    True beside the block that is the rest of the file after its last newline. Raises InputError where a line is longer
    than 256 MiB, and as `open_stream`.
    """
    held: list[bytes] = []
    n_held = 0
    for chunk in chunks(path):
        held.append(chunk)
        n_held += len(chunk)
        if n_held < size or (cut := chunk.rfind(b"\n")) < 0:
            if n_held > MAX_RECORD:
                raise InputError(
                    f"{path}: a line is longer than {MAX_RECORD:,} bytes; is this one JSON value, not lines?"
                )
            continue
        held[-1] = chunk[:cut]
        yield b"".join(held), False
        held, n_held = [chunk[cut + 1 :]], len(chunk) - cut - 1
    rest = b"".join(held)
    # The last newline closes a line and begins none.
    if rest:
        block, newline, last = rest.rpartition(b"\n")
        if newline:
            yield block, False
        if last:
            yield last, True


def json_array(path: Path) -> Iterator[Numbered]:
    """(record number from 1, object) of a top-level array, or of one or more top-level objects one after the other.

    The text goes through a sliding buffer: the standard decoder reads one value from its start, and where that fails
    the buffer is first doubled and tried again, so memory is bounded by the largest record and a value is parsed at
    most twice over. NaN and infinities become None. After a syntax error there is no telling where the next record
    begins, so that is an InputError naming record and character, as is a record above 256 MiB or a file that ends early.
    """
    with open_stream(path) as stream:
        window = _Window(path, stream)
        is_array = window.peek() == "["
        if is_array:
            window.skip("[")
        number = 0
        while (char := window.peek()) and not (is_array and char == "]"):
            if number and is_array:
                window.skip(",")
            number += 1
            value = window.value(number)
            yield number, value if isinstance(value, dict) else _not_an_object(value)
        if is_array:
            window.skip("]")
            if window.peek():
                raise InputError(f"{path}: something follows the end of the array at character {window.position}")


def loads(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value, leniently: NaN and infinities are None, lone surrogates U+FFFD; `Unreadable` where it is not JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        value = _DECODER.decode(data.decode("utf-8-sig"))
        return orjson.loads(_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except UnicodeDecodeError as error:
        return Unreadable(f"not UTF-8 at byte {error.start + 1} of the record")
    except json.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error.msg} at character {error.pos + 1}")
    except RecursionError:
        return Unreadable("not readable: nested too deep")


_BLANK = object()
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


def _line(path: Path, number: int, line: bytes, *, ended: bool) -> Any:  # noqa: ANN401 - any JSON value
    if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
    if not line.strip():
        return _BLANK
    value = loads(line)
    if ended and isinstance(value, Unreadable) and _breaks_off(line):
        raise InputError(f"{path}: truncated: line {number}, the last, breaks off in the middle. Fetch the file again")
    return value


def _breaks_off(line: bytes) -> bool:
    """Whether `line` could be the beginning of something valid, perhaps cut within a character."""
    try:
        orjson.loads(line.decode("utf-8", "ignore"))
    except orjson.JSONDecodeError as error:
        return error.msg == "unexpected end of data"
    return False


def _frame(block: bytes, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
    """The lines of a block as a frame, or None where one of them is not a JSON object that polars reads as orjson does."""
    try:
        frame = pl.read_ndjson(block, schema=schema)
    except pl.exceptions.ComputeError:
        return None
    # Polars reads an escaped half of a surrogate pair as NUL.
    has_nul = frame.select(pl.any_horizontal(pl.all().str.contains("\0", literal=True).any())).item()
    return None if has_nul else frame


def _not_an_object(value: object) -> Unreadable:
    return Unreadable(f"the record is {type(value).__name__}, not an object with named fields")


class _Window:
    """A stream of JSON text of which only the part being decoded is held."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False

    @property
    def position(self) -> int:
        """Characters passed, from 1."""
        return self._passed + self._at + 1

    def peek(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self, char: str) -> None:
        """Pass `char`, which must come next."""
        found = self.peek()
        if found != char:
            problem = f"expected {char!r}, found {found!r}" if found else "truncated: the file ends inside the array"
            raise InputError(f"{self._path}: not valid JSON at character {self.position}: {problem}")
        self._at += 1

    def value(self, number: int) -> Any:  # noqa: ANN401 - any JSON value
        """The next value, record `number` of the file."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise InputError(f"{self._path}: record {number} is nested too deep to be read") from error
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                what = (
                    "truncated"
                    if error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterm")
                    else "not valid JSON"
                )
                where = f"record {number}, character {self._passed + error.pos + 1}"
                raise InputError(f"{self._path}: {what}: {error.msg} ({where})") from error
            # A number or a literal at the end of the buffer may go on in the next block.
            if end == len(self._text) and not isinstance(value, str | dict | list) and self._more():
                continue
            text, self._at = self._text[self._at : end], end
            return loads(text.encode()) if _SURROGATE_ESCAPE.search(text) else value

    def _more(self) -> bool:
        """Drop what is passed and read as much again as is held; False at the end of the file."""
        rest = self._text[self._at :]
        if self._ended:
            return False
        if len(rest) > MAX_RECORD:
            raise InputError(
                f"{self._path}: not valid JSON, or one record longer than {MAX_RECORD:,} characters, at character {self.position}"
            )
        data = self._stream.read(max(BLOCK, len(rest)))
        try:
            text = self._decode.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path}: not UTF-8 after character {self._passed + len(self._text)}: {error.reason}"
            ) from error
        self._passed += self._at
        self._ended = not data
        self._text, self._at = rest + text, 0
        return True
