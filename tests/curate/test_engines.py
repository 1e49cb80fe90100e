"""One function, many items, three places to run it."""

import os
import signal
from math import sqrt
from operator import neg

import pytest

from curate import engines
from curate.errors import ConfigError, RunError


def die(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(params=["local", "processes", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request):
    return engines.engine(request.param, 2)


def test_every_result_comes_with_the_index_of_its_item(engine):
    assert dict(engine(neg, [5, 6, 7])) == {0: -5, 1: -6, 2: -7}


def test_no_items_are_no_trouble(engine):
    assert list(engine(neg, [])) == []


def test_the_functions_own_error_reaches_the_caller(engine):
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(engine(sqrt, [1, 2, -3, 4]))


def test_a_killed_worker_is_one_line_that_says_what_to_do():
    with pytest.raises(RunError, match=r"a worker process died .* fewer --workers"):
        list(engines.engine("processes", 2)(die, [0, 1, 2]))


def test_an_unknown_engine_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no engine 'process'. Did you mean 'processes'\?"):
        engines.engine("process")
