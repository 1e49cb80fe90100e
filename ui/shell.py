"""What every page stands in: the run under review, who reviews it, and who may come in.

Session state dies with a reload, so nothing here lives in it alone: run, reviewer and language stand in the URL, decisions in
the run's own log.
"""

import contextlib
import getpass
import hmac
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import streamlit as st

from curate import runs
from curate.desk.model import Desk, open_desk, prepare
from curate.errors import ConfigError, CurateError
from curate.progress import Progress
from curate.review import login
from curate.review.serve import LOOPBACK, PASSWORD, RUN
from curate.review.store import opened
from ui.words import words


class Here(NamedTuple):
    """Where a page is: the run's desk and log, the reviewer, and this browser session's name in the log."""

    desk: Desk
    run: Path
    log_path: Path
    reviewer: str
    session: str


def here() -> Here:
    """The run and the reviewer of this page. Ends the page with one clear sentence where there is no run to review."""
    t = words("shell")
    found = choices()
    if not found:
        st.info(t("no_run", folder=_folder()))
        st.code("python -m curate build sample\npython -m curate review runs/sample", language="console")
        st.stop()
    name = remembered("run", found[0].name)
    run = next((path for path in found if path.name == name), found[0])
    try:
        desk = _desk(run)
    except CurateError as error:
        st.error(str(error))
        st.stop()
    return Here(desk, run, run / "decisions.sqlite", reviewer(), session())


def choices() -> list[Path]:
    """The finished runs that can be reviewed, the one that was named first, then the newest."""
    named = os.environ.get(RUN)
    finished = [path.parent for path in _folder().glob("*/manifest.json")]
    return sorted(finished, key=lambda path: (path != Path(named or ""), -path.stat().st_mtime))


def reviewer() -> str:
    """Who decides: the one who logged in, where there is a login; else the name in the URL, else the user of this machine."""
    if configured := _login():
        return _admitted(configured)
    try:
        own = getpass.getuser()
    except (OSError, KeyError):
        own = "reviewer"
    return remembered("reviewer", own)


def session() -> str:
    """The name of this browser session in the log: acts are unique within it."""
    return str(st.session_state.setdefault("session", uuid.uuid4().hex))


def remembered(name: str, default: str) -> str:
    """What the URL says of `name`, else what this session said last; kept in both, so that it outlives pages and reloads."""
    value = st.query_params.get(name) or st.session_state.get(f"url {name}") or default
    st.session_state[f"url {name}"] = value
    if value != default:
        st.query_params[name] = value
    return str(value)


@contextlib.contextmanager
def open_log(place: Here) -> Iterator[sqlite3.Connection]:
    """The run's log of decisions, a connection of this thread's own; for those only who may still come in.

    A page runs the guard, but what it redraws alone (a fragment) does not, and the review card stays open for hours.
    """
    if configured := _login():
        _admitted(configured)
    with opened(place.log_path) as log:
        yield log


def guard() -> None:
    """Let in who may come in: with a login those on its list, with a password who know it, else everyone on this machine."""
    t = words("shell")
    address = st.get_option("server.address") or "0.0.0.0"  # noqa: S104 - what streamlit binds to without one
    try:
        configured = _login()
    except ConfigError as error:
        st.error(str(error))
        st.stop()
    if configured:
        _check(configured)
    elif wanted := os.environ.get(PASSWORD):
        if not st.session_state.get("inside"):
            _ask(wanted)
    elif address not in LOOPBACK:
        st.error(t("not_alone", address=address))
        st.stop()


def _check(configured: login.Login) -> None:
    """Ends the page with a way to log in, or with one to log out for those who are not on the list."""
    t = words("shell")
    address = login.email(st.user)
    if not st.user.is_logged_in:
        st.title(t("app"))
        _offer(configured)
        st.stop()
    if not configured.admits(address):
        st.title(t("app"))
        st.error(t("not_allowed", address=address) if address else t("no_address"))
        st.button(t("log_out"), on_click=st.logout)
        st.stop()
    with st.sidebar:
        st.text(address)
        st.button(t("log_out"), on_click=st.logout, key="shell log out", icon=":material/logout:")


def _offer(configured: login.Login) -> None:
    t = words("shell")
    here = urlsplit(st.context.url or "")
    origin = configured.origin.replace("{port}", str(st.get_option("server.port")))
    if here.netloc and f"{here.scheme}://{here.netloc}" != origin:
        # The provider sends people back to the one address, and a cookie of another would not be seen there.
        st.info(t("other_address", address=origin))
        return
    provider = urlsplit(configured.metadata).netloc
    if st.button(t("log_in"), type="primary"):
        if trouble := login.trouble(configured):
            st.error(t("provider_down", provider=provider, trouble=trouble))
        else:
            st.login()
    st.caption(t("log_in_about", provider=provider))


def _admitted(configured: login.Login) -> str:
    """The name of the one who logged in; the whole page begins again, with the guard, for those who may not be here."""
    address = login.email(st.user) if st.user.is_logged_in else None
    if address is None or not configured.admits(address):
        st.rerun()
        # In a callback a rerun is no end.
        st.stop()
    return address


def _ask(wanted: str) -> None:
    t = words("shell")
    with st.form("password"):
        given = st.text_input(t("password"), type="password")
        if st.form_submit_button(t("enter")):
            if hmac.compare_digest(given.encode(), wanted.encode()):
                st.session_state["inside"] = True
                st.rerun()
            # Guessing is slow.
            time.sleep(1)
            st.error(t("wrong_password"))
    st.stop()


def has_login() -> bool:
    """Whether a login (OIDC) is configured in `.streamlit/secrets.toml`."""
    return _login() is not None


def _login() -> login.Login | None:
    """The login that is configured. Raises ConfigError where it could not work; secrets that cannot be read are not none."""
    try:
        secrets = st.secrets.to_dict()
    except OSError as error:
        if any(Path(path).exists() for path in st.get_option("secrets.files")):
            raise ConfigError(str(error)) from error
        return None
    return login.configured(secrets)


def _folder() -> Path:
    named = os.environ.get(RUN)
    return Path(named).parent if named else Path("runs")


def _desk(run: Path) -> Desk:
    """The run's desk, made ready where this build of the run has none yet."""
    runs.open_run(run)
    ready = run / "review" / "done.json"
    # Another build of the same folder is another desk; to look whether one is ready takes longer than a page may.
    made = (run / "manifest.json").stat().st_mtime_ns
    if not ready.exists() or (run, made) not in _prepared():
        bar = st.empty()
        shown = words("shell")("preparing", run=run.name)

        def watch(progress: Progress) -> None:
            bar.progress(min(1.0, progress.done / max(progress.total, 1)), text=shown)

        prepare(run, watch)
        bar.empty()
        _prepared().add((run, made))
    return _opened(run, made, ready.stat().st_mtime_ns)


@st.cache_resource
def _prepared() -> set[tuple[Path, int]]:
    """The builds (run, time of its manifest) whose desk is known to be ready."""
    return set()


@st.cache_resource(max_entries=2, show_spinner=False)
def _opened(run: Path, made: int, prepared: int) -> Desk:  # noqa: ARG001 - parts of the key
    return open_desk(run)
