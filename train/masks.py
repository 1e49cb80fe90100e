"""Rendered conversations with the mask of what is trained of them."""

from collections.abc import Sequence
from typing import Any

from curate.chat import Message
from curate.lm.rendering import Span, Template, spans
from train.record import UNTRAINED, Document


def render(messages: Sequence[Message], tokenizer: Any, template: Template, *, only_last: bool = False) -> Document:  # noqa: ANN401 - transformers' classes have no common type
    """A conversation as a Document; what is trained, `only_last` and errors as `rendering.spans`."""
    return document(spans(messages, tokenizer, template, only_last=only_last))


def document(parts: Sequence[Span]) -> Document:
    """Spans as one Document. Its first token is never trained: nothing stands before it."""
    ids = [number for span in parts for number in span.ids]
    labels = [number if span.trained else UNTRAINED for span in parts for number in span.ids]
    return Document(ids, [UNTRAINED, *labels[1:]])
