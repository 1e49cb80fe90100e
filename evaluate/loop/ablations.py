"""LIMA's ablations as one experiment: train on each set of `python -m curate ablate`, judge all on the same prompts, one table.

The same base, preset, prompts and judge for each set; only the data differ (Zhou et al. 2023, section 5).
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import charts, runs
from curate.errors import InputError

from .. import formats, record
from ..board.markup import note, table
from . import page, steps
from .settings import Settings

RESAMPLES = 10_000
ABLATIONS = ("quality", "diversity", "quantity")


def ablations(settings: Settings, out: Path, by: tuple[str, ...], seeds: tuple[int, ...]) -> dict[str, Any]:
    """Run the experiment in the folder `out`, which may be a finished loop's (its set and prompts are used), and return its table.

    Writes build/ablations/<by>/ (the sets, without what is asked or held out), ablations/train/<by>-<set>-<seed>/,
    ablations/judged.jsonl, ablations.json and ablations.html. Goes on where it was stopped. Raises RunError as `steps.loop`
    does.
    """
    with runs.locked(out):
        steps.begin(settings, out)
        dev, folder = steps.dev_files(settings, out), out / "ablations"
        steps.once(out, "build", lambda: steps.build(settings, out))
        steps.once(out, "draw", lambda: steps.draw(settings, out))
        for one in by:
            steps.once(out, f"{one} sets", partial(_sets, out, one))
        sets = [(one, row) for one in by for row in _index(out, one)]
        trained = {f"{one}/{row['name']}/{seed}": (one, row["file"], seed) for one, row in sets for seed in seeds}
        where = {name: folder / "train" / name.replace("/", "-") for name in trained}
        steps.each(
            out,
            {
                name: steps.training(settings, out / "build" / "ablations" / one / file, where[name], dev, seed)
                for name, (one, file, seed) in trained.items()
            },
        )
        answers = [f"{name}={_last(run)}" for name, run in where.items()]
        judged = folder / "judged.jsonl"
        # Not once: judge itself knows what is judged, and a later call may have asked for more sets.
        steps.judge(settings, out, answers, dev[0], judged)
        found = {
            "by": list(by),
            "seeds": list(seeds),
            "judge": settings.judge.name,
            "sets": [row for one in by for row in _rows(out, one, judged, seeds)],
        }
        runs.write_json(out / "ablations.json", found)
        runs.write_text(out / "ablations.html", _page(found))
        return found


def compared(values: dict[str, pl.DataFrame], seed: int = 1) -> list[dict[str, Any]]:
    """Sets beside each other: `values`, set to (prompt_id, value; several rows a prompt are its seeds and samples).

    Of each: set, `value` (the mean over prompts of the prompt's mean), `low`, `high` (95 %, prompts resampled, the same draws
    for all), `difference` from the first set with its own interval, `prompts`. Prompts that every set has count. Seeds are
    averaged first, so the interval is of the prompts that were asked, not of how training might have gone.
    """
    means = [frame.group_by("prompt_id").agg(pl.col("value").mean().alias(name)) for name, frame in values.items()]
    whole = means[0]
    for frame in means[1:]:
        whole = whole.join(frame, on="prompt_id")
    whole = whole.sort("prompt_id")
    n = whole.height
    if n == 0:
        raise InputError(f"{', '.join(values)}: not one prompt was judged for all of these sets")
    matrix = whole.select(list(values)).to_numpy()
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    drawn = weights @ matrix
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    behind, ahead = np.quantile(drawn - drawn[:, [0]], (0.025, 0.975), axis=0)
    mean = matrix.mean(0)
    return [
        {
            "set": name,
            "value": float(mean[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "difference": float(mean[i] - mean[0]),
            "difference_low": float(behind[i]),
            "difference_high": float(ahead[i]),
            "prompts": n,
        }
        for i, name in enumerate(values)
    ]


def _sets(out: Path, by: str) -> None:
    """The sets of one ablation, as curate draws them, without what is asked or held out."""
    asked = [word for path in sorted((out / "dev").glob("*.jsonl")) for word in ("--without", path)]
    steps.run("curate", "ablate", out / "build", "--by", by, *asked)


def _index(out: Path, by: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (runs.read_json(out / "build" / "ablations" / by / "index.json") or {})["sets"]
    return found


def _last(run: Path) -> Path:
    """The answers of a run's last epoch."""
    return max((run / "dev").glob("epoch-*.jsonl"))


def _rows(out: Path, by: str, judged: Path, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    rows = formats.read([judged]).filter(pl.col("status") == "ok")
    ours = rows.with_columns(value=pl.coalesce(record.preference_a(), "score"), model=pl.col("model_a"))
    theirs = rows.filter(pl.col("model_b").is_not_null()).with_columns(
        value=1 - record.preference_a(), model=pl.col("model_b")
    )
    both = pl.concat([ours, theirs]).select("model", "prompt_id", "value")
    index = {row["name"]: row for row in _index(out, by)}
    values = {name: both.filter(pl.col("model").is_in([f"{by}/{name}/{seed}" for seed in seeds])) for name in index}
    return [
        {
            "by": by,
            **row,
            "examples": index[row["set"]]["examples"],
            "perplexity": _perplexity(out, by, row["set"], seeds),
        }
        for row in compared(values)
    ]


def _perplexity(out: Path, by: str, name: str, seeds: tuple[int, ...]) -> float | None:
    """Held-out perplexity after the last epoch: the geometric mean over seeds."""
    folders = [out / "ablations" / "train" / f"{by}-{name}-{seed}" for seed in seeds]
    metrics = [runs.read_json(run / _last(run).stem / "metrics.json") or {} for run in folders]
    found = [one["perplexity"] for one in metrics if one.get("perplexity") is not None]
    return float(np.exp(np.mean(np.log(found)))) if len(found) == len(seeds) else None


def _page(found: dict[str, Any]) -> str:
    parts = []
    for by in found["by"]:
        rows = [row for row in found["sets"] if row["by"] == by]
        picture = charts.intervals(
            f"{by.capitalize()}: mean judged value (95 %)",
            [
                charts.Interval(f"{row['set']} ({row['examples']})", row["value"], row["low"], row["high"])
                for row in rows
            ],
        )
        head = ("set", "examples", "judged", "95 % interval", f"− {rows[0]['set']}", "95 % interval", "perplexity")
        cells = [
            [
                row["set"], f"{row['examples']:,}", f"{row['value']:.4f}", f"{row['low']:.4f} – {row['high']:.4f}",
                f"{row['difference']:+.4f}", f"{row['difference_low']:+.4f} – {row['difference_high']:+.4f}",
                "–" if row["perplexity"] is None else f"{row['perplexity']:.2f}",
            ]
            for row in rows
        ]  # fmt: skip
        parts.append(page.section(by.capitalize(), picture + table(head, cells)))
    about = note(
        f"{found['sets'][0]['prompts']} prompts, judged by {found['judge']}, {len(found['seeds'])} training seed(s) averaged."
        " Intervals are over prompts: they do not hold what another seed of training would change."
    )
    return page.document("Quality, diversity, quantity", "LIMA's ablations on this set.", [about, *parts])
