"""Packed documents through a causal language model: each attends to itself only, and the head sees trained rows only.

`install` replaces the `forward` of the innermost causal language model for batches of ours (those with `cu_seq_lens`), so
that calls through adapters, DDP or FSDP keep their hooks. All other calls, generation among them, go to its own forward.
"""

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from curate.errors import ConfigError
from train import attention, losses, neftune
from train.losses import Objective
from train.record import UNTRAINED, Batch
from train.settings import BestOf, Sft

# Rows of the head at a time where their losses are kept apart: bounds the logits in memory.
ROWS = 1024
# And where only their sum in half precision is wanted: each block costs a gradient of the head until the backward pass.
SUMMED_ROWS = 4096


def install(model: Any, objective: Objective, neftune_alpha: float = 0.0, *, packing: bool = True) -> None:  # noqa: ANN401 - any causal language model, also with an adapter
    """Teach a model to take batches of ours. Called once, before the model is wrapped for several processes.

    `model(**batch)` then gives a dict. In training: `loss`, the sum over the pass (losses.py), and with a preference
    objective `logprobs` of the documents. In eval mode: `logprobs` (documents,), float32, nats, summed over trained tokens.
    NEFTune's noise is added in training only. Without `packing` (virtual tokens before the text) a pass is one document.

    Raises ConfigError where packed documents do not give what each gives alone: for attention that this one cannot do
    (soft capping, sinks), and for layers that carry something from token to token by other ways.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not packing and not isinstance(objective, Sft | BestOf):
        raise ConfigError(
            f"objective {objective.kind}: compares documents in one pass, and virtual tokens cannot be packed"
        )
    if packing and inner.config._attn_implementation != attention.NAME:  # noqa: SLF001 - no public reader
        inner.set_attn_implementation(attention.NAME)
    own = inner.forward
    fused = _prove(inner, own) if packing else _plain_head(inner, own)

    def forward(model: Any, *args: Any, **batch: Any) -> Any:  # noqa: ANN401 - whatever a model takes and gives
        if batch.get("cu_seq_lens") is None:
            return own(*args, **batch)
        return _forward(model, own, batch, objective, neftune_alpha, fused=fused)

    # Generation reads there what a model takes.
    forward.__signature__ = inspect.signature(type(inner).forward)  # type: ignore[attr-defined]
    inner.forward = MethodType(forward, inner)


def document_logprobs(model: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - as above
    """Log-probability of each document's trained tokens without noise and dropout: (documents,) float32, nats."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            found: Tensor = model(**batch)["logprobs"]
    finally:
        model.train(training)
    return found


def _forward(
    model: Any,  # noqa: ANN401 - the innermost causal language model
    own: Callable[..., Any],
    batch: Batch,
    objective: Objective,
    alpha: float,
    *,
    fused: bool,
) -> dict[str, Tensor]:
    inputs, virtual = _inputs(model, batch, alpha)
    labels = batch["shift_labels"][0]
    rows = (labels != UNTRAINED).nonzero()[:, 0]
    targets = labels[rows]
    head = _head(model) if fused else None
    if head is None:
        logits = own(**inputs, logits_to_keep=rows + virtual).logits[0]
        token_losses = F.cross_entropy(logits.float(), targets, reduction="none")
    else:
        hidden = model.get_decoder()(**inputs).last_hidden_state[0, virtual:][rows]
        if model.training and isinstance(objective, Sft | BestOf):
            return {"loss": _summed(hidden, *head, targets)}
        token_losses = _token_losses(hidden, *head, targets)
    logprobs = losses.document_sums(token_losses, batch)
    if not model.training:
        return {"logprobs": logprobs}
    return {"loss": losses.pass_loss(logprobs, batch, objective), "logprobs": logprobs.detach()}


def _inputs(model: Any, batch: Batch, alpha: float) -> tuple[dict[str, Any], int]:  # noqa: ANN401 - as above
    """What the decoder is called with, and how many virtual tokens stand before the text.

    The attention mask of packed documents is an empty one with four dimensions: transformers hands such a mask on as it
    is, and builds none of its own (tokens × tokens); attention that would use it fails, rather than look at neighbours.
    """
    given = batch.get("inputs_embeds")
    tokens = batch["shift_labels"].shape[1]
    virtual = given.shape[1] - tokens if given is not None else 0
    inputs: dict[str, Any] = {"use_cache": False}
    if alpha and model.training:
        embeddings = given if given is not None else model.get_input_embeddings()(batch["input_ids"])
        width = embeddings.shape[-1]
        noise = neftune.noise(neftune.scale(batch["cu_seq_lens"], width, alpha), width)
        text = embeddings[:, virtual:] + noise.to(embeddings.dtype)
        inputs["inputs_embeds"] = torch.cat([embeddings[:, :virtual], text], 1)
    elif given is not None:
        inputs["inputs_embeds"] = given
    else:
        inputs["input_ids"] = batch["input_ids"]
    if batch.get("past_key_values") is not None:
        inputs["past_key_values"] = batch["past_key_values"]
    if batch.get("position_ids") is None:
        assert len(batch["cu_seq_lens"]) == 2, "documents without positions of their own are passed one by one"
        return inputs, virtual
    ends = {"cu_seq_lens_q": batch["cu_seq_lens"], "cu_seq_lens_k": batch["cu_seq_lens"]}
    longest = {"max_length_q": batch["max_length"], "max_length_k": batch["max_length"]}
    mask = torch.empty((1, 1, 1, 0), device=batch["cu_seq_lens"].device)
    return {**inputs, **ends, **longest, "position_ids": batch["position_ids"], "attention_mask": mask}, virtual


