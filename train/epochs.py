"""What follows an epoch: its export, the dev prompts answered, how well it predicts the held-out set."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch

from curate import runs
from curate.lm import generation
from curate.lm.rendering import Template
from train import answers, base, checkpoints, export, journal, perplexity
from train.course import Course
from train.journal import Journal
from train.losses import step_items
from train.perplexity import Predicted
from train.prompts import Prompt
from train.record import Example
from train.settings import Settings
from train.trainer import SFT


class Materials(NamedTuple):
    """What a run is made of, before any weight is loaded."""

    settings: Settings
    tokenizer: Any
    template: Template
    course: Course
    prompts: list[Prompt]
    held_out: list[Example]


def finish(materials: Materials, fitted: SFT, out: Path, epoch: int, log: Journal, *, again: bool = False) -> None:
    """Export an epoch, answer the dev prompts and measure the held-out perplexity; `metrics.json` is written last.

    `again`: the epoch's own work was interrupted, and what it had answered is of this very model.
    """
    settings, course = materials.settings, materials.course
    folder, said = out / f"epoch-{epoch:02d}", out / "dev" / f"epoch-{epoch:02d}.jsonl"
    state = fitted.accelerator
    if state.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        if not again:
            answers.forget(said)
    state.wait_for_everyone()
    # Of a model that is spread over processes each has a part: all must ask it the same, at the same time.
    share = (state.process_index, 1 if fitted.is_fsdp_enabled else state.num_processes)
    model = fitted.model
    weights = checkpoints.gathered(model) if fitted.is_fsdp_enabled else None
    if state.is_main_process:
        export.save(model, materials.tokenizer, folder, materials.template.end_ids, weights)
    found = None
    with state.autocast():
        if materials.held_out:
            own = perplexity.predict(model, materials.held_out, course.plan.pass_tokens, share, packing=course.packing)
            found = own if share[1] == 1 else _together(own, fitted)
        if materials.prompts:
            template = materials.template
            precision = str(base.compute_dtype(settings, state.device)).removeprefix("torch.")
            about = (export.stops(materials.tokenizer, template.end_ids), precision, answers.TOGETHER)
            voice = generation.answerer(model, materials.tokenizer, template, *about)
            answers.write(said, voice, materials.prompts, settings.dev_decoding, settings.seed, share)
    state.wait_for_everyone()
    if state.is_main_process:
        if materials.prompts:
            answers.merge(said, materials.prompts)
        runs.write_json(folder / "metrics.json", _metrics(course, out, epoch, found))
        if found:
            log.note(
                f"epoch {epoch}: held-out perplexity {found.perplexity:.4f}, {found.bits_per_byte:.4f} bits per byte"
            )
    state.wait_for_everyone()


def _metrics(course: Course, out: Path, epoch: int, found: Predicted | None) -> dict[str, Any]:
    """What is known of an epoch. `loss`: the mean over its items, as trained (with noise and dropout)."""
    records = [record for record in journal.read(out / "log.jsonl") if record["epoch"] == epoch]
    items = [step_items(course.plan.steps[record["step"] - 1], course.objective) for record in records]
    total = sum(record["loss"] * count for record, count in zip(records, items, strict=True))
    return {
        "epoch": epoch,
        "step": course.plan.epoch_ends[epoch],
        "loss": total / sum(items),
        "perplexity": found and found.perplexity,
        "bits_per_byte": found and found.bits_per_byte,
        "held_out_tokens": found and found.tokens,
    }


def _together(own: Predicted, fitted: SFT) -> Predicted:
    """The sums over all processes."""
    sums = torch.tensor(own, dtype=torch.float64, device=fitted.args.device)
    nats, tokens, text_bytes = fitted.accelerator.reduce(sums).tolist()
    return Predicted(nats, int(tokens), int(text_bytes))
