"""Coverage: what the set has of each topic and source, what the quotas still lack, and where to look for it."""

from collections.abc import Callable
from html import escape

import polars as pl
import streamlit as st

from curate.desk import coverage
from curate.report.fates import COLORS
from ui import pieces, shell
from ui.pieces import Bar
from ui.shell import Here
from ui.words import words

ROWS = ("topic", "group", "stratum")
# Lines of a table and thin topics that are shown.
MOST_ROWS, MOST_THIN = 60, 12
# Percent of green in a cell of which the build kept twice the usual share or more; letters stay readable on it.
DEEPEST = 65
_STYLE = """<style>
.cover { overflow-x: auto; } .cover table { border-collapse: separate; border-spacing: 2px; font-size: .85rem; }
.cover th { text-align: start; font-weight: 600; padding: .2rem .6rem; max-width: 20rem; }
.cover tbody th { font-weight: 400; min-width: 7rem; } .cover thead th { vertical-align: bottom; } .cover thead th + th { text-align: end; }
.cover td { text-align: right; padding: .25rem .6rem; border-radius: 4px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.cover td b { font-weight: 650; } .cover td span { opacity: .65; }
</style>"""


def page() -> None:
    """Quotas, thin topics, and the table of topics by source."""
    t = words("coverage")
    place = shell.here()
    pieces.intro(t)
    decided = pieces.states(place)
    _quotas(place, decided, t)
    if place.desk.topics:
        _thin(place, decided, t)
    _crossed(place, decided, t)


def _quotas(place: Here, decided: pl.DataFrame, t: Callable[..., str]) -> None:
    st.subheader(t("quotas"))
    found = coverage.quotas(place.desk, decided)
    if found.is_empty():
        st.caption(t("no_quotas"))
        return
    drawn = [
        Bar(
            row["bucket"],
            row["people"],
            t("quota_words", people=row["people"], quota=row["quota"]),
            COLORS["limit" if row["gap"] else "kept"],
            row["quota"],
            row["built"],
        )
        for row in found.iter_rows(named=True)
    ]
    pieces.bars(drawn)
    st.caption(t("quota_note"))
    names = ("bucket", "quota", "people", "gap", "built", "passed", "candidates", "waiting")
    labels = {
        name: st.column_config.NumberColumn(t(f"col_{name}"), format="localized")
        if name != "bucket"
        else t("col_bucket")
        for name in names
    }
    st.dataframe(found.select(names), column_config=labels, hide_index=True, alt=t("quotas"))
    if found["gap"].sum():
        pieces.link("review", t("fill"), icon=":material/rate_review:", queue="quota_gaps")


def _thin(place: Here, decided: pl.DataFrame, t: Callable[..., str]) -> None:
    st.subheader(t("thin"))
    found = coverage.thin(place.desk, decided)
    if found.is_empty():
        st.caption(t("no_thin"))
        return
    st.caption(t("thin_about"))
    for row in found.head(MOST_THIN).iter_rows(named=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            name = pieces.plain(place.desk.topics[row["topic"]])
            figures = {key: row[key] for key in ("kept", "expected", "waiting")}
            st.markdown(t("thin_row", name=name, **figures), width="stretch")
            where = {"topic": row["topic"], "state": "undecided"}
            pieces.link("review", t("look_at_them"), icon=":material/rate_review:", queue="most_valuable", **where)
            pieces.link("browse", t("in_browse"), icon=":material/table_rows:", **where)


def _crossed(place: Here, decided: pl.DataFrame, t: Callable[..., str]) -> None:
    options = ROWS if place.desk.topics else ROWS[1:]
    head = st.empty()
    if not place.desk.topics:
        st.caption(t("no_topics"))
    by = pieces.choice(
        t("rows_are"), "by", options, lambda name: t(f"{name}_rows"), default=options[0], page="coverage"
    )
    head.subheader(t("table", by=t(f"{by}_rows")))
    st.caption(t("cell_note"))
    found = coverage.crossed(place.desk, decided, by)
    totals = found.group_by(by).agg(pl.col("candidates").sum()).sort("candidates", by, descending=[True, False])
    values = totals[by].to_list()
    first = pieces.pager(len(values), per=MOST_ROWS)
    st.html(_STYLE + _table(place, found, by, values[first : first + MOST_ROWS], t))


def _table(place: Here, found: pl.DataFrame, by: str, values: list[object], t: Callable[..., str]) -> str:
    """The counts as an HTML table, everything of the data escaped."""
    sources = found["source"].unique().sort().to_list()
    cells = {(row[by], row["source"]): row for row in found.iter_rows(named=True)}
    names = ("candidates", "built", "people", "waiting")
    usual = int(found["built"].sum()) / max(int(found["candidates"].sum()), 1)
    sums = {row[by]: row for row in found.group_by(by).agg(pl.col(*names).sum()).iter_rows(named=True)}
    head = "".join(f'<th scope="col">{escape(source)}</th>' for source in [*sources, t("all_sources")])
    lines = []
    for value in values:
        name = _name(place, by, value, t)
        row = [(source, cells.get((value, source))) for source in sources] + [(t("all_sources"), sums[value])]
        drawn = "".join(_cell(name, source, counts, usual, t) for source, counts in row)
        lines.append(f'<tr><th scope="row" dir="auto">{escape(name)}</th>{drawn}</tr>')
    corner = escape(t(f"{by}_rows"))
    return (
        f'<div class="cover" tabindex="0"><table><thead><tr><th scope="col">{corner}</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(name: str, source: str, counts: dict[str, int] | None, usual: float, t: Callable[..., str]) -> str:
    """One cell; its shade says how the share that the build kept of it compares with the `usual` share of all."""
    if counts is None or not counts["candidates"]:
        return "<td><span>–</span></td>"
    figures = {key: counts[key] for key in ("people", "built", "candidates", "waiting")}
    title = escape(t("cell_title", name=name, source=source, **figures))
    share = counts["built"] / counts["candidates"]
    depth = round(DEEPEST * min(share / (2 * usual), 1)) if usual else 0
    return (
        f'<td title="{title}" style="background:color-mix(in srgb, #2f9d6b {depth}%, transparent)">'
        f"<b>{counts['people']:,}</b> · {counts['built']:,}<span> / {counts['candidates']:,}</span></td>"
    )


def _name(place: Here, by: str, value: object, t: Callable[..., str]) -> str:
    if value is None:
        return t("no_topic") if by == "topic" else t("no_name")
    return place.desk.topics[int(str(value))] if by == "topic" else str(value)
