"""The command on benchmarks with known answers: `benchmark`."""

from pathlib import Path
from typing import Any

import click

from curate.bar import Bar
from curate.cli import json_option, print_json

FILE = click.Path(path_type=Path)
# `tasks.TASKS`, which help must not load.
TASKS = "arc_challenge,arc_easy,hellaswag,mmlu,truthfulqa_mc1,truthfulqa_mc2,piqa,winogrande,lambada"


@click.command()
@click.option("--tasks", metavar="NAME,…", help=f"Some of {TASKS.replace(',', ', ')}.")
@click.option("--model", "bases", multiple=True, metavar="[NAME=]BASE", help="Folder or Hub name. Repeatable.")
@click.option("--adapter", "adapters", multiple=True, metavar="[NAME=]DIR", help="A peft adapter. Repeatable.")
@click.option("--run", "runs", multiple=True, type=FILE, metavar="DIR", help="Every epoch of a run of train.")
@click.option("--with-base", is_flag=True, help="With --adapter or --run: the base by itself as well.")
@click.option(
    "--data", multiple=True, metavar="DIR", help="Folder of files, TASK=FILE or TASK.examples=FILE. Repeatable."
)
@click.option("--offline", is_flag=True, help="Ask no Hub for what no file has.")
@click.option("--shots", type=click.IntRange(0), help="Examples before each row; else the Open LLM Leaderboard's.")
@click.option("--limit", type=click.IntRange(1), help="The first so many rows of a task, of MMLU of each subject.")
@click.option("--window", type=click.IntRange(2), help="Tokens that a model sees at once; else all it was built for.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16", "float64"]),
    default="auto",
    show_default=True,
    help="auto: float32 on a CPU, bfloat16 on a GPU; float64: to tell rounding from a difference.",
)
@click.option("--out", type=FILE, help="File of rows (JSONL); gone on with where it exists.")
@click.option(
    "--results", multiple=True, type=FILE, help="Other models' --out, or lm-eval's results_….json. Repeatable."
)
@click.option("--page", type=FILE, metavar="FILE", help="Write the table as a page (HTML).")
@click.option("--lm-eval", "python", type=FILE, metavar="PYTHON", help="Let lm-eval of this interpreter do it, too.")
@click.option("--lm-eval-out", type=FILE, metavar="DIR", help="Folder for what lm-eval reads and writes.")
@json_option
def benchmark(
    tasks: str | None,
    bases: tuple[str, ...],
    adapters: tuple[str, ...],
    runs: tuple[Path, ...],
    with_base: bool,
    data: tuple[str, ...],
    offline: bool,
    shots: int | None,
    limit: int | None,
    window: int | None,
    precision: Any,  # noqa: ANN401 - one of five words, as click checks
    out: Path | None,
    results: tuple[Path, ...],
    page: Path | None,
    python: Path | None,
    lm_eval_out: Path | None,
    as_json: bool,
) -> None:
    """Say how often models find the right answer likeliest: ARC, HellaSwag, MMLU, TruthfulQA and others.

    Texts, tokens and figures are lm-eval's (0.4.13), examples those of the Open LLM Leaderboard, version 1. With --results
    alone, a table of what was measured before.

    \b
    python -m evaluate benchmark --tasks arc_challenge,mmlu --model models/base --data benchmarks --out rows.jsonl
    python -m evaluate benchmark --tasks truthfulqa_mc2 --run runs/mine --with-base --data truthfulqa=TruthfulQA.csv
    python -m evaluate benchmark --results rows.jsonl --results results_2026-01-01.json --page benchmarks.html
    """
    from curate import runs as files

    from . import reader, subjects
    from .benchmarks import harness, measuring, sources, table
    from .benchmarks import results as figures

    if not tasks and (not results or bases or adapters or runs or python):
        raise click.UsageError("--tasks is missing: which benchmarks; or --results alone: what was measured before")
    if lm_eval_out is None and python is not None:
        raise click.UsageError("--lm-eval-out is missing: the folder for what lm-eval reads and writes")
    rows, found, asked = [], [], []
    if tasks:
        where = sources.data(data, offline=offline)
        models = subjects.subjects(bases, adapters, runs, with_base=with_base)
        asked = [measuring.ask(task, where, shots, limit) for task in measuring.chosen(tasks)]
        settings = reader.Settings("none", window, precision)
        with Bar() as bar:
            rows = measuring.measure(asked, models, settings, out, bar)
        found = figures.figures(rows)
        if python is not None and lm_eval_out is not None:
            for one, written in harness.run(asked, models, settings, python, lm_eval_out):
                found += [{**row, "model": one.name} for row in figures.read(written)[0]]
    for path in results:
        more, measured = figures.read(path)
        found += more
        rows += measured
    different = figures.differences(rows)
    if page is not None:
        with files.clear_write_errors(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(page, table.to_page(found, different))
    if as_json:
        print_json(
            {
                "figures": found,
                "differences": different,
                "subjects": figures.subjects(rows),
                "data": [_read(one) for one in asked],
            }
        )
        return
    click.echo(table.to_text(found, different))
    for task in asked:
        click.echo(f"{task.task.name:<15} {task.where}" + (f"; examples: {task.examples}" if task.examples else ""))
    for name, file in (("rows", out), ("page", page)):
        if file is not None:
            click.echo(f"{name:<15} {file}")


def _read(one: Any) -> dict[str, Any]:  # noqa: ANN401 - measuring.Asked, which loads late
    return {"task": one.task.name, "rows": one.where, "examples": one.examples, "asked": len(one.questions)}
