"""Texts as safe HTML: what Markdown and maths become, what hostile texts do not become, and differences word by word."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui import rendering
from ui.rendering import conversation_diff_html, conversation_html, diff_html, is_cut, markdown_html


class Page(HTMLParser):
    """What a browser would make of it: tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


TEXT = (
    "section h1 h2 h3 h4 h5 h6 div p span strong em s a ul ol li blockquote hr br code pre table thead tbody tr th td"
)
MORE = "sub sup kbd del ins math mrow mi mn mo mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover"
SAFE = {*TEXT.split(), *MORE.split(), "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose"}


def harmless(page):
    for tag, attributes in Page(page).tags:
        assert tag in SAFE, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name not in {"src", "srcset", "style", "action", "formaction", "background"}, name
            if name == "href":
                assert re.match(r"https?://|mailto:", value, re.IGNORECASE), value
                assert attributes["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **b** `c<d` ~~e~~", "<p>a <strong>b</strong> <code>c&lt;d</code> <s>e</s></p>\n"),
        ("1. x\n2. y", "<ol>\n<li>x</li>\n<li>y</li>\n</ol>\n"),
        ("H<sub>2</sub>O <kbd>Esc</kbd> <sub>open", "<p>H<sub>2</sub>O <kbd>Esc</kbd> &lt;sub&gt;open</p>\n"),
        ("<sub onclick=x>2</sub>", "<p>&lt;sub onclick=x&gt;2&lt;/sub&gt;</p>\n"),
        ("see https://example.org", "<p>see https://example.org</p>\n"),
        (
            "![cat](https://example.org/c.png)",
            '<p><span class="image">cat <span class="address">https://example.org/c.png</span></span></p>\n',
        ),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"),
        ("[a](DATA:text/html,x)", "<p>[a](DATA:text/html,x)</p>\n"),
    ],
)
def test_markdown_becomes_this(text, expected):
    assert markdown_html(text) == expected


def test_a_link_opens_elsewhere_and_shows_its_address():
    (tag, attributes) = Page(markdown_html("[here](https://example.org/a?b=c&d)")).tags[1]
    assert tag == "a"
    assert attributes["target"] == "_blank"
    assert attributes["title"] == attributes["href"] == "https://example.org/a?b=c&d"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("$x^2$", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\(a < b\)", "<mo>&lt;</mo>"),
        (r"$$\frac{1}{2}$$", "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        (r"\[ \sqrt{2} \]", "<msqrt>"),
        ("\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}", "<mtable"),
        (r"$\text{<b>}$", "<mtext>&lt;b&gt;</mtext>"),
    ],
)
def test_maths_is_mathml(text, inside):
    page = markdown_html(text)
    assert "<math " in page
    assert inside in page
    harmless(page)


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "$ x $", "`$x$`", "a $x", "$5$6", r"\$x\$", "    $x$"])
def test_money_and_code_are_no_maths(text):
    assert "math" not in markdown_html(text)


@pytest.mark.parametrize("tex", [r"\nosuchcommand{x}", r"\frac{1}", r"x^{", "x\u202ey"])
def test_what_the_converter_does_not_know_is_shown_as_written(tex):
    page = markdown_html(f"so ${tex}$ it is")
    assert "<math" not in page
    assert '<code class="tex">$' in page


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- --><style>*{display:none}</style>",
    r"$\href{javascript:alert(1)}{x}$ $\style{color:red}{x}$ $\class{a}{x}$",
    r"$\text{<img src=x onerror=alert(1)>}$",
    '```"><script>\n</code></pre><script>alert(1)</script>\n```',
    "[a](https://x.org/\"onmouseover=alert(1)) [b](<https://x.org/'onclick=x> 'title')",
    "[x]: javascript:alert(1)\n\n[x]",
    "<https://x.org/><b>",
    "&lt;script&gt;",
    "<svg/onload=alert(1)> <a href=javascript:alert(1)>x</a>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_only_shown(text):
    harmless(markdown_html(text))
    harmless(conversation_html([{"role": text, "content": text}], {text: text}))
    harmless(diff_html(text, text[::-1]))
    harmless(diff_html(text, text + "x"))


