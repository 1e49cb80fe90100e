"""`python -m train`: each command is one public function and the way its answer is shown."""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from curate.cli import CONTEXT, F, Suggesting, json_option, print_json, settings_option
from curate.cli import run as run_cli

PRESET_HELP = "NAME is a shipped preset (python -m train presets) or a YAML file of your own."


@click.group(cls=Suggesting, context_settings=CONTEXT)
@click.version_option(package_name="lapidary")
def cli() -> None:
    """Fine-tune a causal language model on a curated set, by a paper's recipe, and say what was done.

    \b
    python -m train presets                                       the recipes
    python -m train inspect runs/sample --base toy                what is trained, token by token?
    python -m train run --data runs/sample --base toy --out runs/first-model
    python -m train merge runs/first-model --out models/mine      one folder that anything can load
    """


def data_options(*, required: bool) -> Callable[[F], F]:
    """`--base`, `--preset`, `-s`."""

    def add(command: F) -> F:
        preset = click.option("--preset", default="lima-lora", show_default=True, metavar="NAME", help="The recipe.")
        base = click.option(
            "--base", required=required, metavar="PATH_OR_NAME", help="Folder or Hub name of the model, or toy."
        )
        return base(preset(settings_option(command)))

    return add


def _settings(preset: str, data: Sequence[Path], base: str | None, overrides: Sequence[str]) -> Any:  # noqa: ANN401 - Settings, imported lazily
    from train import settings

    given = [f"data={json.dumps([{'path': str(path)} for path in data])}"] if data else []
    given += [f"base={json.dumps(base)}"] if base else []
    return settings.load(preset, [*given, *overrides])


@cli.command(epilog=PRESET_HELP)
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="Chat set or run folder. Repeatable.")
@data_options(required=False)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the run folder.")
@click.option("--dry-run", is_flag=True, help="Parameters, memory, steps and time; loads no weights, writes nothing.")
@json_option
def run(
    data: tuple[Path, ...],
    base: str | None,
    preset: str,
    overrides: tuple[str, ...],
    out: Path,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fine-tune. After an interruption, run the same command with --resume: the result is the same, bit for bit.

    \b
    python -m train run --data runs/sample --base toy --out runs/first-model
    python -m train run --data runs/lima --base meta-llama/Llama-2-7b-hf --preset lima --out runs/lima-7b --dry-run
    python -m train run --data mine.jsonl --base models/base --preset neftune -s neftune_alpha=10 --out runs/mine
    """
    settings = _settings(preset, data, base, overrides)
    if dry_run:
        from train import estimate

        found = estimate.estimate(settings)
        print_json(found) if as_json else click.echo(estimate.table(found))
        return
    from train.run import run as train

    summary = train(settings, out, resume=resume)
    if not summary:
        return  # one of several processes, and not the first
    if as_json:
        print_json({"run": str(out), **summary})
        return
    measured = "" if summary["perplexity"] is None else f", held-out perplexity {summary['perplexity']:.4f}"
    click.echo(
        f"\nlast epoch  {out}/epoch-{summary['epoch']:02d}: training loss {summary['loss']:.4f}{measured}; reloaded, its logits differ"
        f" by {summary['reload_difference']:g}\nlog         {out / 'log.jsonl'}\ncard        {out / 'card.md'}"
    )


@cli.command(epilog=PRESET_HELP)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_options(required=True)
@click.option("--limit", type=click.IntRange(0), default=3, show_default=True, help="Examples to print.")
@json_option
def inspect(
    data: tuple[Path, ...], base: str, preset: str, overrides: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """Print examples as the model sees them, trained tokens coloured; lengths, truncation, share of trained tokens.

    \b
    python -m train inspect runs/sample --base toy
    python -m train inspect alpaca.json --base models/base -s template=alpaca --limit 10
    """
    from train import inspect as look

    found = look.inspect(_settings(preset, data, base, overrides), limit)
    print_json(found) if as_json else click.echo(look.page(found))


@cli.command()
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--records",
    required=True,
    type=click.Path(path_type=Path),
    help="Judgements (python -m evaluate judge) of the epochs.",
)
@click.option(
    "--window", nargs=2, type=click.IntRange(1), metavar="FIRST LAST", help="Epochs that may win; LIMA: 5 10."
)
@json_option
def select(run_folder: Path, records: Path, window: tuple[int, int] | None, as_json: bool) -> None:
    """Take the epoch that the judge prefers, with its interval, beside the one that perplexity would take.

    \b
    python -m train select runs/mine --records judged.jsonl --window 5 10
    """
    from train import choose

    found = choose.select(run_folder, records, window)
    print_json(found) if as_json else click.echo(choose.table(found))


@cli.command()
@click.argument("run_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the merged model.")
@click.option(
    "--dequantized",
    is_flag=True,
    help="Onto the base as the run saw it, dequantised; by default onto the full-precision base.",
)
@json_option
def merge(run_folder: Path, out: Path, dequantized: bool, as_json: bool) -> None:
    """Merge an adapter (an epoch's folder; of a run's folder the best or last epoch) into its full-precision base.

    \b
    python -m train merge runs/mine/epoch-07 --out models/mine
    """
    from train import export

    found = export.merge(run_folder, out, dequantized=dequantized)
    print_json(found) if as_json else click.echo(f"merged   {out}\nchecked  {found['check']}")


@cli.command()
@click.argument("name", required=False)
@json_option
def presets(name: str | None, as_json: bool) -> None:
    """List the shipped recipes, or print one with the source of each line.

    \b
    python -m train presets
    python -m train presets lima
    """
    from curate.errors import ConfigError, did_you_mean
    from train import settings

    shipped = settings.presets()
    if name is None:
        heads = {
            known: path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for known, path in shipped.items()
        }
        print_json(heads) if as_json else click.echo("\n".join(f"{known:<14} {head}" for known, head in heads.items()))
    elif name not in shipped:
        raise ConfigError(f"{name}: no such preset. {did_you_mean(name, shipped)}")
    elif as_json:
        print_json(settings.load(name, ["base=toy", "data=[{path: .}]"]).model_dump(mode="json"))
    else:
        click.echo(shipped[name].read_text(encoding="utf-8"), nl=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    # Where it is installed, peft loads it, and it says on every start that a kernel which nothing here asks for is missing.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    return run_cli(cli, "python -m train", arguments)


if __name__ == "__main__":
    sys.exit(main())
