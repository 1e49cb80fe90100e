"""The documents that perplexity is measured on: conversations in the forms that training sets come in, and plain text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from curate import files
from curate.chat import Message
from curate.errors import InputError
from curate.turns import Row, blank, chat, combine, pick, system_text, text

_CHATS = ("messages", "conversations", "conversation")
_ASKED = ("instruction", "prompt", "question", "query")
_INPUTS = ("input", "context")
_ANSWERED = ("output", "response", "completion", "answer")
EXPECTED = "messages, conversations, instruction and output, or text"


class Document(NamedTuple):
    """One document: a conversation up to its last answer, or a text; the other of the two is None."""

    id: str
    messages: list[Message] | None
    text: str | None


def read(paths: Sequence[Path]) -> list[Document]:
    """The documents of files, in their order.

    A file is a set of conversations (messages, ShareGPT, LIMA's and Alpaca's fields, as training reads them) or of rows
    with a `text`, as JSON, JSON Lines, CSV or Parquet; a `.txt` is one document, its id its name. A folder is a finished
    run of curate, or the `.txt` files in it. The id of a row is its own, else file:line. Raises InputError with file and
    line where a row is none of this, two documents share an id, or there is no document.
    """
    found: dict[str, Document] = {}
    for path in paths:
        for where, document in _of(path):
            if document.id in found:
                raise InputError(f"{where}: a second document with the id {document.id}; give each its own")
            found[document.id] = document
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no documents; expected rows with {EXPECTED}, or a .txt")
    return list(found.values())


def _of(path: Path) -> Iterator[tuple[str, Document]]:
    """(where it stands, document) of a file or a folder."""
    if path.is_dir():
        yield from _of_folder(path)
    elif files.plain_name(path).endswith(".txt"):
        yield str(path), Document(path.name, None, _text(path))
    else:
        for number, row in files.rows(path):
            where = f"{path}:{number}"
            if isinstance(row, files.Unreadable):
                raise InputError(f"{where}: {row.reason}")
            name = str(row["id"]) if row.get("id") is not None else f"{path.name}:{number}"
            try:
                yield where, _document(name, row)
            except InputError as error:
                raise InputError(f"{where}: {error}") from error


def _of_folder(path: Path) -> Iterator[tuple[str, Document]]:
    built = next((path / name for name in ("dataset.jsonl", "dataset.parquet") if (path / name).is_file()), None)
    if built is not None:
        yield from _of(built)
        return
    texts = sorted(path.glob("*.txt"))
    if not texts:
        raise InputError(
            f"{path}: no dataset.jsonl and no .txt in this folder; expected a finished curate run, or texts"
        )
    for one in texts:
        yield from _of(one)


def _text(path: Path) -> str:
    with files.open_stream(path) as stream:
        content = stream.read()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start:,}; expected plain text in UTF-8") from error


def _document(name: str, row: Row) -> Document:
    answer = next((field for field in _ANSWERED if row.get(field) is not None), None)
    asked = next((field for field in (*_CHATS, *_ASKED) if not blank(row.get(field))), None)
    if asked is None:
        if "text" in row:
            return Document(name, None, text(row["text"], "text"))
        raise InputError(f"neither a conversation nor a text; its fields: {', '.join(row)}. Expected {EXPECTED}")
    system = system_text(row)
    turns: list[Message] = [{"role": "system", "content": system}] if system else []
    if asked in _CHATS or isinstance(row[asked], list):
        turns += chat(row[asked], asked)
    else:
        question = combine(text(row[asked], asked), pick(row, _INPUTS))
        turns += [*chat(row.get("history"), "history"), {"role": "user", "content": question}]
    if asked not in _CHATS and answer is not None:
        turns.append({"role": "assistant", "content": text(row[answer], answer)})
    # What is asked after the last answer nobody answered, as training has it; without any answer, all of it is text.
    last = max((place for place, turn in enumerate(turns) if turn["role"] == "assistant"), default=len(turns) - 1)
    return Document(name, turns[: last + 1], None)
