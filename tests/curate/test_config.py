"""Recipes: what is accepted, and how every mistake is answered."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from curate import config
from curate.errors import ConfigError


class Dump(config.Strict):
    kind: Literal["dump"]
    path: Path
    rows: int = 3


class Table(config.Strict):
    kind: Literal["table"]
    path: Path | None = None


class Limits(config.Strict):
    min_chars: int | None = Field(None, ge=0)
    profiles: dict[str, "Limits"] = Field({})


class Recipe(config.Strict):
    sources: dict[str, Annotated[Dump | Table, Field(discriminator="kind")] | None]
    filters: Limits = Limits()


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def complaint(tmp_path, text, *overrides):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path, Recipe, overrides)
    return str(caught.value).replace(str(path), "recipe.yaml")


def test_relative_paths_count_from_the_recipes_folder(tmp_path):
    settings = config.load(write(tmp_path, "sources: {a: {kind: dump, path: x/y}}"), Recipe)
    assert settings.sources["a"].path == tmp_path / "x/y"


def test_paths_in_overrides_count_from_the_current_folder(tmp_path):
    settings = config.load(write(tmp_path, "sources: {a: {kind: dump, path: x}}"), Recipe, ["sources.a.path=z"])
    assert settings.sources["a"].path == Path.cwd() / "z"


def test_an_override_reads_its_value_as_yaml_and_makes_the_sections_it_needs(tmp_path):
    path = write(tmp_path, "sources: {a: {kind: table}}")
    settings = config.load(path, Recipe, ["filters.profiles.a.min_chars=800", "sources.b=null"])
    assert settings.filters.profiles["a"].min_chars == 800
    assert settings.sources["b"] is None


def test_what_was_not_given_does_not_count_as_given(tmp_path):
    """Making paths absolute copies settings; a profile must still know which limits it leaves to the others."""
    text = "sources: {a: {kind: dump, path: x}}\nfilters: {profiles: {a: {min_chars: null}, b: {}}}"
    profiles = config.load(write(tmp_path, text), Recipe).filters.profiles
    assert {name: profile.model_fields_set for name, profile in profiles.items()} == {"a": {"min_chars"}, "b": set()}


def test_what_dump_writes_load_reads_back(tmp_path):
    settings = config.load(write(tmp_path, "sources: {a: {kind: dump, path: x}}\nfilters: {min_chars: 3}"), Recipe)
    assert config.load(write(tmp_path, config.dump(settings)), Recipe) == settings


def test_a_wrong_key_is_answered_with_its_place_and_the_nearest_key(tmp_path):
    text = "sources:\n  a: {kind: table}\nfilters:\n  min_char: 3\n"
    assert complaint(tmp_path, text) == (
        "recipe.yaml:4:3: filters.min_char is not a setting. Did you mean 'min_chars'?"
    )


def test_a_wrong_key_inside_a_tagged_section_is_compared_with_that_sections_keys(tmp_path):
    text = "sources:\n  a: {kind: dump, path: x, row: 5}\n"
    assert complaint(tmp_path, text) == "recipe.yaml:2:28: sources.a.row is not a setting. Did you mean 'rows'?"


def test_all_mistakes_are_reported_at_once(tmp_path):
    text = "sources:\n  a: {kind: dum}\n  b: {path: x}\n  c: {kind: dump}\nfilters: {min_chars: many}\n"
    assert complaint(tmp_path, text).splitlines() == [
        "recipe.yaml:2:3: sources.a.kind says which reader to use, but is dum. Did you mean 'dump'?",
        "recipe.yaml:3:3: sources.b.kind says which reader to use, but is missing.",
        "recipe.yaml:4:6: sources.c.path is required: write it there, or give it with -s sources.c.path=…",
        (
            "recipe.yaml:5:11: filters.min_chars: Input should be a valid integer, unable to parse string as an integer, "
            "got 'many'"
        ),
    ]


def test_a_wrong_override_is_named_as_the_override(tmp_path):
    text = "sources: {a: {kind: table}}\n"
    assert complaint(tmp_path, text, "filters.min_chars=-3") == (
        "-s filters.min_chars: Input should be greater than or equal to 0, got -3"
    )
    assert complaint(tmp_path, text, "filters.min_chars").startswith("-s filters.min_chars: expected key.path=value")
    assert complaint(tmp_path, text, "filters.min_chars.x=1", "sources.a.kind.b=3").startswith("-s sources.a.kind.b=3:")


def test_a_key_given_twice_is_refused(tmp_path):
    assert complaint(tmp_path, "sources:\n  a: {kind: table}\n  a: null\n") == "recipe.yaml:3:3: a is given twice"


def test_broken_yaml_is_answered_with_its_place(tmp_path):
    assert complaint(tmp_path, "sources: {a: [1}\n").startswith("recipe.yaml:1:16: not valid YAML: ")


def test_a_recipe_that_is_no_mapping_is_refused(tmp_path):
    assert complaint(tmp_path, "- 1\n") == "recipe.yaml:1:1: a recipe is a mapping of settings, but this is list"


def test_a_recipe_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "none.yaml", Recipe)


def test_every_path_of_the_settings_is_found(tmp_path):
    path = write(
        tmp_path, "sources: {one: {kind: dump, path: a.xml}, two: {kind: table}, three: {kind: table, path: b}}\n"
    )
    assert list(config.paths(config.load(path, Recipe))) == [tmp_path / "a.xml", tmp_path / "b"]
