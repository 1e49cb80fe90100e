"""Examples as the card shows them: text rendered, and beside it why it is here, what is near to it, and where it is from."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from curate.chat import ROLES, Message
from curate.desk import model as desks
from curate.desk.earlier import Earlier, earlier
from curate.desk.model import Desk, Reason
from curate.review import drafts
from curate.review.log import Opinion, counting
from ui import rendering
from ui.words import detail, sentence

Words = Callable[..., str]

# The words for what was decided.
DONE = {"keep": "kept_it", "edit": "edited_it", "reject": "rejected_it", "flag": "flagged_it"}
# Cosines below this are shown, but say little.
FAR = 0.5
# Signs of a comparison that held, and of one that did not.
_SIGNS = {"at least": ("≥", "<"), "at most": ("≤", ">"), "below": ("<", "≥")}


def examples(
    desk: Desk,
    log: sqlite3.Connection,
    reviewer: str,
    because: Mapping[int, str],
    t: Words,
    unsaid: Sequence[int] = (),
) -> dict[int, dict[str, Any]]:
    """Row to what the card needs of it, for the rows of `because` (why the queue has them).

    What was decided on the rows `unsaid` is not told. Every text that is HTML (`html`, `cleaned.html`, `since[].html`,
    `draft_html`) is made by `ui.rendering`; all the rest is to be set as text.
    """
    rows = list(because)
    names = roles(t)
    neighbours = desks.neighbours(desk, rows)
    near_by = [*rows, *(row for near in neighbours for row, _ in near)]
    said = counting(log, desk.candidates["content"].gather(near_by).to_list())
    texts = desks.texts(desk, rows)
    before = earlier(desk, log, [text for text in texts if text.row not in unsaid])
    found = {}
    for text, near in zip(texts, neighbours, strict=True):
        mine = desk.candidates.row(text.row, named=True)
        opinion = None if text.row in unsaid else said.get(mine["content"])
        draft = drafts.load(log, reviewer, mine["content"])
        found[text.row] = {
            **{name: mine[name] for name in ("row", "id", "content", "title", "source", "group", "language", "turns")},
            **{
                name: mine[name]
                for name in ("prompt_chars", "response_chars", "license", "score", "key", "fate", "rule")
            },
            # An address of the corpus becomes a link only where it is one.
            "url": mine["url"] if str(mine["url"]).startswith(("https://", "http://")) else None,
            "quality": None if mine["quality"] is None else figure(mine["quality"]),
            "topic": None if mine["topic"] is None else desk.topics[mine["topic"]],
            "vector": mine["vector_row"] is not None,
            "messages": text.messages,
            "html": rendering.conversation_html(text.messages, names),
            "cut": rendering.is_cut(text.messages),
            "cleaned": {
                "edits": text.edits,
                "html": rendering.conversation_diff_html(text.read, text.messages, names) if text.read else None,
            },
            "since": [_since(one, text.messages, names, t) for one in before.get(text.row, [])],
            "because": because[text.row],
            "why": [_reason(desk, reason, t) for reason in desks.why(desk, text.row)],
            "neighbours": [*_tests(desk, text.row), *(_near(desk, row, cosine, said) for row, cosine in near)],
            "cluster": [_member(desk, row) for row in desks.cluster(desk, text.row)],
            "decision": opinion.decision if opinion else None,
            "draft": draft,
            "draft_html": rendering.conversation_diff_html(text.messages, draft, names) if draft else None,
        }
    return found


def roles(t: Words) -> dict[str, str]:
    """The words for the roles of a conversation."""
    return {role: t(f"role_{role}") for role in ROLES}


def figure(value: object) -> str:
    """A number as a person writes it: whole where it is whole, else three figures, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def compared(reason: Reason) -> str:
    """The value and the limit of a rule as one short line: `1,190 < 1,200`."""
    value, limit = reason.value, reason.limit
    if isinstance(value, bool):
        return ""
    if value is None:
        return "" if limit is None else f"{_SIGNS.get(reason.comparison, ('', ''))[0]} {_limit(limit)}".strip()
    if limit is None:
        return figure(value)
    if reason.comparison == "within":
        return f"{figure(value)} in {_limit(limit)}"
    holds, fails = _SIGNS.get(reason.comparison, ("", ""))
    sign = holds if reason.passed else fails
    return f"{figure(value)} {sign} {_limit(limit)}" if sign else figure(value)


def _limit(limit: Any) -> str:  # noqa: ANN401 - a number, a pair, or words
    if isinstance(limit, list | tuple):
        return ("–" if all(isinstance(one, int | float) for one in limit) else ", ").join(figure(one) for one in limit)
    return figure(limit)


def _reason(desk: Desk, reason: Reason, t: Words) -> dict[str, Any]:
    room = None
    if reason.margin is not None:
        missed = reason.margin < 0 or not reason.passed
        room = t("missed_by" if missed else "to_spare", room=figure(abs(reason.margin)))
    return {
        "rule": reason.rule,
        "passed": reason.passed,
        "figures": compared(reason),
        "room": room,
        "sentence": " · ".join(
            part for part in (sentence(reason.stage, reason.rule, reason.sentence), detail(reason.detail)) if part
        ),
        "other": None if reason.other is None else desk.candidates["title"][reason.other],
    }


def _since(one: Earlier, now: list[Message], names: Mapping[str, str], t: Words) -> dict[str, Any]:
    """A decision on an earlier text, with what has become of that text where it is known."""
    changes = None if one.messages is None else rendering.conversation_diff_html(one.messages, now, names)
    time = one.event.time[:16].replace("T", " ")
    decision = one.event.decision
    said = {"decision": decision, "said": t(DONE[decision])}
    return {"reviewer": one.event.reviewer, **said, "time": time, "html": changes or None}


def _near(desk: Desk, row: int, cosine: float, said: Mapping[str, Opinion]) -> dict[str, Any]:
    content, fate, title, source = _values(desk, row, "content", "fate", "title", "source")
    decision = said[content].decision if content in said else None
    if decision in {"keep", "edit"}:
        group = "kept"
    elif decision == "reject" or fate != "kept":
        group = "dropped"
    else:
        group = "undecided"
    figures = {"figure": f"{cosine:.2f}", "far": cosine < FAR}
    return {"row": row, "title": title, "source": source, "group": group, **figures}


def _values(desk: Desk, row: int, *names: str) -> list[Any]:
    """Of one row. A query of the frame would take a hundred times as long as these look-ups."""
    return [desk.candidates[name][row] for name in names]


def _tests(desk: Desk, row: int) -> list[dict[str, Any]]:
    return [
        {
            "row": None,
            "figure": figure(leak["value"]),
            "title": leak["detail"] or leak["item"],
            "source": f"{leak['item']} · {leak['category']}",
            "group": "test",
            "far": False,
        }
        for leak in desks.test_items(desk, row)
    ]


def _member(desk: Desk, row: int) -> dict[str, Any]:
    title, source, fate = _values(desk, row, "title", "source", "fate")
    return {"row": row, "title": title, "source": source, "kept": fate == "kept"}
