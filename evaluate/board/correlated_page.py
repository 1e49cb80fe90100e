"""The page of `correlate` by itself, and the files of its folder."""

import json
from html import escape
from pathlib import Path

from curate import runs

from . import figure9
from .correlated import Row, head, panel
from .page import POLICY, STYLE


def page(found: Row, title: str) -> str:
    """One self-contained page without script or network."""
    notes = "".join(f"<li>{escape(one)}" for one in found["notes"])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)} · Lapidary</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><p class=lead>{escape(head(found))}.</p>"
        f"{f'<ul class=warnings>{notes}</ul>' if notes else ''}"
        f"<section><h2>Does perplexity tell quality?</h2>{panel(found)}</section></html>\n"
    )


def write(found: Row, out: Path, title: str) -> dict[str, Path]:
    """correlation.html and .json, the pictures as SVG, into `out` (made where it is missing); their paths by name."""
    pictures = {"figure9.svg": figure9.over_steps(found), "against.svg": figure9.against(found)}
    texts = {
        "correlation.html": page(found, title),
        "correlation.json": json.dumps(found, indent=2, ensure_ascii=False) + "\n",
        **{name: text for name, text in pictures.items() if text},
    }
    with runs.clear_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        runs.write_text(out / name, text)
    return {name: out / name for name in texts}
