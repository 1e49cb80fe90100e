"""What a build tells whoever watches: the command line draws it, the app may, a test can count it."""

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """A stage has finished `done` of `total` pieces of work; `rows` have passed so far; `note` is for a person.

    A stage that has nothing to do, since nothing before it changed, has a `total` of 0.
    """

    stage: str
    done: int
    total: int
    rows: int
    note: str = ""


Watcher = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A watcher that says nothing."""
