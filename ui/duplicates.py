"""Duplicates: clusters of candidates that say the same, which one stayed, how the others differ, and one click to choose."""

import uuid
from collections.abc import Callable
from typing import Any

import polars as pl
import streamlit as st

from curate.desk import clusters
from curate.desk.clusters import Member
from curate.desk.model import Text, texts
from curate.review import log
from curate.review.log import Decision
from ui import pieces, rendering, shell
from ui.shell import Here, open_log
from ui.words import words

SHOWN = ("every", "open")
# Members of one cluster on a page; the first one, to which the others are compared, is on every page.
PER_PAGE = 10
OPEN = (None, "skip")


def page() -> None:
    """The clusters of the stages that the URL names, and the one that is open."""
    t = words("duplicates")
    place = shell.here()
    pieces.intro(t)
    decided = pieces.states(place)
    pieces.undo_bar(place)
    left, right = st.columns(2)
    with left:
        stage = pieces.choice(t("found_by"), "found", ("all", *clusters.STAGES), t, default="all", page="duplicates")
    with right:
        show = pieces.choice(t("show"), "show", SHOWN, t, default="every", page="duplicates")
    stages = clusters.STAGES if stage == "all" else (stage,)
    found = _with_decisions(clusters.clusters(place.desk, stages), decided)
    if show == "open":
        found = found.filter(pl.col("decided") < pl.col("size"))
    if found.is_empty():
        st.info(f"{t('none')} {t('none_why')}", icon=":material/content_copy:")
        return
    figures = {"clusters": found.height, "members": found["size"].sum(), "largest": found["size"].max()}
    st.caption(t("totals", **figures))
    first = pieces.pager(found.height)
    opened = _table(place, found.slice(first, pieces.PER_PAGE), t)
    cluster = found.filter(pl.col("kept") == opened).row(0, named=True)
    _cluster(place, cluster, decided, stages, t)


def _with_decisions(found: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """`found` with `decided`: how many members a person has decided."""
    open_rows = decided.filter(pl.col("decision").is_null() | (pl.col("decision") == "skip"))["row"]
    left = pl.col("members").list.eval(pl.element().is_in(open_rows.implode())).list.sum()
    return found.with_columns(decided=pl.col("size") - left.cast(pl.Int64))


def _table(place: Here, found: pl.DataFrame, t: Callable[..., str]) -> int:
    """One page of clusters; the row of the kept one of the cluster that is open."""
    rows = found["kept"].to_list()
    titles = place.desk.candidates["title"].gather(found["kept"])
    shown = found.with_columns(title=titles, stages=pl.col("stages").list.join(", ")).select(
        "title", "size", "stages", "decided"
    )
    key = f"duplicates table {pieces.digest(rows)}"

    def chosen() -> None:
        places = st.session_state[key]["selection"]["rows"]
        if places:
            st.query_params["open"] = str(rows[places[0]])
            st.query_params.pop("members", None)

    numbers = st.column_config.NumberColumn
    st.dataframe(
        shown,
        column_config={
            "title": st.column_config.TextColumn(t("col_kept"), width="large"),
            "size": numbers(t("col_size"), format="localized"),
            "stages": t("col_stages"),
            "decided": numbers(t("col_decided"), format="localized"),
        },
        hide_index=True,
        height=min(38 + 35 * found.height, 290),
        key=key,
        on_select=chosen,
        selection_mode="single-row",
        alt=t("about"),
    )
    st.caption(t("pick_hint"))
    opened = pieces.opened(rows)
    return rows[0] if opened is None else opened


def _cluster(
    place: Here, cluster: dict[str, Any], decided: pl.DataFrame, stages: tuple[str, ...], t: Callable[..., str]
) -> None:
    st.subheader(t("cluster", size=cluster["size"]))
    everyone = clusters.members(place.desk, cluster["members"], stages)
    head, rest = everyone[0], everyone[1:]
    first = pieces.pager(len(rest), per=PER_PAGE, name="members")
    shown = [head, *rest[first : first + PER_PAGE]]
    found = dict(
        zip([member.row for member in shown], texts(place.desk, [member.row for member in shown]), strict=True)
    )
    # The one that the others are compared to stands beside them.
    left, right = st.columns(2, gap="medium")
    for member in shown:
        with left if member is head else right, st.container(border=True):
            _member(place, member, [other.row for other in everyone], decided, t)
            if member is head:
                pieces.conversation(found[member.row].messages)
            else:
                _difference(found[head.row], found[member.row], t)


def _member(place: Here, member: Member, everyone: list[int], decided: pl.DataFrame, t: Callable[..., str]) -> None:
    facts = place.desk.candidates.row(member.row, named=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        if member.similarity is not None:
            st.badge(t("similar", stage=member.stage, similarity=member.similarity), color="violet")
        else:
            kept = facts["fate"] == "kept"
            st.badge(t("stayed" if kept else "stayed_here"), color="green" if kept else "gray", icon=":material/star:")
        pieces.badges(facts, decided.row(member.row, named=True))
    st.caption(pieces.about(facts))
    act = uuid.uuid4().hex
    decisions = clusters.keep_one(place.desk, member.row, everyone, place.reviewer, place.session, act)
    others = len(decisions) - 1
    label = t("keep_this", others=others) if others else t("keep_this_only")
    # Its name holds the whole cluster: a click on one that has changed since is no click.
    key = f"keep {member.row} of {pieces.digest(sorted(everyone))}"
    if st.button(label, key=key, icon=":material/check:"):
        pieces.attempt(lambda: _record(place, decisions))
        pieces.again(t("settled", others=others))


def _record(place: Here, decisions: list[Decision]) -> None:
    with open_log(place) as connection:
        log.record(connection, decisions)


def _difference(head: Text, member: Text, t: Callable[..., str]) -> None:
    changes = rendering.conversation_diff_html(head.messages, member.messages, pieces.roles())
    if not changes:
        st.caption(t("no_difference"))
        return
    st.caption(t("difference"))
    pieces.rendered(changes, f"changes {member.row}")
