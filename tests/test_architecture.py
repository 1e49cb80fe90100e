"""The import rule, checked on the source: a module imports only from rooms to its left."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Left to right. A module may import from rooms before its own; inside a room only where the room is one subject.
ROOMS = [
    ["errors", "coefficients"],
    ["record", "config", "files", "engines", "progress"],
    ["chat", "text", "bar", "cache", "cli", "charts"],
    ["turns", "decisions", "lexical"],
    ["runs", "cleaning", "rules", "duplicates", "embed", "lm"],
    ["shards", "corpus", "contamination", "quality", "diversity", "review"],
    ["sources.*"],
    ["sources"],
    ["reference"],
    ["testsets"],
    ["stages.*"],
    ["stages"],
    ["gates"],
    ["recipe"],
    ["intake", "publish", "explain"],
    ["account"],
    ["card"],
    ["croissant"],
    ["report"],
    ["build", "ablate", "diff", "history", "push"],
    ["whatif", "desk"],
    ["questions"],
    ["__main__"],
]
ONE_SUBJECT = {
    "cleaning",
    "rules",
    "files",
    "report",
    "duplicates",
    "contamination",
    "quality",
    "diversity",
    "review",
    "desk",
    "embed",
    "lm",
}
# The stages and the sources named in the tables: these never import one another.
STAGES = {path.stem for path in (ROOT / "curate/stages").glob("*.py")} - {"__init__"}
SOURCES = {"stackexchange", "wikihow", "reddit", "instructions"}
# What train and evaluate may use of curate; otherwise they meet through files.
GROUND_FLOOR = {
    "bar",
    "cache",
    "chat",
    "charts",
    "cli",
    "coefficients",
    "config",
    "embed",
    "engines",
    "errors",
    "files",
    "lexical",
    "lm",
    "progress",
    "record",
    "runs",
    "text",
    "turns",
}
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "sentence_transformers",
    "ray",
    "streamlit",
    "datasets",
    "py7zr",
    "lxml",
    "polars",
    "numba",
    "faiss",
    "openai",
)


def modules():
    for path in sorted((ROOT / "curate").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imported(path):
    known = {name for name, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("curate"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("curate"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


def room(name):
    parts = name.split(".")[1:]
    if not parts:
        return -1
    for index, names in enumerate(ROOMS):
        if ".".join(parts) in names and len(parts) > 1:
            return index
    for index, names in enumerate(ROOMS):
        if f"{parts[0]}.*" in names and len(parts) > 1:
            return index
        if parts[0] in names and not (len(parts) > 1 and any(f"{parts[0]}.*" in other for other in ROOMS)):
            return index
    raise AssertionError(f"{name} has no room: add it to ROOMS")


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_only_from_its_left(name, path):
    own = name.split(".")[1] if "." in name else ""
    for other in imported(path):
        theirs = other.split(".")[1] if "." in other else ""
        if own == theirs and own in ONE_SUBJECT:
            continue
        if own == theirs == "sources" and not (set(name.split(".")) & SOURCES and set(other.split(".")) & SOURCES):
            continue
        if own == theirs == "sources" and set(name.split(".")) & set(other.split(".")) & SOURCES:
            continue
        assert room(other) < room(name), f"{name} imports {other}"


def test_stages_never_import_each_other():
    for name, path in modules():
        if name.startswith("curate.stages."):
            others = {other.split(".")[-1] for other in imported(path) if other.startswith("curate.stages")}
            assert not others & STAGES, f"{name} imports {others}"


@pytest.mark.parametrize("package", ["curate", "train"])
def test_help_loads_nothing_heavy(package):
    code = f"import sys, {package}.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("package", ["train", "evaluate"])
def test_the_trainer_and_the_evaluation_use_only_the_ground_floor_and_never_each_other(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module == "curate":
                names = [f"curate.{alias.name}" for alias in node.names]
            for name in names:
                parts = name.split(".")
                assert parts[0] not in {"train", "evaluate"} - {package}, f"{path} imports {name}"
                assert parts[0] != "curate" or parts[1] in GROUND_FLOOR, f"{path} imports {name}"


def test_only_the_app_and_its_pages_import_streamlit():
    for folder in ("curate", "train", "evaluate"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "import streamlit" not in path.read_text(), path
