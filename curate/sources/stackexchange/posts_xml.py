"""The rows of a Stack Exchange `Posts.xml`, as frames: the regular ones all at once, the others by lxml.

A dump is one `<posts>` element with one empty `<row …/>` element per post. In XML the character `<` cannot stand inside
an attribute value, so a file can be cut at `<row` wherever its lines end. Rows as the dumps write them are read by
`xml_rows`; any other row is read by lxml on its own; and a file with other markup (comments, CDATA, a DOCTYPE, another
encoding, elements with content) is read by lxml from that place to its end. The values are the same on every path.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np
import polars as pl

from curate.errors import InputError
from curate.sources.stackexchange import xml_rows

if TYPE_CHECKING:
    from lxml import etree

# Bytes read at a time. Small enough for the memory of one block to serve the next: larger blocks are slower.
BLOCK_BYTES = 16_000_000
# The dumps' longest post is under 100 kB; without a limit, a file without rows would be gathered whole in memory.
MAX_ROW_BYTES = 256_000_000

PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml([^<>?]*)\?>)?\s*<posts\s*>")
ENCODING = re.compile(rb"encoding\s*=\s*[\"']([^\"']+)[\"']")
ASCII_COMPATIBLE = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
SPACE = re.compile(rb"\s*")
END = re.compile(rb"</posts\s*>\s*")
OTHER_MARKUP = re.compile(rb"<[!?/]")

# Characters that XML 1.0 (section 2.2) forbids, as themselves and as references.
FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    r"|&#0*(?:[0-8]|1[124-9]|2[0-9]|3[01]);|&#x0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]);"
)


class Readable(Protocol):
    """Anything to read bytes from: an open file, a member of an archive."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...


class Row(NamedTuple):
    """One row as lxml reads it: its attributes, or why it could not be read."""

    values: dict[str, str]
    problem: str | None


def read_rows(
    stream: Readable, name: str, attributes: tuple[str, ...], block_bytes: int = BLOCK_BYTES
) -> Iterator[pl.DataFrame]:
    """The rows of a `Posts.xml`, in order, as frames of about `block_bytes` of the file each.

    Columns: `position` (Int64, 1-based row number in the file), `problem` (String, why the row could not be read; null
    for nearly all), and each of `attributes` (String; null where the row lacks it or could not be read). Characters that
    XML forbids are dropped from the row that holds them. The frames do not depend on `block_bytes`, but for where they
    are cut.

    Raises InputError, naming the file `name` and the byte or line, where the file is empty, truncated, not XML outside
    of its rows, not a `<posts>` document, or declares entities.
    """
    head = stream.read(block_bytes)
    prolog = PROLOG.match(head)
    declared = ENCODING.search(prolog[1] or b"") if prolog else None
    if not head.strip():
        raise InputError(f"{name}: the file is empty; expected a Stack Exchange Posts.xml (`<posts>` with `<row …/>`s)")
    if prolog is None or (declared is not None and declared[1].lower() not in ASCII_COMPATIBLE):
        yield from _document(chain([head], _rest(stream, block_bytes)), name, attributes, huge_tree=False)
        return
    n_rows, n_bytes, n_lines = 0, prolog.end(), head.count(b"\n", 0, prolog.end())
    for block, cut, is_last in _blocks(head[prolog.end() :], stream, name, block_bytes):
        end = block.rfind(b"</posts") if is_last else cut
        if end < 0 and b"<!" not in block and b"</" not in block:
            lines = n_lines + block.count(b"\n")
            place = f"byte {n_bytes + len(block)}, line {lines + 1}"
            raise InputError(f"{name}: the file ends at {place} without </posts>; it is truncated: copy it again")
        is_regular = end >= 0 and (not is_last or END.fullmatch(block, end))
        frame = _parse(block, end, attributes) if is_regular else None
        if frame is None:
            following = chain([b"<posts>", block], _rest(stream, block_bytes))
            yield from _document(following, name, attributes, huge_tree=True, n_rows=n_rows, n_lines=n_lines)
            return
        yield frame.select(pl.int_range(1, pl.len() + 1).alias("position") + n_rows, "problem", *attributes)
        n_lines += int(np.count_nonzero(np.frombuffer(block, np.uint8, cut) == ord("\n")))
        n_rows, n_bytes = n_rows + frame.height, n_bytes + cut


def _rest(stream: Readable, block_bytes: int) -> Iterator[bytes]:
    while block := stream.read(block_bytes):
        yield block


def _blocks(head: bytes, stream: Readable, name: str, block_bytes: int) -> Iterator[tuple[bytes, int, bool]]:
    """The stream in blocks that begin at a `<row`: bytes, where the next block begins in them, whether it is the last."""
    pending = head
    for more in _rest(stream, block_bytes):
        # Only the newest row can be cut by the end of the block; `<row` itself may be cut too.
        pending += more
        cut = pending.rfind(b"<row")
        if cut > 0:
            yield pending, cut, False
            pending = pending[cut:]
        if len(pending) > MAX_ROW_BYTES:
            raise InputError(f"{name}: a row is longer than {MAX_ROW_BYTES:,} bytes; this is not a Posts.xml")
    yield pending, len(pending), True


