"""Progress: who decided what and when, how fast, what is left, why examples were rejected; decisions to and from a file."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from curate import charts
from curate.desk.model import Desk, counts
from curate.desk.queues import HIDDEN, QUEUES, queue
from curate.errors import CurateError
from curate.review import audit, exchange, pace, saved
from curate.review.reasons import NAMES
from curate.review.store import opened
from ui import canvas, pieces, shell
from ui.words import words

Words = Callable[..., str]

PER_PAGE = 25
# Queues that are put in order by much more work than they are counted by: on a large run only when asked for.
LARGE = 20_000
# How the days' bars are stacked, each with its colour.
STACK = (("keep", 2), ("edit", 0), ("reject", 1), ("flag", 4), ("skip", 5))
DAYS = 60


def page() -> None:
    """Figures, then people, reasons and the log, then the files."""
    t = words("progress")
    place = shell.here()
    pieces.intro(t)
    last, done, mine, people, days, why = pieces.attempt(lambda: _read(place))
    _figures(done, mine, t)
    if not last:
        st.info(t("empty"))
        pieces.link("review", t("begin"), icon=":material/rate_review:")
    pieces.undo_bar(place)
    left, right = st.columns(2, gap="large")
    with left:
        _days(days, t)
        _reasons(why, t)
    with right:
        _queues(place, last, mine.per_hour, t)
    _people(people, t)
    _files(place, done, t)
    _audit(place, people, t)


def _read(place: shell.Here) -> tuple[int, dict[str, int], pace.Pace, pl.DataFrame, list[Any], list[Any]]:
    """What the log says: its last event, counts, the reviewer's pace, people, decisions by day, reasons."""
    with shell.open_log(place) as log:
        last = int(log.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])
        done = counts(place.desk, log)
        mine = pace.pace(log, place.reviewer, done["candidates"] - done["decided"])
        return last, done, mine, pace.people(log), audit.per_day(log), audit.reasons(log)


def _figures(done: dict[str, int], mine: pace.Pace, t: Words) -> None:
    with st.container(horizontal=True):
        share = done["decided"] / max(done["candidates"], 1)
        st.metric(
            t("decided"),
            f"{done['decided']:,}",
            t("of", count=done["candidates"], share=share),
            delta_color="off",
            delta_arrow="off",
        )
        for name in ("kept", "rejected", "edited", "flagged", "stale"):
            st.metric(t(f"n_{name}"), f"{done[name]:,}")
        st.metric(t("per_hour"), "–" if mine.per_hour is None else f"{mine.per_hour:,.0f}", help=t("per_hour_help"))
        st.metric(t("left"), duration(mine.seconds_left, t), help=t("left_help"))
    st.progress(min(share, 1.0))


