"""Reports: what the build says of itself, what another run has other than it, its ablations, and the boards of judgements."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from curate import runs
from curate.ablate import DRAWS
from curate.diff import diff
from ui import canvas, pieces, shell
from ui.words import words

Words = Callable[..., str]

VIEWS = ("build", "compare", "ablations", "boards")
# A page that is larger is opened in a tab of its own, not inside this one.
LARGEST = 12_000_000
FILES = {
    "report.html": "text/html",
    "report.json": "application/json",
    "dataset.jsonl": "application/jsonl",
    "dataset.parquet": "application/vnd.apache.parquet",
    "ledger.parquet": "application/vnd.apache.parquet",
    "README.md": "text/markdown",
    "croissant.json": "application/ld+json",
    "recipe.yaml": "application/yaml",
}
PER_KIND = 20


def page() -> None:
    """One of VIEWS, named in the URL."""
    t = words("reports")
    place = shell.here()
    pieces.intro(t)
    view = pieces.asked("view", VIEWS, VIEWS[0])
    chosen = st.segmented_control(
        t("view"),
        VIEWS,
        format_func=t,
        default=view,
        key=f"reports view {view}",
        label_visibility="collapsed",
        required=True,
        on_change=_look,
        args=(f"reports view {view}",),
    )
    {"build": _build, "compare": _compare, "ablations": _ablations, "boards": _boards}[chosen or view](place, t)


def _look(key: str) -> None:
    st.query_params["view"] = str(st.session_state[key])


# ---- the build's own report -----------------------------------------------------------------------------------------


def _build(place: shell.Here, t: Words) -> None:
    manifest = place.desk.manifest
    partial = "" if manifest["complete"] else " · " + t("partial")
    st.caption(
        t(
            "built",
            inputs=manifest["inputs"],
            kept=manifest["kept"],
            finished=manifest.get("finished", "")[:16].replace("T", " "),
        )
        + partial
    )
    _downloads(place.run, {name: kind for name, kind in FILES.items() if (place.run / name).is_file()}, t)
    report = place.run / "report.html"
    if not report.is_file():
        st.info(t("no_report"))
        st.code(f"python -m curate report {place.run}", language="console")
        return
    _shown(report, t("build"), t)


def _shown(path: Path, title: str, t: Words) -> None:
    """A page in a frame that may run no script, reach no address and read nothing of the app."""
    size = path.stat().st_size
    if size > LARGEST:
        st.info(t("too_large", megabytes=size / 1e6, path=path))
        return
    canvas.frame(key=f"frame {path}", data={"page": path.read_text(encoding="utf-8"), "title": title})


def _downloads(folder: Path, files: Mapping[str, str], t: Words) -> None:
    with st.popover(t("files"), icon=":material/download:"):
        st.caption(f"`{folder}`")
        for name, kind in files.items():
            path = folder / name
            st.download_button(
                f"{name} · {_size(path)}",
                data=path.read_bytes,
                file_name=name,
                mime=kind,
                key=f"file {path}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
            )


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


# ---- two runs -------------------------------------------------------------------------------------------------------


def _compare(place: shell.Here, t: Words) -> None:
    others = {path.name: path for path in shell.choices() if path != place.run}
    if not others:
        st.info(t("one_run", folder=place.run.parent))
        st.code(
            f"python -m curate build {place.run / 'recipe.yaml'} -s filters.min_chars=300 --out {place.run}-2",
            language="console",
        )
        return
    name = pieces.choice(t("other"), "with", list(others), default=next(iter(others)), page="reports")
    other = others[name]
    made = [(runs.open_run(path).get("finished") or "") for path in (other, place.run)]
    found = pieces.attempt(lambda: _diff(other, place.run, *made))
    st.code(f"python -m curate diff {other} {place.run}", language="console")
    cells = st.columns(4)
    for cell, key, count in zip(
        cells,
        ("both", "added", "removed", "changed"),
        (found["both"], *(len(found[kind]) for kind in ("added", "removed", "changed"))),
        strict=True,
    ):
        cell.metric(t(f"diff_{key}"), f"{count:,}", help=t(f"diff_{key}_help", a=name, b=place.run.name))
    st.subheader(t("settings"))
    if found["settings"]:
        rows = [{"key": row["key"], "a": _told(row["a"]), "b": _told(row["b"])} for row in found["settings"]]
        labels = {"key": t("setting"), "a": name, "b": place.run.name}
        st.dataframe(rows, column_config=labels, hide_index=True, alt=t("settings"))
    else:
        st.caption(t("same_settings"))
    if found["by_rule"]:
        st.subheader(t("by_rule"))
        labels = {"stage": t("stage"), "rule": t("rule"), "added": t("diff_added"), "removed": t("diff_removed")}
        st.dataframe(found["by_rule"], column_config=labels, hide_index=True, alt=t("by_rule"))
    for kind in ("added", "removed", "changed"):
        _differing(found[kind], kind, t)


@st.cache_resource(max_entries=4, show_spinner=False)
def _diff(other: Path, run: Path, made: str, mine: str) -> dict[str, Any]:  # noqa: ARG001 - the key
    return diff(other, run)


def _differing(rows: list[dict[str, Any]], kind: str, t: Words) -> None:
    """Examples of one kind, by pages."""
    if not rows:
        return
    with st.expander(f"{t(f'diff_{kind}')} · {len(rows):,}"):
        first = pieces.pager(len(rows), per=PER_KIND, name=f"{kind}_page")
        shown = rows[first : first + PER_KIND]
        if kind == "changed":
            for row in shown:
                st.markdown(f"**{pieces.plain(row['key'])}** · {pieces.plain(row['source'])}")
                st.code(row["diff"], language="diff", wrap_lines=True)
            return
        why = [
            "; ".join(f"{verdict['stage']}/{verdict['rule']} {_measured(verdict)}".strip() for verdict in row["why"])
            for row in shown
        ]
        frame = pl.DataFrame(shown).select("key", "source").with_columns(why=pl.Series(why))
        labels = {"key": t("example"), "source": t("source"), "why": t("why")}
        st.dataframe(frame, column_config=labels, hide_index=True, alt=t(f"diff_{kind}"))


def _measured(verdict: Mapping[str, Any]) -> str:
    if verdict["value"] is None:
        return verdict["detail"] or ""
    limit = "" if verdict["limit"] is None else f" / {pieces.figure(verdict['limit'])}"
    return f"({pieces.figure(verdict['value'])}{limit})"


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ---- ablations ------------------------------------------------------------------------------------------------------


def _ablations(place: shell.Here, t: Words) -> None:
    st.caption(t("ablations_about"))
    for by in DRAWS:
        folder = place.run / "ablations" / by
        index = runs.read_json(folder / "index.json")
        st.subheader(t(f"by_{by}"))
        st.caption(t(f"by_{by}_about"))
        if index is None:
            st.code(f"python -m curate ablate {place.run} --by {by}", language="console")
            continue
        rows = [
            {
                "name": one["name"],
                "examples": one["examples"],
                "sources": ", ".join(f"{source} {count:,}" for source, count in one["sources"].items()),
                "drawn": one["drawn"],
            }
            for one in index["sets"]
        ]
        labels = {"name": t("set"), "examples": t("examples"), "sources": t("sources"), "drawn": t("drawn")}
        st.dataframe(rows, column_config=labels, hide_index=True, alt=t(f"by_{by}"))
        for reason in index["left_out"]:
            st.caption(t("left_out", reason=pieces.plain(reason)))
        files = {one["file"]: "application/jsonl" for one in index["sets"] if (folder / one["file"]).is_file()}
        _downloads(folder, {**files, "index.json": "application/json"}, t)


# ---- boards of judgements -------------------------------------------------------------------------------------------


def boards(run: Path) -> list[Path]:
    """The folders of `python -m evaluate leaderboard --out` in the run, beside it, and in boards/ beside those; newest first."""
    around = [run, run.parent, run.parent / "boards", run.parent.parent / "boards", Path("boards")]
    pages = {
        path.parent.resolve(): path.stat().st_mtime
        for folder in around
        for pattern in ("leaderboard.html", "*/leaderboard.html")
        for path in folder.glob(pattern)
    }
    return sorted(pages, key=lambda folder: -pages[folder])


def _boards(place: shell.Here, t: Words) -> None:
    found = {folder.name if folder.name != "boards" else str(folder): folder for folder in reversed(boards(place.run))}
    if not found:
        st.info(t("no_boards", folder=place.run.parent / "boards"))
        st.code(
            f"python -m evaluate leaderboard judged.jsonl --out {place.run.parent / 'boards' / 'mine'}",
            language="console",
        )
        return
    names = list(reversed(found))
    folder = found[pieces.choice(t("board"), "board", names, default=names[0], page="reports")]
    kinds = {"html": "text/html", "csv": "text/csv", "md": "text/markdown", "json": "application/json"}
    files = {f"leaderboard.{ending}": kind for ending, kind in kinds.items()}
    _downloads(folder, {name: kind for name, kind in files.items() if (folder / name).is_file()}, t)
    _shown(folder / "leaderboard.html", t("boards"), t)
