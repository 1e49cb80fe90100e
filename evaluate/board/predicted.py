"""What `perplexity` found, as lines for a terminal."""

from typing import Any

Row = dict[str, Any]

_TITLES = {"answers": "answers", "whole": "whole text"}
_HEAD = f"{'documents':>9} {'tokens':>11} {'bytes':>12}  {'/token':>9} {'/word':>10} {'/byte':>8}  bits per byte"


def to_text(found: Row) -> str:
    """A table of the models in each view, the ranked one in its order, and what has to be known beside it."""
    parts = [_table(found, view) for view in _TITLES if any(row["view"] == view for row in found["models"])]
    notes = [f"note: {note}" for note in found["notes"]]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _table(found: Row, view: str) -> str:
    rows = [row for row in found["models"] if row["view"] == view]
    ranked = view == found["view"] and len(rows) > 1
    if ranked:
        rows.sort(key=lambda row: found["ranking"].index(row["model"]))
    width = max(len(_TITLES[view]), *(len(row["model"]) for row in rows))
    lines = [f"{_TITLES[view]:<{width}}  {_HEAD}"]
    for row in rows:
        counts = f"{row['documents']:>9,} {row['tokens']:>11,} {row['bytes']:>12,}"
        # Of different tokenizers, a column of perplexities per token would be read as a comparison.
        token = "–" if found["tokenizers_differ"] else _figure(row["token_perplexity"])
        figures = f"{token:>9} {_figure(row['word_perplexity']):>10} {_figure(row['byte_perplexity']):>8}"
        lines.append(f"{row['model']:<{width}}  {counts}  {figures}  {_bits(row)}".rstrip())
    if ranked:
        by = found["rank_by"].replace("_", " ")
        lines.append(f"{'':<{width}}  ranked by {by}, the best first; 95 % intervals over documents")
    return "\n".join(lines)


def _bits(row: Row) -> str:
    if row["bits_per_byte"] is None:
        return "–"
    interval = "" if row["low"] is None else f" [{row['low']:.4f}, {row['high']:.4f}]"
    behind = "" if not row["behind"] else f"  +{row['behind']:.4f}"
    if behind and row["behind_low"] is not None:
        behind += f" [{row['behind_low']:.4f}, {row['behind_high']:.4f}]"
    return f"{row['bits_per_byte']:.4f}{interval}{behind}"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if value >= 1e5 else f"{value:,.3f}" if value < 100 else f"{value:,.1f}"
