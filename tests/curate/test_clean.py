"""The stage: which edits reach which texts, what is recorded, what stays."""

from difflib import SequenceMatcher

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from curate.record import EXAMPLE, examples
from curate.stages import clean
from curate.stages.clean import EDITS, Settings


def shard(*rows):
    return examples(
        "s",
        [{"key": str(i), "prompt": "Why?", "response": "So.", "markup": "plain", **row} for i, row in enumerate(rows)],
    )


def cleaned(*rows, **settings):
    return clean.measure(shard(*rows), Settings(**settings))


def test_every_text_of_an_html_row_becomes_markdown():
    row = cleaned(
        {
            "markup": "html",
            "system": "<b>s</b>",
            "prompt": "a &lt; b",
            "response": "<p>c</p>\r\n<p>d</p>",
            "history": [{"role": "user", "content": "<i>e</i>"}, {"role": "assistant", "content": "<code>f</code>"}],
            "title": "g &amp;amp; h <b>",
        }
    ).row(0, named=True)
    assert (row["system"], row["prompt"], row["response"], row["markup"]) == ("**s**", "a < b", "c\n\nd", "markdown")
    assert row["history"] == [{"role": "user", "content": "*e*"}, {"role": "assistant", "content": "`f`"}]
    assert row["title"] == "g & h <b>"
    assert row["edits"] == ["line_ends", "html", "entities"]


@pytest.mark.parametrize(
    ("row", "edits"),
    [
        ({}, []),
        ({"response": "a\r\nb"}, ["line_ends"]),
        ({"markup": "html", "response": '<p>a<img src="i"> <a href="b">c</a></p>'}, ["html", "images", "links"]),
        ({"markup": "markdown", "response": "a &gt; b"}, ["entities"]),
        ({"markup": "markdown", "response": "a [b](http://c)"}, ["links"]),
        ({"markup": "markdown", "response": "![a](http://c)b"}, ["images"]),
        ({"markup": "markdown", "response": "a.\n\nEdit: thanks everyone!"}, ["thanks_edit"]),
        ({"markup": "markdown", "response": "It is so.\n\n— Bob"}, ["signature"]),
        ({"group": "wikihow", "response": "This article is it.[1]"}, ["wikihow_phrases", "article_opening"]),
        ({"prompt": "Do it.\n\nNoinput"}, ["no_input_marker"]),
        ({"response": r"caf\u00e9"}, ["stray_escapes"]),
        ({"response": "Output: 4"}, ["answer_label"]),
        ({"response": "a\n\n\n\n\nb"}, ["blank_lines"]),
        ({"title": "a\u200bb"}, ["invisible"]),
    ],
)
def test_an_edit_is_recorded_where_it_changed_the_row(row, edits):
    assert cleaned(row)["edits"].to_list() == [edits]


def test_every_edit_can_happen():
    rows = test_an_edit_is_recorded_where_it_changed_the_row.pytestmark[0].args[1]
    # What a reviewer wrote is tested in test_replay.py.
    assert {name for _, names in rows for name in names} == set(EDITS) - {"reviewer"}


def test_edits_keep_to_the_rows_they_are_for():
    rows = [
        {"markup": "plain", "response": "[a](http://b) &gt; https://c.org\n\nEdit: thanks all!"},
        {"markup": "markdown", "prompt": "Do it.\n\nNoinput", "response": "Output: caf\\u00e9"},
        {"markup": "plain", "group": "STEM", "response": "This article is it.[1]"},
    ]
    assert_frame_equal(cleaned(*rows).drop("edits"), shard(*rows))


def test_rows_keep_their_order_and_everything_that_is_not_text():
    rows = [{"markup": "html", "response": f"<p>{i}</p>", "tags": ["t"], "score": i, "group": None} for i in range(5)]
    result = cleaned(*rows, {"response": None, "prompt": None}, {"response": ""})
    kept = [name for name in EXAMPLE.names() if name not in ("response", "markup")]
    assert_frame_equal(
        result.select(kept), shard(*rows, {"response": None, "prompt": None}, {"response": ""}).select(kept)
    )
    assert result["response"].to_list() == ["0", "1", "2", "3", "4", None, ""]
    assert result.schema == {**EXAMPLE, "edits": pl.List(pl.String)}


def test_an_empty_shard_stays_empty():
    result = clean.measure(shard().clear(), Settings())
    assert (result.height, result.schema) == (0, {**EXAMPLE, "edits": pl.List(pl.String)})


def test_skipped_edits_are_not_made():
    row = {"markup": "html", "response": '<p><a href="http://b">a</a> <img src="i.png" alt="c"></p>'}
    assert cleaned(row, skip=("links", "images"))["response"].to_list() == ["[a](http://b) ![c](i.png)"]
    untouched = cleaned(row, skip=tuple(EDITS))
    assert_frame_equal(untouched.drop("edits"), shard(row))
    assert untouched["edits"].to_list() == [[]]


def test_an_unknown_edit_is_answered_with_the_nearest_one():
    with pytest.raises(ValidationError, match=r"'link' is not an edit\. Did you mean 'links'\?"):
        Settings(skip=("link",))


pieces = st.lists(
    st.sampled_from(
        ["word ", "A. ", "\n", "\n\n", "`", "```", "[a](http://b.c)", "https://d.e", "<p>", "</p>", "<b>", "</b>", "<li>", "<ol>",
         "</ol>", "&gt;", "\u200b", "<pre>", "</pre>", "    ", "Edit: thanks all!", "![i](/j)", "— Bob", "\xa0", "\r\n", "*",
         "This article ", ".[1]", "Output: ", "\n\nNo input", '\\"x\\"', "See ", "$$", "|", "<br>", "<td>", "<table>"]
    ),
    max_size=14,
).map("".join)  # fmt: skip
row = st.fixed_dictionaries(
    {
        "prompt": pieces,
        "response": pieces,
        "markup": st.sampled_from(["html", "markdown", "plain"]),
        "group": st.sampled_from(["wikihow", "x"]),
    }
)


@settings(deadline=None, max_examples=100)
@given(st.lists(row, min_size=1, max_size=4))
def test_cleaning_what_is_clean_changes_nothing(rows):
    once = cleaned(*rows).drop("edits")
    twice = clean.measure(once, Settings())
    assert_frame_equal(twice.drop("edits"), once)
    assert twice["edits"].list.len().sum() == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(row, min_size=2, max_size=5))
def test_a_row_is_cleaned_the_same_in_any_shard(rows):
    together = cleaned(*rows)
    frame = shard(*rows)
    assert_frame_equal(together, pl.concat([clean.measure(frame[i : i + 1], Settings()) for i in range(len(rows))]))


def test_a_post_that_lima_contains_is_cleaned_as_its_authors_did(shared_data):
    from lxml import etree

    reference = orjson.loads(shared_data("instruction/lima/lima.json").read_bytes())[277]["output"]
    posts = etree.iterparse(shared_data("raw/stackexchange/quantumcomputing/Posts.xml"), tag="row")
    body = next(row.get("Body") for _, row in posts if row.get("Id") == "1810")
    ours = cleaned({"markup": "html", "response": body})["response"].item()
    ratio = SequenceMatcher(None, " ".join(ours.split()), " ".join(reference.split()), autojunk=False).ratio()
    assert ratio >= 0.9998  # one letter differs: the post was edited between the two dumps
