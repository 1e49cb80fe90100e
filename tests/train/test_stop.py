"""Signals: at once outside a step, after it inside, at once the second time."""

import os
import signal
import threading

import pytest

from train.stop import StoppedError, catching


def test_before_the_first_step_a_signal_ends_the_run_at_once():
    with (
        catching(),
        pytest.raises(
            StoppedError, match="SIGTERM: stopped before the first step; run the same command again"
        ) as caught,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 143


def test_inside_a_step_a_signal_waits_and_a_second_one_does_not():
    with catching() as stop:
        stop.inside, stop.done = True, 6
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(StoppedError, match="SIGINT: ended at once, with what was saved before; run the same"):
            os.kill(os.getpid(), signal.SIGINT)
    assert stop.error().exit_code == 130
    assert str(stop.error()) == "SIGINT: stopped after step 6: saved; run the same command with --resume"


def test_afterwards_signals_mean_what_they_meant_before():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyError), catching():
        raise KeyError
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_process_that_heard_nothing_stops_with_the_others():
    with catching() as stop:
        stop.done = 3
    assert str(stop.error()).startswith("SIGTERM: stopped after step 3: saved")


def test_a_run_in_another_thread_leaves_signals_alone():
    found = []

    def run():
        with catching():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
