"""NEFTune (Jain et al. 2023, arXiv 2310.05914, Algorithm 1): uniform noise on the input embeddings while training.

The noise of a token is Uniform(-1, 1) · α / sqrt(L · d), d the width of the embeddings and L the true length of its own
document, prompt and answer. The authors' training code counts the attention mask of each row (experiment_code/train.py of
github.com/neelsjain/NEFTune); the snippet of their README, and the hooks that came from it, count the padded row: a
document of 100 tokens padded to 400, or packed with three others, then gets half of the noise.
"""

import torch
from torch import Tensor


def scale(cu_seq_lens: Tensor, width: int, alpha: float) -> Tensor:
    """Bound of the noise of each token of packed documents, float32 of shape (tokens, 1)."""
    lengths = cu_seq_lens.diff().long()
    return (alpha / (lengths * width).sqrt()).repeat_interleave(lengths)[:, None]


def padded_scale(mask: Tensor, width: int, alpha: float) -> Tensor:
    """The same for padded documents, one a row of `mask` (1: token, 0: padding); 0 on padding. Shape (rows, length, 1)."""
    return (mask * (alpha / (mask.sum(1, keepdim=True) * width).sqrt()))[..., None]


def noise(bound: Tensor, width: int, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise between -bound and bound, float32 of shape (…, width) for a bound of shape (…, 1).

    Its variance is bound² / 3. It takes random numbers from `generator`, or torch's own of the device of `bound`.
    """
    shape = (*bound.shape[:-1], width)
    return bound * torch.empty(shape, device=bound.device).uniform_(-1, 1, generator=generator)
