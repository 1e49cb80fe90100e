"""The style of an answer in counts: how long it is and how much Markdown it has."""

import polars as pl

from ..statistics import style_control
from ..statistics.votes import votes


def counts(output: pl.Expr) -> pl.Expr:
    """Counts of a text, a struct as `record.STYLE`: words (as `tokens`), headers, list items, bold spans; null for no text.

    What arena-hard-auto counts (utils/add_markdown_info.py), outside of blocks of code; words stand for its tokens.
    """
    prose = output.str.replace_all(r"(?s)```.*?```", "")
    found = {
        "tokens": output.str.count_matches(r"\S+"),
        "headers": prose.str.count_matches(r"(?m)^#{1,6}\s"),
        "lists": prose.str.count_matches(r"(?m)^\s*(?:\d+\.|[-*+])\s"),
        "bold": prose.str.count_matches(r"\*\*[^*\n]+\*\*") + prose.str.count_matches(r"__[^_\n]+__"),
    }
    return pl.when(output.is_not_null()).then(
        pl.struct(count.cast(pl.Int64).alias(name) for name, count in found.items())
    )


def controlled(pairs: pl.DataFrame) -> style_control.Controlled | None:
    """Ratings at equal style (without intervals) of pairs of schema JUDGED, by all features that differ in some pair.

    Counts are the file's own, else of the outputs; None where a vote has neither, or no feature differs.
    """
    counted = pairs.with_columns(
        pl.coalesce(f"style_{side}", counts(pl.col(f"output_{side}"))).alias(f"style_{side}") for side in ("a", "b")
    )
    cast = votes(counted)
    if cast.is_empty() or cast["style_a"].null_count() or cast["style_b"].null_count():
        return None
    one, other = cast["style_a"].struct.unnest(), cast["style_b"].struct.unnest()
    differ = [name for name in one.columns if (one[name] != other[name]).any()]
    return style_control.style_control(cast, differ, rounds=0) if differ else None
