"""The learning rate over the steps of a run."""

import math

from curate.errors import ConfigError
from train.settings import Optimizer


def schedule(optimizer: Optimizer, steps: int) -> tuple[str, dict[str, float]]:
    """Name and options of transformers' schedule. With T steps, W of them warm-up, lr(t) before step t (from 0) is

    t < W: lr · t / W;  else with x = (t − W) / (T − W):  linear: lr_end + (lr − lr_end)(1 − x);
    cosine: lr_end + (lr − lr_end)(1 + cos πx) / 2;  constant: lr.  (transformers, optimization.py)
    """
    warmup = warmup_steps(optimizer, steps)
    if warmup >= steps:
        raise ConfigError(
            f"optimizer.warmup: {warmup} steps of warm-up, but the run has {steps}: the learning rate would never be"
            " reached. Give fewer, or a share such as -s optimizer.warmup=0.03"
        )
    if optimizer.schedule == "constant":
        return "constant_with_warmup", {}
    if optimizer.lr_end >= optimizer.lr:
        raise ConfigError(
            f"optimizer.lr_end: {optimizer.lr_end:g} is not below optimizer.lr ({optimizer.lr:g});"
            " for a rate that stays, -s optimizer.schedule=constant"
        )
    if optimizer.schedule == "linear":
        return "polynomial", {"lr_end": optimizer.lr_end, "power": 1.0}
    return "cosine_with_min_lr", {"min_lr": optimizer.lr_end}


def warmup_steps(optimizer: Optimizer, steps: int) -> int:
    """Steps of warm-up: below 1 the setting is a share of all steps, rounded up."""
    return int(optimizer.warmup) if optimizer.warmup >= 1 else math.ceil(optimizer.warmup * steps)
