"""Whole runs: what a folder holds, what is refused, and that an interruption of any kind changes nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from curate import config, runs
from curate.errors import ConfigError, InputError, RunError
from curate.lm.decoding import Decoding
from tests.train.conftest import write_rows
from train import base, checkpoints, journal, packed
from train.run import run
from train.stop import StoppedError

NOISY = {
    "adapter": {"kind": "lora", "r": 4, "alpha": 8, "dropout": 0.2},
    "neftune_alpha": 5.0,
    "residual_dropout": {"p": 0.1, "over": "training"},
    "pass_tokens": 100,
    "save_every": 2,
    "epochs": 3,
}
ADAPTER = "adapter_model.safetensors"
ROOT = Path(__file__).parents[2]
# The sums of two threads are not those of one.
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def dev_file(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("dev") / "dev.jsonl", [{"prompt": f"Name gem {i}."} for i in range(10)])


@pytest.fixture(scope="module")
def noisy(make_settings, chat_file, dev_file):
    """All that draws random numbers, and all that is measured."""
    about = {"dev_prompts": str(dev_file), "dev_decoding": Decoding(max_new_tokens=6), "held_out": str(chat_file)}
    return make_settings(**NOISY, **about)


@pytest.fixture(scope="module")
def whole(noisy, tmp_path_factory):
    """An unbroken run and its summary."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, run(noisy, out)


def same_run(one, other):
    """Every file that does not tell of time is equal, byte for byte."""
    for epoch in ("epoch-01", "epoch-02", "epoch-03"):
        assert (one / epoch / ADAPTER).read_bytes() == (other / epoch / ADAPTER).read_bytes()
        assert (one / "dev" / f"{epoch}.jsonl").read_bytes() == (other / "dev" / f"{epoch}.jsonl").read_bytes()
        assert runs.read_json(one / epoch / "metrics.json") == runs.read_json(other / epoch / "metrics.json")
    logs = [journal.read(out / "log.jsonl") for out in (one, other)]
    for log in logs:
        for record in log:
            del record["tokens_per_second"]
    assert logs[0] == logs[1]


def test_a_run_leaves_its_settings_log_epochs_answers_and_card(whole, noisy):
    out, summary = whole
    names = {path.name for path in out.iterdir()}
    assert names >= {"config.yaml", "log.jsonl", "epoch-01", "epoch-02", "epoch-03", "dev", "checkpoints", "card.md"}
    assert config.load(out / "config.yaml", type(noisy)) == noisy
    assert [record["step"] for record in journal.read(out / "log.jsonl")] == list(range(1, 10))
    assert len((out / "dev" / "epoch-03.jsonl").read_text().splitlines()) == 10
    assert {path.name for path in (out / "epoch-03").iterdir()} >= {
        ADAPTER, "adapter_config.json", "tokenizer.json", "generation_config.json", "metrics.json"
    }  # fmt: skip
    assert summary["reload_difference"] == 0.0
    assert summary["epoch"] == 3


def test_an_epochs_dev_answers_are_what_evaluate_gets_from_its_folder(whole, noisy, dev_file, tmp_path):
    from evaluate import answer, prompts

    out, _ = whole
    path = tmp_path / "answers.jsonl"
    choice = answer.load("lima", ["decoding.max_new_tokens=6", f"seed={noisy.seed}"])
    answer.answer(prompts.read(dev_file), noisy.base, choice, path, adapter=out / "epoch-03")
    found, dev = ([json.loads(line) for line in one.open()] for one in (path, out / "dev" / "epoch-03.jsonl"))
    assert len(dev) == 10
    assert sorted(found, key=str) == sorted(({**row, "turn": 1} for row in dev), key=str)


def test_an_epochs_metrics_are_the_log_and_the_held_out_set(whole):
    out, summary = whole
    records = [record for record in journal.read(out / "log.jsonl") if record["epoch"] == 3]
    losses = [record["loss"] for record in records]
    assert min(losses) < summary["loss"] < max(losses)
    assert summary["step"] == 9
    assert 1 < summary["perplexity"] < 1024
    assert summary["held_out_tokens"] > 100
    assert summary["bits_per_byte"] > 0


