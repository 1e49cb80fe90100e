"""The review app: `streamlit run app.py`, `make app`, or `python -m curate review RUN`."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import streamlit as st

from ui import (
    adjudicate,
    browse,
    contamination,
    coverage,
    dropped,
    duplicates,
    pairwise,
    plain,
    progress,
    reports,
    review,
    setup,
    shell,
)
from ui import (
    map as space,
)
from ui.words import words

st.set_page_config(page_title="Lapidary", page_icon=Path(__file__).parent / "ui/icon.svg", layout="wide")
shell.guard()
t = words("shell")
PAGES = {
    "decide": [
        ("review", review.page, "rate_review"),
        ("plain", plain.page, "checklist"),
        ("pairwise", pairwise.page, "compare"),
        ("adjudicate", adjudicate.page, "balance"),
    ],
    "look": [
        ("browse", browse.page, "table_rows"),
        ("map", space.page, "scatter_plot"),
        ("coverage", coverage.page, "grid_view"),
        ("dropped", dropped.page, "filter_alt_off"),
        ("duplicates", duplicates.page, "content_copy"),
        ("contamination", contamination.page, "science"),
    ],
    "account": [
        ("progress", progress.page, "trending_up"),
        ("reports", reports.page, "summarize"),
        ("setup", setup.page, "settings"),
    ],
}


def shown(name: str, page: Callable[[], None], icon: str) -> st.Page:
    """A page in the menu. The first one's address is `/`."""
    first = name == "review"
    return st.Page(page, title=t(name), icon=f":material/{icon}:", url_path="" if first else name, default=first)


sections = {t(section): [shown(*page) for page in pages] for section, pages in PAGES.items()}
first = sections[t("decide")][0]


def to_first() -> NoReturn:
    """`/review`, as one would write it: the first page, with what the address asks of it."""
    st.switch_page(first, query_params=st.query_params.to_dict())


sections[t("decide")].append(st.Page(to_first, title=t("review"), url_path="review", visibility="hidden"))
st.navigation(sections).run()
