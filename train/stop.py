"""SIGTERM and Ctrl-C while a run goes on: the step is finished and saved, then the run ends."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from curate.errors import RunError


class StoppedError(RunError):
    """A signal ended the run between two steps. Exit code 128 + signal, as shells report it."""


class Stop:
    """Notes a signal. `inside` a step it waits for the step's end; elsewhere it ends the run at once."""

    def __init__(self) -> None:
        self.inside = False
        self.signal: int | None = None
        # Some process has a signal, so that all stop after the same step.
        self.agreed = False
        self.done = 0

    def __call__(self, number: int, _frame: Any) -> None:  # noqa: ANN401 - signal's own form
        again = self.signal is not None
        self.signal = number
        if again or not self.inside:
            raise self.error(unfinished=self.inside)

    def error(self, *, unfinished: bool = False) -> StoppedError:
        """What the run ends with. `unfinished`: in the middle of a step, which is lost."""
        number = self.signal or signal.SIGTERM
        resume = "run the same command with --resume"
        if unfinished:
            state = f"ended at once, with what was saved before; {resume}"
        elif self.done:
            state = f"stopped after step {self.done}: saved; {resume}"
        else:
            state = "stopped before the first step; run the same command again"
        error = StoppedError(f"{signal.Signals(number).name}: {state}")
        error.exit_code = 128 + number
        return error


@contextlib.contextmanager
def catching() -> Iterator[Stop]:
    """While a run goes on, SIGTERM and Ctrl-C end it between two steps; a second one at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
