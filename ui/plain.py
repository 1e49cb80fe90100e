"""Review, plain: the same review with nothing but Streamlit's own widgets, for screen readers, and where the card cannot run.

It holds to the same rules. A button belongs to the example that it stands under, by its key, and does nothing for another;
a decision is in the log before the next example is shown; nobody decides on what was on the screen for less than a moment.
"""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from curate.chat import Message
from curate.errors import CurateError
from curate.review import drafts, guidelines, reasons
from ui import choosing, escaping, rendering, shell
from ui.card import deck as decks
from ui.card import examples, protocol
from ui.card.deck import Deck
from ui.pieces.basics import WIDE
from ui.shell import Here
from ui.words import chosen, table, words

Words = Callable[..., str]
ACTS = (("keep", "K", "keep"), ("skip", "Space", "skip"), ("flag", "F", "flag"))


def page() -> None:
    """The example, what is beside it, and the buttons."""
    t = _words()
    here = shell.here()
    st.html(WIDE)
    st.html(f"<style>{rendering.text_css()}</style>")
    deck = choosing.before(here)
    if deck is None:
        return
    with st.expander(t("help")):
        st.markdown(t("keys_plain"))
        st.html(f'<div class="text">{rendering.markdown_html(guidelines.read(here.run, chosen()))}</div>')
    _example(here, deck)


@st.fragment
def _example(here: Here, deck: Deck) -> None:
    """All that changes with a decision."""
    t = _words()
    row = deck.ahead[0] if deck.ahead else None
    try:
        # All of it before the first widget: what reaches the browser together is laid out once.
        shown = None if row is None else _ready(here, deck, row, t)
    except CurateError as error:
        st.error(str(error))
        return
    # Always there, so that nothing moves when there is something to say.
    st.text(st.session_state.pop("plain said", "") or " ")
    if shown is None:
        st.info(t("finished_hint") if deck.total else t("empty_queue"))
        _undo_button(here, t)
        return
    left, right = st.columns([62, 38], gap="large")
    with left:
        st.caption(
            t(
                "ahead",
                queue=choosing.sentence(deck.name, t),
                left=deck.rest.height + len(deck.ahead),
                reviewer=here.reviewer,
            )
        )
        if st.session_state.get("plain mode") == ("edit", shown["id"]):
            _editor(here, shown, t)
        else:
            _buttons(here, shown, t)
            _text(shown, t)
    with right:
        _context(shown, t)
    # What stands on the screen from now on, by the server's clock: the browser has it a moment later.
    if st.session_state.get("plain shown", (None, 0.0))[0] != shown["id"]:
        st.session_state["plain shown"] = (shown["id"], time.monotonic())
    try:
        _make_ready(here, deck, t)
    except CurateError as error:
        st.error(str(error))


def _ready(here: Here, deck: Deck, row: int, t: Words) -> dict[str, Any]:
    """The example, as it was made ready while the one before it was read; one that comes back is made anew."""
    made: tuple[Any, dict[str, Any]] | None = st.session_state.pop("plain ready", None)
    if made is not None and made[0] == (deck.key, row):
        return made[1]
    with shell.open_log(here) as log:
        because = {row: deck.why.get(row, "")}
        return examples.examples(here.desk, log, here.reviewer, because, t, decks.unsaid(deck, because))[row]


def _make_ready(here: Here, deck: Deck, t: Words) -> None:
    """More of the queue where few are ahead, and the next example, now that this one is out and nobody waits."""
    if len(deck.ahead) < decks.LOW:
        with shell.open_log(here) as log:
            decks.fill(deck, here.desk, log, here.reviewer)
    if len(deck.ahead) > 1:
        row = deck.ahead[1]
        st.session_state["plain ready"] = ((deck.key, row), _ready(here, deck, row, t))


def _words() -> Words:
    """The texts of this page, and those of the Review page for what the two have in common."""
    own, shared, mine = words("plain"), words("review"), table("plain")
    return lambda key, **values: own(key, **values) if key in mine else shared(key, **values)


