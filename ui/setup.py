"""Setup: which run, who you are, in which language, what you agreed on, and who may see this app."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import version

import streamlit as st

from curate.errors import CurateError
from curate.review import guidelines
from curate.review.reasons import REASONS
from curate.review.serve import LOOPBACK, PASSWORD
from ui import pieces, rendering, shell
from ui.words import LANGUAGE, LANGUAGES, chosen, words

Words = Callable[..., str]

# What the review card understands, as `ui/card/help.js` has it: keys, and the text that says what they do.
KEYS = (
    ("K  A", "keep"),
    ("X 1 … 9", "key_reject"),
    ("X X", "key_last"),
    ("Space", "skip"),
    ("F", "flag"),
    ("E", "key_edit"),
    ("Ctrl+Enter", "key_save"),
    ("Esc", "key_cancel"),
    ("U  ⌫", "key_undo"),
    ("← →", "key_walk"),
    ("V", "key_view"),
    ("W", "key_why"),
    ("N", "key_neighbours"),
    ("D", "key_cluster"),
    ("B", "key_bring"),
    ("/", "key_search"),
    ("?", "key_help"),
)
LIBRARIES = ("lapidary", "streamlit", "polars", "numpy", "torch", "transformers", "sentence-transformers")
LONGEST_NAME = 80


def page() -> None:
    """Everything that is chosen once."""
    t = words("setup")
    place = shell.here()
    pieces.intro(t)
    left, right = st.columns([2, 3], gap="large")
    with left:
        _run(place, t)
        _you(place, t)
        _safety(t)
        _versions(t)
    with right:
        _guidelines(place, t)
        _keys(t)


def _run(place: shell.Here, t: Words) -> None:
    st.subheader(t("run"))
    found = {path.name: path for path in shell.choices()}
    name = st.selectbox(
        t("run"),
        list(found),
        index=list(found).index(place.run.name),
        key=f"setup run {place.run.name}",
        label_visibility="collapsed",
    )
    if name and name != place.run.name:
        _remember("run", name)
        # Rows, topics and pages of one run are not those of another.
        for gone in set(st.query_params) - {"run", "reviewer", LANGUAGE}:
            del st.query_params[gone]
        st.rerun()
    manifest = place.desk.manifest
    finished = manifest.get("finished", "")[:16].replace("T", " ")
    st.caption(t("run_about", inputs=manifest["inputs"], kept=manifest["kept"], finished=finished))
    st.caption(f"`{place.run}`")
    if place.desk.remark:
        st.caption(pieces.plain(place.desk.remark))


def _you(place: shell.Here, t: Words) -> None:
    st.subheader(t("you"))
    if shell.has_login():
        st.markdown(t("logged_in", name=pieces.plain(place.reviewer)))
        st.button(t("log_out"), on_click=st.logout, icon=":material/logout:")
    else:
        key = f"setup reviewer {place.reviewer}"
        name = st.text_input(
            t("reviewer"), value=place.reviewer, max_chars=LONGEST_NAME, key=key, help=t("reviewer_help")
        )
        if name and name.strip() and name.strip() != place.reviewer:
            _remember("reviewer", name.strip())
            st.rerun()
    language = st.segmented_control(
        t("language"),
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        default=chosen(),
        key=f"setup language {chosen()}",
        required=True,
    )
    if language and language != chosen():
        st.session_state[LANGUAGE] = language
        st.query_params[LANGUAGE] = language
        st.rerun()


def _remember(name: str, value: str) -> None:
    st.session_state[f"url {name}"] = value
    st.query_params[name] = value


def _safety(t: Words) -> None:
    st.subheader(t("safety"))
    address = st.get_option("server.address") or "0.0.0.0"  # noqa: S104 - what streamlit binds to without one
    login, password = shell.has_login(), bool(os.environ.get(PASSWORD))
    lines = [
        t("only_here", address=address) if address in LOOPBACK else t("beyond", address=address),
        t("with_login") if login else t("with_password") if password else t("without_password"),
        t("telemetry_on") if st.get_option("browser.gatherUsageStats") else t("telemetry_off"),
    ]
    st.markdown("\n".join(f"- {line}" for line in lines))
    with st.expander(t("how_to_share")):
        st.markdown(t("share_password"))
        st.code(f"{PASSWORD}=… python -m curate review runs/mine --address 0.0.0.0", language="console")
        st.markdown(t("share_login"))
        st.code(
            '# .streamlit/secrets.toml\n[auth]\nredirect_uri = "https://review.example.org/oauth2callback"\n'
            'cookie_secret = "…"\nclient_id = "…"\nclient_secret = "…"\n'
            'server_metadata_url = "https://accounts.example.org/.well-known/openid-configuration"\n'
            '[lapidary]\nallow = ["ann@example.org", "*@example.com"]',
            language="toml",
        )


def _guidelines(place: shell.Here, t: Words) -> None:
    st.subheader(t("guidelines"))
    st.caption(t("guidelines_about", path=place.run / "guidelines.md"))
    text = pieces.attempt(lambda: guidelines.read(place.run, chosen()))
    reading, writing = st.tabs([t("read"), t("write")])
    with reading, st.container(height=460, border=True):
        pieces.rendered(f'<div class="text" dir="auto">{rendering.markdown_html(text)}</div>', "guidelines")
    with writing, st.form("guidelines", border=False):
        was = st.session_state.setdefault("guidelines read", text)
        new = st.text_area(
            t("guidelines"),
            value=text,
            height=400,
            key=f"guidelines {pieces.digest(text)}",
            label_visibility="collapsed",
        )
        saved = st.form_submit_button(t("save"), type="primary", icon=":material/save:")
        st.caption(t("empty_is_default"))
    if not saved:
        st.session_state["guidelines read"] = text
        return
    try:
        guidelines.write(place.run, new or "", was)
    except CurateError as error:
        st.error(pieces.plain(error))
        return
    st.session_state.pop("guidelines read", None)
    st.toast(t("saved"), icon=":material/check:")
    st.rerun()


def _keys(t: Words) -> None:
    keys, reasons = st.tabs([t("keys"), t("reasons")])
    with keys:
        rows = [{t("key"): key, t("what"): t(name)} for key, name in KEYS]
        st.table(rows, border="horizontal")
    with reasons:
        st.caption(t("reasons_about"))
        rows = [{t("key"): f"X {reason.key}", t("what"): t(f"reason_{reason.key}")} for reason in REASONS]
        st.table(rows, border="horizontal")


def _versions(t: Words) -> None:
    with st.expander(t("versions")):
        st.caption(
            " · ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)])
        )
