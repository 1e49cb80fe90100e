"""card.md: what a run was made of and what came out, from the run folder's own files, so that it can be checked.

Written at the end of a run; `write` may be called again at any time, after `select` for one. The curves lie beside it, in
curves.svg.
"""

import hashlib
import math
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from curate import charts, config, files, runs
from curate.errors import RunError
from train import data, journal
from train import settings as settings_
from train.settings import Dataset, Settings

# Libraries that a run's numbers depend on.
LIBRARIES = ("lapidary", "torch", "transformers", "peft", "accelerate", "tokenizers")

NOT_STATED = "not stated"


def write(run: Path) -> None:
    """Write card.md and curves.svg into the folder of a run. Raises RunError where it is none."""
    if not (run / "config.yaml").exists():
        raise RunError(f"{run}: no config.yaml: expected the folder of a run of python -m train")
    settings = config.load(run / "config.yaml", Settings)
    log = journal.read(run / "log.jsonl")
    epochs = [runs.read_json(path) or {} for path in sorted(run.glob("epoch-*/metrics.json"))]
    runs.write_text(run / "curves.svg", curves(settings, log, epochs))
    chosen = runs.read_json(run / "select.json")
    parts = [
        [f"# {run.name}", "", _summary(run, settings, log, chosen)],
        ["## Recipe", "", *_recipe(settings)],
        ["## Data", "", *(line for dataset in settings.data for line in _dataset(dataset))],
        ["## Epochs", "", *_epochs(epochs, chosen), "", "![Loss over steps](curves.svg)"],
        ["## Settings", "", "```yaml", config.dump(settings).rstrip(), "```"],
        ["## Made with", "", *_made_with(settings)],
    ]
    runs.write_text(run / "card.md", "\n\n".join("\n".join(part) for part in parts) + "\n")


def curves(settings: Settings, log: Sequence[dict[str, Any]], epochs: Sequence[dict[str, Any]]) -> str:
    """An SVG of the loss over steps and, where it is the same quantity, the held-out loss (ln perplexity) after epochs."""
    lines = [charts.Line("training", [row["step"] for row in log], [row["loss"] for row in log])]
    tokens = settings.objective.kind in ("sft", "best-of-n")
    measured = [row for row in epochs if row.get("perplexity")] if tokens else []
    if measured:
        held_out = [math.log(row["perplexity"]) for row in measured]
        lines.append(charts.Line("held out", [row["step"] for row in measured], held_out))
    unit = "nats per token" if tokens else f"{settings.objective.kind}, per example"
    return charts.lines("Loss over steps", lines, "step", unit)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a table in Markdown. None is a dash.

    >>> markdown_table(["a", "b"], [[1, None]])
    ['| a | b |', '| --- | --- |', '| 1 | – |']
    """
    cells = [["–" if cell is None else str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (list(head), ["---"] * len(head), *cells)]


def _summary(run: Path, settings: Settings, log: Sequence[dict[str, Any]], chosen: dict[str, Any] | None) -> str:
    steps, tokens = len(log), sum(row["tokens"] for row in log)
    base = Path(settings.base).name if Path(settings.base).is_absolute() else settings.base
    base = "toy" if Path(settings.base) == (run / "base").absolute() else base
    kept = f" Kept: {chosen['best']}, chosen by {', '.join(chosen['judges'])}." if chosen else ""
    return (
        f"{settings.objective.kind} of `{base}`, adapter {settings.adapter.kind}: {steps:,} steps of up to"
        f" {settings.batch_examples} examples, {tokens:,} tokens.{kept}"
    )


def _recipe(settings: Settings) -> list[str]:
    """The preset and everything that differs from it."""
    if settings.based_on is None:
        return ["No preset: all settings are this run's own."]
    changed = settings_.deviations(settings)
    if not changed:
        return [f"`{settings.based_on}`, without a deviation."]
    rows = [(f"`{name}`", f"`{before}`", f"`{now}`") for name, before, now in changed]
    return [
        f"`{settings.based_on}` with {len(changed)} deviation{'s' if len(changed) > 1 else ''}:",
        "",
        *markdown_table(["setting", "recipe", "here"], rows),
    ]


def _dataset(dataset: Dataset) -> list[str]:
    """A dataset's file, its licences, and where it comes from if curate made it."""
    path = data.file_of(dataset.path)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    counts: Counter[str] = Counter()
    for _, row in files.rows(path):
        counts[NOT_STATED if isinstance(row, files.Unreadable) else str(row.get("license") or NOT_STATED)] += 1
    part = f"{dataset.examples} examples an epoch" if dataset.examples else None
    part = f"a share of {dataset.share} of an epoch" if dataset.share else part
    return [
        f"### {dataset.path.name}",
        "",
        (
            f"{counts.total():,} rows of the form {dataset.form}, {part or 'all of them once an epoch'}, stage {dataset.stage}."
            f" `{path.name}` has the sha256 `{digest}`."
        ),
        "",
        *markdown_table(["licence", "rows"], sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        "",
        *_lineage(dataset.path if dataset.path.is_dir() else path.parent),
    ]


def _lineage(folder: Path) -> list[str]:
    """What a run of curate that made the dataset had read, from its manifest; nothing where it is no such run."""
    manifest = runs.read_json(folder / "manifest.json")
    if manifest is None or "files" not in manifest:
        return []
    whole = "" if manifest["complete"] else f", limited to {manifest['limit']} rows a source"
    rows = [
        (row["source"], Path(row["file"]).name, f"{row['bytes']:,}", f"`{row['sha256']}`") for row in manifest["files"]
    ]
    return [
        (
            f"Made by the curate run `{manifest['name']}`{whole} (lapidary {manifest['versions']['lapidary']}):"
            f" {manifest['inputs']:,} inputs, {manifest['kept']:,} kept, {manifest['dropped']:,} dropped. It read:"
        ),
        "",
        *markdown_table(["source", "file", "bytes", "sha256"], rows),
        "",
    ]


def _epochs(epochs: Sequence[dict[str, Any]], chosen: dict[str, Any] | None) -> list[str]:
    """The figures of each epoch; what the judge and perplexity choose, where there is a choice."""
    judged = {row["epoch"]: row for row in chosen["epochs"]} if chosen else {}
    rows = []
    for own in epochs:
        found = judged.get(f"epoch-{own['epoch']:02d}")
        rows.append(
            [
                own["epoch"],
                own["step"],
                *(_number(own.get(key)) for key in ("loss", "perplexity", "bits_per_byte")),
                f"{found['judged']:.3f} ({found['low']:.3f} – {found['high']:.3f})" if found else None,
            ]
        )
    head = ["epoch", "step", "training loss", "held-out perplexity", "bits per byte", "judged"]
    # A column that nothing fills says nothing.
    filled = [i for i in range(len(head)) if any(row[i] is not None for row in rows)]
    lines = markdown_table([head[i] for i in filled], [[row[i] for i in filled] for row in rows])
    if chosen:
        ties = f", not to be told from {', '.join(chosen['tied_with'])}" if chosen["tied_with"] else ""
        lines += [
            "",
            f"The judge ({chosen['measure']}) takes {chosen['best']}{ties}; perplexity: {chosen['by_perplexity']}.",
        ]
    return lines


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _made_with(settings: Settings) -> list[str]:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU"
    libraries = LIBRARIES + (("bitsandbytes",) if settings.quantize else ())
    rows = [("python", platform.python_version()), *((name, version(name)) for name in libraries), ("device", device)]
    return [
        f"Seed {settings.seed}: order of examples, adapters' first weights, dropout, noise, dev answers.",
        "",
        *markdown_table(["", "version"], rows),
    ]
