"""The training loop the plain way, to compare with step for step: each document through the model by itself, all its
logits, torch's cross-entropy, gradients summed over the step, and AdamW written out (Loshchilov and Hutter 2019, algorithm 2)."""

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name


def document_loss(model, document):
    """Summed cross-entropy of a document's trained tokens, from all logits of an unpacked, unpadded forward pass."""
    ids = torch.tensor([document.ids])
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return F.cross_entropy(
        logits[:-1].float(), torch.tensor(document.labels[1:]).long(), ignore_index=-100, reduction="sum"
    )


def padded_loss(model, documents, pad=0):
    """The same for several documents in one batch, padded on the right under an attention mask."""
    longest = max(len(document.ids) for document in documents)
    ids = torch.tensor([document.ids + [pad] * (longest - len(document.ids)) for document in documents])
    labels = torch.tensor([document.labels + [-100] * (longest - len(document.ids)) for document in documents])
    mask = torch.tensor([[int(i < len(document.ids)) for i in range(longest)] for document in documents])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).float()
    return F.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=-100, reduction="sum")


def sequence_logprob(model, document):
    """ln p of a document's trained tokens, token by token."""
    with torch.no_grad():
        scores = torch.log_softmax(model(input_ids=torch.tensor([document.ids]), use_cache=False).logits[0].float(), -1)
    pairs = enumerate(document.labels[1:])
    return sum(float(scores[place, label]) for place, label in pairs if label != -100)


def adamw(parameters, moments, number, lr, betas, eps, weight_decay):
    """One update in place. `moments`: a dict kept between calls; `number`: of the update, from 1."""
    for name, parameter in parameters.items():
        first, second = moments.setdefault(name, (torch.zeros_like(parameter), torch.zeros_like(parameter)))
        first.mul_(betas[0]).add_(parameter.grad, alpha=1 - betas[0])
        second.mul_(betas[1]).add_(parameter.grad**2, alpha=1 - betas[1])
        # As in the Trainer: biases and the weights of norms do not decay.
        if weight_decay and parameter.ndim > 1:
            parameter.data.mul_(1 - lr * weight_decay)
        unbiased = first / (1 - betas[0] ** number)
        spread = (second / (1 - betas[1] ** number)).sqrt()
        parameter.data.sub_(lr * unbiased / (spread + eps))


def train(model, steps, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, clip=None):
    """Cross-entropy training: `steps` is a list of lists of documents, `lr(number)` the rate of the step, from 1.

    Gives (loss, norm of the gradient before it is clipped) of each step. The loss is the mean over the step's trained tokens.
    """
    model.train()
    moments, figures = {}, []
    for number, documents in enumerate(steps, start=1):
        model.zero_grad()
        tokens = sum(label != -100 for document in documents for label in document.labels[1:])
        total = 0.0
        for document in documents:
            loss = document_loss(model, document) / tokens
            loss.backward()
            total += float(loss.detach())
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}
        norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in parameters.values()))
        if clip is not None and norm > clip:
            for parameter in parameters.values():
                # torch's clip_grad_norm_ adds 1e-6 to the norm.
                parameter.grad.mul_(clip / (float(norm) + 1e-6))
        with torch.no_grad():
            adamw(parameters, moments, number, lr(number), betas, eps, weight_decay)
        figures.append((total, float(norm)))
    return figures
