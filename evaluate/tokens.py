"""Documents as tokens: which are predicted, which of them an assistant wrote, and the words and bytes that they stand for."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from curate import cache
from curate.chat import Message
from curate.errors import InputError
from curate.lm import encoding, rendering
from curate.lm.encoding import Encoding
from curate.lm.rendering import Template

from .documents import Document

# Between the turns of a conversation that no template renders.
SEPARATOR = "\n\n"


class Encoded(NamedTuple):
    """A document as tokens: what stands before (`lead`, one token), what is predicted, and which of it is an answer's.

    Words and bytes are those of the predicted text, and of the answers in it; `unknown`: tokens that stand for text that
    the tokenizer cannot write.
    """

    lead: list[int]
    ids: list[int]
    answered: list[bool]
    words: int
    bytes: int
    answer_words: int
    answer_bytes: int
    unknown: int

    @property
    def tokenization(self) -> str:
        """16 hex digits of the token ids: equal where two models read the document as the same tokens."""
        return cache.key(np.array([*self.lead, *self.ids], dtype=np.int64).tobytes().hex()).hex()[:16]


def encode(document: Document, tokenizer: Any, template: Template | None, first: int) -> Encoded:  # noqa: ANN401 - transformers' classes have no common type
    """A document as its tokens; `first` is the token that texts begin with.

    A text: its tokens after `first`; what it calls a control token is text. A conversation: as the template writes it, with
    the very tokens of training, and what it begins with is the lead; the assistant's turns are answers, with their end
    tokens. Without a template, its turns with empty lines between, each encoded by itself, so that an answer is the same
    tokens whatever stands before it. Raises InputError, naming the document, where the template refuses it.
    """
    try:
        if document.messages is None:
            text = document.text or ""
            ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
            return _encoded([first], ids, [False] * len(ids), text, [], tokenizer)
        if template is None:
            return _of_turns(document.messages, tokenizer, first)
        return _of_rendered(document.messages, tokenizer, template)
    except InputError as error:
        raise InputError(f"document {document.id}, tokenizer of {tokenizer.name_or_path}: {error}") from error


def count_words(text: str) -> int:
    r"""Words as lm-eval counts them: the pieces between runs of white space (`re.split(r"\s+", …)`), empty ends too."""
    return len(re.split(r"\s+", text))


def _of_turns(messages: Sequence[Message], tokenizer: Any, first: int) -> Encoded:  # noqa: ANN401 - as above
    plain = _plain(tokenizer)
    ids: list[int] = []
    answered: list[bool] = []
    for place, message in enumerate(messages):
        is_answer = message["role"] == "assistant"
        for text, counts in ((SEPARATOR if place else "", False), (message["content"], is_answer)):
            own = encoding.plain_ids(text, tokenizer, plain, opens=not ids)
            ids += own
            answered += [counts] * len(own)
    whole = SEPARATOR.join(message["content"] for message in messages)
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    return _encoded([first], ids, answered, whole, answers, tokenizer)


@lru_cache(maxsize=4)
def _plain(tokenizer: Any) -> Encoding:  # noqa: ANN401 - as above
    return encoding.encoding_of(tokenizer, [])


def _of_rendered(messages: Sequence[Message], tokenizer: Any, template: Template) -> Encoded:  # noqa: ANN401 - as above
    spans = rendering.spans(messages, tokenizer, template)
    ids = [number for span in spans for number in span.ids]
    answered = [span.trained for span in spans for _ in span.ids]
    text = "".join(span.text for span in spans).removeprefix(encoding.decode(ids[:1], tokenizer))
    answers = [span.text for span in spans if span.trained and span.content]
    return _encoded(ids[:1], ids[1:], answered[1:], text, answers, tokenizer)


def _encoded(
    lead: list[int],
    ids: list[int],
    answered: list[bool],
    text: str,
    answers: Sequence[str],
    tokenizer: Any,  # noqa: ANN401 - as above
) -> Encoded:
    unknown = tokenizer.unk_token_id
    return Encoded(
        lead,
        ids,
        answered,
        count_words(text),
        len(text.encode()),
        sum(map(count_words, answers)),
        sum(len(answer.encode()) for answer in answers),
        0 if unknown is None else ids.count(unknown),
    )
