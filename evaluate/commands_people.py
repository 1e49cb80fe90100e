"""The commands around people's judging, which itself happens in the app: `blind` before it, `reveal` after it."""

import random
import shlex
from pathlib import Path

import click

from curate.cli import json_option, print_json

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--answers", required=True, multiple=True, metavar="FILE [FILE…]", help="Answers; FILE or NAME=FILE.")
@click.argument("more", nargs=-1, metavar="")
@click.option("--out", required=True, type=FILE, metavar="DIR", help="Folder for the plan: what people are given.")
@click.option("--key", type=FILE, help="File for the names of the models; else DIR.key.json, beside the plan.")
@click.option("--prompts", type=FILE, help="The questions, for answers without their prompts.")
@click.option("--baseline", metavar="MODEL", help="Compare all others with this one; else each two.")
@click.option("--limit", type=click.IntRange(1), help="Of the prompts only so many, drawn at random.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of that draw.")
@click.option("--title", default="", help="What people see the plan called; else its number. Name no model.")
@json_option
def blind(
    answers: tuple[str, ...],
    more: tuple[str, ...],
    out: Path,
    key: Path | None,
    prompts: Path | None,
    baseline: str | None,
    limit: int | None,
    seed: int,
    title: str,
    as_json: bool,
) -> None:
    """Prepare answers for people to judge blind, on the app's page Pairwise. Nothing in DIR names a model or a file.

    \b
    python -m evaluate blind --answers base.jsonl tuned.jsonl --out answers/blind
    python -m evaluate blind --answers ours=mine.jsonl gpt4.json --out answers/blind --limit 50 --key ~/blind.key.json
    """
    from . import blinding, plan

    sources = [*answers, *more]
    given = plan.read(sources, prompts)
    planned = plan.pairs(given, "fixed", 1, baseline)
    if limit is not None:
        known = sorted({item.key[0] for item in planned.items})
        drawn = set(random.Random(seed).sample(known, min(limit, len(known))))
        planned = planned._replace(items=[item for item in planned.items if item.key[0] in drawn])
    key = key or blinding.key_of(out)
    found = blinding.write(planned, sources, out, key, title)
    if as_json:
        print_json({**found, "out": str(out), "key": str(key)})
        return
    click.echo(f"plan {found['plan']}: {found['pairs']:,} pairs of {found['models']} models in {out}")
    click.echo(f"  names   {key}")
    click.echo(f"  judge   LAPIDARY_ANSWERS={shlex.quote(str(out))} streamlit run app.py, page Pairwise")
    for note in found["notes"]:
        click.echo(f"  note: {note}")


@click.command()
@click.argument("folder", type=FILE, metavar="DIR")
@click.option("--key", type=FILE, help="The key that blind wrote; else DIR.key.json.")
@click.option("--out", type=FILE, metavar="DIR", help="Folder for the judgements; else DIR.judgements.")
@json_option
def reveal(folder: Path, key: Path | None, out: Path | None, as_json: bool) -> None:
    """Write what people voted so far, in the plan DIR, as judgements under the models' names: one file a person.

    It ends nobody's judging; who has seen the result is no longer blind.

    \b
    python -m evaluate reveal answers/blind
    python -m evaluate leaderboard answers/blind.judgements/*.jsonl judged.jsonl --out boards/mine
    """
    from . import blinding, people

    written = people.reveal_all(blinding.read(folder), key or blinding.key_of(folder), out)
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(str(path))
    click.echo(f"python -m evaluate leaderboard {shlex.join(map(str, written))} --out boards/people")
