"""lm-eval itself on the same rows: an optional program of an interpreter of its own, never imported here.

Its own task files are used; ours around them only say where the rows are. It runs in the folder of its files, without this project on its
path: it needs a package that is called `evaluate`, too.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from curate import runs
from curate.errors import ConfigError, RunError

from ..reader import Settings
from ..subjects import Subject
from .measuring import Asked
from .tasks import Row, Task, describe

# The task files of lm-eval.
_FILES = {
    "arc_challenge": "arc/arc_challenge.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "truthfulqa_mc1": "truthfulqa/truthfulqa_mc1.yaml",
    "truthfulqa_mc2": "truthfulqa/truthfulqa_mc2.yaml",
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "lambada": "lambada/lambada_openai.yaml",
    "mmlu": "mmlu/default/_default_template_yaml",
}
_NAMES = {"lambada": "lambada_openai"}
_SPLITS = ("training_split", "validation_split", "test_split")


def run(
    asked: Sequence[Asked], subjects: Sequence[Subject], settings: Settings, python: Path, out: Path, batch: int = 8
) -> list[tuple[Subject, Path]]:
    """lm-eval's results file of each model, below `out`, where its task files and rows are written too, and its log.

    Raises ConfigError where `python` has no lm-eval, RunError where it fails.
    """
    place = out.resolve()
    with runs.clear_write_errors(place):
        names = write(asked, _tasks_of(python), place / "tasks")
    found = []
    for subject in subjects:
        own = place / subject.name.replace("/", "-")
        _run(_command(python, subject, settings, names, place / "tasks", own, batch), place, own)
        found.append((subject, max(own.rglob("results_*.json"), key=lambda path: path.stat().st_mtime)))
    return found


def write(asked: Sequence[Asked], theirs: Path, folder: Path) -> list[str]:
    """Write the task files and their rows into `folder`; the names that lm-eval is asked for. `theirs`: its folder of tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for one in asked:
        name = _NAMES.get(one.task.name, one.task.name)
        names.append(name)
        if one.task.name != "mmlu":
            _task(one, one.rows, one.pool, name, theirs, folder)
            continue
        subjects = list(dict.fromkeys(row["subject"] for row in one.rows))
        for subject in subjects:
            rows, pool = ([row for row in given if row["subject"] == subject] for given in (one.rows, one.pool))
            _task(one, rows, pool, f"mmlu_{subject}", theirs, folder, description=describe(subject))
        group = {
            "group": name,
            "task": [f"mmlu_{subject}" for subject in subjects],
            "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
        }
        runs.write_text(folder / "mmlu.yaml", yaml.safe_dump(group))
    return names


def _task(
    one: Asked, rows: Sequence[Row], pool: Sequence[Row], name: str, theirs: Path, folder: Path, **more: str
) -> None:
    import polars as pl

    part = _part(one.task)
    files = {part: folder / f"{name}.parquet"}
    pl.DataFrame(rows).write_parquet(files[part])
    splits: dict[str, str | None] = dict.fromkeys(_SPLITS)
    splits["test_split" if part == "test" else "validation_split"] = part
    if pool and one.task.example_splits != one.task.splits:
        files["train"] = folder / f"{name}.examples.parquet"
        pl.DataFrame(pool).write_parquet(files["train"])
        splits["training_split"] = "train"
    # Where a task draws from its other rows, lm-eval is not told a part for examples: that is how it comes to do so.
    source = {} if one.task.examples == "others" or not pool else {"fewshot_split": "train"}
    kinds = [{"metric": metric, "aggregation": "perplexity" if metric == "perplexity" else "mean",
              "higher_is_better": metric != "perplexity"} for metric in one.task.metrics]  # fmt: skip
    text = {
        "include": str(theirs / _FILES[one.task.name]),
        "task": name,
        "dataset_path": "parquet",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(path) for split, path in files.items()}},
        **splits,
        "fewshot_split": None,
        **source,
        "num_fewshot": one.shots,
        "metric_list": kinds,
        **more,
    }
    runs.write_text(folder / f"{name}.yaml", yaml.safe_dump(text, sort_keys=False, allow_unicode=True))


def _part(task: Task) -> str:
    return "test" if task.splits[0] == "test" else "validation"


def _tasks_of(python: Path) -> Path:
    """The folder of lm-eval's task files. Raises ConfigError."""
    code = "import importlib.util as u; s = u.find_spec('lm_eval'); print(s.submodule_search_locations[0] if s else '')"
    try:
        # Not resolved: an interpreter of an environment is a link, and what it sees depends on where the link is.
        done = subprocess.run(  # noqa: S603 - the interpreter that was named
            [str(python.absolute()), "-P", "-c", code], check=True, capture_output=True, text=True, env=_environment()
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"--lm-eval {python}: cannot be run ({error}); expected the python of an environment"
        ) from error
    folder = Path(done.stdout.strip()) / "tasks"
    if not done.stdout.strip() or not folder.is_dir():
        raise ConfigError(f"--lm-eval {python}: no lm-eval in it; there: python -m pip install 'lm-eval[hf]==0.4.13'")
    return folder


def _command(
    python: Path, subject: Subject, settings: Settings, names: Sequence[str], tasks: Path, own: Path, batch: int
) -> list[str]:
    arguments = {
        "pretrained": _absolute(subject.model),
        "dtype": settings.precision if settings.precision != "auto" else _auto(),
    }
    if subject.adapter is not None:
        arguments["peft"] = str(subject.adapter.resolve())
        if (subject.adapter / "tokenizer_config.json").is_file():
            arguments["tokenizer"] = arguments["peft"]
    if settings.window is not None:
        arguments["max_length"] = str(settings.window)
    return [
        str(python.absolute()), "-P", "-m", "lm_eval", "run", "--model", "hf",
        "--model_args", json.dumps(arguments),
        "--tasks", ",".join(names), "--include_path", str(tasks), "--batch_size", str(batch),
        "--output_path", str(own), "--log_samples",
    ]  # fmt: skip


def _auto() -> str:
    import torch

    if not torch.cuda.is_available():
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def _absolute(model: str) -> str:
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _run(command: Sequence[str], place: Path, own: Path) -> None:
    own.mkdir(parents=True, exist_ok=True)
    log = own / "lm-eval.log"
    with log.open("wb") as stream:
        done = subprocess.run(  # noqa: S603 - as above
            command, check=False, stdout=stream, stderr=subprocess.STDOUT, cwd=place, env=_environment()
        )
    if done.returncode:
        last = next(
            (line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "no output"
        )
        raise RunError(f"lm-eval failed (exit code {done.returncode}): {last.strip()[:300]}; the rest is in {log}")


def _environment() -> dict[str, Any]:
    """Ours without what would put a folder of ours on its path; rows are files, so nothing is fetched for them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PYTHONSAFEPATH": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
