"""A list of candidates to look through: what a filter holds, in the order of a column or of a search."""

import polars as pl

from curate.desk.model import Desk, search_meaning, search_words
from curate.desk.queues import STATES, Filter, matches
from curate.errors import InputError, did_you_mean
from curate.review.log import DECISIVE

# Name of an order: the column, and whether its largest values come first. Nulls are last.
ORDERS = {
    "input": ("row", False),
    "votes": ("score", True),
    "quality": ("quality", True),
    "longest": ("response_chars", True),
    "shortest": ("response_chars", False),
    "closest": ("closeness", False),
}
SEARCHED = "best"


def listing(desk: Desk, states: pl.DataFrame, only: Filter, order: str = SEARCHED, limit: int = 1000) -> pl.DataFrame:
    """`row` and `cosine` (Float32; null without a search by meaning) of the candidates that a filter holds.

    `order` is one of ORDERS, or `best`: as the searches found them (meaning before words), in input order without a search.
    `closest` comes nearest to a limit, on either side. `limit` is how many a search by meaning finds. Raises InputError for
    an order or a state that there is none of, and as the searches do.
    """
    if order not in ORDERS and order != SEARCHED:
        raise InputError(f"there is no order {order!r}. {did_you_mean(order, [*ORDERS, SEARCHED])}")
    rows = desk.candidates.with_columns(closeness=pl.col("margin").abs(), **_decisions(states))
    rows = rows.filter(_holds(desk, only)).with_columns(place=pl.lit(0, pl.UInt32), cosine=pl.lit(None, pl.Float32))
    if only.words:
        found = search_words(desk, only.words, desk.candidates.height).rename("row").to_frame().with_row_index("place")
        rows = rows.drop("place").join(found, on="row")
    if only.meaning:
        near = (
            search_meaning(desk, only.meaning, limit)
            .select("row", pl.col("cosine").cast(pl.Float32))
            .with_row_index("place")
        )
        rows = rows.drop("place", "cosine").join(near.with_columns(pl.col("place").cast(pl.UInt32)), on="row")
    column, descending = ORDERS.get(order, ("place", False))
    return rows.sort(column, "row", descending=[descending, False], nulls_last=True).select("row", "cosine")


def _decisions(states: pl.DataFrame) -> dict[str, pl.Series]:
    return {name: states[name] for name in ("decision", "disagree")}


def _holds(desk: Desk, only: Filter) -> pl.Expr:
    found = matches(desk, only)
    return found if only.state is None else found & _in_state(only.state)


def _in_state(state: str) -> pl.Expr:
    if state not in STATES:
        raise InputError(f"there is no state {state!r}. {did_you_mean(state, STATES)}")
    decision = pl.col("decision")
    if state == "undecided":
        return decision.is_null() | (decision == "skip")
    if state == "disagree":
        return pl.col("disagree")
    return decision.is_in(list(DECISIVE) if state == "decided" else [state]).fill_null(value=False)
