"""Decisions on an earlier text of an example: which there are, and what the text was."""

import random

import pytest

from curate.decisions import hashes
from curate.desk.earlier import earlier
from curate.desk.model import open_desk, texts
from curate.review import exchange
from curate.review.log import Decision, record
from curate.review.store import opened
from tests.curate.small_runs import ROWS, built


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    rows = [*ROWS, ("Who wrote Faust?", "Goethe &amp; nobody else wrote it, over sixty years.\r\nOr nearly.")]
    return open_desk(built(tmp_path_factory.mktemp("earlier"), rows=rows)[0])


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as found:
        yield found


def decide(desk, log, row, decision, *, reviewer="ben", content=None, messages=None):
    token = str(log.execute("SELECT count(*) FROM events").fetchone()[0])
    one = Decision(
        reviewer, "s", token, content or f"gone {row}", desk.candidates["id"][row], decision, messages=messages
    )
    return record(log, [one])[0]


def found(desk, log, rows=None):
    rows = desk.candidates["row"].to_list() if rows is None else rows
    return earlier(desk, log, texts(desk, rows))


def test_of_an_edit_the_text_of_then_is_what_it_left_and_of_others_nothing_holds_it(desk, log):
    now = texts(desk, [4])[0].messages
    then = [*now[:-1], {**now[-1], "content": "As it was."}]
    edit = decide(desk, log, 4, "edit", messages=then)
    reject = decide(desk, log, 4, "reject", reviewer="cleo")
    flag = decide(desk, log, 5, "flag")
    assert found(desk, log) == {4: [(edit, then), (reject, None)], 5: [(flag, None)]}
    assert found(desk, log, [5, 6]) == {5: [(flag, None)]}


def test_the_text_that_this_build_cleaned_is_known(desk, log):
    cleaned = next(text for text in texts(desk, desk.candidates["row"].to_list()) if text.read is not None)
    event = decide(desk, log, cleaned.row, "keep", content=hashes([cleaned.read])[0])
    assert found(desk, log) == {cleaned.row: [(event, cleaned.read)]}


def test_nothing_is_earlier_that_is_put_off_or_decided_anew_or_on_a_text_of_this_build(desk, log):
    contents = desk.candidates["content"]
    decide(desk, log, 3, "keep", content=contents[3])
    decide(desk, log, 4, "skip")
    decide(desk, log, 5, "keep")
    decide(desk, log, 5, "reject", content=contents[5])
    decide(desk, log, 6, "keep", content=contents[7])
    assert found(desk, log) == {}


def test_it_is_what_the_whole_corpus_says(desk, log):
    draw, contents = random.Random(3), desk.candidates["content"]
    corpus = dict(desk.candidates.select("id", "content").iter_rows())
    rows = dict(desk.candidates.select("id", "row").iter_rows())
    for _ in range(150):
        row, other = draw.randrange(9), draw.randrange(9)
        content = draw.choice(["gone", f"gone {row}", contents[row], contents[other]])
        kind = draw.choice(["keep", "reject", "flag", "skip", "edit"])
        messages = texts(desk, [draw.randrange(9)])[0].messages if kind == "edit" else None
        if kind == "edit" and not messages[-1]["content"]:
            continue
        decide(desk, log, row, kind, reviewer=draw.choice("abc"), content=content, messages=messages)
        wanted = {}
        for event, _ in sorted(exchange.stale(log, corpus), key=lambda stale: stale.event.time):
            wanted.setdefault(rows[event.example], []).append(event)
        assert {row: [one.event for one in ones] for row, ones in found(desk, log).items()} == wanted
