"""How well models predict documents: one row a model and document, in a file that can be gone on with.

The sums are natural logarithms; what is made of them (per token, word, byte) is `statistics/predicted.py`'s to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import InputError, RunError
from curate.lm import models
from curate.lm.models import Model
from curate.progress import Progress, Watcher, silent

from . import journal
from .documents import Document
from .reader import Reader, Settings, load
from .statistics import predicted
from .subjects import Subject
from .tokens import Encoded, encode

Row = dict[str, Any]

# Documents are measured, and their rows written, by so many tokens: what a kill can cost, in passes.
PASSES_KEPT = 16
_FIELDS = ("model", "id", "status", "nats", "tokens", "bytes", "tokenization", "setup")


def measure(
    documents: Sequence[Document],
    subjects: Sequence[Subject],
    settings: Settings,
    out: Path | None = None,
    watch: Watcher = silent,
) -> list[Row]:
    """One row for each model and document, models and documents in their order.

    `model`, `id`, `status`; `tokens`, `words`, `bytes`, `nats` (the sum of the negative log-probabilities) and the figures
    of `predicted.figures` for the whole text, and as `answer_…` for the assistant's turns alone, with their end tokens;
    `unknown` tokens; `windows` it took; `tokenization` (of equal ids: equal) and `setup`. A document without a token has
    the status `empty`, one whose value is no number `not_finite`; both have null `nats`, as a text has `answer_…`.

    With `out` (JSONL), rows are in the file soon after they are made, and what it holds is not measured again. Raises
    ConfigError where a model cannot be loaded, InputError where a conversation cannot be rendered or `out` holds rows of
    another setup or of other texts, RunError where another process writes to it or memory runs out.
    """
    with nullcontext() if out is None else journal.held(out):
        done = {} if out is None else {(row["model"], row["id"]): row for row in journal.rows(out, _FIELDS)}
        for subject in subjects:
            _add(done, subject, documents, settings, out, watch)
    return [done[subject.name, document.id] for subject in subjects for document in documents]


def _add(
    done: dict[tuple[str, str], Row],
    subject: Subject,
    documents: Sequence[Document],
    settings: Settings,
    out: Path | None,
    watch: Watcher,
) -> None:
    """Put the rows of one model into `done` and the file; when it returns, the model is out of memory."""
    reader = load(subject, settings)
    tokenizer, first = reader.model.tokenizer, reader.model.prefix[0]
    encoded = [encode(document, tokenizer, reader.template, first) for document in documents]
    _check(done, subject, documents, encoded, reader, out)
    waiting = [i for i, document in enumerate(documents) if (subject.name, document.id) not in done]
    with nullcontext(lambda _: None) if out is None else journal.appending(out) as append:
        for new in _measured(subject, documents, encoded, waiting, reader, watch):
            append(new)
            done |= {(row["model"], row["id"]): row for row in new}


def windows(lead: Sequence[int], ids: Sequence[int], size: int) -> Iterator[tuple[list[int], list[int]]]:
    """(what stands before, what is predicted) of each pass over a text: every token is predicted once.

    The windows of lm-eval 0.4.13 (`get_rolling_token_windows` with a context of 1, then `make_disjoint_window`): the first
    `size` tokens after `lead`; then `size` more after the one token before them; the rest after as much as still fits.
    """
    if ids:
        yield list(lead), list(ids[:size])
    for start in range(size, len(ids), size):
        end = min(start + size, len(ids))
        yield list(ids[end - size - 1 : start]), list(ids[start:end])


def logprobs(sequences: Sequence[tuple[Sequence[int], Sequence[int]]], model: Model) -> Iterator[list[tuple[int, Any]]]:
    """(position, log-probabilities of its predicted tokens, float64) of one pass after the other, the longest first.

    Sequences are (before, predicted), at least one token each, of which the last token is only predicted. Raises RunError
    where memory runs out.
    """
    import torch

    lengths = [len(before) + len(ids) - 1 for before, ids in sequences]
    for rows, shape in models.passes(lengths, model):
        tokens = np.full(shape, model.prefix[0], dtype=np.int64)
        for row, position in enumerate(rows):
            tokens[row, : lengths[position]] = [*sequences[position][0], *sequences[position][1]][:-1]
        found = []
        try:
            with torch.inference_mode():
                # Adapters of virtual tokens put these before the text.
                logits = model.network(input_ids=torch.from_numpy(tokens).to(model.device)).logits[:, -shape[1] :]
                for row, position in enumerate(rows):
                    before, ids = sequences[position]
                    own = torch.log_softmax(logits[row, len(before) - 1 : lengths[position]].float(), -1)
                    targets = torch.tensor(ids, device=model.device)
                    found.append(own.gather(-1, targets[:, None])[:, 0].double().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"out of memory with {shape[0]} × {shape[1]} tokens in a pass: choose a smaller --window"
            ) from error
        yield list(zip(rows, found, strict=True))


def _measured(
    subject: Subject,
    documents: Sequence[Document],
    encoded: Sequence[Encoded],
    waiting: Sequence[int],
    reader: Reader,
    watch: Watcher,
) -> Iterator[list[Row]]:
    """The rows of the waiting documents, block by block of about equally long ones, the longest first."""
    done, total = 0, len(waiting)
    watch(Progress(subject.name, 0, total, 0))
    for block in _blocks(encoded, waiting, PASSES_KEPT * models.PASS_TOKENS[reader.model.device]):
        pieces = [(i, *piece) for i in block for piece in windows(encoded[i].lead, encoded[i].ids, reader.model.window)]
        values: list[Any] = [None] * len(pieces)
        left = len(pieces)
        for found in logprobs([(before, ids) for _, before, ids in pieces], reader.model):
            for position, own in found:
                values[position] = own
            left -= len(found)
            watch(Progress(subject.name, done + len(block) * (1 - left / len(pieces)), total, 0))
        by_document: dict[int, list[Any]] = {i: [] for i in block}
        for (i, _, _), own in zip(pieces, values, strict=True):
            by_document[i].append(own)
        done += len(block)
        yield [_row(subject.name, documents[i], encoded[i], by_document[i], reader.setup) for i in block]


def _blocks(encoded: Sequence[Encoded], waiting: Sequence[int], budget: int) -> Iterator[list[int]]:
    order = sorted(waiting, key=lambda i: (-len(encoded[i].ids), i))
    block: list[int] = []
    size = 0
    for i in order:
        block.append(i)
        size += len(encoded[i].ids)
        if size >= budget:
            yield block
            block, size = [], 0
    if block:
        yield block


def _row(name: str, document: Document, encoded: Encoded, found: Sequence[Any], setup: str) -> Row:
    own = np.concatenate(found) if found else np.zeros(0)
    answered = np.array(encoded.answered, dtype=bool)
    is_finite = bool(np.isfinite(own).all())
    usable, has_answer = is_finite and bool(len(own)), bool(answered.any())
    counts = {"tokens": len(own), "words": encoded.words, "bytes": encoded.bytes}
    answer: dict[str, int | None] = dict.fromkeys(counts)
    if has_answer:
        answer = {"tokens": int(answered.sum()), "words": encoded.answer_words, "bytes": encoded.answer_bytes}
    nats = float(-own.sum()) if usable else None
    answer_nats = float(-own[answered].sum()) if usable and has_answer else None
    return {
        "model": name,
        "id": document.id,
        "status": "empty" if not len(own) else "ok" if is_finite else "not_finite",
        **counts,
        "nats": nats,
        **predicted.figures(nats, *counts.values()),
        **{f"answer_{key}": value for key, value in answer.items()},
        "answer_nats": answer_nats,
        **{f"answer_{k}": v for k, v in predicted.figures(answer_nats, *(n or 0 for n in answer.values())).items()},
        "unknown": encoded.unknown,
        "windows": len(found),
        "tokenization": encoded.tokenization,
        "setup": setup,
    }


def _check(
    done: Mapping[tuple[str, str], Row],
    subject: Subject,
    documents: Sequence[Document],
    encoded: Sequence[Encoded],
    reader: Reader,
    out: Path | None,
) -> None:
    """Raise InputError where the file's rows of this name come from another model, template or text."""
    for document, own in zip(documents, encoded, strict=True):
        row = done.get((subject.name, document.id))
        if row is None:
            continue
        if row["setup"] != reader.setup:
            raise InputError(
                f"{out}: holds rows of another model {subject.name}, or of this one with another window, precision or"
                " template. Write to another --out, or give this one a name: --model NAME=FOLDER"
            )
        if row["tokenization"] != own.tokenization:
            raise InputError(f"{out}: its row of document {document.id} is of another text. Write to another --out")
