"""The pieces of a board's page: a table, a sentence under a heading, shares with their intervals."""

from collections.abc import Sequence
from html import escape
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Rows of texts as a table, the first `words` columns as words and the others as numbers; nothing for no rows."""
    if not rows:
        return ""
    mark = ["" if place < words else " class=n" for place in range(len(head))]
    first = "".join(f"<th{kind}>{escape(name)}" for kind, name in zip(mark, head, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}" for kind, cell in zip(mark, row, strict=True)) for row in rows
    )
    return f"<div class=scroll><table><thead><tr>{first}</thead><tbody>{lines}</tbody></table></div>"


def note(text: str) -> str:
    """A sentence under a heading."""
    return f"<p class=why>{escape(text)}</p>"


def share(value: float | None) -> str:
    """A share in percent, or a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def ends(row: dict[str, Any], name: str, digits: int = 0) -> str:
    """The interval of a share: in percent, or with `digits` as it is."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        return ""
    return f"[{low:.{digits}f}, {high:.{digits}f}]" if digits else f"[{100 * low:.1f}, {100 * high:.1f}]"
