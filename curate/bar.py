"""Progress on stderr: a bar with the time left on a terminal, one plain line a stage elsewhere."""

import sys
import time
from typing import Self

import click

from curate.progress import Progress


class Bar:
    """A watcher to be used as a context, so that the last bar is followed by a line end."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.stage = ""
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.live and self.stage:
            click.echo("", err=True)

    def __call__(self, progress: Progress) -> None:
        new = progress.stage != self.stage
        if new:
            if self.live and self.stage:
                click.echo("", err=True)
            self.stage, self.started = progress.stage, time.monotonic()
            self.first = progress.done
        if progress.note:
            click.echo(("\r\033[K" if self.live else "") + progress.note, err=True)
        if not progress.total:
            self.stage = ""
        elif self.live:
            click.echo(f"\r\033[K{self._line(progress)}", nl=False, err=True)
        elif progress.done == progress.total:
            click.echo(self._line(progress), err=True)

    def _line(self, progress: Progress) -> str:
        share = progress.done / progress.total
        elapsed = time.monotonic() - self.started
        parts = f"{progress.stage:<14} {progress.done:g}/{progress.total}"
        rows = f"  {progress.rows:,} rows" if progress.rows else ""
        if not self.live:
            return f"{parts}{rows}  {elapsed:.1f} s"
        new = progress.done - self.first
        left = elapsed / new * (progress.total - progress.done) if new else None
        eta = "" if left is None or not progress.total - progress.done else f"  {left:,.0f} s left"
        bar = "█" * round(share * 24) + "·" * (24 - round(share * 24))
        return f"{progress.stage:<14} {bar} {share:>4.0%}{rows}{eta}"
