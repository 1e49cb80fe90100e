"""What instructions ask for."""

import polars as pl
import pytest

from curate.diversity import verbs


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Generate a short list of five story ideas.", ("generate", "list")),
        ("Write an essay about the French revolution", ("write", "essay")),
        ('Rewrite the sentence: "This car runs very fast"', ("rewrite", "sentence")),
        ("Please give me three tips for staying healthy.", ("give", "tip")),
        ("Given the input, classify the animals into categories", ("classify", "animal")),
        ("You are a chef. Write a menu.", (None, None)),
        ("Generate a horror story involving a haunted house.", ("generate", "story")),
        ("Identify at least five potential risks of the project.", ("identify", "risk")),
        ("Sum up the article in one sentence", ("sum", "article")),
        ("Explain why the sky is blue.", ("explain", None)),
        ("What is the capital of France?", (None, None)),
        ("Schreibe ein Gedicht", (None, None)),
        ("", (None, None)),
        ("1 + 1 = ", (None, None)),
    ],
)
def test_the_verb_and_its_object(prompt, expected):
    assert verbs.pair(prompt) == expected


def test_pairs_keep_the_order_of_prompts_and_null():
    found = verbs.pairs(pl.Series(["Write a poem.", None, "Write two poems."]))
    assert found.rows() == [("write", "poem"), (None, None), ("write", "poem")]
    assert verbs.pairs(pl.Series([], dtype=pl.String)).schema == verbs.PAIR


def test_the_sunburst_has_the_commonest_verbs_and_their_commonest_objects():
    rows = [("write", "poem"), ("write", "poem"), ("write", "code"), ("list", "name"), ("add", "sum"), ("list", None)]
    found = verbs.sunburst(pl.DataFrame(rows, schema=verbs.PAIR, orient="row"), verbs=2, nouns=1)
    assert found.rows() == [("write", 3, "poem", 2), ("add", 1, "sum", 1)]
