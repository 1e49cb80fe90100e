"""Finding candidates by their words and by their meaning."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate import embed
from curate.desk.texts import reading
from curate.errors import RunError
from curate.text import WORD

if TYPE_CHECKING:
    from curate.desk.model import Desk

# Phrases of a query that count; who pastes a page into the box still gets an answer.
TERMS = 32
# Of so many hits the best are looked for: words that more candidates have say nothing about which is best.
RANKED = 20_000
# Shorter beginnings of words are those of half of all words.
BEGINNING = 3


def search_words(desk: "Desk", query: str, limit: int = 1000) -> pl.Series:
    """`row` (Int64) of the candidates that have every word of the query, in any of their messages, best first (BM25).

    Words are compared by their English stem, without case and accents; of Han, kana and Hangul every run of characters is
    found wherever it stands. `"two words"` is a phrase, and `gard*` at the end of the query the beginning of a word; all
    other signs say nothing, and a query without words finds nothing. Of more than RANKED hits the first in input order are
    ranked. Raises RunError as `texts.reading`.
    """
    asked = " AND ".join(_phrases(query))
    if not asked:
        return pl.Series("row", [], dtype=pl.Int64)
    with reading(desk) as found:
        hits = "FROM words WHERE words MATCH ?"
        beyond = found.execute(f"SELECT rowid {hits} LIMIT 1 OFFSET {RANKED}", (asked,)).fetchone()
        rows = found.execute(
            f"SELECT rowid {hits} AND rowid < ? ORDER BY bm25(words, 2.0, 1.0), rowid LIMIT ?",
            (asked, beyond[0] if beyond else desk.candidates.height, limit),
        )
        return pl.Series("row", [row for (row,) in rows], dtype=pl.Int64)


def _phrases(query: str) -> list[str]:
    """The parts of an FTS5 query, each quoted, so that nothing in it is an operator."""
    # A lone surrogate is no character and has no UTF-8 form.
    clean = query.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    chunks = [
        chunk for number, part in enumerate(clean.split('"')) for chunk in ([part] if number % 2 else part.split())
    ]
    words = pl.Series(chunks, dtype=pl.String).head(8 * TERMS).str.extract_all(WORD)
    found = list(dict.fromkeys(f'"{" ".join(tokens[:TERMS])}"' for tokens in words if len(tokens)))[:TERMS]
    last = clean.split()[-1:]
    if found and last and last[0].endswith("*") and len(last[0]) > BEGINNING:
        found[-1] += "*"
    return found


def search_meaning(desk: "Desk", text: str, limit: int = 1000) -> pl.DataFrame:
    """`row` and `cosine` (Float32) of the candidates nearest to a text by the run's own encoder, nearest first.

    Raises RunError where the run has no vectors, ConfigError where its encoder is missing.
    """
    if desk.vectors is None or desk.encoder is None:
        raise RunError(
            f"{desk.run}: the run has no vectors to search by meaning; build it with meaning.threshold or select.diversity"
        )
    mine = embed.vectors([text], desk.encoder)[0]
    if len(mine) != desk.vectors.shape[1]:
        raise RunError(
            f"{desk.run}: {desk.encoder.model} is another model than when the run was built ({len(mine)} numbers)"
        )
    cosines = desk.vectors @ mine
    best = np.argsort(-cosines, kind="stable")[:limit]
    return pl.DataFrame({"row": desk.rows_of_vectors[best], "cosine": cosines[best]})
