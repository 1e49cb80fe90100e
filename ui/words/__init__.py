"""Every text of the interface, in English and Korean: one table a page, `words/<page>.toml`, a line a text.

    keep = {en = "Keep", ko = "유지"}

A text may have named places, `{count}`, that the page fills. What stands in `shell.toml` every page has. The rules say what they
drop in English themselves; `rules.toml` has it in the other languages, by stage and rule.
"""

import functools
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from curate.desk.why import OVERRIDDEN

LANGUAGES = {"en": "English", "ko": "한국어"}
LANGUAGE = "lang"


def words(page: str) -> Callable[..., str]:
    """The texts of a page in the reader's language: `t("keep")`, `t("left", count=3)`. Raises KeyError for a text that is not there."""
    texts: dict[str, Mapping[str, str]] = {**table("shell"), **table(page)}
    language = chosen()

    def t(key: str, **values: object) -> str:
        text = texts[key][language]
        return text.format(**values) if values else text

    return t


def chosen() -> str:
    """The reader's language: what they chose, else what their browser asks for where we have it, else English."""
    wanted = st.query_params.get(LANGUAGE) or st.session_state.get(LANGUAGE) or (st.context.locale or "en")[:2]
    return wanted if wanted in LANGUAGES else "en"


def sentence(stage: str, rule: str, english: str) -> str:
    """What a rule drops, in the reader's language; in English a rule that has no other sentence, as of a run of another version."""
    return str(table("rules").get(stage, {}).get(rule, {}).get(chosen(), english))


def detail(found: str | None) -> str | None:
    """The detail of a reason, as the run has it, but for what we say ourselves."""
    return words("pieces")("overridden") if found == OVERRIDDEN else found


@functools.cache
def table(page: str) -> Mapping[str, Any]:
    """Key to language to text; of the rules, stage to rule to language to text."""
    return tomllib.loads((Path(__file__).parent / f"{page}.toml").read_text(encoding="utf-8"))
