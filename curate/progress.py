"""What a build tells whoever watches: the command line draws it, the app may, a test can count it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Progress(NamedTuple):
    """A stage has finished `done` of `total` pieces of work; `rows` have passed so far; `note` is for a person.

    A stage that has nothing to do, since nothing before it changed, has a `total` of 0. `done` has a fraction while a
    piece of work that takes long reports from inside.
    """

    stage: str
    done: float
    total: int
    rows: int
    note: str = ""


Watcher = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A watcher that says nothing."""


_listener: ContextVar[Callable[[float], None]] = ContextVar("_listener", default=lambda _: None)


@contextmanager
def listening(hear: Callable[[float], None]) -> Iterator[None]:
    """Inside, `inside` is heard by `hear`. Worker processes have nobody who listens."""
    token = _listener.set(hear)
    try:
        yield
    finally:
        _listener.reset(token)


def inside(done: int, total: int) -> None:
    """Say from inside a slow piece of work (embedding a shard, asking a model) how far it has come."""
    _listener.get()(done / total if total else 1.0)
