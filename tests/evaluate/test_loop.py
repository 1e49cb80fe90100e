"""The loop end to end on the sample, killed on its way; and what it refuses."""

import json
import os
import signal
import subprocess
import sys

import orjson
import polars as pl
import pytest

from curate.errors import InputError, RunError
from curate.review import saved, store
from evaluate.loop import split, steps
from evaluate.loop.settings import Dev, Settings

SMALL = [
    "-s", "train.set=[epochs=2, dev_decoding.max_new_tokens=16, save_every=4]",
    "-s", "dev.count=6", "-s", "dev.held_out_count=6",
]  # fmt: skip


def command(out, *words):
    return [sys.executable, "-m", "evaluate", "loop", "--out", str(out), *SMALL, *words]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A loop that was killed with all its processes as soon as it trained, and then run again."""
    out = tmp_path_factory.mktemp("loop") / "sample"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command(out), stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    for line in process.stderr:
        if line.startswith("step "):
            os.killpg(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    assert list(json.loads((out / "steps.json").read_text())) == ["build", "draw"]
    again = subprocess.run(command(out, "--json"), capture_output=True, text=True, env=environment)
    assert again.returncode == 0, again.stderr
    return out, again


def test_a_killed_loop_goes_on_and_does_no_finished_step_again(finished):
    _, again = finished
    assert again.stderr.startswith("build   done\ndraw    done\ntrain   …")


def test_stdout_holds_one_document_and_names_the_page(finished):
    out, again = finished
    assert json.loads(again.stdout)["page"] == str(out / "index.html")
    assert (out / "index.html").read_text().startswith("<!doctype html>")


def test_what_is_asked_and_held_out_is_in_no_training_set(finished):
    out, _ = finished
    trained = set(pl.read_parquet(out / "build" / "dataset.parquet")["id"])
    asked = {orjson.loads(line)["prompt_id"] for line in (out / "dev" / "prompts.jsonl").read_bytes().splitlines()}
    held_out = {orjson.loads(line)["id"] for line in (out / "dev" / "held-out.jsonl").read_bytes().splitlines()}
    assert (len(asked), len(held_out)) == (6, 6)
    assert not asked & held_out
    assert not (asked | held_out) & trained


def test_the_judge_takes_the_epoch_beside_the_one_that_perplexity_would_take(finished):
    out, _ = finished
    chosen = json.loads((out / "train" / "select.json").read_text())
    assert chosen["prompts"] == 6
    assert chosen["best"] in {row["epoch"] for row in chosen["epochs"]}
    assert chosen["by_perplexity"] is not None


def test_every_prompt_is_traced_and_what_to_look_at_next_was_not_asked(finished):
    out, _ = finished
    found = json.loads((out / "attribution.json").read_text())
    assert len(found["traces"]) == found["won"] + found["lost"] + found["even"] == 6
    assert all(len(row["taught"]) == 3 for row in found["traces"])
    assert {row["kind"] for row in found["leanings"]} == {"source", "stratum"}
    asked = {row["prompt_id"] for row in found["traces"]}
    following = [orjson.loads(line) for line in (out / "next.jsonl").read_bytes().splitlines()]
    assert len(following) == found["next"] > 0
    assert not {row["id"] for row in following} & asked
    assert all(len(row["content"]) == 32 for row in following)
    with store.opened(out / "build" / "decisions.sqlite") as log:
        assert saved.contents(log, "next") == [row["content"] for row in following]


def test_other_settings_need_another_folder(finished):
    out, _ = finished
    done = subprocess.run(command(out, "-s", "nearest=3"), capture_output=True, text=True)
    assert done.returncode == 3
    assert "was begun with other settings" in done.stderr


def test_a_step_that_fails_is_named_with_its_own_words(tmp_path):
    done = subprocess.run(command(tmp_path / "out", "-s", "build.recipe=absent"), capture_output=True, text=True)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert "absent" in lines[-2]
    assert lines[-1].startswith("python -m curate build absent")


def test_a_run_without_spare_examples_asks_for_files(tmp_path):
    run = tmp_path / "run"
    (run / "1-clean").mkdir(parents=True)
    rows = pl.DataFrame({"id": ["a"], "prompt": ["Why?"], "response": ["So."]})
    rows.write_parquet(run / "1-clean" / "part-0.parquet")
    pl.DataFrame({"id": ["a"], "stage": ["select"], "rule": ["not_selected"]}).write_parquet(run / "ledger.parquet")
    with pytest.raises(InputError, match=r"1 examples were good enough.*dev\.prompts"):
        split.draw(run, Dev(), tmp_path / "dev")


def test_few_spare_examples_are_shared_half_and_half(tmp_path):
    run = tmp_path / "run"
    (run / "1-clean").mkdir(parents=True)
    ids = [f"{number:02}" for number in range(10)]
    blank = {"system": None, "history": [[]] * 10, "prompt_role": None, "source": "wiki", "stratum": "x"}
    rows = pl.DataFrame({"id": ids, "prompt": ids, "response": ids}).with_columns(
        **{name: pl.Series(value) if isinstance(value, list) else pl.lit(value) for name, value in blank.items()}
    )
    rows.write_parquet(run / "1-clean" / "part-0.parquet")
    drops = {"id": [*ids, "00"], "stage": ["select"] * 10 + ["filters"], "rule": ["not_selected"] * 10 + ["min_chars"]}
    pl.DataFrame(drops).write_parquet(run / "ledger.parquet")
    # One of them failed a rule as well: nine are spare.
    assert split.draw(run, Dev(), tmp_path / "dev") == {"prompts": 4, "held_out": 5}
    asked = [orjson.loads(line) for line in (tmp_path / "dev" / "prompts.jsonl").read_bytes().splitlines()]
    assert all(row["reference"] == row["prompt_id"] and row["category"] == "wiki/x" for row in asked)


def test_references_are_answers_of_a_model_called_reference(tmp_path):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt_id": "p", "instruction": "Why?", "reference": "Because."}\n')
    split.references(prompts, tmp_path / "reference.jsonl")
    row = orjson.loads((tmp_path / "reference.jsonl").read_bytes())
    assert (row["prompt_id"], row["output"], row["generator"]) == ("p", "Because.", "reference")
    prompts.write_text('{"prompt_id": "p", "instruction": "Why?"}\n')
    with pytest.raises(InputError, match="has no reference answer"):
        split.references(prompts, tmp_path / "reference.jsonl")


def test_a_folder_of_another_loop_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "loop.yaml").write_text("nearest: 3\n")
    with pytest.raises(RunError, match="begun with other settings"):
        steps.loop(Settings(), tmp_path)
