"""What a reader should know first: what came in, what stayed, and what deserves a look, in plain sentences."""

from collections.abc import Iterator
from typing import Any, NamedTuple

HOW = {
    "fault": "as faults of the data",
    "rejected": "rejected by reviewers",
    "limit": "by limits of the recipe",
    "duplicate": "as duplicates",
    "leak": "as leaks from test sets",
    "place": "because the set was full",
}
# A rule that would drop more of the trusted set than this, or all rules together, is too strict or the set is of another kind.
TRUSTED_RULE, TRUSTED_ALL = 0.05, 0.20
# One rule that alone takes more of what reached its stage than this.
ALONE = 0.5
# A search that finds less than this share of a sample's pairs leaves duplicates in the set.
RECALL = 0.99
# A source with more of the set than this, where there are others.
MOST_OF_IT = 0.6
LOOKS, ALL = 6, 10


class Sentence(NamedTuple):
    """`look`: it deserves a look, and `section` (the page's anchor) is where."""

    text: str
    look: bool = False
    section: str = ""


def sentences(summary: dict[str, Any]) -> list[Sentence]:
    """Five to ten sentences: what deserves a look first, most urgent first, then what came in and what stayed."""
    looks = list(_looks(summary))
    shown = looks[:LOOKS]
    if len(looks) > LOOKS:
        rest = looks[LOOKS - 1 :]
        named = "; ".join(sentence.text.split(":")[0].rstrip(".") for sentence in rest[:4])
        shown[-1] = Sentence(f"And {len(rest)} more to look at: {named}.", look=True)
    return [*shown, *_facts(summary)][:ALL]


def _looks(summary: dict[str, Any]) -> Iterator[Sentence]:
    yield from (Sentence(gate["sentence"], look=True) for gate in summary.get("gates", ()) if gate["passed"] is False)
    if not summary["complete"]:
        limit = f"--limit {summary['limit']}" if summary.get("limit") else "--limit"
        yield Sentence(
            f"This is a partial build, made with {limit}: shares may be far from those of all the data.", look=True
        )
    if not summary["kept"]:
        yield Sentence("Nothing was kept: see below where everything left.", look=True, section="funnel")
    yield from _vanished(summary)
    yield from _trusted(summary)
    yield from _leaks(summary)
    yield from _reviewed(summary)
    yield from _quotas(summary)
    yield from _faults(summary)
    yield from _shape(summary)


def _vanished(summary: dict[str, Any]) -> Iterator[Sentence]:
    gone = [row for row in summary["sources"] if row["inputs"] and not row["passed"]]
    if gone and summary["kept"]:
        names = _listed([f"{row['source']} ({row['inputs']:,} records)" for row in gone])
        yield Sentence(
            f"Nothing of {names} is left: every record was dropped before selection.", look=True, section="sources"
        )
    unchosen = [row for row in summary["sources"] if row["passed"] and not row["kept"]]
    if unchosen and summary["kept"]:
        names = _listed([f"{row['source']} ({row['passed']:,} passed every rule)" for row in unchosen])
        yield Sentence(f"The set has nothing of {names}: selection took others.", look=True, section="sources")


def _trusted(summary: dict[str, Any]) -> Iterator[Sentence]:
    trusted = summary["trusted"]
    if not trusted:
        return
    *rules, whole = trusted["rules"]
    strict = sorted((row for row in rules if row["share"] > TRUSTED_RULE), key=lambda row: -row["share"])
    if _too_strict(trusted):
        most = _listed([f"{row['rule']} ({row['share']:.1%})" for row in strict])
        which = f": above all {most}" if strict else ""
        text = f"The rules would drop {whole['share']:.1%} of the {trusted['examples']:,} trusted examples{which}."
        yield Sentence(text, look=True, section="rules")


def _too_strict(trusted: dict[str, Any]) -> bool:
    *rules, whole = trusted["rules"]
    return whole["share"] > TRUSTED_ALL or any(row["share"] > TRUSTED_RULE for row in rules)


