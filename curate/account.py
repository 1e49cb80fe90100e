"""What a finished run says of itself in plain sentences: the text that the dataset card and croissant.json share.

Every sentence is filled from the run: its recipe, its manifest and the figures of its report. What the run cannot know (who
publishes the set, what it will be used for) is not here. No times, no local paths: the same build gives the same text.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curate import runs
from curate.recipe import Recipe
from curate.stages.filters import MIN_CONFIDENCE

# What looks like a person's own data, in any turn of a kept example. Looks only: a version number can pass for an address.
PERSONAL = {
    "e-mail address": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "telephone number": r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\b\d{2,4})[ .-]\d{3,4}[ .-]\d{3,4}\b",
    "IP address": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "user name (u/…, @…)": r"(?:^|\s)(?:/?u/[\w-]{3,}|@\w{3,})",
}
READING = "Reading: a record becomes an example or is rejected with its reason."


class Account(NamedTuple):
    """Sentences by subject; see the module. `processing`: one entry a stage, `rules` one a rule, `sources` one a source,
    `annotators` one a reviewer, by number: names are personal data, and these texts are published. `platform` and `per_item`
    are empty where nobody reviewed.
    """

    about: str
    rationale: list[str]
    sources: list[str]
    processing: list[str]
    rules: list[str]
    annotation: list[str]
    analysis: list[str]
    annotators: list[str]
    platform: list[str]
    per_item: str
    tools: list[str]
    personal: list[str]
    limits: list[str]
    biases: list[str]


def measured(run: Path) -> dict[str, Any]:
    """Two figures of the dataset for the report: `languages` (rows `language`, `examples`; empty where none was measured) and
    `personal` (rows `looks_like`, `examples`: how many examples have something of the kind in any turn).
    """
    dataset = pl.scan_parquet(run / "dataset.parquet")
    filters = next(folder for folder in runs.stage_folders(run) if folder.name == "filters")
    told = pl.scan_parquet(filters.parts).filter(pl.col("language_confidence") >= MIN_CONFIDENCE)
    languages = told.join(dataset, on="id", how="semi").group_by("language").agg(examples=pl.len()).collect()
    text = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
    found = dataset.select(text.alias("text")).select(
        pl.col("text").str.contains(pattern).sum().alias(name) for name, pattern in PERSONAL.items()
    )
    return {
        "languages": languages.sort(["examples", "language"], descending=[True, False]).to_dicts(),
        "personal": [
            {"looks_like": name, "examples": number or 0} for name, number in found.collect().row(0, named=True).items()
        ],
    }


def account(recipe: Recipe, manifest: dict[str, Any], summary: dict[str, Any]) -> Account:
    """The sentences of a run, from its recipe, manifest.json and report.json."""
    return Account(
        about=recipe.about or f"{summary['kept']:,} examples of instructions and answers.",
        rationale=list(_rationale(summary)),
        sources=list(_sources(recipe, manifest, summary)),
        processing=list(_processing(summary)),
        rules=[
            f"{row['rule']} ({row['stage']}) dropped {row['dropped']:,}: {row['sentence']}" for row in summary["rules"]
        ],
        annotation=list(_annotation(recipe, summary)),
        analysis=list(_analysis(summary)),
        annotators=list(_annotators(summary)),
        platform=["Lapidary's review app (python -m curate review)"] if _by_hand(summary) else [],
        per_item=_per_item(summary),
        tools=list(_tools(recipe)),
        personal=list(_personal(summary)),
        limits=list(_limits(recipe, summary)),
        biases=list(_biases(summary)),
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rationale(summary: dict[str, Any]) -> Iterator[str]:
    yield (
        "LIMA (Zhou et al. 2023) found that about a thousand diverse, clean, hand-checked examples align a model better than"
        " many more careless ones; this set was made in that spirit with Lapidary."
    )
    yield (
        f"Of {_count(summary['inputs'], 'input')} {summary['kept']:,} were kept and {summary['dropped']:,} dropped, each for a"
        " reason that stands in ledger.parquet with the value measured and the limit."
    )
    rows = {row["set"]: row for row in summary["chosen"]}
    if (chosen := rows.get("chosen")) and chosen["examples"]:
        yield (
            f"They come from {_count(chosen['sources'], 'source')} and {chosen['strata']:,} strata; the median answer has"
            f" {chosen['median_response_chars']:,.0f} characters (a random set of the same size from the same pool:"
            f" {rows['random']['median_response_chars']:,.0f})."
        )


def _sources(recipe: Recipe, manifest: dict[str, Any], summary: dict[str, Any]) -> Iterator[str]:
    rows = {row["source"]: row for row in summary["sources"]}
    for name, settings in recipe.active.items():
        mine = [file for file in manifest["files"] if file["source"] == name]
        where = getattr(settings, "hub", None)
        origin = f"the data set {where} of the Hugging Face Hub" if where else _count(len(mine), "file")
        row = rows.get(name, dict.fromkeys(("inputs", "readable", "kept"), 0))
        yield (
            f"{name} ({settings.kind}): {origin}, {_count(row['inputs'], 'record')}, {row['readable']:,} of them examples,"
            f" {row['kept']:,} kept."
        )


def _processing(summary: dict[str, Any]) -> Iterator[str]:
    for row in summary["funnel"]:
        told = f"{row['dropped']:,} of {row['into']:,} dropped." if row["dropped"] else "Nothing was dropped."
        about = READING if row["stage"] == "source" else Recipe.model_fields[row["stage"]].description
        yield f"{row['stage']}. {about} {told}"


def _by_hand(summary: dict[str, Any]) -> dict[str, Any] | None:
    """What people decided about examples, see `report.reviewed.by_hand`."""
    found: dict[str, Any] | None = (summary["review"] or {}).get("by_hand")
    return found


def _annotation(recipe: Recipe, summary: dict[str, Any]) -> Iterator[str]:
    leaks = summary["contamination"]
    if found := _by_hand(summary):
        yield from _reviewed(found, summary["kept"])
    if summary["review"] and (replayed := summary["review"]["replayed"]):
        yield from _replayed(replayed)
    if recipe.quality.reviewer:
        yield (
            "A person kept or rejected examples; a logistic regression on those decisions scores the others"
            f" ({recipe.quality.reviewer.decisions.name})."
        )
    if leaks:
        yield (
            f"Of {_count(leaks['gray'], 'gray pair')} of examples and test items, {leaks['decided']:,} were decided by a person."
        )
    if not summary["review"] and not recipe.quality.reviewer and not (leaks or {}).get("decided"):
        yield "No person's decision on a single example is part of this build: rules, scores and quotas alone decided."


def _reviewed(found: dict[str, Any], kept: int) -> Iterator[str]:
    made = ", ".join(
        f"{found[kind]:,} {words}"
        for kind, words in (("keep", "to keep"), ("edit", "to keep as edited"), ("reject", "to reject"))
        if found[kind] or kind in ("keep", "reject")
    )
    yield (
        f"{_count(found['reviewers'], 'reviewer')} decided on {_count(found['texts'], 'text')}, in"
        f" {_count(found['keep'] + found['edit'] + found['reject'], 'decision')}: {made}."
    )
    if found["flag"]:
        yield f"{found['flag']:,} {'text was' if found['flag'] == 1 else 'texts were'} flagged for someone else to look at."
    if found["bulk"]:
        yield f"{found['bulk']:,} of these decisions were made for many texts at once, not text by text."
    if found["reasons"]:
        named = ", ".join(f"{row['reason']} {row['decisions']:,}" for row in found["reasons"])
        yield f"Reasons for rejecting: {named}."
    yield (
        f"Of the {_count(kept, 'example')} of the set {found['seen']:,} ({found['share']:.1%}) were decided on by a reviewer; rules,"
        " scores and quotas alone decided on the others."
    )
    if found["rejected_since"]:
        yield (
            f"{_count(found['rejected_since'], 'example')} of the set {_were(found['rejected_since'])} rejected after it was built."
        )


def _replayed(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"The build replayed {_count(found['decisions'], 'decision')} by the hash of the text that was decided on:"
        f" {_count(found['kept'], 'example')} kept, {found['rejected']:,} rejected, {found['edited']:,} edited."
    )
    if found["overridden"]:
        named = ", ".join(f"{row['rule']} {row['examples']:,}" for row in found["overridden"])
        yield f"Kept by a reviewer although a rule would have dropped them: {named}."
    if found["stale"]:
        n = len(found["stale"])
        yield f"{_count(n, 'decision')} on a text that has changed since {_were(n)} not applied."


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _analysis(summary: dict[str, Any]) -> Iterator[str]:
    found = _by_hand(summary)
    if found is None:
        return
    known = False
    for name, whom in (
        ("between", "Reviewers agreed with one another"),
        ("within", "Reviewers agreed with themselves"),
    ):
        figures = found[name]
        if figures is None or figures["raw"] is None:
            continue
        known = True
        seen = (
            "texts that two or more decided"
            if name == "between"
            else "texts that were shown to them again, unannounced"
        )
        yield (
            f"{whom} in {_share(figures, 'raw', 'raw_low', 'raw_high')} of {_count(figures['pairs'], 'pair')} of decisions to keep or"
            f" to reject, on {figures['texts']:,} {seen}."
        )
        if figures["alpha"] is not None:
            yield f"Krippendorff's alpha of these is {_within(figures, 'alpha', 'low', 'high')}."
    if not known:
        yield "No text was decided twice, so how far reviewers agree is not known."


def _share(figures: dict[str, Any], name: str, low: str, high: str) -> str:
    interval = "" if figures[low] is None else f" (95 % interval {figures[low]:.1%} to {figures[high]:.1%})"
    return f"{figures[name]:.1%}{interval}"


def _within(figures: dict[str, Any], name: str, low: str, high: str) -> str:
    interval = "" if figures[low] is None else f" (95 % interval {figures[low]:.2f} to {figures[high]:.2f})"
    return f"{figures[name]:.2f}{interval}"


def _annotators(summary: dict[str, Any]) -> Iterator[str]:
    found = _by_hand(summary)
    for row in found["people"] if found else ():
        days = row["first"] if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
        pace = "" if row["seconds"] is None else f", {row['seconds']:g} seconds each in the middle"
        yield f"{row['reviewer'].capitalize()}: {_count(row['decisions'], 'decision')}, {days}{pace}."
    if found:
        yield "Who they are, and anything else about them, is not published."


def _per_item(summary: dict[str, Any]) -> str:
    found = _by_hand(summary)
    return (
        f"{found['per_text']:g} on average, of the {_count(found['texts'], 'text')} that were decided on"
        if found
        else ""
    )


def _tools(recipe: Recipe) -> Iterator[str]:
    quality = recipe.quality
    if quality.ifd:
        yield f"Instruction-following difficulty by {_model(quality.ifd.model)}"
    if quality.reward:
        yield f"Rewards by {_model(quality.reward.model)}"
    if quality.grade:
        yield f"Grades ({quality.grade.scale}) by {_model(quality.grade.model)}"
    if quality.reviewer:
        yield "A classifier learned from a reviewer's decisions"
    if recipe.filters.languages:
        yield "Language identification by langdetect"


def _model(name: object) -> str:
    """A model's name; of a folder its last part, since where it lies is nobody's business."""
    return Path(str(name)).name


def _personal(summary: dict[str, Any]) -> Iterator[str]:
    found = [row for row in summary["personal"] if row["examples"]]
    if found:
        what = ", ".join(f"{row['looks_like']}: {row['examples']:,}" for row in found)
        yield f"Examples with something that looks like a person's own data ({what}); nothing was masked."
    else:
        looked = ", ".join(row["looks_like"] for row in summary["personal"])
        yield f"No example has anything that looks like one of these: {looked}."
    yield "Texts written by people can name or describe people all the same; names were not searched for."
    rules = [row for row in summary["rules"] if row["rule"] in ("nsfw", "over_18", "deleted")]
    if rules:
        named = ", ".join(f"{row['dropped']:,} by {row['rule']}" for row in rules)
        yield f"Dropped as adult content or as deleted by its author: {named}."


def _limits(recipe: Recipe, summary: dict[str, Any]) -> Iterator[str]:
    if not summary["complete"]:
        yield "This is a partial build, made with --limit: it is a first look, not a set to train on."
    trusted = summary["trusted"]
    if trusted:
        every = next(row for row in trusted["rules"] if row["rule"] == "any")
        yield (
            f"Of {trusted['examples']:,} trusted examples the rules would have dropped {every['share']:.1%}: about that share of"
            " good examples may be missing."
        )
    else:
        yield "The rules were not held against a trusted set, so how many good examples they dropped is not known."
    tests = sorted(recipe.decontaminate.tests)
    if tests:
        kept = sum((summary["contamination"] or {}).get("kept", {}).values())
        yield f"Leaks were searched from these test sets alone: {', '.join(tests)}; {_count(kept, 'leak')} left in the set."
    else:
        yield "No test set was searched for: scores on benchmarks may be inflated by leaks."
    if summary["meaning_recall"] is not None:
        yield f"The search for duplicates by meaning found {summary['meaning_recall']:.1%} of the pairs of a sample."
    unknown = sum(row["examples"] for row in summary["licenses"] if not row["license"])
    if unknown:
        yield f"{_count(unknown, 'example')} of {summary['kept']:,} state no licence."
    for row in summary.get("gates", []):
        if row["passed"] is False:
            yield row["sentence"]


def _biases(summary: dict[str, Any]) -> Iterator[str]:
    kept = summary["kept"]
    if not kept:
        return
    shares = sorted(summary["sources"], key=lambda row: (-row["kept"], row["source"]))
    named = ", ".join(f"{row['source']} {row['kept'] / kept:.0%}" for row in shares if row["kept"])
    yield f"Shares of the sources: {named}."
    if summary["languages"]:
        total = sum(row["examples"] for row in summary["languages"])
        told = ", ".join(f"{row['language']} {row['examples'] / total:.0%}" for row in summary["languages"][:8])
        yield f"Languages, where one could be told ({total:,} of {kept:,}): {told}."
    figures = {(row["set"], row["measure"]): row["value"] for row in summary["diversity"]["rows"]}
    ours, theirs = figures.get(("chosen", "vendi")), figures.get(("random", "vendi"))
    if ours is not None and theirs is not None:
        yield (
            f"As diverse as {ours:,.1f} examples that have nothing in common (Vendi score); a random set of the same size as"
            f" {theirs:,.1f}."
        )
