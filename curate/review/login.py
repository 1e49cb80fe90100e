"""Who may log in to the review app: what Streamlit's `secrets.toml` says of it, read and judged.

`[auth]` is the provider (OpenID Connect), as `st.login` wants it. `[lapidary] allow` is whom of the provider's people the
app lets in: at many providers everyone on earth can have an account.
"""

import fnmatch
import importlib.util
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from curate.errors import ConfigError

REQUIRED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
# Where the provider sends people back to; Streamlit's own.
CALLBACK = "/oauth2callback"
# Whoever guesses the secret can write themselves any name; this many characters of `secrets.token_hex()` are 128 bits.
SHORTEST_SECRET = 32
PATIENCE_S = 5.0


class Login(NamedTuple):
    """A login as configured: where the app is (`https://review.example.org`, its port may be `{port}`), the address of what
    the provider says of itself, and patterns of the e-mail addresses that are let in, in small letters.
    """

    origin: str
    metadata: str
    allow: tuple[str, ...]

    def admits(self, address: str | None) -> bool:
        """Whether someone with this e-mail address (see `email`) may come in."""
        return address is not None and any(fnmatch.fnmatchcase(address, pattern) for pattern in self.allow)


def read(files: Iterable[Path]) -> dict[str, Any]:
    """What these files say together: a table of a later one replaces that of an earlier one, as in Streamlit.

    Files that are not there say nothing. Raises ConfigError for one that cannot be read.
    """
    together: dict[str, Any] = {}
    for path in files:
        try:
            together |= tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
    return together


def configured(secrets: Mapping[str, Any]) -> Login | None:
    """The login that these secrets configure, None where they have no `[auth]`.

    Raises ConfigError where it could not work or would let in people that nobody named; no message has a secret in it.
    """
    if "auth" not in secrets:
        return None
    auth, ours = secrets["auth"], secrets.get("lapidary")
    missing = [name for name in REQUIRED if not (isinstance(auth, Mapping) and auth.get(name))]
    if missing:
        raise ConfigError(f"secrets.toml: [auth] has no {', '.join(missing)}")
    address = urlsplit(str(auth["redirect_uri"]))
    if address.scheme not in {"http", "https"} or not address.netloc or not address.path.endswith(CALLBACK):
        raise ConfigError(
            f"secrets.toml: [auth] redirect_uri: {auth['redirect_uri']}; expected the address at which people open the app"
            f" and {CALLBACK}, as https://review.example.org{CALLBACK}"
        )
    if len(str(auth["cookie_secret"])) < SHORTEST_SECRET:
        raise ConfigError(
            f"secrets.toml: [auth] cookie_secret is shorter than {SHORTEST_SECRET} characters;"
            ' python -c "import secrets; print(secrets.token_hex())" prints a good one'
        )
    allow = ours.get("allow") if isinstance(ours, Mapping) else None
    if not isinstance(allow, list) or not allow or not all(isinstance(one, str) and one for one in allow):
        raise ConfigError(
            "secrets.toml: [auth] is there, but [lapidary] allow does not say who may come in; expected a list of e-mail"
            ' addresses, * for any part of one, as allow = ["ann@example.org", "*@example.com"]'
        )
    if not all(importlib.util.find_spec(library) for library in ("authlib", "httpx")):
        raise ConfigError(
            'secrets.toml: [auth] needs the extra login, which is not installed: pip install -e ".[login]"'
        )
    origin = f"{address.scheme}://{address.netloc}"
    return Login(origin, str(auth["server_metadata_url"]), tuple(one.lower() for one in allow))


def email(claims: Mapping[str, Any]) -> str | None:
    """The e-mail address that the provider vouches for, in small letters: the name of one who logged in.

    `claims` are those of the ID token (OpenID Connect Core 1.0, section 5.1). None without an address, and where the provider
    says that it is not verified: then anyone could have typed it. A provider that says neither is taken at its word.
    """
    address, verified = claims.get("email"), claims.get("email_verified", True)
    return str(address).strip().lower() if address and str(verified).lower() == "true" else None


def trouble(login: Login) -> str | None:
    """Why nobody can log in at the provider just now, None where it answers as it should."""
    import httpx

    try:
        answer = httpx.get(login.metadata, timeout=PATIENCE_S).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return str(error).partition("\n")[0] or type(error).__name__
    is_provider = isinstance(answer, Mapping) and "authorization_endpoint" in answer
    return None if is_provider else "no authorization_endpoint"
