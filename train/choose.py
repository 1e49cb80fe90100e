"""Which epoch to keep: the one whose answers a judge prefers, beside the one that perplexity would take.

LIMA's held-out perplexity rose while its answers got better, so its checkpoint was chosen by hand among epochs 5 to 10 on
50 dev prompts (Zhou et al. 2023, arXiv 2305.11206, section 3 and appendix B). Here `evaluate` judges dev/epoch-NN.jsonl,
and what it wrote is read as a file.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from curate import files, runs
from curate.errors import ConfigError, InputError, RunError
from curate.files import Unreadable

RESAMPLES = 10_000
SEED = 1

# Values by (model, prompt, opponent); the opponent of a score is None.
Values = dict[tuple[str, str, str | None], list[float]]


def select(run: Path, records: Path, window: tuple[int, int] | None = None) -> dict[str, Any]:
    """Take the epoch that `records` (judgements, JSONL) prefer; writes select.json and `best` into the run's folder.

    Of a pair, an epoch's value on a prompt is the probability that it is preferred (a win 1, a tie 1/2), the mean over
    orders, samples and judges, then over opponents; of a single answer it is the score. Prompts count that were judged
    for every epoch of the window (first and last number; None: all). Intervals (95 %) come from resampling prompts, the
    same for all epochs, so that differences are paired. `tied_with`: epochs whose difference from the best has an
    interval that holds 0. Of equals the earlier is taken.

    Raises RunError where the folder has no epochs, ConfigError where none is in the window, InputError where a record is
    no judgement or an epoch of the window was not judged as the others were.
    """
    metrics = _metrics(run, window)
    values, failed, judges, by_score = _read(records)
    table, prompts = _matrix(values, list(metrics), records)
    weights = np.random.default_rng(SEED).multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), RESAMPLES)
    means, drawn = table.mean(0), weights @ table / len(prompts)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    best = int(means.argmax())
    # Of the differences from the best.
    near, far = np.quantile(drawn[:, [best]] - drawn, (0.025, 0.975), axis=0)
    names = list(metrics)
    measured = {name: own["perplexity"] for name, own in metrics.items() if own.get("perplexity") is not None}
    found = {
        "best": names[best],
        "tied_with": [name for i, name in enumerate(names) if i != best and near[i] <= 0 <= far[i]],
        "by_perplexity": min(measured, key=lambda name: measured[name], default=None),
        "measure": "score" if by_score else "win rate",
        "window": window,
        "judges": judges,
        "prompts": len(prompts),
        "prompts_left_out": len({prompt for _, prompt, _ in values}) - len(prompts),
        "judgements_failed": failed,
        "epochs": [
            {
                "epoch": name,
                "judged": float(means[i]),
                "low": float(low[i]),
                "high": float(high[i]),
                "behind": float(means[best] - means[i]),
                "behind_low": float(near[i]),
                "behind_high": float(far[i]),
                **{key: metrics[name].get(key) for key in ("loss", "perplexity", "bits_per_byte")},
            }
            for i, name in enumerate(names)
        ],
    }
    runs.write_json(run / "select.json", found)
    runs.write_text(run / "best", f"{names[best]}\n")
    return found


def table(found: dict[str, Any]) -> str:
    """What `select` found, as lines for a terminal."""
    percent = found["measure"] == "win rate"

    def shown(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:.2f}"

    lines = [f"{'epoch':<10} {found['measure']:>9}  {'95 % interval':<18} {'behind the best':<26} perplexity"]
    for row in found["epochs"]:
        marks = " ".join(
            word
            for word, name in (("← judge", found["best"]), ("← perplexity", found["by_perplexity"]))
            if name == row["epoch"]
        )
        interval = f"{shown(row['low'])} – {shown(row['high'])}"
        behind = f"{shown(row['behind'])} ({shown(row['behind_low'])} – {shown(row['behind_high'])})"
        perplexity = "–" if row["perplexity"] is None else f"{row['perplexity']:.4f}"
        lines.append(
            f"{row['epoch']:<10} {shown(row['judged']):>9}  {interval:<18} {behind:<26} {perplexity:<10} {marks}".rstrip()
        )
    ties = ", ".join(found["tied_with"])
    sure = f"not to be told from {ties} on {found['prompts']} prompts" if ties else "ahead of all others"
    return "\n".join([*lines, "", f"{found['best']}: {sure}. Judged by {', '.join(found['judges'])}."])


def _metrics(run: Path, window: tuple[int, int] | None) -> dict[str, dict[str, Any]]:
    """The metrics of the finished epochs inside the window, by the names of their folders."""
    done = {path.parent.name: runs.read_json(path) or {} for path in sorted(run.glob("epoch-*/metrics.json"))}
    if not done:
        raise RunError(f"{run}: no epoch-NN/metrics.json: expected the folder of a run of python -m train")
    inside = {name: own for name, own in done.items() if window is None or window[0] <= own["epoch"] <= window[1]}
    if not inside:
        raise ConfigError(f"--window {' '.join(map(str, window or ()))}: the run has {', '.join(done)}")
    return inside


def _read(records: Path) -> tuple[Values, dict[str, int], list[str], bool]:
    """Values of all models, failed judgements by status, the judges, and whether they scored single answers."""
    values: Values = defaultdict(list)
    failed: Counter[str] = Counter()
    judges, kinds = set(), set()
    for number, row in files.rows(records):
        if isinstance(row, Unreadable):
            raise InputError(f"{records}:{number}: {row.reason}")
        if missing := {"prompt_id", "model_a", "status"} - row.keys():
            raise InputError(
                f"{records}:{number}: lacks {', '.join(sorted(missing))}; expected a judgement of evaluate"
            )
        judges.add(str(row.get("judge")))
        other = row.get("model_b")
        kinds.add(other is None)
        if row["status"] != "ok":
            failed[row["status"]] += 1
            continue
        value = row.get("score") if other is None else _preference(row)
        if value is None:
            raise InputError(f"{records}:{number}: neither verdict nor score, though its status is ok")
        prompt, one = str(row["prompt_id"]), _name(row["model_a"])
        values[one, prompt, other and _name(other)].append(float(value))
        if other is not None:
            values[_name(other), prompt, one].append(1 - float(value))
    if len(kinds) > 1:
        raise InputError(f"{records}: holds pairs and scores of single answers. Give the records of one of them")
    return dict(values), dict(failed), sorted(judges), kinds == {True}


def _preference(row: dict[str, Any]) -> float | None:
    """The probability that a is preferred; else a win 1, a tie 1/2, a loss 0."""
    if row.get("probability") is not None:
        return float(row["probability"])
    return {"a": 1.0, "tie": 0.5, "b": 0.0}.get(row.get("verdict") or "")


def _name(model: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """`epoch-05` of `runs/mine/epoch-05` as well; other models keep their names."""
    found = re.search(r"epoch-\d+$", str(model))
    return found[0] if found else str(model)


def _matrix(values: Values, names: list[str], records: Path) -> tuple[Any, list[str]]:
    """(prompts × epochs) values of the prompts that were judged for every epoch against all its opponents."""
    opponents: dict[str, set[str | None]] = {name: set() for name in names}
    prompts: dict[str, set[str]] = defaultdict(set)
    for model, prompt, other in values:
        if model in opponents:
            opponents[model].add(other)
            prompts[model].add(prompt)
    if absent := [name for name in names if not opponents[name]]:
        raise InputError(
            f"{records}: no judgement of {', '.join(absent)}. Judge all epochs of the window, or narrow --window"
        )
    everybody = set().union(*opponents.values())
    for name in names:
        if lacking := everybody - opponents[name] - {name}:
            raise InputError(
                f"{records}: {name} was not compared with {', '.join(sorted(map(str, lacking)))}, as other epochs were."
                " Compare all epochs with the same models"
            )
    shared = [
        prompt
        for prompt in sorted(set().union(*prompts.values()))
        if all((name, prompt, other) in values for name in names for other in opponents[name])
    ]
    if not shared:
        raise InputError(f"{records}: no prompt was judged for all of {', '.join(names)}")
    rows = [
        [
            np.mean([np.mean(values[name, prompt, other]) for other in sorted(opponents[name], key=str)])
            for name in names
        ]
        for prompt in shared
    ]
    return np.array(rows), shared
