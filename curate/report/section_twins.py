"""The page's sections on what the set must not hold: duplicates, and leaks from test sets."""

from html import escape
from typing import Any

from curate.report.drawing import bars
from curate.report.fates import COLORS
from curate.report.markup import brief, chart, example, fold, note, table

BARS_SHOWN = 40
OF = {"exact": "the same text", "near": "similar wording", "meaning": "the same meaning"}
CATEGORIES = {"duplicate": "duplicates", "gray_area": "gray area", "similar": "similar but different"}


def duplicates(summary: dict[str, Any], samples: dict[str, Any], chars: int) -> str:
    """How many clusters of which size, and the largest with the one that stayed."""
    found = [row for row in summary["duplicates"] if row["clusters"]]
    recall = summary["meaning_recall"]
    said = (
        ""
        if recall is None
        else note(f"The search for duplicates by meaning found {recall:.2%} of the pairs of a sample.")
    )
    if not found:
        return said + note("No duplicates were found.")
    names = [_span(bin_) for bin_ in found[0]["sizes"]]
    rows = [
        {"examples of": OF[row["of"]], "clusters": row["clusters"], "examples": row["members"]}
        | {name: bin_["clusters"] for name, bin_ in zip(names, row["sizes"], strict=True)}
        for row in found
    ]
    drawn = [
        bars.Bar(
            f"{name} with {OF[row['of']]}",
            bin_["clusters"],
            f"{bin_['clusters']:,} {'cluster' if bin_['clusters'] == 1 else 'clusters'}",
            COLORS["duplicate"],
        )
        for row in found
        for name, bin_ in zip(names, row["sizes"], strict=True)
        if bin_["clusters"]
    ]
    pictures = chart(bars.bars("Clusters of duplicates by size", drawn), table(rows))
    groups = "".join(_cluster(rows, chars) for rows in samples["clusters"])
    return said + pictures + f"<h3>The largest</h3>{groups}"


def _span(row: dict[str, Any]) -> str:
    if row["to"] is None:
        return f"{row['from']}+"
    return f"{row['from']}" if row["from"] == row["to"] else f"{row['from']}–{row['to']}"


def _cluster(rows: list[dict[str, Any]], chars: int) -> str:
    stayed, *left = rows
    shown = example(stayed, chars, ["stayed"])
    members = "".join(
        example(
            row,
            min(chars, 240),
            [f"gave way, similarity {row['value']:.4g}" if row["value"] is not None else "gave way"],
        )
        for row in left
    )
    hidden = stayed["size"] - 1 - len(left)
    more = note(f"And {hidden:,} more.") if hidden else ""
    head = (stayed["prompt"] or "").strip().replace("\n", " ")
    words = f"{stayed['size']:,} examples with {OF[stayed['of']]}: {head[:80]}{' …' if len(head) > 80 else ''}"
    return f"<details><summary>{escape(words)}</summary><div class=stayed>{shown}</div>{members}{more}</details>"


def leaks(summary: dict[str, Any], samples: dict[str, Any], questions: dict[str, str | None], chars: int) -> str:
    """A table of test sets and categories, and pairs side by side."""
    found = summary["leaks"]
    if found is None:
        return note("The recipe names no test set (decontaminate.tests), so nothing was checked for leaks.")
    tests = list(dict.fromkeys(row["test"] for row in found["tests"]))
    cells = {(row["test"], row["category"]): row for row in found["tests"]}
    rows = [
        {"test set": test} | {words: cells[test, name]["examples"] for name, words in CATEGORIES.items()}
        for test in tests
    ]
    shown = [
        bars.Bar(
            f"{row['test']}: {row['category'].replace('_', ' ')}",
            row["examples"],
            f"{row['examples']:,} (items: {row['items']:,})",
            COLORS["leak"],
        )
        for row in found["tests"]
        if row["examples"]
    ]
    review = summary["contamination"]
    said = (
        note(f"Gray pairs in contamination.jsonl: {review['gray']:,}; decided by a person: {review['decided']:,}.")
        if review
        else ""
    )
    if not shown:
        return said + table(rows) + note("No example leaks any of their items.")
    pairs = "".join(_pair(row, samples, questions, chars) for row in found["pairs"])
    svg = bars.bars("Examples that leak, by test set and category", shown[:BARS_SHOWN])
    return said + chart(svg, table(rows)) + f"<h3>The strongest pairs</h3>{pairs}"


def _pair(row: dict[str, Any], samples: dict[str, Any], questions: dict[str, str | None], chars: int) -> str:
    ours = samples["leaks"].get(row["id"])
    text = (ours or {}).get("prompt")
    theirs = questions.get(row["item"])
    fate = "left" if row["left"] else "stayed"
    words = f"{row['category'].replace('_', ' ')} · {row['item']} · {fate}"
    sides = (
        ("The example", text or "(its text is not in the run)", (ours or {}).get("key") or row["id"]),
        ("The test's question", theirs or "(its file is not there any more)", row["item"]),
    )
    columns = "".join(
        f"<div><p class=key>{escape(side)} · <code>{brief(key)}</code></p><pre><bdi>{escape(text[:chars])}</bdi></pre></div>"
        for side, text, key in sides
    )
    return fold(words[:160], f"<p class=why>{brief(row['evidence'], 400)}</p><div class=two>{columns}</div>")
