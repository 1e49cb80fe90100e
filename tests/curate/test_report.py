"""The report's page: what data says is shown and never runs; numbers and page agree; it stays small and opens in a browser."""

import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from curate import recipe as recipes
from curate.build import build
from curate.report import numbers, page

HOSTILE = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "</pre></details></svg><style>body{display:none}</style><script>window.ran = 3</script>",
    "\u202e\u200f\u2067 right to left \u2066 <a href='javascript:window.ran=4'>here</a>",
    "<svg onload='window.ran = 5'><iframe src='https://example.org/'></iframe>",
    "&lt;script&gt;window.ran = 6&lt;/script&gt; <link rel=stylesheet href=https://example.org/a.css>",
)
WORDS = [
    "bread",
    "river",
    "stone",
    "cloud",
    "glass",
    "garden",
    "window",
    "copper",
    "violin",
    "lantern",
    "harbour",
    "meadow",
    "thunder",
    "paper",
    "saddle",
]
LONG = "<b>" * 70_000
SOURCE = "<img src=x onerror=window.ran=7>"


def records():
    """Prompts and answers that would do harm if a browser took them for its own, some twice, one empty, one of 200 kB."""
    rows = []
    for number, text in enumerate(HOSTILE * 4):
        words = " ".join(WORDS[(number * step) % 15] + str(number) for step in range(1, 14))
        rows.append({"instruction": f"Explain {words} {text}", "input": "", "output": f"{text} Of {words} it is said."})
    long = {"instruction": f"Describe all {LONG}", "input": "", "output": f"Whatever {LONG}"}
    faults = [
        {"instruction": HOSTILE[0], "input": "", "output": ""},
        {"instruction": "Name it.", "input": "", "output": "Yes, that."},
    ]
    return [*rows, rows[0], rows[1], rows[1], long, *faults]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A finished run of hostile texts, from a source and files with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / "a<script>window.ran=8<.json"
    data.write_text(json.dumps(records()))
    tests = folder / "tests.jsonl"
    tests.write_text(json.dumps({"q": records()[3]["instruction"], "a": HOSTILE[0]}) + "\n")
    text = {
        "name": "hostile",
        "about": HOSTILE[0],
        "sources": {SOURCE: {"kind": "instructions", "path": str(data)}},
        "filters": {"languages": [], "min_chars": 30},
        "decontaminate": {"tests": {"t": {"path": str(tests), "question": "q", "answer": "a"}}, "encoder": None},
        "near": {"threshold": None},
        "select": {"size": 12},
        "trusted": {"kind": "instructions", "path": str(data)},
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(json.dumps(text))
    build(recipes.load(str(recipe)), folder / "run")
    return folder / "run"


class Elements(HTMLParser):
    """What a browser would make of a page: tags, attributes, text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_nothing_that_data_says_becomes_a_tag_or_an_attribute(hostile):
    found = Elements((hostile / "report.html").read_text())
    assert not {"script", "img", "iframe", "link", "object", "embed", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    addresses = [value for name, value in found.attributes if name in ("href", "src", "xlink:href", "action")]
    assert addresses
    assert all(value.startswith("#") for value in addresses)
    assert "window.ran" in "".join(found.text)


def test_marks_that_turn_the_direction_of_writing_turn_no_more_than_their_own_text(hostile):
    text = (hostile / "report.html").read_text()
    # Cleaning takes such marks out of examples; the test set's question is shown as it stands.
    assert "\u202e" in text
    assert "\u202e" not in re.sub(r"<bdi>.*?</bdi>", "", text, flags=re.DOTALL)


def test_a_text_of_200_kb_is_shown_in_part(hostile):
    assert (hostile / "report.html").stat().st_size < page.MAX_BYTES
    assert "&lt;b&gt;&lt;b&gt;" in (hostile / "report.html").read_text()


def test_texts_get_shorter_until_the_page_fits(hostile, monkeypatch):
    summary, samples = numbers.summarise(hostile), numbers.samples(hostile)
    whole = len(page.render(summary, samples).encode())
    monkeypatch.setattr(page, "MAX_BYTES", whole - 1)
    assert len(page.render(summary, samples).encode()) < whole


def test_the_page_and_report_json_have_the_same_numbers(hostile):
    summary = json.loads((hostile / "report.json").read_text())
    shown = " ".join("".join(Elements((hostile / "report.html").read_text()).text).split())
    kept = pl.read_parquet(hostile / "dataset.parquet").height
    assert summary["kept"] == kept == 12
    for row in summary["rules"]:
        assert f"{row['rule']}{row['dropped']:,} dropped" in shown
    assert sum(row["examples"] for row in summary["paths"]) == summary["inputs"]
    assert [row["state"] for row in summary["topics"]["topics"]]
    assert summary["trusted"]["rules"][-1]["rule"] == "any"
    assert sum(row["clusters"] for row in summary["duplicates"]) == 2
    assert summary["leaks"]["pairs"][0]["item"].startswith("t/")


def test_a_rule_shows_three_it_dropped_and_three_that_passed_by_little(hostile):
    samples = numbers.samples(hostile)
    assert len(samples["kept"]) == 3
    near = samples["near"]["filters/min_chars"]
    assert 1 <= len(near) <= 3
    assert all(row["value"] >= row["limit"] == 30 for row in near)
    assert samples["dropped"]["filters/min_chars"][0]["value"] < 30
    assert [len(group) for group in samples["clusters"]] == [3, 2]


def test_a_leak_stands_beside_the_question_and_a_lost_test_file_is_said(hostile):
    samples = numbers.samples(hostile)
    assert HOSTILE[3] in samples["questions"]["t/1"]
    lost = {**samples, "questions": dict.fromkeys(samples["questions"])}
    assert "(its file is not there any more)" in page.render(numbers.summarise(hostile), lost)


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_in_a_browser_nothing_runs_nothing_is_asked_for_and_a_phone_has_room(chromium, hostile, scheme, width):
    address = (hostile / "report.html").as_uri()
    opened = chromium.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    asked, said = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.goto(address)
    opened.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    opened.locator("pre").last.scroll_into_view_if_needed()
    assert opened.evaluate("window.ran") is None
    assert asked == [address]
    assert said == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(253, 252, 250)", "dark": "rgb(23, 24, 26)"}[scheme]
    assert opened.locator("svg").count() > 5
    opened.emulate_media(media="print")
    # On paper it is day, in the charts too.
    assert opened.evaluate("getComputedStyle(document.querySelector('svg')).colorScheme") == "light"
    opened.close()
