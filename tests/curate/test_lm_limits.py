"""How fast an endpoint is asked, on a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.lm.limits import BURST_SECONDS, Limits
from curate.lm.retries import retry_after


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now, self.slept = 100.0, []
        monkeypatch.setattr("time.sleep", self.sleep)

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_burst_goes_at_once_and_then_a_request_every_so_many_seconds(clock):
    limits = Limits(60, None, clock)
    for _ in range(8):
        limits.enter(1000)
    # One a second, five at once.
    assert clock.slept == [1.0, 1.0, 1.0]


def test_tokens_are_a_limit_of_their_own_and_are_corrected(clock):
    limits = Limits(None, 6000, clock)
    limits.enter(500)
    limits.enter(100)
    assert clock.slept == [1.0]
    limits.correct(-100)
    limits.enter(100)
    assert clock.slept == [1.0]
    limits.correct(200)
    limits.enter(100)
    assert clock.slept == [1.0, 3.0]


def test_a_request_larger_than_a_burst_waits_but_goes(clock):
    limits = Limits(None, 600, clock)
    limits.enter(600)
    assert clock.slept == [pytest.approx(60 - BURST_SECONDS)]


def test_a_pause_that_the_endpoint_asks_for_holds_for_everybody_and_once(clock):
    limits = Limits(None, None, clock)
    until = limits.rest(17)
    assert clock.slept == [17]
    limits.enter(1, until)
    limits.enter(1)
    assert clock.slept == [17]
    clock.now -= 5
    limits.enter(1)
    assert clock.slept == [17, 5]


def test_without_limits_nobody_waits(clock):
    limits = Limits(None, None, clock)
    for _ in range(100):
        limits.enter(10**9)
    assert clock.slept == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(60, 6000))
def test_no_minute_holds_more_than_its_allowance_and_a_burst(shares, per_minute):
    burst = per_minute * BURST_SECONDS / 60
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        limits = Limits(None, per_minute, clock)
        gone = []
        for share in shares:
            limits.enter(share * burst)
            gone.append((clock.now, share * burst))
    for start, _ in gone:
        within = sum(size for when, size in gone if start <= when < start + 60)
        assert within <= per_minute + burst + 1e-6 * per_minute


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "1.5", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_a_server_names_its_wait_in_one_of_three_forms(headers, seconds):
    assert retry_after(headers) == seconds
