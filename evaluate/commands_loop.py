"""The command of the loop."""

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
    click.echo(f"page       {page}\nnext       {out / 'next.jsonl'}\nbest       {out / 'train' / 'best'}")
