"""`--dry-run`: what a run needs and does, before any weight is loaded."""

import copy
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import PartialState
from transformers import AutoModelForCausalLM

from train import base, memory, packed, run
from train.memory import Memory, Pass
from train.plan import collate
from train.record import Document, Example
from train.settings import Full, Lora, Settings, Sft, Virtual

# Vocabulary of the layer that is measured, and operations of a pass that take a moment.
_WORDS = 512
_ENOUGH = {"cpu": 2e10, "cuda": 2e13}


def estimate(settings: Settings) -> dict[str, Any]:
    """What `run` would need on one process of this machine: sizes in bytes, the plan, the time of training.

    Reads and plans the data, so that its errors are `run`'s. `fits`: memory.total against what is free; where it does not,
    `knobs` has the total that each change alone would give. `seconds`: the operations of all products with weights, at the
    rate that one layer reaches here (`measured_rate`); the optimizer, dev answers and saving come on top.
    """
    processes = PartialState()
    device = processes.device
    materials = run.prepare(settings, processes)
    plan, examples = materials.course.plan, materials.course.examples
    passes = [[examples[i] for i in chosen] for step in plan.steps for chosen in step.passes]
    largest = Pass(
        max(sum(example.tokens for example in chosen) for chosen in passes),
        max(sum(document.trained for example in chosen for document in example.documents) for chosen in passes),
    )
    counted = memory.count(settings, materials.tokenizer, largest, device)
    free, fits = available(device), counted.memory.total <= available(device)
    tokens, trained = sum(step.tokens for step in plan.steps), sum(step.trained for step in plan.steps)
    per_weight = operations_per_weight(settings) + 2 * settings.activation_checkpointing
    operations = per_weight * (tokens * counted.body + trained * counted.head)
    documents = sum(step.documents for step in plan.steps)
    rate = measured_rate(settings, materials.tokenizer, max(2, tokens // documents), largest.tokens, device)
    return {
        "base": settings.base,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "parameters": counted.parameters,
        "trained": counted.trained,
        "memory": {**counted.memory._asdict(), "total": counted.memory.total},
        "available": free,
        "fits": fits,
        "knobs": {} if fits else _knobs(settings, materials.tokenizer, largest, counted.memory.total, device),
        "steps": len(plan.steps),
        "epochs": plan.steps[-1].epoch,
        "examples": sum(step.examples for step in plan.steps),
        "tokens": tokens,
        "trained_tokens": trained,
        "passes_per_step": plan.passes,
        "largest_pass": largest._asdict(),
        "operations": operations,
        "operations_per_second": rate,
        "seconds": operations / rate,
    }


def table(found: dict[str, Any]) -> str:
    """What `estimate` found, as lines for a terminal."""
    sizes = found["memory"]
    share = found["trained"] / found["parameters"]
    verdict = "fits" if found["fits"] else "DOES NOT FIT"
    lines = [
        f"parameters   {found['parameters']:,}, of which {found['trained']:,} are trained ({share:.3%})",
        *(f"{name:<12} {_size(sizes[name]):>10}" for name in Memory._fields),
        f"{'together':<12} {_size(sizes['total']):>10}  {verdict}: {_size(found['available'])} are free on {found['device']}",
        *(f"  with {knob}: {_size(total)}" for knob, total in found["knobs"].items()),
        (
            f"plan         {found['steps']:,} steps, {found['epochs']} epochs, {found['examples']:,} examples, {found['tokens']:,}"
            f" tokens ({found['trained_tokens']:,} trained)"
        ),
        f"passes       {found['passes_per_step']} a step, the largest has {found['largest_pass']['tokens']:,} tokens",
        (
            f"time         {_duration(found['seconds'])} of training, at the {found['operations_per_second'] / 1e9:,.1f}"
            " GFLOP/s of one layer of this shape, measured here"
        ),
    ]
    return "\n".join(lines)


def available(device: torch.device) -> int:
    """Bytes that are free: of the GPU, or of this machine's memory (or of the share that its container has of it)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return int(free)


def measured_rate(settings: Settings, tokenizer: Any, tokens: int, longest: int, device: torch.device) -> float:  # noqa: ANN401 - transformers' classes have no common type
    """Operations a second (`operations` of one layer) of forward and backward passes through one decoder layer.

    The layer has the model's shape, adapter and precision, random weights and no quantisation; passes have documents of
    `tokens` tokens and up to `longest` together, fewer where that would take long.
    """
    packing = not isinstance(settings.adapter, Virtual)
    model = _layer(settings, tokenizer, device)
    packed.install(model, Sft(), packing=packing)
    model.train()
    bfloat16 = base.compute_dtype(settings, device) == torch.bfloat16

    def seconds(documents: int) -> float:
        ids = [1] * tokens
        examples = [Example("", "", (Document(ids, ids),))] * (documents if packing else 1)
        batch = collate(examples, 1, 0, packing=packing)
        batch = {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
        began = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = model(**batch)["loss"]
        loss.backward()
        model.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    operations = operations_per_weight(settings) * memory.products(model) * tokens
    documents = max(1, min(longest // tokens, int(_ENOUGH[device.type] / operations))) if packing else 1
    # The first pass gets the libraries ready.
    return operations * documents / min(seconds(documents) for _ in range(4))


def operations_per_weight(settings: Settings) -> int:
    """Of a token: 2 in the forward pass, 2 for the gradient of its input, 2 for that of a trained weight.

    (Kaplan et al. 2020, section 2.1, counts 6 for training all weights.) What is computed again is not counted.
    """
    return 6 if isinstance(settings.adapter, Full) else 4


def _layer(settings: Settings, tokenizer: Any, device: torch.device) -> Any:  # noqa: ANN401 - as above
    """A model of one decoder layer and a small vocabulary, with the adapter of the run."""
    config = copy.deepcopy(memory.configuration(settings, tokenizer))
    text = config.get_text_config()
    text.num_hidden_layers, text.vocab_size = 1, _WORDS
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:1]
    text.pad_token_id = text.bos_token_id = text.eos_token_id = None
    config.quantization_config = None
    dtype = torch.float32 if isinstance(settings.adapter, Full) else base.compute_dtype(settings, device)
    kind: Any = AutoModelForCausalLM
    with torch.device(device), base.quiet():
        model = kind.from_config(config, dtype=dtype)
        return base.adapt(model, settings, None)


def _knobs(settings: Settings, tokenizer: Any, largest: Pass, now: int, device: torch.device) -> dict[str, int]:  # noqa: ANN401 - as above
    """The total that each change alone would give, where it is less than `now`."""
    changes: dict[str, dict[str, Any]] = {}
    if settings.adapter.kind != "prefix":
        changes["activation_checkpointing=true"] = {"activation_checkpointing": True}
    if isinstance(settings.adapter, Full):
        changes["adapter.kind=lora"] = {"adapter": Lora()}
    else:
        changes["quantize=nf4"] = {"quantize": "nf4"}
    totals = {
        knob: memory.count(settings.model_copy(update=change), tokenizer, largest, device).memory.total
        for knob, change in changes.items()
    }
    # The longest document that there may be has to fit.
    share = min(1.0, settings.max_tokens / largest.tokens)
    smaller = Pass(round(largest.tokens * share), round(largest.trained * share))
    totals[f"pass_tokens={settings.max_tokens}"] = memory.count(settings, tokenizer, smaller, device).memory.total
    return {knob: total for knob, total in totals.items() if total < now}


def _size(amount: int) -> str:
    return f"{amount / 1e9:,.2f} GB" if amount >= 1e8 else f"{amount / 1e6:,.2f} MB"


def _duration(seconds: float) -> str:
    unit, name = (3600, "h") if seconds >= 3600 else (60, "min") if seconds >= 60 else (1, "s")
    return f"{seconds / unit:,.1f} {name}"
