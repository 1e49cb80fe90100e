"""Learning rates against their closed forms."""

import math

import pytest
import torch
from transformers import get_scheduler

from curate.errors import ConfigError
from train.schedule import schedule, warmup_steps
from train.settings import Optimizer


@pytest.mark.parametrize("warmup", [0, 0.1, 7])
@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_schedules_are_their_closed_forms_at_every_step(kind, warmup):
    lr, end, total = 2e-5, 3e-6, 41
    optimizer = Optimizer(lr=lr, lr_end=end, schedule=kind, warmup=warmup)
    torchs = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    name, options = schedule(optimizer, total)
    steps = warmup_steps(optimizer, total)
    assert steps == {0: 0, 0.1: 5, 7: 7}[warmup]
    found = get_scheduler(name, torchs, steps, total, scheduler_specific_kwargs=options)
    for t in range(total):
        x = (t - steps) / (total - steps)
        fall = {"linear": 1 - x, "cosine": (1 + math.cos(math.pi * x)) / 2, "constant": 1.0}[kind]
        expected = lr * t / steps if t < steps else lr if kind == "constant" else end + (lr - end) * fall
        assert found.get_last_lr()[0] == pytest.approx(expected, rel=1e-12)
        torchs.step()
        found.step()


def test_limas_rate_falls_from_1e_5_to_1e_6_over_480_steps():
    # Zhou et al. 2023, section 3: no warm-up, linear; 1,000 examples at 32 a step are 32 steps an epoch, 15 epochs.
    torchs = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-5)
    name, options = schedule(Optimizer(lr=1e-5, lr_end=1e-6), 480)
    found = get_scheduler(name, torchs, 0, 480, scheduler_specific_kwargs=options)
    rates = []
    for _ in range(480):
        rates.append(found.get_last_lr()[0])
        torchs.step()
        found.step()
    assert rates[0] == 1e-5
    assert rates[240] == pytest.approx(5.5e-6)
    assert found.get_last_lr()[0] == pytest.approx(1e-6)


def test_a_warm_up_as_long_as_the_run_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer\.warmup: 100 steps of warm-up, but the run has 100"):
        schedule(Optimizer(lr=1e-4, warmup=100), 100)


def test_a_rate_that_would_rise_is_refused():
    with pytest.raises(ConfigError, match=r"lr_end: 0\.001 is not below optimizer\.lr \(0\.0001\)"):
        schedule(Optimizer(lr=1e-4, lr_end=1e-3), 100)
