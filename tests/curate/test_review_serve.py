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
    words = serve.command(tmp_path, "0.0.0.0", None, browser=False, environment={serve.PASSWORD: "open sesame"})
    assert "--server.address=0.0.0.0" in words
    assert "sesame" not in " ".join(words)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to start from, with another as home; the path of its secrets."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".streamlit").mkdir()
    return tmp_path / serve.SECRETS


def test_a_login_is_found_where_we_are_and_the_server_is_told_where(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr(serve.login.importlib.util, "find_spec", lambda name: object())
    elsewhere.write_text(
        '[auth]\nredirect_uri = "http://localhost:8600/oauth2callback"\ncookie_secret = "0123456789abcdef0123456789abcdef"\n'
        'client_id = "a"\nclient_secret = "b"\nserver_metadata_url = "https://a.example.org/x"\n[lapidary]\nallow = ["*"]\n'
    )
    words = serve.command(tmp_path, "0.0.0.0", None, browser=False, environment={})
    assert [word for word in words if "secrets" in word][-1] == f"--secrets.files={elsewhere}"
    assert len([word for word in words if "secrets" in word]) == 3


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_login_that_could_not_work_is_refused_before_a_server_starts(tmp_path, elsewhere, address):
    elsewhere.write_text('[auth]\nclient_id = "a"\n')
    with pytest.raises(ConfigError, match=r"\[auth\] has no redirect_uri"):
        serve.command(tmp_path, address, None, browser=False, environment={serve.PASSWORD: "secret"})


def test_secrets_without_a_login_open_nothing(tmp_path, elsewhere):
    elsewhere.write_text('token = "of something else"\n')
    with pytest.raises(ConfigError, match=r"--address 0\.0\.0\.0"):
        serve.command(tmp_path, "0.0.0.0", None, browser=False, environment={})


def test_what_is_no_run_is_refused_in_one_line_before_a_server_starts(tmp_path):
    asked = [sys.executable, "-m", "curate", "review", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{tmp_path}: no manifest.json")
    assert done.stderr.count("\n") == 1
