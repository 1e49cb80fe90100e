"""HTML -> Markdown: what stays, what goes, what cannot hurt."""

import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleaning import compiled, compiled_writer, elements, html
from curate.cleaning.html import MAX_DEPTH, flatten, render, repair, to_markdown, to_markdown_all


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("no tags at all", "no tags at all"),
        ("<p>one</p>\n\n<p>two</p>", "one\n\ntwo"),
        ("<p>a\n  line   and\ta half</p>", "a line and a half"),
        ("<p>one<br>two<br />three<br><br>four</p>", "one\ntwo\nthree\n\nfour"),
        ("<h1>Top</h1><h3>Three <b>bold</b></h3><p>x</p>", "# Top\n\n### Three bold\n\nx"),
        ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
        ("<p>an <em>em</em>, a <b>b</b>, <strike>gone</strike></p>", "an *em*, a **b**, ~~gone~~"),
        ("<p>a<em> spaced </em>word</p>", "a *spaced* word"),
        ("<p><strong><em>both</em></strong></p>", "***both***"),
        ("<p><b><b>twice</b></b><em> </em></p>", "**twice**"),
        ("<p>H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd></p>", "H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>"),
        ("<p>see <a href='x'>the manual</a>.</p>", "see the manual."),
        ('<p>a <img src="x.png" alt="enter image description here"> b</p>', "a b"),
        ('<p><a href="x"><img src="x.png"></a></p><p>b</p>', "b"),
        ("<p>x</p><script>alert('1')</script><style>p {}</style><!-- secret --><iframe src='x'>y</iframe>", "x"),
        ("<p>a &amp; b &lt;c&gt; &eacute; &#8212; &nbsp;d</p>", "a & b <c> é — d"),
        ("<p>twice &amp;quot;escaped&amp;quot;</p><p><code>&amp;quot;</code></p>", 'twice "escaped"\n\n`&quot;`'),
        ("<dl><dt>ale</dt><dd>warm</dd><dt>lager</dt><dd>cold</dd></dl>", "ale\n: warm\n\nlager\n: cold"),
        ("<div><div>a</div>b<section>c</section></div>", "a\n\nb\n\nc"),
    ],
)
def test_each_element_becomes_its_markdown(given, expected):
    assert to_markdown(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<p>a</p><ul><li>b</li><li>c</li></ul><p>d</p>", "a\n\n* b\n* c\n\nd"),
        ('<ol start="9"><li>b</li><li>c</li></ol>', "9. b\n10. c"),
        (
            "<ol><li>a<ul><li>b</li><li>c<ol><li>d</li></ol></li></ul></li><li>e</li></ol>",
            "1. a\n   * b\n   * c\n     1. d\n2. e",
        ),
        ("<ul><li><p>a</p></li><li><p>b</p><p>c</p></li></ul>", "* a\n\n* b\n\n  c"),
        ("<ul><li>a<pre><code>x\n\ny</code></pre></li></ul>", "* a\n\n  ```\n  x\n\n  y\n  ```"),
        ("<ul><li></li><li><ul><li>b</li></ul></li></ul>", "* * b"),
        ("<blockquote><p>a</p><p>b<br>c</p></blockquote><p>d</p>", "> a\n>\n> b\n> c\n\nd"),
        ("<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>", "> a\n>\n> > b"),
        ("<blockquote><ul><li>a</li><li>b</li></ul></blockquote>", "> * a\n> * b"),
        ("<blockquote><p>a</p></blockquote><blockquote><p>b</p></blockquote>", "> a\n\n> b"),
        ("<blockquote><pre><code>a\nb</code></pre></blockquote>", "> ```\n> a\n> b\n> ```"),
    ],
)
def test_lists_and_quotes_keep_their_nesting_and_numbers(given, expected):
    assert to_markdown(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<p>use <code>a_b*c</code></p>", "use `a_b*c`"),
        ("<p><code>a`b</code> <code>`</code> <code>``x</code></p>", "``a`b`` `` ` `` ``` ``x ```"),
        ("<p><code>&lt;b&gt;<b>bold</b></code></p>", "`<b>bold`"),
        ("<pre><code>if a &lt; b:\n    pass\n</code></pre>", "```\nif a < b:\n    pass\n```"),
        ("<pre>\n\n  plain\n\n\n  text\n</pre>", "```\n  plain\n\n\n  text\n```"),
        ('<pre class="lang-py prettyprint-override"><code>x</code></pre>', "```py\nx\n```"),
        ('<pre><code class="language-c++">x</code></pre>', "```c++\nx\n```"),
        ('<pre class="lang-none"><code class="language-sh">x</code></pre>', "```sh\nx\n```"),
        (
            "<!-- language: lang-js -->\n\n<pre><code>x</code></pre><pre><code>y</code></pre>",
            "```js\nx\n```\n\n```\ny\n```",
        ),
        (
            "<!-- language-all: lang-r --><pre><code>x</code></pre><pre><code>y</code></pre>",
            "```r\nx\n```\n\n```r\ny\n```",
        ),
        ("<pre><code>a\n```\nb\n````\n</code></pre>", "`````\na\n```\nb\n````\n`````"),
        ("<pre><code>  </code></pre><p>x</p>", "x"),
        ("<pre><code>a<br>b <b>c</b></code></pre>", "```\na\nb c\n```"),
    ],
)
def test_code_keeps_every_character_and_its_language(given, expected):
    assert to_markdown(given) == expected


