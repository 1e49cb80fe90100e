"""What the documentation says is what the code does."""

import re
from pathlib import Path

import click
import pytest

from curate.__main__ import cli
from curate.recipe import shipped
from tests import golden

ROOT = Path(__file__).parents[1]


def pages():
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", golden.documents())
def test_generated_tables_are_fresh(name):
    """`python -m tests.golden` writes them anew."""
    _, generated, _ = golden.split((ROOT / "docs" / name).read_text())
    assert generated == golden.documents()[name]


@pytest.mark.parametrize("command", cli.commands)
def test_every_command_is_in_the_readme_and_has_examples(command):
    assert f"python -m curate {command}" in (ROOT / "README.md").read_text()
    assert f"python -m curate {command}" in (cli.commands[command].help or "")
    context = click.Context(cli.commands[command], info_name=f"python -m curate {command}")
    assert all(parameter.help for parameter in cli.commands[command].params if isinstance(parameter, click.Option))
    assert "Usage:" in cli.commands[command].get_help(context)


def test_every_shipped_recipe_is_in_the_docs():
    text = (ROOT / "docs/recipes.md").read_text()
    assert all(f"`{name}`" in text for name in shipped())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_rule_has_a_sentence_that_ends():
    from curate.report.numbers import RULES

    for rules in RULES.values():
        for rule, sentence in rules.items():
            assert sentence.strip().endswith((".", ")")), rule
            assert len(sentence) > 20, rule
