"""Gopher's measures of repetition and symbols (Rae et al. 2021, appendix A.1), on the assistant's prose.

They were made for web pages. A chat answer may be one short line, a list, or mostly code, so code is left out, and a
measure that says nothing about few words or lines is null below a floor.
"""

import polars as pl

# Below this many words a repeated n-gram is a coincidence, and a hashtag or a number is not spam.
MIN_WORDS = 50
MIN_LINES = 5
MIN_PARAGRAPHS = 4
# A line shorter than this repeats by nature: "}", "* * *", "Amen."; so does the rule of a table.
MIN_LINE_CHARS = 12

_BLANK_OR_SHORT = pl.element().str.len_chars() >= MIN_LINE_CHARS
_NO_TABLE = ~pl.element().str.starts_with("|")


def _repeated(parts: pl.Expr, floor: int) -> pl.Expr:
    """The share of a list's entries that occurred before; null below `floor` entries."""
    return pl.when(parts.list.len() >= floor).then(1 - parts.list.n_unique() / parts.list.len())


def _lines(prose: pl.Expr) -> pl.Expr:
    stripped = prose.str.split("\n").list.eval(pl.element().str.strip_chars())
    return stripped.list.eval(pl.element().filter(_BLANK_OR_SHORT & _NO_TABLE))


_PROSE = pl.col("prose")
# A leading line feed lets every line be found by the line feed before it, which the engine searches for fastest.
_FED = pl.lit("\n") + _PROSE.str.strip_chars()
_N_LINES = _FED.str.count_matches(r"\n\s*")
_PARAGRAPHS = _PROSE.str.split("\n\n").list.eval(
    pl.element().str.strip_chars().filter(pl.element().str.len_chars() >= MIN_LINE_CHARS)
)
_SYMBOLS = _PROSE.str.replace_all(r"(?m)^[ \t]*(?:#{2,6}|#[ \t])", "").str.count_matches(r"#|…|\.\.\.")


def _share_of_lines(pattern: str) -> pl.Expr:
    return pl.when(_N_LINES >= MIN_LINES).then(_FED.str.count_matches(pattern) / _N_LINES)


# Columns over `prose`, the assistant's text without code, and `words` of it (curate.rules.scan).
EXPRESSIONS: dict[str, pl.Expr] = {
    "duplicate_lines": _repeated(_lines(_PROSE), MIN_LINES),
    "duplicate_paragraphs": _repeated(_PARAGRAPHS, MIN_PARAGRAPHS),
    "symbol_ratio": pl.when(pl.col("words") >= MIN_WORDS).then(_SYMBOLS / pl.col("words")),
    "bullet_lines": _share_of_lines(r"\n[ \t]*[-*•‣–+][ \t]"),
    "ellipsis_lines": _share_of_lines(r"(?:\.\.\.|…)[ \t]*(?:\n|$)"),
    **{
        name: pl.when((pl.col("words") >= MIN_WORDS) & pl.col(name).is_not_nan()).then(pl.col(name))
        for name in ("word_length", "alpha_words", "top_ngrams", "duplicate_ngrams")
    },
}
