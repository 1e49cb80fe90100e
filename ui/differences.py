"""What became of a text, word by word."""

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from ui.escaping import shown


def diff_html(before: str, after: str, *, around: int | None = 240) -> str:
    """What became of `before`, word by word: `<del>` and `<ins>` in plain text with its line breaks.

    Of what stayed, `around` characters are shown on both sides of a change (all of it where None).
    """
    changes = _changes(before, after)
    parts = []
    for number, change in enumerate(changes):
        if change.old == change.new:
            parts.append(_context(change.old, around, first=number == 0, last=number == len(changes) - 1))
        else:
            parts.append(f"<del>{shown(change.old)}</del>" if change.old else "")
            parts.append(f"<ins>{shown(change.new)}</ins>" if change.new else "")
    return f'<div class="diff" dir="auto">{"".join(parts)}</div>'


class _Change(NamedTuple):
    old: str
    new: str


# A difference of more tokens than this is shown as all gone and all new: finding the common words takes their square.
_MOST_TOKENS = 3_000


def _changes(before: str, after: str) -> list[_Change]:
    """Stretches of the two texts, equal and changed by turns: by lines first, then by words inside what changed."""
    found: list[_Change] = []
    for old, new in _aligned(before.splitlines(keepends=True), after.splitlines(keepends=True)):
        if old == new:
            found.append(_Change(old, new))
            continue
        words = [re.findall(r"\s+|\w+|[^\w\s]", text) for text in (old, new)]
        found += [_Change(*pair) for pair in _aligned(*words)]
    return _joined(found)


def _aligned(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    if len(before) + len(after) > _MOST_TOKENS:
        return _ends(before, after)
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [("".join(before[a:b]), "".join(after[c:d])) for _, a, b, c, d in codes]


def _ends(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    """Only what the two have in common at their start and end: linear in their length."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = shorter - start
    stop = next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)
    middles = [turn[start : len(turn) - stop] for turn in (before, after)]
    tail = before[len(before) - stop :]
    return [
        ("".join(before[:start]),) * 2,
        ("".join(middles[0]), "".join(middles[1])),
        ("".join(tail),) * 2,
    ]


def _joined(changes: list[_Change]) -> list[_Change]:
    """Neighbouring stretches of a kind as one; a lone space between two changes belongs to them."""
    joined: list[_Change] = []
    for number, change in enumerate(changes):
        if not (change.old or change.new):
            continue
        equal = change.old == change.new
        space = equal and change.old.isspace() and "\n" not in change.old and number < len(changes) - 1
        if joined and ((joined[-1].old == joined[-1].new) == equal or (space and joined[-1].old != joined[-1].new)):
            joined[-1] = _Change(joined[-1].old + change.old, joined[-1].new + change.new)
        else:
            joined.append(change)
    return joined


def _context(text: str, around: int | None, *, first: bool, last: bool) -> str:
    if around is None or len(text) <= 2 * around + 80:
        return shown(text)
    head, tail = ("" if first else text[:around]), ("" if last else text[-around:])
    left = len(text) - len(head) - len(tail)
    return f'{shown(head)}<span class="gap">⋯ {left:,} ⋯</span>{shown(tail)}'
