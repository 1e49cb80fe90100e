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
STAGES = {
    "source": "Reading: a record becomes an example or is rejected with its reason.",
    "clean": "Cleaning: HTML becomes Markdown, and what the list of edits names is repaired; nothing is dropped.",
    "filters": "Filtering by rules, each with a limit.",
    "exact": "Exact duplicates, once case, width and white space are folded.",
    "quality": "Scores of quality and difficulty, and limits on them.",
    "near": "Near duplicates by wording (MinHash; every candidate checked by exact Jaccard similarity).",
    "meaning": "Duplicates by meaning (cosine of embeddings).",
    "decontaminate": "Leaks from test sets, by words and by meaning.",
    "select": "Choosing: quotas, strata and an order; what finds no place leaves.",
}


class Account(NamedTuple):
    """Sentences by subject; see the module. `processing`: one entry a stage, `rules` one a rule, `sources` one a source."""

    about: str
    rationale: list[str]
    sources: list[str]
    processing: list[str]
    rules: list[str]
    annotation: list[str]
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
        yield f"{row['stage']}. {STAGES[row['stage']]} {told}"


def _annotation(recipe: Recipe, summary: dict[str, Any]) -> Iterator[str]:
    if recipe.quality.reviewer:
        yield (
            "A person kept or rejected examples; a logistic regression on those decisions scores the others"
            f" ({recipe.quality.reviewer.decisions.name})."
        )
    if leaks := summary["contamination"]:
        yield (
            f"Of {_count(leaks['gray'], 'gray pair')} of examples and test items, {leaks['decided']:,} were decided by a person."
        )
    if not recipe.quality.reviewer and not (summary["contamination"] or {}).get("decided"):
        yield "No person's decision on a single example is part of this build: rules, scores and quotas alone decided."


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
