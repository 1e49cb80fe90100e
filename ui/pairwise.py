"""Pairwise: a person compares two models' answers without knowing whose they are (LIMA, appendix C).

Until a ballot is closed nothing that this page sends, in text, key, address or error, comes from a model's name, a file or a
folder: pairs have hashes, plans their number. What goes wrong is told in words of our own; the paths are in the app's log.
"""

import functools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from curate.errors import CurateError
from evaluate import blinding, people
from evaluate.blinding import Plan
from evaluate.people import Ballot, Showing
from ui import pairwise_result, rendering, shell
from ui.words import words

# A folder of answers, or of plans, or a plan. The key of a plan that does not lie beside it.
ANSWERS = "LAPIDARY_ANSWERS"
KEY = "LAPIDARY_KEY"
_CARD = Path(__file__).parent / "pair_card"
_WORDS = (
    *("question", "request", "answer", "choose_first", "choose_second", "choose_neither", "first", "second", "neither"),
    *("chose", "characters", "undone", "undo", "why", "both_bad", "saved", "saving", "finished", "waiting", "closed"),
)
# What the last run wrote, for the card to forget: lost with the session, and then sent and acknowledged again.
_SAID = "pairwise said"
_PACED = 5
_log = logging.getLogger(__name__)
Words = Callable[..., str]


def page() -> None:
    """The page."""
    t = words("pairwise")
    st.subheader(t("title"), anchor=False)
    found = blinding.find(_folders())
    if not found:
        st.info(t("no_plan"))
        st.code("python -m evaluate blind --answers ANSWERS.jsonl OTHERS.jsonl --out answers/blind", language="console")
        st.caption(t("no_plan_where", variable=ANSWERS))
        return
    number = _chosen(found, t)
    person = shell.reviewer()
    try:
        plan = _plan(number, found[number], _stamp(found[number]))
        shown = _schedule(number, person, plan)
        ballot = people.ballot(plan, person, shown)
    except (CurateError, OSError):
        _log.exception("plan %s cannot be used", number)
        st.error(t("broken", plan=number))
        return
    if ballot.is_revealed:
        pairwise_result.show(plan, t)
        return
    _judge(plan, person, shown, ballot, t)
    _end(plan, person, ballot, t)


def _judge(plan: Plan, person: str, shown: Sequence[Showing], ballot: Ballot, t: Words) -> None:
    """The card with the next pairs, and what it sends on disk before the page runs again."""
    key = f"pairs {plan.id}"
    place = {one.id: number for number, one in enumerate(shown)}

    def written() -> None:
        events = [event for event in st.session_state[key].get("events") or [] if isinstance(event, dict)]
        try:
            refused = people.cast(plan, person, shown, events)
        except (CurateError, OSError):
            _log.exception("votes on plan %s cannot be written", plan.id)
            st.session_state[_SAID] = {"error": t("not_saved")}
            return
        note = t("refused", count=len(refused)) if refused else ""
        st.session_state[_SAID] = {"acknowledged": [event.get("token") for event in events], "note": note}

    said = st.session_state.pop(_SAID, {})
    by_id = {one.id: one for one in shown}
    last = by_id.get(ballot.votes[-1]["shown"]) if ballot.votes else None
    _card()(
        key=key,
        data={
            "store": f"lapidary pairwise {plan.id} {person}",
            "items": [_given(one, place[one.id]) for one in ballot.open[: people.AHEAD]],
            "before": None if last is None else _given(last, place[last.id]),
            "done": ballot.done,
            "total": ballot.total,
            "pace": _pace(ballot, t),
            "acknowledged": said.get("acknowledged", []),
            "error": said.get("error", ""),
            "note": said.get("note", ""),
            "dwell": people.DWELL,
            "is_closed": False,
            "reasons": [{"key": key, "name": name, "label": t(name)} for key, name in people.REASONS.items()],
            "words": {name: t(name) for name in _WORDS} | {"judging": t("judging_as", person=person)},
        },
        on_events_change=written,
    )
    with st.popover(t("keys"), type="tertiary"):
        st.write(t("help"))


