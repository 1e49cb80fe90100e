"""The runs of a folder, oldest first."""

import json

import pytest

from curate import recipe as recipes
from curate.__main__ import main
from curate.build import build
from curate.errors import RunError
from curate.history import history
from tests.curate.small_runs import built, recipe


def test_each_run_has_a_row_with_its_books_and_gates(tmp_path, capsys):
    (tmp_path / "no-run").mkdir()
    first, _ = built(tmp_path, "expect.kept=6", "expect.dropped=5", name="zebra")
    build(recipes.load(str(recipe(tmp_path))), tmp_path / "ant", limit=2)
    # The second was finished later, however its name sorts; an unfinished one comes last.
    for name, when in (("zebra", "2026-01-01T10:00:00+00:00"), ("ant", "2026-01-02T10:00:00+00:00")):
        path = tmp_path / name / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"finished": when}))
    (tmp_path / "aborted" / "0-source").mkdir(parents=True)
    rows = history(tmp_path)
    assert [row["run"] for row in rows] == [str(tmp_path / name) for name in ("zebra", "ant", "aborted")]
    assert [(row["inputs"], row["kept"], row["complete"]) for row in rows] == [(8, 6, True), (2, 1, False), (None,) * 3]
    assert rows[0]["gates"] == 2
    assert rows[0]["failed"] == ["Gate failed: dropped is 2 (expected exactly 5)."]
    assert history(first) == [rows[0]]
    assert main(["history", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2026-01-01T10:00:00Z")
    assert "1 of 2 gates held" in lines[0]
    assert lines[1].endswith("partial")
    assert lines[2] == f"not finished          {tmp_path}/aborted"


def test_equal_settings_have_equal_hashes_and_others_do_not(tmp_path):
    for name, setting in (("a", "near.threshold=0.7"), ("b", "near.threshold=0.7"), ("c", "near.threshold=0.8")):
        built(tmp_path, setting, name=name)
    a, b, c = sorted(history(tmp_path), key=lambda row: row["run"])
    assert a["recipe_hash"] == b["recipe_hash"] != c["recipe_hash"]
    assert a["finished"].endswith("+00:00")


def test_a_folder_without_runs_says_so(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        history(tmp_path)
    with pytest.raises(RunError, match="there is no such folder"):
        history(tmp_path / "nowhere")
