"""Dropped: the funnel of the run, a fair sample of what each rule dropped, and the way back for what should have stayed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from curate.desk import rescues
from curate.report.fates import COLORS, RULES, fate
from ui import pieces, shell
from ui.pieces import Bar
from ui.shell import Here
from ui.words import sentence, words

ORDERS = ("sample", "near")
# From here on the page says that a rule brings too much back to be right.
MANY = 0.1
PER_PAGE = 20


def page() -> None:
    """The funnel, one rule with its drops, and the inputs that have no text."""
    t = words("dropped")
    place = shell.here()
    pieces.intro(t)
    decided = pieces.states(place)
    pieces.undo_bar(place)
    rejected = pieces.attempt(lambda: _rejected(place.run, place.desk.fingerprint))
    funnel = rescues.funnel(place.desk, decided)
    _totals(place, decided, rejected, t)
    if funnel.is_empty():
        st.info(t("none_dropped"), icon=":material/filter_alt_off:")
    else:
        _rules(place, funnel, decided, t)
    if rejected.height:
        _rejects(place, rejected, t)


def _totals(place: Here, decided: pl.DataFrame, rejected: pl.DataFrame, t: Callable[..., str]) -> None:
    candidates = place.desk.candidates
    back = decided.join(candidates.filter(pl.col("fate") != "kept").select("row"), on="row", how="semi")
    figures = {
        "inputs": candidates.height + int(rejected["inputs"].sum()),
        "examples": candidates.height,
        "kept_by_build": candidates.filter(pl.col("fate") == "kept").height,
        "rescued_total": back.filter(pl.col("decision").is_in(rescues.RESCUED)).height,
    }
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(t(name), f"{value:,}", border=True, width="stretch")
    left, rows = (
        figures["inputs"],
        [Bar(t("inputs"), figures["inputs"], t("input_words", left=figures["inputs"]), COLORS["place"])],
    )
    gone = {"source": figures["inputs"] - candidates.height}
    gone |= dict(candidates.drop_nulls("stage").group_by("stage").len().iter_rows())
    for stage in RULES:
        if gone.get(stage):
            left -= gone[stage]
            kind = COLORS["limit"] if stage in ("source", "clean") else COLORS[fate(stage, "")]
            rows.append(Bar(stage, left, t("left_words", left=left, gone=gone[stage]), kind))
    st.caption(t("left_after"))
    pieces.bars(rows)


def _rules(place: Here, funnel: pl.DataFrame, decided: pl.DataFrame, t: Callable[..., str]) -> None:
    st.subheader(t("rules"))
    names = [f"{row['stage']}/{row['rule']}" for row in funnel.iter_rows(named=True)]
    _funnel_table(funnel, names, t)
    left, right = st.columns([3, 2])
    with left:
        picked = pieces.choice(t("pick"), "rule", names, default=names[0], page="dropped")
    with right:
        order = pieces.choice(t("order"), "order", ORDERS, t, default=ORDERS[0], page="dropped")
    row = funnel.row(names.index(picked), named=True)
    stage, rule = row["stage"], row["rule"]
    st.markdown(pieces.plain(sentence(stage, rule, RULES.get(stage, {}).get(rule, ""))))
    if row["judged"]:
        st.markdown(t("rescues", **{name: row[name] for name in ("rescued", "judged", "rate", "low", "high")}))
        if row["low"] > MANY:
            st.warning(t("too_many"), icon=":material/warning:")
    else:
        st.caption(t("no_rescues", failed=row["failed"]))
    found = rescues.failing(place.desk, stage, rule, order)
    pieces.link("review", t("review_these"), icon=":material/rate_review:", queue="dropped", rule=rule)
    _drops(place, found, decided, t)


def _drops(place: Here, found: pl.DataFrame, decided: pl.DataFrame, t: Callable[..., str]) -> None:
    p = words("pieces")
    first = pieces.pager(found.height, per=PER_PAGE)
    shown = pieces.listed(place, found.slice(first, PER_PAGE), decided)
    numbers = st.column_config.NumberColumn
    columns = {
        "title": st.column_config.TextColumn(p("col_title"), width="large"),
        "source": p("col_source"),
        "value": numbers(p("col_value"), format="localized"),
        "limit": numbers(p("col_limit"), format="localized"),
        "missed": numbers(p("col_missed"), format="localized"),
        "decision": p("col_decision"),
        "detail": p("col_detail"),
    }
    empty = [name for name in ("value", "limit", "missed", "detail") if shown[name].null_count() == shown.height]
    used = {name: label for name, label in columns.items() if name not in empty}
    picked = pieces.table(shown, used, page="dropped", alt=t("title"))
    st.caption(p("open_hint"))
    pieces.decide_on_many(place, picked.ticked, found["row"].to_list(), page="dropped")
    if picked.opened is not None:
        with st.container(border=True):
            pieces.turner(shown["row"].to_list(), picked.opened)
            pieces.example(place, picked.opened, decided)


def _funnel_table(funnel: pl.DataFrame, names: list[str], t: Callable[..., str]) -> None:
    s = words("shell")
    kinds = [s(fate(row["stage"], row["rule"])) for row in funnel.iter_rows(named=True)]
    rates = [
        f"{row['rate']:.0%}  ({row['low']:.0%}–{row['high']:.0%})" if row["judged"] else ""
        for row in funnel.iter_rows(named=True)
    ]
    numbers, texts = st.column_config.NumberColumn, st.column_config.TextColumn
    columns = {
        "stage": texts(t("col_stage")),
        "rule": texts(t("col_rule"), width="medium"),
        "kind": texts(t("col_fate")),
        "dropped": numbers(t("col_dropped"), help=t("help_dropped"), format="localized"),
        "failed": numbers(t("col_failed"), help=t("help_failed"), format="localized"),
        "alone": numbers(t("col_alone"), help=t("help_alone"), format="localized"),
        "judged": numbers(t("col_judged"), help=t("help_judged"), format="localized"),
        "rescued": numbers(t("col_rescued"), format="localized"),
        "rates": texts(t("col_rate"), help=t("help_rate"), width="medium"),
    }
    key = f"dropped funnel {pieces.digest(names)}"

    def chosen() -> None:
        places = st.session_state[key]["selection"]["rows"]
        if places:
            st.query_params["rule"] = names[places[0]]
            st.session_state["dropped rule"] = names[places[0]]
            for gone in ("page", "open"):
                st.query_params.pop(gone, None)

    shown = funnel.with_columns(kind=pl.Series(kinds), rates=pl.Series(rates)).select(columns.keys())
    st.dataframe(
        shown,
        column_config=columns,
        hide_index=True,
        key=key,
        on_select=chosen,
        selection_mode="single-row",
        alt=t("rules"),
    )
    st.caption(t("pick_hint"))


def _rejects(place: Here, rejected: pl.DataFrame, t: Callable[..., str]) -> None:
    p = words("pieces")
    label = t("rejects", count=int(rejected["inputs"].sum()))
    with st.expander(label, icon=":material/block:", key="dropped inputs", on_change="rerun") as box:
        if not box.open:
            return
        st.caption(t("rejects_about"))
        groups = {f"{row['source']}/{row['rule']}": row for row in rejected.iter_rows(named=True)}
        why = [sentence("source", rule, RULES["source"].get(rule, "")) for rule in rejected["rule"]]
        told = rejected.with_columns(why=pl.Series(why, dtype=pl.String))
        labels = {"source": p("col_source"), "rule": p("col_rule"), "inputs": t("col_inputs"), "why": t("col_why")}
        st.dataframe(told.select(labels.keys()), column_config=labels, hide_index=True, alt=t("rejects_about"))
        resets = ("rejects_page",)
        name = pieces.choice(
            t("reject_group"), "rejects", list(groups), default=next(iter(groups)), page="dropped", resets=resets
        )
        group = groups[name]
        first = pieces.pager(group["inputs"], name="rejects_page")
        rows = rescues.rejects(place.run, group["source"], group["rule"], first, pieces.PER_PAGE)
        columns: dict[str, Any] = {
            "key": t("col_key"),
            "detail": p("col_detail"),
            "file": t("col_file"),
            "position": st.column_config.NumberColumn(t("col_position"), format="localized"),
        }
        st.dataframe(rows.select(columns.keys()), column_config=columns, hide_index=True, alt=t("reject_group"))


@st.cache_resource(max_entries=4, show_spinner=False)
def _rejected(run: Path, build: str) -> pl.DataFrame:  # noqa: ARG001 - a part of the key
    return rescues.rejected(run)
