"""What the queues say of an example, in the reader's language: one table, `phrases.toml`."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Formatter

import polars as pl

from curate.errors import InputError, did_you_mean

LANGUAGES = ("en", "ko")


@functools.cache
def phrases(language: str) -> Mapping[str, str]:
    """Key to phrase, with named fields. Raises InputError for a language that there is no text in."""
    if language not in LANGUAGES:
        raise InputError(f"there is no language {language!r}. {did_you_mean(language, LANGUAGES)}")
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {key: texts[language] for key, texts in table.items()}


def filled(phrase: str, **fields: pl.Expr) -> pl.Expr:
    """The phrase with these in its fields, a String a row; null where a field is null. Raises KeyError for a field without a value."""
    parts = [
        part
        for literal, name, _, _ in Formatter().parse(phrase)
        for part in ([pl.lit(literal)] if literal else []) + ([] if name is None else [fields[name]])
    ]
    return pl.concat_str(parts)


def number(value: pl.Expr) -> pl.Expr:
    """A number as a person would write it: four figures, no `.0`."""
    return value.cast(pl.Float64).round_sig_figs(4).cast(pl.String).str.strip_suffix(".0")
