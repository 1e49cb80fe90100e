"""The loop end to end on the sample, let run and killed in every step; and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys

import orjson
import polars as pl
import pytest

from curate import runs
from curate.errors import InputError, RunError
from curate.review import saved, store
from evaluate.loop import split, steps
from evaluate.loop.settings import Dev, Settings
from tests.evaluate import dying
from tests.evaluate.dying import Death

# Epochs enough for a correlation, and little else.
SMALL = [
    "-s", "train.set=[epochs=4, dev_decoding.max_new_tokens=16, max_tokens=256, save_every=8]",
    "-s", "dev.count=6", "-s", "dev.held_out_count=6",
]  # fmt: skip
# Each step dies twice: when this file is about to be written or half written, and when all is done but that it is done.
MIDDLES = {
    "build": "build/6-near/scores.parquet",
    "draw": "dev/held-out.jsonl",
    "train": "train/checkpoints/checkpoint-16/done.json",
    "judge": "judged.jsonl",
    "select": "train/best",
    "board": "board/leaderboard.csv",
    "predict": "perplexity.jsonl",
    "correlate": "correlation/figure9.svg",
    "trace": "attribution.json",
    "queue": "build/decisions.sqlite",
}
DEATHS = [Death(step, file) for step, middle in MIDDLES.items() for file in (middle, "steps.json")]
# What says how long something took, when it was, or how much of it a killed run had left.
OWN = {"seconds", "finished", "reused", "peak_memory_mb", "tokens_per_second"}


def command(out, *words):
    return [sys.executable, "-m", "evaluate", "loop", "--out", str(out), *SMALL, *words]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A loop that was let run."""
    out = tmp_path_factory.mktemp("loop") / "sample"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command(out, "--json"), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A loop that died all deaths and was let run at last; of each death, (exit code, steps that are done, what was said)."""
    folder = tmp_path_factory.mktemp("killed")
    out, said = folder / "sample", folder / "said.txt"

    def run(death):
        said.unlink(missing_ok=True)
        return dying.loop(SMALL, out, said, death), list(runs.read_json(out / "steps.json") or {}), said.read_text()

    return out, {death: run(death) for death in (*DEATHS, None)}


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death.step}-{death.file}")
def test_a_killed_step_is_not_done_and_those_before_it_are_not_done_again(death, killed):
    code, done, said = killed[1][death]
    at = list(MIDDLES).index(death.step)
    assert (code, done) == (-signal.SIGKILL, list(MIDDLES)[:at]), said
    # Who dies in the middle of a step has made up for the one before, which was done but for saying so.
    first = at if death.file == "steps.json" else max(at - 1, 0)
    assert re.findall(r"^(\w+) +…$", said, re.MULTILINE) == list(MIDDLES)[first : at + 1]


def test_a_loop_that_was_killed_in_every_step_holds_what_one_holds_that_was_not(finished, killed):
    out, deaths = killed
    code, done, said = deaths[None]
    assert (code, done) == (0, list(MIDDLES)), said
    ours, theirs = contents(out), contents(finished[0])
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def contents(out):
    """Of every file: what is in it, whatever the folder is called and however long it took."""
    found = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
    # What a kill cut off in the middle of a write never had a name; the report is drawn from report.json, times too.
    ignored = (".lock", ".tmp", "build/report.html")
    return {name: content(path, out) for name, path in found.items() if not name.endswith(ignored)}


def content(path, out):
    raw = path.read_bytes().replace(str(out).encode(), b"")
    match path.suffix:
        case ".json":
            return list(orjson.loads(raw)) if path.name == "steps.json" else timeless(orjson.loads(raw))
        case ".jsonl":
            return [timeless(orjson.loads(line)) for line in raw.splitlines()]
        case ".html":
            return raw.partition(b"How it was made")[0]
        case _:
            return raw


def timeless(value):
    match value:
        case dict():
            return {name: timeless(one) for name, one in value.items() if name not in OWN}
        case list():
            return [timeless(one) for one in value]
        case _:
            return value


def test_stdout_holds_one_document_and_names_the_page(finished):
    out, done = finished
    assert json.loads(done.stdout)["page"] == str(out / "index.html")
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
