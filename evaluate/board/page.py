"""leaderboard.html: one self-contained file, no script, no network, light and dark; a browser is told to run nothing in it.

The filters of the pairs are radio buttons and style rules. Everything that comes from a file is escaped; should that ever
fail, the page's own policy (default-src 'none') still lets no script, picture or request through.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from . import side_by_side, tables
from .markup import note
from .sections import sections

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c1c1e, #e8e6e3); --soft: light-dark(#5f5f64, #a9a7a3);
  --paper: light-dark(#fdfcfa, #17181a); --line: light-dark(#e4e1da, #33353a); --mark: light-dark(#fbe7b8, #5b4a16);
  --warn: light-dark(#a8501f, #e8a06b); --accent: light-dark(#0a5c8f, #7cc0ec); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.25rem 5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h4 { margin: .2rem 0; font-size: .95rem; } a { color: var(--accent); }
p.lead, .why { color: var(--soft); max-width: 52rem; } p.lead { margin-top: 0; } .why { font-size: .9rem; }
.warnings { border-left: 3px solid var(--warn); padding-left: 1.8rem; } .warnings li { max-width: 52rem; }
.scroll { overflow-x: auto; } .scroll + .scroll { margin-top: 1.2rem; } .charts { display: grid; gap: 1rem 2rem; margin-top: 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; overflow-wrap: normal; }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
td small { color: var(--soft); } td:first-child { overflow-wrap: anywhere; min-width: 9rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; color: var(--soft); }
details { border-bottom: 1px solid var(--line); padding: .45rem 0; } summary { cursor: pointer; }
summary:focus-visible, label:focus-within, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
summary small { color: var(--soft); margin-left: .6rem; }
pre { font: .86rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0 1rem; padding: .7rem .9rem;
  border-left: 3px solid var(--line); max-height: 28rem; overflow-y: auto; }
u { text-decoration-color: var(--accent); text-underline-offset: 3px; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
.two { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.25rem; }
.flags { margin: .3rem 0; padding-left: 1.2rem; color: var(--warn); font-size: .9rem; }
fieldset { border: 0; padding: 0; margin: .6rem 0; display: flex; flex-wrap: wrap; gap: .4rem; }
legend { font-weight: 600; color: var(--soft); font-size: .9rem; padding: 0 0 .3rem; }
label { border: 1px solid var(--line); border-radius: 1rem; padding: .15rem .7rem; font-size: .9rem; cursor: pointer; }
label input { position: absolute; opacity: 0; } label:has(:checked) { background: var(--ink); color: var(--paper); }
.pairs { display: flex; flex-direction: column; }
body:has(#f-longest:checked) .pair { order: var(--by); }
@media (min-width: 60rem) { .charts { grid-template-columns: 1fr 1fr; } }
@media (max-width: 40rem) { .two { grid-template-columns: minmax(0, 1fr); } body { padding-top: 1.5rem; } summary small { display: block; margin: 0; } }
@media print { pre { max-height: none; } fieldset { display: none; } .pair { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

# What a page may weigh with all its pairs: a browser opens it in a second, a mail carries it.
MAX_BYTES = 2_000_000
# Buttons stay usable up to here; the tables have all models.
SHOWN_MODELS = 40

_KINDS = {
    "disagreement": "Judges disagree",
    "flipped": "Flipped with the order",
    "failed": "Failed",
    "longest": "Longest length difference",
}


def render(board: dict[str, Any], pairs: Sequence[dict[str, Any]], n_pairs: int) -> str:
    """The page of a board (`leaderboard.board`) and of the pairs chosen of all `n_pairs` (rows of `pairs.pairs`).

    Where the page would weigh more than MAX_BYTES, the last pairs are left out and the page says how many it shows.
    """
    before = "".join(_section(title, content) for title, content in sections(board))
    names = {row["model"]: number for number, row in enumerate(board["models"][:SHOWN_MODELS])}
    room = MAX_BYTES - len(before.encode()) - 40_000
    shown: list[dict[str, Any]] = []
    blocks: list[str] = []
    for row in pairs:
        block = side_by_side.pair(row, len(blocks) + 1, names)
        room -= len(block.encode())
        if room < 0:
            break
        shown.append(row)
        blocks.append(block)
    filters = _filters(shown, names)
    title = escape(board["title"])
    rules = "".join(f"body:has(#m{n}:checked) .pair:not(.m{n}){{display:none}}" for n in names.values())
    rules += "".join(f"body:has(#f-{kind}:checked) .pair:not(.{kind}){{display:none}}" for kind in _KINDS)
    pairs_section = _section("Answers side by side", _count(len(blocks), n_pairs) + filters + _list(blocks), "pairs")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{title} · Lapidary</title>'
        f"<style>{STYLE}{rules}</style><h1>{title}</h1><p class=lead>{escape(board['lead'])}</p>"
        f"{_warnings(tables.warnings(board))}{before}{pairs_section}</html>\n"
    )


def _section(title: str, content: str, anchor: str = "") -> str:
    return f"<section{f' id={anchor}' if anchor else ''}><h2>{escape(title)}</h2>{content}</section>"


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return f"<ul class=warnings>{''.join(f'<li>{escape(warning)}' for warning in warnings)}</ul>"


def _list(blocks: Sequence[str]) -> str:
    if not blocks:
        return ""
    return f"<div class=pairs>{''.join(blocks)}</div><p class=why>That is all that fits the filters.</p>"


def _count(shown: int, n_pairs: int) -> str:
    if not n_pairs:
        return note(
            "The files hold no pairs of answers. Give the files of answers beside the judgements to see them here."
        )
    which = (
        "all" if shown == n_pairs else "pairs of every kind, spread over models and prompts, to keep this file small"
    )
    return note(f"{shown:,} of {n_pairs:,} pairs: {which}.")


def _filters(shown: Sequence[dict[str, Any]], names: dict[str, int]) -> str:
    kinds = [("all", f"All {len(shown)}")]
    kinds += [(kind, f"{words} {sum(bool(row[kind]) for row in shown)}") for kind, words in _KINDS.items()]
    radios = "".join(_radio("kind", f"f-{name}", words, number == 0) for number, (name, words) in enumerate(kinds))
    by_model = _radio("model", "m-all", "All models", checked=True)
    by_model += "".join(_radio("model", f"m{number}", name, checked=False) for name, number in names.items())
    return (
        f"<fieldset><legend>Show</legend>{radios}</fieldset><fieldset><legend>Of</legend>{by_model}</fieldset>"
        if shown
        else ""
    )


def _radio(group: str, identity: str, words: str, checked: bool) -> str:
    mark = " checked" if checked else ""
    return (
        f"<label><input type=radio name={group} id={identity}{mark}>{escape(side_by_side.shorten(words, 40))}</label>"
    )
