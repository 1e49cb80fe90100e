"""Static models: a text's vector is the mean of its tokens' vectors. Needs neither torch nor the libraries that save them.

model2vec 0.10 (model.py) leaves unknown tokens out and cuts long texts; sentence-transformers 6.2 (static_embedding.py) does
neither, and reads model2vec's folders only where their weights are floats. Which of the two saved a folder shows in the name
of its weights.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import ConfigError

# Where a text is cut if the model's config does not say (model2vec: DEFAULT_MAX_LENGTH).
MAX_TOKENS = 512

Array = np.ndarray[Any, np.dtype[np.float32]]


def dimensions(folder: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / "model.safetensors", "numpy") as weights:
            name = "embeddings" if "embeddings" in weights.keys() else "embedding.weight"  # noqa: SIM118 - not a mapping
            return int(weights.get_slice(name).get_shape()[1])
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{folder}: model.safetensors cannot be read as a static model: {error}") from error


def encoder(folder: Path, max_tokens: int | None) -> Callable[[list[str]], Array]:
    """What turns texts into vectors (n, d) float32, not of unit length; zero where a text has no known token."""
    from tokenizers import Tokenizer

    vocabulary, by_model2vec = table(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    characters = None
    if max_tokens is not None and by_model2vec:
        # model2vec cuts a text at so many characters before it cuts the tokens.
        characters = max_tokens * int(np.median([len(token) for token in tokenizer.get_vocab()]))
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    unknown = unknown_token(folder) if by_model2vec else None

    def encode(texts: list[str]) -> Array:
        vectors = np.zeros((len(texts), vocabulary.shape[1]), dtype=np.float32)
        cut = [text[:characters] for text in texts]
        for row, encoding in enumerate(tokenizer.encode_batch_fast(cut, add_special_tokens=False)):
            known = [token for token in encoding.ids if token != unknown]
            if known:
                vectors[row] = vocabulary[known].mean(axis=0)
        return vectors

    return encode


def table(folder: Path) -> tuple[Array, bool]:
    """The vector of every token id, (tokens, d) float32, with mapping and weights applied; whether model2vec saved it."""
    from safetensors.numpy import load_file

    weights = load_file(folder / "model.safetensors")
    by_model2vec = "embeddings" in weights
    table = weights["embeddings" if by_model2vec else "embedding.weight"]
    if "mapping" in weights:
        table = table[weights["mapping"]]
    table = table.astype(np.float32)
    if "weights" in weights:
        table = table * weights["weights"][:, None].astype(np.float32)
    return table, by_model2vec


def unknown_token(folder: Path) -> int | None:
    """The id that a tokenizer gives to what it does not know; model2vec leaves such tokens out of the mean."""
    model: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    vocabulary = model.get("vocab")
    found = vocabulary.get(model.get("unk_token")) if isinstance(vocabulary, dict) else model.get("unk_id")
    return None if found is None else int(found)
