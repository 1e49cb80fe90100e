"""A local model that answers: base, adapter, tokenizer with its chat template, and batches of about equal prompts.

All batches of one prompt length have one shape, filled up with rows that are thrown away: matrix kernels round by shape,
so an answer has the same bits whichever prompts it is generated with.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from curate.chat import Message
from curate.errors import ConfigError, RunError

from .decoding import Chooser, Decoding, room

Precision = Literal["auto", "float32", "bfloat16", "float16"]
# Rows of a batch. A CPU gains little beyond this; a GPU reads the weights once for all rows.
ROWS = {"cpu": 8, "cuda": 32}


class Answerer(NamedTuple):
    """A loaded model. `ends`: tokens that end an answer; `window`: tokens that it sees; `plain`: it has no chat template."""

    network: Any
    tokenizer: Any
    ends: tuple[int, ...]
    window: int
    rows: int
    precision: str


class Generated(NamedTuple):
    """An answer; `text` is null where the prompt leaves no room for one. `tokens`: generated, the end token too."""

    text: str | None
    finish: Literal["stop", "length", "error"]
    tokens: int


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
    ends = _ends(network, adapter, tokenizer)
    window = getattr(network.config.get_text_config(), "max_position_embeddings", None) or tokenizer.model_max_length
    return Answerer(network, tokenizer, ends, int(window), rows or ROWS[device], kind)


def prompt_ids(turns: Sequence[Message], tokenizer: Any) -> list[int]:  # noqa: ANN401 - transformers' own
    """A conversation as tokens, up to where its answer begins. Raises ConfigError where the chat template refuses it."""
    from jinja2.exceptions import TemplateError

    if tokenizer.chat_template is None:
        text = "\n\n".join(turn["content"] for turn in turns)
        return list(tokenizer(text, verbose=False).input_ids)
    try:
        text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise ConfigError(f"{tokenizer.name_or_path}: its chat template refuses a prompt: {error}") from error
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def generate(
    prompts: Sequence[Sequence[int]], seeds: Sequence[int], model: Answerer, decoding: Decoding
) -> Iterator[Sequence[tuple[int, Generated]]]:
    """(position, answer) of one batch after the other, the longest prompts first. Raises RunError where memory runs out."""
    rooms = [room(decoding, len(ids), model.window) for ids in prompts]
    hopeless = [position for position, ids in enumerate(prompts) if rooms[position] < 1 or not ids]
    if hopeless:
        yield [(position, Generated(None, "error", 0)) for position in hopeless]
    for width, batch in _batches(prompts, set(hopeless), model.rows):
        rows = [prompts[position] for position in batch]
        found = _continued(rows, width, [seeds[i] for i in batch], [rooms[i] for i in batch], model, decoding)
        yield [(position, _answer(ids, model)) for position, ids in zip(batch, found, strict=True)]


def _batches(prompts: Sequence[Sequence[int]], without: set[int], rows: int) -> Iterator[tuple[int, list[int]]]:
    by_width: dict[int, list[int]] = {}
    for position in sorted(set(range(len(prompts))) - without, key=lambda place: (-len(prompts[place]), place)):
        by_width.setdefault(_width(len(prompts[position])), []).append(position)
    for width, positions in by_width.items():
        for start in range(0, len(positions), rows):
            yield width, positions[start : start + rows]


def _width(length: int) -> int:
    """The next length that batches are made for: it depends on a prompt alone, so its batch has always one shape."""
    step = 32 if length <= 128 else 64 if length <= 512 else 256
    return -(-length // step) * step


def _continued(
    prompts: Sequence[Sequence[int]],
    width: int,
    seeds: Sequence[int],
    rooms: Sequence[int],
    model: Answerer,
    decoding: Decoding,
) -> list[list[int]]:
    """What the model adds to each prompt, up to and with an end token."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    fill = model.rows - len(prompts)
    rows = [*prompts, *[prompts[0]] * fill]
    limits = torch.tensor([*rooms, *[1] * fill], device=model.network.device)
    chooser: Any = Chooser(rows, [*seeds, *[0] * fill], decoding, max(rooms))
    pad = model.ends[0] if model.ends else 0
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=model.network.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.network.device)

    def is_over(so_far: torch.Tensor, _: object) -> torch.Tensor:
        return so_far.shape[1] - width >= limits

    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=max(rooms), eos_token_id=list(model.ends) or None, pad_token_id=pad
    )
    stops: Any = [is_over]
    try:
        with torch.inference_mode():
            found = model.network.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=settings,
                logits_processor=LogitsProcessorList([chooser]),
                stopping_criteria=StoppingCriteriaList(stops),
            )
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"out of memory with {model.rows} prompts at a time: answer fewer: --batch {model.rows // 2 or 1}"
        ) from error
    new = found[: len(prompts), width:].tolist()
    return [_until(row[:limit], model.ends) for row, limit in zip(new, rooms, strict=True)]


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    first = next((place for place, token in enumerate(ids, start=1) if token in ends), len(ids))
    return ids[:first]


def _answer(ids: list[int], model: Answerer) -> Generated:
    is_ended = bool(ids) and ids[-1] in model.ends
    text = model.tokenizer.decode(ids[:-1] if is_ended else ids, skip_special_tokens=True)
    return Generated(text, "stop" if is_ended else "length", len(ids))


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
    ends = tuple(given) if isinstance(given, list | tuple) else () if given is None else (int(given),)
    for one in (network, inner):
        one.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    return ends


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