def _text(shown: dict[str, Any], t: Words) -> None:
    views = ["rendered", *(["since"] if shown["since"] else []), "raw", "cleaned"]
    view = st.segmented_control(
        t("views"), views, default="rendered", format_func=lambda one: t(f"view_{one}"),
        key=f"view {shown['id']}", label_visibility="collapsed",
    )  # fmt: skip
    if view == "raw":
        for message in shown["messages"]:
            st.text(t(f"role_{message['role']}"))
            st.code(message["content"], language=None, wrap_lines=True)
    elif view == "since":
        for one in shown["since"]:
            st.text(f"{one['said']} · {one['reviewer']} · {one['time']}")
            st.caption(t("since_known" if one["html"] else "since_unknown"))
            st.html(one["html"] or "<p></p>")
    elif view == "cleaned":
        st.caption(" · ".join(shown["cleaned"]["edits"]) or t("clean_already"))
        st.html(shown["cleaned"]["html"] or "<p></p>")
    else:
        st.html(f'<div class="plain-example" data-id="{shown["id"]}">{shown["html"]}</div>')


def _buttons(here: Here, shown: dict[str, Any], t: Words) -> None:
    """One key, one act. Every button has the example in its key and in what it calls: one of them alone is not safe."""
    name = shown["id"]
    with st.container(horizontal=True, gap="xsmall", key="plain_bar"):
        if st.session_state.get("plain mode") == ("reject", name):
            for reason in reasons.REASONS:
                _act(here, shown, t(f"reason_{reason.key}"), str(reason.key), "reject", (reason.name,))
            _act(here, shown, t("no_reason"), "Enter", "reject", ())
            st.button(t("cancel"), key=f"cancel {name}", shortcut="Escape", on_click=_enter, args=(None, name))
            return
        for kind, key, label in ACTS:
            _act(here, shown, t(label), key, kind, ())
            if kind == "keep":
                st.button(t("reject"), key=f"reject {name}", shortcut="X", on_click=_enter, args=("reject", name))
        st.button(t("edit"), key=f"edit {name}", shortcut="E", on_click=_enter, args=("edit", name))
        _undo_button(here, t)


def _act(here: Here, shown: dict[str, Any], label: str, key: str, kind: str, why: tuple[str, ...]) -> None:
    st.button(
        label, key=f"{kind} {key} {shown['id']}", shortcut=key, on_click=_decide, args=(here, shown["row"], shown["id"], kind, why),
        type="primary" if kind == "keep" else "secondary",
    )  # fmt: skip


def _undo_button(here: Here, t: Words) -> None:
    # A key of its own for each undo: pressed twice before the page has answered, it takes back one.
    number = st.session_state.get("plain undone", 0)
    st.button(t("undo"), key=f"undo {number}", shortcut="U", on_click=_undo, args=(here, number))


def _editor(here: Here, shown: dict[str, Any], t: Words) -> None:
    """The turns in a form with the example's own keys: nothing typed here reaches another example, and Ctrl+Enter saves."""
    given = shown["draft"] or shown["messages"]
    with st.form(f"form {shown['id']}", enter_to_submit=False):
        for place, message in enumerate(given):
            role = t(f"role_{message['role']}")
            st.text_area(role, message["content"], key=f"turn {place} {shown['id']}", height="content")
        args = (here, shown, [message["role"] for message in given])
        st.form_submit_button(
            t("save_and_keep"), shortcut="Ctrl+Enter", type="primary", on_click=_save, args=(*args, True)
        )
        st.form_submit_button(t("keep_draft"), on_click=_save, args=(*args, False))
        st.form_submit_button(t("cancel"), shortcut="Escape", on_click=_enter, args=(None, shown["id"]))