def duration(seconds: float | None, t: Words) -> str:
    """A stretch of time in its two largest units."""
    if seconds is None:
        return "–"
    minutes = max(1, round(seconds / 60)) if seconds else 0
    return t("minutes", minutes=minutes) if minutes < 90 else t("hours", hours=minutes // 60, minutes=minutes % 60)


def _days(days: Sequence[tuple[str, str, int]], t: Words) -> None:
    st.subheader(t("days"))
    if not days:
        st.caption(t("nothing_yet"))
        return
    names = {name: t(name) for name, _ in STACK}
    canvas.picture(days_chart(t("days_chart"), days, names), t("days_chart"))
    with st.expander(t("as_table")):
        table = pl.DataFrame(days, schema=["day", "decision", "n"], orient="row").pivot(
            "decision", index="day", values="n"
        )
        st.dataframe(table.fill_null(0), column_config={"day": t("day"), **names}, hide_index=True, alt=t("days"))


def days_chart(title: str, days: Sequence[tuple[str, str, int]], names: dict[str, str]) -> str:
    """Stacked bars, one a day from the first to the last (the last DAYS of them), as SVG."""
    found = {(day, decision): count for day, decision, count in days}
    first, last = (pl.Series([days[place][0]]).str.to_date()[0] for place in (0, -1))
    every = pl.date_range(first, last, eager=True).dt.to_string().to_list()[-DAYS:]
    sums = [sum(found.get((day, name), 0) for name in names) for day in every]
    left, right, top, bottom = charts.MARGIN
    y = charts.scale([0, *sums], charts.HEIGHT - bottom, top + 14)
    step = (charts.WIDTH - left - right) / max(len(every), 7)
    parts = [
        f'<line class="g" x1="{left}" x2="{charts.WIDTH - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + charts.label(left - 8, y(tick) + 4, charts.figure(tick), "end")
        for tick in y.ticks
        if tick == int(tick)
    ]
    for place, day in enumerate(every):
        below = 0
        for name, color in STACK:
            count = found.get((day, name), 0)
            height = y(below) - y(below + count)
            below += count
            if count:
                parts.append(
                    f'<rect x="{left + place * step + step * 0.12:.1f}" width="{step * 0.76:.1f}" y="{y(below):.1f}"'
                    f' height="{height:.1f}" fill="{charts.COLORS[color]}"><title>{day}: {names[name]} {count:,}</title></rect>'
                )
    shown = range(0, len(every), max(1, -(-len(every) // 8)))
    parts += [
        charts.label(left + (place + 0.5) * step, charts.HEIGHT - bottom + 18, every[place][5:], "middle")
        for place in shown
    ]
    at = float(left)
    for name, color in STACK:
        if any((day, name) in found for day in every):
            parts.append(
                f'<rect x="{at:.0f}" y="{charts.HEIGHT - 16}" width="10" height="10" rx="2" fill="{charts.COLORS[color]}"/>'
            )
            parts.append(charts.label(at + 15, charts.HEIGHT - 7, names[name]))
            at += 34 + 8 * len(names[name])
    return charts.picture(title, parts, charts.HEIGHT)


def _reasons(found: Sequence[tuple[str, int]], t: Words) -> None:
    st.subheader(t("reasons"))
    if not found:
        st.caption(t("no_reasons"))
        return
    rows = [{"reason": reason_name(name, t), "count": count} for name, count in found]
    most = found[0][1]
    bar = st.column_config.ProgressColumn(t("count"), min_value=0, max_value=most, format="%d")
    st.dataframe(rows, column_config={"reason": t("reason"), "count": bar}, hide_index=True, alt=t("reasons"))


def reason_name(name: str, t: Words) -> str:
    """A reason of the log in the reader's language; one of an imported file that is none of ours as it stands."""
    return next((t(f"reason_{number}") for number, known in NAMES.items() if known == name), name)


def _queues(place: shell.Here, last: int, per_hour: float | None, t: Words) -> None:
    st.subheader(t("queues"))
    with shell.open_log(place) as log:
        named = saved.saved(log)
    if place.desk.candidates.height > LARGE and not st.toggle(t("count_queues"), key="count queues"):
        st.caption(t("count_queues_why"))
        return
    lengths = {
        name: _length(place.desk, place.log_path, place.desk.fingerprint, name, place.reviewer, last)
        for name in QUEUES
        if name not in HIDDEN
    }
    called = words("review")
    lengths = {called(f"queue_{name}"): count for name, count in lengths.items()} | named
    rows = [
        {"queue": name, "n": count, "time": duration(count * 3600 / per_hour if per_hour else None, t)}
        for name, count in lengths.items()
    ]
    labels = {"queue": t("queue"), "n": t("left_count"), "time": t("time_left")}
    st.dataframe(rows, column_config=labels, hide_index=True, height="content", alt=t("queues"))
    st.caption(t("queues_about") if per_hour else t("no_pace"))


@st.cache_data(max_entries=200, show_spinner=False)
def _length(_desk: Desk, log_path: Path, made: str, name: str, reviewer: str, last: int) -> int:  # noqa: ARG001 - the key
    with opened(log_path) as log:
        return queue(_desk, log, name, reviewer).height


def _people(people: pl.DataFrame, t: Words) -> None:
    st.subheader(t("people"))
    if people.is_empty():
        st.caption(t("nothing_yet"))
        return
    labels: dict[str, Any] = {name: t(f"people_{name}") for name in people.columns}
    labels["per_hour"] = st.column_config.NumberColumn(t("people_per_hour"), format="%.0f")
    labels["median_seconds"] = st.column_config.NumberColumn(t("people_median_seconds"), format="%.1f")
    ends = (pl.col("first", "last").str.slice(0, 16).str.replace("T", " "),)
    st.dataframe(people.with_columns(*ends), column_config=labels, hide_index=True, alt=t("people"))


# ---- files ----------------------------------------------------------------------------------------------------------


def _files(place: shell.Here, done: dict[str, int], t: Words) -> None:
    st.subheader(t("files"))
    writing, reading = st.columns(2, gap="large")
    path = place.run / "decisions.jsonl"
    with writing:
        st.markdown(t("export_about"))
        if st.button(t("export"), icon=":material/save:", type="primary", disabled=not done["decided"]):
            with shell.open_log(place) as log:
                number = pieces.attempt(lambda: exchange.export_decisions(log, path))
            st.success(t("exported", count=number, path=path))
        if path.is_file():
            st.download_button(
                t("download"),
                path.read_bytes,
                "decisions.jsonl",
                "application/jsonl",
                on_click="ignore",
                icon=":material/download:",
            )
            st.caption(t("replay"))
            st.code(
                f"python -m curate build {place.run / 'recipe.yaml'} -s review.decisions={path} --out {place.run}-reviewed",
                language="console",
                wrap_lines=True,
            )
    with reading:
        st.markdown(t("import_about"))
        given = st.file_uploader(t("import"), type=["jsonl"], key="decisions file", label_visibility="collapsed")
        if given is not None and st.button(t("import"), icon=":material/upload:"):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "decisions.jsonl"
                file.write_bytes(given.getvalue())
                try:
                    with shell.open_log(place) as log:
                        number = exchange.import_decisions(log, file)
                except CurateError as error:
                    st.error(pieces.plain(str(error).replace(folder + "/", "")))
                else:
                    st.toast(t("imported", count=number), icon=":material/check:")
                    st.rerun()


# ---- the log --------------------------------------------------------------------------------------------------------


def _audit(place: shell.Here, people: pl.DataFrame, t: Words) -> None:
    st.subheader(t("audit"))
    st.caption(t("audit_about"))
    everyone = ["", *(people["reviewer"].to_list() if "reviewer" in people.columns else [])]
    whose = pieces.choice(t("whose"), "whose", everyone, lambda name: name or t("everyone"), page="progress")
    with shell.open_log(place) as log:
        total = audit.count(log, whose or None)
        first = pieces.pager(total, per=PER_PAGE)
        acts = audit.page(log, first, PER_PAGE, whose or None)
    if not acts:
        st.caption(t("nothing_yet"))
        return
    rows = place.desk.candidates.filter(pl.col("content").is_in([act.content for act in acts])).select(
        "content", "row", "title"
    )
    titles = {content: (row, title) for content, row, title in rows.iter_rows()}
    none = t("undecided")
    shown = [
        {
            "time": act.time[:19].replace("T", " "),
            "reviewer": act.reviewer,
            "change": f"{t(act.before) if act.before else none} → {t(act.after) if act.after else none}",
            "what": " ".join(
                part
                for part in (
                    t("undone") if act.decision == "undo" else "",
                    t("many", count=act.many) if act.many > 1 else "",
                    t(f"role_{act.role}") if act.role else "",
                    ", ".join(reason_name(name, t) for name in act.reasons),
                )
                if part
            ),
            "title": titles.get(act.content, (None, act.example))[1],
        }
        for act in acts
    ]
    labels = {name: t(f"audit_{name}") for name in shown[0]}
    st.dataframe(shown, column_config=labels, hide_index=True, height="content", alt=t("audit"))
