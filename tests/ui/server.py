"""A real server of the app on a copy of a built run, for tests with a browser.

A test file asks for it with `from tests.ui.server import app, run, sample  # noqa: F401`; one server a module.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from curate import recipe as recipes
from curate.build import build

ROOT = Path(__file__).parents[2]
APP = ROOT / "app.py"


class App:
    """The app on `run`: `url` to open, `log` of decisions; `kill` ends it as a crash would, `start` begins it again."""

    def __init__(self, run: Path) -> None:
        self.run = run
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = run / "decisions.sqlite"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "App":
        """Returns when the server answers."""
        options = ["--server.headless=true", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
        options += ["--server.address=127.0.0.1", f"--server.port={self.port}"]
        with (self.run.parent / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", str(APP), *options],
                cwd=ROOT,
                env={**os.environ, "LAPIDARY_RUN": str(self.run)},
                stdout=out,
                stderr=out,
            )
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None, (self.run.parent / "server.log").read_text()
                time.sleep(0.05)
        raise AssertionError(f"no answer from {self.url}: {(self.run.parent / 'server.log').read_text()}")

    def kill(self) -> None:
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """The run that `python -m curate build sample` makes. Never written to: copy it."""
    folder = tmp_path_factory.mktemp("sample") / "sample"
    build(recipes.load("sample"), folder)
    return folder


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory) -> Path:
    """A copy of the sample run for the tests of one module."""
    return Path(shutil.copytree(sample, tmp_path_factory.mktemp("review") / "sample"))


@pytest.fixture(scope="module")
def app(run):
    """The app on this module's run."""
    server = App(run).start()
    yield server
    server.kill()