def _leaks(summary: dict[str, Any]) -> Iterator[Sentence]:
    found = summary["contamination"]
    if found and found["gray"] > found["decided"]:
        n = found["gray"] - found["decided"]
        text = f"{n:,} gray {_plural(n, 'pair')} of an example and a test question {_plural(n, 'waits', 'wait')} for a decision in contamination.jsonl."
        yield Sentence(text, look=True, section="leaks")
    if found and found["stale"]:
        n = len(found["stale"])
        text = f"{n:,} {_plural(n, 'decision')} on leaks no longer {_plural(n, 'applies', 'apply')}: the text or the pair has changed."
        yield Sentence(text, look=True, section="leaks")


def _reviewed(summary: dict[str, Any]) -> Iterator[Sentence]:
    found = summary["review"] or {}
    replayed, by_hand = found.get("replayed"), found.get("by_hand")
    if found.get("unreadable"):
        text = "The log of the review could not be read: nothing is known of what people decided."
        yield Sentence(text, look=True, section="review")
    if replayed and replayed["stale"]:
        n = len(replayed["stale"])
        text = f"{n:,} {_plural(n, 'decision')} of reviewers {_plural(n, 'is', 'are')} stale: the text has changed since, so {_plural(n, 'it was', 'they were')} not applied."
        yield Sentence(text, look=True, section="review")
    if by_hand and by_hand["rejected_since"]:
        n = by_hand["rejected_since"]
        text = f"{n:,} {_plural(n, 'example')} of the set {_plural(n, 'was', 'were')} rejected after it was built: build again with the decisions."
        yield Sentence(text, look=True, section="review")


def _quotas(summary: dict[str, Any]) -> Iterator[Sentence]:
    short = [row for row in summary["quotas"] if row["kept"] < row["quota"]]
    if short:
        names = _listed([f"{row['bucket']} has {row['kept']:,} of {row['quota']:,}" for row in short])
        text = f"{len(short):,} {_plural(len(short), 'quota')} could not be filled: {names}."
        yield Sentence(text, look=True, section="sources")


def _faults(summary: dict[str, Any]) -> Iterator[Sentence]:
    damaged = {row["rule"]: row["dropped"] for row in summary["rules"] if row["stage"] == "source"}
    if damaged.get("unreadable"):
        n = damaged["unreadable"]
        yield Sentence(f"{n:,} {_plural(n, 'record')} could not be read.", look=True, section="rules")
    if damaged.get("repeated_key"):
        n = damaged["repeated_key"]
        yield Sentence(f"{n:,} {_plural(n, 'record')} came twice under one key.", look=True, section="rules")
    recall = summary["meaning_recall"]
    if recall is not None and recall < RECALL:
        text = f"The search for duplicates by meaning found {recall:.1%} of a sample's pairs: raise meaning.exact_rows to find all."
        yield Sentence(text, look=True, section="duplicates")
    into = {row["stage"]: row["into"] for row in summary["funnel"]}
    for row in summary["rules"]:
        if row["fate"] in ("limit", "leak", "duplicate") and row["alone"] > ALONE * into[row["stage"]]:
            share = row["alone"] / into[row["stage"]]
            of = "all records" if row["stage"] == "source" else f"what reaches {row['stage']}"
            text = f"{row['rule']} alone drops {share:.0%} of {of}."
            yield Sentence(text, look=True, section="rules")


