"""The pieces of the report's page: tables, charts with their tables folded below, examples. All text is escaped here."""

from collections.abc import Sequence
from html import escape
from typing import Any

from curate.report.fates import WORDS, Fate

# What of a key, a path or evidence is shown, and how many rows of a table.
SHORT, ROWS = 120, 60


def brief(value: object, most: int = SHORT) -> str:
    """The start of a text from the data, escaped."""
    text = str(value)
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def number(value: float) -> str:
    """A number for a reader: whole ones in full, others to four digits."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def cell(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else brief(value)


def table(rows: Sequence[dict[str, Any]], names: dict[str, str] | None = None) -> str:
    """Rows with the same keys as a table; `names` are the columns to show and their headings."""
    if not rows:
        return "<p class=why>None.</p>"
    names = names or {name: name.replace("_", " ") for name in rows[0]}
    numeric = {name for name in names if all(isinstance(row[name], int | float | None) for row in rows)}
    head = "".join(f"<th{' class=n' if name in numeric else ''}>{escape(words)}" for name, words in names.items())
    lines = "".join(
        "<tr>" + "".join(f"<td{' class=n' if name in numeric else ''}>{cell(row[name])}" for name in names)
        for row in rows[:ROWS]
    )
    more = note(f"{len(rows) - ROWS:,} more rows: see report.json.") if len(rows) > ROWS else ""
    return f"<div class=scroll><table><thead><tr>{head}</thead><tbody>{lines}</tbody></table></div>{more}"


def note(text: str) -> str:
    """A sentence under a heading."""
    return f"<p class=why>{escape(text)}</p>"


def fold(words: str, content: str, is_open: bool = False) -> str:
    """Content behind a line of text."""
    return f"<details{' open' if is_open else ''}><summary>{escape(words)}</summary>{content}</details>"


def chart(svg: str, content: str, words: str = "As a table") -> str:
    """A picture with its numbers folded below."""
    return f"<figure><div class=scroll>{svg}</div>{fold(words, content)}</figure>"


def legend(colors: dict[Fate, str]) -> str:
    """The colours of what becomes of a record."""
    marks = "".join(
        f'<span><i style="background:{color}"></i>{escape(WORDS[fate])}</span>' for fate, color in colors.items()
    )
    return f"<p class=legend>{marks}</p>"


def example(row: dict[str, Any], chars: int, facts: Sequence[str] = ()) -> str:
    """An example: its key and what is known of it, then prompt and response, at most `chars` characters of each."""
    line = " · ".join([f"<code>{brief(row.get('key') or row['id'])}</code>", *(brief(fact) for fact in facts)])
    if row.get("prompt") is None:
        return f"<p class=key>{line}</p>"
    texts = (row["prompt"], row["response"] or "")
    prompt, response = (escape(text if len(text) <= chars else text[:chars] + " …") for text in texts)
    # <bdi> keeps right-to-left marks of one text from turning the next one around.
    return f"<p class=key>{line}</p><div class=ex><pre><bdi>{prompt}</bdi></pre><pre><bdi>{response}</bdi></pre></div>"
