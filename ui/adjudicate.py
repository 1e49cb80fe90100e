"""Adjudicate: end disagreements, look again where a text has changed, and see how far people agree."""

import math
import uuid
from collections.abc import Callable, Sequence

import streamlit as st

from curate import charts
from curate.chat import Message
from curate.desk import adjudication
from curate.desk.adjudication import Case
from curate.desk.model import texts
from curate.review import agreement, exchange, log
from ui import canvas, pieces, rendering, shell
from ui.progress import reason_name
from ui.words import words

Words = Callable[..., str]

VIEWS = ("cases", "stale", "agreement")
PER_PAGE = 10


def page() -> None:
    """One of VIEWS, named in the URL."""
    t = words("adjudicate")
    place = shell.here()
    pieces.intro(t)
    cases, stale = pieces.attempt(lambda: _open(place))
    names = {"cases": t("cases", count=len(cases)), "stale": t("stale", count=len(stale)), "agreement": t("agreement")}
    view = pieces.asked("view", VIEWS, VIEWS[0])
    key = f"adjudicate view {view}"
    chosen = st.segmented_control(
        t("title"),
        VIEWS,
        format_func=names.__getitem__,
        default=view,
        key=key,
        label_visibility="collapsed",
        required=True,
        on_change=_look,
        args=(key,),
    )
    if chosen == "stale":
        _stale(place, stale, t)
    elif chosen == "agreement":
        _agreement(place, t)
    else:
        _cases(place, cases, t)


def _open(place: shell.Here) -> tuple[list[Case], list[exchange.Stale]]:
    """What waits for a word: disagreements, and decisions on texts that the run has otherwise now."""
    with shell.open_log(place) as connection:
        corpus = dict(place.desk.candidates.select("id", "content").iter_rows())
        return adjudication.open_cases(place.desk, connection), exchange.stale(connection, corpus)


def _look(key: str) -> None:
    st.query_params["view"] = str(st.session_state[key])
    for gone in ("case", "page"):
        st.query_params.pop(gone, None)


# ---- disagreements --------------------------------------------------------------------------------------------------


def _cases(place: shell.Here, cases: Sequence[Case], t: Words) -> None:
    pieces.undo_bar(place)
    if not cases:
        st.info(t("no_cases"))
        pieces.link("review", t("second_look"), icon=":material/rate_review:", queue="second_look")
        return
    contents = [case.content for case in cases]
    asked = st.query_params.get("case", "")
    at = contents.index(asked) if asked in contents else 0
    case = cases[at]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("before"), key=f"before {case.content}", disabled=at == 0, icon=":material/chevron_left:", shortcut="Left",
            on_click=_go, args=(contents[max(at - 1, 0)],),
        )  # fmt: skip
        st.markdown(t("case_place", place=at + 1, count=len(cases)))
        st.button(
            t("after"), key=f"after {case.content}", disabled=at == len(cases) - 1, icon=":material/chevron_right:",
            shortcut="Right", on_click=_go, args=(contents[min(at + 1, len(cases) - 1)],),
        )  # fmt: skip
    (text,) = texts(place.desk, [case.row])
    _choices(place, case, contents, text.messages, t)
    facts = place.desk.candidates.row(case.row, named=True)
    rule = f" ({pieces.plain(facts['rule'])})" if facts["rule"] else ""
    st.caption(f"{pieces.plain(facts['source'])} · {t('build_says')}: {t(facts['fate'])}{rule}")
    with st.container(border=True):
        pieces.conversation(text.messages, f"case {case.content}")


def _choices(place: shell.Here, case: Case, contents: Sequence[str], original: Sequence[Message], t: Words) -> None:
    """What each reviewer says, side by side, each with the button that makes it count."""
    following = contents[(contents.index(case.content) + 1) % len(contents)] if len(contents) > 1 else ""
    columns = st.columns(min(len(case.events), 4), border=True)
    for number, event in enumerate(case.events):
        with columns[number % len(columns)]:
            st.badge(t(event.decision), color=pieces.DECISION_COLORS[event.decision])  # type: ignore[arg-type]
            st.caption(f"{pieces.plain(event.reviewer)} · {event.time[:16].replace('T', ' ')}")
            if event.reasons:
                st.markdown(" · ".join(pieces.plain(reason_name(name, t)) for name in event.reasons))
            if event.messages is not None:
                changed = rendering.conversation_diff_html(original, event.messages, pieces.roles())
                pieces.rendered(changed, f"edit {event.id}")
            st.button(
                t("choose", decision=t(event.decision)),
                key=f"choose {case.content} {event.id}",
                shortcut=str(number + 1) if number < 9 else None,
                type="primary",
                width="stretch",
                on_click=_settle,
                args=(place, case.content, place.desk.candidates["id"][case.row], event, following),
            )


def _go(content: str) -> None:
    st.query_params["case"] = content


def _settle(place: shell.Here, content: str, example: str, event: log.Event, following: str) -> None:
    """Make one reviewer's decision the one that counts; nothing where the case was closed or changed meanwhile."""
    t = words("adjudicate")
    with shell.open_log(place) as connection:
        opinions = adjudication.disagreements(connection).get(content, [])
        if all(opinion.id != event.id for opinion in opinions):
            st.toast(t("closed_since"), icon=":material/info:")
            return
        # One act a case and opinion in this session, however often the button was pressed.
        token = f"settle {content} {event.id} {max(opinion.id for opinion in opinions)}"
        adjudication.settle(
            connection, place.reviewer, place.session, token, content, example, event.decision,
            messages=event.messages, reasons=event.reasons,
        )  # fmt: skip
    st.toast(t("settled", decision=t(event.decision)), icon=":material/check:")
    if following:
        st.query_params["case"] = following


