"""Judged quality and perplexity of the same models, put side by side from judgements, perplexities and a run of train."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate import runs
from curate.errors import ConfigError, InputError, RunError

from . import formats, journal, record
from .statistics import winrate
from .statistics.correlation import Points, correlate
from .statistics.intervals import Floats
from .statistics.predicted import VIEWS

Row = dict[str, Any]

# What quality is held against, and what nats are divided by for it.
AGAINST = {"bits_per_byte": "bytes", "token_perplexity": "tokens"}
_ROW_FIELDS = ("model", "id", "status", "nats", "tokens", "bytes", "tokenization")


class Given(NamedTuple):
    """Points, and in words what their quality is; `notes`: what was left out on the way."""

    points: Points
    quality: str
    against: str
    view: str | None
    notes: list[str]


def of_files(
    records: Sequence[Path],
    predicted: Sequence[Path],
    run: Path | None = None,
    *,
    against: str = "bits_per_byte",
    view: str | None = None,
) -> Given:
    """Points from judgements and the rows of `perplexity`; with a run of train, of its epochs, with their steps.

    Quality is as `train select` reads it: of pairs the probability that a model is preferred (a win 1, a tie ½), the mean
    over orders, samples and judges, then over opponents; of single answers the score; over the prompts judged for all.
    Without rows, a run's own held-out perplexities count, as totals. Lengths are the mean characters of answers, where the
    records, files of answers beside them or the run's `dev` hold these.

    Raises ConfigError where token perplexities of different tokenizers would be compared, RunError where the folder has no
    epochs, InputError where files do not hold what is needed.
    """
    steps = None if run is None else _steps(run)
    answers = [] if run is None else sorted((run / "dev").glob("epoch-*.jsonl"))
    judged = formats.read([*records, *answers])
    if steps is not None:
        judged = judged.with_columns(_epoch(pl.col("model_a")), _epoch(pl.col("model_b")))
    if predicted:
        sums, view, notes = _of_rows(predicted, against, view, is_run=run is not None)
    elif run is not None:
        sums, notes = _of_metrics(run, against), ["perplexities are the run's own, as totals over its held-out set"]
    else:
        raise ConfigError(
            "--perplexity is missing: the --out of python -m evaluate perplexity; a run has totals of its own"
        )
    long, quality = _values(judged)
    known = set(long["model"].unique())
    models = [name for name in sums if name in known and (steps is None or name in steps)]
    if left := sorted(set(sums) - known):
        notes.append(f"not judged, so left out: {', '.join(left)}")
    if left := sorted((set(steps or ()) | set(known if steps is None else ())) - set(sums)):
        notes.append(f"without a perplexity, so left out: {', '.join(left)}")
    if not models:
        raise InputError(
            f"no model has both: judged are {', '.join(sorted(known)) or 'none'}, with a perplexity {', '.join(sums)}"
        )
    table, left_out = _matrix(long, models, records[0])
    if left_out:
        notes.append(f"prompts not judged for all of these models, left out: {left_out:,}")
    nats, sizes = (np.array([sums[name][part] for name in models]).T for part in (0, 1))
    lengths = dict(winrate.average_lengths(judged).iter_rows())
    has_lengths = all(lengths.get(name) is not None for name in models)
    points = Points(
        models,
        table,
        nats,
        sizes,
        None if steps is None else np.array([steps[name] for name in models]),
        np.array([lengths[name] for name in models], dtype=np.float64) if has_lengths else None,
    )
    return Given(points, quality, against, view, notes)


def report(given: Given, rounds: int = 2000, seed: int = 1) -> Row:
    """`statistics.correlation.correlate` of the points, each model's figure as `value` (bits per byte, or perplexity)."""
    found = correlate(given.points, rounds, seed)
    models = [
        {
            **{name: value for name, value in row.items() if not name.startswith("predicted")},
            **{
                name: _shown(given, row[f"predicted{end}"])
                for name, end in (("value", ""), ("value_low", "_low"), ("value_high", "_high"))
            },
        }
        for row in found["models"]
    ]
    about = {"quality": given.quality, "against": given.against, "view": given.view}
    return {**about, **found, "models": models, "notes": [*given.notes, *found["notes"]]}


def _shown(given: Given, nats: float | None) -> float | None:
    if nats is None:
        return None
    return nats / math.log(2) if given.against == "bits_per_byte" else math.exp(min(nats, 700.0))


def _steps(run: Path) -> dict[str, float]:
    """The optimizer step after which each epoch ends."""
    own = {path.parent.name: runs.read_json(path) or {} for path in sorted(run.glob("epoch-*/metrics.json"))}
    if not own:
        raise RunError(f"{run}: no epoch-NN/metrics.json: expected the folder of a run of python -m train")
    return {name: float(one.get("step") or one["epoch"]) for name, one in own.items()}


def _epoch(name: pl.Expr) -> pl.Expr:
    """`epoch-05` of `runs/mine/epoch-05`; other models keep their names."""
    return pl.coalesce(name.str.extract(r"(epoch-\d+)$"), name)


def _of_metrics(run: Path, against: str) -> dict[str, tuple[list[float], list[float]]]:
    """The held-out total of each epoch that has one, by name: nats and what they are divided by."""
    found = {}
    for path in sorted(run.glob("epoch-*/metrics.json")):
        own = runs.read_json(path) or {}
        value = own.get("perplexity" if against == "token_perplexity" else against)
        if value is not None:
            found[path.parent.name] = ([math.log(2) * value if against == "bits_per_byte" else math.log(value)], [1.0])
    if not found:
        raise InputError(
            f"{run}: its epochs have no {against.replace('_', ' ')}: the run had no held-out set. Measure them: python -m"
            f" evaluate perplexity --run {run} --data FILE --out ppl.jsonl, then --perplexity ppl.jsonl"
        )
    return found


