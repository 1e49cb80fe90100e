"""The login against a real OpenID Connect provider, in a real browser: who is out sees nothing, who is in is who they are."""

import importlib.util
import re
import time

import pytest

if importlib.util.find_spec("oidc_provider_mock") is None or importlib.util.find_spec("authlib") is None:
    pytest.skip("oidc-provider-mock and streamlit[auth] of the extra dev are not installed", allow_module_level=True)
from playwright.sync_api import expect

from tests.curate import small_runs
from tests.ui.login_server import ROOT, App, Provider
from tests.ui.test_review_browser import PATIENCE_MS, acknowledged, decide

pytestmark = pytest.mark.browser
PAGES = re.findall(r'\("(\w+)", \w+\.page, ', (ROOT / "app.py").read_text())
# What only someone who is in may see: texts of the run, a queue of it, and who else is there.
INSIDE = {b"cellar", b"chisel", b"undecided", b"ann@example.org"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("login")


@pytest.fixture(scope="module")
def provider(folder):
    provider = Provider(folder)
    yield provider
    provider.down()


@pytest.fixture(scope="module")
def app(folder, provider):
    run, _ = small_runs.built(folder)
    app = App(folder, run, provider.metadata)
    yield app
    app.server.stop()


@pytest.fixture
def visit(chromium, app):
    """Opens the app in a browser of its own; `page.heard` is all that came over its websockets."""
    contexts = []

    def open_page(url=app.url):
        context = chromium.new_context()
        context.set_default_timeout(PATIENCE_MS)
        # The provider's pages are styled from elsewhere.
        context.route("https://**", lambda route: route.abort())
        contexts.append(context)
        page = context.new_page()
        page.heard = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda data: page.heard.append(data)))  # noqa: PLW0108 - playwright marks its listeners
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True).first


def seen(sent):
    return {word for word in INSIDE if word in sent}


def is_out(page):
    """On the page is the way to log in, and nothing was heard but that."""
    expect(button(page, "Log in")).to_be_visible()
    assert page.heard
    assert seen(b"".join(page.heard)) == set()
    assert not button(page, "Log out").is_visible()


def test_who_is_out_is_told_nothing_of_any_page_by_the_websocket(app):
    assert len(PAGES) == 13
    inside = b""
    for page in PAGES:
        outside = app.told(page)
        assert b"Log in" in outside
        assert seen(outside) == set(), page
        told = app.told(page, "ann")
        assert b"Log out" in told
        assert len(told) > 2 * len(outside)
        inside += told
    assert seen(inside) == INSIDE
    forged = app.told("review", "ann", secret="f" * 32)
    assert b"Log in" in forged
    assert seen(forged) == set()


@pytest.mark.parametrize(
    ("person", "said"),
    [("eve", b"`eve@elsewhere.example` may not come in here."), ("mallory", b"has no verified e-mail address")],
)
def test_who_is_not_on_the_list_or_not_verified_is_told_so_and_can_leave(app, person, said):
    told = app.told("review", person)
    assert said in told
    assert b"Log out" in told
    assert seen(told) == set()


def test_at_another_address_the_right_one_is_named(app):
    told = app.told("review", url=f"http://localhost:{app.port}/review")
    assert f"Open {app.url}".encode() in told
    assert b"Log in" not in told


def test_from_the_login_to_a_decision_and_out_again(visit, app):
    page = visit()
    is_out(page)
    button(page, "Log in").click()
    button(page, "ann").click()
    decide(page, "k")
    acknowledged(page)
    assert b"cellar" in b"".join(page.heard)
    assert app.reviewers() == ["ann@example.org"]
    # Opened anew she is still in, and the name in the address is nobody's.
    page.goto(f"{app.url}/?reviewer=mallory")
    decide(page, "k")
    acknowledged(page)
    assert app.reviewers() == ["ann@example.org"] * 2
    # Taken off the list she is out with the next key, although the card redraws itself without the rest of the page.
    app.allow("bob@example.org")
    until = time.monotonic() + PATIENCE_MS / 1000
    while b"may not come in here" not in app.told("review", "ann"):
        assert time.monotonic() < until, "the app did not notice its new list"
    page.keyboard.press("k")
    expect(page.get_by_text("ann@example.org may not come in here.")).to_be_visible()
    assert app.reviewers() == ["ann@example.org"] * 2
    app.allow("*@example.org")
    button(page, "Log out").click()
    button(page, "End session").click()
    expect(button(page, "Log in")).to_be_visible()
    page.heard.clear()
    page.goto(f"{app.url}/browse?reviewer=ann@example.org")
    is_out(page)


def test_a_provider_that_refuses_or_does_not_answer(visit, provider):
    page = visit()
    button(page, "Log in").click()
    button(page, "Deny").click()
    expect(page.get_by_text("If you come back to this page, it did not let you in.")).to_be_visible()
    is_out(page)
    provider.down()
    button(page, "Log in").click()
    expect(page.get_by_text(f"127.0.0.1:{provider.port} does not answer as it should")).to_be_visible()
    provider.up()
    button(page, "Log in").click()
    expect(button(page, "ann")).to_be_visible()
