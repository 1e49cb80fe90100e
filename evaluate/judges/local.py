"""A causal language model in a folder as a judge: which of the two verdicts it holds more likely. Nothing is generated."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal

from curate.chat import Message
from curate.errors import ConfigError
from curate.lm import local, models

from ..parsing import of_tokens
from ..templates import Template
from . import Item, Judged, Outcome, resolved
from .asking import of_turn, question

CHUNK = 32
# What stands before the verdict where the model has no chat template; a verdict is then a word of its own.
PLAIN = "\n\nVerdict:"


class Settings(models.Settings):
    """A causal model's folder. Its chat template, if it has one, renders the question."""

    kind: Literal["local"] = "local"


def identity(settings: Settings) -> list[str]:
    """What the verdicts depend on, beside the template."""
    return [models.fingerprint(settings.model), settings.precision, str(settings.window)]


def verdicts(items: Iterable[Item], settings: Settings, template: Template) -> Judged:
    """P(first preferred) = p(its letter) / Σ p(letters), each ln p summed over the letter's tokens.

    An item that does not fit the model's window is `truncated`: what a model says of half an answer is no verdict.
    """
    model = models.Settings(model=settings.model, precision=settings.precision, window=settings.window)
    tokenizer = _tokenizer(settings)
    labels = list(template.head.verdicts)
    lead = "" if tokenizer.chat_template else " "
    waiting = iter(items)
    while chunk := list(islice(waiting, CHUNK)):
        contexts = [_rendered(question(item, template), tokenizer) for item in chunk]
        found = local.logprobs(
            [context for context in contexts for _ in labels],
            [f"{lead}{label}" for _ in chunk for label in labels],
            model,
        )
        rows = found.select("logprob", "status").rows()
        for place, item in enumerate(chunk):
            own = rows[place * len(labels) : (place + 1) * len(labels)]
            yield item, _outcome(item, dict(zip(labels, own, strict=True)), template)


def _outcome(item: Item, found: dict[str, tuple[float | None, str]], template: Template) -> Outcome:
    raw = ", ".join(
        f"{label} {status if value is None else f'{value:.6f}'}" for label, (value, status) in found.items()
    )
    statuses = {status for _, status in found.values()}
    if statuses & {"context_cut", "too_long"}:
        return Outcome("truncated", raw=f"longer than the judge's window: {raw}")
    known = [(label, value) for label, (value, _) in found.items() if value is not None]
    reading = of_tokens(known, of_turn(template, item.turn).head) if len(known) == len(found) else None
    return Outcome("parse_failed", raw=raw) if reading is None else resolved(item, reading)._replace(raw=raw)


def _tokenizer(settings: Settings) -> Any:  # noqa: ANN401 - transformers' own
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(settings.model, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{settings.model}: no tokenizer can be loaded: {' '.join(str(error).split())[:300]}"
        ) from error


def _rendered(turns: list[Message], tokenizer: Any) -> str:  # noqa: ANN401 - transformers' own
    if tokenizer.chat_template is None:
        return "\n\n".join(turn["content"] for turn in turns) + PLAIN
    from jinja2.exceptions import TemplateError

    try:
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError:
        # Some chat templates know no system turn: its text then stands at the head of the user's.
        joined = {"role": "user", "content": "\n\n".join(turn["content"] for turn in turns)}
        rendered = tokenizer.apply_chat_template([joined], tokenize=False, add_generation_prompt=True)
    return rendered
