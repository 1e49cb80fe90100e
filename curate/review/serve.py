"""How the review app is started: bound to this machine unless asked otherwise, and then only behind a password or a login."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from curate.errors import ConfigError, RunError
from curate.review import login

APP = Path(__file__).parents[2] / "app.py"
# What the app reads: the run it opens with, and the password that it asks for beyond this machine.
RUN = "LAPIDARY_RUN"
PASSWORD = "LAPIDARY_PASSWORD"  # noqa: S105 - the name of the variable, not its value
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECRETS = Path(".streamlit/secrets.toml")


def command(run: Path, address: str, port: int | None, *, browser: bool, environment: Mapping[str, str]) -> list[str]:
    """The command line that serves `run` at `address`, port 8501 or the next that is free unless `port` is given.

    A login is read from `.streamlit/secrets.toml` of the home folder, of the app's folder, and of the one we are in, the last
    first. Raises ConfigError where others could reach the app and nothing would ask who they are, or where the login could not
    work, and RunError where this installation has no app.
    """
    if not APP.is_file():
        raise RunError(
            f"{APP}: no such file; expected the app beside the package: install from a checkout of the project"
        )
    # All of them by name: the server starts in the app's folder, and would look there only.
    secrets = list(dict.fromkeys(folder / SECRETS for folder in (Path.home(), APP.parent, Path.cwd())))
    has_login = login.configured(login.read(secrets)) is not None
    if address not in LOOPBACK and not environment.get(PASSWORD) and not has_login:
        raise ConfigError(
            f"--address {address}: others could open {run} without a password; set {PASSWORD}, or configure a login"
            " ([auth] in .streamlit/secrets.toml), or leave --address out"
        )
    options = {
        "server.address": address,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
    }
    options |= {} if browser else {"server.headless": "true"}
    options |= {} if port is None else {"server.port": str(port)}
    words = [f"--{name}={value}" for name, value in options.items()] + [f"--secrets.files={path}" for path in secrets]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *words]


def serve(run: Path, address: str, port: int | None, *, browser: bool) -> None:
    """Become the server of the app; returns only with an error (see `command`). Ctrl-C ends it; the log is on the disk."""
    words = command(run, address, port, browser=browser, environment=os.environ)
    # The theme and the settings of `.streamlit/config.toml` are read from the folder that streamlit starts in.
    environment = {**os.environ, RUN: str(run.resolve())}
    os.chdir(APP.parent)
    os.execve(words[0], words, environment)  # noqa: S606 - our own interpreter, no shell
