"""Gopher's measures of repetition and symbols (Rae et al. 2021, appendix A.1), on the assistant's prose.

They were made for web pages. A chat answer may be one short line, a list, or mostly code, so code is left out, and a
measure that says nothing about few words or lines is null below a floor.
"""

import polars as pl

# Below this many words a repeated n-gram is a coincidence, and a number or two are no table.
MIN_WORDS, MIN_ALPHA_WORDS = 50, 20
# One long word, or one ellipsis, is no pattern: this many letters, and this many words and symbols together.
MIN_LETTERS, MIN_SYMBOLS = 100, 20
MIN_LINES, MIN_SHARE_LINES, MIN_PARAGRAPHS = 5, 4, 4
# A line shorter than this repeats by nature: "}", "* * *", "Amen."; so does the rule of a table.
MIN_LINE_CHARS = 12

_PROSE, _WORDS = pl.col("prose"), pl.col("words")


def _repeated(parts: pl.Expr, floor: int) -> pl.Expr:
    """The share of a list's entries that occurred before; null below `floor` entries."""
    return pl.when(parts.list.len() >= floor).then(1 - parts.list.n_unique() / parts.list.len())


def _parts(separator: str) -> pl.Expr:
    stripped = _PROSE.str.split(separator).list.eval(pl.element().str.strip_chars())
    counts = (pl.element().str.len_chars() >= MIN_LINE_CHARS) & ~pl.element().str.starts_with("|")
    return stripped.list.eval(pl.element().filter(counts))


# A leading line feed lets every line be found by the line feed before it, which the engine searches for fastest.
_FED = pl.lit("\n") + _PROSE.str.strip_chars()
_N_LINES = _FED.str.count_matches(r"\n\s*")


def _share_of_lines(pattern: str) -> pl.Expr:
    return pl.when(_N_LINES >= MIN_SHARE_LINES).then(_FED.str.count_matches(pattern) / _N_LINES)


# Neither a heading, a #hashtag nor C# is a stray symbol.
_STRAY = _PROSE.str.replace_all(r"(?m)^[ \t]*(?:#{2,6}|#[ \t])|[A-Za-z]#", "")
_SYMBOLS = _STRAY.str.count_matches(r"#(?:[^A-Za-z0-9]|$)|…|\.\.\.")

# Columns over `prose`, the assistant's text without code, and the columns of curate.rules.scan about it.
EXPRESSIONS: dict[str, pl.Expr] = {
    "duplicate_lines": _repeated(_parts("\n"), MIN_LINES),
    "duplicate_paragraphs": _repeated(_parts("\n\n"), MIN_PARAGRAPHS),
    "symbol_ratio": pl.when(_WORDS + _SYMBOLS >= MIN_SYMBOLS).then(_SYMBOLS / pl.max_horizontal(_WORDS, 1)),
    "bullet_lines": _share_of_lines(r"\n[ \t]*[-*•‣–+][ \t]"),
    "ellipsis_lines": _share_of_lines(r"(?:\.\.\.|…)[ \t]*(?:\n|$)"),
    "word_length": pl.when(_WORDS * pl.col("word_length") >= MIN_LETTERS).then(pl.col("word_length")),
    "alpha_words": pl.when(_WORDS >= MIN_ALPHA_WORDS).then(pl.col("alpha_words")),
    "top_ngrams": pl.when(_WORDS >= MIN_WORDS).then(pl.col("top_ngrams")),
    "duplicate_ngrams": pl.when(_WORDS >= MIN_WORDS).then(pl.col("duplicate_ngrams")),
}
