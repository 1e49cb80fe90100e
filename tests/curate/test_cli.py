"""The command line: answers on stdout, everything else on stderr, exit codes that mean something."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

from curate import recipe as recipes
from curate.__main__ import main

SMALL = [
    {
        "instruction": "Name a fruit that keeps for months.",
        "input": "",
        "output": "Apples keep for months in a cool cellar.",
    },
    {
        "instruction": "Name a fruit that keeps for months.",
        "input": "",
        "output": "Apples keep  for months in a cool cellar.",
    },
    {"instruction": "Say nothing at all, please.", "input": "", "output": ""},
    {
        "instruction": "Why is the sky blue in the day?",
        "input": "",
        "output": "Air scatters blue light more than red light.",
    },
]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "set.json").write_text(json.dumps(SMALL))
    path = tmp_path / "small.yaml"
    path.write_text("name: small\nsources:\n  set: {kind: instructions, path: set.json}\n")
    return path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_build_prints_where_everything_is(recipe, tmp_path, capsys):
    code, out, err = run(capsys, "build", recipe, "--out", tmp_path / "run")
    assert code == 0
    assert "4 inputs = 2 kept + 2 dropped" in out
    assert f"dataset  {tmp_path}/run/dataset.jsonl" in out
    assert "filters" in err
    assert "\033" not in out + err


def test_with_json_stdout_is_one_document(recipe, tmp_path, capsys):
    code, out, _ = run(capsys, "build", recipe, "--out", tmp_path / "run", "--json")
    summary = json.loads(out)
    assert (code, summary["kept"], summary["run"]) == (0, 2, str(tmp_path / "run"))
    assert {row["rule"] for row in summary["rules"]} == {"exact_duplicate", "empty_output"}


def test_a_dry_run_says_what_would_happen_and_writes_nothing(recipe, tmp_path, capsys):
    code, out, _ = run(capsys, "build", recipe, "--out", tmp_path / "run", "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert [stage["will"] for stage in plan["stages"]] == ["run"] * 10
    assert not (tmp_path / "run").exists()
    run(capsys, "build", recipe, "--out", tmp_path / "run")
    _, out, _ = run(
        capsys, "build", recipe, "--out", tmp_path / "run", "-s", "exact.of=response", "--dry-run", "--json"
    )
    assert [stage["will"] for stage in json.loads(out)["stages"]] == ["be reused"] * 4 + ["run"] * 6


def test_a_limit_marks_the_run_as_partial(recipe, tmp_path, capsys):
    _, out, _ = run(capsys, "build", recipe, "--out", tmp_path / "run", "--limit", "1", "--json")
    summary = json.loads(out)
    assert (summary["complete"], summary["inputs"]) == (False, 1)


def test_a_wrong_setting_exits_with_2_and_one_line(recipe, tmp_path, capsys):
    code, out, err = run(capsys, "build", recipe, "-s", "filters.min_char=3", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err == "-s filters.min_char is not a setting. Did you mean 'min_chars'?\n"


def test_a_missing_input_exits_with_3_and_names_it(recipe, tmp_path, capsys):
    code, _, err = run(capsys, "build", recipe, "-s", "sources.set.path=/nowhere.json", "--out", tmp_path / "run")
    assert code == 3
    assert "/nowhere.json" in err
    assert err.count("\n") == 1


def test_files_without_a_single_example_are_a_mistake_and_say_why(tmp_path, capsys):
    site = tmp_path / "x.stackexchange.com"
    site.mkdir()
    row = '<row Id="1" PostTypeId="5" CreationDate="2011-01-01T00:00:00.000" Score="1" Body="a tag wiki" />'
    (site / "Posts.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n  {row}\n</posts>\n')
    (tmp_path / "recipe.yaml").write_text(f"name: r\nsources: {{se: {{kind: stackexchange, path: {site.name}}}}}\n")
    code, _, err = run(capsys, "build", tmp_path / "recipe.yaml", "--out", tmp_path / "run")
    assert code == 3
    assert "not one record became an example (not_a_post 1)" in err


def test_an_unknown_command_and_an_unknown_recipe_are_answered_with_the_nearest(capsys):
    assert "Did you mean 'build'?" in run(capsys, "biuld")[2]
    code, _, err = run(capsys, "check", "lma")
    assert (code, err) == (2, "'lma' is neither a recipe file nor a shipped recipe. Did you mean 'lima'?\n")


def test_check_prints_every_setting_and_reads_it_back(recipe, tmp_path, capsys):
    code, out, _ = run(capsys, "check", recipe, "-s", "filters.min_chars=7")
    assert code == 0
    assert "min_chars: 7" in out
    (tmp_path / "all.yaml").write_text(out)
    assert run(capsys, "check", tmp_path / "all.yaml")[1] == out


def test_shipped_recipes_say_which_paths_they_want(capsys):
    code, _, err = run(capsys, "check", "lima")
    assert code == 2
    assert "sources.stackexchange.path is required: write it there, or give it with -s" in err


def test_sources_says_what_each_file_is_and_goes_on_after_one_it_does_not_know(recipe, tmp_path, capsys):
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    code, out, err = run(capsys, "sources", tmp_path / "odd.csv", tmp_path / "set.json")
    assert code == 3
    assert "instructions, alpaca: 4 records; 4 of the first 4 fit." in out
    assert "Columns found: a, b" in err


def test_sources_counts_all_records_of_every_kind_unless_it_is_to_be_quick(capsys):
    folder = recipes.SHIPPED / "sample"
    code, out, _ = run(capsys, "sources", folder / "reddit", folder / "wikihow.csv", folder / "stackexchange", "--json")
    counts = {}
    for row in json.loads(out):
        counts[row["kind"]] = counts.get(row["kind"], 0) + row["records"]
    assert code == 0
    assert counts == {"reddit": 44 + 29, "wikihow": 103, "stackexchange": 184}
    _, out, _ = run(capsys, "sources", folder / "wikihow.csv", "--quick")
    assert "wikihow, sep: 101 of the first 103 fit." in out


def test_explain_shows_the_twin_of_a_duplicate(recipe, tmp_path, capsys):
    run(capsys, "build", recipe, "--out", tmp_path / "run")
    fates = {}
    for number in (1, 2):
        _, out, _ = run(capsys, "explain", tmp_path / "run", f"set.json:{number}", "--json")
        found = json.loads(out)
        fates[found["fate"]] = found
    verdict = next(stage for stage in fates["dropped"]["stages"] if stage["stage"] == "exact")["verdicts"][0]
    assert verdict["rule"] == "exact_duplicate"
    assert verdict["other"] == fates["kept"]["input"]["id"]
    assert verdict["other_key"] == fates["kept"]["input"]["key"]


def test_explain_lists_every_rule_with_its_value_and_limit(recipe, tmp_path, capsys):
    run(capsys, "build", recipe, "--out", tmp_path / "run", "-s", "filters.min_chars=30")
    _, out, _ = run(capsys, "explain", tmp_path / "run", "set.json:3")
    assert "dropped by min_chars: 0 against 30" in out
    assert "no min_chars" in out
    assert "ok refusal" in out


def test_explain_says_why_a_record_never_became_an_example(recipe, tmp_path, capsys):
    (tmp_path / "set.json").write_text(json.dumps([*SMALL, {"instruction": "An answer is missing here."}]))
    run(capsys, "build", recipe, "--out", tmp_path / "run")
    _, out, _ = run(capsys, "explain", tmp_path / "run", "set.json:5")
    assert "dropped by unreadable" in out
    assert "The record cannot be read in the form of its file" in out


def test_explain_answers_a_wrong_id_with_what_is_near(recipe, tmp_path, capsys):
    run(capsys, "build", recipe, "--out", tmp_path / "run")
    code, _, err = run(capsys, "explain", tmp_path / "run", "set.json:9")
    assert code == 3
    assert "no input has the id or key 'set.json:9'. Near: set.json:" in err
    code, _, err = run(capsys, "explain", tmp_path / "nothing", "x")
    assert (code, err) == (3, f"{tmp_path}/nothing: no manifest.json: it is not a run folder\n")


def test_ctrl_c_exits_with_130_and_says_that_the_state_is_saved(tmp_path):
    command = [sys.executable, "-m", "curate", "build", "sample", "-s", "shard_rows=1", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (tmp_path / "run/1-clean/begun.json").exists():
        assert time.monotonic() < until
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was finished is saved: run the same command to go on" in err


def test_a_folder_that_cannot_be_written_exits_with_3(recipe, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    code, _, err = run(capsys, "build", recipe, "--out", tmp_path / "taken")
    assert code == 3
    assert "cannot be written" in err
