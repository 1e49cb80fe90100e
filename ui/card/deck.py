"""The examples that one reviewer has before them: taken from a queue a few at a time, each leased so that nobody else gets it."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from curate.desk import queues
from curate.desk.model import Desk
from curate.desk.queues import Filter
from curate.review import leases

# So many lie ready in the browser; fewer than LOW, and more are fetched.
AHEAD, LOW = 12, 7
# How much of the queue is tried at once, and after how many taken it is put in order anew: what was kept changes what adds most.
WINDOW, STALE = 120, 100


@dataclass
class Deck:
    """One queue as one browser session goes through it. It may be lost at any time: queue, leases and log give it back.

    `rest` is what is not ahead yet, `row` and `why`, and `why` says it of the rows that were, in the `language`.
    """

    key: tuple[object, ...]
    name: str
    only: Filter
    rest: pl.DataFrame
    why: dict[int, str]
    repeats: set[int]
    total: int
    language: str = "en"
    ahead: list[int] = field(default_factory=list)
    taken: int = 0
    held: int = 0


def opened(
    desk: Desk,
    log: sqlite3.Connection,
    reviewer: str,
    name: str,
    only: Filter,
    key: tuple[object, ...],
    language: str = "en",
) -> Deck:
    """A queue from its start, with the first examples leased. Raises InputError and RunError as `queues.queue`."""
    deck = Deck(key, name, only, pl.DataFrame(), {}, set(), 0, language)
    _ordered(deck, desk, log, reviewer)
    deck.total = deck.rest.height
    fill(deck, desk, log, reviewer)
    return deck


def fill(deck: Deck, desk: Desk, log: sqlite3.Connection, reviewer: str) -> None:
    """Take more from the queue where few are ahead; at its end, look once more whether others gave anything back."""
    if len(deck.ahead) >= LOW:
        return
    if deck.taken >= STALE:
        _ordered(deck, desk, log, reviewer)
    for again in (False, True):
        _take(deck, desk, log, reviewer)
        if deck.ahead or again:
            break
        _ordered(deck, desk, log, reviewer)
    deck.held = 0 if deck.ahead else sum(who != reviewer for who in leases.held(log).values())


def renew(deck: Deck, desk: Desk, log: sqlite3.Connection, reviewer: str) -> None:
    """Hold on to what is before the reviewer; what someone else got in the meantime is theirs."""
    fresh = [row for row in deck.ahead if row not in deck.repeats]
    contents = desk.candidates["content"].gather(fresh).to_list()
    mine = set(leases.lease(log, reviewer, contents, len(contents), again=True))
    lost = {row for row, content in zip(fresh, contents, strict=True) if content not in mine}
    deck.ahead = [row for row in deck.ahead if row not in lost]


def decided(deck: Deck, rows: list[int]) -> None:
    """These are decided or put off: they are not ahead any more."""
    deck.ahead = [row for row in deck.ahead if row not in rows]


def unsaid(deck: Deck, rows: Iterable[int]) -> list[int]:
    """Of these rows those whose decisions are not told: hidden repeats, and whatever awaits a second opinion of its own."""
    return [row for row in rows if row in deck.repeats or deck.name == "second_look"]


def put_back(deck: Deck, row: int) -> None:
    """This one is the first: an undo opened it again, or someone asked for it."""
    deck.ahead = [row, *(other for other in deck.ahead if other != row)]
    deck.why.setdefault(row, "")


def _ordered(deck: Deck, desk: Desk, log: sqlite3.Connection, reviewer: str) -> None:
    found = queues.queue(desk, log, deck.name, reviewer, deck.only, language=deck.language)
    found = found.filter(~pl.col("row").is_in(deck.ahead))
    deck.rest = found.select("row", "why")
    deck.repeats = {*deck.repeats.intersection(deck.ahead), *found.filter("repeat")["row"]}
    deck.taken = 0


def _take(deck: Deck, desk: Desk, log: sqlite3.Connection, reviewer: str) -> None:
    about_decided = deck.name in queues.AGAIN or deck.only.state is not None
    while len(deck.ahead) < AHEAD and deck.rest.height:
        window = dict(deck.rest.head(WINDOW).iter_rows())
        contents = dict(zip(window, desk.candidates["content"].gather([*window]), strict=True))
        room = AHEAD - len(deck.ahead)
        fresh = [contents[row] for row in window if row not in deck.repeats]
        mine = set(leases.lease(log, reviewer, fresh, room, again=about_decided))
        got = [row for row in window if row in deck.repeats or contents[row] in mine][:room]
        deck.ahead += got
        deck.taken += len(got)
        deck.why |= {row: window[row] for row in got}
        # What stands behind the last one is for the next time; what it jumped over is someone else's.
        deck.rest = deck.rest.slice([*window].index(got[-1]) + 1 if len(got) == room else WINDOW)
