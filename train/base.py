"""The base of a run: its tokenizer, its weights in the precision that training needs, its adapter.

Weights that are trained are float32: transformers loads the checkpoint's own precision, and an update at a learning rate
of 1e-5 mostly vanishes when it is added to a bfloat16 weight (relative spacing 2^-8). A frozen base under an adapter can
be of any precision; what the adapter trains is float32 there too (peft).
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from curate.errors import ConfigError
from curate.lm import rendering
from train import adapters, toy
from train.settings import Full, Lora, Settings

# Tokens that publishers set aside to end a turn, the first found is taken; then slots without a meaning.
_TURN_ENDS = ("<|eot_id|>", "<|im_end|>", "<|eot|>", "<|end|>", "<end_of_turn>")
_RESERVED = re.compile(r"[<[]\|?(reserved|unused|extra|control)[a-z_]*\d+\|?[>\]]")
_NEW = "<|eot|>"


def place(settings: Settings, run: Path) -> Settings:
    """The settings with a base that can be found again: `toy` is written into the run folder's `base/`."""
    if settings.base != "toy":
        return settings
    folder = run / "base"
    if not (folder / "tokenizer.json").exists():
        with quiet():
            toy.save(folder, settings.seed)
    return settings.model_copy(update={"base": str(folder.absolute())})


def tokenizer(settings: Settings) -> Any:  # noqa: ANN401 - transformers' classes have no common type
    """The base's tokenizer. Where the template names `eot_token`, it has one, saved with it and seen by the template.

    That is `settings.eot`, or a token set aside in the vocabulary that is not EOS, or a new one (`<|eot|>`). Raises
    ConfigError where there is no tokenizer, or the token would be EOS (LIMA, section 3: distinct from it).
    """
    from transformers import AutoTokenizer

    make = toy.tokenizer
    if settings.base != "toy":
        make = partial(AutoTokenizer.from_pretrained, settings.base, trust_remote_code=False)
    with one_line(settings.base, "tokenizer"):
        plain = make()
        if not _names_eot(plain, settings):
            if settings.eot is not None:
                raise ConfigError(
                    f"eot {settings.eot}: the chat template does not name eot_token. Expected template: lima"
                )
            return plain
        # A keyword that ends in _token is a special token of the tokenizer's own: kept in its files, given to Jinja.
        return make(eot_token=_eot(plain, settings.eot))


def load(settings: Settings, tokenizer: Any, device: Any) -> Any:  # noqa: ANN401 - as above
    """The causal language model on `device`, with a row for every token, without an adapter.

    Full fine-tuning: float32. Else `compute_dtype`, or the base quantised as the settings or the checkpoint say. A new
    token's rows in embedding and head are the mean of the others (Taori et al. 2023, stanford_alpaca/train.py). Raises
    ConfigError where the base does not exist, lacks weights, or cannot be trained as asked.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    assert settings.base != "toy", "place() comes first: an adapter needs a base that can be found again"
    if (Path(settings.base) / "adapter_config.json").exists():
        raise ConfigError(
            f"base {settings.base} is an adapter. Merge it first: python -m train merge {settings.base} --out DIR"
        )
    full, kind = isinstance(settings.adapter, Full), cast(Any, AutoModelForCausalLM)
    with one_line(settings.base, "model"):
        config = AutoConfig.from_pretrained(settings.base, trust_remote_code=False)
        check_quantised(settings, config)
        model, found = kind.from_pretrained(
            settings.base,
            dtype=torch.float32 if full else compute_dtype(settings, device),
            **quantisation(settings, device),
            device_map={"": device},
            output_loading_info=True,
            trust_remote_code=False,
        )
    if found["missing_keys"]:
        missing = ", ".join(sorted(found["missing_keys"])[:3])
        raise ConfigError(f"base {settings.base} is no trained causal language model: it lacks the weights {missing}")
    # A cache would switch packed masks off, and training never uses one.
    model.config.use_cache = False
    grow(model, settings, tokenizer)
    return model


def compute_dtype(settings: Settings, device: Any) -> Any:  # noqa: ANN401 - torch loads late
    """The torch dtype of matrix products: as set, or float32 on a CPU and bfloat16 on a GPU."""
    import torch

    if settings.precision == "auto":
        return torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
    return getattr(torch, settings.precision)


def quantisation(settings: Settings, device: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """What `from_pretrained` is told, so that it loads the base in 8 or 4 bits; nothing where it is not to be quantised.

    nf4 as QLoRA (Dettmers et al. 2023, section 3): NormalFloat with double quantisation. Raises ConfigError without
    bitsandbytes.
    """
    if settings.quantize is None:
        # Not even None: transformers would take it for the checkpoint's own, and read GPTQ weights as if they were not.
        return {}
    from importlib.util import find_spec

    import transformers

    if find_spec("bitsandbytes") is None:
        raise ConfigError(f"quantize {settings.quantize} needs bitsandbytes: pip install 'lapidary[quantize]'")
    options: dict[str, Any] = {"load_in_8bit": True}
    if settings.quantize == "nf4":
        options = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": compute_dtype(settings, device),
        }
    return {"quantization_config": cast(Any, transformers.BitsAndBytesConfig)(**options)}


def adapt(model: Any, settings: Settings, tokenizer: Any) -> Any:  # noqa: ANN401 - as above
    """The model as it is trained: all weights, or a peft model around it whose adapter alone is trained.

    With LoRA the rows of `eot_token` in embedding and head are trained too, and no others. Raises ConfigError where the
    model has no such modules, or peft refuses the combination.
    """
    import peft

    if isinstance(settings.adapter, Full):
        wrong = {str(weight.dtype) for weight in model.parameters()} - {"torch.float32"}
        assert not wrong, f"full fine-tuning needs float32 weights, not {wrong}"
        return model.requires_grad_(requires_grad=True)
    eot = getattr(tokenizer, "eot_token_id", None)
    configuration = adapters.configuration(model, settings, eot)
    try:
        with quiet():
            return peft.get_peft_model(model, configuration)
    except (ValueError, NotImplementedError, TypeError) as error:
        raise ConfigError(f"adapter {settings.adapter.kind}: {_short(error)}") from error


def check_quantised(settings: Settings, config: Any) -> None:  # noqa: ANN401 - as above
    """Refuse what a base in few bits cannot do (ConfigError). `config`: the checkpoint's."""
    method = None
    if checkpoint := getattr(config, "quantization_config", None):
        method = checkpoint["quant_method"] if isinstance(checkpoint, dict) else checkpoint.quant_method
        method = getattr(method, "value", method)
    if method and settings.quantize:
        raise ConfigError(
            f"quantize {settings.quantize}: {settings.base} is quantised already ({method}). Leave quantize out"
        )
    if isinstance(settings.adapter, Full) and (method or settings.quantize):
        raise ConfigError(
            f"adapter full trains all weights, and those of a base in {method or settings.quantize} cannot be trained."
            " Set adapter.kind=lora"
        )


