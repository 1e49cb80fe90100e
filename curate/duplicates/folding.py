"""What each character counts as where texts are compared: white space, itself in lower case, or a token of its own."""

import unicodedata
from functools import cache
from typing import Any, Literal

import numpy as np
import polars as pl

Digits = Literal["keep", "fold"]
Array = np.ndarray[Any, Any]

# Code points beyond the table are the later blocks of Han: one token each, without case.
TABLE = 0x20000
ALONE = 1 << 31


@cache
def folding(digits: Digits = "keep") -> Array:
    """What each code point below TABLE becomes, shape (TABLE,), uint32: 0 for white space, else its lower case.

    `ALONE` is added where the character is a token of its own. Lower case is Python's where that is one character. With
    `fold` every decimal digit becomes 0, so that texts that differ in numbers alone are equal.
    """
    characters = pl.Series([" " if 0xD800 <= code < 0xE000 else chr(code) for code in range(TABLE)])
    alone = characters.str.contains(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]").to_numpy()
    table = np.array([_folded(character, digits) for character in characters], dtype=np.uint32)
    table[0] = 0  # NUL is no text
    return np.where(alone, table | np.uint32(ALONE), table)


def _folded(character: str, digits: Digits) -> int:
    if character.isspace():
        return 0
    if digits == "fold" and unicodedata.decimal(character, -1) >= 0:
        return ord("0")
    lower = character.lower()
    return ord(lower if len(lower) == 1 else character)


@cache
def words_alone() -> Array:
    """As `folding`, but everything except letters, digits and marks counts as white space: the words of a text."""
    table = folding().copy()
    between = [code for code in range(TABLE) if not (chr(code).isalnum() or unicodedata.category(chr(code))[0] == "M")]
    table[between] = 0
    return table
