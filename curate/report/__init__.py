"""A finished run as numbers (report.json), as a page (report.html), as a dataset card (README.md) and as croissant.json."""

from pathlib import Path
from typing import Any

from curate import account, card, config, croissant, gates, runs
from curate.recipe import Recipe
from curate.report import numbers, page


def write(run: Path, trusted: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write report.json, report.html, README.md and croissant.json into a finished run; the numbers.

    `trusted`: see `publish.trusted`. Among the numbers are `gates` (see `gates.check`), `languages` and `personal` (see
    `account.measured`).
    """
    recipe = config.load(run / "recipe.yaml", Recipe)
    summary = {**numbers.summarise(run, trusted), **account.measured(run)}
    summary["gates"] = gates.check(recipe.expect, summary)
    runs.write_json(run / "report.json", summary)
    runs.write_text(run / "report.html", page.render(summary, numbers.samples(run)))
    card.write(run, summary)
    croissant.write(run, summary)
    return summary


def again(run: Path) -> dict[str, Any]:
    """`write` for a run that was built earlier: nothing is measured or decided anew. Raises RunError where it is not finished."""
    manifest = runs.open_run(run)
    with runs.locked(run):
        return write(run, manifest.get("trusted"))
