"""What a page shows stands in its URL, so that a reload and a link show it again: choices, page numbers, links."""

from collections.abc import Callable, Sequence

import streamlit as st

from ui.words import words

PER_PAGE = 50
# What a new filter takes out of the URL: it shows the first page of what it holds, and nothing of it is open yet.
RESETS = ("page", "open", "members")


def asked(name: str, options: Sequence[str], default: str = "") -> str:
    """What the URL says of `name`, where that is one of the options."""
    value = str(st.query_params.get(name, default))
    return value if value in options else default


def choice(
    label: str,
    name: str,
    options: Sequence[str],
    shown: Callable[[str], str] = str,
    *,
    default: str = "",
    page: str,
    resets: Sequence[str] = RESETS,
) -> str:
    """A select box whose value stands in the URL under `name`; a change of it takes `resets` out of the URL."""
    key = f"{page} {name}"
    # Not there where another page was on the screen, none of them where it came with another run.
    if st.session_state.get(key) not in options:
        st.session_state[key] = asked(name, options, default)
    return str(
        st.selectbox(label, options, format_func=shown, key=key, on_change=_said, args=(name, key, default, resets))
    )


def typed(label: str, name: str, *, page: str, placeholder: str = "", icon: str | None = None) -> str:
    """A text box whose text stands in the URL under `name`."""
    key = f"{page} {name}"
    if key not in st.session_state:
        st.session_state[key] = st.query_params.get(name, "")
    args = (name, key, "", RESETS)
    box = st.text_input(label, key=key, on_change=_said, args=args, placeholder=placeholder, icon=icon)
    return (box or "").strip()


def _said(name: str, key: str, default: str, resets: Sequence[str]) -> None:
    """Write what was chosen into the URL."""
    value = str(st.session_state[key] or "").strip()
    for gone in (*resets, *((name,) if value == default else ())):
        st.query_params.pop(gone, None)
    if value != default:
        st.query_params[name] = value


def link(page: str, label: str, *, icon: str | None = None, **params: object) -> None:
    """A link to another page of the app with these parameters; run, reviewer and language stay."""
    kept = {name: st.query_params[name] for name in ("run", "reviewer", "lang") if name in st.query_params}
    given = {name: str(value) for name, value in params.items() if value not in (None, "")}
    # Pages are told apart by their path alone, and the first one's is empty.
    first = page == "review"
    there = st.Page(_elsewhere, title=label, url_path="" if first else page, default=first)
    st.page_link(there, label=label, icon=icon, query_params={**kept, **given})


def _elsewhere() -> None:
    raise AssertionError("a page that only stands for its path was run")


def pager(total: int, *, per: int = PER_PAGE, name: str = "page") -> int:
    """The number of the first row to show; the page's number stands in the URL."""
    pages = max(1, -(-total // per))
    said = st.query_params.get(name, "1")
    number = min(max(int(said), 1), pages) if said.isdecimal() and len(said) < 10 else 1
    if pages > 1:
        t = words("pieces")
        with st.container(horizontal=True, vertical_alignment="center"):
            key = _pager_key(name, number)
            number = st.pagination(pages, default=number, key=key, on_change=_turned, args=(name, key))
            st.caption(t("page_of", first=(number - 1) * per + 1, last=min(number * per, total), total=total))
    return (number - 1) * per


def _pager_key(name: str, number: int) -> str:
    """The key of the widget, which stays while it alone turns the pages: where the URL says another page, it is a new one."""
    generation = f"{name} generation"
    key = f"{name} {st.session_state.get(generation, 0)}"
    if st.session_state.get(key, number) == number:
        return key
    st.session_state[generation] = st.session_state.get(generation, 0) + 1
    return f"{name} {st.session_state[generation]}"


def _turned(name: str, key: str) -> None:
    st.query_params[name] = str(st.session_state[key])
    st.query_params.pop("open", None)
