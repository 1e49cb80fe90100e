"""log.jsonl, one object a step, and the line on stderr that shows the last of them."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from curate import runs

# Seconds between two lines where no terminal redraws one.
INTERVAL = 10.0


class Journal:
    """Appends each step's record to a file and shows it: as a bar on a terminal, else as a line every ten seconds."""

    def __init__(self, path: Path, steps: int) -> None:
        self.path, self.steps = path, steps
        self.live = sys.stderr.isatty()
        self.shown = -INTERVAL
        self.began: tuple[float, int] | None = None

    def __call__(self, record: dict[str, Any]) -> None:
        """Write one step's record; a whole line at once, so that a kill leaves at most one half line."""
        with runs.clear_write_errors(self.path), self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(record) + "\n")
        now = time.monotonic()
        self.began = self.began or (now, record["step"])
        last = record["step"] == self.steps
        if self.live or last or now - self.shown >= INTERVAL:
            self.shown = now
            text = f"{self._bar(record['step'])}  {line(record)}{self._left(now, record['step'])}"
            click.echo(f"\r\033[K{text}" if self.live else text, nl=not self.live or last, err=True)

    def note(self, text: str) -> None:
        """Say something between two steps."""
        click.echo(f"\r\033[K{text}" if self.live else text, err=True)

    def _bar(self, step: int) -> str:
        count = f"step {step}/{self.steps}"
        filled = round(step / self.steps * 24)
        return f"{count:<14} {'█' * filled}{'·' * (24 - filled)}" if self.live else count

    def _left(self, now: float, step: int) -> str:
        assert self.began is not None
        began, first = self.began
        return (
            f"  {(now - began) / (step - first) * (self.steps - step):,.0f} s left" if first < step < self.steps else ""
        )


def line(record: dict[str, Any]) -> str:
    """A step's figures as they are shown.

    >>> line({"epoch": 2, "loss": 1.5, "lr": 1e-05, "tokens_per_second": 1234.5, "padding": 0.0, "documents": 32})
    'epoch 2  loss 1.5000  lr 1e-05  1,234 tokens/s  padding 0.0%  32 documents'
    """
    return (
        f"epoch {record['epoch']}  loss {record['loss']:.4f}  lr {record['lr']:.3g}"
        f"  {record['tokens_per_second']:,.0f} tokens/s  padding {record['padding']:.1%}  {record['documents']} documents"
    )


def read(path: Path) -> list[dict[str, Any]]:
    """The whole records of a log; of a last line that a kill cut in two, nothing."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(text) for text in lines if text.endswith("\n")]


def rewind(path: Path, step: int) -> None:
    """Take back the records of steps after `step`: they are about to be done again."""
    kept = [record for record in read(path) if record["step"] <= step]
    runs.write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
