"""The commands that read judgements and answer from them alone: `leaderboard` and `agreement`."""

from pathlib import Path

import click

from curate.cli import json_option, print_json

FILE = click.Path(path_type=Path)
# `formats.FAMILIES`, which help must not load.
FAMILIES = ("auto", "alpaca_eval", "fastchat", "arena", "records")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option(
    "--format", "family", type=click.Choice(FAMILIES), default="auto", show_default=True, help="Whose files they are."
)
@click.option(
    "--compat",
    type=click.Choice(["alpaca_eval"]),
    help="Length control as AlpacaEval publishes it; needs --anchors and --difficulty.",
)
@click.option("--anchors", type=FILE, metavar="CSV", help="Rows of known models that hold the length control's fit.")
@click.option("--difficulty", type=FILE, metavar="CSV", help="How hard each instruction is, for length control.")
@click.option("--baseline", metavar="MODEL", help="Win rates are against it; else against the model in every pair.")
@click.option("--judge", "judges", multiple=True, metavar="NAME", help="Count only this judge. Repeatable.")
@click.option("--rounds", type=click.IntRange(0), default=200, show_default=True, help="Rounds of each bootstrap.")
@click.option(
    "--pairs", "limit", type=click.IntRange(0), default=200, show_default=True, help="Pairs of answers in the page."
)
@click.option("--correlation", type=FILE, metavar="JSON", help="The correlation.json of correlate, as a panel.")
@click.option("--title", default="Leaderboard", show_default=True, help="Title of the page.")
@click.option("--out", required=True, type=FILE, metavar="DIR", help="Folder for the page and the tables.")
@json_option
def leaderboard(
    files: tuple[Path, ...],
    family: str,
    compat: str | None,
    anchors: Path | None,
    difficulty: Path | None,
    baseline: str | None,
    judges: tuple[str, ...],
    rounds: int,
    limit: int,
    correlation: Path | None,
    title: str,
    out: Path,
    as_json: bool,
) -> None:
    """Make a board of judgements: a page to read, and the same figures as CSV, Markdown and JSON.

    Files may be judgements of any form, and the answers and prompts that belong to them.

    \b
    python -m evaluate leaderboard judged.jsonl --out boards/mine
    python -m evaluate leaderboard results/*/annotations.json --out boards/alpaca_eval \\
        --compat alpaca_eval --anchors anchors.csv --difficulty difficulty.csv
    """
    from . import formats
    from .board import correlated, tables, writing
    from .board.leaderboard import Options, board
    from .statistics import length_control

    loaded = formats.load(files, family)
    options = Options(
        title=title,
        baseline=baseline,
        judges=judges,
        difficulty=None if difficulty is None else length_control.read_difficulty(difficulty),
        anchors=None if anchors is None else length_control.read_anchors(anchors),
        compat=compat is not None,
        rounds=rounds,
    )
    found = board(loaded, options)
    if correlation is not None:
        found["correlation"] = correlated.read(correlation)
    written = writing.write(found, loaded.judgements, out, limit)
    if as_json:
        print_json(tables.finite(found))
        return
    click.echo(tables.to_text(found))
    click.echo("\n" + "\n".join(f"{kind:<9} {path}" for kind, path in written.items()))


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option("--items", metavar="COL", help="Column that says what was labelled.")
@click.option("--labels", metavar="COL,COL…", help="Columns of labels, one a judge or person.")
@click.option("--people", metavar="COL,COL…", help="Those of them that are people: who each judge is held against.")
@click.option("--tie", metavar="LABEL", help="The label that says neither; else tie, draw or neither, where it occurs.")
@click.option("--rounds", type=click.IntRange(0), default=1000, show_default=True, help="Rounds of the bootstrap.")
@json_option
def agreement(
    files: tuple[Path, ...],
    items: str | None,
    labels: str | None,
    people: str | None,
    tie: str | None,
    rounds: int,
    as_json: bool,
) -> None:
    """Say how far judges and people agree. FILE is a table (CSV, JSONL, Parquet); or files of judgements, of all their judges.

    \b
    python -m evaluate agreement labels.csv --items question --labels gpt4,anna,ben --people anna,ben
    python -m evaluate agreement judged.jsonl blind.judgements/*.jsonl
    """
    from . import formats
    from . import labels as table
    from .board import tables
    from .statistics import agreement as measure

    if (items is None) != (labels is None):
        raise click.UsageError("--items and --labels belong together: the column of items, the columns of labels")
    if items is not None and len(files) > 1:
        raise click.UsageError("--items and --labels are of one table; several files must be judgements")
    if items is None or labels is None:
        frame = measure.by_judge(formats.read(files))
        keys, items = ("prompt_id", "model_a", "model_b", "sample", "turn"), "prompt_id"
        names = [name for name in frame.columns if name not in keys]
    else:
        names = _names(labels)
        frame = table.read(files[0], items, names)
    chosen = None if people is None else _names(people)
    is_numeric = frame[names[0]].dtype.is_numeric() if names else False
    neither = None if tie is None else float(tie) if is_numeric else tie
    found = measure.agreement(frame, items, names, people=chosen, tie=neither, rounds=rounds)
    print_json(found) if as_json else click.echo(tables.agreement_to_text(found))


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]