def _head(model: Any) -> tuple[Tensor, Tensor | None] | None:  # noqa: ANN401 - as above
    """Weight and bias of the output head as it is now; None where it does more than a matrix product.

    Trainable tokens (peft) give their merged weight, through which gradients reach the trainable rows.
    """
    from peft.utils.other import ModulesToSaveWrapper, TrainableTokensWrapper
    from torch.distributed.tensor import DTensor

    head = model.get_output_embeddings()
    if isinstance(head, ModulesToSaveWrapper) and head.active_adapters:
        head = head.modules_to_save[head.active_adapters[0]]
    plain = head.token_adapter.base_layer if isinstance(head, TrainableTokensWrapper) else head
    if type(plain) is not nn.Linear or hasattr(plain, "_hf_hook"):
        return None
    weight: Tensor = head.weight
    # Sharded apart from what calls it: only the module's own hooks gather it.
    return None if isinstance(weight, DTensor) else (weight, plain.bias)


def _summed(rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Summed cross-entropy of rows of hidden states, float32; logits are never kept, gradients are taken on the way."""
    rows, weight, bias = _cast(rows, weight, bias)
    # The value comes in the precision of the rows: of bfloat16, sums of shorter blocks are added up in float32.
    block = len(rows) if rows.dtype == torch.float32 else SUMMED_ROWS
    options = nn.LinearCrossEntropyOptions()
    parts = [
        F.linear_cross_entropy(own, weight, wanted, linear_bias=bias, reduction="sum", options=options).float()
        for own, wanted in zip(torch.split(rows, block), torch.split(targets, block), strict=True)
    ]
    return torch.stack(parts).sum()


def _token_losses(rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Cross-entropy of each row, float32 whatever the precision of the head; logits of a block at a time."""
    rows, weight, bias = _cast(rows, weight, bias)

    def losses_of(own: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(own, weight, bias).float(), wanted, reduction="none")

    blocks = zip(torch.split(rows, ROWS), torch.split(targets, ROWS), strict=True)
    return torch.cat(
        [checkpoint(losses_of, own, wanted, use_reentrant=False, preserve_rng_state=False) for own, wanted in blocks]
    )


def _cast(rows: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """All in the precision of the product: the fused kernel does not follow autocast by itself."""
    kind = rows.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    return rows.to(dtype), weight.to(dtype), bias if bias is None else bias.to(dtype)


@torch.no_grad()
def _prove(model: Any, own: Callable[..., Any]) -> bool:  # noqa: ANN401 - as above
    """Two short documents, packed and apart, must have equal logits; whether the head may be fused."""
    device = model.get_input_embeddings().weight.device
    ids = torch.arange(1, 12, device=device) % model.config.get_text_config().vocab_size
    lengths = [6, 5]
    batch = {
        "input_ids": ids[None],
        "shift_labels": ids[None],
        "cu_seq_lens": torch.tensor([0, 6, 11], dtype=torch.int32, device=device),
        "max_length": 6,
        "position_ids": torch.cat([torch.arange(length, device=device) for length in lengths])[None],
    }
    training = model.training
    model.eval()
    try:
        inputs, _ = _inputs(model, batch, 0.0)
        packed = own(**inputs).logits[0].float()
        apart = torch.cat([own(input_ids=part[None], use_cache=False).logits[0] for part in ids.split(lengths)]).float()
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{type(model).__name__}: cannot be trained on packed documents: {error}") from error
    finally:
        model.train(training)
    # float32 differs by rounding only; half precision and quantized weights differ by more, a neighbour's text by far more.
    bound = 1e-3 if packed.dtype == apart.dtype == model.dtype == torch.float32 else 0.1
    difference = float((packed - apart).abs().max() / apart.std())
    if not difference <= bound:
        raise ConfigError(
            f"{type(model).__name__}: documents packed into one pass do not stay apart (logits differ by {difference:.1g}"
            " standard deviations), so it cannot be trained here"
        )
    return _plain_head(model, own)


@torch.no_grad()
def _plain_head(model: Any, own: Callable[..., Any]) -> bool:  # noqa: ANN401 - as above
    """Whether logits are the head's product and nothing more: some models scale or cap them afterwards."""
    head = _head(model)
    if head is None:
        return False
    ids = torch.arange(1, 4, device=model.get_input_embeddings().weight.device)[None]
    training = model.training
    model.eval()
    hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    same = torch.equal(F.linear(hidden.to(head[0].dtype), *head), own(input_ids=ids, use_cache=False).logits)
    model.train(training)
    return same
