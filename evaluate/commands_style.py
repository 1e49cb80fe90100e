"""The command on how answers are worded and what a model learned by heart: `style`."""

from pathlib import Path

import click

from curate.cli import json_option, print_json

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("answers", nargs=-1, required=True, type=FILE, metavar="ANSWERS…")
@click.option("--first", type=click.IntRange(4), help="Words that repetition looks at.  [default: 150, 100 or 50]")
@click.option("--trained", multiple=True, type=FILE, help="Answers to prompts of the training set. Repeatable.")
@click.option("--data", type=FILE, help="The training set (dataset.jsonl), whose answers --trained is held against.")
@click.option("--seen", type=FILE, metavar="PPL", help="File of perplexity --out: documents of the training set.")
@click.option("--unseen", type=FILE, metavar="PPL", help="File of perplexity --out: other documents.")
@click.option("--out", type=FILE, metavar="DIR", help="Folder for style.html and style.json.")
@json_option
def style(
    answers: tuple[Path, ...],
    first: int | None,
    trained: tuple[Path, ...],
    data: Path | None,
    seen: Path | None,
    unseen: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare how models word their answers: length, repetition, diversity; and how much they learned by heart.

    The first model is the one that the others are compared with, prompt by prompt.

    \b
    python -m evaluate style plain.jsonl neftune.jsonl --out style
    python -m evaluate style plain.jsonl neftune.jsonl --trained plain-train.jsonl --trained neftune-train.jsonl \\
        --data runs/sample/dataset.jsonl --seen seen.jsonl --unseen held-out.jsonl --out style
    """
    from curate import runs

    from . import style as styles
    from .board import wording_page

    if bool(trained) != (data is not None):
        raise click.UsageError(
            "--trained and --data belong together: answers to training prompts, and the training set"
        )
    found = styles.style(answers, first=first, trained=trained, data=data, seen=seen, unseen=unseen)
    if out is not None:
        with runs.clear_write_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            runs.write_json(out / "style.json", found)
            runs.write_text(out / "style.html", wording_page.render(found))
    if as_json:
        print_json(found)
        return
    parts = [(found, "wording", "models")]
    parts += [(found[part], "summary", "models") for part in ("memorised", "loss") if found[part]]
    for part, rows, models in parts:
        measures = list(dict.fromkeys(row["measure"] for row in part[rows]))
        for name, *cells in [["", *part[models]], *wording_page.figures(part[rows], measures, part[models])]:
            click.echo(f"{name:<28} " + "  ".join(f"{cell:<26}" for cell in cells).rstrip())
        for row in wording_page.gaps(part.get("differences", [])):
            click.echo("  ".join(row))
        click.echo("")
    if out is not None:
        click.echo(f"page  {out / 'style.html'}")
