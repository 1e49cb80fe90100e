"""Two runs compared: what came, what went, what changed, and by which rule."""

import json

import pytest

from curate.__main__ import main
from curate.diff import diff
from curate.errors import RunError
from tests.curate.small_runs import ROWS, built


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    before, _ = built(folder, name="before")
    changed = [(ask, reply.replace("ornis@example.org", "us")) for ask, reply in ROWS[:-1]]
    after, _ = built(folder, "filters.min_chars=42", "exact.of=prompt", name="after", rows=changed)
    return before, after


def test_added_and_removed_examples_name_the_rule_of_the_run_that_does_not_have_them(runs):
    found = diff(*runs)
    reasons = {row["key"]: [(verdict["stage"], verdict["rule"]) for verdict in row["why"]] for row in found["removed"]}
    assert reasons == {
        "set.json:2": [("filters", "min_chars")],
        "set.json:8": [("source", "not_read")],
    }
    verdict = next(row for row in found["removed"] if row["key"] == "set.json:2")["why"][0]
    assert (verdict["value"], verdict["limit"]) == (41, 42)
    backwards = diff(*reversed(runs))
    assert [row["key"] for row in backwards["added"]] == [row["key"] for row in found["removed"]]
    assert backwards["by_rule"] == [
        {**row, "added": row["removed"], "removed": row["added"]} for row in found["by_rule"]
    ]


def test_a_changed_text_is_shown_as_a_diff_and_an_equal_one_is_not(runs):
    changed = diff(*runs)["changed"]
    assert [row["key"] for row in changed] == ["set.json:7"]
    assert "-South of the Sahara. Write to ornis@example.org for a map." in changed[0]["diff"]
    assert "+South of the Sahara. Write to us for a map." in changed[0]["diff"]


def test_settings_that_differ_are_listed_and_the_books_of_both_add_up(runs):
    found = diff(*runs)
    assert {"key": "filters.min_chars", "a": None, "b": 42} in found["settings"]
    assert {row["key"] for row in found["settings"]} == {"filters.min_chars", "exact.of"}
    assert found["both"] + len(found["removed"]) == found["a"]["kept"]
    assert found["both"] + len(found["added"]) == found["b"]["kept"]


def test_a_run_differs_in_nothing_from_itself(runs):
    found = diff(runs[0], runs[0])
    assert [found[name] for name in ("settings", "added", "removed", "changed", "by_rule")] == [[]] * 5


def test_the_command_says_it_in_words_and_in_json(runs, capsys):
    assert main(["diff", *map(str, runs)]) == 0
    out = capsys.readouterr().out
    assert "filters.min_chars: null → 42" in out
    assert "filters/min_chars 41 against 42" in out
    assert main(["diff", *map(str, runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["a"]["kept"] == 6


def test_a_folder_that_is_no_run_is_refused(runs, tmp_path):
    with pytest.raises(RunError, match="it is not a run folder"):
        diff(runs[0], tmp_path)
