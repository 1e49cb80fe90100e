"""The loop against the plain one, its records, checkpoints and resumption."""

import pytest
import torch

from curate.errors import RunError
from tests.train import reference
from tests.train.conftest import course_of
from train import base, checkpoints, packed, trainer
from train.trainer import SFT, Flow

FULL = {"kind": "full"}


def fit(settings, folder, *, stopping=lambda: False, epoch_end=lambda *_: None, resume=None):
    """The model after a whole run, and the records of its steps."""
    course, words = course_of(settings)
    torch.manual_seed(settings.seed)
    model = base.adapt(base.load(settings, words, "cpu"), settings, words)
    packed.install(model, settings.objective, settings.neftune_alpha)
    records = []
    args = trainer.arguments(settings, course.plan, folder, 1, bfloat16=False)
    SFT(model, args, course, Flow(course.plan, lambda _: None, epoch_end, stopping), records.append).train(
        resume_from_checkpoint=resume
    )
    return model, records


def weights(model):
    return {name: value.detach().clone() for name, value in checkpoints.trained(model).items()}


def furthest(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize(("kind", "pass_tokens"), [("full", 100), ("full", 4096), ("lora", 100)])
def test_every_step_is_that_of_the_plain_loop_however_it_is_packed(make_settings, tmp_path, kind, pass_tokens):
    adapter = {"adapter": FULL} if kind == "full" else {}
    # A large eps, or the rounding of gradients that are nearly zero would be divided by their own size.
    optimizer = {"lr": 1e-3, "lr_end": 1e-4, "betas": (0.9, 0.95), "eps": 1e-4, "weight_decay": 0.1, "clip": 0.5}
    settings = make_settings(pass_tokens=pass_tokens, optimizer=optimizer, **adapter)
    got, records = fit(settings, tmp_path)
    course, words = course_of(settings)
    assert (course.plan.passes > 1) == (pass_tokens == 100)
    torch.manual_seed(settings.seed)
    expected = base.adapt(base.load(settings, words, "cpu"), settings, words)
    steps = [
        [document for chosen in step.passes for index in chosen for document in course.examples[index].documents]
        for step in course.plan.steps
    ]
    figures = reference.train(
        expected, steps, lambda number: 1e-4 + 9e-4 * (1 - (number - 1) / 6), (0.9, 0.95), 1e-4, 0.1, clip=0.5
    )
    assert len(records) == len(figures) == 6
    for record, (loss, norm) in zip(records, figures, strict=True):
        assert record["loss"] == pytest.approx(loss, rel=1e-6)
        assert record["grad_norm"] == pytest.approx(norm, rel=1e-5)
    assert furthest(weights(got), weights(expected)) < 1e-6


def test_a_record_says_what_the_step_was(make_settings, tmp_path):
    course, _ = course_of(make_settings(pass_tokens=70))
    _, records = fit(make_settings(pass_tokens=70), tmp_path)
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["epoch"] for record in records] == [1, 1, 1, 2, 2, 2]
    assert [record["documents"] for record in records] == [4, 4, 2, 4, 4, 2]
    assert [record["tokens"] for record in records] == [step.tokens for step in course.plan.steps]
    assert [record["lr"] for record in records] == [pytest.approx(1e-3 * (1 - t / 6), rel=1e-12) for t in range(6)]
    fillers = sum(not chosen for chosen in course.plan.steps[2].passes)
    assert fillers
    assert records[2]["padding"] == pytest.approx(fillers / (fillers + course.plan.steps[2].tokens), abs=1e-6)


NOISY = {
    "adapter": {"kind": "lora", "r": 4, "alpha": 8, "dropout": 0.2},
    "neftune_alpha": 5.0,
    "pass_tokens": 100,
    "save_every": 2,
}


@pytest.mark.parametrize("step", [1, 4])
def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(make_settings, tmp_path, step):
    settings = make_settings(**NOISY)
    whole, expected = fit(settings, tmp_path / "whole")
    broken = iter(range(1, 7))
    _, before = fit(settings, tmp_path / "broken", stopping=lambda: next(broken) == step)
    assert len(before) == step
    latest = checkpoints.latest(tmp_path / "broken")
    assert latest.name == f"checkpoint-{step}"
    resumed, after = fit(settings, tmp_path / "broken", resume=str(latest))
    assert furthest(weights(whole), weights(resumed)) == 0.0
    figures = [
        [(record["loss"], record["grad_norm"], record["lr"]) for record in some] for some in (expected, before + after)
    ]
    assert figures[0] == figures[1]


def test_checkpoints_are_saved_at_the_interval_and_where_epochs_end_and_the_last_two_are_kept(make_settings, tmp_path):
    saved = []
    fit(
        make_settings(save_every=2),
        tmp_path,
        epoch_end=lambda epoch, again: saved.append(
            (epoch, again, [path.name for path in checkpoints.complete(tmp_path)])
        ),
    )
    # Every second step, and after steps 3 and 6: the whole checkpoint comes first, then what follows an epoch.
    assert saved == [(1, False, ["checkpoint-2", "checkpoint-3"]), (2, False, ["checkpoint-4", "checkpoint-6"])]


def test_no_checkpoint_holds_pickled_arguments(make_settings, tmp_path):
    fit(make_settings(), tmp_path)
    names = {path.name for path in (tmp_path / "checkpoint-6").iterdir()}
    assert names == {
        "done.json",
        "optimizer.pt",
        "rng_state.pth",
        "scheduler.pt",
        "trained.safetensors",
        "trainer_state.json",
    }


def test_a_loss_that_is_no_number_ends_the_run_and_nothing_of_it_is_saved(make_settings, tmp_path, monkeypatch):
    own = SFT.compute_loss

    def poisoned(self, model, inputs, **rest):
        return own(self, model, inputs, **rest) * (float("nan") if self.state.global_step == 4 else 1.0)

    monkeypatch.setattr(SFT, "compute_loss", poisoned)
    course, _ = course_of(make_settings())
    ids = [course.examples[index].id for chosen in course.plan.steps[4].passes for index in chosen]
    with pytest.raises(RunError, match=r"step 5: the loss is nan.*last good checkpoint is .*checkpoint-4") as caught:
        fit(make_settings(save_every=1), tmp_path)
    assert ", ".join(ids) in str(caught.value)
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-3", "checkpoint-4"]


def test_the_epochs_that_reporters_see_are_the_papers(make_settings):
    planned = course_of(make_settings())[0].plan
    assert [trainer.epochs_done(planned, step) for step in (1, 3, 4, 6)] == [1 / 3, 1, 1 + 1 / 3, 2]
