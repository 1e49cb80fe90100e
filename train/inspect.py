"""What a model will be shown and what of it is trained: examples, token for token, and the figures of each file.

The text of a page is decoded from the ids, never taken from the file: what a tokenizer cannot write shows as unknown.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median_low
from typing import Any

import click

from curate.lm import rendering
from curate.lm.encoding import decode
from curate.lm.rendering import Template
from train import data
from train.data import Loaded
from train.record import UNTRAINED, Document, Example
from train.settings import Settings

Found = dict[str, Any]

_BARS = "▁▂▃▄▅▆▇█"
_BINS = 40
# Of a longer piece of an example, beginning and end are printed.
_SHOWN = 700
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def inspect(settings: Settings, limit: int) -> Found:
    """Figures of every data file of a run and `limit` of its examples, spread evenly; all of it can be written as JSON.

    A file that could not be trained on has its `problem` in one line; else that is None. Loads the tokenizer, and no
    weights. Raises ConfigError and InputError as base.tokenizer, rendering.template and data.load.
    """
    from train import base

    tokenizer = base.tokenizer(settings)
    template = rendering.template(tokenizer, settings.template, settings.base)
    return {
        "base": settings.base,
        "template": template.name,
        "end_tokens": tokenizer.convert_ids_to_tokens(sorted(template.end_ids)),
        "max_tokens": settings.max_tokens,
        "overlong": settings.overlong,
        "files": [
            _figures(data.load(dataset, settings, tokenizer, template), settings, limit, tokenizer, template)
            for dataset in settings.data
        ],
    }


def page(found: Found, *, colour: bool | None = None) -> str:
    """What `inspect` found, to be read. Trained tokens are green, control tokens inverted; without colour, what is
    trained stands in ⟦ ⟧ and a control token in ‹ ›. `colour` None: on a terminal, unless NO_COLOR is set.
    """
    if colour is None:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    pieces = [
        {"text": "trained", "trained": True, "control": False},
        {"text": " · not trained · ", "trained": False, "control": False},
        {"text": "control token", "trained": False, "control": True},
    ]
    blocks = [_head(file, found, colour=colour) for file in found["files"]]
    examples = [_example(example, colour=colour) for file in found["files"] for example in file["shown"]]
    return "\n\n".join([*blocks, *([_painted(pieces, colour=colour), *examples] if examples else [])])


def _figures(loaded: Loaded, settings: Settings, limit: int, tokenizer: Any, template: Template) -> Found:  # noqa: ANN401 - transformers' classes have no common type
    documents = [document for example in loaded.examples for document in example.documents]
    lengths = sorted(len(document.ids) for document in documents)
    unknown = tokenizer.unk_token_id
    count = len(loaded.examples)
    shown = min(limit, count)
    return {
        "path": str(loaded.dataset.path),
        "form": loaded.dataset.form,
        "stage": loaded.dataset.stage,
        "rows": loaded.rows,
        "examples": count,
        "documents": len(documents),
        "tokens": sum(lengths),
        "trained": sum(document.trained for document in documents),
        "unknown": sum(document.ids.count(unknown) for document in documents) if unknown is not None else 0,
        "lengths": _lengths(lengths, loaded.longest) if lengths else None,
        "too_long": len(loaded.too_long),
        "cut": loaded.cut,
        "blank": loaded.blank,
        "tied": loaded.tied,
        "problem": data.problem(loaded, settings),
        "shown": [_shown(loaded.examples[at * count // shown], tokenizer, template) for at in range(shown)],
    }


def _lengths(lengths: Sequence[int], longest: int) -> Found:
    """`lengths`: sorted, as they are trained; `longest` before anything was trimmed. `histogram`: documents of each of
    40 equal ranges of length from 1 to `up_to` tokens.
    """
    up_to = max(lengths[-1], _BINS)
    counts = Counter((length - 1) * _BINS // up_to for length in lengths)
    return {
        "shortest": lengths[0],
        "median": median_low(lengths),
        "nine_tenths": lengths[(9 * len(lengths) - 1) // 10],
        "longest": max(longest, lengths[-1]),
        "up_to": up_to,
        "histogram": [counts[i] for i in range(_BINS)],
    }


def _shown(example: Example, tokenizer: Any, template: Template) -> Found:  # noqa: ANN401 - as above
    scores = example.scores or (None,) * len(example.documents)
    return {
        "id": example.id,
        "documents": [
            {
                "tokens": len(document.ids),
                "trained": document.trained,
                "score": score,
                "pieces": list(_pieces(document, tokenizer, template)),
            }
            for document, score in zip(example.documents, scores, strict=True)
        ],
    }


def _pieces(document: Document, tokenizer: Any, template: Template) -> Iterator[Found]:  # noqa: ANN401 - as above
    """A document's text in runs of tokens that are all trained or all not; a control token is a run of its own."""
    tokens = [
        (label != UNTRAINED, at if number in template.encoding.control_ids else -1)
        for at, (number, label) in enumerate(zip(document.ids, document.labels, strict=True))
    ]
    at = 0
    for (trained, control), run in groupby(tokens):
        ids = document.ids[at : at + len(list(run))]
        at += len(ids)
        text = decode(ids, tokenizer) if control < 0 else tokenizer.convert_ids_to_tokens(ids[0])
        yield {"text": text, "trained": trained, "control": control >= 0}


