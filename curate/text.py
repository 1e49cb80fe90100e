"""Plain operations on text, as polars expressions: normal form, words, n-grams."""

from hashlib import blake2b
from typing import Literal

import polars as pl

# What of an example a stage looks at.
Part = Literal["prompt", "conversation", "response"]
# A word is a run of letters, digits, marks and the apostrophes and hyphens inside it. Han, kana and Hangul have no
# spaces between words that a regular expression could use, so each of their characters counts as one.
WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]|[\p{L}\p{N}\p{M}]+(?:['’\-][\p{L}\p{N}\p{M}]+)*"


def normalise(text: pl.Expr) -> pl.Expr:
    """Text in the form in which two copies are equal: NFKC, lower case, white space folded, ends stripped."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def words(text: pl.Expr) -> pl.Expr:
    """The words of each text (see WORD), as a list."""
    return text.str.extract_all(WORD)


def conversation(*, responses_only: bool = False, separator: str = "\n\n") -> pl.Expr:
    """All turns of an EXAMPLE row as one text, `separator` between them; with `responses_only`, the assistant's turns."""
    turns = pl.element().struct.field("content")
    if responses_only:
        turns = turns.filter(pl.element().struct.field("role") == "assistant")
    history = pl.col("history").list.eval(turns).list.join(separator)
    before = [history] if responses_only else [pl.col("system"), history, pl.col("prompt")]
    # An absent system text or an empty history takes no separator; an empty prompt is a turn all the same.
    absent = [pl.when(part.fill_null("") != "").then(part) for part in before[:2]]
    return pl.concat_str([*absent, *before[2:], pl.col("response")], separator=separator, ignore_nulls=True)


def part(of: Part, *, separator: str = "\n\n") -> pl.Expr:
    """That text of an EXAMPLE row; of a conversation all turns, as `conversation`."""
    return conversation(separator=separator) if of == "conversation" else pl.col(of)


def content_hashes(examples: pl.DataFrame) -> pl.Series:
    """What a person decided about: 32 hex digits of all turns of each EXAMPLE row, as a series named `content`.

    Any change of the text changes it; source, key and scores do not. Decisions are kept by it, across builds.
    """
    texts = examples.select(conversation(separator="\x1e"))
    return pl.Series(
        "content", [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts.to_series()], dtype=pl.String
    )