def test_a_table_becomes_a_pipe_table_with_its_pipes_escaped():
    given = (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td><code>x|y</code></td><td><p>1<br>2</p><p>3</p></td></tr><tr><td>only</td></tr></tbody></table>"
    )
    assert to_markdown(given) == "| a | b |\n| --- | --- |\n| `x\\|y` | 1 2 3 |\n| only |  |"


def test_a_table_inside_a_table_is_read_as_text():
    given = "<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></tr></table>"
    assert to_markdown(given) == "| a b c | d |\n| --- | --- |"


@pytest.mark.parametrize(
    "maths",
    [
        r"$a_1 * b_2 * c$ and \(x_i^*\)",
        "$$\n\\begin{align}\n  a &= b_1 \\\\\n  c &< d\n\\end{align}\n$$",
        "\\[\n  x\n\\]",
        "\\begin{equation*}\n x \n\\end{equation*}",
    ],
)
def test_maths_is_untouched(maths):
    escaped = maths.replace("&", "&amp;").replace("<", "&lt;")
    assert to_markdown(f"<p>{escaped}</p>") == maths


def test_white_space_around_displayed_maths_is_folded_and_an_opening_without_end_counts_for_nothing():
    assert to_markdown("<p>so\n  that $$\n x\n$$\n  holds\n$$ here\n too</p>") == "so that $$\n x\n$$ holds $$ here too"


def test_links_and_images_can_be_kept():
    given = '<p><a href="/a?b&amp;c"><b>x</b></a> <img alt="A" src="i.png"></p>'
    assert to_markdown(given, links=True, images=True) == "[**x**](/a?b&c) ![A](i.png)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<p>a<p>b", "a\n\nb"),
        ("<P CLASS=x>a</P><BR>b", "a\n\nb"),
        ("<b>a<i>b</b>c</i>", "**a*b****c*"),
        ("<ul><li>a<li>b</ul>", "* a\n* b"),
        ("a < b and c > d & e", "a < b and c > d & e"),
        ('<p title="a > b">c</p>', "c"),
        ("<p>a</p></div></p><p>b</p>", "a\n\nb"),
        ("<table>stray<tr><td>x</table>", "stray\n\n| x |\n| --- |"),
        ("<p>a <foo-bar>b</foo-bar></p>", "a b"),
        ("<p>a<!-- > <b> --> b", "a b"),
        ("<xmp><b>x</b></xmp>", "<b>x</b>"),
        ("<frameset><frame></frameset>", ""),
        ("<a href=", ""),
        ("\ufefftext", "\ufefftext"),
    ],
)
def test_html_that_does_not_nest_is_read_as_a_browser_reads_it(given, expected):
    assert to_markdown(given) == expected


HOSTILE = {
    "deep": lambda n: "<div>" * n + "text" + "</div>" * n,
    "unclosed bold": lambda n: "<b>" * n + "text",
    "lists": lambda n: "<ul><li>" * n + "text",
    "quotes": lambda n: "<blockquote>" * 200 + "<p>text</p>" * n,
    "closing": lambda n: "</b></p></ul>" * n + "text",
    "formatting reopened": lambda n: "".join(f"<font color={i}>" for i in range(n)) + "<p>text" * n,
    "attributes": lambda n: "<p " + " ".join(f"a{i}=1" for i in range(n)) + ">text",
    "huge attribute": lambda n: f'<p title="{"x<>" * n}">text',
    "open quote": lambda n: '<p title="' * n + "text",
    "comments": lambda n: "<!--" * n + "text",
    "brackets": lambda n: "<" * n + "text",
    "displayed maths": lambda n: "<p>" + "\\[\n" * n + "text</p>",
    "spaces": lambda n: "<p>text" + " " * n + "\n" * n + "<br> " * n + "x</p>",
    "ticks": lambda n: "<p><code>" + "`" * n + "</code>text</p>",
    "tables": lambda n: "<table><tr><td>" * n + "text",
}


