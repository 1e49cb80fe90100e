"""Fixtures that every room of the tests shares."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# No test may depend on how fast the machine is; where a red run stops others, the examples are the same every time.
settings.register_profile("lapidary", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("lapidary")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What the tests compute is kept apart from the user's own cache, and shared by the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAPIDARY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A path below the folder of real data beside this checkout; the test skips where it is absent."""

    def find(relative: str) -> Path:
        path = SHARED_DATA / relative
        if not path.exists():
            pytest.skip(f"real data absent: ../shared/data/{relative}")
        return path

    return find


@pytest.fixture(scope="module")
def chromium():
    """A headless browser; the test skips where there is none (`.ci/run` installs it)."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright of the extra dev is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
