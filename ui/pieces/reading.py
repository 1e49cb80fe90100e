"""One example in full: what became of it, its conversation, every rule that was asked, decisions on the spot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from curate.desk.model import Reason, texts, why
from curate.review.reasons import NAMES
from ui import rendering
from ui.pieces.basics import figure, plain
from ui.pieces.deciding import decided
from ui.pieces.urls import link
from ui.shell import Here
from ui.words import detail, sentence, words

FATE_COLORS = {
    "kept": "green",
    "fault": "red",
    "rejected": "red",
    "limit": "blue",
    "duplicate": "violet",
    "leak": "orange",
    "place": "gray",
}
DECISION_COLORS = {"keep": "green", "edit": "green", "reject": "red", "flag": "orange", "skip": "gray"}


def example(place: Here, row: int, states: pl.DataFrame, *, decide: bool = True) -> None:
    """One candidate in full: what it is, what became of it, its conversation, its rules, and decisions on the spot."""
    t = words("pieces")
    facts = place.desk.candidates.row(row, named=True)
    (text,) = texts(place.desk, [row])
    with st.container(horizontal=True, gap="small"):
        badges(facts, states.row(row, named=True))
    if decide:
        _decisions(place, row)
    conversation(text.messages, "example")
    st.caption(about(facts))
    with st.container(horizontal=True, vertical_alignment="center"):
        link("review", t("open_review"), icon=":material/rate_review:", row=row)
        if (facts["url"] or "").startswith(("https://", "http://")):
            st.link_button(t("source_page"), facts["url"], icon=":material/open_in_new:", type="tertiary")
    with st.expander(t("why"), icon=":material/rule:", key="example why", on_change="rerun") as box:
        if box.open:
            reasons(place, row)
    if text.read is not None:
        label = t("changed", edits=plain(", ".join(text.edits)))
        with st.expander(label, icon=":material/difference:", key="example read", on_change="rerun") as box:
            if box.open:
                rendered(rendering.conversation_diff_html(text.read, text.messages, roles()), "example changes")


def conversation(messages: Sequence[Mapping[str, str]], key: str = "conversation") -> None:
    """A conversation, rendered safely; `key` where a page shows more than one."""
    rendered(rendering.conversation_html(messages, roles()), key)


def rendered(html: str, key: str) -> None:
    """HTML that `ui.rendering` made, in its style, `key` its own on the page. By `st.html` no formula would get through."""
    _text()(data=html, key=key)


@st.cache_resource(show_spinner=False)
def _text() -> Any:  # noqa: ANN401 - streamlit's renderer
    html = '<div class="rendered"></div>'
    show = "export default ({ data, parentElement }) => { parentElement.querySelector('.rendered').innerHTML = data; }"
    return st.components.v2.component("lapidary_text", html=html, css=rendering.text_css(), js=show)


def roles() -> dict[str, str]:
    """The words for the roles of a conversation."""
    t = words("pieces")
    return {role: t(f"role_{role}") for role in ("system", "user", "assistant", "tool")}


def reasons(place: Here, row: int) -> None:
    """Every rule that was asked of a candidate, with its value, limit and room: what failed first."""
    t = words("pieces")
    found = why(place.desk, row)
    if not found:
        st.caption(t("why_none"))
        return
    frame = pl.DataFrame(
        {
            "ok": ["✓" if reason.passed else "✗" for reason in found],
            "rule": [f"{reason.stage} / {reason.rule}" for reason in found],
            "value": [figure(reason.value) for reason in found],
            "limit": [_limit(reason, t) for reason in found],
            "room": [figure(reason.margin) for reason in found],
            "detail": [
                detail(reason.detail) or sentence(reason.stage, reason.rule, reason.sentence) for reason in found
            ],
        }
    )
    labels = {"ok": "", "rule": t("why_rule"), "value": t("col_value"), "limit": t("col_limit"), "room": t("why_room")}
    st.dataframe(frame, column_config={**labels, "detail": t("col_detail")}, hide_index=True, alt=t("why"))


def _limit(reason: Reason, t: Callable[..., str]) -> str:
    return t(f"limit_{reason.comparison.replace(' ', '_')}", limit=figure(reason.limit))


def badges(facts: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """What the build and what people did with a candidate (a row of the candidates, and of the states)."""
    t = words("pieces")
    rule = f" · {plain(facts['rule'])}" if facts["rule"] else ""
    st.badge(t(facts["fate"]) + rule, color=FATE_COLORS[facts["fate"]])  # type: ignore[arg-type]
    if state["decision"]:
        said = t("by_people", decision=t(state["decision"]), reviewer=plain(state["reviewer"]))
        st.badge(said, color=DECISION_COLORS[state["decision"]])  # type: ignore[arg-type]


def about(facts: Mapping[str, Any]) -> str:
    """Where a candidate comes from, in one line of Markdown."""
    t = words("pieces")
    found = [plain(facts["source"]), plain(facts["key"])]
    found += [t("votes", score=facts["score"])] if facts["score"] is not None else []
    found += [t("license", license=plain(facts["license"]))] if facts["license"] else []
    return " · ".join(found)


def _decisions(place: Here, row: int) -> None:
    """Decide on the example that is open."""
    t = words("pieces")
    content = place.desk.candidates["content"][row]
    with st.container(horizontal=True):
        if st.button(t("keep"), key=f"keep {content}", icon=":material/check:", type="primary"):
            decided(place, [row], "keep")
        with st.popover(t("reject_as"), icon=":material/close:"):
            for number, name in NAMES.items():
                if st.button(t(f"reason_{number}"), key=f"reject {number} {content}", type="tertiary"):
                    decided(place, [row], "reject", (name,))
        if st.button(t("flag"), key=f"flag {content}", icon=":material/flag:"):
            decided(place, [row], "flag")
