"""Normal form, words, and a conversation as one text."""

import polars as pl

from curate.record import examples
from curate.text import conversation, normalise, words

TURNS = [{"role": "user", "content": "u1"}, {"role": "assistant", "content": "a1"}]


def one(expression, text):
    return pl.select(expression(pl.lit(text))).item()


def test_normal_form_folds_case_width_and_white_space():
    assert one(normalise, "  Ｈello\u00a0\n\tWORLD ") == "hello world"


def test_words_keep_their_apostrophes_and_hyphens():
    assert one(words, "Don't re-use 3 eggs’ shells!").to_list() == ["Don't", "re-use", "3", "eggs", "shells"]


def test_scripts_without_spaces_give_one_word_a_character():
    assert one(words, "ok 한국 日本").to_list() == ["ok", "한", "국", "日", "本"]


def test_a_conversation_lists_system_history_prompt_and_response():
    frame = examples(
        "s",
        [
            {"key": "1", "system": "sys", "history": TURNS, "prompt": "p", "response": "r"},
            {"key": "2", "prompt": "", "response": "r"},
        ],
    )
    assert frame.select(conversation(separator="|")).to_series().to_list() == ["sys|u1|a1|p|r", "|r"]
    assert frame.select(conversation(responses_only=True, separator="|")).to_series().to_list() == ["a1|r", "r"]
