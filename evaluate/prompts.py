"""Prompt sets: LIMA's test set, AlpacaEval's, Vicuna's, MT-bench's, or any file with one prompt a record."""

from pathlib import Path

import polars as pl

from curate.errors import InputError

from . import formats, record


def read(path: Path, limit: int | None = None) -> pl.DataFrame:
    """The prompts of a file (schema PROMPT), each with a stable `prompt_id`; the first `limit`.

    Recognised by their fields: {"instruction"} (AlpacaEval), {"prompt"}, {"messages"}, {"conversations"} (LIMA's test
    set), {"question_id", "turns"} (FastChat); of a file of answers, the prompts that were answered. A prompt that the
    file holds twice, word for word, is one prompt. Raises InputError where there is none, or
    two have one id.
    """
    form = formats.sniff(path)
    if form.kind == "judgements":
        raise InputError(f"{path}: holds judgements ({form.name}); expected prompts")
    found = _of_answers(form.read(path), path) if form.kind == "answers" else form.read(path)
    found = found.unique(["prompt_id", "follow_ups"], keep="first", maintain_order=True)
    twice = found.filter(pl.col("prompt_id").is_duplicated())
    if twice.height:
        raise InputError(
            f"{path}: two prompts with other follow-ups have the id {twice['prompt_id'][0]}; give each its own"
        )
    return found if limit is None else found.head(limit)


def _of_answers(answers: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The prompts of first answers; a later turn's is made of the model's own words."""
    first = answers.filter(pl.col("turn") == 1).unique("prompt_id", keep="first", maintain_order=True)
    lacking = first.filter(pl.col("messages").list.len() == 0)
    if lacking.height:
        raise InputError(f"{path}: its answers do not hold the prompts; give the file of the questions")
    names = [name for name in ("prompt_id", "instruction", "messages", "category", "dataset") if name in first.columns]
    return record.prompts(first.select(names), str(path))