def _save(here: Here, shown: dict[str, Any], roles: list[str], keep: bool) -> None:
    """Take what stands in the form: as the edit that is kept, or as a draft for later."""
    t = _words()
    texts = [st.session_state[f"turn {place} {shown['id']}"] for place in range(len(roles))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    if not keep:
        with shell.open_log(here) as log:
            drafts.save(log, here.reviewer, shown["content"], messages)
        _enter(None, shown["id"])
    elif not all(text.strip() for text in texts):
        st.session_state["plain said"] = t("empty_turn")
    elif messages == shown["messages"]:
        _decide(here, shown["row"], shown["id"], "keep", ())
    else:
        _decide(here, shown["row"], shown["id"], "edit", (), messages)


def _enter(mode: str | None, example: str) -> None:
    st.session_state["plain mode"] = (mode, example) if mode else None


def _decide(
    here: Here, row: int, example: str, kind: str, why: tuple[str, ...], messages: list[Message] | None = None
) -> None:
    """Write one decision on the example that is on the screen; one that belongs to another example is dropped."""
    deck, t = st.session_state["deck"], _words()
    on_screen, since = st.session_state.get("plain shown", (None, 0.0))
    if on_screen != example or not deck.ahead or deck.ahead[0] != row:
        return
    number = st.session_state["plain number"] = st.session_state.get("plain number", 0) + 1
    content = here.desk.candidates["content"][row]
    entry = {
        "session": here.session, "seq": number, "kind": kind, "row": row, "id": example, "content": content,
        "reasons": list(why), "messages": messages, "shown_ms": int(1000 * (time.monotonic() - since)),
    }  # fmt: skip
    _take(here, deck, entry, t)


def _undo(here: Here, number: int) -> None:
    deck, t = st.session_state["deck"], _words()
    if st.session_state.get("plain undone", 0) != number:
        return
    st.session_state["plain undone"] = number + 1
    _take(here, deck, {"session": here.session, "seq": f"undo {number}", "kind": "undo"}, t)


def _take(here: Here, deck: Deck, entry: dict[str, Any], t: Words) -> None:
    try:
        with shell.open_log(here) as log:
            (answer,) = protocol.take(here.desk, log, here.reviewer, [entry], deck.repeats)
            if "error" in answer:
                st.session_state["plain said"] = t("refused", error=answer["error"])
                return
            st.session_state["plain mode"] = None
            if entry["kind"] == "undo":
                undone = answer["undone"]
                st.session_state["plain said"] = (
                    t("nothing_to_undo") if undone is None else t("undone", what=t(answer["was"]))
                )
                if undone is not None:
                    decks.put_back(deck, undone)
            else:
                st.session_state["plain said"] = t("done", what=t(entry["kind"]))
                decks.decided(deck, [entry["row"]])
            if not deck.ahead:
                decks.fill(deck, here.desk, log, here.reviewer)
    except CurateError as error:
        st.session_state["plain said"] = t("refused", error=str(error))


def _context(shown: dict[str, Any], t: Words) -> None:
    """One block, not a widget a line: the browser lays it out in one go."""
    failed = [reason for reason in shown["why"] if not reason["passed"]]
    near = [reason for reason in shown["why"] if reason["passed"]][:5]
    rules = [
        " · ".join(
            part
            for part in (
                f"{'●' if reason['passed'] else '■'} {reason['rule']} {reason['figures'] or ''}".rstrip(),
                reason["room"],
            )
            if part
        )
        for reason in [*failed, *near]
    ]
    # What the queue says may be what a rule says.
    because = shown["because"].replace(", ", " · ")
    own = [] if any(rule.endswith(because) for rule in rules) else [shown["because"]]
    parts = [_list(t("why"), [*own, *rules])]
    for group in ("test", "kept", "undecided", "dropped"):
        mine = [f"{one['figure']}  {one['title']}" for one in shown["neighbours"] if one["group"] == group]
        parts.append(_list(t(f"near_{group}"), mine) if mine else "")
    origin = (shown["source"], shown["license"], shown["url"], shown["id"])
    parts.append(_list(t("origin"), [str(part) for part in origin if part]))
    st.html(f'<div class="text">{"".join(parts)}</div>')


def _list(heading: str, lines: list[str]) -> str:
    items = "".join(f"<li>{escaping.shown(line)}</li>" for line in lines if line)
    return f'<h3>{escaping.shown(heading)}</h3><ul style="list-style: none; padding: 0">{items}</ul>'