def test_the_same_settings_give_the_same_run(whole, noisy, tmp_path):
    run(noisy, tmp_path / "run")
    same_run(whole[0], tmp_path / "run")


def test_a_run_is_not_overwritten(whole, noisy):
    with pytest.raises(RunError, match=r"holds a run already \(9 steps are done\)\. Go on with --resume"):
        run(noisy, whole[0])


def test_a_run_is_not_gone_on_with_under_other_settings(whole, make_settings, noisy):
    other = noisy.model_copy(update={"optimizer": noisy.optimizer.model_copy(update={"lr": 0.5})})
    with pytest.raises(RunError, match=r"begun with other settings: optimizer\.lr was 0\.001, now 0\.5"):
        run(other, whole[0], resume=True)


def test_there_must_be_a_run_to_resume(noisy, tmp_path):
    with pytest.raises(RunError, match=r"there is no run to resume \(no config\.yaml\)\. Start it without --resume"):
        run(noisy, tmp_path / "run", resume=True)


def test_a_run_is_not_gone_on_with_on_other_data(make_settings, tmp_path, chat_file):
    data = tmp_path / "chat.jsonl"
    shutil.copy(chat_file, data)
    settings = make_settings(data=[{"path": str(data)}])
    run(settings, tmp_path / "run")
    data.write_text(data.read_text().replace("Opal", "Onyx"))
    with pytest.raises(RunError, match=r"checkpoint-6: the data .* has changed since"):
        run(settings, tmp_path / "run", resume=True)


def test_a_run_that_never_began_does_not_stand_in_the_way(make_settings, chat_file, tmp_path):
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        run(make_settings(data=[{"path": str(tmp_path / "absent.jsonl")}]), tmp_path / "run")
    run(make_settings(), tmp_path / "run")


def test_a_finished_run_resumed_is_as_it_was(whole, noisy, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    assert run(noisy, tmp_path / "run", resume=True) == whole[1]
    same_run(whole[0], tmp_path / "run")


def interrupt(monkeypatch, at, number):
    """Send this process a signal when a step's record is written."""
    own = journal.Journal.__call__

    def record(self, record):
        own(self, record)
        if record["step"] == at:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(journal.Journal, "__call__", record)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_step_and_the_run_goes_on_from_it(whole, noisy, tmp_path, monkeypatch, number, code):
    # Other libraries of the same process (ray) may have a handler of their own.
    before = signal.getsignal(number)
    # The signal comes once step 4 is logged: step 5 is the one that ends with it.
    interrupt(monkeypatch, 4, number)
    said = rf"{number.name}: stopped after step 5: saved; run the same command with --resume"
    with pytest.raises(StoppedError, match=said) as caught:
        run(noisy, tmp_path / "run")
    assert caught.value.exit_code == code
    assert checkpoints.latest(tmp_path / "run" / "checkpoints").name == "checkpoint-5"
    assert signal.getsignal(number) == before
    monkeypatch.undo()
    run(noisy, tmp_path / "run", resume=True)
    same_run(whole[0], tmp_path / "run")


def killed(arguments, out, steps):
    """Start a run in a process of its own and kill it without warning once its log has so many steps."""
    command = [sys.executable, "-m", "train", "run", *arguments, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT, env=ALONE)
    log = out / "log.jsonl"
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < steps):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    said = process.stderr.read().decode()
    process.wait()
    process.stderr.close()
    return process.returncode, said


