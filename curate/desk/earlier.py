"""Decisions on an earlier text of an example: what was said of it, and what it was, now that it has changed."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from curate.chat import Message
from curate.decisions import hashes
from curate.desk.model import Desk
from curate.desk.standing import table
from curate.desk.texts import Text
from curate.review import exchange
from curate.review.log import Event


class Earlier(NamedTuple):
    """A decision, and the text that it left: None where nothing holds it any more."""

    event: Event
    messages: list[Message] | None


def earlier(desk: Desk, log: sqlite3.Connection, texts: Sequence[Text]) -> dict[int, list[Earlier]]:
    """Row to the decisions that `exchange.stale` finds on its example, the oldest first, for those of `texts` that have any.

    The log holds the text where someone edited. Else it is known where it is the text as the source has it, which this
    build cleans and the one before did not.
    """
    ids, contents = desk.candidates["id"], desk.candidates["content"]
    by_id = {ids[text.row]: text for text in texts}
    places = table(desk).places
    said = log.execute(
        "SELECT DISTINCT content FROM events WHERE decision NOT IN ('skip', 'undo')"
        " AND example IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(by_id)).decode(),),
    )
    # Hardly any example has changed, and then there is no need to read the log.
    if all(content in places for (content,) in said):
        return {}
    found: dict[int, list[Earlier]] = {}
    corpus = {example: contents[text.row] for example, text in by_id.items()}
    for event, _ in sorted(exchange.stale(log, corpus), key=lambda stale: stale.event.time):
        # A text that another example has is not gone.
        if event.content not in places:
            text = by_id[str(event.example)]
            found.setdefault(text.row, []).append(Earlier(event, _messages(event, text)))
    return found


def _messages(event: Event, text: Text) -> list[Message] | None:
    if event.messages is None and text.read is not None and hashes([text.read])[0] == event.content:
        return text.read
    return event.messages
