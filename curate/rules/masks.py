"""What is not the author speaking: code, maths, quotations. Masked before words are counted.

The regular expressions of polars run in linear time and know no look-around. What must not count is therefore replaced
by a space first, and what is left is counted.
"""

import polars as pl

# An unclosed fence reaches to the end of the text.
FENCE = r"(?s)```.*?(?:```|\z)|(?m:^[ \t]*~~~).*?(?:(?m:^[ \t]*~~~)|\z)"
INLINE_CODE = r"``[^\n]+?``|`[^`\n]+`"
# `$x$` with no white space inside the dollars, so that "$5 and $10" stays prose.
MATHS = r"\$\$[^$]+\$\$|\$[^$\s](?:[^$\n]*[^$\s])?\$|\\\(.*?\\\)|\\\[.*?\\\]"

# A quotation ends in its own line: an unbalanced mark must not swallow the rest of the text.
DOUBLE_QUOTES = r'"[^"\n]*"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|「[^」\n]*」|『[^』\n]*』|‘[^’\n]*’'
# 'single quotes', which contractions may stand in ('I don't know').
SINGLE_QUOTES = r"(?m)(^|[\s(\[])'[A-Za-z](?:[^'\n]|'[a-z])*'([\s.,;:!?)\]]|$)"
BLOCK_QUOTES = r"(?m)^[ \t]*(?:>|&gt;).*$"
# *two or more words* in italics: on language sites that is how an example sentence is written.
ITALICS = r"(?m)(^|[\s(])(?:\*[^*\s][^*\n]* [^*\n]*[^*\s]\*|_[^_\s][^_\n]* [^_\n]*[^_\s]_)"
# "Alice: I am late." and "— I am late." are lines of a dialogue; "Note: I am late." is the author's.
NOT_A_SPEAKER = (
    r"(Edit|EDIT|Update|UPDATE|Note|NOTE|[Aa]nswer|TL;DR|Disclaimer|Hint|Tip|Warning|Example|Summary|Conclusion|Source|"
    r"Bonus|Background|Also|Addendum|PS|P\.S\.|However|First|Second|Finally)((?: \w+)?(?:\*\*|__)?):"
)
DIALOGUE = r"(?m)^[ \t]*(?:[-*•][ \t]+)?(?:\*\*|__)?[A-Z][\w.’'-]{0,20}(?: [A-Z0-9][\w.’'-]{0,20})?(?:\*\*|__)?:(?:\*\*|__)?[ \t]+\S.*$|^[ \t]*[—–][ \t]*\p{Lu}.*$"

# A line of code that no fence marks; an English sentence seldom begins with a small "if" or holds a brace.
CODE_SIGNS = r"(?m)^.*(?:[{};=<>]|[A-Za-z0-9_][(\[]).*$"
CODE_WORDS = r"(?m)^[ \t]*(?:def|for|if|while|else|elif|return|import|from|class|try|except|print|end)\b.*$"
SOME_CODE = r"[{};=<>]|[A-Za-z0-9_][(\[]|(?m)^[ \t]*(?:def|for|if|while|else|elif|return|import|from|class|try|except|print|end)\b"
# Where language is told from: the beginning of a text, together with the prompt while that is short.
OPENING_CHARS, SHORT_CHARS = 1200, 200
# Forty letters, or one beyond ASCII: scripts and accents tell more than words do.
ENOUGH = r"(?s)^(?:[^A-Za-z]*[A-Za-z]){40}|[^\x00-\x7F&&\p{L}]"


def prose(text: pl.Expr) -> pl.Expr:
    """`text` without fenced code, inline code and maths."""
    return text.str.replace_all(FENCE, "\n").str.replace_all(INLINE_CODE, " ").str.replace_all(MATHS, " ")


def voice(prose: pl.Expr) -> pl.Expr:
    """What of `prose` the author says in his own voice: no quotations, dialogue or example sentences."""
    unquoted = prose.str.replace_all(DOUBLE_QUOTES, " ").str.replace_all(SINGLE_QUOTES, "$1 $2")
    own = unquoted.str.replace_all(BLOCK_QUOTES, " ").str.replace_all(ITALICS, "$1 ")
    return own.str.replace_all(NOT_A_SPEAKER, "$1$2.").str.replace_all(DIALOGUE, " ")


def opening(texts: pl.DataFrame) -> pl.Series:
    """The text that tells a row's language (columns `prompt`, `prose`): the beginning of its prose without lines of code.

    A few words tell nothing ("mozzarella, cheddar, gouda"), and a translation is no foreign example: a short text counts
    together with its prompt, and what is shorter than one sentence even so is empty.
    """
    text = pl.col("text")
    start = texts.select("prompt", text=pl.col("prose").str.slice(0, OPENING_CHARS))
    plain = text.str.replace_all(CODE_SIGNS, "").str.replace_all(CODE_WORDS, "")
    start = start.with_columns(text=where(start, text.str.contains(SOME_CODE), plain, otherwise=text))
    joined = pl.when(text.str.len_chars() < SHORT_CHARS).then(pl.col("prompt") + "\n\n" + text).otherwise(text)
    start = start.select(text=joined)
    enough = text.str.slice(0, SHORT_CHARS).str.contains(ENOUGH)
    return start.select(text=pl.when(enough).then(text).otherwise(pl.lit(""))).to_series()


def where(frame: pl.DataFrame, few: pl.Expr, measured: pl.Expr, otherwise: pl.Expr) -> pl.Series:
    """`measured` in the rows where `few` holds and `otherwise` in all others, each computed only where it is needed.

    For an expensive expression whose rows a cheap one picks: `pl.when` computes both branches for every row.
    """
    picked = frame.select(few).to_series().fill_null(value=False)
    base = frame.select(otherwise.alias("")).to_series()
    found = frame.filter(picked).select(measured.cast(base.dtype)).to_series()
    return base.scatter(picked.arg_true(), found) if len(found) else base
