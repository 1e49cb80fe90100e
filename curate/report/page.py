"""report.html: one self-contained file, no script, no network, light and dark."""

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c1c1e, #e8e6e3); --soft: light-dark(#6b6b70, #a19f9b);
  --paper: light-dark(#fdfcfa, #17181a); --line: light-dark(#e4e1da, #33353a); --keep: light-dark(#2f7d5b, #5fbf93);
  --drop: light-dark(#c8694a, #e08a6b); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
p.lead { color: var(--soft); margin-top: 0; max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: .35rem .7rem .35rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: flex; height: .9rem; min-width: 9rem; margin-top: .3rem; border-radius: 3px; overflow: hidden;
  background: var(--line); }
.bar i { background: var(--keep); } .bar b { background: var(--drop); }
details { border-bottom: 1px solid var(--line); padding: .45rem 0; } summary { cursor: pointer; }
summary code { font-size: .95em; } .why { color: var(--soft); font-size: .9rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0 1rem; padding: .7rem .9rem; font-size: .82rem;
  border-left: 3px solid var(--line); max-height: 16rem; overflow-y: auto; }
@media print { pre { max-height: none; } }
"""

# Enough of a text to judge it by; the run folder has the rest.
SHOWN_CHARS = 900


def render(summary: dict[str, Any], samples: dict[str, list[dict[str, Any]]]) -> str:
    """The page for the numbers of `numbers.summarise` and the rows of `numbers.samples`."""
    lead = (
        f"{summary['inputs']:,} inputs, {summary['kept']:,} kept, {summary['dropped']:,} dropped, each with its reason."
    )
    if not summary["complete"]:
        lead += " This is a partial build: it was made with --limit."
    sections = [
        ("What left, and where", _funnel(summary["funnel"]) + _recall(summary["meaning_recall"])),
        ("By source", _table(summary["sources"])),
        ("What the files were taken for, and how many of the first records fit", _table(summary["forms"])),
        ("The chosen set beside a random and a longest set of the same size", _table(summary["chosen"])),
        ("How diverse they are", _diversity(summary["diversity"])),
        ("Rules", _rules(summary["rules"], samples, summary["trusted"])),
        ("Three that were kept", "".join(_sample(row) for row in samples["kept"])),
        ("What cleaning changed", _table(summary["edits"])),
        ("Licences of the kept examples", _table(summary["licenses"])),
        ("Seconds", _table([{"stage": name, "seconds": value} for name, value in summary["seconds"].items()])),
    ]
    body = "".join(f"<section><h2>{escape(title)}</h2>{content}</section>" for title, content in sections)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(summary['name'])} · Lapidary</title><style>{STYLE}</style>"
        f"<h1>{escape(summary['name'])}</h1><p class=lead>{escape(lead)}</p>{body}</html>\n"
    )


def _funnel(rows: list[dict[str, Any]]) -> str:
    first = max(rows[0]["into"], 1)
    lines = "".join(
        f"<tr><td>{escape(row['stage'])}<td class=n>{row['into']:,}<td class=n>{row['dropped']:,}<td class=n>{row['left']:,}"
        f'<td><div class=bar><i style="width:{row["left"] / first:.2%}"></i>'
        f'<b style="width:{row["dropped"] / first:.2%}"></b></div>'
        for row in rows
    )
    head = "<tr><th>stage<th class=n>in<th class=n>dropped<th class=n>left<th>of all inputs: left, dropped here"
    return f"<div class=scroll><table>{head}{lines}</table></div>"


def _recall(stated: float | None) -> str:
    if stated is None:
        return ""
    return f"<p class=why>The search for duplicates by meaning found {stated:.2%} of the pairs of a sample.</p>"


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "<p class=why>None.</p>"
    numeric = {name for name in rows[0] if all(isinstance(row[name], int | float | None) for row in rows)}
    head = "".join(f"<th{' class=n' if name in numeric else ''}>{escape(name.replace('_', ' '))}" for name in rows[0])
    lines = "".join(
        "<tr>" + "".join(f"<td{' class=n' if name in numeric else ''}>{_cell(row[name])}" for name in row)
        for row in rows
    )
    return f"<div class=scroll><table><tr>{head}{lines}</table></div>"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else escape(str(value))


def _diversity(measured: dict[str, Any]) -> str:
    """A table of the measures, one column a set, with what each measure is below it."""
    sets = list(dict.fromkeys(row["set"] for row in measured["rows"]))
    cells = {(row["measure"], row["set"]): row for row in measured["rows"]}
    about = {row["measure"]: row["about"] for row in measured["rows"]}
    head = "".join(f"<th class=n>{escape(name)}" for name in sets)
    lines = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}<div class=why>{escape(sentence)}</div>"
        + "".join(f"<td class=n>{_with_interval(cells[name, column])}" for column in sets)
        for name, sentence in about.items()
    )
    note = f"{measured['examples']:,} examples of each set, from a pool of {measured['pool']:,}; 95 % intervals in brackets."
    return f"<p class=why>{note}</p><div class=scroll><table><tr><th>measure{head}{lines}</table></div>"


def _with_interval(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    interval = "" if row["low"] is None else f" [{row['low']:.4g}, {row['high']:.4g}]"
    return f"{row['value']:.4g}{interval}"


def _rules(rows: list[dict[str, Any]], samples: dict[str, list[dict[str, Any]]], trusted: dict[str, Any] | None) -> str:
    note = (
        f"<p class=why>Of the {trusted['examples']:,} examples of the trusted set, the rules together would drop"
        f" {trusted['rules'][-1]['share']:.1%}; each rule's share stands beside it.</p>"
        if trusted
        else "<p class=why>The recipe names no trusted set, so there is no false-drop check.</p>"
    )
    blocks = []
    for row in rows:
        share = "" if row["trusted_share"] is None else f", {row['trusted_share']:.1%} of the trusted set"
        drops = "".join(_sample(sample) for sample in samples.get(f"{row['stage']}/{row['rule']}", []))
        blocks.append(
            f"<details><summary><code>{escape(row['rule'])}</code> {row['dropped']:,} dropped, {row['alone']:,} by it alone"
            f"{share}</summary><p class=why>{escape(row['sentence'])}</p>{drops}</details>"
        )
    return note + "".join(blocks)


def _sample(row: dict[str, Any]) -> str:
    facts = [row["key"] or row["id"]]
    if row.get("value") is not None:
        limit = "" if row["limit"] is None else f" against {row['limit']:g}"
        facts.append(f"measured {row['value']:.4g}{limit}")
    facts += [str(row[name]) for name in ("detail",) if row.get(name)]
    if row.get("other"):
        facts.append(f"because of {row['other']}")
    text = (
        ""
        if row.get("prompt") is None
        else f"<pre>{escape(_shorten(row['prompt']))}\n\n{escape(_shorten(row['response']))}</pre>"
    )
    return f"<p class=why>{escape(' · '.join(facts))}</p>{text}"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + " …"