def grow(model: Any, settings: Settings, tokenizer: Any) -> None:  # noqa: ANN401 - as above
    """Give every token of the tokenizer a row. Raises ConfigError where there are new ones that could not be trained."""
    if add_rows(model, len(tokenizer)) and not isinstance(settings.adapter, Full | Lora):
        raise ConfigError(
            f"adapter {settings.adapter.kind} cannot train the row of a new token,"
            f" {tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)}. Set adapter.kind=lora, or name a token with eot"
            " that the base knows"
        )


def add_rows(model: Any, tokens: int) -> int:  # noqa: ANN401 - as above
    """Add rows up to `tokens` to embedding and head, each the mean of the old ones: how many were added."""
    import torch

    old: int = model.get_input_embeddings().weight.shape[0]
    if tokens <= old:
        return 0
    # mean_resizing would draw the rows around the mean, at random, from a covariance of the whole vocabulary.
    model.resize_token_embeddings(tokens, mean_resizing=False)
    head = model.get_output_embeddings()
    with torch.no_grad():
        for weight in (model.get_input_embeddings().weight, head.weight, getattr(head, "bias", None)):
            if weight is not None:
                weight[old:] = weight[:old].float().mean(0).to(weight.dtype)
    return tokens - old


def _names_eot(plain: Any, settings: Settings) -> bool:  # noqa: ANN401 - as above
    """Whether the chat template of the run names `eot_token`."""
    if settings.template is None:
        return "eot_token" in str(plain.chat_template or "")
    source = rendering.shipped().get(settings.template, Path(settings.template))
    # A template that does not exist is the renderer's to refuse.
    return source.is_file() and "eot_token" in source.read_text(encoding="utf-8")


def _eot(plain: Any, wanted: str | None) -> str:  # noqa: ANN401 - as above
    """The token that closes a turn, see `tokenizer`."""
    if wanted is not None and wanted == plain.eos_token:
        raise ConfigError(
            f"eot {wanted} is the tokenizer's EOS, and must be another token (LIMA, section 3). Leave eot out"
        )
    special = [str(token) for token in plain.added_tokens_decoder.values()]
    reserved = [token for token in special if _RESERVED.fullmatch(token)]
    free = [token for token in (*_TURN_ENDS, *reserved) if token in special and token != plain.eos_token]
    return wanted or getattr(plain, "eot_token", None) or next(iter(free), _NEW)


@contextmanager
def quiet() -> Iterator[None]:
    """Loading and saving without the libraries' bars and notes."""
    import transformers

    logging: Any = transformers.utils.logging
    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # peft 0.21 asks for it by the name it had before transformers 5.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def one_line(base: str, what: str) -> Iterator[None]:
    """`quiet`, and what goes wrong in one line (ConfigError)."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        if "memory" in str(error):
            # Not the folder's fault: run.py says what helps.
            raise
        raise ConfigError(
            f"base {base}: its {what} cannot be loaded. Expected a folder as save_pretrained of transformers writes it,"
            f" the name of a model on the Hub, or toy. ({_short(error)})"
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
