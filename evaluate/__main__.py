"""`python -m evaluate`: each command is one public function and the way its answer is shown."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from curate.bar import Bar
from curate.cli import CONTEXT, Suggesting, json_option, print_json, settings_option
from curate.cli import run as run_cli

from .commands import agreement, leaderboard
from .commands_benchmark import benchmark
from .commands_loop import ablations, loop
from .commands_people import blind, reveal
from .commands_perplexity import correlate, perplexity
from .commands_style import style

FILE = click.Path(path_type=Path)


@click.group(cls=Suggesting, context_settings=CONTEXT)
@click.version_option(package_name="lapidary")
def cli() -> None:
    """Answer prompts with a model, have answers judged, and say how sure one may be of what follows.

    \b
    python -m evaluate answer --model models/base --prompts prompts.jsonl --out base.jsonl
    python -m evaluate judge --answers base.jsonl tuned.jsonl --judge api -s model=gpt-4o --out judged.jsonl --dry-run
    """


@cli.command()
@click.option("--model", metavar="BASE", help="Folder or Hub name; with --api the endpoint's name of the model.")
@click.option("--adapter", type=FILE, metavar="DIR", help="A peft adapter on the base, such as an epoch of train.")
@click.option("--api", "url", metavar="URL", help="Address of an OpenAI-compatible endpoint, up to and with /v1.")
@click.option("--prompts", required=True, type=FILE, help="Prompt set: LIMA, AlpacaEval, FastChat, or any JSONL.")
@click.option("--out", required=True, type=FILE, help="File of answers (JSONL); gone on with where it exists.")
@click.option("--decoding", default="lima", show_default=True, metavar="NAME", help="lima, neftune, or a YAML file.")
@click.option("--samples", type=click.IntRange(1), help="Answers to each prompt.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the run.")
@click.option("--batch", type=click.IntRange(1), help="Prompts at a time of a local model.")
@click.option("--limit", type=click.IntRange(1), help="Answer the first so many prompts.")
@click.option("--name", help="What the model is called in the answers; else its folder's or endpoint's name.")
@settings_option
@json_option
@click.pass_context
def answer(
    context: click.Context,
    model: str | None,
    adapter: Path | None,
    url: str | None,
    prompts: Path,
    out: Path,
    decoding: str,
    samples: int | None,
    seed: int | None,
    batch: int | None,
    limit: int | None,
    name: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Answer a prompt set. After an interruption, run the same command again: what is in the file is not answered twice.

    \b
    python -m evaluate answer --model models/base --adapter runs/mine/epoch-03 --prompts lima_test.jsonl --out mine.jsonl
    python -m evaluate answer --api http://localhost:8000/v1 --model mine --prompts alpaca_eval.json --out mine.jsonl \\
        -s endpoint.key_env=null --decoding neftune
    """
    from . import answer as answering
    from . import prompts as prompt_sets

    model = _model(model, adapter, url)
    given = {"samples": samples, "seed": seed, "batch": batch}
    sets = [f"{key}={value}" for key, value in given.items() if value is not None]
    if url is not None:
        sets += [f"endpoint.base_url={json.dumps(url)}", f"endpoint.model={json.dumps(model)}"]
    settings = answering.load(decoding, [*sets, *overrides])
    with Bar() as bar:
        found = answering.answer(
            prompt_sets.read(prompts, limit), model, settings, out, adapter=adapter, name=name, watch=bar
        )
    if as_json:
        print_json(found)
    else:
        _show(found, f"{found['answers']:,} answers of {found['generator']} to {found['prompts']:,} prompts in {out}")
    if found["left"]:
        context.exit(1)


def _model(model: str | None, adapter: Path | None, url: str | None) -> str:
    """The base: as given, else the one that the adapter was trained on."""
    if adapter is not None and url is not None:
        raise click.UsageError("--adapter is for local models, --api for an endpoint: give one of them")
    if adapter is not None and not (adapter / "adapter_config.json").is_file():
        raise click.UsageError(
            f"--adapter {adapter}: no adapter_config.json there; a merged or full model is a --model"
        )
    if model is None and adapter is not None:
        model = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if model is None:
        raise click.UsageError("--model is missing: a folder, a Hub name, or with --api the endpoint's name of it")
    return model


