"""The review app: `streamlit run app.py`, `make app`, or `python -m curate review RUN`."""

from pathlib import Path

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
st.navigation(
    {
        t(section): [
            st.Page(page, title=t(name), icon=f":material/{icon}:", url_path=name, default=name == "review")
            for name, page, icon in pages
        ]
        for section, pages in PAGES.items()
    }
).run()
