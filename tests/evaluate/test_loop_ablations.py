import os
import re
import subprocess
import sys

import polars as pl
import pytest

from curate import runs
from curate.errors import InputError, RunError
from evaluate.loop import steps
from evaluate.loop.ablations import compared


def values(*rows):
    return pl.DataFrame(rows, schema={"prompt_id": pl.String, "value": pl.Float64}, orient="row")


def test_a_set_is_compared_with_the_first_on_the_same_prompts():
    found = compared(
        {
            "filtered": values(("p", 1.0), ("q", 0.5), ("only here", 9.0)),
            "unfiltered": values(("p", 0.5), ("q", 0.0)),
        }
    )
    assert [(row["set"], row["value"], row["difference"], row["prompts"]) for row in found] == [
        ("filtered", 0.75, 0.0, 2),
        ("unfiltered", 0.25, -0.5, 2),
    ]
    # On every prompt it is behind by one half: so it is in every resample.
    assert (found[1]["difference_low"], found[1]["difference_high"]) == (-0.5, -0.5)
    assert found[0]["low"] == 0.5
    assert found[0]["high"] == 1.0


def test_seeds_are_averaged_before_prompts_are_resampled():
    found = compared({"a": values(("p", 0.0), ("p", 1.0), ("q", 0.5))})
    assert (found[0]["value"], found[0]["low"], found[0]["high"]) == (0.5, 0.5, 0.5)


def test_sets_without_a_prompt_in_common_cannot_be_compared():
    with pytest.raises(InputError, match="a, b: not one prompt was judged"):
        compared({"a": values(("p", 0.0)), "b": values(("q", 0.0))})


def test_commands_run_together_until_one_fails_and_each_that_ended_well_is_told():
    reading, writing = os.pipe()
    commands = ["train presets lima", "train presets lime", "evaluate --help"]
    done = subprocess.run(
        [sys.executable, "-m", "evaluate.loop.together", "--tell", str(writing), *commands],
        pass_fds=[writing],
        capture_output=True,
        text=True,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == "train presets lima\n"
    assert done.returncode == 2
    assert re.findall(r"^\$ .*", done.stdout, re.MULTILINE) == [f"$ python -m {command}" for command in commands[:2]]
    assert "lime: no such preset" in done.stderr


def test_steps_that_are_done_together_are_recorded_one_by_one_and_not_done_again(tmp_path, capfd):
    work = {"good": ["train", "presets", "lima"], "bad": ["train", "presets", "lime"], "after": ["train", "presets"]}
    with pytest.raises(RunError, match="python -m train presets lime: ended with 2"):
        steps.each(tmp_path, work)
    assert list(runs.read_json(tmp_path / "steps.json")) == ["good"]
    capfd.readouterr()
    steps.each(tmp_path, {**work, "bad": ["train", "presets", "alpaca-7b"]})
    assert list(runs.read_json(tmp_path / "steps.json")) == ["good", "bad", "after"]
    said = capfd.readouterr().err
    assert "good    done\n" in said
    assert "presets lima\n" not in said
    steps.each(tmp_path, work)
    assert re.findall(r"^\w+ +(?:done|…)$", capfd.readouterr().err, re.MULTILINE) == [
        f"{name:<7} done" for name in work
    ]