@given(st.text(alphabet=st.sampled_from("ab<>&\"'`*_[]()!$\\{}|#-\n ~:/\u202e\u200b1"), max_size=120))
def test_no_text_becomes_a_tag_that_markdown_does_not_make(text):
    harmless(markdown_html(text))
    assert "\u202e" not in markdown_html(text)


def test_characters_that_hide_are_shown_by_name():
    page = markdown_html("a\u202eb\u200bc `d\u2066` \U0001f468\u200d\U0001f469")
    assert "\u202e" not in page
    assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E<' in page
    assert "U+200B" in page
    assert "U+2066" in page
    assert "\U0001f468\u200d\U0001f469" in page  # the joiner of an emoji stays


def test_a_long_text_is_cut_at_a_line_and_says_by_how_much():
    text = ("word " * 9 + "\n") * 5_000
    page = markdown_html(text)
    assert is_cut([{"role": "user", "content": text}])
    assert len(Page(page).text) < rendering.CUT + 100
    left = re.search(r"\+([\d,]+)", page)[1].replace(",", "")
    assert (len(text) - int(left)) % 46 == 45
    assert "cut" not in markdown_html(text, cut=None)


@pytest.mark.parametrize(
    "text", ["> " * 3000, "- " * 3000, "[" * 5000, "*a " * 3000, "$a" * 5000, "|a" * 3000, "**_" * 3000]
)
def test_deep_nesting_is_rendered_without_error(text):
    harmless(markdown_html(text))


def test_a_conversation_is_a_section_a_turn():
    page = Page(
        conversation_html(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}], {"user": "Nutzer"}
        )
    )
    assert [attributes["class"] for tag, attributes in page.tags if tag == "section"] == [
        "turn turn-user",
        "turn turn-assistant",
    ]
    assert page.text.split() == ["NutzerHi", "AssistantHo"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("the quick fox", "the slow fox", "the <del>quick</del><ins>slow</ins> fox"),
        ("a\nb\nc", "a\nc", "a\n<del>b\n</del>c"),
        ("", "new", "<ins>new</ins>"),
        ("one two", "three four", "<del>one two</del><ins>three four</ins>"),
        ("a <b>", "a <i>", "a &lt;<del>b</del><ins>i</ins>&gt;"),
        ("same", "same", "same"),
    ],
)
def test_a_difference_is_by_words(before, after, expected):
    assert diff_html(before, after) == f'<div class="diff" dir="auto">{expected}</div>'


def test_what_stayed_is_shown_around_the_change_only():
    page = diff_html("a" * 1000 + " old " + "b" * 1000, "a" * 1000 + " new " + "b" * 1000, around=10)
    assert len(page) < 250
    assert "⋯ 991 ⋯" in page


@given(st.text("ab \n", max_size=60), st.text("ab \n", max_size=60))
def test_both_texts_can_be_read_from_their_difference(before, after):
    inside = diff_html(before, after, around=None).removeprefix('<div class="diff" dir="auto">').removesuffix("</div>")
    assert re.sub(r"<ins>.*?</ins>|</?del>", "", inside, flags=re.DOTALL) == before
    assert re.sub(r"<del>.*?</del>|</?ins>", "", inside, flags=re.DOTALL) == after


def test_only_turns_that_differ_are_in_the_difference_of_conversations():
    asked = {"role": "user", "content": "Q"}
    page = conversation_diff_html(
        [asked, {"role": "assistant", "content": "A b"}], [asked, {"role": "assistant", "content": "A c"}]
    )
    assert "turn-assistant" in page
    assert "turn-user" not in page
    assert conversation_diff_html([asked], [asked]) == ""
    assert "<ins>" in conversation_diff_html([asked], [asked, {"role": "assistant", "content": "new"}])
