"""The page's section on what people decided: how many, what and why, how far they agree, and against which rules."""

from typing import Any

from curate.report.drawing import bars
from curate.report.fates import COLORS
from curate.report.markup import chart, fold, note, number, table

# Stale decisions listed; manifest.json has all of them.
STALE_SHOWN = 40
RULES_SHOWN, REASONS_SHOWN = 12, 20
KINDS = {
    "keep": ("kept", COLORS["kept"]),
    "edit": ("kept as edited", COLORS["duplicate"]),
    "reject": ("rejected", COLORS["rejected"]),
    "flag": ("flagged", COLORS["leak"]),
}
PEOPLE = {
    "reviewer": "reviewer",
    "decisions": "decisions",
    "keep": "kept",
    "edit": "edited",
    "reject": "rejected",
    "flag": "flagged",
    "first": "first day",
    "last": "last day",
    "seconds": "median seconds on the screen",
}


def review(summary: dict[str, Any]) -> str:
    """What was decided and how well, then what this build made of it."""
    found = summary["review"]
    if found is None:
        return note(
            f"Nobody has decided on an example of this run. python -m curate review runs/{summary['name']} opens it for review."
        )
    by_hand, replayed = found["by_hand"], found["replayed"]
    parts = [note(found["unreadable"])] if found["unreadable"] else []
    parts += [_by_hand(by_hand, summary["kept"])] if by_hand else []
    dropped = {(row["stage"], row["rule"]): row["dropped"] for row in summary["rules"]}
    parts.append(
        _replayed(replayed, dropped)
        if replayed
        else note("This build replays no decisions (recipe: review.decisions).")
    )
    return "".join(parts)


def _by_hand(found: dict[str, Any], kept: int) -> str:
    people, texts = found["reviewers"], found["texts"]
    told = (
        f"{people:,} {'reviewer' if people == 1 else 'reviewers'} decided on {texts:,} {'text' if texts == 1 else 'texts'}"
        f" ({found['file']}): {found['seen']:,} of the {kept:,} examples of the set were looked at ({found['share']:.1%})."
    )
    since = (
        f" {found['rejected_since']:,} of the set are to be rejected by what was decided since: build again."
        if found["rejected_since"]
        else ""
    )
    drawn = [
        bars.Bar(words, found[kind], f"{found[kind]:,}", color) for kind, (words, color) in KINDS.items() if found[kind]
    ]
    counts = table([{"decision": words, "number": found[kind]} for kind, (words, _) in KINDS.items()])
    why = [
        bars.Bar(row["reason"], row["decisions"], f"{row['decisions']:,}", COLORS["rejected"])
        for row in found["reasons"][:REASONS_SHOWN]
    ]
    reasons = chart(bars.bars("Why examples were rejected", why), table(found["reasons"])) if why else ""
    return (
        note(told + since)
        + chart(bars.bars("Decisions that count", drawn), counts)
        + reasons
        + "<h3>How far reviewers agree</h3>"
        + _agreement(found)
        + fold("Each reviewer", table(found["people"], PEOPLE))
    )


def _agreement(found: dict[str, Any]) -> str:
    rows = []
    for name, whom in (("between", "with one another"), ("within", "with themselves, on hidden repeats")):
        figures = found[name]
        if figures is None:
            continue
        rows.append(
            {
                "reviewers": whom,
                "texts": figures["texts"],
                "pairs": figures["pairs"],
                "share that agree": interval(figures["raw"], figures["raw_low"], figures["raw_high"]),
                "Krippendorff's alpha": interval(figures["alpha"], figures["low"], figures["high"]),
                "tie-discounted": interval(figures["tie_discounted"], figures["tie_low"], figures["tie_high"]),
            }
        )
    if not rows:
        return note("No text was decided twice, by two reviewers or by one: how far they agree is not known.")
    text = (
        "Keep or reject; in brackets 95 % intervals, texts drawn anew. Alpha is 1 where all agree and 0 where they agree as by"
        " chance. Tie-discounted accuracy (LIMA, section 4.1) counts half a point where one of the two flagged."
    )
    return table(rows) + note(text)


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.812 [0.731, 0.884]`; a dash where the decisions do not determine it."""
    if value is None:
        return "–"
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _replayed(found: dict[str, Any], dropped: dict[tuple[str, str], int]) -> str:
    """`dropped`: how many verdicts of each stage and rule count."""
    told = (
        f"This build replayed {number(found['decisions'])} decisions of {found['file']}: {number(found['kept'])} examples kept,"
        f" {number(found['rejected'])} rejected, {number(found['edited'])} edited."
    )
    if found["absent"]:
        told += f" {number(found['absent'])} speak of texts and examples that are not in this corpus."
    parts = ["<h3>What the build made of it</h3>", note(told)]
    rows = [
        {
            "rule": f"{row['stage']}/{row['rule']}",
            "kept all the same": row["examples"],
            "dropped": dropped.get((row["stage"], row["rule"]), 0),
        }
        for row in found["overridden"]
    ]
    if rows:
        drawn = [
            bars.Bar(str(row["rule"]), int(row["kept all the same"]), f"{row['kept all the same']:,}", COLORS["kept"])
            for row in rows[:RULES_SHOWN]
        ]
        words = "A rule that reviewers overrule as often as it drops is wrong for this set: raise its limit or switch it off."
        parts += [
            chart(bars.bars("Kept by reviewers although this rule would drop them", drawn), table(rows)),
            note(words),
        ]
    spite = [{"rule": f"{row['stage']}/{row['rule']}", "dropped": row["examples"]} for row in found["not_kept"]]
    if spite:
        parts += [
            note("Kept by a reviewer and dropped all the same, for a reason that no keep holds against:"),
            table(spite),
        ]
    if found["stale"]:
        stale = [
            {"example": row["key"], "decision": row["decision"], "day": row["time"][:10]}
            for row in found["stale"][:STALE_SHOWN]
        ]
        n = len(found["stale"])
        words = f"{number(n)} stale {'decision' if n == 1 else 'decisions'}, not applied: the text is another now"
        parts.append(fold(words, table(stale)))
    return "".join(parts)
