"""What several pages share.

basics     title, texts of the data shown as they are, errors in one line, bars
urls       choices, page numbers and links that stand in the URL
tables     one page of a table of candidates
deciding   decisions on one or many with a preview, and their undo
reading    one example in full
"""

from ui.pieces.basics import Bar, again, attempt, bars, digest, figure, intro, plain
from ui.pieces.deciding import LastAct, decide_on_many, decided, last_act, states, undo_bar
from ui.pieces.reading import (
    DECISION_COLORS,
    FATE_COLORS,
    about,
    badges,
    conversation,
    example,
    reasons,
    rendered,
    roles,
)
from ui.pieces.tables import Picked, listed, opened, table, turner
from ui.pieces.urls import PER_PAGE, asked, choice, link, pager, typed

__all__ = [
    "DECISION_COLORS",
    "FATE_COLORS",
    "PER_PAGE",
    "Bar",
    "LastAct",
    "Picked",
    "about",
    "again",
    "asked",
    "attempt",
    "badges",
    "bars",
    "choice",
    "conversation",
    "decide_on_many",
    "decided",
    "digest",
    "example",
    "figure",
    "intro",
    "last_act",
    "link",
    "listed",
    "opened",
    "pager",
    "plain",
    "reasons",
    "rendered",
    "roles",
    "states",
    "table",
    "turner",
    "typed",
    "undo_bar",
]
