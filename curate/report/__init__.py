"""A finished run as numbers (report.json) and as a page (report.html)."""

from pathlib import Path
from typing import Any

from curate import runs
from curate.report import numbers, page


def write(run: Path, trusted: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write report.json and report.html into a finished run; the numbers. `trusted`: see `publish.trusted`."""
    summary = numbers.summarise(run, trusted)
    runs.write_json(run / "report.json", summary)
    runs.write_text(run / "report.html", page.render(summary, numbers.samples(run)))
    return summary
