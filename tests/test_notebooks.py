"""The notebooks: each runs from top to bottom, and what is committed has its outputs and names no path of a machine."""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from tests import notebooks

# A path from the root of a machine: /home/…, /tmp/…, C:\…; not the / in "and/or" or in an address.
ABSOLUTE = re.compile(r"(?<![\w.:/<*-])/(?:home|root|tmp|work|usr|opt|var|mnt|private|Users|etc|srv)/|\b[A-Z]:\\\w")
# 2026-11-29T12:00, 12:00:59 and the like. A day alone is data.
TIME = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:|\b\d\d:\d\d:\d\d\b")
LARGEST = 400_000

each = pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def running(request, tmp_path_factory):
    """The notebooks that this session tests, two at a time: most of their time is one thread that starts a command."""
    with ThreadPoolExecutor(2) as pool:
        asked = [item.callspec.params["path"] for item in request.session.items if "running" in item.fixturenames]
        yield {path: pool.submit(notebooks.execute, path, tmp_path_factory.mktemp(path.stem)) for path in asked}


def committed(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def shown(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Of each code cell, what kinds of output it has."""
    return [
        sorted({"text" if output.output_type == "stream" else max(output.data) for output in cell.outputs})
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_six_notebooks_are_there():
    names = ["01_build", "02_review_and_rules", "03_train_neftune", "04_judge_and_leaderboard"]
    assert [path.stem for path in notebooks.NOTEBOOKS] == [*names, "05_perplexity_vs_quality", "06_lima_ablations"]


@pytest.mark.slow
@each
def test_a_notebook_runs_from_top_to_bottom_and_shows_what_is_committed(path, running: dict[Path, Future]):
    again = running[path].result()
    assert shown(again) == shown(committed(path)), f"run python -m tests.notebooks {path.stem[:2]}"
    names_no_path_and_no_time(again)


@each
def test_a_committed_notebook_has_been_run_in_order_without_an_error(path):
    cells = [cell for cell in committed(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@each
def test_a_committed_notebook_has_text_and_a_picture_and_is_small(path):
    kinds = {kind for cell in shown(committed(path)) for kind in cell}
    assert {"text", "text/plain"} & kinds
    assert any(
        "image/svg+xml" in output.get("data", {})
        for cell in committed(path).cells
        for output in cell.get("outputs", ())
    )
    assert path.stat().st_size <= LARGEST


@each
def test_a_committed_notebook_names_no_path_of_a_machine_and_no_time(path):
    names_no_path_and_no_time(committed(path))


@each
def test_a_notebook_uses_commands_and_public_names_only(path):
    code = "\n".join(cell.source for cell in committed(path).cells if cell.cell_type == "code")
    assert re.search(r"python -m|(?:curate|train|evaluate) \w+", code)
    imports = re.findall(r"^(?:from|import) (curate|train|evaluate)\b.*", code, re.MULTILINE)
    private = re.findall(r"(?:from|import) (?:curate|train|evaluate)[\w.]*\._\w+|import _\w+", code)
    assert not private
    assert len(imports) <= 1  # content_hashes, the name that decisions are kept by


@each
def test_all_notebooks_begin_with_the_same_cell(path):
    first = [
        next(cell.source for cell in committed(one).cells if cell.cell_type == "code")
        for one in (path, notebooks.NOTEBOOKS[0])
    ]
    assert first[0] == first[1]


def test_a_path_and_a_time_are_seen():
    assert ABSOLUTE.search("dataset  /tmp/x1/runs/a")
    assert ABSOLUTE.search("data=/home/ada/runs")
    assert not ABSOLUTE.search("runs/home/a https://x.org/home/a and/or")
    assert TIME.search("at 2026-01-05T10:00:00Z")
    assert not TIME.search("2026-01-05, 6:14, Mrs Okafor")


def names_no_path_and_no_time(notebook: nbformat.NotebookNode) -> None:
    for text in notebooks.texts(notebook):
        assert not (found := ABSOLUTE.search(text)), text[max(0, found.start() - 60) : found.end() + 60]
        assert not (found := TIME.search(text)), text[max(0, found.start() - 60) : found.end() + 60]