# ---- texts that have changed since ----------------------------------------------------------------------------------


def _stale(place: shell.Here, found: Sequence[exchange.Stale], t: Words) -> None:
    st.caption(t("stale_about"))
    pieces.undo_bar(place)
    if not found:
        st.info(t("no_stale"))
        return
    first = pieces.pager(len(found), per=PER_PAGE)
    rows = dict(place.desk.candidates.select("content", "row").iter_rows())
    for one in found[first : first + PER_PAGE]:
        row = rows[one.content]
        (text,) = texts(place.desk, [row])
        event = one.event
        with st.container(border=True):
            st.badge(t("was", decision=t(event.decision)), color=pieces.DECISION_COLORS[event.decision])  # type: ignore[arg-type]
            reasons = (
                " · " + ", ".join(pieces.plain(reason_name(name, t)) for name in event.reasons) if event.reasons else ""
            )
            st.caption(f"{pieces.plain(event.reviewer)} · {event.time[:16].replace('T', ' ')}{reasons}")
            with st.container(horizontal=True):
                for name in ("keep", "reject"):
                    st.button(
                        t(f"now_{name}"),
                        key=f"stale {name} {one.content} {event.id}",
                        type="primary" if name == "keep" else "secondary",
                        on_click=_decide,
                        args=(place, row, event, name),
                    )
                pieces.link("review", t("in_review"), icon=":material/rate_review:", row=row)
            if event.messages is not None:
                st.caption(t("edit_to_now"))
                changed = rendering.conversation_diff_html(event.messages, text.messages, pieces.roles())
                pieces.rendered(changed, f"changes {event.id}")
            else:
                st.caption(t("old_unknown"))
                with st.expander(pieces.plain(place.desk.candidates["title"][row] or "…")):
                    pieces.conversation(text.messages, f"stale {event.id}")


def _decide(place: shell.Here, row: int, event: log.Event, decision: str) -> None:
    """The decision on the text as it is now, by the one who looks at it."""
    content, example = (place.desk.candidates[name][row] for name in ("content", "id"))
    reasons = event.reasons if decision == event.decision == "reject" else ()
    one = log.Decision(place.reviewer, place.session, uuid.uuid4().hex, content, example, decision, reasons)
    with shell.open_log(place) as connection:
        log.record(connection, [one])
    t = words("adjudicate")
    st.toast(t("decided_now", decision=t(decision)), icon=":material/check:")


# ---- how far people agree -------------------------------------------------------------------------------------------


def _agreement(place: shell.Here, t: Words) -> None:
    with shell.open_log(place) as connection:
        among, own = agreement.between(connection), agreement.within(connection)
    st.caption(t("agreement_about"))
    figures = [
        charts.Interval(t("alpha"), among.alpha, among.low, among.high),
        charts.Interval(t("tie_discounted"), among.tie_discounted, among.tie_low, among.tie_high),
        charts.Interval(t("self"), own.raw, own.raw_low, own.raw_high),
    ]
    known = [_bounded(figure) for figure in figures if math.isfinite(figure.value)]
    if known:
        with st.container(width=720):
            canvas.picture(charts.intervals(t("agreement_chart"), known, reference=0), t("agreement_chart"))
    for figure, meaning, basis in zip(
        figures,
        (_of_alpha(among.alpha, t), _of_accuracy(among.tie_discounted, t), _of_self(own.raw, t)),
        (
            t("pairs", pairs=among.pairs, texts=among.texts),
            t("pairs", pairs=among.tied_pairs, texts=among.texts),
            t("repeats", pairs=own.pairs),
        ),
        strict=True,
    ):
        with st.container(border=True):
            st.markdown(f"**{figure.name}** · {_told(figure, t)} · {basis}")
            st.caption(meaning)
    if among.texts == 0:
        pieces.link("review", t("second_look"), icon=":material/rate_review:", queue="second_look")


def _bounded(figure: charts.Interval) -> charts.Interval:
    """Without an interval where the data do not determine one."""
    ends = [end if end is not None and math.isfinite(end) else None for end in (figure.low, figure.high)]
    return figure._replace(low=ends[0], high=ends[1])


def _told(figure: charts.Interval, t: Words) -> str:
    if not math.isfinite(figure.value):
        return t("not_yet")
    known = _bounded(figure)
    ends = "" if known.low is None or known.high is None else t("interval", low=known.low, high=known.high)
    return f"{figure.value:.2f} {ends}".strip()


def _of_alpha(value: float, t: Words) -> str:
    """Krippendorff's own customary bounds: 0.8, and 0.667 for tentative conclusions."""
    if not math.isfinite(value):
        return t("alpha_none")
    return t("alpha_high") if value >= 0.8 else t("alpha_middle") if value >= 0.667 else t("alpha_low")


def _of_accuracy(value: float, t: Words) -> str:
    return t("tie_none") if not math.isfinite(value) else t("tie_means", percent=value)


def _of_self(value: float, t: Words) -> str:
    return t("self_none") if not math.isfinite(value) else t("self_means", percent=value)
