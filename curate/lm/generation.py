"""A causal model that answers, in batches of about equal prompts.

All batches of one prompt length have one shape, filled up with rows that are thrown away: matrix kernels round by shape,
so an answer has the same bits whichever prompts it is generated with.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from curate.chat import Message
from curate.errors import ConfigError, InputError
from curate.lm import rendering
from curate.lm.decoding import Chooser, Decoding, room
from curate.lm.rendering import Template

# Rows of a batch. A CPU gains little beyond this; a GPU reads the weights once for all rows.
ROWS = {"cpu": 8, "cuda": 32}


class Answerer(NamedTuple):
    """A model that answers.

    `template`: None where the tokenizer has none, or one that cannot be taken apart; `ends`: tokens that end an answer;
    `window`: tokens of prompt and answer together; `rows`: of a batch.
    """

    network: Any
    tokenizer: Any
    template: Template | None
    ends: tuple[int, ...]
    window: int
    rows: int
    precision: str


class Generated(NamedTuple):
    """An answer; `text` is null where the prompt leaves no room for one. `tokens`: generated, the end token too."""

    text: str | None
    finish: Literal["stop", "length", "error"]
    tokens: int


def answerer(
    network: Any,  # noqa: ANN401 - a transformers or peft model
    tokenizer: Any,  # noqa: ANN401
    template: Template | None,
    ends: Sequence[int],
    precision: str,
    rows: int | None = None,
) -> Answerer:
    """A model as it answers: its window, and its rows, by default ROWS of its device."""
    window = getattr(network.config.get_text_config(), "max_position_embeddings", None) or tokenizer.model_max_length
    # Adapters of virtual tokens put them before the padding: a shorter prompt would stand further from them.
    virtual = getattr(getattr(network, "active_peft_config", None), "num_virtual_tokens", 0) or 0
    height = 1 if virtual else rows or ROWS[_device(network).type]
    return Answerer(network, tokenizer, template, tuple(ends), int(window) - virtual, height, precision)


def prompt_ids(turns: Sequence[Message], model: Answerer) -> list[int]:
    """A conversation as tokens, up to where its answer begins: the very ids that stand before a trained answer.

    What cannot be trained on (the template closes no answer, or rewrites what a turn says) is the text that the template
    writes, as one; without a chat template, the turns with empty lines between. Raises ConfigError where the template
    refuses the conversation.
    """
    from jinja2.exceptions import TemplateError

    tokenizer = model.tokenizer
    if tokenizer.chat_template is None:
        text = "\n\n".join(turn["content"] for turn in turns)
        return list(tokenizer(text, verbose=False).input_ids)
    if model.template is not None:
        with contextlib.suppress(InputError):
            return rendering.prompt_ids(turns, tokenizer, model.template)
    try:
        text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise ConfigError(f"{tokenizer.name_or_path}: its chat template refuses a prompt: {error}") from error
    return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def described(decoding: Decoding, model: Answerer) -> dict[str, Any]:
    """What an answer's row says of how it was decoded."""
    return {**decoding.model_dump(), "batch": model.rows, "precision": model.precision}


def generate(
    prompts: Sequence[Sequence[int]], seeds: Sequence[int], model: Answerer, decoding: Decoding
) -> Iterator[Sequence[tuple[int, Generated]]]:
    """(position, answer) of one batch after the other, the longest prompts first.

    No random number is drawn but an answer's own, of its seed, and the network is left as it was: in the middle of
    training it can answer.
    """
    rooms = [room(decoding, len(ids), model.window) for ids in prompts]
    hopeless = [position for position, ids in enumerate(prompts) if rooms[position] < 1 or not ids]
    if hopeless:
        yield [(position, Generated(None, "error", 0)) for position in hopeless]
    for width, batch in _batches(prompts, set(hopeless), model.rows):
        rows = [prompts[position] for position in batch]
        with _answering(model.network):
            found = _continued(rows, width, [seeds[i] for i in batch], [rooms[i] for i in batch], model, decoding)
        yield [(position, _answer(ids, model)) for position, ids in zip(batch, found, strict=True)]


def _batches(prompts: Sequence[Sequence[int]], without: set[int], rows: int) -> Iterator[tuple[int, list[int]]]:
    by_width: dict[int, list[int]] = {}
    for position in sorted(set(range(len(prompts))) - without, key=lambda place: (-len(prompts[place]), place)):
        length = len(prompts[position])
        by_width.setdefault(length if rows == 1 else _width(length), []).append(position)
    for width, positions in by_width.items():
        for start in range(0, len(positions), rows):
            yield width, positions[start : start + rows]


def _width(length: int) -> int:
    """The next length that batches are made for: it depends on a prompt alone, so its batch has always one shape."""
    step = 32 if length <= 128 else 64 if length <= 512 else 256
    return -(-length // step) * step


@contextlib.contextmanager
def _answering(network: Any) -> Iterator[None]:  # noqa: ANN401 - as above
    """The network in evaluation mode, without the habits that its own generation settings hold."""
    from transformers import GenerationConfig

    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    training, habits = network.training, inner.generation_config
    inner.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    network.eval()
    try:
        with warnings.catch_warnings():
            # peft says so of every adapter of virtual tokens; alone in its batch, a prompt needs no positions.
            warnings.filterwarnings("ignore", "Position ids are not supported")
            yield
    finally:
        network.train(training)
        inner.generation_config = habits


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

    device, fill = _device(model.network), model.rows - len(prompts)
    rows = [*prompts, *[prompts[0]] * fill]
    limits = torch.tensor([*rooms, *[1] * fill], device=device)
    chooser: Any = Chooser(rows, [*seeds, *[0] * fill], decoding, max(rooms))
    pad = model.ends[0] if model.ends else 0
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)

    def is_over(so_far: torch.Tensor, _: object) -> torch.Tensor:
        return so_far.shape[1] - width >= limits

    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        max_new_tokens=max(rooms),
        eos_token_id=list(model.ends) or None,
        pad_token_id=pad,
        # A network in training has its own switched off.
        use_cache=True,
    )
    stops: Any = [is_over]
    found = model.network.generate(
        input_ids=ids,
        attention_mask=mask,
        generation_config=settings,
        logits_processor=LogitsProcessorList([chooser]),
        stopping_criteria=StoppingCriteriaList(stops),
    )
    new = found[: len(prompts), width:].tolist()
    return [_until(row[:limit], model.ends) for row, limit in zip(new, rooms, strict=True)]


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    first = next((place for place, token in enumerate(ids, start=1) if token in ends), len(ids))
    return ids[:first]


def _answer(ids: list[int], model: Answerer) -> Generated:
    is_ended = bool(ids) and ids[-1] in model.ends
    text = model.tokenizer.decode(ids[:-1] if is_ended else ids, skip_special_tokens=True)
    return Generated(text, "stop" if is_ended else "length", len(ids))


def _device(network: Any) -> Any:  # noqa: ANN401 - as above
    return next(network.parameters()).device
