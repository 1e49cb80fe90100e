"""Gates: what a recipe expects, in which words, and what a build says when it is not so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import gates
from curate import recipe as recipes
from curate.__main__ import main
from curate.errors import ConfigError
from tests.curate.small_runs import built, recipe


@pytest.mark.parametrize(
    ("bound", "holds", "fails"),
    [
        (0, [0], [1]),
        ([900, 1100], [900, 1000, 1100], [899, 1101]),
        ("<= 0.15", [0.15, 0], [0.151]),
        ("<0.15", [0.149], [0.15]),
        (">= 1_000", [1000], [999]),
        ("> 3", [4], [3]),
        ("== 2e2", [200], [201]),
    ],
)
def test_a_bound_is_a_number_an_interval_or_a_comparison(bound, holds, fails):
    test = gates.parse("kept", bound)
    assert all(map(test, holds))
    assert not any(map(test, fails))


@given(st.integers(), st.integers(), st.integers())
def test_an_interval_holds_both_its_ends_and_nothing_outside(a, b, value):
    low, high = sorted((a, b))
    assert gates.parse("kept", [low, high])(value) == (low <= value <= high)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("{kept: true}", 'expected a number, [lowest, highest], or a comparison such as "<= 0.15", got True'),
        ("{kept: about 900}", "got 'about 900'"),
        ("{kept: [1100, 900]}", "kept: the lowest comes first: [900, 1100]"),
        ("{rules.first_persn.dropped: 3}", "no report has a figure 'rules.first_persn.dropped'. Did you mean 'rules.first_person"),
        ("{zzz: 3}", "docs/reports.md lists what a gate can name"),
        ("{sources.sat.kept: 3}", "Did you mean 'sources.set.kept'?"),
    ],
)  # fmt: skip
def test_a_gate_that_is_none_is_found_before_anything_is_read(tmp_path, expect, message):
    with pytest.raises(ConfigError) as caught:
        recipes.load(str(recipe(tmp_path, expect)))
    assert message in str(caught.value)


def test_gates_can_be_given_by_override_and_come_back_from_the_run_folder(tmp_path):
    run, summary = built(tmp_path, "expect.rules.empty_output.dropped=1", "expect.kept=[1, 10]")
    assert [(row["figure"], row["value"], row["passed"]) for row in summary["gates"]] == [
        ("rules.empty_output.dropped", 1, True),
        ("kept", 6, True),
    ]
    assert recipes.load(str(run / "recipe.yaml")).expect == {"rules.empty_output.dropped": 1, "kept": (1, 10)}


def test_a_failed_gate_exits_with_1_after_everything_was_written(tmp_path, capsys):
    path = recipe(tmp_path, "{kept: [900, 1100], rules.empty_output.dropped: 1}")
    assert main(["build", str(path), "--out", str(tmp_path / "run")]) == 1
    captured = capsys.readouterr()
    assert "Gate failed: kept is 6 (expected 900 to 1,100)." in captured.out
    assert captured.err.endswith("1 of 2 gates failed: see the first lines of the report\n")
    assert (tmp_path / "run/dataset.jsonl").exists()
    report = json.loads((tmp_path / "run/report.json").read_bytes())
    assert [row["passed"] for row in report["gates"]] == [False, True]
    assert main(["report", str(tmp_path / "run"), "--json"]) == 1


def test_what_was_not_measured_fails_and_what_never_happened_counts_as_none(tmp_path):
    expect = '{contamination.duplicate: 0, rules.first_person.trusted_kill_rate: "<= 0.15", rules.nsfw.dropped: 0, licenses.MIT: 0}'
    _, summary = built(tmp_path, expect=expect)
    assert [row["passed"] for row in summary["gates"]] == [False, False, True, True]
    assert (
        summary["gates"][0]["sentence"] == "Gate failed: contamination.duplicate was not measured (expected exactly 0)."
    )


def test_a_partial_build_is_held_against_nothing(tmp_path, capsys):
    path = recipe(tmp_path, "{kept: [900, 1100]}")
    assert main(["build", str(path), "--out", str(tmp_path / "run"), "--limit", "3"]) == 0
    assert "Gate not checked, this is a partial build: kept is" in capsys.readouterr().out


def test_every_figure_that_a_gate_can_name_is_in_the_figures_of_a_run(tmp_path):
    _, summary = built(tmp_path)
    assert set(gates.KNOWN) <= set(gates.figures(summary))


def test_leaks_that_stayed_are_counted_by_category(tmp_path):
    (tmp_path / "tests.jsonl").write_text(json.dumps({"q": "Why is the sky blue in the day?"}) + "\n")
    settings = (
        f"decontaminate.tests={{mine: {{path: {tmp_path}/tests.jsonl, question: q}}}}",
        "decontaminate.encoder=null",
    )
    expect = "{contamination.duplicate: 0}"
    _, summary = built(tmp_path, *settings, "decontaminate.drop=[]", expect=expect)
    assert (summary["gates"][0]["value"], summary["gates"][0]["passed"]) == (1, False)
    _, summary = built(tmp_path, *settings, expect=expect)
    assert (summary["gates"][0]["value"], summary["gates"][0]["passed"]) == (0, True)
