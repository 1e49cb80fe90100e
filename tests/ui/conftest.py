"""What every test of a page needs."""

import sys

import pytest


@pytest.fixture(autouse=True)
def own_main():
    """AppTest leaves its script in the place of `__main__`, and processes that multiprocessing starts later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