def operations(text):
    """Calls made while converting: a measure of work that no other process can disturb."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += 1

    sys.setprofile(profile)
    try:
        to_markdown(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_takes_linear_work(name):
    to_markdown(HOSTILE[name](10))
    assert operations(HOSTILE[name](8000)) < 6 * operations(HOSTILE[name](2000)) + 1000


@pytest.mark.parametrize("given", ["<b>" * 350_000 + "end", "<div>" * 5000 + "end", "<ul><li>" * 5000 + "end"])
def test_a_megabyte_of_open_tags_becomes_its_text(given):
    assert to_markdown(given) == "end"


def test_nesting_up_to_the_limit_keeps_its_structure():
    assert to_markdown("<div>" * (MAX_DEPTH - 2) + "<ul><li>a" + "</div>" * 9) == "* a"


def test_flattening_shows_no_program():
    assert flatten("<script>if (a<b) alert()</script><p>a&amp;b<b>c</b></p><style>x") == "a&b c"


def test_deeply_nested_quotes_stop_indenting():
    text = to_markdown("<blockquote>" * 100 + "<p>a</p>" + "</blockquote>" * 100)
    assert text == "> " * 32 + "a"


# Pieces of bodies, sound and broken, and what a poster may write.
TAGS = (
    "p div em i strong b del s code pre ul ol li blockquote h1 h2 sub kbd a span table tr td th u font dd".split()  # noqa: SIM905
)
tag = st.sampled_from(TAGS)
word = st.sampled_from(
    ["a", "word", " ", "\n", "  b ", "$x_1$", "$$", "\\[", "&amp;", "&lt;", "&quot;", "&amp;lt;", "&nbsp;", "&", "é", "\u2003",
     "`", "``", "```", "*", "1. ", "|", "<br>", "<hr>", '<img src="x">', "<br />", "-", "\t", "日本", "\xa0", "b\\begin", "&#39;"]
)  # fmt: skip


def element(content):
    def opened(name, inside):
        attribute = {
            "a": ' href="/x" rel="nofollow"',
            "pre": ' class="lang-py x"',
            "ol": ' start="7"',
            "span": ' class="m"',
        }
        return f"<{name}{attribute.get(name, '') if len(inside) % 2 else ''}>{inside}</{name}>"

    return st.builds(opened, tag, content)


body = st.recursive(
    st.lists(word, max_size=4).map("".join),
    lambda inner: st.lists(st.one_of(element(inner), word), max_size=5).map("".join),
    max_leaves=25,
)
broken = st.lists(st.one_of(body, st.builds("<{}>".format, tag), st.builds("</{}>".format, tag)), max_size=6).map(
    "".join
)


@settings(deadline=None, max_examples=250)
@given(st.one_of(body, broken))
def test_reading_as_it_stands_equals_reading_what_the_parser_made_of_it(given):
    plain = render(given, trusted=False)
    if plain is not None:
        assert plain == render(repair(given), trusted=True)


@settings(deadline=None, max_examples=250)
@given(st.lists(st.one_of(body, broken), max_size=4))
def test_the_compiled_reader_equals_the_other_on_all_it_accepts(given):
    for text, source in zip(compiled.to_markdown_all(given), given, strict=True):
        assert text is None or text == to_markdown(source)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_no_text_whatever_raises(given):
    to_markdown(given)
    to_markdown("<p>" + given)
    compiled.to_markdown_all([given, f"<p>{given}</p>"])


def test_both_readers_know_the_same_elements():
    assert set(compiled.KINDS) <= set(elements.OPEN)
    assert set(compiled_writer.NO_LANGUAGE) == elements.NO_LANGUAGE
    marks = [(bytes(row[1 : 1 + row[0]]).decode()) for row in compiled_writer.STARTS]
    assert marks == [elements.MARKS[name][0] for name in compiled_writer.MARKS]
    assert {name for name, kind in compiled.KINDS.items() if kind == compiled.PLAIN} == elements.UNMARKED


def test_many_bodies_at_once_give_the_same_as_each_alone(monkeypatch):
    monkeypatch.setattr(html, "FAST_FROM", 2)
    bodies = pl.Series("b", ["<p>a <b>b</b></p>", "<table><tr><td>x</table>", "", "<ol><li>é</li></ol>"])
    assert to_markdown_all(bodies).to_list() == [to_markdown(text) for text in bodies]


@pytest.mark.parametrize("site", ["beer", "quantumcomputing"])
def test_all_readers_agree_on_every_post_of_a_real_site(shared_data, site):
    from lxml import etree

    path = shared_data(f"raw/stackexchange/{site}/Posts.xml")
    bodies = [row.get("Body").replace("\r\n", "\n") for _, row in etree.iterparse(path, tag="row") if row.get("Body")]
    plain = [render(text, trusted=False) for text in bodies]
    parsed = [render(repair(text), trusted=True) for text in bodies]
    assert [a == b for a, b in zip(plain, parsed, strict=True) if a is not None].count(False) == 0
    assert sum(text is None for text in plain) < 0.01 * len(bodies)
    fast = compiled.to_markdown_all(bodies)
    assert [a == b for a, b in zip(fast, parsed, strict=True) if a is not None].count(False) == 0
    assert sum(text is None for text in fast) < 0.2 * len(bodies)
