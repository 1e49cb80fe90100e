"""The runs of a folder, oldest first: what each read, kept, and whether it held its gates."""

from pathlib import Path
from typing import Any

from curate import runs
from curate.errors import RunError


def history(folder: Path) -> list[dict[str, Any]]:
    """One row a run in `folder` (or the one run that `folder` is), by the time it was finished, unfinished ones last.

    `run`, `recipe` (its name), `recipe_hash` (equal for equal settings), `finished` (UTC, ISO 8601; null while unfinished),
    `complete` (False: made with --limit), `inputs`, `kept`, `dropped`, `gates` (how many the recipe has) and `failed` (their
    sentences). Raises RunError where the folder has no run.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder. Runs are in runs/ unless a build was given --out.")
    found = [path for path in (folder, *sorted(folder.iterdir())) if path.is_dir() and runs.stage_folders(path)]
    if not found:
        raise RunError(f"{folder}: holds no run. Make one with: python -m curate build")
    return sorted(map(_row, found), key=lambda row: (row["finished"] is None, row["finished"] or "", row["run"]))


def _row(run: Path) -> dict[str, Any]:
    manifest = runs.read_json(run / "manifest.json") or {}
    recipe = run / "recipe.yaml"
    # The gates stand in the report, which is written after the manifest.
    report = runs.read_json(run / "report.json") if manifest else None
    gates = (report or {}).get("gates", [])
    return {
        "run": str(run),
        "recipe": manifest.get("name"),
        "recipe_hash": runs.file_digest(recipe)[:8] if recipe.exists() else None,
        "finished": manifest.get("finished"),
        **{name: manifest.get(name) for name in ("complete", "inputs", "kept", "dropped")},
        "gates": len(gates),
        "failed": [gate["sentence"] for gate in gates if gate["passed"] is False],
    }
