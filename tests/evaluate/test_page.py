import re
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.board import page, pairs, side_by_side
from evaluate.board.leaderboard import Options, board
from tests.evaluate.test_leaderboard import FIVE, loaded

HOSTILE = [
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 1">',
    "</pre></details><svg onload='window.ran = 1'>",
    "</style><script>window.ran = 1</script>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "javascript:window.ran=1 <a href='javascript:window.ran=1'>x</a>",
    "&lt;script&gt; \u2028 \x00 ]]> <!-- <base href=//evil>",
]
# What a page may be made of; anything else came from a text.
ELEMENTS = {
    *(
        "html",
        "meta",
        "title",
        "style",
        "h1",
        "h2",
        "h4",
        "p",
        "ul",
        "li",
        "section",
        "div",
        "dl",
        "dt",
        "dd",
        "small",
        "span",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary", "a", "pre", "mark", "u", "i"),
    *("fieldset", "legend", "label", "input", "svg", "line", "text", "circle"),
}


class Elements(HTMLParser):
    """The elements of a page and the names of their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found, self.attributes, self.texts = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)


def judged(rows, **columns):
    return loaded(rows, **columns)


def calls(function, *arguments):
    """Calls made in a function: a measure of work that no other process can disturb."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += 1

    sys.setprofile(profile)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


def rendered(files, limit=200, **options):
    found = pairs.pairs(files.judgements)
    return page.render(board(files, Options(rounds=0, **options)), pairs.chosen(found, limit).to_dicts(), found.height)


def hostile():
    """Every hostile text in every place of a judgement, once beside another answer and once beside none."""
    twice = [*HOSTILE, *HOSTILE]
    rows = [(f"{text} {i}", f"base {text}", f"mine {text}", "a", "b") for i, text in enumerate(twice)]
    texts = dict.fromkeys(("output_a", "instruction", "category", "raw", "judge"), twice)
    return judged(rows, **texts, output_b=[*HOSTILE, *[None] * len(HOSTILE)])


def test_a_hostile_text_is_shown_and_is_never_an_element():
    text = rendered(hostile(), title=HOSTILE[0])
    seen = Elements(text)
    assert seen.found <= ELEMENTS
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"src", "srcdoc", "action"}}
    assert "window.ran = 1" in " ".join(seen.texts)
    assert "default-src 'none'" in text


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_two_answers_whatever_add_an_element_or_lose_a_word(a, b):
    left, right, share = side_by_side.marked(a, b)
    assert 0 <= share <= 1
    for text, shown in ((a, left), (b, right)):
        seen = Elements(f"<pre>{shown}</pre>")
        assert seen.found <= {"pre", "mark", "u", "i"}
        if a.strip() and b.strip():
            assert re.sub(r"[\r\n\x00]", "", "".join(seen.texts)) == re.sub(r"[\r\n\x00]", "", text)


def test_words_that_one_answer_has_are_marked_with_the_spaces_between_them():
    left, right, share = side_by_side.marked("the red big cat sat", "the small cat sat down")
    assert left == "the <mark>red big</mark> cat sat"
    assert right == "the <mark>small</mark> cat sat <mark>down</mark>"
    assert share == pytest.approx(2 * 3 / 10)


def test_a_text_that_repeats_itself_without_end_takes_no_time():
    # With every word an anchor this takes two hundred times the calls, and grows with the cube of the length.
    assert calls(side_by_side.marked, "<&> " * 120, "<&> & " * 100) < 50_000


def test_of_two_different_texts_the_long_runs_they_share_are_underlined():
    one = "one two three four five six seven eight nine ten eleven twelve thirteen"
    other = "a b c d e f g h four five six i j"
    left, right, share = side_by_side.marked(one, other)
    assert share == pytest.approx(2 * 3 / 26)
    assert "<u>four five six</u>" in left
    assert "<u>four five six</u>" in right
    assert "<mark>" not in left + right


def test_no_answer_and_an_empty_one_are_said_in_words():
    assert side_by_side.marked(None, " ")[:2] == (
        "<i>The files hold no answer.</i>",
        "<i>The answer is empty.</i>",
    )