def _parse(block: bytes, end: int, attributes: tuple[str, ...]) -> pl.DataFrame | None:
    """The rows of `block[:end]`: columns `problem` and `attributes`. None where it holds markup other than rows."""
    begin = SPACE.match(block, 0, end).end()  # type: ignore[union-attr] # it matches the empty text too
    if begin == end:
        return pl.DataFrame(schema=dict.fromkeys(("problem", *attributes), pl.String))
    if not block.startswith(b"<row", begin):
        return None
    if not xml_rows.is_utf8(block, begin, end):
        # Every row on its own, to find the one that holds the foreign byte.
        pieces = [b"<row" + piece for piece in block[begin:end].split(b"<row")[1:]]
        return None if any(map(OTHER_MARKUP.search, pieces)) else _by_lxml(pieces, attributes)
    rows = xml_rows.read(block, begin, end, attributes)
    if rows is None:
        return None
    values = rows.values.with_columns(problem=pl.lit(None, pl.String)).with_row_index("at")
    if not rows.irregular:
        return values
    odd = pl.Series("at", rows.irregular, dtype=values["at"].dtype)
    read = _by_lxml([rows.piece(block, row) for row in rows.irregular], attributes).insert_column(0, odd)
    regular = values.filter(~pl.col("at").is_in(odd.implode()))
    return pl.concat([regular.select(read.columns), read]).sort("at")


def _by_lxml(pieces: list[bytes], attributes: tuple[str, ...]) -> pl.DataFrame:
    """The rows that begin the `pieces`: columns `problem` and `attributes`."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(b"<posts>" + b"".join(pieces) + b"</posts>", parser)
        rows = [Row(_attributes(element), None) for element in root]
    except etree.XMLSyntaxError:
        rows = []
    if len(rows) != len(pieces):
        rows = [_row(piece) for piece in pieces]
    columns = {name: [row.values.get(name) for row in rows] for name in attributes}
    schema = dict.fromkeys(("problem", *attributes), pl.String)
    return pl.DataFrame({"problem": [row.problem for row in rows], **columns}, schema=schema)


def _row(piece: bytes) -> Row:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        return Row(_attributes(etree.fromstring(FORBIDDEN.sub("", piece.decode()).encode(), parser)), None)
    except UnicodeDecodeError as error:
        return Row({}, f"byte {error.start + 1} of the row, {piece[error.start]:#04x}, is not UTF-8")
    except etree.XMLSyntaxError as error:
        return Row({}, f"not well-formed XML: {error.msg}")


def _attributes(element: "etree._Element") -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _document(
    blocks: Iterable[bytes],
    name: str,
    attributes: tuple[str, ...],
    *,
    huge_tree: bool,
    n_rows: int = 0,
    n_lines: int = 0,
) -> Iterator[pl.DataFrame]:
    """The rows of a whole XML document by lxml, which also judges whether it is one.

    `n_rows` and `n_lines` came before it in the file. No network, no entities; `huge_tree` lifts libxml2's limits on
    long values, and with them its guard against entities that grow, so it is for texts that cannot hold a DOCTYPE.
    """
    from lxml import etree

    parser = etree.XMLPullParser(
        events=("end",),
        tag="row",
        no_network=True,
        resolve_entities=False,
        huge_tree=huge_tree,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for block in blocks:
            parser.feed(block)
            rows: list[dict[str, str]] = []
            events = cast("Iterator[tuple[str, etree._Element]]", parser.read_events())  # noqa: SLF001 - its public type
            for _, element in events:
                if not n_rows and not rows:
                    _check_document(element.getroottree(), name)
                rows.append(_attributes(element))
                _forget(element)
            yield _frame(rows, attributes, n_rows)
            n_rows += len(rows)
        _check_document(parser.close().getroottree(), name)
    except etree.XMLSyntaxError as error:
        line = n_lines + (error.lineno or 1)
        raise InputError(f"{name}: not well-formed XML at line {line}, after row {n_rows}: {error.msg}") from error


def _forget(element: "etree._Element") -> None:
    """Free an element that has been read, and those before it: the document grows without end otherwise."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _frame(rows: list[dict[str, str]], attributes: tuple[str, ...], n_rows: int) -> pl.DataFrame:
    positions = range(n_rows + 1, n_rows + len(rows) + 1)
    columns = {attribute: [row.get(attribute) for row in rows] for attribute in attributes}
    schema = {"position": pl.Int64, **dict.fromkeys(("problem", *attributes), pl.String)}
    return pl.DataFrame({"position": list(positions), "problem": [None] * len(rows), **columns}, schema=schema)


def _check_document(document: "etree._ElementTree", name: str) -> None:
    root = document.getroot().tag
    if root != "posts":
        raise InputError(f"{name}: the document is a <{root}>; expected the <posts> of a Stack Exchange Posts.xml")
    doctype = document.docinfo.internalDTD
    if doctype is not None and doctype.entities():  # type: ignore[attr-defined] # the stubs lack it
        raise InputError(f"{name}: declares XML entities, which no Stack Exchange dump does; refused")
