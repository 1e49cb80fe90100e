"""Who may come in, which run is open, who reviews: what every page stands in."""

import pytest
from streamlit.testing.v1 import AppTest

from curate.errors import RunError
from tests.curate.small_runs import built
from ui import shell

GUARDED = "import streamlit as st\nfrom ui import shell\nshell.guard()\nst.write('inside')\n"


def bound(monkeypatch, address):
    """As if the server was bound to `address`."""
    monkeypatch.setattr(shell.st, "get_option", lambda name: address if name == "server.address" else None)


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
