"""Losses over documents, from the log-probability of their trained tokens. Each is a sum over the examples of a pass.

A step's loss is the sum over its passes divided by `step_items`: the trained tokens of the step for cross-entropy, its
examples for losses that compare answers. So the update does not depend on how a step is cut into passes.

`logprobs`: (documents,) float32, in nats, summed over the trained tokens of each document. `groups`: (documents,), the
example of each document; -1 belongs to none. The documents of an example stand together, a preferred one first.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from train.plan import Step
from train.record import UNTRAINED, Batch
from train.settings import BestOf, Dpo, Rrhf, Sft, Slic

Objective = Sft | BestOf | Dpo | Rrhf | Slic


def step_items(step: Step, objective: Objective) -> int:
    """What the summed losses of a step are divided by."""
    return step.trained if isinstance(objective, Sft | BestOf) else step.examples


def document_sums(token_losses: Tensor, batch: Batch) -> Tensor:
    """Log-probability of each document: `token_losses` (trained tokens,), in their order, with the sign turned."""
    labelled = batch["shift_labels"][0] != UNTRAINED
    lengths = batch["cu_seq_lens"].diff().long()
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)[labelled]
    return torch.zeros(len(lengths), device=token_losses.device).index_add(0, owner, -token_losses.float())


def pass_loss(logprobs: Tensor, batch: Batch, objective: Objective) -> Tensor:
    """The summed loss of a pass under an objective."""
    groups = batch["groups"]
    if isinstance(objective, Sft | BestOf):
        return sft(logprobs)
    if isinstance(objective, Dpo):
        return dpo(logprobs, batch["reference"], groups, objective.beta) if "reference" in batch else logprobs.sum() * 0
    if isinstance(objective, Slic):
        return slic(logprobs, groups, objective.margin, objective.weight)
    if "scores" not in batch:
        return logprobs.sum() * 0
    labelled = batch["shift_labels"][0] != UNTRAINED
    tokens = torch.stack([part.sum() for part in labelled.split(batch["cu_seq_lens"].diff().tolist())])
    return rrhf(logprobs, tokens, batch["scores"], groups, objective.weight)


def sft(logprobs: Tensor) -> Tensor:
    """Cross-entropy: -Σ log π(y|x), over all trained tokens."""
    return -logprobs.sum()


def dpo(logprobs: Tensor, reference: Tensor, groups: Tensor, beta: float) -> Tensor:
    """-log σ(β log π(y_w|x)/π_ref(y_w|x) - β log π(y_l|x)/π_ref(y_l|x)) (Rafailov et al. 2023, arXiv 2305.18290, equation 7).

    `reference`: log-probabilities of the same documents under the model before training.
    """
    preferred, other = _pairs(logprobs - reference, groups)
    return -F.logsigmoid(beta * (preferred - other)).sum()


def rrhf(logprobs: Tensor, tokens: Tensor, scores: Tensor, groups: Tensor, weight: float) -> Tensor:
    """-log π(y_best|x) + weight · Σ_{r_i < r_j} max(0, p_i - p_j), with p_i = log π(y_i|x) / ‖y_i‖ (Yuan et al. 2023, arXiv
    2304.05302, equations 1 to 4; the paper adds both terms with weight 1).

    `tokens`: trained tokens of each document, `scores`: r. Among best answers of one score the first is trained on. (The
    authors' code, train.py of github.com/GanjinZero/RRHF, divides the first term by the padded length; the paper sums.)
    """
    p = logprobs / tokens.clamp(min=1)
    pairs = (groups[:, None] == groups) & (groups >= 0) & (scores[:, None] < scores)
    ranking = (p[:, None] - p).clamp(min=0)[pairs].sum()
    best = torch.stack(
        [(groups == group).nonzero()[:, 0][scores[groups == group].argmax()] for group in _examples(groups)]
    )
    return -logprobs[best].sum() + weight * ranking


def slic(logprobs: Tensor, groups: Tensor, margin: float, weight: float) -> Tensor:
    """max(0, δ - log π(y⁺|x) + log π(y⁻|x)) - λ log π(y_ref|x) (SLiC-HF, Zhao et al. 2023, arXiv 2305.10425, equation 1).

    `margin`: δ, `weight`: λ. The reference answer is the preferred one.
    """
    preferred, other = _pairs(logprobs, groups)
    return (margin - preferred + other).clamp(min=0).sum() - weight * preferred.sum()


def _pairs(values: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Values of the preferred and of the other document of each example, one after the other in a pass."""
    own = values[groups >= 0]
    assert own.numel() == 2 * len(_examples(groups)), "two documents a pair"
    return own[0::2], own[1::2]


def _examples(groups: Tensor) -> list[int]:
    return [int(group) for group in torch.unique_consecutive(groups) if group >= 0]
