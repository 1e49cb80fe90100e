"""Figures of benchmarks, of models measured here and of lm-eval's `results_*.json`, in one form.

A figure: `model`, `task`, `shots`, `metric`, `value`, `stderr`, `low` and `high` (95 %), `n` (rows), `share` (false of a perplexity) and
`source`. What is not known is null.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.errors import InputError

from .. import journal
from ..statistics import intervals, significance
from . import metrics
from .measuring import FIELDS
from .tasks import TASKS

Row = dict[str, Any]

# Tasks of lm-eval that are the same here under another name.
_SAME = {"lambada_openai": "lambada"}
_PERPLEXITIES = {"perplexity", "word_perplexity", "byte_perplexity"}
# The mean of MMLU's subjects, each counted the same.
UNWEIGHTED = "acc_unweighted"


def figures(rows: Iterable[Row], source: str = "lapidary") -> list[Row]:
    """The figures of measured rows, models and tasks as they come."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["task"], row["shots"]), []).append(row)
    found = []
    for (model, task, shots), own in groups.items():
        for metric, (value, error) in _of_task(own).items():
            found.append(_figure(model, task, shots, metric, value, error, len(own), source))
    return found


def subjects(rows: Iterable[Row]) -> list[Row]:
    """The accuracy in each subject of MMLU: a row a model, number of examples and subject."""
    groups: dict[tuple[str, int, str], list[float]] = {}
    for row in rows:
        if row["subject"]:
            groups.setdefault((row["model"], row["shots"], row["subject"]), []).append(row["marks"]["acc"])
    return [
        {"subject": subject, **_figure(model, "mmlu", shots, "acc", *metrics.mean(own), len(own), "lapidary")}
        for (model, shots, subject), own in groups.items()
    ]


def differences(rows: Iterable[Row]) -> list[Row]:
    """How much better each other model's marks are than the first's, on the questions that both were asked.

    The mean difference with its t interval, and for marks of 0 and 1 the p of McNemar's exact test; of LAMBADA's perplexity the
    difference of its logarithm, less being better.
    """
    groups: dict[tuple[str, int], dict[str, dict[tuple[int, str], Row]]] = {}
    for row in rows:
        own = groups.setdefault((row["task"], row["shots"]), {}).setdefault(row["model"], {})
        own[row["row"], row["asked"]] = row
    found = []
    for (task, shots), models in groups.items():
        first, *others = models
        for other in others:
            shared = [place for place in models[first] if place in models[other]]
            for metric in models[first][shared[0]]["marks"] if shared else ():
                theirs, base = ([models[name][place]["marks"][metric] for place in shared] for name in (other, first))
                named = {"task": task, "shots": shots, "metric": metric, "model": other, "first": first}
                found.append({**named, **_gap(theirs, base, metric)})
    return found


def _gap(own: Sequence[float], first: Sequence[float], metric: str) -> Row:
    # The marks of a perplexity are ln p: the more, the less it is.
    sign = -1 if metric == "perplexity" else 1
    gaps = [sign * (a - b) for a, b in zip(own, first, strict=True)]
    found = intervals.clustered_mean(gaps, range(len(gaps)))
    is_counted = set(own) | set(first) <= {0.0, 1.0}
    p = significance.mcnemar(sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)) if is_counted else None
    # Of rows that all differ by the same, mostly by nothing, an interval of no width would say too much.
    low, high = (found.low, found.high) if len(set(gaps)) > 1 else (None, None)
    return {"difference": found.value, "low": low, "high": high, "p": p, "n": len(gaps)}


def _of_task(rows: Sequence[Row]) -> dict[str, tuple[float, float | None]]:
    columns = {name: [row["marks"][name] for row in rows] for name in rows[0]["marks"]}
    if not rows[0]["subject"]:
        return {
            name: (metrics.perplexity if name == "perplexity" else metrics.mean)(values)
            for name, values in columns.items()
        }
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row["subject"], []).append(row["marks"]["acc"])
    return {"acc": metrics.weighted(groups), UNWEIGHTED: metrics.unweighted(groups)}


