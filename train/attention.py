"""Attention of packed documents: each token sees its own document up to itself, and nothing of its neighbours.

transformers knows it as `documents` from when this module is imported. On a CPU it is torch's scaled dot product of one
document after the other, which costs what the documents cost (a mask of the whole pass costs its square); on CUDA in half
precision torch's variable-length kernel.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from curate.errors import ConfigError

NAME = "documents"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **rest: Any,  # noqa: ANN401 - what models hand to their attention
) -> tuple[Tensor, None]:
    """Causal attention within each document. query: (1, heads, tokens, width); key, value: with their own, fewer heads.

    Gives (1, tokens, heads, width). `sliding_window`: a token sees so many, itself among them.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if rest.get(name) is not None:
            raise ConfigError(f"{type(module).__name__}: attention with {name} cannot be packed into documents")
    if cu_seq_lens_q is None:
        if attention_mask is not None and attention_mask.numel() == 0:
            raise ConfigError(f"{type(module).__name__}: is not told where documents end, and cannot be packed")
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **rest)
    half = value.dtype in (torch.bfloat16, torch.float16) or torch.is_autocast_enabled(query.device.type)
    if query.is_cuda and half and not dropout and query.shape[-1] <= 256:
        return _varlen(query, key, value, scaling, sliding_window, cu_seq_lens_q, max_length_q), None
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    lengths = cu_seq_lens_q.diff().tolist()
    parts = zip(*(torch.split(whole, lengths, 2) for whole in (query, key, value)), strict=True)
    # A document no longer than the window sees all that stands before.
    outputs = [
        F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling, **_window(q, sliding_window))
        for q, k, v in parts
    ]
    return torch.cat(outputs, 2).transpose(1, 2).contiguous(), None


def _window(query: Tensor, sliding_window: int | None) -> dict[str, Any]:
    length = query.shape[2]
    if sliding_window is None or length <= sliding_window:
        return {"is_causal": True}
    places = torch.arange(length, device=query.device)
    back = places[:, None] - places
    return {"attn_mask": (back >= 0) & (back < sliding_window)}


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    sliding_window: int | None,
    cu_seq_lens: Tensor,
    max_length: int | None,
) -> Tensor:
    """The same by torch's variable-length kernel, for half precision on CUDA."""
    from torch.nn.attention.varlen import varlen_attn

    assert max_length is not None, "collate gives it"
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    q, k, v = (part[0].transpose(0, 1).to(dtype) for part in (query, key, value))
    output = varlen_attn(
        q,
        k,
        v,
        cu_seq_lens,
        cu_seq_lens,
        max_length,
        max_length,
        scale=scaling,
        window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        enable_gqa=q.shape[1] != k.shape[1],
    )
    assert isinstance(output, Tensor), "no auxiliary outputs were asked for"
    return output[None]


AttentionInterface.register(NAME, attend)
# Where there are no documents it is torch's scaled dot product, and its masks are those.
AttentionMaskInterface.register(NAME, sdpa_mask)