def _shape(summary: dict[str, Any]) -> Iterator[Sentence]:
    kept = summary["kept"]
    most = max(summary["sources"], key=lambda row: row["kept"], default=None)
    several = sum(row["passed"] > 0 for row in summary["sources"]) > 1
    if most and several and kept and most["kept"] > MOST_OF_IT * kept:
        yield Sentence(f"{most['kept'] / kept:.0%} of the set is from {most['source']}.", look=True, section="sources")
    missing = [row for row in summary["topics"]["topics"] if row["state"]]
    if missing:
        names = _listed([f"“{row['name']}”" for row in missing])
        text = f"{len(missing):,} {_plural(len(missing), 'topic')} of the candidates {_plural(len(missing), 'is', 'are')} thin or missing in the set: {names}."
        yield Sentence(text, look=True, section="topics")
    unlicensed = sum(row["examples"] for row in summary["licenses"] if row["license"] is None)
    if unlicensed:
        yield Sentence(
            f"{unlicensed:,} kept {_plural(unlicensed, 'example')} name no licence.", look=True, section="licences"
        )
    yield from _less_diverse(summary)


def _less_diverse(summary: dict[str, Any]) -> Iterator[Sentence]:
    cells = {(row["measure"], row["set"]): row for row in summary["diversity"]["rows"]}
    ours, random = cells.get(("vendi", "chosen")), cells.get(("vendi", "random"))
    if not ours or not random or ours["high"] is None or random["low"] is None or ours["high"] >= random["low"]:
        return
    text = f"The set is less diverse than a random one of its size: Vendi score {ours['value']:.4g} against {random['value']:.4g}"
    covers, by_chance = cells.get(("coverage", "chosen")), cells.get(("coverage", "random"))
    if covers and by_chance and (covers["low"] or 0) > (by_chance["high"] or 1):
        text += f", though it covers the pool better ({covers['value']:.3f} against {by_chance['value']:.3f})"
    yield Sentence(f"{text}.", look=True, section="diversity")


def _facts(summary: dict[str, Any]) -> Iterator[Sentence]:
    n = sum(row["inputs"] > 0 for row in summary["sources"])
    readable = sum(row["readable"] for row in summary["sources"])
    passed = sum(row["passed"] for row in summary["sources"])
    yield Sentence(
        f"{summary['inputs']:,} {_plural(summary['inputs'], 'record')} came in from {n:,} {_plural(n, 'source')};"
        f" {readable:,} became examples, {passed:,} passed every rule, {summary['kept']:,} {_plural(summary['kept'], 'was', 'were')} kept."
    )
    drops: dict[str, int] = {}
    for row in summary["paths"]:
        if row["fate"] != "kept":
            drops[row["fate"]] = drops.get(row["fate"], 0) + row["examples"]
    if drops:
        most = sorted(drops.items(), key=lambda item: -item[1])
        yield Sentence(
            f"{sum(drops.values()):,} left: {_listed([f'{n:,} {HOW[fate]}' for fate, n in most], most=5)}.",
            section="funnel",
        )
    whole = summary["lengths"]["rows"][-1]
    if whole["after"]["median"] is not None:
        yield Sentence(
            f"The median answer of the set has {whole['after']['median']:,.0f} characters; of all examples,"
            f" {whole['before']['median']:,.0f}."
        )
    trusted = summary["trusted"]
    if trusted and not _too_strict(trusted):
        share = trusted["rules"][-1]["share"]
        yield Sentence(
            f"The rules would drop {share:.1%} of the {trusted['examples']:,} trusted examples.", section="rules"
        )
    leaks = summary["leaks"]
    if leaks:
        gone = next((row["dropped"] for row in summary["funnel"] if row["stage"] == "decontaminate"), 0)
        names = _listed(list(dict.fromkeys(row["test"] for row in leaks["tests"])))
        leaked = f"{gone:,} {_plural(gone, 'example')} left because {_plural(gone, 'it leaks', 'they leak')} items of {names}."
        yield Sentence(leaked if gone else f"No example left as a leak from {names}.", section="leaks")
    else:
        yield Sentence("No test set was named, so nothing was checked for leaks.", section="leaks")


def _listed(words: list[str], most: int = 3) -> str:
    words = [word if len(word) <= 60 else word[:59] + "…" for word in words]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most:,} more"
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _plural(n: int, one: str, many: str | None = None) -> str:
    return one if n == 1 else many or f"{one}s"
