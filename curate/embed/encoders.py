"""Batches of texts to vectors: texts of like length together, as many tokens at once as what computes is fastest with."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from curate.embed import models, static, transformer
from curate.embed.models import Model, Settings
from curate.embed.transformer import padded

# Tokens in a batch. In fp32 the activations of 1,024 stay in the processor's cache; narrower numbers need larger matrices
# to keep the units busy, a graphics card far larger ones.
BATCH_TOKENS = {"fp32": 1024, "bf16": 4096, "int8": 2048, "static": 65_536, "cuda": 65_536}
# Texts whose token counts are known at once: within such a window batches hold texts of like length.
WINDOW = 16_384
# Texts on which the drift of int8 is measured.
SAMPLE = 64
# The settings whose drift this process has told: once is enough, and measuring it costs a second.
_told: set[Settings] = set()

Array = np.ndarray[Any, np.dtype[np.float32]]


class Encoder(NamedTuple):
    """`tokens`: how many each text has, cut as the model cuts; `encode`: texts of like length to (n, d) float32."""

    tokens: Callable[[list[str]], list[int]]
    encode: Callable[[list[str]], Array]
    batch_tokens: int


def encoded(texts: Sequence[str], settings: Settings) -> Iterator[tuple[list[int], Array, float]]:
    """Batches of (indices into `texts`, their unit vectors (n, d) float32, share of all texts done so far).

    Longest texts first within a window, so that a batch too large for memory fails at once. Warns of the drift of int8, once.
    """
    if settings.precision == "int8" and settings not in _told and not models.find(settings).static:
        found = drift(texts, settings)
        _told.add(settings)
        warnings.warn(found, stacklevel=2)
    yield from in_batches(texts, load(settings))


def in_batches(texts: Sequence[str], encoder: Encoder) -> Iterator[tuple[list[int], Array, float]]:
    """As `encoded`, by this encoder."""
    for start in range(0, len(texts), WINDOW):
        window = list(texts[start : start + WINDOW])
        counts = encoder.tokens(window)
        finished, total = 0, sum(counts) or 1
        for batch in batches(counts, encoder.batch_tokens):
            vectors = encoder.encode([window[index] for index in batch])
            finished += sum(counts[index] for index in batch)
            done = (start + finished / total * len(window)) / len(texts)
            yield [start + index for index in batch], _unit(vectors), done


def batches(counts: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices of texts in batches of at most `tokens` tokens (or one text), padding counted; longest first, ties by index."""
    order = sorted(range(len(counts)), key=lambda index: (-counts[index], index))
    start = 0
    while start < len(order):
        size = max(1, tokens // padded(counts[order[start]]))
        yield order[start : start + size]
        start += size


def drift(texts: Sequence[str], settings: Settings) -> str:
    """How far these settings' vectors are from fp32, on at most SAMPLE of the texts spread evenly, as a sentence."""
    sample = list(texts[:: -(-len(texts) // SAMPLE)])
    exact = settings.model_copy(update={"precision": "fp32"})
    cosine = (_plain(sample, settings) * _plain(sample, exact)).sum(axis=1)
    return (
        f"{settings.precision} vectors drift: on {len(sample)} of these texts their cosine to fp32 "
        f"is {cosine.mean():.4f} on average, {cosine.min():.4f} at least"
    )


def _plain(texts: list[str], settings: Settings) -> Array:
    return _unit(load(settings).encode(texts))


def load(settings: Settings) -> Encoder:
    """The encoder that the settings name, loaded once a process. Raises ConfigError as `models.find`."""
    model = models.find(settings)
    if model.static:
        return _static(model, models.fingerprint(settings))
    default = settings.model == models.DEFAULT
    return _transformer(
        model, models.backend(settings), models.precision(settings), models.fingerprint(settings), default
    )


# Two: measuring drift needs the exact model beside the quick one.
@lru_cache(maxsize=2)
def _transformer(model: Model, backend: str, precision: str, identity: str, default: bool) -> Encoder:
    make = transformer.minilm if default else transformer.sentence_transformer
    tokens, encode = make(model, backend, precision, identity)
    on_card = backend == "torch" and transformer.device() == "cuda"
    return Encoder(tokens, encode, BATCH_TOKENS["cuda" if on_card else precision])


@lru_cache(maxsize=2)
def _static(model: Model, identity: str) -> Encoder:  # noqa: ARG001 - a changed file is loaded again
    # Nothing is padded, so that characters will do for tokens.
    encode = static.encoder(model.folder, model.max_tokens)
    return Encoder(lambda texts: [len(text) // 4 for text in texts], encode, BATCH_TOKENS["static"])


def _unit(vectors: Array) -> Array:
    """Rows divided by their length; a row of zeros (a static model, no known token) stays so."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return unit
