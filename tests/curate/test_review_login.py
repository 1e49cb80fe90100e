"""What the secrets say of a login: read, judged, and who is let in by it."""

import copy

import pytest

from curate.errors import ConfigError
from curate.review import login

SECRETS = {
    "auth": {
        "redirect_uri": "https://review.example.org/oauth2callback",
        "cookie_secret": "0123456789abcdef" * 2,
        "client_id": "lapidary",
        "client_secret": "do not tell",
        "server_metadata_url": "https://accounts.example.org/.well-known/openid-configuration",
    },
    "lapidary": {"allow": ["Ann@example.org", "*@example.com"]},
}


@pytest.fixture
def installed(monkeypatch):
    """As if the extra login was there, or those of its libraries that are named are not."""

    def set_up(*absent):
        monkeypatch.setattr(login.importlib.util, "find_spec", lambda name: None if name in absent else object())

    set_up()
    return set_up


def changed(table, **values):
    """SECRETS with these values of a table; None takes one out."""
    secrets = copy.deepcopy(SECRETS)
    secrets[table] = {name: value for name, value in (secrets[table] | values).items() if value is not None}
    return secrets


def test_a_login_is_where_the_app_is_where_the_provider_is_and_who_may_come_in(installed):
    assert login.configured(SECRETS) == login.Login(
        "https://review.example.org",
        "https://accounts.example.org/.well-known/openid-configuration",
        ("ann@example.org", "*@example.com"),
    )
    assert login.configured({"lapidary": {"allow": ["*"]}}) is None


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        *((changed("auth", **{name: None}), rf"\[auth\] has no {name}$") for name in login.REQUIRED),
        ({**SECRETS, "auth": {}}, r"\[auth\] has no redirect_uri, cookie_secret, client_id"),
        ({**SECRETS, "auth": "no table"}, r"\[auth\] has no redirect_uri"),
        (
            changed("auth", redirect_uri="https://review.example.org/"),
            "redirect_uri: https://review.example.org/; expected",
        ),
        (changed("auth", redirect_uri="review.example.org/oauth2callback"), "redirect_uri: review.example.org/oauth2"),
        (changed("auth", cookie_secret="too short"), r"cookie_secret is shorter than 32.*token_hex"),
        ({"auth": SECRETS["auth"]}, r"\[lapidary\] allow does not say who may come in"),
        ({**SECRETS, "lapidary": "no table"}, r"\[lapidary\] allow does not say"),
        *((changed("lapidary", allow=wrong), "allow does not say") for wrong in ([], "*@example.org", [1], [""])),
    ],
)
def test_a_login_that_could_not_work_or_names_nobody_is_refused_in_a_line_without_secrets(installed, secrets, said):
    with pytest.raises(ConfigError, match=said) as refused:
        login.configured(secrets)
    assert "do not tell" not in str(refused.value)
    assert "too short" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("absent", ["authlib", "httpx"])
def test_a_login_without_its_extra_says_what_to_install(installed, absent):
    installed(absent)
    with pytest.raises(ConfigError, match=r"needs the extra login.*pip install"):
        login.configured(SECRETS)
    assert login.configured({}) is None


def test_those_on_the_list_come_in_and_their_spelling_does_not_matter(installed):
    found = login.configured(SECRETS)
    inside = ["ann@example.org", "ANN@EXAMPLE.ORG", " Ann@example.org", "bob@example.com"]
    outside = ["bob@example.org", "bob@example.com.evil.example", "bob@notexample.com@x", "xann@example.org", "", None]
    assert [found.admits(login.email({"email": address})) for address in inside] == [True] * 4
    assert [found.admits(login.email({"email": address})) for address in outside] == [False] * 6


def test_an_address_that_the_provider_did_not_verify_is_nobodys():
    verified = {"email": "ann@example.org", "email_verified": True}
    assert login.email(verified) == login.email({**verified, "email_verified": "true"}) == "ann@example.org"
    assert login.email({"email": "ann@example.org"}) == "ann@example.org"
    for no in (False, "false", "False", None, "", 0):
        assert login.email({**verified, "email_verified": no}) is None
    assert login.email({"name": "ann@example.org", "sub": "ann@example.org"}) is None


def test_a_later_file_replaces_the_tables_of_an_earlier_one_and_a_broken_one_is_an_error(tmp_path):
    first, second, third = (tmp_path / name for name in ("first.toml", "second.toml", "third.toml"))
    first.write_text('[auth]\nclient_id = "a"\n[lapidary]\nallow = ["*"]\n')
    second.write_text('[auth]\nclient_secret = "b"\n')
    found = {"auth": {"client_secret": "b"}, "lapidary": {"allow": ["*"]}}
    assert login.read([first, tmp_path / "absent.toml", second]) == found
    third.write_text("[auth\n")
    with pytest.raises(ConfigError, match=rf"{third}: "):
        login.read([first, third])
    with pytest.raises(ConfigError, match=str(tmp_path)):
        login.read([tmp_path])
