"""What is computed once for each open desk and shared by all threads, for as long as the desk is open."""

from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from curate.desk.model import Desk

Found = TypeVar("Found")


def per_desk(make: Callable[..., Found]) -> Callable[..., Found]:
    """`make(desk, *arguments)`, which is called once for the same desk and arguments; who asks meanwhile waits."""
    known: WeakKeyDictionary[Desk, dict[tuple[Hashable, ...], Any]] = WeakKeyDictionary()
    lock = Lock()

    @wraps(make)
    def found(desk: Desk, *arguments: Hashable) -> Found:
        with lock:
            of_desk = known.setdefault(desk, {})
            if arguments not in of_desk:
                of_desk[arguments] = make(desk, *arguments)
            value: Found = of_desk[arguments]
            return value

    return found