def _figure(
    model: str, task: str, shots: int | None, metric: str, value: float, error: float | None, n: int | None, source: str
) -> Row:
    is_share = metric not in _PERPLEXITIES and 0 <= value <= 1
    is_known = is_share or metric in _PERPLEXITIES
    ends = metrics.interval(value, error, n, share=is_share) if is_known else None
    return {
        "model": model, "task": task, "shots": shots, "metric": metric, "value": value, "stderr": error,
        "low": ends[0] if ends else None, "high": ends[1] if ends else None, "n": n, "share": is_share, "source": source,
    }  # fmt: skip


def read(path: Path) -> tuple[list[Row], list[Row]]:
    """(figures, measured rows) of a file: the `--out` of `benchmark`, its `--json`, or a results file of lm-eval.

    Raises InputError where it is none of these.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the --out of benchmark, or lm-eval's results_….json")
    try:
        whole = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError):
        rows = journal.rows(path, FIELDS)
        return figures(rows), rows
    if isinstance(whole, dict) and isinstance(whole.get("results"), dict):
        return list(_of_lm_eval(whole, path)), []
    if isinstance(whole, dict) and isinstance(whole.get("figures"), list):
        return whole["figures"], []
    if isinstance(whole, dict) and set(FIELDS) <= whole.keys():
        return figures([whole]), [whole]
    raise InputError(f"{path}: neither rows of benchmark nor results of lm-eval (no `results` in it)")


def _of_lm_eval(whole: Row, path: Path) -> Iterator[Row]:
    """The figures of lm-eval; of a group the group's, and of MMLU the mean of its subjects beside it."""
    model = _model(whole, path)
    members = {name for names in whole.get("group_subtasks", {}).values() for name in names}
    for task, own in whole["results"].items():
        if task in members and not _is_own_group(task, whole):
            continue
        for metric, value, error in _metrics(own):
            yield _figure(
                model, _SAME.get(task, task), _shots(whole, task), metric, value, error, _size(whole, task), "lm-eval"
            )
        leaves = _leaves(task, whole)
        if task == "mmlu" and leaves:
            values = [whole["results"][leaf].get("acc,none") for leaf in leaves]
            errors = [whole["results"][leaf].get("acc_stderr,none") for leaf in leaves]
            error = math.sqrt(sum(one**2 for one in errors)) / len(errors) if all(map(_is_number, errors)) else None
            if all(map(_is_number, values)):
                mean = sum(values) / len(values)
                yield _figure(model, task, _shots(whole, task), UNWEIGHTED, mean, error, _size(whole, task), "lm-eval")


def _is_own_group(task: str, whole: Row) -> bool:
    """Tasks that stand for themselves in a group of benchmarks, such as those of openllm; MMLU's subjects do not."""
    return task in TASKS or task in _SAME or (task == "mmlu" and bool(_leaves(task, whole)))


def _leaves(task: str, whole: Row) -> list[str]:
    """The tasks below a group that are no groups themselves."""
    below = whole.get("group_subtasks", {}).get(task) or []
    return [leaf for name in below for leaf in (_leaves(name, whole) or [name]) if leaf in whole["results"]]


def _metrics(own: Row) -> Iterator[tuple[str, float, float | None]]:
    for key, value in own.items():
        metric, _, kind = key.partition(",")
        if not kind or metric.endswith("_stderr") or not _is_number(value):
            continue
        error = own.get(f"{metric}_stderr,{kind}")
        yield metric if kind == "none" else f"{metric} ({kind})", float(value), error if _is_number(error) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shots(whole: Row, task: str) -> int | None:
    given = whole.get("n-shot", {})
    found = {given[name] for name in (task, *_leaves(task, whole)) if _is_number(given.get(name))}
    return int(found.pop()) if len(found) == 1 else None


def _size(whole: Row, task: str) -> int | None:
    given = whole.get("n-samples", {})
    names = [task] if task in given else _leaves(task, whole)
    sizes = [given.get(name, {}).get("effective") for name in names]
    return sum(sizes) if sizes and all(map(_is_number, sizes)) else None


def _model(whole: Row, path: Path) -> str:
    arguments = whole.get("config", {}).get("model_args")
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    given = arguments if isinstance(arguments, dict) else {}
    name = given.get("peft") or given.get("pretrained") or whole.get("model_name") or path.stem
    return Path(str(name)).name