def _head(file: Found, found: Found, *, colour: bool) -> str:
    tokens, lengths, limit = file["tokens"], file["lengths"], f"max_tokens {found['max_tokens']:,}"
    documents = "" if file["documents"] == file["examples"] else f", {file['documents']:,} documents"
    title = f"{Path(file['path']).name}: {file['examples']:,} of {file['rows']:,} rows as examples{documents}"
    lines = [("", click.style(title, bold=True) if colour else title)]
    lines.append(("template", f"{found['template']}; an answer ends with {', '.join(found['end_tokens'])}"))
    if lengths:
        lines.append(
            ("tokens", f"{tokens:,}, of which {file['trained']:,} ({file['trained'] / tokens:.1%}) are trained")
        )
        half, most = f"half at most {lengths['median']:,}", f"nine in ten at most {lengths['nine_tenths']:,}"
        lines.append(("length", f"{lengths['shortest']:,} to {lengths['longest']:,} tokens, {half}, {most}"))
        top = max(lengths["histogram"])
        lines.append(("", "".join(_BARS[-(-8 * n // top) - 1] if n else " " for n in lengths["histogram"]) + "│"))
        lines.append(("", f"1{lengths['up_to']:>{_BINS},}"))
    became = {"error": "the run would stop", "drop": "left out", "trim": f"trimmed, {file['cut']:,} inside an answer"}
    notes = (
        (file["too_long"], "too long", f"{file['too_long']:,} of more than {limit}: {became[found['overlong']]}"),
        (file["tied"], "no choice", f"{file['tied']:,} whose best and worst answers are equal: left out"),
        (file["blank"], "empty", f"{file['blank']:,} answers without text: they teach to say nothing"),
        (
            file["unknown"],
            "unknown",
            f"{file['unknown'] / max(tokens, 1):.1%} of the tokens: this tokenizer cannot write their text",
        ),
        (file["problem"], "problem", click.style(str(file["problem"]), fg="red") if colour else file["problem"]),
    )
    lines += [(name, text) for there, name, text in notes if there]
    return "\n".join(f"{name:<10}{text}" if i else text for i, (name, text) in enumerate(lines))


def _example(example: Found, *, colour: bool) -> str:
    documents = example["documents"]
    parts = []
    for number, document in enumerate(documents, start=1):
        rank = f", answer {number} of {len(documents)}" if len(documents) > 1 else ""
        score = "" if document["score"] is None else f", score {document['score']:g}"
        title = f"── {example['id']}{rank}{score}: {document['tokens']:,} tokens, {document['trained']:,} trained "
        line = f"{title:─<100}"
        parts.append(
            f"{click.style(line, dim=True) if colour else line}\n{_painted(document['pieces'], colour=colour)}"
        )
    return "\n\n".join(parts)


def _painted(pieces: Sequence[Found], *, colour: bool) -> str:
    if colour:
        return "".join(
            click.style(
                _folded(piece["text"]), fg="green" if piece["trained"] else None, reverse=piece["control"] or None
            )
            for piece in pieces
        )
    text = ""
    for trained, group in groupby(pieces, key=lambda piece: piece["trained"]):
        inner = "".join(f"‹{piece['text']}›" if piece["control"] else _folded(piece["text"]) for piece in group)
        text += f"⟦{inner}⟧" if trained else inner
    return text


def _folded(text: str) -> str:
    """A text without its middle, if it is long, and without what would steer a terminal."""
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 200]} [… {len(text) - _SHOWN:,} characters …] {text[-200:]}"
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
