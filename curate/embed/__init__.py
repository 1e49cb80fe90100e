"""Texts to vectors: each distinct text once, kept on disk, so that embedding the same texts again loads no model.

vectors(texts, settings)       (n, d) float32, rows of unit length, in the order of the texts
column(texts, settings)        the same as a polars Array column;  matrix(column) gives the array back
fingerprint(settings)          what vectors depend on beside the text;  dimensions(settings): d
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from curate import cache
from curate.embed.models import Settings, dimensions, fingerprint
from curate.errors import RunError
from curate.progress import inside

__all__ = ["Settings", "column", "dimensions", "fingerprint", "matrix", "vectors"]

CACHE = "vectors"
# New vectors that are kept in one write: a killed run repeats no more than these.
KEEP_EVERY = 256
# Cached vectors that are read at once, which bounds memory beside the result itself.
READ_AT_ONCE = 20_000

Array = np.ndarray[Any, np.dtype[np.float32]]


def vectors(texts: pl.Series | Sequence[str | None], settings: Settings) -> Array:
    """The vector of each text: (n, d) float32, rows of unit length, row i for text i.

    A null counts as the empty text, a lone surrogate as U+FFFD; a text longer than the model reads is cut where the model
    cuts it. Only a static model has no vector for a text without a known token: its row is zero. Raises ConfigError where
    the model is missing or altered, RunError where the cache cannot be used.
    """
    series = _series(texts)
    distinct = series.unique(maintain_order=True)
    found = _of_distinct(distinct.to_list(), settings)
    if distinct.len() == series.len():
        return found
    places = series.to_frame("text").join(
        distinct.to_frame("text").with_row_index("place"), on="text", how="left", maintain_order="left"
    )
    ordered: Array = found[places["place"].to_numpy()]
    return ordered


def column(texts: pl.Series | Sequence[str | None], settings: Settings) -> pl.Series:
    """`vectors` as a series of dtype Array(Float32, d), named as `texts` is, or `vector`."""
    found = vectors(texts, settings)
    name = texts.name if isinstance(texts, pl.Series) else "vector"
    if not len(found):
        return pl.Series(name, [], dtype=pl.Array(pl.Float32, found.shape[1]))
    return pl.Series(name, found.reshape(-1)).reshape((-1, found.shape[1]))


def matrix(column: pl.Series) -> Array:
    """A column of dtype Array(Float32, d) as an (n, d) array: read-only, not copied where the column lies in one piece.

    Raises ValueError for a column with nulls or of another dtype.
    """
    if not isinstance(column.dtype, pl.Array) or column.null_count():
        raise ValueError(
            f"{column.name}: expected an Array column without nulls, got {column.dtype}, {column.null_count()} nulls"
        )
    width = column.dtype.shape[0]
    if not column.len():
        return np.empty((0, width), dtype=np.float32)
    flat: Array = column.explode(empty_as_null=False).to_numpy()
    return flat.reshape(-1, width)


def _series(texts: pl.Series | Sequence[str | None]) -> pl.Series:
    if isinstance(texts, pl.Series):
        return texts.cast(pl.String).fill_null("")
    # A lone surrogate is no character and has no UTF-8 form.
    clean = [(text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    return pl.Series("text", clean, dtype=pl.String)


def _of_distinct(texts: list[str], settings: Settings) -> Array:
    own = fingerprint(settings)
    keys = [cache.key(text, own) for text in texts]
    result = np.zeros((len(texts), dimensions(settings)), dtype=np.float32)
    missing = _fill(result, keys)
    if missing:
        from curate.embed.encoders import encoded

        fresh: list[tuple[bytes, bytes]] = []
        for places, found, done in encoded([texts[index] for index in missing], settings):
            rows = [missing[place] for place in places]
            result[rows] = found
            fresh += [(keys[row], vector.tobytes()) for row, vector in zip(rows, found, strict=True)]
            if len(fresh) >= KEEP_EVERY:
                cache.put(CACHE, fresh)
                fresh = []
            inside(round(1000 * done), 1000)
        cache.put(CACHE, fresh)
    return result


def _fill(result: Array, keys: list[bytes]) -> list[int]:
    """Write what the cache holds into `result`; the rows that it lacks."""
    missing = []
    for start in range(0, len(keys), READ_AT_ONCE):
        chunk = keys[start : start + READ_AT_ONCE]
        kept = cache.get(CACHE, chunk)
        for row, key in enumerate(chunk, start=start):
            if key not in kept:
                missing.append(row)
            elif len(kept[key]) == result[row].nbytes:
                result[row] = np.frombuffer(kept[key], dtype=np.float32)
            else:
                raise RunError(
                    f"{cache.folder() / CACHE}.sqlite: holds a vector of {len(kept[key]) // 4} numbers where {result.shape[1]} "
                    "were expected. Delete the file, or name another folder with LAPIDARY_CACHE."
                )
    return missing
