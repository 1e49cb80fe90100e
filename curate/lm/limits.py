"""How fast an endpoint may be asked: so many requests and tokens a minute, and the pauses that it asks for itself."""

import threading
import time
from collections.abc import Callable

# Seconds of the allowance that may be used at once: enough that all workers start together, little enough that no
# minute holds much more than what a minute may hold.
BURST_SECONDS = 5.0


class Limits:
    """Lets requests through, from any thread, no faster than a minute's allowance of requests and of tokens.

    Two token buckets (RFC 2697's, with debt): a request that finds too little takes what it needs all the same and waits
    until the bucket would have held it, so that everybody waits once and nobody is overtaken. None: no limit.
    """

    def __init__(
        self, requests: float | None, tokens: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._lock = clock, threading.Lock()
        now = clock()
        self._requests = _Bucket(requests, now)
        self._tokens = _Bucket(tokens, now)
        self._closed_until = -1.0

    def enter(self, tokens: float, rested_until: float = -1.0) -> None:
        """Wait until a request of so many tokens may go; `rested_until`: what `rest` gave this caller."""
        with self._lock:
            now = self._clock()
            wait = max(self._requests.take(1, now), self._tokens.take(tokens, now))
        if wait > 0:
            time.sleep(wait)
        closed = self._closed_until
        left = closed - self._clock()
        if closed > rested_until and left > 0:
            time.sleep(left)

    def rest(self, seconds: float) -> float:
        """Wait as the endpoint asks, and let nobody else through until then; the time until which was waited."""
        until = self._clock() + seconds
        with self._lock:
            self._closed_until = max(self._closed_until, until)
        time.sleep(seconds)
        return until

    def correct(self, tokens: float) -> None:
        """A request took so many tokens more (less than 0: fewer) than `enter` was told."""
        with self._lock:
            self._tokens.take(tokens, self._clock())


class _Bucket:
    def __init__(self, per_minute: float | None, now: float) -> None:
        self._rate = None if per_minute is None else per_minute / 60
        self._level = self._most = (self._rate or 0) * BURST_SECONDS
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Seconds to wait until `amount` may be used."""
        if self._rate is None:
            return 0.0
        self._level = min(self._most, self._level + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._level / self._rate)
