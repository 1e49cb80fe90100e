"""A run from its settings to its folder: data, plan, base, training, and after each epoch what it is judged by.

runs/<name>/
  config.yaml       all settings as resolved
  log.jsonl         one object a step
  epoch-NN/         adapter (or weights), tokenizer, generation config, metrics.json (written last)
  dev/epoch-NN.jsonl   the dev prompts answered
  checkpoints/      what an interrupted run goes on from
  card.md           what was done
"""

import contextlib
import gc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import set_seed

from curate import config, runs
from curate.errors import ConfigError, RunError
from curate.lm import rendering
from train import base, card, checkpoints, data, epochs, export, journal, packed, perplexity, plan, prompts
from train import residual_dropout as dropout
from train.course import Course, fingerprint
from train.epochs import Materials
from train.journal import Journal
from train.record import Example
from train.schedule import schedule
from train.settings import Dataset, Dpo, Settings, Sft, Virtual
from train.stop import Stop, catching
from train.trainer import SFT, Flow, arguments

# torch has no class of its own for a CPU that has no memory left.
_CPU_FULL = "can't allocate memory"


def run(settings: Settings, out: Path, *, resume: bool = False) -> dict[str, Any]:
    """Train as the settings say, into the folder `out`: the metrics of the last epoch, and how far its reload is off.

    Under torchrun or `accelerate launch` every process calls this; the first one writes. With `resume` the run goes on
    from its last whole checkpoint: what comes out is what it would have been, on a CPU bit for bit, on a GPU as far as its
    kernels repeat themselves.

    Raises ConfigError and InputError for settings and data that cannot be used; RunError where the folder holds another
    run, the memory does not suffice, the loss is no number, or a signal ended the run (StoppedError).
    """
    # Without a GPU said outright: accelerate takes processes that wait for one as unrelated.
    processes = PartialState(cpu=not torch.cuda.is_available())
    first = processes.is_main_process
    with runs.locked(out) if first else contextlib.nullcontext(), catching() as stop, _memory(settings):
        if first:
            _check(settings, out, resume=resume)
            base.place(settings, out)
        processes.wait_for_everyone()
        settings = base.place(settings, out)
        set_seed(settings.seed)
        materials = prepare(settings, processes)
        expected = _train(materials, out, processes, stop)
        # What was trained is gone; there is room for its reload.
        gc.collect()
        torch.cuda.empty_cache()
        return _finish(materials, out, expected, processes) if first else {}


def prepare(settings: Settings, processes: PartialState) -> Materials:
    """Read data, prompts and held-out examples, and plan the run; whatever is wrong with them is known before it starts."""
    if absent := next((name for name in settings.report_to if find_spec(name) is None), None):
        raise ConfigError(f"report_to: {absent} is not installed: pip install {absent}, or leave it out")
    tokenizer = base.tokenizer(settings)
    template = rendering.template(tokenizer, settings.template, settings.base)
    stages = data.read(settings, tokenizer, template).stages
    packing = not isinstance(settings.adapter, Virtual)
    count, device = processes.num_processes, processes.device.type
    planned = plan.plan(stages, settings, device=device, processes=count, packing=packing)
    schedule(settings.optimizer, len(planned.steps))
    examples = [example for stage in stages for example in stage]
    # An empty pass holds any token that the model knows.
    course = Course(planned, examples, settings.objective, examples[0].documents[0].ids[0], packing)
    asked = prompts.read(settings.dev_prompts) if settings.dev_prompts else []
    held_out: list[Example] = []
    if settings.held_out:
        alone = {"data": (Dataset(path=settings.held_out),), "objective": Sft()}
        held_out = data.read(settings.model_copy(update=alone), tokenizer, template).stages[0]
    return Materials(settings, tokenizer, template, course, asked, held_out)


def _check(settings: Settings, out: Path, *, resume: bool) -> None:
    """Raise RunError where the folder holds another run, or none that could be resumed."""
    path, done = out / "config.yaml", len(journal.read(out / "log.jsonl"))
    if not resume and (done or checkpoints.latest(out / "checkpoints")):
        raise RunError(
            f"{out}: holds a run already ({done} steps are done). Go on with --resume, or use another --out."
        )
    if not resume:
        return
    if not path.exists():
        raise RunError(f"{out}: there is no run to resume (no config.yaml). Start it without --resume.")
    before = config.load(path, Settings).model_dump(mode="json")
    differing = _differing(before, base.place(settings, out).model_dump(mode="json"))
    if differing:
        raise RunError(
            f"{out}: was begun with other settings: {'; '.join(differing)}. Resume with the same, or use another --out."
        )


