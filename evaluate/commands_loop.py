"""The commands that run the others: the loop, and LIMA's ablations as one experiment."""

from pathlib import Path

import click

from curate.cli import json_option, print_json, settings_option

FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--config",
    "path",
    type=FILE,
    metavar="YAML",
    help="What to build, train and judge.  [default: evaluate/loop/sample.yaml]",
)
@click.option(
    "--out", required=True, type=FILE, metavar="DIR", help="Folder of the loop; gone on with where it exists."
)
@settings_option
@json_option
def loop(path: Path | None, out: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Build a set, train on it, judge every epoch, take the best, and trace wins and losses back to the data.

    Each step is a command that can be run by hand. After an interruption, run the same command again.

    \b
    python -m evaluate loop --out loops/first                     the sample on a toy model, in a few minutes
    python -m evaluate loop --config loop.yaml --out loops/lima
    python -m evaluate loop --out loops/judged -s judge.name=api -s judge.single=false -s judge.against=reference
    """
    from curate import config

    from .loop import steps
    from .loop.settings import Settings

    settings = config.load(path or Path(__file__).parent / "loop" / "sample.yaml", Settings, overrides)
    page = steps.loop(settings, out)
    if as_json:
        print_json({"page": str(page), "out": str(out)})
        return
    click.echo(
        f"page       {page}\nnext       python -m curate review {out / 'build'}, queue next\nbest       {out / 'train' / 'best'}"
    )


@click.command()
@click.option(
    "--config", "path", type=FILE, metavar="YAML", help="As of the loop.  [default: evaluate/loop/sample.yaml]"
)
@click.option(
    "--out", required=True, type=FILE, metavar="DIR", help="Folder; a loop's of the same settings is gone on with."
)
@click.option(
    "--by",
    "by",
    multiple=True,
    type=click.Choice(["quality", "diversity", "quantity"]),
    help="Which. Repeatable.  [default: all]",
)
@click.option(
    "--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True, help="Seed of training. Repeatable."
)
@settings_option
@json_option
def ablations(
    path: Path | None, out: Path, by: tuple[str, ...], seeds: tuple[int, ...], overrides: tuple[str, ...], as_json: bool
) -> None:
    """Train on sets that differ in quality, diversity or quantity alone, judge all on the same prompts; one table.

    \b
    python -m evaluate ablations --out loops/first --by quantity
    python -m evaluate ablations --config loop.yaml --out loops/lima --seed 1 --seed 2 --seed 3
    """
    from curate import config

    from .loop import ablations as experiment
    from .loop.settings import Settings

    settings = config.load(path or Path(__file__).parent / "loop" / "sample.yaml", Settings, overrides)
    found = experiment.ablations(settings, out, by or experiment.ABLATIONS, seeds)
    if as_json:
        print_json(found)
        return
    for row in found["sets"]:
        told = f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]  {row['difference']:+.4f}"
        click.echo(f"{row['by']:<10} {row['set']:<16} {row['examples']:>7,} examples  {told}")
    click.echo(f"page       {out / 'ablations.html'}")