@cli.command()
@click.option("--answers", required=True, multiple=True, metavar="FILE [FILE…]", help="Answers; FILE or NAME=FILE.")
@click.argument("more", nargs=-1, metavar="")
@click.option(
    "--judge",
    "name",
    required=True,
    metavar="NAME",
    help="api, local, reward, similarity, random, first, longer; or a YAML file.",
)
@click.option("--out", required=True, type=FILE, help="File of judgements (JSONL); gone on with where it exists.")
@click.option("--prompts", type=FILE, help="The questions: for reference answers, or answers without their prompts.")
@click.option(
    "--template",
    metavar="NAME",
    help="The judge's question: pairwise, lima, helpfulness, choice, mt_bench_…; or a file.",
)
@click.option("--single", is_flag=True, help="Score each answer by itself (reward, similarity).")
@click.option("--baseline", metavar="MODEL", help="Compare all others with this one; else each two.")
@click.option(
    "--order",
    type=click.Choice(["both", "alpaca_eval", "fixed"]),
    default="both",
    show_default=True,
    help="Which answer is shown first.",
)
@click.option("--samples", type=click.IntRange(1, 999), default=1, show_default=True, help="Times each is asked.")
@click.option("--prices", type=FILE, help="Price file (YAML): models: {NAME: {input, output}} for a million tokens.")
@click.option(
    "--budget", type=click.FloatRange(min=0), help="Stop before more than this is spent, over all runs of --out."
)
@click.option("--rerun", type=click.Choice(["failed"]), help="Make the failed judgements again.")
@click.option("--dry-run", is_flag=True, help="Calls, tokens, price and time; asks nobody, writes nothing.")
@settings_option
@json_option
@click.pass_context
def judge(
    context: click.Context,
    answers: tuple[str, ...],
    more: tuple[str, ...],
    name: str,
    out: Path,
    prompts: Path | None,
    template: str | None,
    single: bool,
    baseline: str | None,
    order: Any,  # noqa: ANN401 - one of three words, as click checks
    samples: int,
    prices: Path | None,
    budget: float | None,
    rerun: str | None,
    dry_run: bool,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Have answers judged, each pair in both orders. Every judgement is in the file when it is made; run again to go on.

    \b
    python -m evaluate judge --answers base.jsonl tuned.jsonl --judge api -s model=gpt-4o-mini --out judged.jsonl \\
        --prices prices.yaml --budget 5
    python -m evaluate judge --answers base.jsonl tuned.jsonl --judge longer --out control.jsonl
    """
    from . import judging, plan, spending
    from .judges import catalogue

    who = catalogue.load(name, overrides, template, single=single)
    given = plan.read([*answers, *more], prompts)
    planned = (
        plan.pairs(given, order, samples, baseline, shown=who.has_order)
        if who.is_pair
        else plan.singles(given, samples)
    )
    catalogue.check(planned.items, who, samples)
    purse = spending.Purse(spending.load(prices, who.model) if who.asks else None, budget if who.asks else None)
    if dry_run:
        rows = judging.made(out)
        work = judging.todo(planned, who, rows, rerun=rerun is not None, where=out)
        found = judging.estimate(planned, who, rows, work, purse)
        print_json(found) if as_json else _show(found, f"would judge with {who.name}; nobody has been asked")
        return
    with Bar() as bar:
        found = judging.judge(planned, who, out, purse, rerun=rerun is not None, watch=bar)
    if as_json:
        print_json(found)
    else:
        _show(found, f"{found['made']:,} of {found['judgements']:,} judgements by {who.name} in {out}")
    if found["stopped"]:
        context.exit(1)


def _show(found: dict[str, Any], head: str) -> None:
    """What a command found, a line a figure; notes last."""
    click.echo(head)
    for key, value in found.items():
        if value in (None, [], {}) or key == "notes":
            continue
        shown = ", ".join(f"{name} {count:,}" for name, count in value.items()) if isinstance(value, dict) else value
        click.echo(f"  {key.replace('_', ' '):<20} {f'{shown:,.6g}' if isinstance(shown, float) else shown}")
    for note in found["notes"]:
        click.echo(f"  note: {note}")


cli.add_command(leaderboard)
cli.add_command(agreement)
cli.add_command(blind)
cli.add_command(reveal)
cli.add_command(perplexity)
cli.add_command(correlate)
cli.add_command(style)
cli.add_command(loop)
cli.add_command(ablations)
cli.add_command(benchmark)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    return run_cli(cli, "python -m evaluate", arguments)


if __name__ == "__main__":
    sys.exit(main())
