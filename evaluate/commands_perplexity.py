"""The commands on how well models predict: `perplexity`, and `correlate`, which holds it against what judges say."""

from pathlib import Path
from typing import Any

import click

from curate.bar import Bar
from curate.cli import json_option, print_json

FILE = click.Path(path_type=Path)
# `predicted.FIGURES` and `predicted.VIEWS`, which help must not load.
FIGURES = ("bits_per_byte", "byte_perplexity", "word_perplexity", "token_perplexity")
VIEWS = ("answers", "whole")


@click.command()
@click.option("--model", "bases", multiple=True, metavar="[NAME=]BASE", help="Folder or Hub name. Repeatable.")
@click.option("--adapter", "adapters", multiple=True, metavar="[NAME=]DIR", help="A peft adapter. Repeatable.")
@click.option("--run", "runs", multiple=True, type=FILE, metavar="DIR", help="Every epoch of a run of train.")
@click.option("--with-base", is_flag=True, help="With --adapter or --run: the base by itself as well.")
@click.option("--data", required=True, multiple=True, type=FILE, help="Conversations, texts, run folder. Repeatable.")
@click.option(
    "--template", metavar="NAME", help="alpaca, chatml, lima, a Jinja file, or none; else the tokenizer's own."
)
@click.option("--window", type=click.IntRange(2), help="Tokens that a model sees at once; else all it was built for.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="auto: float32 on a CPU, bfloat16 on a GPU.",
)
@click.option("--rank", "by", type=click.Choice(FIGURES), default="bits_per_byte", show_default=True, help="Order by.")
@click.option("--view", type=click.Choice(VIEWS), help="Rank by the answers or the whole text; else answers, if any.")
@click.option("--rounds", type=click.IntRange(0), default=1000, show_default=True, help="Rounds of the bootstrap.")
@click.option("--out", type=FILE, help="File of documents (JSONL), a row each; gone on with where it exists.")
@json_option
@click.pass_context
def perplexity(
    context: click.Context,
    bases: tuple[str, ...],
    adapters: tuple[str, ...],
    runs: tuple[Path, ...],
    with_base: bool,
    data: tuple[Path, ...],
    template: str | None,
    window: int | None,
    precision: Any,  # noqa: ANN401 - one of four words, as click checks
    by: str,
    view: str | None,
    rounds: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say how well models predict documents: perplexity per token, word and byte, and bits per byte.

    DATA is a file of conversations (messages, ShareGPT, Alpaca's and LIMA's fields) or of rows with a text, a .txt, or the
    folder of a curate run. Answers and the whole text are two views of a conversation.

    \b
    python -m evaluate perplexity --model models/base --data runs/lima
    python -m evaluate perplexity --run runs/mine --with-base --data held-out.jsonl --out ppl.jsonl
    python -m evaluate perplexity --model a=models/a --model b=models/b --data book.txt --json
    """
    from . import documents, reader, subjects
    from . import perplexity as measuring
    from .board import predicted as board
    from .statistics import predicted

    chosen = subjects.subjects(bases, adapters, runs, with_base=with_base)
    given = documents.read(data)
    settings = reader.Settings(template, window, precision)
    with Bar() as bar:
        rows = measuring.measure(given, chosen, settings, out, bar)
    found = predicted.report(rows, by, view, rounds)
    if as_json:
        print_json({**found, "rows": rows})
    else:
        click.echo(board.to_text(found))
        if out is not None:
            click.echo(f"\ndocuments  {out}")
    if found["not_finite"]:
        context.exit(1)


@click.command()
@click.argument("source", required=False, type=FILE, metavar="[RUN|TABLE]")
@click.option("--records", multiple=True, type=FILE, metavar="FILE", help="Judgements, and answers. Repeatable.")
@click.option("--perplexity", "rows", multiple=True, type=FILE, metavar="FILE", help="The --out of perplexity.")
@click.option(
    "--against", type=click.Choice(["bits_per_byte", "token_perplexity"]), help="Of one tokenizer: token_perplexity."
)
@click.option("--view", type=click.Choice(VIEWS), help="Perplexity of answers or of the whole text; else answers.")
@click.option("--rounds", type=click.IntRange(100), default=2000, show_default=True, help="Rounds of the bootstrap.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the bootstrap.")
@click.option("--out", type=FILE, metavar="DIR", help="Folder for a page, its pictures (SVG) and the figures (JSON).")
@json_option
def correlate(
    source: Path | None,
    records: tuple[Path, ...],
    rows: tuple[Path, ...],
    against: str | None,
    view: str | None,
    rounds: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say whether perplexity tells judged quality, over checkpoints or models, and what choosing by it costs.

    A run of train with the judgements of its epochs, judgements and perplexities of any models, or a table (CSV, JSONL) with
    model, quality, and bits_per_byte or perplexity; step, length and tokenizer where they are known.

    \b
    python -m evaluate correlate runs/mine --records judged.jsonl --perplexity ppl.jsonl --out boards/mine
    python -m evaluate correlate --records judged.jsonl --perplexity ppl.jsonl
    python -m evaluate correlate models.csv
    """
    from . import correlation, correlation_table
    from .board import correlated, correlated_page

    if records:
        run = source
        given = correlation.of_files(records, rows, run, against=against or "bits_per_byte", view=view)
    elif source is None or source.is_dir():
        raise click.UsageError("--records is missing: the judgements of these models; or give one table")
    elif rows:
        raise click.UsageError("--perplexity goes with --records; a table holds its own")
    else:
        given = correlation_table.of_table(source, against)
    found = correlation.report(given, rounds, seed)
    written = {} if out is None else correlated_page.write(found, out, "Perplexity and quality")
    if as_json:
        print_json(found)
        return
    click.echo(correlated.to_text(found))
    if written:
        click.echo("\n" + "\n".join(f"{name:<17} {path}" for name, path in written.items()))
