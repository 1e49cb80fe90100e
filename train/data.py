"""Files of examples as tokens: conversations, plain text, preferences.

A row that cannot be used ends the run with its file and line. Each file is read once, whole; how many of its examples an
epoch has is planned later (plan.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from curate import files
from curate.errors import ConfigError, InputError
from curate.lm import rendering
from curate.lm.encoding import decode, plain_ids
from curate.lm.rendering import Span, Template
from curate.turns import Row
from train import conversations, masks
from train.record import Example
from train.settings import Dataset, Settings

# An example before it is one: its id, the spans of each of its documents, their scores.
Candidate = tuple[str, list[list[Span]], tuple[float, ...]]

EXPECTED = {
    "chat": "rows with messages",
    "text": "rows with text",
    "preferences": "rows with a prompt and chosen and rejected, or scored answers",
}


class Loaded(NamedTuple):
    """One file as examples, and what became of its rows."""

    dataset: Dataset
    rows: int
    examples: list[Example]
    # Ids of examples with a document of more than max_tokens, whatever became of them; the longest document, in tokens.
    too_long: list[str]
    longest: int
    # Ids of examples with a document in which nothing is trained.
    untrained: list[str]
    # Documents trimmed inside an answer, so that its end token is missing.
    cut: int
    # Preferences without one: the best score is the worst, or the texts are the same.
    tied: int
    # Answers that are empty: their end token alone is trained.
    blank: int


class Prepared(NamedTuple):
    """The examples of each stage, stages in the order in which they are trained, and the files they come from."""

    stages: list[list[Example]]
    files: list[Loaded]


def read(settings: Settings, tokenizer: Any, template: Template) -> Prepared:  # noqa: ANN401 - transformers' classes have no common type
    """All data of a run as tokens; examples stand in the order of files and rows.

    Raises ConfigError where the objective and a file's form do not go together, or a stage has a file twice; InputError
    with file and line where a row cannot be used, and with counts and the first ids where examples are too long
    (overlong: error) or leave nothing to train.
    """
    places = [(dataset.stage, dataset.path) for dataset in settings.data]
    for stage, path in places:
        if places.count((stage, path)) > 1:
            raise ConfigError(f"{path} is given twice in stage {stage}; expected once, with `examples` to repeat it")
    loaded = [load(dataset, settings, tokenizer, template) for dataset in settings.data]
    for found in filter(None, (problem(one, settings) for one in loaded)):
        raise InputError(found)
    stages = sorted({dataset.stage for dataset in settings.data})
    return Prepared(
        [[example for one in loaded if one.dataset.stage == stage for example in one.examples] for stage in stages],
        loaded,
    )


def load(dataset: Dataset, settings: Settings, tokenizer: Any, template: Template) -> Loaded:  # noqa: ANN401 - as above
    """One file as tokens; `Example.dataset` is its path as it was given, `Example.id` the row's id or file:line.

    Of a conversation every answer is trained, of text everything, of a preference the answers that are compared and none
    before them. What is too long is dropped or trimmed where the settings say so; else it stays, and `problem` tells.
    Raises ConfigError and InputError as `read`, but for lengths.
    """
    _check(dataset, settings)
    path = file_of(dataset.path)
    examples: list[Example] = []
    too_long, untrained = [], []
    rows = longest = cut = tied = blank = 0
    for name, row, where in _rows(path):
        rows += 1
        try:
            candidates = list(_candidates(row, name, dataset, settings, tokenizer, template))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        tied += not candidates
        for key, parts, scores in candidates:
            length = max(sum(len(span.ids) for span in spans) for spans in parts)
            longest = max(longest, length)
            if length > settings.max_tokens:
                too_long.append(key)
                if settings.overlong == "drop":
                    continue
                if settings.overlong == "trim":
                    parts = [_trimmed(spans, settings.max_tokens, tokenizer) for spans in parts]  # noqa: PLW2901 - the same, shorter
                    cut += sum(_is_cut(spans, template) for spans in parts)
            blank += sum(span.trained and span.content and not span.text.strip() for spans in parts for span in spans)
            documents = tuple(masks.document(spans) for spans in parts)
            if not all(document.trained for document in documents):
                untrained.append(key)
            examples.append(Example(key, str(dataset.path), documents, scores, trained_bytes=_bytes(parts)))
    if not rows:
        raise InputError(f"{path}: there is nothing in it; expected {EXPECTED[dataset.form]}")
    return Loaded(dataset, rows, examples, too_long, longest, untrained, cut, tied, blank)


def problem(loaded: Loaded, settings: Settings) -> str | None:
    """Why a file cannot be trained on, in one line with counts and the first ids; None where it can."""
    path, of = loaded.dataset.path, f"of {loaded.rows:,} examples"
    if loaded.too_long and settings.overlong == "error":
        return (
            f"{path}: {len(loaded.too_long):,} {of} are longer than max_tokens, {settings.max_tokens:,} (the longest:"
            f" {loaded.longest:,} tokens): {_first(loaded.too_long)}. Set overlong=trim or overlong=drop, or raise max_tokens"
        )
    if loaded.untrained:
        return (
            f"{path}: {len(loaded.untrained):,} {of} have no trained token: what stands before their answers is as long as"
            f" max_tokens, {settings.max_tokens:,}: {_first(loaded.untrained)}. Take them out, raise max_tokens, or set"
            " overlong=drop"
        )
    if not loaded.examples:
        return f"{path}: none {of} is left: {len(loaded.too_long):,} are too long, {loaded.tied:,} prefer no answer"
    return None


def file_of(path: Path) -> Path:
    """The file of a data set: itself, or the data set that a run folder of curate holds. Raises InputError."""
    if not path.is_dir():
        return path
    found = next((path / name for name in ("dataset.jsonl", "dataset.parquet") if (path / name).is_file()), None)
    if found is None:
        raise InputError(
            f"{path}: no dataset.jsonl in this folder; expected a file, or the folder of a finished curate run"
        )
    return found


def _check(dataset: Dataset, settings: Settings) -> None:
    """Refuse a form that the objective has no loss for."""
    kind, compares = settings.objective.kind, settings.objective.kind in ("dpo", "rrhf", "slic")
    if compares and dataset.form != "preferences":
        raise ConfigError(
            f"{dataset.path}: objective {kind} compares answers, and the form is {dataset.form}; expected preferences"
        )
    if kind == "sft" and dataset.form == "preferences":
        raise ConfigError(
            f"{dataset.path}: the form is preferences; expected objective.kind best-of-n, dpo, rrhf or slic, not sft"
        )


def _rows(path: Path) -> Iterator[tuple[str, Row, str]]:
    """(id, row, file:line) of each row."""
    for number, row in files.rows(path):
        where = f"{path}:{number}"
        if isinstance(row, files.Unreadable):
            raise InputError(f"{where}: {row.reason}")
        yield str(row["id"]) if row.get("id") is not None else f"{path.name}:{number}", row, where


def _candidates(
    row: Row,
    name: str,
    dataset: Dataset,
    settings: Settings,
    tokenizer: Any,  # noqa: ANN401 - as above
    template: Template,
) -> Iterator[Candidate]:
    """What a row gives: nothing where it prefers no answer, several where a text is longer than a document."""
    if dataset.form == "chat":
        yield name, [rendering.spans(conversations.conversation(row), tokenizer, template)], ()
    elif dataset.form == "text":
        pieces = _pieces(conversations.plain(row), settings.max_tokens, tokenizer, template)
        yield from (
            (f"{name}#{i}" if len(pieces) > 1 else name, [piece], ()) for i, piece in enumerate(pieces, start=1)
        )
    else:
        prompt, answers = conversations.rivals(row)
        kind = settings.objective.kind
        if kind == "best-of-n":
            answers = answers[:1]
        elif answers[0][1] == answers[-1][1] or answers[0][0] == answers[-1][0]:
            return
        elif kind in ("dpo", "slic"):
            answers = [answers[0], answers[-1]]
        turns = [[*prompt, {"role": "assistant", "content": text}] for text, _ in answers]
        parts = [rendering.spans(one, tokenizer, template, only_last=True) for one in turns]
        yield name, parts, tuple(score for _, score in answers) if kind == "rrhf" else ()


def _pieces(text: str, max_tokens: int, tokenizer: Any, template: Template) -> list[list[Span]]:  # noqa: ANN401 - as above
    """A text as documents of at most `max_tokens`: each begins with BOS (else EOS), and EOS closes the last."""
    end = tokenizer.eos_token_id
    begin = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if end is None:
        raise ConfigError("the tokenizer has no EOS token, which closes a text (form: text)")
    ids = [*plain_ids(text, tokenizer, template.encoding, opens=True), end]
    room = max_tokens - 1
    starts = range(0, len(ids), room)
    lead = Span("", [begin], trained=False, content=False)
    pieces = []
    for start in starts:
        own = ids[start : start + room]
        last = start + room >= len(ids)
        inner = own[:-1] if last else own
        words = text if len(starts) == 1 else decode(inner, tokenizer)
        closing = [Span("", [end], trained=True, content=False)] if last else []
        pieces.append([lead, Span(words, inner, trained=True, content=True), *closing])
    return pieces


def _trimmed(spans: Sequence[Span], limit: int, tokenizer: Any) -> list[Span]:  # noqa: ANN401 - as above
    """The spans of the first `limit` tokens."""
    kept: list[Span] = []
    for span in spans:
        room = limit - sum(len(one.ids) for one in kept)
        if len(span.ids) > room:
            ids = span.ids[:room]
            return [*kept, span._replace(ids=ids, text=decode(ids, tokenizer))]
        kept.append(span)
    return kept


def _is_cut(spans: Sequence[Span], template: Template) -> bool:
    """Whether the last answer of a trimmed document lacks its end token."""
    trained = [span for span in spans if span.trained and span.ids]
    return bool(trained) and trained[-1].ids[-1] not in template.end_ids


def _bytes(parts: Sequence[Sequence[Span]]) -> int:
    return sum(len(span.text.encode()) for spans in parts for span in spans if span.trained and span.content)


def _first(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
