"""Transformer encoders: the default model directly, every other through sentence-transformers; torch or OpenVINO computes.

A text's vector does not depend on its neighbours. Matrix products take other paths, with another last digit, only where a
batch is very small or its length is no multiple of the vector width; so lengths are padded to multiples of STEP, and small
batches with empty rows up to LEAST tokens. With torch 2.13 and OpenVINO 2026.4 on a Xeon vectors were then bit-equal whatever
the batch, the place in it and the padding, in fp32, bf16 and int8; with torch also whatever the number of threads. Between processors, devices and
versions of the libraries the last digits differ (about 1e-6 in fp32, 1e-3 in bf16); the cache keeps what was computed first.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from curate.embed import models
from curate.embed.models import Model
from curate.errors import ConfigError

STEP, LEAST = 16, 512

Array = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
# Tokens of each text, cut as the model cuts; and texts of like length to vectors (n, d) float32.
Pair = tuple[Callable[[list[str]], list[int]], Callable[[list[str]], Array]]


def padded(count: int) -> int:
    """The length that a text of `count` tokens is padded to."""
    return max(STEP, -(-count // STEP) * STEP)


def minilm(model: Model, backend: str, precision: str, identity: str) -> Pair:
    """all-MiniLM-L6-v2 without the seconds that importing sentence-transformers costs.

    BERT, mean over the tokens of a text (its modules.json); a test holds it equal to SentenceTransformer.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    tokenizer.no_padding()
    if model.max_tokens:
        tokenizer.enable_truncation(model.max_tokens)
    means = _openvino_means(model, precision, identity) if backend == "openvino" else _torch_means(model, precision)

    def encode(texts: list[str]) -> Array:
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        length = padded(max(map(len, ids)))
        tokens = np.zeros((max(len(ids), -(-LEAST // length)), length), dtype=np.int64)
        mask = np.zeros_like(tokens)
        mask[:, 0] = 1
        for row, own in enumerate(ids):
            tokens[row, : len(own)], mask[row, : len(own)] = own, 1
        return means(tokens, mask)[: len(ids)]

    return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)], encode


def _torch_means(model: Model, precision: str) -> Callable[[Ints, Ints], Array]:
    import torch

    where = device()
    bert = _bert(model).to(where)

    def means(tokens: Ints, mask: Ints) -> Array:
        with torch.inference_mode():
            there = torch.from_numpy(mask).to(where)
            with _autocast(where, precision):
                states = bert(input_ids=torch.from_numpy(tokens).to(where), attention_mask=there).last_hidden_state
            summed = (states.float() * there.unsqueeze(-1)).sum(1)
            found: Array = (summed / there.sum(1, keepdim=True)).cpu().numpy()
            return found

    return means


def _openvino_means(model: Model, precision: str, identity: str) -> Callable[[Ints, Ints], Array]:
    from curate.embed.openvino import hidden_states

    hidden = hidden_states(lambda: _bert(model), ("input_ids", "attention_mask"), identity, precision)

    def means(tokens: Ints, mask: Ints) -> Array:
        weights = mask[:, :, None].astype(np.float32)
        summed = (hidden({"input_ids": tokens, "attention_mask": mask}) * weights).sum(axis=1)
        found: Array = summed / weights.sum(axis=1)
        return found

    return means


def _bert(model: Model) -> Any:  # noqa: ANN401 - transformers' class
    from transformers import BertModel
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        bert: Any = BertModel.from_pretrained(model.folder, local_files_only=True)
        return bert.eval()
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def sentence_transformer(model: Model, backend: str, precision: str, identity: str) -> Pair:
    """Any sentence-transformers model, by that library; the batches are ours, and where it is asked for, OpenVINO.

    Raises ConfigError where the library cannot load it, or it is to run in OpenVINO and does not begin with a transformer.
    """
    from sentence_transformers import SentenceTransformer

    where = device() if backend == "torch" else "cpu"
    try:
        loaded = SentenceTransformer(str(model.folder), device=where, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{model.folder}: sentence-transformers cannot load it: {reason}") from error
    if model.max_tokens:
        loaded.max_seq_length = model.max_tokens
    if backend == "openvino":
        _exchange(loaded, model, identity, precision)
        precision = "fp32"

    # transformers refuses a step that does not divide the limit; last digits may then depend on the neighbours.
    step = STEP if (loaded.max_seq_length or STEP) % STEP == 0 else None

    def count(texts: list[str]) -> list[int]:
        found = loaded.tokenizer(texts, truncation=True, max_length=loaded.max_seq_length)["input_ids"]
        return [len(ids) for ids in found]

    def encode(texts: list[str]) -> Array:
        rows = [*texts, *[""] * (-(-LEAST // padded(max(count(texts)))) - len(texts))]
        with _autocast(where, precision):
            found = loaded.encode(
                rows,
                batch_size=len(rows),
                convert_to_tensor=True,
                show_progress_bar=False,
                processing_kwargs={"text": {"pad_to_multiple_of": step}},
            )
        vectors: Array = found.float().cpu().numpy()[: len(texts)]
        return vectors

    return count, encode


def _exchange(loaded: Any, model: Model, identity: str, precision: str) -> None:  # noqa: ANN401 - a SentenceTransformer
    """Let OpenVINO compute what the transformer, its first module, computes."""
    import torch
    from sentence_transformers.base.modules import Transformer

    from curate.embed.openvino import hidden_states

    first = loaded[0]
    if not isinstance(first, Transformer):
        raise ConfigError(
            f"{model.folder}: OpenVINO computes transformers, but this begins with {type(first).__name__}"
        )
    names = tuple(loaded.tokenizer("x"))
    hidden = hidden_states(lambda: first.auto_model, names, identity, precision)

    def forward(features: dict[str, Any], **_: object) -> dict[str, Any]:
        states = hidden({name: features[name].numpy() for name in names})
        return {**features, "token_embeddings": torch.from_numpy(states.copy())}

    first.forward = forward


def device() -> str:
    """Where torch computes; on a processor with as many threads as this process was given."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    torch.set_num_threads(models.threads())
    return "cpu"


def _autocast(where: str, precision: str) -> AbstractContextManager[Any]:
    """Matrix products in `precision`, sums and norms in fp32: 0.99998 cosine to fp32 where bf16 weights reach 0.99996."""
    import torch

    return torch.autocast(where, dtype=torch.bfloat16, enabled=precision == "bf16")
