"""Markdown and characters: links, images, references, invisible characters, blank lines."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleaning import markdown


def after(edit, *texts):
    return pl.DataFrame({"t": list(texts)}, schema={"t": pl.String}).select(edit(pl.col("t")))["t"].to_list()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("see [the docs](https://a.org/x) now", "see the docs now"),
        ('[a](/wiki/b_(c) "title"), [d](#e), [f](mailto:g@h.i)', "a, d, f"),
        ("[a [b] c](http://x.y)", "a [b] c"),
        ("[](/emote) hi", " hi"),
        ("[never closed](http://a.org\nend", "never closed\nend"),
        ("f[i](x) and $g[a](b)$", "f[i](x) and $g[a](b)$"),
        ("It is at https://a.org/x?y=1_(z), really.", "It is, really."),
        ("Nice (https://a.org). And <https://b.org>!", "Nice. And!"),
        ("I read it (source: https://a.org/b).", "I read it."),
        ("so\nSource: https://a.org/b\n* https://c.org\n> http://d.org\nend", "so\nend"),
        ("So. See https://a.org for more. End", "So. End"),
        ("It is in Salon, see http://a.org/b", "It is in Salon"),
        ("Here it is: http://a.org", "Here it is"),
        ("[a][1] and [b] [2]\n\n[1]: http://c.org\n[2]: <http://d.org> 'e'\n", "a and b\n\n"),
        ("[a][1] is an index", "[a][1] is an index"),
        ("`[a](http://b)` and ``http://`c` ``", "`[a](http://b)` and ``http://`c` ``"),
        ("a\n\n    curl http://b.org\n\nhttp://c.org\n", "a\n\n    curl http://b.org\n\n"),
        ("```sh\ncurl http://b.org\n```\n[c](http://d)", "```sh\ncurl http://b.org\n```\nc"),
        ("````\n```\nhttp://a\n```\nhttp://b\n````\n", "````\n```\nhttp://a\n```\nhttp://b\n````\n"),
        ("```\nnever closed http://a", "```\nnever closed http://a"),
        ("* a\n    * b https://c.org", "* a\n    * b"),
        (
            "open http://localhost:8000/x and https://www.example.com",
            "open http://localhost:8000/x and https://www.example.com",
        ),
        ("no address: a://b, http:// and 1/2", "no address: a://b, http:// and 1/2"),
    ],
)
def test_links_become_their_text_and_addresses_go_except_in_code(given, expected):
    assert after(markdown.drop_links, given) == [expected]


def test_images_go_and_a_link_around_one_goes_with_it():
    given = "a ![alt](i.png) b [![x](/j.png)](http://k) `![c](d.png)` ![no](not an address)"
    assert after(markdown.drop_images, given) == ["a  b  `![c](d.png)` ![no](not an address)"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("&gt; quote &amp; more", "> quote & more"),
        ("`a &lt; b`", "`a < b`"),  # the API escaped the whole post
        ("a > b, &quot;c&quot;, `&quot;`", 'a > b, "c", `&quot;`'),
        ("&amp;nbsp;a&amp;#39;b &#x263A; &eacute;", "\xa0a'b ☺ é"),
        ("AT&T &copy 2000, x?a=1&copy=2, &nosuch;", "AT&T &copy 2000, x?a=1&copy=2, &nosuch;"),
        ("<b> &amp;amp;amp;lt;", "<b> <"),
    ],
)
def test_references_become_characters_outside_code(given, expected):
    assert after(markdown.decode_entities, given) == [expected]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a\u200bb\ufeffc\u00add\x00e\x1bf\u202eg", "abcdefg"),
        ("tab\tline\n no\u00a0break", "tab\tline\n no break"),
        ("👩\u200d💻 👩🏽\u200d🚒 ❤\ufe0f\u200d🔥", "👩\u200d💻 👩🏽\u200d🚒 ❤\ufe0f\u200d🔥"),
        ("a\u200db\u200cc", "abc"),
        ("می\u200cخواهم क\u094d\u200dष", "می\u200cخواهم क\u094d\u200dष"),
    ],
)
def test_characters_without_a_shape_go_but_joiners_that_mean_something_stay(given, expected):
    assert after(markdown.drop_invisible, given) == [expected]


def test_line_ends_of_every_kind_become_line_feeds():
    assert after(markdown.unify_line_ends, "a\r\nb\rc\u2028d\x0be\x85f") == ["a\nb\nc\nd\ne\nf"]


def test_blank_lines_are_folded_outside_code_only():
    given = "\n\na  \n\n\n\nb\n\n```\nx  \n\n\ny\n```\n\n\n"
    assert after(markdown.fold_blank_lines, given) == ["a\n\nb\n\n```\nx  \n\n\ny\n```"]
    assert after(markdown.fold_many_blank_lines, "a\n\n\nb\n\n\n\n\nc\n") == ["a\n\n\nb\n\n\nc"]


def test_a_text_that_begins_with_indented_code_keeps_its_indent():
    assert after(markdown.fold_blank_lines, "\n    x = 1\n    y\n") == ["    x = 1\n    y"]


piece = st.sampled_from(
    ["a", " ", "\n", "\n\n", "    ", "`", "```", "````", "[a](http://b.c)", "https://d.e/f_(g).", "(", ")", "[", "]", "> ", "* ",
     "![i](/j)", "See ", ": ", "&amp;", "&lt;", "&amp;lt;", "<", "[1]: http://x.y", "[b][1]", "Source: ", "\t", "é", "1. ", "."]
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(piece, max_size=12).map("".join), min_size=1, max_size=4))
def test_code_between_fences_is_never_touched(given):
    fenced = [f"{text}\n\n~\n\n`````\nhttp://a  \n\n\n\n[b](http://c)\n`````" for text in given if "`" not in text]
    for edit in (markdown.drop_images, markdown.drop_links, markdown.fold_blank_lines):
        for text in after(edit, *fenced):
            assert text.endswith("`````\nhttp://a  \n\n\n\n[b](http://c)\n`````")
