"""Reading what others wrote: which form a file has, and its rows as prompts, answers or judgements."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from curate.errors import ConfigError, InputError, did_you_mean

from .. import record
from . import alpaca_eval, arena, fastchat, own
from .fields import first_record

__all__ = [
    "FAMILIES",
    "FORMS",
    "Form",
    "Loaded",
    "alpaca_eval",
    "arena",
    "fastchat",
    "load",
    "own",
    "read",
    "sniff",
]

FAMILIES = ("auto", "alpaca_eval", "fastchat", "arena", "records")


class Form(NamedTuple):
    """One form of file: what its records hold, recognised by fields that all of them have, and how it is read."""

    name: str
    family: str
    kind: Literal["judgements", "answers", "prompts"]
    fields: frozenset[str]
    read: Callable[[Path], pl.DataFrame]


# In this order: a form stands before the forms whose fields are a part of its own.
FORMS = (
    Form("our judgements", "records", "judgements", frozenset({"prompt_id", "model_a", "judge", "status"}), own.judgements),
    Form("our answers", "records", "answers", frozenset({"prompt_id", "output", "generator"}), own.answers),
    Form("AlpacaEval annotations", "alpaca_eval", "judgements", frozenset({"instruction", "output_1", "output_2", "generator_2", "preference"}), alpaca_eval.annotations),
    Form("AlpacaEval outputs", "alpaca_eval", "answers", frozenset({"instruction", "output"}), alpaca_eval.outputs),
    Form("FastChat judgements of pairs", "fastchat", "judgements", frozenset({"question_id", "model_1", "model_2", "g1_winner", "g2_winner"}), fastchat.pair),
    Form("FastChat judgements of single answers", "fastchat", "judgements", frozenset({"question_id", "model", "judge", "score"}), fastchat.single),
    Form("FastChat answers", "fastchat", "answers", frozenset({"question_id", "model_id", "choices"}), fastchat.answers),
    Form("FastChat answers of 2023", "fastchat", "answers", frozenset({"question_id", "model_id", "text"}), fastchat.answers),
    Form("FastChat questions", "fastchat", "prompts", frozenset({"question_id", "turns"}), fastchat.questions),
    Form("FastChat questions of 2023", "fastchat", "prompts", frozenset({"question_id", "text", "category"}), fastchat.questions),
    Form("arena-hard judgements", "arena", "judgements", frozenset({"games", "model", "judge"}), arena.hard_judgements),
    Form("arena-hard answers", "arena", "answers", frozenset({"uid", "model", "messages"}), arena.hard_answers),
    Form("arena battles", "arena", "judgements", frozenset({"model_a", "model_b", "winner"}), arena.battles),
    Form("votes", "arena", "judgements", frozenset({"left", "right", "winner"}), arena.votes),
    Form("prompts", "records", "prompts", frozenset({"instruction"}), own.prompts),
    Form("prompts", "records", "prompts", frozenset({"prompt"}), own.prompts),
    Form("prompts", "records", "prompts", frozenset({"messages"}), own.prompts),
    Form("prompts", "records", "prompts", frozenset({"conversations"}), own.prompts),
)  # fmt: skip


# A file that was read: `kind` as in Form, `models` the names in it, sorted.
FILE = pl.Schema(
    {"path": pl.String(), "form": pl.String(), "kind": pl.String(), "rows": pl.Int64(), "models": pl.List(pl.String())}
)


class Loaded(NamedTuple):
    """What a set of files holds, of schemas JUDGED, ANSWER, PROMPT; `files` (schema FILE), one row a file."""

    judgements: pl.DataFrame
    answers: pl.DataFrame
    prompts: pl.DataFrame
    files: pl.DataFrame


def sniff(path: Path, family: str = "auto") -> Form:
    """The form of a file by the fields of its first record; `family` (of FAMILIES) narrows the choice.

    Prompts may lie beside files of any family. Raises InputError where the file is empty or of no known form.
    """
    if family not in FAMILIES:
        raise ConfigError(f"--format is {family!r}. {did_you_mean(family, FAMILIES)}")
    present = first_record(path)
    fitting = [form for form in FORMS if form.fields <= set(present)]
    if family != "auto" and fitting and fitting[0].kind != "prompts":
        fitting = [form for form in fitting if form.family == family]
    if fitting:
        return fitting[0]
    forms = [form for form in FORMS if family in ("auto", form.family)]
    wanted = "; ".join(f"{form.name} ({', '.join(sorted(form.fields))})" for form in forms)
    raise InputError(f"{path}: its records have {', '.join(present)}, which is no known form. Expected {wanted}")


def load(paths: Sequence[Path], family: str = "auto") -> Loaded:
    """Everything that `paths` hold, in their order. Outputs and instructions that judgements lack come from the others.

    Answers are joined on prompt, model, sample and turn, instructions on the prompt. Raises InputError as the readers do.
    """
    parts: dict[str, list[pl.DataFrame]] = {"judgements": [], "answers": [], "prompts": []}
    read_files = []
    for path in paths:
        form = sniff(path, family)
        frame = form.read(path)
        parts[form.kind].append(frame)
        names = [frame[name] for name in ("model_a", "model_b", "generator") if name in frame.columns]
        models = sorted({model for column in names for model in column.unique().drop_nulls()})
        row = {"path": str(path), "form": form.name, "kind": form.kind, "rows": frame.height, "models": models}
        read_files.append(row)
    schemas = {"judgements": record.JUDGED, "answers": record.ANSWER, "prompts": record.PROMPT}
    whole = {
        kind: pl.concat([pl.DataFrame(schema=schema), *(_as(part, schema) for part in parts[kind])])
        for kind, schema in schemas.items()
    }
    judged = _with_texts(whole["judgements"], whole["answers"], whole["prompts"])
    return Loaded(judged, whole["answers"], whole["prompts"], pl.DataFrame(read_files, schema=FILE))


def read(paths: Sequence[Path], family: str = "auto") -> pl.DataFrame:
    """The judgements of `load` (schema JUDGED). Raises InputError where no file holds any."""
    loaded = load(paths, family)
    if loaded.judgements.is_empty():
        found = ", ".join(f"{path} ({form})" for path, form in loaded.files.select("path", "form").iter_rows())
        raise InputError(f"no judgements in {found or 'no files'}")
    return loaded.judgements


def _as(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    absent = {
        name: pl.lit(1.0 if name == "weight" else None, dtype)
        for name, dtype in schema.items()
        if name not in frame.columns
    }
    return frame.with_columns(**absent).select(list(schema))


def _with_texts(judgements: pl.DataFrame, answers: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    outputs = answers.select("prompt_id", "generator", "sample", "turn", "output").unique(
        ["prompt_id", "generator", "sample", "turn"], keep="last"
    )
    for side in ("a", "b"):
        found = outputs.rename({"generator": f"model_{side}", "output": "found"})
        keys = ["prompt_id", f"model_{side}", "sample", "turn"]
        joined = judgements.join(found, on=keys, how="left", maintain_order="left")
        judgements = joined.with_columns(pl.coalesce(f"output_{side}", "found").alias(f"output_{side}")).drop("found")
    texts = pl.concat([prompts.select("prompt_id", "instruction"), answers.select("prompt_id", "instruction")])
    texts = texts.drop_nulls().unique("prompt_id", keep="first").rename({"instruction": "found"})
    joined = judgements.join(texts, on="prompt_id", how="left", maintain_order="left")
    return (
        joined.with_columns(instruction=pl.coalesce("instruction", "found")).drop("found").select(list(record.JUDGED))
    )
