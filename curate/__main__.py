"""`python -m curate`: each command is one public function and the way its answer is shown.

Logs and progress go to stderr. With --json, stdout holds one JSON document and nothing else. Exit codes: 0 done, 1 a check
failed, 2 usage or recipe, 3 input or run folder, 130 interrupted with state saved.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from curate import questions
from curate.bar import Bar
from curate.cli import CONTEXT, Suggesting, json_option, print_json, run, settings_option
from curate.errors import InputError

RECIPE_HELP = (
    "RECIPE is a YAML file or the name of a shipped recipe: sample (the default), lima, platypus, instructions."
)


@click.group(cls=Suggesting, context_settings=CONTEXT)
@click.version_option(package_name="lapidary")
def cli() -> None:
    """Turn raw dumps into a small, clean instruction set, and say why every dropped example was dropped.

    \b
    python -m curate build                        the embedded sample
    python -m curate sources dumps/*              what are these files?
    python -m curate build my.yaml --dry-run      what would be read and run?
    python -m curate explain runs/sample ID       the whole path of one example
    python -m curate review runs/sample           look at each, keep, reject, edit
    python -m curate whatif runs/sample -s filters.min_chars=800
    python -m curate diff runs/a runs/b           what differs, and why
    """


@cli.command(epilog=RECIPE_HELP)
@click.argument("recipe", default="sample")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<name of the recipe>]")
@settings_option
@click.option(
    "--engine", default="local", show_default=True, help="Where shards are measured: local, processes or ray."
)
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [default: one a core]")
@click.option(
    "--limit", type=click.IntRange(1), help="Read only this many examples of each source; marks the run partial."
)
@click.option("--dry-run", is_flag=True, help="Show what would be read and which stages would run; write nothing.")
@json_option
def build(
    recipe: str,
    out: Path | None,
    overrides: tuple[str, ...],
    engine: str,
    workers: int | None,
    limit: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Build a dataset. Run it again to go on after an interruption, or after changing a setting.

    Exits with 1 where a gate of the recipe (`expect:`) does not hold.

    \b
    python -m curate build
    python -m curate build lima -s sources.stackexchange.path=dumps/se --engine processes
    python -m curate build my.yaml --limit 500 -s filters.min_chars=300 --out runs/try
    """
    from curate import recipe as recipes
    from curate.build import build as build_recipe

    settings = recipes.load(recipe, overrides)
    run = out or Path("runs") / settings.name
    if dry_run:
        _show_plan(settings, run, limit, as_json)
        return
    with Bar() as bar:
        summary = build_recipe(settings, run, engine=engine, workers=workers, limit=limit, watch=bar)
    if as_json:
        print_json({"run": str(run), **summary})
        questions.check_gates(summary, quiet=True)
        return
    _show_summary(summary)
    click.echo(f"\ndataset  {run / 'dataset.jsonl'}\nreport   {run / 'report.html'}\nledger   {run / 'ledger.parquet'}")
    if summary["review"]:
        _show_waiting_decisions(run, summary["review"])
    questions.check_gates(summary)


@cli.command(epilog=RECIPE_HELP)
@click.argument("recipe", default="sample")
@settings_option
@json_option
def check(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a recipe and print it with every default filled in. Reads no data.

    \b
    python -m curate check my.yaml
    python -m curate check lima -s sources.wikihow=null
    """
    from curate import config
    from curate import recipe as recipes

    settings = recipes.load(recipe, overrides)
    if as_json:
        print_json(settings.model_dump(mode="json"))
    else:
        click.echo(config.dump(settings), nl=False)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--by",
    required=True,
    metavar="WHAT",
    help="What the sets differ in: quality, diversity or quantity (LIMA, section 5).",
)
@click.option("--size", type=click.IntRange(1), help="Examples in each set.  [default: as many as the run kept]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the draws.")
@click.option(
    "--without",
    multiple=True,
    type=click.Path(path_type=Path),
    help="JSONL whose ids (id or prompt_id) are in no set: what a model will be asked. Repeatable.",
)
@json_option
def ablate(run: Path, by: str, size: int | None, seed: int, without: tuple[Path, ...], as_json: bool) -> None:
    """Write sets that differ in quality, diversity or quantity alone, from one finished run, each ready for training.

    \b
    python -m curate ablate runs/sample --by quality      filtered against unfiltered
    python -m curate ablate runs/sample --by diversity    one source against many
    python -m curate ablate runs/sample --by quantity     16, 32, 64 … examples
    """
    from curate.ablate import ablate as write_sets
    from curate.ablate import named_in

    index = write_sets(run, by, size=size, seed=seed, without=named_in(without))
    if as_json:
        print_json(index)
        return
    for row in index["sets"]:
        click.echo(f"{run / 'ablations' / by / row['file']}  {row['examples']:,} examples\n  {row['drawn']}")
    for reason in index["left_out"]:
        click.echo(f"left out: {reason}", err=True)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; beyond this machine with a password only.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen at.  [default: 8501, or the next that is free]"
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser; print the address.")
@click.option(
    "--embed-all", is_flag=True, help="Embed every candidate, so that those that rules dropped have neighbours too."
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    help="Write the decisions that count to this file, for git and for the next build, and open nothing.",
)
def review(run: Path, address: str, port: int | None, no_browser: bool, embed_all: bool, export: Path | None) -> None:
    """Open the review app on a finished run: look at each example, keep, reject, edit, with undo.

    Decisions go to RUN/decisions.sqlite as they are made. Its page Progress writes them as RUN/decisions.jsonl for the next
    build (-s review.decisions=...). LAPIDARY_PASSWORD sets a password.

    \b
    python -m curate review runs/sample
    LAPIDARY_PASSWORD=... python -m curate review runs/sample --address 0.0.0.0 --port 8600
    """
    from curate.desk.model import prepare
    from curate.review import exchange, serve

    if export is not None:
        click.echo(f"{export}: {exchange.export_run(run, export):,} decisions")
        return
    with Bar() as bar:
        prepare(run, bar, embed_all=embed_all)
    serve.serve(run, address, port, browser=not no_browser)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def queue(run: Path, name: str, file: Path, as_json: bool) -> None:
    """Save the examples of FILE (JSON Lines with a content each) as the queue NAME of the review app.

    \b
    python -m curate queue loops/first/build next loops/first/next.jsonl
    """
    from curate import runs
    from curate.review import saved, store

    runs.open_run(run)
    with store.opened(run / "decisions.sqlite") as log:
        count = saved.save(log, name, saved.read(file))
    if as_json:
        print_json({"run": str(run), "queue": name, "examples": count})
    else:
        click.echo(f"{count:,} examples wait in the queue {name}: python -m curate review {run}")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Look at the first records only; do not read the whole file to count them.")
@json_option
def sources(files: tuple[Path, ...], quick: bool, as_json: bool) -> None:
    """Say what form each file (or each file of a folder) is in, how many records it has, and how many of the first fit.

    \b
    python -m curate sources dumps/cooking.stackexchange.com.7z alpaca.json
    """
    from curate.sources import count, sniff

    found: list[dict[str, Any]] = []
    inside = [path for file in files for path in (sorted(file.rglob("*")) if file.is_dir() else [file])]
    for file in (path for path in inside if not path.is_dir()):
        try:
            what = sniff(file)
            found.append({"file": str(file), **what._asdict(), "records": None if quick else count(file, what.kind)})
        except InputError as error:
            found.append({"file": str(file), "error": str(error)})
    if as_json:
        print_json(found)
    for row in found if not as_json else []:
        if "error" in row:
            click.secho(row["error"], fg="red", err=True)
        else:
            total = "" if row["records"] is None else f" {row['records']:,} records;"
            looked = f" {row['covered']:,} of the first {row['rows']:,} fit." if row["rows"] else " it is empty."
            click.echo(f"{row['file']}\n  {row['kind']}, {row['form']}:{total}{looked} {row['detail']}".rstrip())
    if any("error" in row for row in found):
        click.get_current_context().exit(InputError.exit_code)


def _show_plan(settings: Any, run: Path, limit: int | None, as_json: bool) -> None:  # noqa: ANN401 - Recipe, imported lazily
    from curate.build import plan

    work, steps = plan(settings, run, limit)
    files: list[dict[str, Any]] = [
        {"source": task.source, "file": str(file), "bytes": file.stat().st_size} for task in work for file in task.files
    ]
    stages = [{"stage": step.folder.name, "will": "be reused" if step.done else "run"} for step in steps]
    if as_json:
        print_json({"run": str(run), "files": files, "stages": stages})
        return
    click.echo(f"run folder  {run}")
    for file in files:
        click.echo(f"read        {file['source']}: {file['file']} ({file['bytes'] / 1e6:,.1f} MB)")
    for stage in stages:
        click.echo(f"stage       {stage['stage']} will {stage['will']}")


def _show_summary(summary: dict[str, Any]) -> None:
    width = max(len(row["rule"]) for row in [*summary["rules"], {"rule": "dropped by"}])
    for row in summary["funnel"]:
        click.echo(f"{row['stage']:<14} {row['into']:>11,} in {row['dropped']:>11,} dropped {row['left']:>11,} left")
    click.echo("")
    for row in sorted(summary["rules"], key=lambda row: -row["dropped"]):
        share = "" if row["trusted_share"] is None else f"   {row['trusted_share']:.1%} of the trusted set"
        click.echo(f"{row['rule']:<{width}} {row['dropped']:>11,} dropped, {row['alone']:,} by it alone{share}")
    if leaks := summary["contamination"]:
        click.echo(
            f"\n{leaks['gray']:,} gray pairs with test items, {leaks['decided']:,} decided: see contamination.jsonl"
        )
        for row in leaks["stale"]:
            click.secho(f"stale decision on {row['item']}: {row['reason']} ({row['content']})", fg="yellow", err=True)
    if summary["review"]:
        _show_review(summary["review"])
    click.echo(f"\n{summary['inputs']:,} inputs = {summary['kept']:,} kept + {summary['dropped']:,} dropped")


def _show_waiting_decisions(run: Path, review: dict[str, Any]) -> None:
    """One line on how to replay what was decided in the app, if anything was and this build did not replay it."""
    found = review["by_hand"]
    decided = sum(found[kind] for kind in ("keep", "reject", "edit")) if found and not review["replayed"] else 0
    if decided:
        file = run / "decisions.jsonl"
        click.echo(
            f"review   {_count(decided, 'decision')} taken in the app and no part of this build: write them with `python -m curate review {run}"
            f" --export {file}` and build again with -s review.decisions={file}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _show_review(found: dict[str, Any]) -> None:
    if found["unreadable"]:
        click.secho(found["unreadable"], fg="yellow", err=True)
    review = found["replayed"]
    if not review:
        return
    kept, rejected, edited = (review[name] for name in ("kept", "rejected", "edited"))
    click.echo(
        f"\n{_count(review['decisions'], 'decision')} in {review['file']}: {_count(kept, 'example')} kept by reviewers,"
        f" {rejected:,} rejected, {edited:,} edited"
    )
    for row in review["overridden"]:
        click.echo(f"{row['examples']:,} kept by reviewers although {row['rule']}")
    for row in review["not_kept"]:
        click.secho(f"{row['examples']:,} kept by reviewers and dropped all the same: {row['rule']}", fg="yellow")
    if review["absent"]:
        click.echo(f"{_count(review['absent'], 'decision')} on texts and examples that are not in this corpus")
    for row in review["stale"][: questions.SHOWN]:
        told = f"stale {row['decision']} of {row['time'][:10]} on {row['key']} ({row['example']})"
        click.secho(f"{told}: its text is another now, so it does not hold", fg="yellow", err=True)
    if (more := len(review["stale"]) - questions.SHOWN) > 0:
        click.secho(f"… and {more:,} more stale decisions: manifest.json lists them", fg="yellow", err=True)


for query in (questions.report, questions.explain, questions.diff, questions.whatif, questions.history, questions.push):
    cli.add_command(query)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return run(cli, "python -m curate", arguments)


if __name__ == "__main__":
    sys.exit(main())
