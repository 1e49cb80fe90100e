"""Dropout on the outputs of attention and MLP, before each is added to the residual stream.

LIMA (Zhou et al. 2023, arXiv 2305.11206, section 3) raises its probability linearly over the layers, from 0.0 at the bottom
to 0.3 at the top (0.2 for smaller models), after Ouyang et al. 2022. Open-Assistant (model_training/models/patching.py) and
epfLLM's Megatron-LLM read it so too. Some summaries tell of a schedule over training time: `over: training` is that one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from curate.errors import ConfigError
from train.settings import ResidualDropout


def ramp(p: float, layers: int) -> list[float]:
    """The probability of each layer from the bottom: p · l / (layers - 1). A single layer has p."""
    return [p * layer / (layers - 1) if layers > 1 else p for layer in range(layers)]


def install(model: Any, settings: ResidualDropout) -> Callable[[float], None]:  # noqa: ANN401 - any causal language model
    """Put the dropout into every decoder layer; what is returned takes the progress of training, from 0 to 1.

    `over: layers` does not depend on progress. `over: training`: every layer drops p · progress, 0 until it is first told.
    Nothing is dropped in eval mode. Raises ConfigError where attention and MLP of the layers cannot be told.
    """
    layers = decoder_layers(model)
    by_layer = ramp(settings.p, len(layers)) if settings.over == "layers" else [settings.p] * len(layers)
    progress = [1.0 if settings.over == "layers" else 0.0]
    for layer, p in zip(layers, by_layer, strict=True):
        for branch in _branches(layer):
            branch.register_forward_hook(_dropping(p, progress))

    def advance(share: float) -> None:
        assert 0 <= share <= 1, f"progress {share}"
        if settings.over == "training":
            progress[0] = share

    return advance


def decoder_layers(model: Any) -> nn.ModuleList:  # noqa: ANN401 - as above
    """The layers of a causal language model, also inside an adapter. Raises ConfigError where they cannot be told."""
    count = model.config.get_text_config().num_hidden_layers
    found = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count and _is_layer(m[0])]
    if len(found) != 1:
        raise ConfigError(f"residual_dropout: the decoder layers of {type(model).__name__} cannot be told")
    return found[0]


def _is_layer(module: nn.Module) -> bool:
    return any("attn" in name or "attention" in name for name, _ in module.named_children())


def _branches(layer: nn.Module) -> list[nn.Module]:
    """The modules whose outputs are added to the residual stream: attention and MLP, or the norms that follow them."""
    children = dict(layer.named_children())
    # Gemma 2 and OLMo 2 normalise what a branch gives before it is added: the norm's output is the branch's.
    if "post_feedforward_layernorm" in children:
        return [children["post_attention_layernorm"], children["post_feedforward_layernorm"]]
    attention = [module for module in children.values() if "Attention" in type(module).__name__]
    mlp = [module for name, module in children.items() if name in ("mlp", "feed_forward", "block_sparse_moe", "ffn")]
    if len(attention) != 1 or len(mlp) != 1:
        raise ConfigError(f"residual_dropout: attention and MLP of {type(layer).__name__} cannot be told")
    return [attention[0], mlp[0]]


def _dropping(p: float, progress: list[float]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401 - a tensor, or a tuple that starts with one
        rate = p * progress[0]
        if not module.training or rate == 0:
            return output
        if isinstance(output, Tensor):
            return torch.nn.functional.dropout(output, rate)
        return (torch.nn.functional.dropout(output[0], rate), *output[1:])

    return hook
