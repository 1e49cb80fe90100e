"""Two answers beside each other as HTML, with the words marked that only one of them has, and what the judges said."""

import re
from collections import Counter
from difflib import SequenceMatcher
from html import escape
from typing import Any

# Enough of an answer to judge it by; the files have the rest. The comparison takes time with the product of the lengths.
SHOWN_CHARS = 2400
SHOWN_REASON_CHARS = 700
# Below this share of common words two answers are different texts: marks on every word would show nothing, so what they have
# in common is underlined instead, where it is this many words in a row.
COMMON = 0.25
RUN = 3
# How often a word of one text meets itself in the other, over all words: what the comparison takes. Ordinary answers stay
# far below; of a text that repeats itself without end, the words it repeats are no anchors.
MOST_MEETINGS = 20_000

_PIECES = re.compile(r"\w+|\s+|[^\w\s]")
_FLAGS = {
    "failed": "a judgement failed",
    "flipped": "a judge changed its mind with the order",
    "disagreement": "judges disagree",
    "longest": "among the longest differences in length",
}


def pair(row: dict[str, Any], number: int, models: dict[str, int]) -> str:
    """One pair (a row of `pairs.pairs`) as a <details>; its classes are its flags and `m<number>` of its two models."""
    flags = [name for name in _FLAGS if row[name]]
    classes = [*flags, *(f"m{models[row[name]]}" for name in ("model_a", "model_b") if row[name] in models)]
    left, right, common = marked(row["output_a"], row["output_b"])
    shown = "".join(f"<li>{escape(_FLAGS[name])}" for name in flags)
    facts = [f"Pair {number}", f"prompt {row['prompt_id']}", row["category"]]
    facts += [f"turn {row['turn']}" if row["turn"] > 1 else None, f"sample {row['sample']}" if row["sample"] else None]
    where = ", ".join(fact for fact in facts if fact)
    note = f"{common:.0%} of the words are common to both, in order"
    note += "; words that only one has are marked." if common >= COMMON else f"; runs of {RUN} and more are underlined."
    return (
        f'<details class="pair {" ".join(classes)}" style="--by:{-abs(row["length_difference"])}">'
        f"<summary><span>{escape(shorten(_line(row['instruction'] or row['prompt_id']), 110))}</span>"
        f"<small>{escape(row['model_a'])} · {escape(row['model_b'])}</small></summary>"
        f'<div id="pair-{number}"><p class=why>{escape(where)}. {note} <a href="#pair-{number}">Link</a></p>'
        f"{f'<ul class=flags>{shown}</ul>' if shown else ''}"
        f"<pre class=prompt>{escape(shorten(row['instruction'] or '', SHOWN_CHARS))}</pre>"
        f"<div class=two>{_answer(row, 'a', left)}{_answer(row, 'b', right)}</div>{_said(row)}</div></details>"
    )


def marked(a: str | None, b: str | None) -> tuple[str, str, float]:
    """Both texts escaped, with <mark> around the words that the other has not there, and the share of common words.

    The share is 2 · matches / words of both (`difflib.SequenceMatcher.ratio`). Below COMMON, <u> around runs of at least RUN
    words that both have. No answer (None) and an empty one are said in words.
    """
    if not a or not b:
        return _plain(a), _plain(b), 0.0
    left, right = (_PIECES.findall(shorten(text, SHOWN_CHARS)) for text in (a, b))
    words = [[piece for piece in pieces if not piece.isspace()] for pieces in (left, right)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=_meetings(*words) > MOST_MEETINGS)
    common = matcher.ratio()
    element, shortest = ("mark", 1) if common >= COMMON else ("u", RUN)
    places: tuple[set[int], set[int]] = (set(), set())
    for block in matcher.get_matching_blocks():
        if block.size >= shortest:
            places[0].update(range(block.a, block.a + block.size))
            places[1].update(range(block.b, block.b + block.size))
    if element == "mark":
        places = tuple(set(range(len(own))) - same for own, same in zip(words, places, strict=True))  # type: ignore[assignment]
    return _with(element, left, places[0]), _with(element, right, places[1]), common


def _meetings(a: list[str], b: list[str]) -> int:
    other = Counter(b)
    return sum(count * other[word] for word, count in Counter(a).items())


def shorten(text: str, chars: int) -> str:
    """`text`, cut to `chars` characters and said so with an ellipsis."""
    return text if len(text) <= chars else text[:chars] + " …"


def _with(element: str, pieces: list[str], words: set[int]) -> str:
    """The pieces joined, those words in `element`; neighbours share one, with the spaces between them."""
    parts: list[str] = []
    word, is_open, spaces = 0, False, ""
    for piece in pieces:
        if piece.isspace():
            spaces += piece
            continue
        is_inside = word in words
        word += 1
        if is_open and not is_inside:
            parts.append(f"</{element}>")
        parts.append(spaces)
        if is_inside and not is_open:
            parts.append(f"<{element}>")
        parts.append(escape(piece))
        is_open, spaces = is_inside, ""
    return "".join([*parts, f"</{element}>" if is_open else "", spaces])


def _plain(text: str | None) -> str:
    if text is None:
        return "<i>The files hold no answer.</i>"
    return escape(shorten(text, SHOWN_CHARS)) if text.strip() else "<i>The answer is empty.</i>"


def _answer(row: dict[str, Any], side: str, text: str) -> str:
    length = len(row[f"output_{side}"] or "")
    return f"<div><h4>{escape(row[f'model_{side}'])} <small>{length:,} characters</small></h4><pre>{text}</pre></div>"


def _said(row: dict[str, Any]) -> str:
    """What each judge said in each order: a table, and its words where the files have them."""
    names = {"a": row["model_a"], "b": row["model_b"], "tie": "tie"}
    lines, words = [], []
    for said in row["judgements"]:
        verdict = names.get(said["verdict"], f"failed: {said['status'].replace('_', ' ')}")
        odds = "" if said["probability"] is None else f"{said['probability']:.1%}"
        first = names.get(said["first"], "not known")
        lines.append(f"<tr><td>{escape(said['judge'])}<td>{escape(first)}<td>{escape(verdict)}<td class=n>{odds}")
        if said["raw"]:
            words.append(
                f"<p class=why>{escape(said['judge'])}, {escape(first)} first</p>"
                f"<pre>{escape(shorten(said['raw'], SHOWN_REASON_CHARS))}</pre>"
            )
    head = f"<tr><th>judge<th>shown first<th>verdict<th class=n>probability of {escape(row['model_a'])}"
    reasons = f"<details><summary>In the judges' own words</summary>{''.join(words)}</details>" if words else ""
    return f"<div class=scroll><table>{head}{''.join(lines)}</table></div>{reasons}"


def _line(text: str) -> str:
    return " ".join(text.split())
