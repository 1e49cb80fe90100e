"""The local model that answers: base, adapter, tokenizer with its chat template."""

import contextlib
import warnings
from pathlib import Path
from typing import Any, Literal

from curate.errors import ConfigError
from curate.lm import generation, rendering
from curate.lm.generation import Answerer

Precision = Literal["auto", "float32", "bfloat16", "float16", "float64"]


def load(model: str, adapter: Path | None, template: str | None, precision: Precision, rows: int | None) -> Answerer:
    """The model of a folder or Hub name, with a peft adapter; tokenizer and end tokens are the adapter's, if it has them.

    `template`: a Jinja file in place of the tokenizer's chat template, or `none`: prompts as they are. Raises ConfigError.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    auto = "float32" if device == "cpu" else "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    kind = auto if precision == "auto" else precision
    has_tokenizer = adapter is not None and (adapter / "tokenizer_config.json").is_file()
    tokenizer = _tokenizer(str(adapter) if has_tokenizer else model, template)
    network = _network(model, adapter, len(tokenizer), getattr(torch, kind)).to(device).eval()
    found = None
    if tokenizer.chat_template is not None:
        # One that nobody could train with is still one to ask with.
        with contextlib.suppress(ConfigError):
            found = rendering.template(tokenizer, None, model)
    return generation.answerer(network, tokenizer, found, _ends(network, adapter, tokenizer), kind, rows)


def _tokenizer(name: str, template: str | None) -> Any:  # noqa: ANN401 - transformers' own
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: no tokenizer can be loaded: {_one_line(error)}") from error
    if template == "none":
        tokenizer.chat_template = None
    elif template is not None:
        path = Path(template)
        if not path.is_file():
            raise ConfigError(f"chat_template {template}: expected a Jinja file, or none")
        tokenizer.chat_template = path.read_text(encoding="utf-8")
    elif tokenizer.chat_template is None:
        raise ConfigError(
            f"{name}: the tokenizer has no chat template. Give one: -s chat_template=FILE.jinja, or -s chat_template=none to"
            " put prompts as they are"
        )
    return tokenizer


def _network(model: str, adapter: Path | None, tokens: int, dtype: Any) -> Any:  # noqa: ANN401 - as above
    import transformers
    from safetensors import SafetensorError

    logging: Any = transformers.utils.logging
    has_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network: Any = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=dtype, trust_remote_code=False)
        if adapter is None:
            return network
        # The adapter's tokenizer may have a token more than its base; the adapter holds that token's row.
        if tokens > network.get_input_embeddings().weight.shape[0]:
            network.resize_token_embeddings(tokens, mean_resizing=False)
        return _adapted(network, adapter)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        what = model if adapter is None else f"{model} with {adapter}"
        raise ConfigError(f"{what}: cannot be loaded as a causal model: {_one_line(error)}") from error
    finally:
        if has_bar:
            logging.enable_progress_bar()


def _adapted(network: Any, adapter: Path) -> Any:  # noqa: ANN401 - peft's own
    from peft import PeftModel

    with warnings.catch_warnings():
        # peft 0.21 asks for a property that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        return PeftModel.from_pretrained(network, str(adapter))


def _ends(network: Any, adapter: Path | None, tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401 - as above
    """The tokens that end an answer, and no other habit of the model's own generation settings."""
    from transformers import GenerationConfig

    inner = network if adapter is None else network.get_base_model()
    own = inner.generation_config
    if adapter is not None and (adapter / "generation_config.json").is_file():
        own = GenerationConfig.from_pretrained(adapter)
    given = own.eos_token_id if own is not None and own.eos_token_id is not None else tokenizer.eos_token_id
    return tuple(given) if isinstance(given, list | tuple) else () if given is None else (int(given),)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
