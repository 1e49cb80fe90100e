"""report.html: one self-contained file, no script, no network, light and dark; a browser is told to run nothing in it.

Everything that comes from data is escaped; should that ever fail, the page's own policy (default-src 'none') still lets no
script, picture or request through.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

from curate.report import section_flow, section_origin, section_review, section_rules, section_space, section_twins
from curate.report.markup import brief, example
from curate.report.sentences import sentences
from curate.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# What a page may weigh: a browser opens it at once, a mail carries it. Texts are shown shorter until it does.
MAX_BYTES = 1_000_000
CHARS = (700, 400, 220, 110, 50, 0)


def render(summary: dict[str, Any], samples: dict[str, Any]) -> str:
    """The page for the numbers of `numbers.summarise` and what `numbers.samples` gives; at most MAX_BYTES of it."""
    page = ""
    for chars in CHARS:
        page = _page(summary, samples, chars)
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def _page(summary: dict[str, Any], samples: dict[str, Any], chars: int) -> str:
    sections = list(_sections(summary, samples, chars))
    links = "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in sections)
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(title)}</h2>{content}</section>' for anchor, title, content in sections
    )
    name = brief(summary["name"])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{name} · Lapidary</title>'
        f"<style>{STYLE}</style><div class=page><header><h1>{name}</h1><p class=lead>{brief(summary['about'], 600)}</p>"
        f"{_steps(summary)}{_short(summary)}</header><nav aria-label=Contents>{links}</nav><main>{body}</main></div></html>\n"
    )


def _sections(summary: dict[str, Any], samples: dict[str, Any], chars: int) -> Iterator[tuple[str, str, str]]:
    """Anchor, title and content of each section, what matters first."""
    yield "funnel", "What came, and where it left", section_flow.funnel(summary)
    yield "rules", "Rules", section_rules.rules(summary, samples, chars)
    yield "duplicates", "Duplicates", section_twins.duplicates(summary, samples, chars)
    yield "leaks", "Leaks from test sets", section_twins.leaks(summary, samples, samples["questions"], chars)
    yield "review", "Reviewed by hand", section_review.review(summary)
    yield "sources", "Sources and quotas", section_flow.sources(summary)
    yield "lengths", "Lengths before and after", section_flow.lengths(summary)
    yield "topics", "Topics", section_space.topics(summary)
    yield "map", "Map", section_space.map_of(summary)
    yield "verbs", "Verbs and objects", section_space.verbs(summary)
    yield "diversity", "Diversity", section_space.diversity(summary)
    yield "kept", "Three that were kept", "".join(example(row, chars) for row in samples["kept"])
    yield "licences", "Licences and attribution", section_origin.licences(summary)
    yield "cleaning", "What cleaning changed", section_origin.cleaning(summary)
    yield "times", "Times", section_origin.times(summary)
    yield "again", "How to make it again", section_origin.again(summary, samples["recipe"])


def _steps(summary: dict[str, Any]) -> str:
    steps = (
        ("", summary["inputs"], "records came in"),
        ("", sum(row["readable"] for row in summary["sources"]), "became examples"),
        ("", sum(row["passed"] for row in summary["sources"]), "passed every rule"),
        (" class=kept", summary["kept"], "were kept"),
    )
    return f"<div class=steps>{''.join(f'<div{mark}><b>{n:,}</b><span>{words}</span></div>' for mark, n, words in steps)}</div>"


def _short(summary: dict[str, Any]) -> str:
    lines = []
    for sentence in sentences(summary):
        link = f' <a href="#{sentence.section}">where</a>' if sentence.section else ""
        lines.append(f"<li{' class=look' if sentence.look else ''}>{brief(sentence.text, 400)}{link}")
    return f"<ul class=short>{''.join(lines)}</ul>"