def test_a_killed_run_resumed_is_the_unbroken_one_bit_for_bit(whole, noisy, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(config.dump(noisy))
    code, said = killed(["--preset", str(path)], tmp_path / "run", steps=5)
    assert code == -signal.SIGKILL, said
    assert not (tmp_path / "run" / "epoch-03").exists()
    # As if the kill had come in the middle of a line, and of a save.
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "ep')
    half = tmp_path / "run" / "checkpoints" / "checkpoint-7"
    half.mkdir()
    (half / "trainer_state.json").write_text("{")
    # Nor are answers of an epoch that is still to come from this model.
    stale = [{**json.loads(line), "output": "stale"} for line in (whole[0] / "dev" / "epoch-03.jsonl").open()]
    write_rows(tmp_path / "run" / "dev" / ".epoch-03.part-0", stale)
    run(noisy, tmp_path / "run", resume=True)
    same_run(whole[0], tmp_path / "run")
    assert not half.exists()


def test_a_run_killed_between_an_epochs_checkpoint_and_its_answers_still_answers_it(whole, noisy, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    (tmp_path / "run" / "epoch-03" / "metrics.json").unlink()
    (tmp_path / "run" / "dev" / "epoch-03.jsonl").unlink()
    run(noisy, tmp_path / "run", resume=True)
    same_run(whole[0], tmp_path / "run")


def test_two_processes_make_the_same_updates_as_one(make_settings, tmp_path, dev_file, monkeypatch):
    # In double precision: of a gradient that is next to nothing Adam makes a step of full size, whichever way its last bit
    # fell, and in single precision that bit depends on the processor (up to 8e-6 in a weight was seen).
    monkeypatch.setattr(base, "compute_dtype", lambda *_: torch.float64)
    launched = tmp_path / "train_in_double.py"
    launched.write_text(
        "import torch\nfrom train import base\nfrom train.__main__ import main\n"
        "base.compute_dtype = lambda *_: torch.float64\nmain()\n"
    )
    about = {"dev_prompts": str(dev_file), "dev_decoding": {"max_new_tokens": 6, "temperature": 0}}
    adam = {"lr": 1e-3, "weight_decay": 0.1, "clip": 0.5}
    settings = make_settings(pass_tokens=100, optimizer=adam, **about)
    run(settings, tmp_path / "one")
    path = tmp_path / "settings.yaml"
    path.write_text(config.dump(settings))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(launched)]
    command = [*launch, "run", "--preset", str(path), "--out", str(tmp_path / "two")]
    there = {**ALONE, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=there)
    assert done.returncode == 0, done.stderr[-3000:]
    for epoch in ("epoch-01", "epoch-02"):
        one, two = (load_file(tmp_path / name / epoch / ADAPTER) for name in ("one", "two"))
        assert {weight.dtype for weight in one.values()} == {torch.float64}
        assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-12
        answers = [(tmp_path / name / "dev" / f"{epoch}.jsonl").read_bytes() for name in ("one", "two")]
        assert answers[0] == answers[1]
    logs = [journal.read(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    assert [record["step"] for record in logs[1]] == [1, 2, 3, 4, 5, 6]
    for one, two in zip(*logs, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-12)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-12)


@pytest.mark.parametrize(
    "full", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 9 TB")]
)
def test_a_full_memory_is_one_line_with_the_knobs(make_settings, tmp_path, monkeypatch, full):
    def install(*_args, **_options):
        raise full

    monkeypatch.setattr(packed, "install", install)
    said = r"out of memory .*Lower pass_tokens, or set activation_checkpointing=true, or set quantize=nf4"
    with pytest.raises(RunError, match=said):
        run(make_settings(), tmp_path / "run")


def test_other_failures_are_not_called_a_full_memory(make_settings, tmp_path, monkeypatch):
    def install(*_args, **_options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(packed, "install", install)
    with pytest.raises(RuntimeError, match="a bug"):
        run(make_settings(), tmp_path / "run")


def test_preferences_are_compared_with_the_model_before_training(make_settings, tmp_path):
    rows = [{"prompt": f"Say {word}.", "chosen": word, "rejected": "No."} for word in ("opal", "ruby", "jade", "onyx")]
    data = [{"path": str(write_rows(tmp_path / "pairs.jsonl", rows)), "form": "preferences"}]
    run(make_settings(data=data, objective={"kind": "dpo"}, epochs=4), tmp_path / "run")
    losses = [record["loss"] for record in journal.read(tmp_path / "run" / "log.jsonl")]
    # An untrained model prefers nothing over itself: ln 2 (Rafailov et al. 2023, equation 7).
    assert losses[0] == pytest.approx(0.6931472, abs=1e-6)
    assert losses[-1] < losses[0]


def test_a_model_trained_on_one_answer_gives_it_and_stops(make_settings, tmp_path):
    turns = [{"role": "user", "content": "Gem?"}, {"role": "assistant", "content": "Opal."}]
    data = write_rows(tmp_path / "one.jsonl", [{"id": f"{i}", "messages": turns} for i in range(4)])
    dev = write_rows(tmp_path / "dev.jsonl", [{"prompt": "Gem?"}])
    settings = make_settings(
        data=[{"path": str(data)}],
        adapter={"kind": "full"},
        optimizer={"lr": 5e-3},
        epochs=30,
        dev_prompts=str(dev),
        dev_decoding={"max_new_tokens": 8},
        save_every=100,
    )
    run(settings, tmp_path / "run")
    rows = [json.loads(path.read_text()) for path in sorted((tmp_path / "run" / "dev").iterdir())]
    assert (rows[-1]["output"], rows[-1]["finish"]) == ("Opal.", "stop")
    assert rows[0]["output"] != "Opal."


@pytest.mark.parametrize("name", ["stories260K", "babyllama_tok105"])
def test_a_real_model_learns_real_instructions_and_its_adapter_reloads(make_settings, shared_data, tmp_path, name):
    base = shared_data(f"models/{name}/hf")
    rows = json.loads(shared_data("instruction/alpaca_5000.json").read_text())
    # babyllama's tokenizer knows single characters, and neither line ends nor "#".
    plain = re.compile(r"[A-Za-z0-9 .,!?'()-]+")
    short = [
        row
        for row in rows
        if len(row["output"]) < 200 and not row["input"] and plain.fullmatch(row["instruction"] + row["output"])
    ][:48]
    turns = [
        [{"role": "user", "content": r["instruction"]}, {"role": "assistant", "content": r["output"]}] for r in short
    ]
    files = [
        write_rows(tmp_path / f"{part}.jsonl", [{"id": f"{i}", "messages": messages} for i, messages in enumerate(own)])
        for part, own in (("train", turns[:32]), ("test", turns[32:]))
    ]
    settings = make_settings(
        base=str(base),
        template="lima",
        data=[{"path": str(files[0])}],
        held_out=str(files[1]),
        optimizer={"lr": 3e-3},
        batch_examples=8,
        epochs=3,
    )
    summary = run(settings, tmp_path / "run")
    first = runs.read_json(tmp_path / "run" / "epoch-01" / "metrics.json")
    assert summary["reload_difference"] == 0.0
    assert summary["loss"] < first["loss"]
    assert summary["perplexity"] < first["perplexity"]


def test_adapters_of_virtual_tokens_are_trained_document_by_document(make_settings, tmp_path):
    summary = run(make_settings(adapter={"kind": "prompt", "tokens": 4}), tmp_path / "run")
    assert summary["reload_difference"] == 0.0
    assert [record["documents"] for record in journal.read(tmp_path / "run" / "log.jsonl")] == [4, 4, 2, 4, 4, 2]


def test_a_reporter_that_is_not_installed_is_named(make_settings, tmp_path, monkeypatch):
    monkeypatch.setattr("train.run.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="report_to: wandb is not installed: pip install wandb"):
        run(make_settings(report_to=["wandb"]), tmp_path / "run")


def test_progress_is_a_plain_line_where_there_is_no_terminal(make_settings, tmp_path, capsys):
    run(make_settings(), tmp_path / "run")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("step 1/6  epoch 1  loss ")
    assert lines[-1].startswith("step 6/6  epoch 2  loss ")
    assert "tokens/s  padding 0.0%  4 documents" in lines[0]
