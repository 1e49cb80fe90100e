"""wikiHow: every form gives the same kind of question and answer."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import InputError
from curate.record import example_id
from curate.sources import wikihow
from curate.sources.wikihow.article import Article, Section, markdown, prompt, unnumbered
from curate.sources.wikihow.forms import text
from tests.curate.sources.reading import read

ANSWER = """Tea is easy.

## With a bag

1. **Boil water.** Let it bubble.
2. **Pour it.** Wait.

## With leaves

1. **Warm the pot.** Use hot water."""


def table(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def load(path, **options):
    """Examples and rejects as dictionaries, in order."""
    batch = read("w", kind="wikihow", path=path, **options)
    return batch.examples.to_dicts(), batch.rejects.to_dicts()


SEP = [
    ("overview", "headline", "text", "sectionLabel", "title"),
    ("Tea is easy.", "\nBoil water.,", "Let it bubble. ;", "With a bag", "How to Make Tea"),
    ("Tea is easy.", "\nPour it.,", "Wait.", "With a bag", "How to Make Tea"),
    ("Tea is easy.", "\nWarm the pot.,", "Use hot water.", "With leaves", "How to Make Tea"),
    ("", "Sit.", "", "Only", "How to Rest2"),
    ("", "Lie down.", "", "Only", "How to Rest2"),
]


def test_rows_of_one_article_become_one_example_with_sections(tmp_path):
    kept, dropped = load(table(tmp_path / "wikihowSep.csv", *SEP))
    assert not dropped
    assert kept[0] == {
        "id": example_id("w", "wikihowSep.csv:1"),
        "source": "w",
        "key": "wikihowSep.csv:1",
        "file": "wikihowSep.csv",
        "position": 1,
        "license": "CC-BY-NC-SA-3.0",
        "url": None,
        "group": "wikihow",
        "stratum": "wikihow",
        "system": None,
        "history": [],
        "prompt": "How to Make Tea?",
        "response": ANSWER,
        "prompt_role": None,
        "markup": "plain",
        "title": "How to Make Tea",
        "context_chars": 0,
        "score": None,
        "date": None,
        "tags": [],
        "flags": [],
    }
    assert (kept[1]["position"], kept[1]["response"]) == (4, "1. Sit.\n2. Lie down.")


def test_a_title_that_returns_later_is_another_article(tmp_path):
    kept, _ = load(table(tmp_path / "sep.csv", *SEP, SEP[1]))
    assert [(row["position"], row["prompt"]) for row in kept] == [
        (1, "How to Make Tea?"),
        (4, "How to Rest?"),
        (6, "How to Make Tea?"),
    ]


def test_a_damaged_row_is_a_reject_and_its_article_goes_on(tmp_path):
    kept, dropped = load(table(tmp_path / "sep.csv", *SEP[:2], ("only one field",), *SEP[2:4], ("", "a", "b", "c", "")))
    assert [row["response"] for row in kept] == [ANSWER]
    assert [(row["key"], row["rule"], row["detail"]) for row in dropped] == [
        ("sep.csv:2", "unreadable", "1 fields where the header has 5"),
        ("sep.csv:5", "unreadable", "no title"),
    ]


def test_a_category_column_is_the_stratum(tmp_path):
    rows = [(*SEP[0], "category"), (*SEP[1], "Food > Drinks")]
    ((row,), _) = load(table(tmp_path / "sep.csv", *rows))
    assert (row["stratum"], row["tags"]) == ("Food", ["Food", "Drinks"])


def test_the_step_form_has_one_section(tmp_path):
    rows = [
        ("title", "heading", "paragraph"),
        ("3 Ways to Tie a Tie - wikiHow", "Cross the ends.", "Wide over narrow."),
        ("3 Ways to Tie a Tie - wikiHow", "", "Pull, then\nadjust."),
    ]
    ((row,), _) = load(table(tmp_path / "steps.csv", *rows))
    assert row["prompt"] == "How to Tie a Tie?"
    assert row["response"] == "1. **Cross the ends.** Wide over narrow.\n2. Pull, then\n   adjust."


def test_the_list_form_keeps_steps_and_rejects_lists_of_ingredients(tmp_path):
    rows = [("title", "result"), ("Get a PS5", "1. Look. \n2. Buy. "), ("Make Soup", " • Water\n • Salt"), ("Rest", "")]
    kept, dropped = load(table(tmp_path / "lists.csv", *rows))
    assert [(row["prompt"], row["response"]) for row in kept] == [("How to Get a PS5?", "1. Look.\n2. Buy.")]
    assert [(row["position"], row["rule"]) for row in dropped] == [(2, "not_steps"), (3, "no_answer")]


def test_wikihow_all_pairs_bold_lines_with_paragraphs_and_drops_long_summaries(tmp_path):
    rows = [
        ("headline", "title", "text"),
        ("\nBoil water.,\nPour it.", "How to Make Tea1", " Let it bubble for a while.\n\n, Wait for five minutes."),
        ("\nBoil water.", "How to Make Tea2", "Let it bubble for a while.\nThen go on.\n\n, Wait for five minutes."),
        ("Sit down somewhere.", "How to Rest", "Then stay."),
        ("Sit.", "How to Wait", ""),
    ]
    kept, dropped = load(table(tmp_path / "wikihowAll.csv", *rows))
    assert [(row["prompt"], row["response"]) for row in kept] == [
        ("How to Make Tea?", "1. **Boil water.** Let it bubble for a while.\n2. **Pour it.** Wait for five minutes."),
        ("How to Make Tea?", "Let it bubble for a while.\nThen go on.\n\nWait for five minutes."),
    ]
    assert [(row["rule"], row["value"], row["limit"]) for row in dropped] == [
        ("summary_too_long", 1.9, 0.75),
        ("no_answer", None, None),
    ]


ARTICLE = {
    "title": "How to Make Tea: 3 Steps (with Pictures)",
    "url": "https://www.wikihow.com/Make-Tea",
    "description": "Tea is easy.",
    "category": ["Home", "Food", "Drinks"],
    "methods": [
        {
            "name": "With a bag",
            "steps": [
                {"headline": "Boil water.", "description": "Let it bubble."},
                {"headline": "Pour it.", "description": "Wait."},
            ],
        },
        {"name": "With leaves", "steps": [{"headline": "Warm the pot.", "description": ["Use hot water."]}]},
    ],
    "tips": ["Use fresh\nwater."],
    "warnings": "It is hot.",
}


def test_a_folder_of_articles_in_json_keeps_category_and_url(tmp_path, monkeypatch):
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps(ARTICLE, indent=1))
    (folder / "2.json").write_text(json.dumps({"title": "Rest", "steps": ["Sit.", "Lie down."]}))
    (folder / "3.json").write_text(json.dumps({"title": "Nothing", "steps": []}))
    (folder / "4.json").write_text(json.dumps({"name": "No title"}))
    (folder / "5.json").write_text(json.dumps(ARTICLE)[:50])
    kept, dropped = load(folder)
    assert kept[0]["prompt"] == "How to Make Tea?"
    assert kept[0]["response"] == ANSWER
    assert (kept[0]["key"], kept[0]["stratum"], kept[0]["tags"]) == ("1.json:1", "Food", ["Food", "Drinks"])
    assert kept[0]["url"] == "https://www.wikihow.com/Make-Tea"
    assert kept[1]["response"] == "1. Sit.\n2. Lie down."
    assert [(row["file"], row["rule"], row["detail"]) for row in dropped] == [
        ("3.json", "no_answer", None),
        ("4.json", "unreadable", "no title"),
        ("5.json", "unreadable", "truncated: Unterminated string starting at (record 1, character 11)"),
    ]
    # A damaged file is one article lost, also where it is read by itself.
    monkeypatch.setattr(wikihow, "FILES_PER_UNIT", 4)
    assert load(folder) == (kept, dropped)
    with_extras, _ = load(folder, tips_and_warnings=True)
    assert with_extras[0]["response"] == ANSWER + "\n\n## Tips\n\n- Use fresh water.\n\n## Warnings\n\n- It is hot."


def test_articles_in_lines_of_json_read_as_well(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ARTICLE) + "\n{broken}\n" + json.dumps(ARTICLE) + "\n")
    kept, dropped = load(path)
    assert [row["key"] for row in kept] == ["a.jsonl:1", "a.jsonl:3"]
    assert [row["key"] for row in dropped] == ["a.jsonl:2"]


@pytest.mark.parametrize(
    ("title", "question"),
    [
        ("How to Camp in the Rain (with Pictures) - wikiHow", "How to Camp in the Rain?"),
        ("How to Camp in the Rain: 11 Steps (with Pictures)", "How to Camp in the Rain?"),
        ("How to Extract Oil from Fruit Peels: 2 Best Ways", "How to Extract Oil from Fruit Peels?"),
        ("7 Easy Ways to Say No", "How to Say No?"),
        ("Easy Ways to Say No", "How to Say No?"),
        ("Find Ways to Say No", "How to Find Ways to Say No?"),
        ("Zoom in on Google Maps", "How to Zoom in on Google Maps?"),
        ("3 Way Call on Skype", "How to 3 Way Call on Skype?"),
        ("Do a Backflip", "How to Do a Backflip?"),
        ("What Does No Atomizer Mean", "What Does No Atomizer Mean?"),
        ("How Do I Encrypt My Phone?", "How Do I Encrypt My Phone?"),
        ("Remove Programs (Windows 7)", "How to Remove Programs (Windows 7)?"),
    ],
)
def test_a_title_becomes_a_question(title, question):
    assert prompt(title) == question


@pytest.mark.parametrize(
    ("title", "before", "after", "expected"),
    [
        ("How to Be Organized1", None, None, "How to Be Organized"),
        ("How to Get a PS5", None, None, "How to Get a PS5"),
        ("How to Play an Mp3", None, None, "How to Play an Mp3"),
        ("How to Use Windows 10", "How to Rest", "How to Wait", "How to Use Windows 10"),
        ("How to Draw a Cat 1", None, "How to Draw a Cat 2", "How to Draw a Cat"),
        ("How to Draw a Cat 3", "How to Draw a Cat 2", None, "How to Draw a Cat"),
    ],
)
def test_numbers_of_methods_leave_a_title_and_other_numbers_stay(title, before, after, expected):
    assert unnumbered(title, before, after) == expected


@pytest.mark.parametrize(
    ("raw", "mended"),
    [
        ("Sort it.,\nClean it.,", "Sort it.\nClean it."),
        ("Sort it., Clean it.", "Sort it. Clean it."),
        ("In the U.S., Ford, etc., and so on", "In the U.S., Ford, etc., and so on"),
        ("One.\n\n, Two", "One.\nTwo"),
        ("Wait. ;", "Wait."),
        (None, ""),
    ],
)
def test_commas_left_by_joined_lists_are_mended(raw, mended):
    assert text(raw) == mended


def test_an_article_without_steps_has_no_answer():
    assert markdown(Article("How to Rest", overview="Resting is good.", sections=(Section("Bed", []),))) == ""


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_every_step_is_in_exactly_one_article(tmp_path_factory, titles):
    path = tmp_path_factory.mktemp("law") / "steps.csv"
    table(path, ("title", "heading", "paragraph"), *((title, f"step {n}", "") for n, title in enumerate(titles)))
    kept, dropped = load(path)
    assert not dropped
    steps = [line.split(". ", 1)[1] for row in kept for line in row["response"].splitlines()]
    assert steps == [f"step {n}" for n in range(len(titles))]


def test_what_is_no_article_is_refused(tmp_path):
    path = table(tmp_path / "a.csv", ("instruction", "output"), ("Say hi", "hi"))
    assert wikihow.sniff(path) is None
    assert wikihow.sniff(tmp_path / "Posts.xml") is None
    with pytest.raises(InputError, match=r"a\.csv: has the fields instruction, output, but wikiHow articles have"):
        wikihow.units(wikihow.Settings(kind="wikihow", path=path))


def test_a_table_that_is_cut_off_is_an_error(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text('title,heading,paragraph\nRest,Sit.,"On a ch')
    with pytest.raises(InputError, match="truncated: row 1"):
        load(path)


def test_the_real_tables_balance(shared_data):
    steps = shared_data("raw/wikihow/wikihow_steps.csv")
    kept, dropped = load(steps)
    assert (len(kept), len(dropped)) == (30, 0)
    assert wikihow.sniff(steps) == ("wikihow", "steps", 434, 434, "an article in several rows")
    lists = shared_data("raw/wikihow/wikihow_lists.csv")
    kept, dropped = load(lists)
    assert len(kept) + len(dropped) == 11_461
    assert {row["rule"] for row in dropped} == {"not_steps"}
    assert len(kept) == 2_437
