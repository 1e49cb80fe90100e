import subprocess
import sys

import pytest

from curate.errors import ConfigError
from curate.review import serve


def test_by_default_only_this_machine_reaches_the_app(tmp_path):
    words = serve.command(tmp_path, "127.0.0.1", None, browser=True, environment={})
    assert words[1:5] == ["-m", "streamlit", "run", str(serve.APP)]
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert not [word for word in words if "server.port" in word or "headless" in word]


def test_a_port_and_no_browser_are_passed_on(tmp_path):
    words = serve.command(tmp_path, "localhost", 8600, browser=False, environment={})
    assert {"--server.port=8600", "--server.headless=true"} <= set(words)


def test_beyond_this_machine_a_password_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"--address 0\.0\.0\.0.*LAPIDARY_PASSWORD"):
        serve.command(tmp_path, "0.0.0.0", None, browser=False, environment={})
    words = serve.command(tmp_path, "0.0.0.0", None, browser=False, environment={serve.PASSWORD: "secret"})
    assert "--server.address=0.0.0.0" in words
    assert "secret" not in " ".join(words)


def test_what_is_no_run_is_refused_in_one_line_before_a_server_starts(tmp_path):
    asked = [sys.executable, "-m", "curate", "review", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{tmp_path}: no manifest.json")
    assert done.stderr.count("\n") == 1
