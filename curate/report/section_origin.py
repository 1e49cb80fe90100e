"""The page's sections on where the set is from: licences, files, what cleaning changed, times, and how to make it again."""

import shlex
from html import escape
from typing import Any

from curate.report.drawing import bars
from curate.report.fates import COLORS
from curate.report.markup import chart, fold, note, table

# Files listed; manifest.json has all of them.
FILES_SHOWN = 40


def licences(summary: dict[str, Any]) -> str:
    """Licences of the kept examples by source, and how many name their page."""
    rows = [{**row, "license": row["license"] or "none stated"} for row in summary["attribution"]]
    names = {"source": "source", "license": "licence", "kept": "kept", "with_url": "with the address of their page"}
    text = (
        "Every example of dataset.jsonl carries its source, key, licence and address: what attribution needs, as long as these"
        " fields stay with the text."
    )
    return table(rows, names) + note(text)


def times(summary: dict[str, Any]) -> str:
    """Seconds by stage, and memory."""
    seconds = summary["seconds"]
    rows = [bars.Bar(name, value, f"{value:,.1f} s", COLORS["limit"]) for name, value in seconds.items()]
    whole = sum(seconds.values())
    text = f"{whole:,.1f} s in all, {summary['peak_memory_mb']:,} MB at the peak, engine {summary['engine']}."
    flat = [{"stage": name, "seconds": value} for name, value in seconds.items()]
    return chart(bars.bars("Seconds by stage", rows), table(flat)) + note(text)


def cleaning(summary: dict[str, Any]) -> str:
    """What the cleaner repaired, and what files were taken for."""
    forms = table(summary["forms"]) + note(
        "Rows: the first records, which were looked at; covered: those that fit the form."
    )
    return table(summary["edits"], {"edit": "edit", "examples": "examples"}) + fold(
        "What the files were taken for", forms
    )


def again(summary: dict[str, Any], recipe: str) -> str:
    """The command, the recipe, versions, seeds, and the files with their hashes."""
    words = ["python", "-m", "curate", "build", "recipe.yaml", "--out", f"runs/{summary['name']}"]
    words += ["--limit", str(summary["limit"])] if summary["limit"] else []
    command = shlex.join(words)
    files = [
        {"source": row["source"], "file": row["file"], "bytes": row["bytes"], "sha256": row["sha256"]}
        for row in summary["files"]
    ]
    more = note(f"{len(files) - FILES_SHOWN:,} more files: see manifest.json.") if len(files) > FILES_SHOWN else ""
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    seeds = ", ".join(f"{name} {seed}" for name, seed in summary["seeds"].items())
    return (
        f"<pre class=command>{escape(command)}</pre>"
        + note("with the recipe.yaml of this folder gives the same bytes from the same files, on every engine.")
        + fold("recipe.yaml, every setting", f"<pre>{escape(recipe[:40_000])}</pre>")
        + fold(f"{len(files):,} input files with sha256", f"<div class=hashes>{table(files[:FILES_SHOWN])}</div>{more}")
        + note(f"Versions: {versions}. Seeds: {seeds}.")
    )
