"""Text as tokens in the middle of a document: control tokens only where they are meant, spaces only where they stand."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from curate.errors import InputError

# A tokenizer that puts a space before a text puts it before these, and what is encoded after them has none.
_ANCHORS = ("\n", "a", ".")


class Encoding(NamedTuple):
    """What has to be known of a tokenizer."""

    # Tokens that structure a conversation. Text of the data is never one of them.
    control_ids: frozenset[int]
    # Such tokens that the tokenizer would find in plain text too, since it does not hold them for special.
    loose: tuple[str, ...]
    # The tokenizer puts a space before the beginning of a text, and before what follows a control token (SentencePiece).
    spaced_start: bool
    spaced_after_control: bool


def encoding_of(tokenizer: Any, scaffold: Iterable[str]) -> Encoding:  # noqa: ANN401 - transformers' classes have no common type
    """The encoding of a tokenizer under a template that writes these texts around contents.

    Control tokens are the special ones, and those added ones that the scaffold is made of, but for white space. Other
    added tokens, such as `<think>`, may stand in contents.
    """
    added = tokenizer.added_tokens_decoder
    # An unknown piece of plain text is this token, so it is no control token.
    special = frozenset(number for number, token in added.items() if token.special) - {tokenizer.unk_token_id}
    written = {number for text in scaffold for number in _encode(text, tokenizer)}
    loose = sorted(number for number in written - special if number in added and added[number].content.strip())
    control = special.union(loose)
    start = _encode("a", tokenizer)
    spaced = _encode("\na", tokenizer) != [*_encode("\n", tokenizer), *start]
    marker = added[min(control)].content if control else ""
    after = spaced and bool(marker) and _encode(marker + "a", tokenizer)[1:] == start
    return Encoding(control, tuple(added[number].content for number in loose), spaced, after)


def scaffold_ids(text: str, tokenizer: Any, encoding: Encoding, *, opens: bool) -> list[int]:  # noqa: ANN401 - as above
    """Ids of what a template writes, control tokens as such. `opens`: a text begins here. Raises InputError."""
    return _ids(text, tokenizer, encoding, opens=opens, plain=False)


def plain_ids(text: str, tokenizer: Any, encoding: Encoding, *, opens: bool) -> list[int]:  # noqa: ANN401 - as above
    """Ids of a content: control tokens in it are text.

    Raises InputError where the tokenizer makes a control token out of plain text all the same.
    """
    # Where the tokenizer cannot be told to overlook a token, the text is cut inside it.
    cuts = "|".join(f"(?<={re.escape(token[0])})(?={re.escape(token[1:])})" for token in encoding.loose)
    ids: list[int] = []
    for piece in re.split(cuts, text) if cuts else [text]:
        ids += _ids(piece, tokenizer, encoding, opens=opens and not ids, plain=True)
    clash = encoding.control_ids.intersection(ids)
    if clash:
        token = tokenizer.convert_ids_to_tokens(min(clash))
        raise InputError(
            f"the tokenizer makes its control token {token!r} out of plain text; it cannot be trained with"
        )
    return ids


def decode(ids: Sequence[int], tokenizer: Any) -> str:  # noqa: ANN401 - as above
    """The text of ids from the middle of a document, with the space that tokenizers drop at the start of a text."""
    lead = _anchor(tokenizer, "a", plain=True)
    text: str = tokenizer.decode([*lead, *ids], clean_up_tokenization_spaces=False)
    return text.removeprefix(tokenizer.decode(lead))


def _ids(text: str, tokenizer: Any, encoding: Encoding, *, opens: bool, plain: bool) -> list[int]:  # noqa: ANN401 - as above
    if not text or opens or not encoding.spaced_start:
        return _encode(text, tokenizer, plain=plain)
    for anchor in _ANCHORS:
        lead = _anchor(tokenizer, anchor, plain=plain)
        ids = _encode(anchor + text, tokenizer, plain=plain)
        if tuple(ids[: len(lead)]) == lead:
            return ids[len(lead) :]
    raise InputError(f"the tokenizer joins {text[:20]!r} with whatever stands before it; it cannot be trained with")


@lru_cache(maxsize=64)
def _anchor(tokenizer: Any, anchor: str, *, plain: bool) -> tuple[int, ...]:  # noqa: ANN401 - as above
    return tuple(_encode(anchor, tokenizer, plain=plain))


def _encode(text: str, tokenizer: Any, *, plain: bool = False) -> list[int]:  # noqa: ANN401 - as above
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=plain, verbose=False)
    return ids
