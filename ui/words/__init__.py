"""Every text of the interface, in English and Korean: one table a page, `words/<page>.toml`, a line a text.

    keep = {en = "Keep", ko = "유지"}

A text may have named places, `{count}`, that the page fills. What stands in `shell.toml` every page has.
"""

import functools
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

LANGUAGES = {"en": "English", "ko": "한국어"}
LANGUAGE = "lang"


def words(page: str) -> Callable[..., str]:
    """The texts of a page in the reader's language: `t("keep")`, `t("left", count=3)`. Raises KeyError for a text that is not there."""
    texts = {**table("shell"), **table(page)}
    language = chosen()

    def t(key: str, **values: object) -> str:
        text = texts[key][language]
        return text.format(**values) if values else text

    return t


def chosen() -> str:
    """The reader's language: what they chose, else what their browser asks for where we have it, else English."""
    wanted = st.query_params.get(LANGUAGE) or st.session_state.get(LANGUAGE) or (st.context.locale or "en")[:2]
    return wanted if wanted in LANGUAGES else "en"


@functools.cache
def table(page: str) -> Mapping[str, Mapping[str, str]]:
    """Key to language to text."""
    return tomllib.loads((Path(__file__).parent / f"{page}.toml").read_text(encoding="utf-8"))
