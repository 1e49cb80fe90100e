"""Checkpoints: whole or not there, the newest kept, what is trained put back bit for bit."""

import pytest
import torch

from curate import runs
from train import checkpoints


def saved(folder, *steps):
    for step in steps:
        path = folder / f"checkpoint-{step}"
        path.mkdir()
        (path / "trainer_state.json").write_text("{}")
        checkpoints.finish(path, "data")


def names(paths):
    return [path.name for path in paths]


def test_checkpoints_are_ordered_by_step_and_not_by_name(tmp_path):
    saved(tmp_path, 9, 100, 10)
    assert names(checkpoints.complete(tmp_path)) == ["checkpoint-9", "checkpoint-10", "checkpoint-100"]
    assert checkpoints.latest(tmp_path).name == "checkpoint-100"


def test_half_a_checkpoint_is_never_gone_on_from_and_is_cleared_away(tmp_path):
    saved(tmp_path, 2, 4)
    (tmp_path / "checkpoint-6").mkdir()
    assert checkpoints.latest(tmp_path).name == "checkpoint-4"
    checkpoints.discard_unfinished(tmp_path)
    assert sorted(names(tmp_path.iterdir())) == ["checkpoint-2", "checkpoint-4"]


def test_where_nothing_was_saved_there_is_no_checkpoint(tmp_path):
    assert checkpoints.latest(tmp_path / "absent") is None
    checkpoints.discard_unfinished(tmp_path / "absent")


def test_the_last_two_are_kept(tmp_path):
    saved(tmp_path, 8, 9, 10, 11)
    checkpoints.keep_last(tmp_path)
    assert names(checkpoints.complete(tmp_path)) == ["checkpoint-10", "checkpoint-11"]


def test_a_mark_says_the_step_and_what_it_was_trained_on(tmp_path):
    saved(tmp_path, 7)
    assert runs.read_json(tmp_path / "checkpoint-7" / "done.json") == {"step": 7, "made_from": "data"}


def network():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    model[0].requires_grad_(False)
    return model


def test_only_what_is_trained_is_saved_and_comes_back_bit_for_bit(tmp_path):
    model, other = network(), network()
    frozen = other[0].weight.clone()
    checkpoints.save(model, tmp_path, sharded=False, write=True)
    checkpoints.load(other, tmp_path, sharded=False)
    assert torch.equal(other[1].weight, model[1].weight)
    assert torch.equal(other[1].bias, model[1].bias)
    assert torch.equal(other[0].weight, frozen)


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path):
    checkpoints.save(network(), tmp_path / "checkpoint-1", sharded=False, write=False)
    assert not (tmp_path / "checkpoint-1").exists()


def test_tensors_of_another_model_are_never_put_in_place(tmp_path):
    checkpoints.save(network(), tmp_path, sharded=False, write=True)
    with pytest.raises(AssertionError, match="the trained tensors must be"):
        checkpoints.load(torch.nn.Linear(3, 4), tmp_path, sharded=False)