def _of_rows(
    paths: Sequence[Path], against: str, view: str | None, *, is_run: bool
) -> tuple[dict[str, tuple[list[float], list[float]]], str, list[str]]:
    """Nats and sizes of the documents that all models have, by model; the view they are of, and notes."""
    table: dict[str, dict[str, Row]] = {}
    for path in paths:
        for row in journal.rows(path, _ROW_FIELDS):
            name = str(row["model"])
            ending = re.search(r"epoch-\d+$", name) if is_run else None
            table.setdefault(ending[0] if ending else name, {})[row["id"]] = row
    if not table:
        raise InputError(f"{', '.join(map(str, paths))}: no rows; expected the --out of python -m evaluate perplexity")
    usable = [{one for one, row in own.items() if row["status"] == "ok"} for own in table.values()]
    ids = sorted(set.intersection(*usable))
    chosen = view or next(
        (kind for kind, lead in VIEWS.items() if all(_has(table, ids, lead))),
        "whole",
    )
    lead = VIEWS[chosen]
    ids = [one for one, has in zip(ids, _has(table, ids, lead), strict=True) if has]
    if not ids:
        raise InputError(
            f"{', '.join(map(str, paths))}: no document was measured ({chosen}) for all of {', '.join(table)}"
        )
    alike = all(len({own[one]["tokenization"] for own in table.values()}) == 1 for one in ids)
    if against == "token_perplexity" and not alike:
        raise uncomparable(f"{', '.join(table)} read the same texts as different tokens")
    size = f"{lead}{AGAINST[against]}"
    if against == "bits_per_byte" and any(len({own[one][size] for own in table.values()}) > 1 for one in ids):
        raise ConfigError("the models' chat templates wrote different texts: measure them with one --template")
    notes = []
    if left := len(set().union(*table.values())) - len(ids):
        notes.append(f"documents not measured for all models, left out: {left:,}")
    sums = {
        name: ([own[one][f"{lead}nats"] for one in ids], [float(own[one][size]) for one in ids])
        for name, own in table.items()
    }
    if not all(sum(sizes) for _, sizes in sums.values()):
        raise InputError(
            f"{', '.join(map(str, paths))}: the documents have no {AGAINST[against]} ({chosen}) to divide by"
        )
    return sums, chosen, notes


def _has(table: Mapping[str, Mapping[str, Row]], ids: Sequence[str], lead: str) -> list[bool]:
    """Which documents have this view in every model, with something in it."""
    return [all(own[one].get(f"{lead}nats") is not None for own in table.values()) for one in ids]


def uncomparable(what: str) -> ConfigError:
    """The refusal of perplexities per token of different tokenizers."""
    return ConfigError(
        f"{what}: a perplexity per token of one tokenizer says nothing beside that of another. Take --against bits_per_byte"
    )


def _values(judged: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """`model`, `other` (null of single answers), `prompt_id`, `value`: means over orders, samples and judges."""
    is_pair = judged["model_b"].is_not_null()
    if is_pair.any() and not is_pair.all():
        raise InputError("the records hold pairs and scores of single answers. Give the records of one of them")
    if is_pair.all():
        value = record.preference_a()
        sides = [
            judged.select("prompt_id", model="model_a", other="model_b", value=value),
            judged.select("prompt_id", model="model_b", other="model_a", value=1 - value),
        ]
    else:
        sides = [judged.select("prompt_id", model="model_a", other="model_b", value="score")]
    each = pl.concat(sides).drop_nulls("value")
    if each.is_empty():
        raise InputError("no judgement succeeded, so there is no quality to hold perplexity against")
    long = each.group_by("model", "other", "prompt_id", maintain_order=True).agg(pl.col("value").mean())
    return long, "win rate" if is_pair.all() else "score"


def _matrix(long: pl.DataFrame, models: Sequence[str], where: Path) -> tuple[Floats, int]:
    """(prompts × models) values of the prompts judged for every model against all its opponents; prompts left out."""
    own = long.filter(pl.col("model").is_in(list(models)))
    opponents = {name: set(part["other"].to_list()) for (name,), part in own.group_by("model", maintain_order=True)}
    everybody: set[str | None] = set().union(*opponents.values())
    for name in models:
        if lacking := everybody - opponents[name] - {name}:
            raise InputError(
                f"{where}: {name} was not compared with {', '.join(sorted(map(str, lacking)))}, as other models were. Compare"
                " all with the same models"
            )
    by_prompt = own.group_by("prompt_id", "model").agg(pl.col("value").mean(), n=pl.len())
    full = by_prompt.filter(
        pl.col("n") == pl.col("model").replace_strict({name: len(others) for name, others in opponents.items()})
    )
    wide = full.pivot(on="model", index="prompt_id", values="value").drop_nulls().sort("prompt_id")
    lacking_models = [name for name in models if name not in wide.columns]
    if wide.is_empty() or lacking_models:
        raise InputError(f"{where}: no prompt was judged for all of {', '.join(models)}")
    return wide.select(list(models)).to_numpy().astype(np.float64), by_prompt["prompt_id"].n_unique() - wide.height
