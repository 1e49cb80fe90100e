"""The log of a run, what a kill leaves of it, and what is shown meanwhile."""

import io
import sys

from train import journal
from train.journal import Journal


def record(step, **figures):
    shown = {"epoch": 1, "loss": 2.5, "lr": 1e-5, "grad_norm": 1.0, "tokens": 100, "tokens_per_second": 1234.5}
    return {"step": step, **shown, "padding": 0.012, "documents": 32, **figures}


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path):
    log = Journal(tmp_path / "log.jsonl", 2)
    log(record(1, loss=0.1 + 0.2))
    log(record(2, loss=1 / 3))
    assert [row["loss"] for row in journal.read(tmp_path / "log.jsonl")] == [0.1 + 0.2, 1 / 3]


def test_a_line_that_a_kill_cut_in_two_is_no_record(tmp_path):
    path = tmp_path / "log.jsonl"
    log = Journal(path, 3)
    log(record(1))
    path.write_text(path.read_text() + '{"step": 2, "lo')
    assert [row["step"] for row in journal.read(path)] == [1]
    journal.rewind(path, 2)
    log(record(2))
    assert [row["step"] for row in journal.read(path)] == [1, 2]


def test_steps_after_the_checkpoint_are_taken_back(tmp_path):
    log = Journal(tmp_path / "log.jsonl", 5)
    for step in (1, 2, 3, 4):
        log(record(step))
    journal.rewind(log.path, 2)
    assert [row["step"] for row in journal.read(log.path)] == [1, 2]


def test_there_may_be_no_log_yet(tmp_path):
    assert journal.read(tmp_path / "log.jsonl") == []
    journal.rewind(tmp_path / "log.jsonl", 0)
    assert journal.read(tmp_path / "log.jsonl") == []


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_at_the_end(tmp_path, monkeypatch, capsys):
    now = iter([100.0, 104.0, 109.9, 110.0, 112.0])
    monkeypatch.setattr(journal.time, "monotonic", lambda: next(now))
    log = Journal(tmp_path / "log.jsonl", 5)
    for step in (1, 2, 3, 4, 5):
        log(record(step))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 1/5", "step 4/5", "step 5/5"]
    # Three steps took ten seconds, one is left.
    assert lines[1].endswith("loss 2.5000  lr 1e-05  1,234 tokens/s  padding 1.2%  32 documents  3 s left")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_is_redrawn_at_every_step(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log = Journal(tmp_path / "log.jsonl", 4)
    for step in (1, 2, 3, 4):
        log(record(step))
        log.note(f"epoch {step} is over") if step == 2 else None
    said = terminal.getvalue()
    assert said.count("\r") == 5
    assert "step 2/4       ████████████············  epoch 1  loss 2.5000" in said
    assert "epoch 2 is over\n" in said
    assert said.endswith("\n")
