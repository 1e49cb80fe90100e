"""`python -m evaluate.loop.together COMMAND …`: several of the project's commands, one after the other in one process.

Torch and what trains with it take longer to load than a small set takes to train on; here they are loaded once. No command
sees what another one left: each training frees its memory and sets its seed, and the environment is put back as it was.
"""

import gc
import importlib
import os
import shlex
from typing import TextIO

import click

from curate.cli import CONTEXT


@click.command(context_settings=CONTEXT)
@click.argument("commands", nargs=-1, required=True, metavar="COMMAND…")
@click.option("--tell", type=int, metavar="FD", help="Open file that gets a line for each command that has ended well.")
@click.pass_context
def main(context: click.Context, commands: tuple[str, ...], tell: int | None) -> None:
    """Run commands of the project in one process. COMMAND is what stands behind `python -m`, as one word; the first that
    fails ends it, with its exit code.

    \b
    python -m evaluate.loop.together 'train run --data a.jsonl --base toy --out runs/a' 'train run --data b.jsonl --base toy --out runs/b'
    """
    told = None if tell is None else os.fdopen(tell, "w")
    if code := run(commands, told):
        context.exit(code)


def run(commands: tuple[str, ...], told: TextIO | None) -> int:
    """The exit code of the first command that fails, else 0."""
    environment = dict(os.environ)
    for command in commands:
        click.echo(f"$ python -m {command}")
        package, *words = shlex.split(command)
        code: int = importlib.import_module(f"{package}.__main__").main(words)
        if code:
            return code
        gc.collect()
        # Modules are no garbage: to look through them again and again takes longer than a toy's training.
        gc.freeze()
        os.environ.clear()
        os.environ.update(environment)
        if told is not None:
            print(command, file=told, flush=True)
    return 0


if __name__ == "__main__":
    main()
