"""What an interrupted run goes on from: the trained tensors beside what the Trainer keeps, and a mark that all is there.

checkpoints/checkpoint-N/
  trained.safetensors   the tensors that training changes, by name, whole
  optimizer.pt  scheduler.pt  rng_state.pth  trainer_state.json   the Trainer's; read back as weights only
  done.json             written last, when all of it is on disk: the step, and a hash of what is trained on
"""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict

from curate import runs

WEIGHTS = "trained.safetensors"
DONE = "done.json"
KEPT = 2


def save(model: Any, folder: Path, *, sharded: bool, write: bool) -> None:  # noqa: ANN401 - any torch module
    """Write the trained tensors. `sharded`: over processes, all of which call this; one of them is told to `write`."""
    tensors = gathered(model) if sharded else trained(model)
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)


def load(model: Any, folder: Path, *, sharded: bool) -> None:  # noqa: ANN401
    """Put the trained tensors of a checkpoint back in place, bit for bit."""
    tensors = load_file(folder / WEIGHTS)
    if sharded:
        # Each process has the whole file and keeps its own part.
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(model, dict(tensors), options=options)
        return
    own = trained(model)
    assert own.keys() == tensors.keys(), "the settings are equal, so the trained tensors must be"
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[name])


def trained(model: Any) -> dict[str, torch.nn.Parameter]:  # noqa: ANN401 - any torch module
    """The tensors that training changes, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def gathered(model: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """The same, whole and on the CPU, of a model that is spread over processes; all call it, the first one gets them."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)  # type: ignore[return-value]


def complete(folder: Path) -> list[Path]:
    """The whole checkpoints in a folder, oldest first."""
    return sorted((path.parent for path in folder.glob(f"checkpoint-*/{DONE}")), key=step_of)


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder."""
    return next(reversed(complete(folder)), None)


def step_of(checkpoint: Path) -> int:
    """The optimizer steps that were done when a checkpoint was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def finish(checkpoint: Path, made_from: str) -> None:
    """Mark a checkpoint as whole once its files are on disk, so that neither a kill nor a power cut leaves half of one."""
    with runs.clear_write_errors(checkpoint):
        for path in checkpoint.rglob("*"):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        runs.write_json(checkpoint / DONE, {"step": step_of(checkpoint), "made_from": made_from})


def discard_unfinished(folder: Path) -> None:
    """Remove what a kill during a save left behind."""
    for path in folder.glob("checkpoint-*"):
        if not (path / DONE).exists():
            shutil.rmtree(path)


def keep_last(folder: Path) -> None:
    """Remove all but the newest two."""
    for older in complete(folder)[:-KEPT]:
        shutil.rmtree(older)
