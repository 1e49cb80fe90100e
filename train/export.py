"""What a run leaves behind, and the proof that it is what was trained.

An adapter's folder answers by itself: adapter, tokenizer with its chat template, and a generation config that stops at
the end of a turn lie together, and `AutoPeftModelForCausalLM.from_pretrained(folder)` is all that it takes to load them.
"""

from pathlib import Path
from typing import Any

from curate import config
from curate.errors import ConfigError, RunError
from train import base
from train.settings import Settings

# Greatest difference of a logit between a model and its reload, relative to the greatest logit, on a GPU: its kernels
# may sum in another order. On a CPU the reload is the same bits.
_BOUNDS = {"float32": 1e-5, "bfloat16": 2e-2}
# The same for weights that were merged: W + BA is rounded once more than Wx + BAx. Measured: below 2e-6.
_MERGED = 1e-5
# Ids of the probe, spread over the vocabulary.
_PROBE = 48


def save(model: Any, tokenizer: Any, folder: Path, end_ids: frozenset[int], state: Any = None) -> None:  # noqa: ANN401 - transformers' classes have no common type
    """Write the adapter, or all weights (float32), with the tokenizer and the tokens that end an answer.

    `state`: a gathered state dict, where the weights are spread over processes. The embedding is never stored with an
    adapter: its own trained rows are, and its size follows from the tokenizer.
    """
    from peft import PeftModel
    from transformers import GenerationConfig

    if isinstance(model, PeftModel):
        with base.quiet():
            model.save_pretrained(str(folder), save_embedding_layers=False, state_dict=state)
        # peft's model card is a form to fill in; card.md is the run's.
        (folder / "README.md").unlink(missing_ok=True)
    else:
        # What was switched off for training is of no concern to those who load it.
        model.config.use_cache = True
        try:
            with base.quiet():
                model.save_pretrained(folder, state_dict=state)
        finally:
            model.config.use_cache = False
    tokenizer.save_pretrained(folder)
    kind: Any = GenerationConfig
    ends = {"eos_token_id": stops(tokenizer, end_ids), "pad_token_id": tokenizer.pad_token_id}
    kind(bos_token_id=tokenizer.bos_token_id, **ends).save_pretrained(folder)


def stops(tokenizer: Any, end_ids: frozenset[int]) -> list[int]:  # noqa: ANN401 - as above
    """The tokens that generation stops at: those that end an answer, and EOS."""
    return sorted(end_ids) + sorted({tokenizer.eos_token_id} - {None} - end_ids)


