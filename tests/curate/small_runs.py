"""A run of eight rows in a moment, without a model: what the tests of reports, queries and cards look at."""

import json

import polars as pl

from curate import recipe as recipes
from curate.build import build

ROWS = [
    ("Name a fruit that keeps for months.", "Apples keep for months in a cool cellar."),
    ("Name a fruit that keeps for months.", "Apples keep  for months in a cool cellar."),
    ("Say nothing at all, please.", ""),
    ("Why is the sky blue in the day?", "Air scatters blue light more than red light."),
    ("How does one sharpen a chisel?", "Flatten the back, then hone the bevel on a fine stone until a burr turns up."),
    ("What is a haiku made of?", "Three lines of five, seven and five syllables."),
    ("Where do swallows spend winter?", "South of the Sahara. Write to ornis@example.org for a map."),
    ("What does a carburettor do?", "It mixes air and fuel."),
]
RECIPE = """
name: small
about: Eight rows.
sources:
  set: {{kind: instructions, path: set.json, license: CC-BY-SA-4.0}}
filters: {{languages: []}}
expect: {expect}
"""


def recipe(folder, expect="{}", rows=ROWS):
    """The path of a recipe in `folder`, with its data beside it."""
    plain = [dict(zip(("instruction", "output"), row, strict=True)) if isinstance(row, tuple) else row for row in rows]
    (folder / "set.json").write_text(json.dumps(plain))
    path = folder / "small.yaml"
    path.write_text(RECIPE.format(expect=expect))
    return path


def built(folder, *overrides, name="run", **given):
    """The folder of a finished run, and its summary; `overrides` as after -s."""
    run = folder / name
    summary = build(recipes.load(str(recipe(folder, **given)), overrides), run)
    return run, summary


def fates(folder, *overrides, rows):
    """What became of each row of a run: `kept`, or the rules that dropped it. A row is (prompt, response), or its fields."""
    run, _ = built(folder, *overrides, rows=rows)
    ledger = pl.read_parquet(run / "ledger.parquet").group_by("id").agg(pl.col("rule").str.join(", "))
    inputs = pl.read_parquet(run / "inputs.parquet").sort("position")
    return inputs.join(ledger, on="id", how="left", maintain_order="left")["rule"].fill_null("kept").to_list()