def _end(plan: Plan, person: str, ballot: Ballot, t: Words) -> None:
    """The act that shows the names: apart, ticked and pressed, and for good."""
    if not ballot.votes:
        return
    with st.expander(t("reveal"), expanded=not ballot.open):
        key = Path(os.environ.get(KEY) or blinding.key_of(plan.folder))
        if not key.is_file():
            st.write(t("no_key", variable=KEY))
            return
        st.write(t("reveal_about", done=ballot.done, total=ballot.total))
        sure = st.checkbox(t("reveal_sure"), key=f"sure {plan.id}")
        if st.button(t("reveal_now"), disabled=not sure, key=f"reveal {plan.id}"):
            try:
                people.reveal(plan, person, key)
            except (CurateError, OSError):
                _log.exception("the names of plan %s cannot be shown", plan.id)
                st.error(t("no_reveal"))
                return
            st.rerun()


def _chosen(found: Mapping[str, Path], t: Words) -> str:
    """The plan that the address names, else the first; of several one can be chosen."""
    numbers = list(found)
    number = shell.remembered("plan", numbers[0])
    if number not in found:
        number = numbers[0]
    if len(found) > 1:
        titles = {one: blinding.title(folder) or one for one, folder in found.items()}
        number = st.selectbox(
            t("plan"), numbers, index=numbers.index(number), format_func=lambda one: titles[one], key="plans"
        )
        st.query_params["plan"] = number
    return number


def _folders() -> list[Path]:
    named = os.environ.get(ANSWERS)
    return [*([Path(named)] if named else []), Path("answers"), *shell.choices()]


def _pace(ballot: Ballot, t: Words) -> str:
    pace = people.pace(ballot.votes, len(ballot.open))
    # Of fewer votes nothing can be told.
    if not ballot.open or len(ballot.votes) < _PACED or pace.per_hour is None or pace.seconds_left is None:
        return ""
    minutes = max(1, round(pace.seconds_left / 60))
    left = t("minutes", count=minutes) if minutes < 100 else t("hours", count=f"{minutes / 60:.1f}")
    return t("pace", per_hour=round(pace.per_hour), left=left)


def _given(showing: Showing, place: int) -> dict[str, Any]:
    """A pair as the card has it: an id, where it stands, safe HTML, and lengths for after the vote."""
    first, second = showing.item.shown
    # Earlier turns of a talk are the answers' own; only what both began with is the request.
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    sides = [
        tuple((turn["role"], turn["content"]) for turn in part)
        for part in (first[:shared], first[shared:], second[shared:])
    ]
    request, left, right = (_html(side) for side in sides)
    chars = [len(side[-1]["content"]) for side in showing.item.shown]
    return {"id": showing.id, "at": place, "request": request, "first": left, "second": right, "chars": chars}


@functools.lru_cache(maxsize=256)
def _html(turns: tuple[tuple[str, str], ...]) -> str:
    """A single turn without its role, several with theirs; none of it cut, for it is to be judged."""
    if len(turns) == 1:
        return f'<div class="text" dir="auto">{rendering.markdown_html(turns[0][1], cut=None)}</div>'
    return rendering.conversation_html([{"role": role, "content": content} for role, content in turns], cut=None)


@functools.cache
def _card() -> Any:  # noqa: ANN401 - streamlit's renderer
    html, css, js = ((_CARD / f"card.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("lapidary_pairs", html=html, css=f"{rendering.text_css()}\n{css}", js=js)


def _stamp(folder: Path) -> tuple[int, ...]:
    """What changes when a plan does; of a broken one too, so that a mended one is read anew."""
    paths = [folder / blinding.HEAD, folder / blinding.PAIRS]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


@st.cache_resource(max_entries=4, show_spinner=False)
def _plan(number: str, folder: Path, stamp: tuple[int, ...]) -> Plan:  # noqa: ARG001 - parts of the key
    return blinding.read(folder)


@st.cache_resource(max_entries=16, show_spinner=False)
def _schedule(number: str, person: str, _plan: Plan) -> list[Showing]:  # noqa: ARG001 - the number is the plan's key
    return people.schedule(_plan, person)
