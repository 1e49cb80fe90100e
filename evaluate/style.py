"""What the command `style` finds in files of answers and of perplexity: frames in, figures out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.errors import InputError

from . import formats, journal
from . import prompts as prompt_sets
from .statistics import memorised, wording


def style(
    answers: Sequence[Path],
    *,
    first: int | None = None,
    trained: Sequence[Path] = (),
    data: Path | None = None,
    seen: Path | None = None,
    unseen: Path | None = None,
) -> dict[str, Any]:
    """How the models of these answer files word what they say.

    `first`: words of an answer that repetition looks at, by default as `wording.first_words`. `trained`: answers to prompts of the
    training set `data`. `seen`, `unseen`: files of `evaluate perplexity --out`, of the training set and of other texts. Raises
    InputError where a file holds something else, or two files have answers of one model to one prompt that differ.
    """
    rows = _answers(answers)
    first = wording.first_words(rows["output"].drop_nulls()) if first is None else first
    measured = wording.measured(rows, first)
    return {
        "models": rows["generator"].unique(maintain_order=True).to_list(),
        "prompts": rows["prompt_id"].n_unique(),
        "first": first,
        "wording": wording.summary(measured),
        "differences": wording.differences(measured),
        "memorised": _memorised(trained, data) if trained and data else None,
        "loss": _loss({"seen": seen, "unseen": unseen}) if seen or unseen else None,
    }


def _answers(paths: Sequence[Path]) -> pl.DataFrame:
    found = []
    for path in paths:
        form = formats.sniff(path)
        if form.kind != "answers":
            raise InputError(f"{path}: holds {form.kind} ({form.name}); expected answers")
        found.append(form.read(path).select("generator", "prompt_id", "output", "sample", "turn"))
    rows = pl.concat(found).filter(pl.col("turn") == 1)
    twice = rows.filter(pl.struct("generator", "prompt_id", "sample").is_duplicated())
    if twice.height:
        raise InputError(
            f"{', '.join(map(str, paths))}: {twice['generator'][0]} answers prompt {twice['prompt_id'][0]} twice; give each file once,"
            " and models names of their own (evaluate answer --name)"
        )
    return rows


def _memorised(trained: Sequence[Path], data: Path) -> dict[str, Any]:
    references = prompt_sets.read(data).filter(pl.col("reference").list.len() > 0)
    scored = memorised.scored(
        _answers(trained), references.select("prompt_id", reference=pl.col("reference").list.first())
    )
    models = scored["generator"].unique(maintain_order=True).to_list()
    return {
        "models": models,
        "summary": wording.summary(scored, memorised.SCORES),
        "differences": wording.differences(scored, memorised.SCORES),
        "values": {
            model: scored.filter(pl.col("generator") == model).select(memorised.SCORES).to_dict(as_series=False)
            for model in models
        },
    }


def _loss(files: dict[str, Path | None]) -> dict[str, Any]:
    """Nats per trained token of each document, by model and side."""
    given = {side: path for side, path in files.items() if path is not None}
    frames = [_nats(path, side) for side, path in given.items()]
    rows = pl.concat(frames, how="diagonal")
    models = rows["generator"].unique(maintain_order=True).to_list()
    return {
        "models": models,
        "sides": list(given),
        "summary": wording.summary(rows, tuple(given)),
        "values": {
            model: {side: rows.filter(pl.col("generator") == model)[side].drop_nulls().to_list() for side in given}
            for model in models
        },
    }


def _nats(path: Path, side: str) -> pl.DataFrame:
    found = [
        (row["model"], row["id"], row["answer_nats"] / row["answer_tokens"])
        for row in journal.rows(path, ("model", "id", "status", "answer_nats", "answer_tokens"))
        if row["status"] == "ok" and row["answer_tokens"]
    ]
    if not found:
        raise InputError(f"{path}: no document with an answer; expected a file of python -m evaluate perplexity --out")
    schema = {"generator": pl.String, "prompt_id": pl.String, side: pl.Float64}
    return pl.DataFrame(found, schema=schema, orient="row")
