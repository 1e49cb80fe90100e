"""What CONTRIBUTING.md shows is applied to a copy of the source, and its tests are run there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


# With its test, an addition takes fewer lines than this.
LINES = 30


def patches():
    return re.findall(r"^```diff\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE)


def test_each_addition_is_short():
    added = [len(re.findall(r"^\+(?!\+\+ )", patch, re.MULTILINE)) for patch in patches()]
    assert [lines for lines in added if lines >= LINES] == []
    assert len(added) == 4


@pytest.mark.skipif(shutil.which("git") is None, reason="git, which applies the patches, is not installed")
def test_a_rule_a_source_a_stage_and_a_judge_are_added_as_it_says(tmp_path):
    for folder in ("curate", "evaluate", "tests"):
        # With what numba has compiled: compiling it again would take a minute.
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    found = patches()
    for patch in found:
        applied = subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, capture_output=True)
        assert applied.returncode == 0, applied.stderr
    added = [path for patch in found for path in re.findall(r"^\+\+\+ b/(tests/\S+)$", patch, re.MULTILINE)]
    assert len(added) == 4
    # The copy is imported, not what is installed.
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "-q", "-p", "no:cacheprovider", "-n", "0", *added]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
