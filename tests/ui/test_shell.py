"""Who may come in, which run is open, who reviews: what every page stands in."""

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import Secrets
from streamlit.testing.v1 import AppTest

from curate.errors import RunError
from tests.curate.small_runs import built
from tests.curate.test_review_login import SECRETS
from ui import shell

GUARDED = "import streamlit as st\nfrom ui import shell\nshell.guard()\nst.write('inside')\n"


def bound(monkeypatch, address):
    """As if the server was bound to `address`."""
    real = st.get_option
    monkeypatch.setattr(shell.st, "get_option", lambda name: address if name == "server.address" else real(name))


def is_inside(at):
    assert not at.exception
    return [text.value for text in at.markdown] == ["inside"]


def test_on_this_machine_nobody_is_asked(monkeypatch):
    bound(monkeypatch, "127.0.0.1")
    assert is_inside(AppTest.from_string(GUARDED).run())


@pytest.mark.parametrize("address", ["0.0.0.0", None, "192.168.1.7"])
def test_beyond_this_machine_nobody_comes_in_without_a_password(monkeypatch, address):
    bound(monkeypatch, address)
    at = AppTest.from_string(GUARDED).run()
    assert not is_inside(at)
    assert "LAPIDARY_PASSWORD" in at.error[0].value


def test_the_password_lets_in_and_another_does_not(monkeypatch):
    bound(monkeypatch, "0.0.0.0")
    monkeypatch.setenv("LAPIDARY_PASSWORD", "a long one")
    monkeypatch.setattr(shell.time, "sleep", lambda seconds: None)
    at = AppTest.from_string(GUARDED).run()
    assert not is_inside(at)
    at.text_input[0].input("a short one")
    at.button[0].click().run()
    assert not is_inside(at)
    assert at.error[0].value == "That is not the password."
    at.text_input[0].input("a long one")
    at.button[0].click().run()
    assert is_inside(at)


@pytest.fixture
def secrets(monkeypatch, tmp_path):
    """Writes the file of secrets that the app reads."""
    path = tmp_path / "secrets.toml"

    def write(text):
        path.write_text(text)
        monkeypatch.setattr(shell.st, "secrets", Secrets())
        config.set_option("secrets.files", [str(path)])

    before = config.get_option("secrets.files")
    yield write
    config.set_option("secrets.files", before)


def test_a_login_that_could_not_work_lets_nobody_in_even_on_this_machine(monkeypatch, secrets):
    monkeypatch.setenv("LAPIDARY_PASSWORD", "a long one")
    for text, said in (("[auth", "secrets.toml"), ('[auth]\nclient_id = "a"', "[auth] has no redirect_uri")):
        secrets(text)
        at = AppTest.from_string(GUARDED).run()
        assert not is_inside(at)
        assert said in at.error[0].value
        assert not at.text_input


def test_a_login_without_its_extra_is_a_line_that_says_what_to_install(monkeypatch, secrets):
    monkeypatch.setattr(shell.login.importlib.util, "find_spec", lambda name: None)
    tables = [
        f"[{name}]\n" + "".join(f"{key} = {value!r}\n" for key, value in SECRETS[name].items()) for name in SECRETS
    ]
    secrets("".join(tables))
    at = AppTest.from_string(GUARDED).run()
    assert not is_inside(at)
    assert 'pip install -e ".[login]"' in at.error[0].value


def test_secrets_of_something_else_are_no_login(monkeypatch, secrets):
    secrets('token = "a"')
    bound(monkeypatch, "127.0.0.1")
    assert is_inside(AppTest.from_string(GUARDED).run())
    bound(monkeypatch, "0.0.0.0")
    assert not is_inside(AppTest.from_string(GUARDED).run())


def test_a_folder_without_a_finished_run_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setenv("LAPIDARY_RUN", str(tmp_path / "absent"))
    at = AppTest.from_string("from ui import shell\nshell.here()").run()
    assert not at.exception
    assert str(tmp_path) in at.info[0].value
    assert "python -m curate build sample" in at.code[0].value


def test_the_url_names_the_run_and_the_reviewer_and_nothing_beside_the_folder_of_runs(monkeypatch, tmp_path):
    first, _ = built(tmp_path, name="first")
    built(tmp_path, name="second")
    monkeypatch.setenv("LAPIDARY_RUN", str(first))
    code = (
        "import streamlit as st\nfrom ui import shell\nplace = shell.here()\nst.write(place.run.name, place.reviewer)"
    )
    shown = {}
    for run in ("second", "first", "../elsewhere"):
        at = AppTest.from_string(code, default_timeout=60)
        at.query_params["run"], at.query_params["reviewer"] = run, "ann"
        at.run()
        assert not at.exception
        shown[run] = at.markdown[0].value
    assert shown == {"second": "second ann", "first": "first ann", "../elsewhere": "first ann"}


def test_a_run_that_cannot_be_opened_is_one_line_on_the_page(monkeypatch, tmp_path):
    run, _ = built(tmp_path)
    (run / "recipe.yaml").write_text("name: [")
    monkeypatch.setenv("LAPIDARY_RUN", str(run))
    at = AppTest.from_string("from ui import shell\nshell.here()").run()
    assert not at.exception
    assert str(run) in at.error[0].value
    with pytest.raises(RunError):
        shell.prepare(run)