def _train(materials: Materials, out: Path, processes: PartialState, stop: Stop) -> torch.Tensor:
    """The logits that the trained model gives `export.probe`."""
    settings, course = materials.settings, materials.course
    folder, latest = out / "checkpoints", _latest(out / "checkpoints", course)
    done = checkpoints.step_of(latest) if latest else 0
    log = Journal(out / "log.jsonl", len(course.plan.steps))
    # FSDP takes the model from the CPU and spreads it itself.
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    model = base.load(settings, materials.tokenizer, torch.device("cpu") if sharded else processes.device)
    model = base.adapt(model, settings, materials.tokenizer)
    packed.install(model, settings.objective, settings.neftune_alpha, packing=course.packing)
    advance = dropout.install(model, settings.residual_dropout) if settings.residual_dropout else _nothing
    if isinstance(settings.objective, Dpo):
        course = course._replace(examples=_with_references(model, course, processes))

    def epoch_end(epoch: int, again: bool) -> None:
        if again and (out / f"epoch-{epoch:02d}" / "metrics.json").exists():
            return
        stop.inside = False
        epochs.finish(materials, fitted, out, epoch, log, again=again)
        stop.inside = True

    def stopping() -> bool:
        stop.done = fitted.state.global_step
        stop.agreed = _any(stop.signal is not None, fitted)
        return stop.agreed

    # TensorBoard's files belong to the run; by itself it starts a folder where one stands.
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(out / "tensorboard"))
    bfloat16 = base.compute_dtype(settings, processes.device) == torch.bfloat16
    args = arguments(settings, course.plan, folder, processes.num_processes, bfloat16)
    fitted = SFT(model, args, course, Flow(course.plan, advance, epoch_end, stopping), log)
    if processes.is_main_process:
        runs.write_text(out / "config.yaml", config.dump(settings))
        checkpoints.discard_unfinished(folder)
        journal.rewind(log.path, done)
    stop.done, stop.inside = done, True
    fitted.train(resume_from_checkpoint=str(latest) if latest else None)
    stop.inside = False
    if stop.agreed:
        raise stop.error()
    # Without the wrapper that would compute it in bfloat16.
    plain = fitted.accelerator.unwrap_model(fitted.model, keep_fp32_wrapper=False)
    fitted.accelerator.free_memory()
    return export.probe(plain, materials.tokenizer)  # type: ignore[no-any-return]


def _finish(materials: Materials, out: Path, expected: torch.Tensor, processes: PartialState) -> dict[str, Any]:
    """Compare the last epoch's reload with the model that it was, and write the card."""
    last = out / f"epoch-{materials.course.plan.steps[-1].epoch:02d}"
    difference = export.prove(expected, last, materials.settings, processes.device)
    card.write(out)
    return {**(runs.read_json(last / "metrics.json") or {}), "reload_difference": difference}


def _latest(folder: Path, course: Course) -> Path | None:
    """The checkpoint to go on from. Raises RunError where it was trained on other data."""
    latest = checkpoints.latest(folder)
    if latest and (runs.read_json(latest / checkpoints.DONE) or {})["made_from"] != fingerprint(course):
        raise RunError(
            f"{latest}: the data (or the base's tokenizer or template) has changed since. Put it back, or start anew with"
            " another --out."
        )
    return latest


def _with_references(model: Any, course: Course, processes: PartialState) -> list[Example]:  # noqa: ANN401
    """The examples with the log-probabilities that the model gives their documents before it is trained."""
    own = range(processes.process_index, len(course.examples), processes.num_processes)
    found = perplexity.logprobs(model, [course.examples[index] for index in own], course.plan.pass_tokens)
    pairs = list(zip(own, found, strict=True))
    known = dict(gather_object(pairs) if processes.num_processes > 1 else pairs)
    return [example._replace(reference=known[index]) for index, example in enumerate(course.examples)]


def _any(flag: bool, fitted: SFT) -> bool:
    """Whether any process says so."""
    if fitted.args.world_size == 1:
        return flag
    return bool(fitted.accelerator.reduce(torch.tensor(float(flag), device=fitted.args.device)) > 0)


def _differing(before: Any, now: Any, name: str = "") -> list[str]:  # noqa: ANN401 - settings of any type
    """`setting was …, now …` of each setting that differs."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = {**before, **now}
        return [text for k in keys for text in _differing(before.get(k), now.get(k), f"{name}.{k}" if name else k)]
    return [] if before == now else [f"{name} was {before!r}, now {now!r}"]


@contextlib.contextmanager
def _memory(settings: Settings) -> Iterator[None]:
    """Say in one line what helps where the memory does not suffice (RunError)."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and _CPU_FULL not in str(error):
            raise
        full = settings.adapter.kind == "full"
        knobs = ["lower pass_tokens"]
        knobs += [] if settings.activation_checkpointing else ["set activation_checkpointing=true"]
        knobs += ["set adapter.kind=lora"] if full else [] if settings.quantize else ["set quantize=nf4 (on a GPU)"]
        raise RunError(
            f"out of memory ({str(error).partition(chr(10))[0][:120]}). {', or '.join(knobs).capitalize()};"
            " the same command with --dry-run says what needs how much."
        ) from error


def _nothing(_share: float) -> None:
    """No schedule to advance."""
