"""Regular `<row …/>` elements out of a block of bytes, found by array operations on its quotes.

A row is regular where it is `<row`, then attributes ` Name="value"`, then `/>` and white space, with no control
character inside and no reference but those in ENTITIES: as Stack Exchange writes them. In such a row every `"` opens or
closes a value, so the values lie between each first and second quote, and what lies between a second and the next first
one is a name. No value is copied before its references are replaced.
"""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Offsets = npt.NDArray[np.int64]

# What the dumps write for the characters that an attribute cannot hold. Other references (`&#233;`) make a row irregular.
ENTITIES = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&amp;": "&",
    "&#xA;": "\n",
    "&#10;": "\n",
    "&#xD;": "\r",
    "&#13;": "\r",
    "&#x9;": "\t",
    "&#9;": "\t",
}
# An `&` that begins none of them becomes NUL, which no regular row can hold: one pass replaces and checks.
UNKNOWN = "\0"

# The longest string that Arrow keeps in the view itself.
INLINE_BYTES = 12

NAME = re.compile(r" ([A-Za-z]+)=")
TAIL = r"^ ?/>\s*$"


class Rows(NamedTuple):
    """The rows of a block: their values, the numbers of the irregular ones (whose values mean nothing), their bounds."""

    values: pl.DataFrame
    irregular: list[int]
    bounds: Offsets

    def piece(self, block: bytes, row: int) -> bytes:
        """The bytes of one row, from its `<row` to the next one's."""
        return block[self.bounds[row] : self.bounds[row + 1]]


class _Pairs(NamedTuple):
    """Pairs of quotes, by number: where they are, in which row, and where the name before each begins.

    `tails` has an entry for each row: where its last value ends, or its `<row`.
    """

    opening: Offsets
    closing: Offsets
    row: Offsets
    names: Offsets
    tails: Offsets


