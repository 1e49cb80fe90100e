"""Drafts: an edit that a reviewer has not finished, kept beside the log so that a reload or a crash does not lose it.

A draft is no decision and leaves no trace in the log. It goes when its reviewer keeps, rejects or edits that content
(`curate.review.log.insert`), and stays through a skip or a flag, which put the example off.
"""

import sqlite3

import orjson

from curate.chat import Message
from curate.errors import InputError
from curate.review.store import transaction


def save(log: sqlite3.Connection, reviewer: str, content: str, messages: list[Message]) -> None:
    """Keep this state of the edit in place of the one before. It need not be a whole conversation yet.

    Raises InputError where the messages hold what is no text.
    """
    try:
        data = orjson.dumps(messages).decode()
    except TypeError as error:
        raise InputError(f"the draft of {reviewer} on {content} holds what is no text ({error}); remove it") from error
    with transaction(log):
        log.execute("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", (reviewer, content, data))


def load(log: sqlite3.Connection, reviewer: str, content: str) -> list[Message] | None:
    """The draft as it was saved last, or None."""
    found = log.execute(
        "SELECT messages FROM drafts WHERE reviewer = ? AND content = ?", (reviewer, content)
    ).fetchone()
    return orjson.loads(found[0]) if found else None


def discard(log: sqlite3.Connection, reviewer: str, content: str) -> None:
    """Forget the draft, if there is one."""
    with transaction(log):
        log.execute("DELETE FROM drafts WHERE reviewer = ? AND content = ?", (reviewer, content))
