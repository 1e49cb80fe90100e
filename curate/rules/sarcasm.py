"""How sarcastic or joking a text reads, as a probability put together from named cues.

    log-odds = INTERCEPT + Σ weight · value + POPULAR_WEIGHT · one-liner with very many votes
    score    = 1 / (1 + exp(-log-odds))

The value of a cue is its density: hits per SENTENCE_CHARS characters of the author's own words (code and quoted blocks
masked), at most MAX_DENSITY, so that one "clearly" in a long answer weighs little. Flags count once, at full weight.
The cues and their weights are in `curate.rules.sarcasm_cues`; how well they do, set by set, in `docs/quality-of-rules.md`.
"""

import polars as pl

from curate.rules.sarcasm_cues import CUES, Cue

# The logistic regression's constant, from `benchmarks/sarcasm_quality.py`; it takes one text in four for sarcastic.
INTERCEPT = -1.82
# About one sentence of a comment; a text shorter than that counts as one sentence.
SENTENCE_CHARS = 150
MAX_DENSITY = 1.0

# A one-liner that a crowd voted far up is more often a joke than an answer (LIMA picks its Reddit rows by hand for that
# reason). No labelled set has votes, so these three are set by hand.
ONE_LINER_CHARS = 120
POPULAR_SCORE = 100
POPULAR_WEIGHT = 1.5

WEIGHTS = {cue.name: cue.weight for cue in CUES} | {"popular_one_liner": POPULAR_WEIGHT}

_CODE = r"(?s)```.*?(?:```|\z)|`[^`\n]+`"
_QUOTED_LINE = r"(?m)^[ \t]*>.*$"


def score(text: pl.Expr | None = None, popularity: pl.Expr | None = None) -> pl.Expr:
    """How sarcastic the text reads, Float64 in [0, 1], named `sarcasm`; null text gives null.

    Without arguments over the EXAMPLE columns `response` and `score`; with a text alone, no popularity is assumed.
    """
    log_odds = pl.lit(INTERCEPT)
    for name, weight in WEIGHTS.items():
        log_odds = log_odds + weight * pl.field(name)
    summed = values(text, popularity).struct.with_fields(log_odds.alias("log_odds"))
    return (1 / (1 + (-summed.struct.field("log_odds")).exp())).alias("sarcasm")


def cues(text: pl.Expr | None = None, popularity: pl.Expr | None = None) -> dict[str, pl.Expr]:
    """Hits of each cue, UInt32, by name (a flag has 0 or 1); null text gives null. Arguments as for `score`."""
    prepared = _prepared(text, popularity)
    return {name: prepared.struct.with_fields(hits.alias(name)).struct.field(name) for name, hits in _hits().items()}


def contributions(text: pl.Expr | None = None, popularity: pl.Expr | None = None) -> dict[str, pl.Expr]:
    """What each cue adds to the log-odds, Float64, by name: the reasons for a score. Arguments as for `score`."""
    of = values(text, popularity)
    return {name: (weight * of.struct.field(name)).alias(name) for name, weight in WEIGHTS.items()}


def values(text: pl.Expr | None = None, popularity: pl.Expr | None = None) -> pl.Expr:
    """What the weights are multiplied with: a struct of one Float64 per cue. Arguments as for `score`."""
    flags = {"popular_one_liner"} | {cue.name for cue in CUES if cue.flag}
    density = [
        (
            hits.cast(pl.Float64) if name in flags else (hits / pl.field("sentences")).clip(upper_bound=MAX_DENSITY)
        ).alias(name)
        for name, hits in _hits().items()
    ]
    return _prepared(text, popularity).struct.with_fields(density)


def _prepared(text: pl.Expr | None, popularity: pl.Expr | None) -> pl.Expr:
    # Fields of a struct are computed once and then read by every cue; the same sub-expression written out in twenty
    # expressions is computed twenty times wherever the query is not lazy.
    if text is None:
        text, popularity = pl.col("response"), pl.col("score") if popularity is None else popularity
    votes = pl.lit(None, pl.Int64) if popularity is None else popularity
    return (
        pl.struct(_own_words(text).alias("own"), votes.alias("votes"))
        .struct.with_fields(pl.field("own").str.to_lowercase().alias("lower"))
        .struct.with_fields((pl.field("own").str.len_chars() / SENTENCE_CHARS).clip(lower_bound=1.0).alias("sentences"))
    )


def _own_words(text: pl.Expr) -> pl.Expr:
    # Without code and quoted lines, with straight apostrophes.
    plain = text.str.replace_all(_CODE, " ").str.replace_all(_QUOTED_LINE, " ")
    return plain.str.replace_all("’", "'", literal=True).str.strip_chars()


def _hits() -> dict[str, pl.Expr]:
    own, votes = pl.field("own"), pl.field("votes")
    one_liner = (own.str.len_chars() <= ONE_LINER_CHARS) & ~own.str.contains("\n", literal=True)
    popular = one_liner & (votes >= POPULAR_SCORE).fill_null(value=False)
    return {cue.name: _hits_of(cue) for cue in CUES} | {"popular_one_liner": popular.cast(pl.UInt32)}


def _hits_of(cue: Cue) -> pl.Expr:
    text = pl.field("lower" if cue.text == "lower" else "own")
    if cue.flag:
        return text.str.contains(cue.pattern).cast(pl.UInt32)
    hits = text.str.count_matches(cue.pattern)
    return hits if cue.beside is None else pl.min_horizontal(hits, text.str.count_matches(cue.beside))
