"""A language model's folder: its settings, what it is, how it is loaded, and in which passes texts go through it.

On a CPU all passes of one length have one shape, filled up with empty rows: matrix kernels round by shape, so this gives
a text the same bits whichever texts it is measured with, and a corpus the same numbers however it is cut into shards.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import Field

from curate import cache
from curate.config import Strict
from curate.errors import ConfigError
from curate.progress import inside

# Tokens of one forward pass. A CPU gains nothing from more than this, and the logits of 1,024 tokens over 150,000 words of
# vocabulary take 0.6 GB; a GPU is idle with less than 16,384.
PASS_TOKENS = {"cpu": 1024, "cuda": 16_384}
# What is computed is kept after each so many passes: a build that is killed loses no more.
KEEP_EVERY = 32
# The files of a model's folder that its answers depend on.
_PARTS = {".json", ".safetensors", ".bin", ".model", ".txt", ".jinja", ".tiktoken"}

Task = Literal["causal", "reward"]


class Settings(Strict):
    """A model in a folder, in the form that transformers saves: config.json, *.safetensors, the tokenizer's files."""

    model: Path = Field(description="folder of the model: config.json, weights, tokenizer; code in it is never run")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="of the weights; auto: float32 on a CPU, bfloat16 (or float16) on a GPU"
    )
    window: int | None = Field(
        None, ge=2, description="tokens that the model sees at once; null, or more than it was built for: all it can"
    )


class Model(NamedTuple):
    """A loaded model. `prefix` begins every text of a causal model; `window` is in tokens, `prefix` included."""

    network: Any
    tokenizer: Any
    prefix: list[int]
    window: int
    device: str


def fingerprint(folder: Path) -> str:
    """32 hex digits of a model's files, in any folder and of any age the same. Loads no library for models.

    A file's digest is kept by its path, size and time of change, so that only the first call reads the weights. Raises
    ConfigError where the folder has no config.json.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"{folder}: no language model here: expected a folder with config.json, weights and tokenizer, as"
            " save_pretrained of transformers writes it"
        )
    files = sorted(path for path in folder.iterdir() if path.suffix in _PARTS and path.is_file())
    stats = [(path, path.stat()) for path in files]
    keys = [cache.key(str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns)) for path, stat in stats]
    known = cache.get("files", keys)
    for path, key in zip(files, keys, strict=True):
        if key not in known:
            with path.open("rb") as stream:
                known[key] = file_digest(stream, "sha256").digest()
            cache.put("files", [(key, known[key])])
    return cache.key(
        *(part for path, key in zip(files, keys, strict=True) for part in (path.name, known[key].hex()))
    ).hex()


def load(settings: Settings, task: Task) -> Model:
    """The model of a folder, on the GPU where there is one; the two loaded last stay in memory. Raises ConfigError."""
    return _load(settings, task, fingerprint(settings.model))


def passes(
    lengths: Sequence[int], model: Model, *, single: bool = False
) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """(positions, shape of the pass) of batches of about equal lengths, the longest first; `single`: no padding at all."""
    order = sorted(range(len(lengths)), key=lambda position: (-lengths[position], position))
    start = 0
    while start < len(order):
        width = lengths[order[start]] if single else min(_width(lengths[order[start]]), model.window)
        height = 1 if single else max(1, PASS_TOKENS[model.device] // width)
        rows = [position for position in order[start : start + height] if single or _width(lengths[position]) >= width]
        start += len(rows)
        yield rows, (height if model.device == "cpu" else len(rows), width)


def _width(length: int) -> int:
    """The next length that passes are made for: few enough that they fill up, near enough that little is padding."""
    step = 16 if length <= 128 else 32 if length <= 512 else 128
    return -(-length // step) * step


def kept(given: dict[bytes, Any], measure: Callable[[list[Any]], Iterator[list[tuple[int, Any]]]]) -> dict[bytes, Any]:
    """The values of what is `given`: from the cache, or as `measure` yields them, pass by pass, by their positions."""
    found = {key: orjson.loads(value) for key, value in cache.get("lm", list(given)).items()}
    waiting = [key for key in given if key not in found]
    if not waiting:
        return found
    fresh: list[tuple[bytes, bytes]] = []
    done = 0
    for number, values in enumerate(measure([given[key] for key in waiting]), start=1):
        for position, value in values:
            found[waiting[position]] = value
            fresh.append((waiting[position], orjson.dumps(tuple(value))))
        if number % KEEP_EVERY == 0:
            cache.put("lm", fresh)
            fresh = []
        done += len(values)
        inside(done, len(waiting))
    cache.put("lm", fresh)
    return found


@lru_cache(maxsize=2)
def _load(settings: Settings, task: Task, _: str) -> Model:
    import torch
    import transformers
    from safetensors import SafetensorError

    device = "cuda" if torch.cuda.is_available() else "cpu"
    auto = "float32" if device == "cpu" else "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    precision = getattr(torch, auto if settings.precision == "auto" else settings.precision)
    kind: Any = transformers.AutoModelForCausalLM
    if task == "reward":
        kind = transformers.AutoModelForSequenceClassification
    safe = {"local_files_only": True, "trust_remote_code": False}
    logging: Any = transformers.utils.logging
    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    # What its report of missing weights means here is said below, in one line.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(settings.model, padding_side="right", **safe)
        network, found = kind.from_pretrained(settings.model, dtype=precision, output_loading_info=True, **safe)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise ConfigError(f"{settings.model}: cannot be loaded as a {task} model: {_one_line(error)}") from error
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
    _check(settings, task, network, sorted(found["missing_keys"]))
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if first is None and task == "causal":
        raise ConfigError(
            f"{settings.model}: the tokenizer has neither a BOS nor an EOS token, so the first token of a text has no"
            " probability; expected one of them in tokenizer_config.json"
        )
    built_for = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    limits = [limit for limit in (settings.window, built_for, tokenizer.model_max_length) if limit]
    network.config.use_cache = False
    network.to(device).eval()
    return Model(network, tokenizer, [] if first is None else [first], int(min(limits)), device)


def _check(settings: Settings, task: Task, network: Any, missing: list[str]) -> None:  # noqa: ANN401 - as above
    """Refuse weights that transformers made up: a base model has no head, and a random one scores without complaint."""
    if missing:
        raise ConfigError(
            f"{settings.model}: is no trained {task} model: the weights of {', '.join(missing[:3])} are not in it"
        )
    if task == "reward" and network.config.num_labels != 1:
        raise ConfigError(
            f"{settings.model}: has {network.config.num_labels} outputs; a reward model has one (num_labels: 1)"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
