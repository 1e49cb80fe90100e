"""A run of eight rows in a moment, without a model: what the tests of reports, queries and cards look at."""

import json

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
    text = [{"instruction": ask, "input": "", "output": reply} for ask, reply in rows]
    (folder / "set.json").write_text(json.dumps(text))
    path = folder / "small.yaml"
    path.write_text(RECIPE.format(expect=expect))
    return path


def built(folder, *overrides, name="run", **given):
    """The folder of a finished run, and its summary; `overrides` as after -s."""
    run = folder / name
    summary = build(recipes.load(str(recipe(folder, **given)), overrides), run)
    return run, summary