def read(block: bytes, begin: int, end: int, attributes: tuple[str, ...]) -> Rows | None:
    """The rows of `block[begin:end]`, which must be UTF-8 and begin with `<row`.

    The columns of `values` are `attributes` (String, null where a row lacks one). None where the block holds markup that
    is not a row: a comment, CDATA, a processing instruction, an end tag.
    """
    text = np.frombuffer(block, np.uint8, count=end)
    brackets = _places(text, begin, ord("<"))
    is_row = _precedes(text, brackets, b"row")
    if np.isin(text[np.minimum(brackets[~is_row] + 1, end - 1)], tuple(b"!?/")).any():
        return None
    starts = brackets[is_row]
    bounds = np.append(starts, end)
    quotes = _places(text, begin, ord('"'))
    n_quotes = np.diff(np.searchsorted(quotes, bounds))
    irregular = n_quotes % 2 == 1
    # A row with an odd number of quotes must not shift the pairs of those after it.
    pairs = _pairs(quotes[~np.repeat(irregular, n_quotes)], starts, np.where(irregular, 0, n_quotes // 2))

    irregular[np.searchsorted(starts, brackets[~is_row]) - 1] = True
    irregular |= ~views(block, pairs.tails, bounds[1:] - pairs.tails).str.contains(TAIL).to_numpy()
    controls = np.flatnonzero(text[begin:] < ord(" ")) + begin
    irregular |= np.searchsorted(controls, starts) != np.searchsorted(controls, pairs.tails)
    values, is_unknown = _values(block, pairs, attributes, len(starts))
    return Rows(values, np.flatnonzero(irregular | is_unknown).tolist(), bounds)


def _places(text: npt.NDArray[np.uint8], begin: int, byte: int) -> Offsets:
    return np.flatnonzero(text[begin:] == byte) + begin


def _precedes(text: npt.NDArray[np.uint8], places: Offsets, word: bytes) -> npt.NDArray[np.bool_]:
    """Whether `word` stands right after each of `places`."""
    found = places + len(word) < len(text)
    for offset, byte in enumerate(word, start=1):
        found &= text[np.minimum(places + offset, len(text) - 1)] == byte
    return found


def _pairs(quotes: Offsets, starts: Offsets, n_pairs: Offsets) -> _Pairs:
    """The pairs of `quotes`, of which the row that begins at `starts[i]` has `n_pairs[i]`."""
    opening, closing = quotes[0::2], quotes[1::2]
    tag_ends = starts + len(b"<row")
    last = np.cumsum(n_pairs) - 1
    filled = n_pairs > 0
    # A name lies between the end of the value before it, or of `<row`, and the opening quote.
    names = np.append(0, closing[:-1] + 1)[: len(opening)]
    names[(last - n_pairs + 1)[filled]] = tag_ends[filled]
    tails = tag_ends.copy()
    tails[filled] = closing[last[filled]] + 1
    return _Pairs(opening, closing, np.repeat(np.arange(len(starts)), n_pairs), names, tails)


def _values(
    block: bytes, pairs: _Pairs, attributes: tuple[str, ...], n_rows: int
) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
    """The columns `attributes`; and for each row whether it holds something else than names, or an unknown reference."""
    irregular = np.zeros(n_rows, np.bool_)
    number = {attribute: np.full(n_rows, -1) for attribute in attributes}  # of the pair that holds the value
    names = pl.DataFrame({"name": views(block, pairs.names, pairs.opening - pairs.names)}).with_row_index("pair")
    for (name,), group in names.group_by("name"):
        found = group["pair"].to_numpy()
        rows = pairs.row[found]
        known = NAME.fullmatch(str(name))
        if known is None:
            irregular[rows] = True
        elif known[1] in number:
            number[known[1]][rows] = found
            irregular[rows[1:][np.diff(rows) == 0]] = True  # the same name twice
    # The last entry stands for a value that is not there.
    begins, ends = np.append(pairs.opening + 1, 0), np.append(pairs.closing, 0)
    columns = {name: views(block, begins[at], (ends - begins)[at], at >= 0) for name, at in number.items()}
    frame = _unescaped(pl.DataFrame(columns))
    unknown = frame.select(pl.any_horizontal(pl.all().str.contains(UNKNOWN, literal=True))).to_series()
    return frame, irregular | unknown.fill_null(value=False).to_numpy()


def is_utf8(block: bytes, begin: int, end: int) -> bool:
    """Whether `block[begin:end]` is valid UTF-8, found without a copy of it."""
    import pyarrow as pa

    offsets = np.array([begin, end], np.int64)
    array = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(block)])
    try:
        array.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _unescaped(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with its references replaced, in as many parts as polars has threads: one column holds nearly all text.

    Columns of short values without references stay as they are; all others are copied, so that none keeps the block.
    """
    touched = pl.all().str.contains("&", literal=True).any() | (pl.all().str.len_bytes().max() > INLINE_BYTES)
    (is_touched,) = frame.select(touched.fill_null(value=False)).rows(named=True)
    replaced = pl.col(name for name, touched in is_touched.items() if touched).str.replace_many(
        [*ENTITIES, "&"], [*ENTITIES.values(), UNKNOWN], leftmost=True
    )
    step = max(1, -(-frame.height // pl.thread_pool_size()))
    return pl.concat(pl.collect_all([part.lazy().with_columns(replaced) for part in frame.iter_slices(step)]))


def views(block: bytes, starts: Offsets, lengths: Offsets, held: npt.NDArray[np.bool_] | None = None) -> pl.Series:
    """The parts of `block` (UTF-8) that begin at `starts`, as strings that share its memory; null where not `held`.

    An Arrow string view has 16 bytes: the length and the text itself up to 12 bytes; or the length, the first four
    bytes, the number of the buffer and the place in it (Arrow columnar format, Variable-size Binary View Layout).
    """
    import pyarrow as pa

    words = np.zeros((len(starts), 4), "<u4")
    words[:, 0] = lengths
    words[:, 3] = starts
    # Every four bytes of the block as one number; those of a view past its length must be zero.
    padded = block if len(starts) == 0 or starts.max() + INLINE_BYTES <= len(block) else block + bytes(INLINE_BYTES)
    fours = np.ndarray((len(padded) - 3,), "<u4", padded, strides=(1,))
    is_short = np.flatnonzero(lengths <= INLINE_BYTES)
    words[:, 1] = fours[starts]
    for word in range(3):
        n_bytes = np.clip(lengths[is_short] - 4 * word, 0, 4)
        mask = (1 << (8 * n_bytes.astype(np.uint64))) - 1
        words[is_short, 1 + word] = fours[starts[is_short] + 4 * word] & mask
    validity = None if held is None else pa.py_buffer(np.packbits(held, bitorder="little"))
    buffers = [validity, pa.py_buffer(words), pa.py_buffer(block)]
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.string_view(), len(starts), buffers)))