def load(folder: Path, settings: Settings, device: Any) -> Any:  # noqa: ANN401 - as above
    """The model of an epoch's folder as anybody would load it, for inference. Nothing of ours is installed in it."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    is_adapter = (folder / "adapter_config.json").exists()
    kind: Any = AutoPeftModelForCausalLM if is_adapter else AutoModelForCausalLM
    how = {"dtype": torch.float32}
    if is_adapter:
        how = {"dtype": base.compute_dtype(settings, device), **base.quantisation(settings, device)}
    with base.quiet():
        return kind.from_pretrained(folder, device_map={"": device}, trust_remote_code=False, **how).eval()


def probe(model: Any, tokenizer: Any) -> Any:  # noqa: ANN401 - as above
    """Logits, (positions, vocabulary) float32 on the CPU, for ids spread over the vocabulary and its special tokens."""
    import torch

    size = len(tokenizer)
    ids = [*tokenizer.all_special_ids, *(position * (size - 1) // (_PROBE - 1) for position in range(_PROBE))]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits
    finally:
        model.train(training)
    return logits[0].float().cpu()


def prove(expected: Any, folder: Path, settings: Settings, device: Any) -> float:  # noqa: ANN401 - as above
    """Reload a folder and compare its logits with the live model's (`probe`): the greatest difference.

    The live model may be gone by then, so that both need not fit. Raises RunError where they differ: on a CPU at all, on
    a GPU by more than rounding.
    """
    from transformers import AutoTokenizer

    model = load(folder, settings, device)
    got = probe(model, AutoTokenizer.from_pretrained(folder))
    kind = str(model.dtype).removeprefix("torch.")
    bound = 0.0 if model.device.type == "cpu" else _BOUNDS[kind] * float(expected.abs().max())
    difference = _difference(expected, got)
    if not difference <= bound:
        raise RunError(
            f"{folder}: what was saved is not what was trained: reloaded, a logit differs by {difference:.3g}"
            f" (at most {bound:.3g} is expected). Do not use it, and report this"
        )
    return difference


def merge(folder: Path, out: Path, *, dequantized: bool = False) -> dict[str, Any]:
    """Write a model of its own: the adapter of an epoch (of a run: the selected, else the last) added to its base.

    Always onto full precision, in float32, and saved in the base's own precision. `dequantized`: onto the weights that
    the quantised base stood for, so that the merged model is the one that was trained and evaluated; never into
    quantised ones, which would round the adapter away. Needs 4 bytes of memory a parameter. Raises ConfigError where
    there is nothing to merge, RunError where the result answers otherwise.

    The figures are the greatest difference of a logit (`probe`) from the adapter beside its base in float32: `merged`, in
    float32; `saved`, as written and read again in `dtype`; `trained_on`, of the quantised base that was trained on, None
    where it was not quantised. `check` says them in a line.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    epoch = _epoch(folder)
    settings = _settings(epoch)
    tokenizer = AutoTokenizer.from_pretrained(epoch)
    model, dtype, onto = _whole(settings, dequantized=dequantized)
    base.add_rows(model, len(tokenizer))
    with base.quiet():
        adapted = PeftModel.from_pretrained(model, epoch)
    apart = probe(adapted, tokenizer)
    trained_on = _difference(probe(load(epoch, settings, "cpu"), tokenizer), apart) if settings.quantize else None
    model = adapted.merge_and_unload(safe_merge=True)
    merged = _difference(probe(model, tokenizer), apart)
    if not merged <= _MERGED * float(apart.abs().max()):
        raise RunError(f"{epoch}: merged, a logit differs by {merged:.3g} from the adapter's. Nothing was written")
    model.generation_config = model.generation_config.from_pretrained(epoch)
    with base.quiet():
        model.to(dtype).save_pretrained(out)
        tokenizer.save_pretrained(out)
        again = AutoModelForCausalLM.from_pretrained(out, dtype=dtype)
    saved, kind = _difference(probe(again, tokenizer), apart), str(dtype).removeprefix("torch.")
    check = f"merged onto {onto}, a logit differs by at most {merged:.2g}; saved in {kind}, by {saved:.2g}"
    check += "" if trained_on is None else f"; on the {settings.quantize} base that was trained on, by {trained_on:.2g}"
    figures = {"merged": merged, "saved": saved, "trained_on": trained_on, "check": check}
    return {"epoch": str(epoch), "base": settings.base, "onto": onto, "dtype": kind, **figures}


def _whole(settings: Settings, *, dequantized: bool) -> tuple[Any, Any, str]:
    """The base in float32 without quantised weights, the precision of its checkpoint, and which of the two it is."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if dequantized and settings.quantize is None:
        raise ConfigError("--dequantized: the base of this run was not quantised. Leave the option out")
    how = base.quantisation(settings, "cpu") if dequantized else {}
    with base.one_line(settings.base, "model"):
        dtype = AutoConfig.from_pretrained(settings.base).dtype or torch.float32
        model: Any = AutoModelForCausalLM.from_pretrained(settings.base, dtype=torch.float32, **how)
        if getattr(model, "hf_quantizer", None) is None:
            return model, dtype, "full precision"
        # Before any forward pass: on a CPU it would repack the weights, which then dequantize to something else.
        return model.dequantize(torch.float32), dtype, "dequantized"


def _difference(one: Any, other: Any) -> float:  # noqa: ANN401 - as above
    """The greatest difference; infinite where the shapes differ. Rows that a resize padded count too."""
    return float((one - other).abs().max()) if one.shape == other.shape else float("inf")


def _epoch(folder: Path) -> Path:
    """An epoch's folder: itself, the one that a run's `best` names, or a run's last."""
    if (folder / "adapter_config.json").exists():
        return folder
    best = folder / "best"
    if best.exists():
        return _epoch(folder / best.read_text(encoding="utf-8").strip())
    epochs = sorted(path.parent for path in folder.glob("epoch-*/adapter_config.json"))
    if not epochs:
        whole = next((path for at in (".", "epoch-*") for path in folder.glob(f"{at}/model*.safetensors")), None)
        hint = f"{whole.parent} is a whole model already" if whole else "Expected a run folder or one of its epochs"
        raise ConfigError(f"{folder}: there is no adapter to merge. {hint}")
    return epochs[-1]


def _settings(epoch: Path) -> Settings:
    """The settings of the run that an epoch's adapter is of."""
    path = epoch.parent / "config.yaml"
    if not path.exists():
        raise ConfigError(
            f"{epoch}: expected the run's config.yaml beside it, which says what the adapter was trained on"
        )
    settings = config.load(path, Settings)
    if settings.adapter.kind not in ("lora", "ia3"):
        raise ConfigError(
            f"{epoch}: an adapter of the kind {settings.adapter.kind} is not part of any weight, so it cannot be merged"
        )
    return settings
