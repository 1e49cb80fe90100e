"""What several pages share, where it needs no page: texts of the data in labels, figures, bars, the last act of a reviewer."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from curate.review import log
from curate.review.log import Decision
from curate.review.store import opened
from ui import pieces

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])) | st.text("*_[](){}!`#<>&$:~|\\ -+.1a\n"))
def test_text_of_the_data_is_plain_in_markdown(text):
    shown = MARKDOWN.render(f"x {pieces.plain(text)} x")
    inside = re.fullmatch(r"<p>x (.*)x</p>\n", shown, re.DOTALL)
    assert inside, shown
    assert html.unescape(inside[1]).split() == text.split()
    assert "<" not in inside[1]


@pytest.mark.parametrize("text", ["$x$", ":smile:", ":red[alarm]", "~~gone~~", "a {b}"])
def test_signs_of_streamlits_own_are_escaped_too(text):
    assert re.sub(r"\\(.)", "", pieces.plain(text)) == re.sub(r"[^a-z ]", "", text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "✓"),
        (0.12345, "0.1235"),
        (1190, "1,190"),
        (12345.6, "12,346"),
        ((1.5, 12.0), "1.5 – 12"),
        ("en", "en"),
    ],
)
def test_a_measured_value_is_shown_as_a_person_reads_it(value, expected):
    assert pieces.figure(value) == expected


def test_a_key_is_that_of_what_is_on_the_screen():
    assert pieces.digest([1, 2], "keep") == pieces.digest([1, 2], "keep") != pieces.digest([1, 2], "reject")


def test_bars_are_drawn_on_one_scale_and_escape_their_names():
    def page():
        from ui.pieces import Bar, bars

        bars([Bar("<b>", 1, "1 of 4", "red", mark=4, behind=2), Bar("none", 0, "0", "red")])

    (drawn,) = AppTest.from_function(page).run().get("html")
    assert "&lt;b&gt;" in drawn.proto.body
    assert re.findall(r"(?:width|left):([\d.]+)%", drawn.proto.body) == ["50.00", "25.00", "100.00", "0.00"]


def test_the_last_act_is_all_of_a_bulk_act_and_none_where_nothing_stands(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as journal:
        assert pieces.last_act(journal, "ann") is None
        one = Decision("ann", "s", "1", "text1", "id1", "keep")
        log.record(journal, [one])
        log.record(
            journal, [one._replace(token=f"t{n}", content=f"b{n}", decision="reject", act="act") for n in range(3)]
        )
        last = pieces.last_act(journal, "ann")
        assert (last.decision, last.events) == ("reject", 3)
        log.undo(journal, "ann", "s", "back")
        last = pieces.last_act(journal, "ann")
        assert (last.decision, last.events) == ("keep", 1)
        assert pieces.last_act(journal, "bob") is None
