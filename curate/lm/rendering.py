"""Conversations as token ids, and what of them answers are trained on, by construction.

The chat template is rendered with a mark in place of every content. What stands between the marks is the scaffold: it
is turned into tokens with its control tokens, and every content by itself, as plain text, so that `<|im_end|>` in a
forum post stays the text it is. Trained are the contents of the assistant and what follows each of them up to its end
token; nothing has to be searched for in rendered text. That rendering the real contents gives the same text is checked
for every conversation.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from curate.chat import Message
from curate.errors import ConfigError, InputError, did_you_mean
from curate.lm.encoding import Encoding, encoding_of, plain_ids, scaffold_ids

# What templates do with a content; each is tried in turn until the template's own text is met. Templates of Llama and
# Gemma strip contents, Qwen's strips newlines, Llama's writes what a tool said as JSON.
_FORMS: tuple[Callable[[str], str], ...] = (
    str,
    str.strip,
    str.lstrip,
    str.rstrip,
    lambda text: text.strip("\n"),
    lambda text: text.lstrip("\n"),
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
)


class Template(NamedTuple):
    """A chat template and what it means under one tokenizer."""

    name: str
    source: str
    # Tokens that end an answer: what generation stops at.
    end_ids: frozenset[int]
    encoding: Encoding


class Span(NamedTuple):
    """A part of a rendered conversation: a content or scaffold, trained or not."""

    text: str
    ids: list[int]
    trained: bool
    content: bool


class _Gap(NamedTuple):
    """The scaffold before, between or after contents; after an answer, `end` is what is trained of it, else empty."""

    text: str
    end: tuple[int, ...]
    rest: tuple[int, ...]
    # Characters of `text` that `end` stands for.
    cut: int
    # What comes next is encoded as if a text began there.
    opens: bool


def shipped() -> dict[str, Path]:
    """The named templates: Jinja files."""
    folder = Path(str(resources.files("curate") / "lm" / "templates"))
    return {path.stem: path for path in sorted(folder.glob("*.jinja"))}


def eot_of(tokenizer: Any) -> str | None:  # noqa: ANN401 - transformers' classes have no common type
    """The end-of-turn token that templates call `eot_token`, or None.

    It is a special token of the tokenizer's own: `AutoTokenizer.from_pretrained(base, eot_token="<|eot|>")` adds it to
    the vocabulary where it is missing, `tokenizer.eot_token_id` is its id, `save_pretrained` keeps it, and Jinja sees it.
    """
    token: str | None = tokenizer.special_tokens_map.get("eot_token")
    return token


def template(tokenizer: Any, named: str | None, base: str) -> Template:  # noqa: ANN401 - as above
    """The template `named` (shipped, or a Jinja file), or the tokenizer's own, that of the model `base`. Also sets `tokenizer.chat_template` to it, so that what is saved answers by itself.

    Raises ConfigError where there is no template, it cannot be rendered, leaves a content out or writes it twice, closes
    an answer without a token of its own, or names `eot_token` where the tokenizer has none.
    """
    name, source = _source(tokenizer, named, base)
    if "eot_token" in source and eot_of(tokenizer) is None:
        raise ConfigError(f"template {name} closes turns with eot_token, and the tokenizer has none. Name one: eot=…")
    tokenizer.chat_template = source
    probe = ("user", "assistant", "user", "assistant")
    try:
        encoding = encoding_of(tokenizer, _scaffold(tokenizer, source, probe))
        found = Template(name, source, frozenset(), encoding)
        gaps = _gaps(tokenizer, found, probe)
    except InputError as error:
        raise ConfigError(f"template {name} cannot be used for training: {error}") from error
    return found._replace(end_ids=frozenset(gap.end[-1] for gap in gaps[2::2]))


def prompt_ids(messages: Sequence[Message], tokenizer: Any, template: Template) -> list[int]:  # noqa: ANN401 - as above
    """The ids before the answer to `messages`: the very ids that stand before a trained answer. Errors as `spans`."""
    parts = spans([*messages, {"role": "assistant", "content": _mark(len(messages))}], tokenizer, template)
    answer = max(i for i, span in enumerate(parts) if span.content)
    return [number for span in parts[:answer] for number in span.ids]


def spans(messages: Sequence[Message], tokenizer: Any, template: Template, *, only_last: bool = False) -> list[Span]:  # noqa: ANN401 - as above
    """The parts of a rendered conversation, in their order: their texts joined are what the template writes.

    Contents stand as the template writes them (stripped, where it strips). Every assistant turn is trained, with the end
    token after it, and nothing else; `only_last`: of the assistant's turns the last alone, as losses need that compare
    answers to one prompt. Raises InputError where the template refuses the conversation or rewrites a content.
    """
    roles = tuple(message["role"] for message in messages)
    gaps = _gaps(tokenizer, template, roles)
    contents = _contents(messages, gaps, _rendered(tokenizer, template.source, messages))
    last = max((i for i, role in enumerate(roles) if role == "assistant"), default=-1)
    parts = [Span(gaps[0].text, list(gaps[0].rest), trained=False, content=False)]
    for i, content in enumerate(contents):
        trained = roles[i] == "assistant" and (i == last or not only_last)
        gap = gaps[i + 1]
        parts += [
            Span(content, plain_ids(content, tokenizer, template.encoding, opens=gaps[i].opens), trained, content=True),
            Span(gap.text[: gap.cut], list(gap.end), trained, content=False),
            Span(gap.text[gap.cut :], list(gap.rest), trained=False, content=False),
        ]
    return parts


def _source(tokenizer: Any, named: str | None, base: str) -> tuple[str, str]:  # noqa: ANN401 - as above
    """Name and Jinja source of a template."""
    if named is None:
        try:
            return "of the tokenizer", tokenizer.get_chat_template()
        except ValueError as error:
            raise ConfigError(
                f"base {base}: its tokenizer has no chat template. Set template to {', '.join(shipped())}, or to a"
                " Jinja file"
            ) from error
    path = shipped().get(named, Path(named))
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = did_you_mean(named, shipped())
        raise ConfigError(f"template {named}: no such template, and no Jinja file. {hint}") from error


def _rendered(tokenizer: Any, source: str, messages: Sequence[Message]) -> str:  # noqa: ANN401 - as above
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(list(messages), chat_template=source, tokenize=False)
    except (TemplateError, TypeError) as error:
        raise InputError(f"the chat template refuses the turns {_listed(messages)}: {error}") from error
    return text


def _mark(position: int) -> str:
    # Characters of a private use area: nothing strips, escapes or splits them.
    return f"\ue000{position}\ue001"


def _scaffold(tokenizer: Any, source: str, roles: tuple[str, ...]) -> list[str]:  # noqa: ANN401 - as above
    """The texts before, between and after contents of these roles."""
    messages = [{"role": role, "content": _mark(i)} for i, role in enumerate(roles)]
    rest = _rendered(tokenizer, source, messages)
    texts = []
    for i, role in enumerate(roles):
        if rest.count(_mark(i)) != 1:
            times = "twice" if _mark(i) in rest else "not at all, or out of order"
            raise InputError(f"the chat template writes turn {i + 1} ({role}) of {_listed(messages)} {times}")
        before, _, rest = rest.partition(_mark(i))
        texts.append(before)
    return [*texts, rest]


@lru_cache(maxsize=1024)
def _gaps(tokenizer: Any, template: Template, roles: tuple[str, ...]) -> tuple[_Gap, ...]:  # noqa: ANN401 - as above
    """The scaffold of a conversation with these roles, as tokens. Depends on nothing else, so it is made once."""
    encoding, gaps = template.encoding, []
    for i, text in enumerate(_scaffold(tokenizer, template.source, roles)):
        ids = scaffold_ids(text, tokenizer, encoding, opens=i == 0)
        stop = cut = 0
        if i and roles[i - 1] == "assistant":
            stop = next((at for at, number in enumerate(ids, start=1) if number in encoding.control_ids), 0)
            if not stop:
                raise InputError(
                    f"the chat template closes an answer with {text!r}, in which the tokenizer has no control token, so a"
                    " model would not learn to stop. Choose another template (lima brings a token of its own)"
                )
            token = tokenizer.convert_ids_to_tokens(ids[stop - 1])
            cut = text.index(token) + len(token)
        opens = encoding.spaced_after_control and ids[-1] in encoding.control_ids if ids else i == 0
        gaps.append(_Gap(text, tuple(ids[:stop]), tuple(ids[stop:]), cut, opens))
    return tuple(gaps)


def _contents(messages: Sequence[Message], gaps: Sequence[_Gap], rendered: str) -> list[str]:
    """Each content as the template wrote it into `rendered`."""
    # A mark after the end: the last scaffold must reach there.
    rendered += _mark(-1)
    scaffold = [*(gap.text for gap in gaps[:-1]), gaps[-1].text + _mark(-1)]
    texts: list[str] = []
    at = len(scaffold[0]) if rendered.startswith(scaffold[0]) else len(rendered)
    for message, after in zip(messages, scaffold[1:], strict=True):
        forms = (form(message["content"]) for form in _FORMS)
        text = next((form for form in forms if rendered.startswith(form + after, at)), None)
        if text is None:
            raise InputError(
                f"the chat template rewrites turn {len(texts) + 1} ({message['role']}), or what stands around it, because of"
                " what a turn says: what to train cannot be told. Choose another template, such as chatml"
            )
        texts.append(text)
        at += len(text) + len(after)
    return texts


def _listed(messages: Sequence[Message]) -> str:
    return ", ".join(message["role"] for message in messages)