def test_flags_tell_failed_flipped_disagreeing_and_longest_pairs():
    rows = [("p1", "x", "y", "a", "a"), ("p1", "x", "y", "b", "b"),  # j flips
            ("p2", "x", "y", "a", "a"), ("p2", "y", "x", "a", "a"),  # j, k: x, then y: they disagree
            ("p3", "x", "y", "a", None), ("p4", "x", "y", "a", "tie")]  # fmt: skip
    judges = ["j", "j", "j", "k", "j", "j"]
    outputs = {"output_a": ["1", "1", "22", "4444", "", "333"], "output_b": ["1", "1", "4444", "22", "", "1"]}
    odds = [None, None, 0.75, 0.625, None, None]
    files = judged(rows, judge=judges, probability=odds, **outputs)
    found = {row["prompt_id"]: row for row in pairs.pairs(files.judgements).to_dicts()}
    flags = {name: [kind for kind in pairs.KINDS if row[kind]] for name, row in found.items()}
    assert flags == {"p1": ["flipped"], "p2": ["disagreement", "longest"], "p3": ["failed"], "p4": ["longest"]}
    # The second judgement of p2 names the models the other way round; the pair stays as it was first seen.
    p2 = found["p2"]
    assert (p2["model_a"], p2["output_a"], p2["length_difference"]) == ("x", "22", -2)
    assert [said["probability"] for said in p2["judgements"]] == [0.75, pytest.approx(0.375)]
    assert [(said["judge"], said["first"], said["verdict"]) for said in p2["judgements"]] == [
        ("j", "a", "a"),
        ("k", "b", "b"),
    ]


def test_a_page_holds_at_most_so_many_pairs_of_every_kind_and_says_so():
    rows = [(f"p{i}", "x", ("y", "z")[i % 2], "a", None if i % 50 == 0 else "a") for i in range(200)]
    outputs = {"output_a": ["word " * (i % 7 + 1) for i in range(200)], "output_b": ["w"] * 200}
    files = judged(rows, **outputs)
    some = pairs.chosen(pairs.pairs(files.judgements), 30)
    assert some.height == 30
    assert some["failed"].sum() == 4
    assert some["longest"].sum() >= 10
    assert set(some["model_b"]) == {"y", "z"}
    assert some["prompt_id"].to_list() == sorted(some["prompt_id"], key=lambda name: int(name[1:]))
    text = rendered(files, limit=30)
    assert "30 of 200 pairs" in text
    assert text.count("<details class=") == 30


def test_a_page_stays_below_its_size_whatever_the_answers_are():
    rows = [(f"p{i}", "x", "y", "a", "a") for i in range(300)]
    outputs = {"output_a": ["<&> " * 2000] * 300, "output_b": ["word & word " * 900] * 300}
    text = rendered(judged(rows, **outputs), limit=300)
    assert len(text.encode()) < page.MAX_BYTES
    shown = text.count("<details class=")
    assert 30 < shown < 300
    assert f"{shown} of 300 pairs" in text


def test_the_page_has_the_figures_of_the_board():
    text = " ".join(Elements(rendered(judged(FIVE))).texts)
    for figure in (
        "62.5 ± 23.9",
        "50.0",
        "70.0",
        "2 models against base: 5 judgements of 5 prompts by j; 1 of them failed.",
    ):
        assert figure in text


def test_a_board_without_pairs_or_failures_still_has_a_page():
    graded = judged([("p1", "x", None, None, None)] * 2, status=["ok"] * 2, score=[5.0, 4.0], sample=[0, 1])
    text = rendered(graded)
    assert "Grades of single answers" in text
    assert "The files hold no pairs of answers" in text


@pytest.mark.browser
def test_in_a_browser_nothing_runs_filters_work_without_script_and_a_phone_has_room(chromium, tmp_path):
    file = tmp_path / "leaderboard.html"
    file.write_text(rendered(hostile(), title=HOSTILE[0]), encoding="utf-8")
    opened = chromium.new_page(viewport={"width": 390, "height": 844})
    asked = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    for summary in opened.locator("summary").all():
        summary.click()
    assert opened.evaluate("window.ran") is None
    assert asked == [file.as_uri()]
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390

    rows = [*FIVE, ("p6", "base", "other", "a", "a")]
    outputs = {"output_a": ["answer"] * 6, "output_b": ["answer"] * 5 + ["a far longer answer"]}
    file.write_text(rendered(judged(rows, **outputs)), encoding="utf-8")
    still = chromium.new_context(java_script_enabled=False).new_page()
    still.goto(file.as_uri())
    visible = still.locator(".pair:visible")
    assert visible.count() == 6
    still.get_by_text("Failed 1").click()
    assert visible.count() == 1
    still.get_by_text("All 6").click()
    still.locator("label", has_text="other").click()
    assert visible.count() == 1
    still.get_by_text("All models").click()
    still.get_by_text("Longest length difference 1").click()
    assert visible.count() == 1
    visible.locator("summary").first.click()
    assert still.get_by_text("a far longer answer").is_visible()
