"""The optimizer's loop: a thin `transformers.Trainer` that walks a planned run.

The loop itself (accumulation, clipping, mixed precision, DDP and FSDP, reporters) is the library's. Ours: which passes
make a step (the plan), what a step's loss is divided by, and checkpoints that a run goes on from bit by bit. To the
Trainer the whole run is one epoch, and the paper's epochs are marks in the plan.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from curate import runs
from curate.errors import RunError
from train import checkpoints
from train.course import Course, Passes, fingerprint
from train.plan import Plan, Step
from train.record import Batch
from train.schedule import schedule
from train.settings import Settings


class Flow(TrainerCallback):
    """What happens between steps: `advance` before each, a save at each epoch's end and where `stopping` says so.

    `epoch_end(epoch, again)` follows the save at an epoch's end; `again` where the run was resumed just there.
    """

    def __init__(
        self,
        plan: Plan,
        advance: Callable[[float], None],
        epoch_end: Callable[[int, bool], None],
        stopping: Callable[[], bool],
    ) -> None:
        self.plan, self.advance, self.epoch_end, self.stopping = plan, advance, epoch_end, stopping
        self.ends = set(plan.epoch_ends.values())
        self.began = time.perf_counter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002 - the Trainer's own types
        # A run that is resumed where an epoch ends may have been interrupted in what follows.
        self._at_end(state.global_step, again=True)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        # From 0 before the first step to 1 before the last.
        self.advance(state.global_step / max(1, len(self.plan.steps) - 1))
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        if state.global_step in self.ends:
            control.should_save = True
        if self.stopping():
            control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        self._at_end(state.global_step, again=False)

    def _at_end(self, step: int, *, again: bool) -> None:
        if step in self.ends:
            self.epoch_end(self.plan.steps[step - 1].epoch, again)


class SFT(Trainer):
    """The Trainer over a course. `journal` is told each step's record (see `step_record`), on the first process only."""

    # Our loss is divided by the items of the whole step; the Trainer must not divide by the number of passes as well.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a transformers or peft model
        args: TrainingArguments,
        course: Course,
        flow: Flow,
        journal: Callable[[dict[str, Any]], None],
    ) -> None:
        # No tokenizer is given: the Trainer would write its special tokens over the model's, and save it on its own.
        passes = Passes(course, args.process_index, args.world_size)
        super().__init__(model=model, args=args, train_dataset=passes, callbacks=[flow])
        self.remove_callback(PrinterCallback)
        self.course, self.flow, self.journal = course, flow, journal
        self.made_from = fingerprint(course)
        # Processes draw different noise; the Trainer has just given all of them the same seed.
        torch.manual_seed(args.seed + args.process_index)

    def get_train_dataloader(self) -> DataLoader[Batch]:
        """One item is one pass. Not handed to accelerate: what it would deal out is already each process's own."""
        pinned = self.args.device.type == "cuda"
        passes: Any = self.train_dataset
        return DataLoader(passes, batch_size=1, collate_fn=_only, pin_memory=pinned)

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401 - as wrapped by DDP or FSDP
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401, ARG002 - the Trainer's own count
    ) -> torch.Tensor:
        """The pass's share of the step's loss, times the processes, over whose gradients DDP and FSDP take the mean."""
        assert not return_outputs, "evaluation does not go through the Trainer"
        loss: torch.Tensor = model(**inputs)["loss"] / inputs["step_items"] * self.accelerator.num_processes
        return loss

    def floating_point_ops(self, inputs: Batch) -> int:  # noqa: ARG002
        """Nothing: the library's estimate counts all parameters anew for every pass."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write one step's record, and refuse to go on, or to save, once the loss is no number."""
        if "loss" not in logs:
            return
        number = self.state.global_step
        record = step_record(self.course.plan.steps[number - 1], logs, time.perf_counter() - self.flow.began)
        record = {"step": number, **record}
        if not math.isfinite(record["loss"]) or not math.isfinite(record["grad_norm"]):
            raise RunError(self._diverged(number, record))
        if self.args.process_index == 0:
            self.journal(record)
        extra = {name: record[name] for name in ("tokens", "tokens_per_second", "padding", "documents")}
        # What reporters are told beside: the paper's epochs, where the Trainer counts the whole run as one.
        self.state.epoch = epochs_done(self.course.plan, number)
        super().log({**logs, **extra}, start_time)
        # log.jsonl is the log; the Trainer's own would grow within each checkpoint.
        self.state.log_history.clear()

    def _diverged(self, number: int, record: dict[str, Any]) -> str:
        passes = self.course.plan.steps[number - 1].passes
        ids = [self.course.examples[index].id for chosen in passes for index in chosen]
        more = f" and {len(ids) - 8} more" if len(ids) > 8 else ""
        last = checkpoints.latest(Path(str(self.args.output_dir)))
        return (
            f"step {number}: the loss is {record['loss']} and the gradient's norm {record['grad_norm']}. The step's"
            f" examples: {', '.join(ids[:8])}{more}. Nothing of it was saved"
            + (f"; the last good checkpoint is {last}" if last else "")
            + ". Look at these examples (python -m train inspect), or lower optimizer.lr."
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ANN401 - the Trainer's own types
        """The Trainer's checkpoint, and after all of it is on disk a mark that it is whole."""
        folder = Path(str(self.args.output_dir))
        with runs.clear_write_errors(folder):
            super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.finish(folder / f"checkpoint-{self.state.global_step}", self.made_from)
            checkpoints.keep_last(folder)
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ANN401, ARG002
        """Only what is trained, and no pickled arguments."""
        assert output_dir is not None, "a run is saved by export.py"
        checkpoints.save(self.model, Path(output_dir), sharded=self.is_fsdp_enabled, write=self.args.should_save)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ANN401
        sharded = self.is_fsdp_enabled
        checkpoints.load(model if sharded else self.model, Path(resume_from_checkpoint), sharded=sharded)


def step_record(step: Step, logs: dict[str, float], seconds: float) -> dict[str, Any]:
    """What log.jsonl says of a step. `padding`: the share of tokens that stand in passes only to fill them."""
    fillers = sum(not chosen for chosen in step.passes)
    return {
        "epoch": step.epoch,
        "loss": logs["loss"],
        "lr": logs["learning_rate"],
        "grad_norm": logs["grad_norm"],
        "tokens": step.tokens,
        "tokens_per_second": round(step.tokens / seconds, 1),
        "padding": round(fillers / (step.tokens + fillers), 6),
        "documents": step.documents,
    }


def epochs_done(plan: Plan, steps: int) -> float:
    """How many epochs are done after so many steps, with the part of the one that is going on."""
    ends, epoch = plan.epoch_ends, plan.steps[steps - 1].epoch
    before = ends.get(epoch - 1, 0)
    return epoch - 1 + (steps - before) / (ends[epoch] - before)


def arguments(settings: Settings, plan: Plan, folder: Path, processes: int, bfloat16: bool) -> TrainingArguments:
    """The Trainer's arguments for a planned run whose checkpoints lie in `folder`.

    Raises ConfigError where the schedule cannot be: it never gets to the learning rate, or ends above it.
    """
    optimizer = settings.optimizer
    kind, options = schedule(optimizer, len(plan.steps))
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.passes // processes,
        max_steps=len(plan.steps),
        learning_rate=optimizer.lr,
        lr_scheduler_type=kind,
        lr_scheduler_kwargs=options,
        warmup_steps=optimizer.warmup,
        optim="paged_adamw_32bit" if optimizer.paged else "adamw_torch_fused",
        adam_beta1=optimizer.betas[0],
        adam_beta2=optimizer.betas[1],
        adam_epsilon=optimizer.eps,
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.clip or 0.0,
        bf16=bfloat16,
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=settings.activation_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if settings.activation_checkpointing else None,
        seed=settings.seed,
        save_steps=settings.save_every,
        logging_steps=1,
        # A loss that is no number must be seen, not averaged away.
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        report_to=list(settings.report_to) or "none",
        run_name=folder.parent.name,
        project="lapidary",
        disable_tqdm=True,
        # Every pass, a filler too, reaches every trained tensor.
        ddp_find_unused_parameters=False,
        # Noise is per document and never the library's, which scales it by the length of the pack.
        neftune_noise_alpha=None,
    )
    # `accelerate launch` may say otherwise in the environment; the settings of the run are what counts.
    args.mixed_precision = "bf16" if bfloat16 else "no"
    # One process, one device: several GPUs in one process would be DataParallel, which splits no pass of ours.
    args._n_gpu = min(1, args.n_gpu)  # noqa: SLF001 - the library has no other way
    return args


def _only(items: list[Batch]) -> Batch:
    return items[0]
