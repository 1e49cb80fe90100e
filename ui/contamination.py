"""Contamination: pairs of an example and a test item in the gray area, side by side, and a person's word on each."""

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from curate import testsets
from curate.desk import pairs
from curate.desk.model import texts
from curate.errors import CurateError
from ui import pieces, rendering, shell
from ui.shell import Here, open_log
from ui.words import words

SHOWN = ("every", "is_undecided", "is_keep", "is_drop")
PER_PAGE = 5


def page() -> None:
    """The pairs that the URL asks for, and where their decisions go."""
    t = words("contamination")
    place = shell.here()
    pieces.intro(t)
    decided = pieces.states(place)
    with open_log(place) as log:
        found = pieces.attempt(lambda: pairs.pairs(place.run, log))
    if found.is_empty():
        st.info(t("no_pairs" if place.desk.settings.decontaminate.tests else "no_tests"), icon=":material/science:")
        return
    done = found["decision"].count()
    st.progress(done / found.height, text=t("pairs_decided", decided=done, total=found.height))
    found = found.with_columns(test=_tests(place, found["item"]))
    left, right = st.columns(2)
    with left:
        show = pieces.choice(t("show"), "show", SHOWN, t, default="every", page="contamination")
    with right:
        names = ["", *found["test"].unique().sort()]
        test = pieces.choice(t("test_set"), "test", names, lambda name: name or t("every_test"), page="contamination")
    shown = found.filter(pl.col("test") == test) if test else found
    if show != "every":
        wanted = show.removeprefix("is_")
        shown = shown.filter(pl.col("decision").is_null() if wanted == "undecided" else pl.col("decision") == wanted)
    st.caption(t("effect_keep"))
    if shown.is_empty():
        st.info(t("no_such"))
    first = pieces.pager(shown.height, per=PER_PAGE)
    some = shown.slice(first, PER_PAGE)
    items = _items(place, some["test"].unique().sort(), t)
    for pair in some.iter_rows(named=True):
        with st.container(border=True):
            _pair(place, pair, items.get(pair["item"]), decided, t)
    _replay(place, done, t)


def _pair(
    place: Here, pair: dict[str, Any], item: dict[str, Any] | None, decided: pl.DataFrame, t: Callable[..., str]
) -> None:
    key = pieces.digest(pair["content"], pair["item"])
    evidence = (pair["evidence"] or pair["category"] or "").removeprefix(f"{pair['item']}: ")
    st.markdown(f"**{pieces.plain(pair['item'])}** · {pieces.plain(evidence)}")
    _decide(place, pair, t)
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(t("item"))
        _item(item, f"{key} item", t)
    with right:
        rows = place.desk.candidates.filter(pl.col("content") == pair["content"])["row"].to_list()
        st.caption(t("example"))
        if not rows:
            st.info(t("gone"))
            return
        if len(rows) > 1:
            st.caption(t("several", count=len(rows)))
        facts = place.desk.candidates.row(rows[0], named=True)
        with st.container(horizontal=True):
            pieces.badges(facts, decided.row(rows[0], named=True))
        pieces.conversation(texts(place.desk, rows[:1])[0].messages, f"{key} example")
        st.caption(pieces.about(facts))


def _item(item: dict[str, Any] | None, key: str, t: Callable[..., str]) -> None:
    if item is None:
        st.caption(t("no_item"))
        return
    choices = "".join(f"\n{number}. {choice}" for number, choice in enumerate(item["choices"] or [], start=1))
    text = f"{item['question']}\n{choices}" if choices else item["question"]
    pieces.rendered(f'<div class="text" dir="auto">{rendering.markdown_html(text)}</div>', key)
    if item["answer"]:
        st.markdown(t("answer", answer=pieces.plain(item["answer"])))


def _decide(place: Here, pair: dict[str, Any], t: Callable[..., str]) -> None:
    decision = pair["decision"]
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, icon in (("keep", "check"), ("drop", "close"), ("undecided", "undo")):
            label = t("take_back") if name == "undecided" else t(f"{name}_pair")
            idle = decision == name or (decision is None and name == "undecided")
            # Its name holds the pair and what stands: a click on what has changed since is no click.
            key = pieces.digest(name, pair["content"], pair["item"], decision, pair["time"])
            kind = "primary" if decision == name else "secondary"
            if st.button(label, key=key, icon=f":material/{icon}:", disabled=idle, type=kind):  # type: ignore[arg-type]
                _write(place, pair, name, t)
        if decision and pair["reviewer"]:
            who = {"reviewer": pieces.plain(pair["reviewer"]), "time": pair["time"][:16].replace("T", " ")}
            st.caption(t("decided_by", decision=t(f"is_{decision}"), **who))
        elif decision:
            st.caption(t("decided_before", decision=t(f"is_{decision}")))


def _write(place: Here, pair: dict[str, Any], decision: str, t: Callable[..., str]) -> None:
    token = uuid.uuid4().hex
    who = (place.reviewer, place.session, token)
    with open_log(place) as log:
        pieces.attempt(lambda: pairs.decide(place.run, log, *who, pair["content"], pair["item"], decision))
    pieces.again(f"{pieces.plain(pair['item'])}: {t(f'is_{decision}')}")


def _replay(place: Here, done: int, t: Callable[..., str]) -> None:
    """Where the decisions are, and what makes a build follow them."""
    path = place.run / pairs.DECIDED
    if not done or not path.is_file():
        return
    named = place.desk.settings.decontaminate.review
    if named is not None and Path(named).resolve() == path.resolve():
        st.caption(t("replayed"))
        return
    st.markdown(t("not_replayed"))
    st.code(f"decontaminate:\n  review: {path}", language="yaml")
    if named is not None:
        st.caption(t("other_file", path=pieces.plain(named)))


def _tests(place: Here, items: pl.Series) -> pl.Series:
    """The test set of each item; a set's name may hold a slash, so the longest that fits."""
    names = sorted(place.desk.settings.decontaminate.tests, key=len, reverse=True)
    found = [next((name for name in names if item.startswith(f"{name}/")), item.partition("/")[0]) for item in items]
    return pl.Series("test", found, dtype=pl.String)


def _items(place: Here, tests: Iterable[str], t: Callable[..., str]) -> dict[str, dict[str, Any]]:
    """The test items of these sets by name. One that is on the Hub is read when asked for, one that is missing said so."""
    found: dict[str, dict[str, Any]] = {}
    known = place.desk.settings.decontaminate.tests
    for name in tests:
        if name not in known:
            continue
        test = known[name]
        if (test is None or test.path is None) and st.query_params.get("read") != name:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(t("on_hub"))
                label = t("read_hub", test=pieces.plain(name))
                st.button(label, key=f"read {name}", on_click=_ask_for, args=(name,), type="tertiary")
            continue
        try:
            items = _read(name, "" if test is None else test.model_dump_json(), repr(testsets.stamp(name, test)))
        except CurateError as error:
            st.warning(pieces.plain(error))
            continue
        found |= {row["item"]: row for row in items.iter_rows(named=True)}
    return found


def _ask_for(name: str) -> None:
    st.query_params["read"] = name


@st.cache_resource(max_entries=8, show_spinner=False)
def _read(name: str, test: str, stamp: str) -> pl.DataFrame:  # noqa: ARG001 - a part of the key: a changed file is read again
    return testsets.read(name, testsets.Test.model_validate_json(test) if test else None)
