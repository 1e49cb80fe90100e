"""What the command lines of curate, train and evaluate share: their options, hints, exit codes and ways of saying things.

Logs and progress go to stderr. With --json, stdout holds one JSON document and nothing else. Exit codes: 0 done, 1 a check
failed, 2 usage or settings, 3 input or run folder, 130 interrupted with state saved.
"""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from curate.errors import CurateError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Suggesting(click.Group):
    """A group that offers the nearest command for a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's own, with a hint."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"no command '{args[0]}'. {did_you_mean(args[0], self.commands)}", ctx)
        return super().resolve_command(ctx, args)


def settings_option(command: F) -> F:
    """`-s key=value`."""
    return click.option(
        "-s", "--set", "overrides", metavar="KEY=VALUE", multiple=True,
        help="Override one setting; the value is read as YAML. Repeatable.",
    )(command)  # fmt: skip


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")(command)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever a command answers
    """One JSON document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def run(cli: click.Group, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    # https://no-color.org: set to anything, it means no colour; without it, click colours terminals alone.
    color = False if os.environ.get("NO_COLOR") else None
    try:
        # Help, --version and `exit` come back as a code; commands return nothing.
        return cli.main(args=arguments, prog_name=name, standalone_mode=False, color=color) or 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.secho("\ninterrupted; what was finished is saved: run the same command to go on", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except CurateError as error:
        click.secho(str(error), err=True, fg="red", color=color)
        return error.exit_code
