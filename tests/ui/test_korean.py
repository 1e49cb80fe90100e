"""What is not in the tables of the pages is Korean too: why an example is here, the rules, the guidelines."""

import re
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from curate.desk.model import open_desk
from curate.desk.queues import EVERYTHING
from curate.review.store import opened
from tests.ui.server import sample  # noqa: F401 - a fixture
from ui import words
from ui.card import deck as decks
from ui.card import examples
from ui.words import table


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):  # noqa: F811
    copy = shutil.copytree(sample, tmp_path_factory.mktemp("korean") / "sample")
    open_desk(copy)
    return copy


@pytest.fixture
def shown(run, monkeypatch):
    """A page as it stands after its first run, in Korean."""

    def show(name, **params):
        monkeypatch.setenv("LAPIDARY_RUN", str(run))
        at = AppTest.from_string(f"from ui import {name}\n{name}.page()", default_timeout=60)
        for param, value in {"reviewer": "ann", "lang": "ko", **params}.items():
            at.query_params[param] = value
        return at.run()

    return show


def t(key, **values):
    return table("shell").get(key, table("review").get(key))["ko"].format(**values)


def test_a_deck_and_its_cards_say_in_korean_why_an_example_is_here(run, monkeypatch):
    monkeypatch.setattr(words, "chosen", lambda: "ko")
    desk = open_desk(run)
    with opened(run / "decisions.sqlite") as log:
        deck = decks.opened(desk, log, "ann", "dropped", EVERYTHING, (), "ko")
        cards = examples.examples(desk, log, "ann", deck.why, t)
    assert cards
    for card in cards.values():
        assert card["because"].startswith("제외됨: ")
        assert all(re.search("[가-힣]", reason["sentence"]) for reason in card["why"])


def test_the_dropped_page_says_in_korean_what_a_rule_drops(shown):
    at = shown("dropped", rule="filters/refers_to_others")
    assert not at.exception
    sentence = table("rules")["filters"]["refers_to_others"]["ko"]
    assert any(sentence[:30] in block.value for block in at.markdown)


def test_the_guidelines_that_we_wrote_are_korean_and_saving_them_writes_nothing(shown, run):
    at = shown("setup")
    assert not at.exception
    (area,) = (area for area in at.text_area if area.value.startswith("# "))
    assert area.value.startswith("# 지침")
    at.button[[button.label for button in at.button].index(table("setup")["save"]["ko"])].click().run()
    assert not at.exception
    assert not at.error
    assert not (run / "guidelines.md").exists()
