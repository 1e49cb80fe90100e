"""README.md of a run: a dataset card as the Hugging Face Hub reads it, every section filled from the run.

Metadata: huggingface_hub's DatasetCardData; the values that the Hub knows are those of its documentation (licences, size
categories, task categories). Sections: the template of huggingface_hub (templates/datasetcard_template.md).
"""

import re
from pathlib import Path
from typing import Any

from curate import config, runs
from curate.account import Account, account
from curate.publish import DATASET
from curate.recipe import Recipe
from curate.record import VERDICT

# The licences that the Hub's documentation lists, as far as texts come under them; anything else is `other` there.
LICENSES = {
    *("apache-2.0", "mit", "openrail", "bsd", "bsd-2-clause", "bsd-3-clause", "wtfpl", "unlicense", "gpl-3.0", "gfdl"),
    *(
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
    ),
    *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0"),
    *("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
    *("odc-by", "odbl", "pddl", "c-uda"),
}
SIZES = [
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T"),
]  # fmt: skip
COLUMNS = {
    "id": "a hash of the source's name and the key: the same in every build",
    "messages": "the conversation, oldest turn first: role (system, user, assistant, tool) and content (Markdown)",
    "source": "the source's name in the recipe",
    "key": "the source's own name for the record",
    "group": "topic group, where the source has one",
    "stratum": "what selection balanced over: site, category, task",
    "score": "the answer's votes, where there are any",
    "rank": "place in the order of selection; the first n are a set of n",
    "license": "the licence of this example; null where its source states none",
    "url": "where it was published, for attribution",
}
LEDGER = {
    "id": "the input that was dropped",
    "stage": "where",
    "rule": "why",
    "value": "what it measured",
    "limit": "against which limit",
    "other": "because of which other example (the twin that stayed)",
    "detail": "evidence in words",
}
assert [*COLUMNS] == DATASET.names()
assert [*LEDGER] == VERDICT.names()


def write(run: Path, summary: dict[str, Any]) -> None:
    """README.md for a run whose report's numbers are `summary`."""
    recipe, manifest = config.load(run / "recipe.yaml", Recipe), runs.open_run(run)
    runs.write_text(run / "README.md", render(recipe, manifest, summary))


def render(recipe: Recipe, manifest: dict[str, Any], summary: dict[str, Any]) -> str:
    """The card: YAML between two lines of `---`, then Markdown."""
    said = account(recipe, manifest, summary)
    sections = [
        (f"# {recipe.name}", [_plain(said.about), _table(_facts(summary), ["fact", "figure"])]),
        ("## Uses", [_USES]),
        ("## Dataset structure", _structure()),
        ("## Dataset creation", []),
        ("### Curation rationale", [_plain(" ".join(said.rationale))]),
        ("### Source data", [_list(said.sources), _licences(summary)]),
        ("#### Data collection and processing", [_list(said.processing), _rules(summary)]),
        ("#### Who are the source data producers?", [_PRODUCERS]),
        ("### Annotations", []),
        ("#### Annotation process", _annotations(said)),
        ("#### Who are the annotators?", [_list(said.annotators) if said.annotators else _plain(_who(said))]),
        ("### Personal and sensitive information", [_plain(" ".join(said.personal))]),
        ("## Bias, risks and limitations", [_list([*said.limits, *said.biases])]),
        ("## How to make it again", _again(recipe, manifest)),
    ]
    body = "\n\n".join(part for title, parts in sections for part in (title, *parts) if part)
    return f"---\n{metadata(recipe, summary)}\n---\n\n{body}\n"


def metadata(recipe: Recipe, summary: dict[str, Any]) -> str:
    """The card's YAML."""
    from huggingface_hub import DatasetCardData

    licences = [row["license"] for row in summary["licenses"]]
    known = sorted({hub_license(name) for name in licences}) or ["unknown"]
    others = sorted({_slug(name) for name in licences if hub_license(name) == "other"})
    languages = sorted({row["language"].partition("-")[0] for row in _common(summary["languages"])})
    card = DatasetCardData(
        pretty_name=recipe.name,
        language=languages or None,
        license=known if len(known) > 1 else known[0],
        license_name="-and-".join(others) or None,
        annotations_creators=_creators(recipe, summary),
        language_creators=["found"],
        multilinguality=None if not languages else "monolingual" if len(languages) == 1 else "multilingual",
        size_categories=[next((name for most, name in SIZES if summary["kept"] < most), "n>1T")],
        source_datasets=sorted({_origin(settings) for settings in recipe.active.values()}),
        task_categories=["text-generation"],
        tags=["instruction-tuning", "lapidary"],
        configs=[
            {"config_name": "default", "data_files": [{"split": "train", "path": "dataset.parquet"}]},
            {"config_name": "ledger", "data_files": [{"split": "train", "path": "ledger.parquet"}]},
        ],
    )
    return card.to_yaml(line_break="\n")


def hub_license(name: str | None) -> str:
    """A licence as the Hub calls it: `CC BY-SA 4.0` and `CC-BY-SA-4.0` are `cc-by-sa-4.0` there; null is `unknown`."""
    if not name:
        return "unknown"
    slug = _slug(name)
    return slug if slug in LICENSES else "other"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "other"


def _common(languages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Languages of one example in a hundred or more: a lone example is as often a mistake of the detector."""
    total = sum(row["examples"] for row in languages)
    return [row for row in languages if row["examples"] * 100 >= total]


def _origin(settings: Any) -> str:  # noqa: ANN401 - the settings of any source
    if settings.kind != "instructions":
        return "original"
    return settings.hub or f"extended|other-{_slug(settings.path.name)}"


def _facts(summary: dict[str, Any]) -> list[list[Any]]:
    facts = [["examples", summary["kept"]], ["inputs", summary["inputs"]], ["dropped", summary["dropped"]]]
    return [*facts, *([f"from {row['source']}", row["kept"]] for row in summary["sources"])]


def _structure() -> list[str]:
    dataset = _table([[f"`{name}`", about] for name, about in COLUMNS.items()], ["column", "what it is"])
    ledger = _table([[f"`{name}`", about] for name, about in LEDGER.items()], ["column", "what it is"])
    return [
        "Configuration `default`, one split, `train`: a row an example.",
        dataset,
        "Configuration `ledger`: a row for each reason for which an input was dropped.",
        ledger,
    ]


def _licences(summary: dict[str, Any]) -> str:
    rows = [[row["license"] or "none stated", row["examples"]] for row in summary["licenses"]]
    return "Each example carries its own licence and, where there is one, the address to attribute it to.\n\n" + _table(
        rows, ["licence", "examples"]
    )


def _rules(summary: dict[str, Any]) -> str:
    rows = [[row["stage"], f"`{row['rule']}`", row["dropped"], row["sentence"]] for row in summary["rules"]]
    return _table(rows, ["stage", "rule", "dropped", "what it says"]) if rows else ""


def _annotations(said: Account) -> list[str]:
    tools = [f"Machine annotations: {'; '.join(said.tools)}."] if said.tools else []
    return [_list([*said.annotation, *said.analysis, *tools])]


def _who(said: Account) -> str:
    return "No people: the models named above." if said.tools else "Nobody annotated this set."


def _creators(recipe: Recipe, summary: dict[str, Any]) -> list[str]:
    """By the Hub's names. Whether reviewers are experts is not known, and `other` says so."""
    people = ["other"] if (summary["review"] or {}).get("by_hand") else []
    return [*people, *(["machine-generated"] if recipe.quality.use else [])] or ["no-annotation"]


def _again(recipe: Recipe, manifest: dict[str, Any]) -> list[str]:
    """Files with their sha256, seeds, versions and the recipe; of a path only its last parts."""
    names = _names([Path(file["file"]) for file in manifest["files"]])
    files = [
        [file["source"], name, file["bytes"], f"`{file['sha256']}`"]
        for file, name in zip(manifest["files"], names, strict=True)
    ]
    if replayed := manifest.get("review"):
        files.append(["decisions", replayed["file"], replayed["bytes"], f"`{replayed['sha256']}`"])
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    seeds = ", ".join(f"{name} {seed}" for name, seed in manifest["seeds"].items())
    limit = "" if manifest["limit"] is None else f" --limit {manifest['limit']}"
    return [
        "The same recipe on the same files gives the same bytes:",
        f"```console\n$ python -m curate build recipe.yaml{limit}\n```",
        f"Versions: {versions}. Seeds: {seeds}.",
        _table(files, ["source", "file", "bytes", "sha256"]) if files else "",
        f"<details><summary>recipe.yaml</summary>\n\n{_fenced(config.dump(portable(recipe)))}\n\n</details>",
    ]


def _names(paths: list[Path]) -> list[str]:
    """The last part of each path; where several end alike, as the dumps of many sites do, the last two."""
    last = [path.name for path in paths]
    return [path.name if last.count(path.name) == 1 else "/".join(path.parts[-2:]) for path in paths]


def portable(recipe: Recipe) -> Recipe:
    """The recipe with the last part of each path alone: where files lie on one machine says nothing to others."""
    return Recipe.model_validate(_bare(recipe.model_dump(exclude_unset=True)))


def _bare(value: Any) -> Any:  # noqa: ANN401 - walks settings of any type
    if isinstance(value, Path):
        return Path(value.name)
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in value.items()}
    return tuple(map(_bare, value)) if isinstance(value, tuple) else value


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _table(rows: list[list[Any]], head: list[str]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:  # noqa: ANN401 - a text or a number
    return f"{value:,}" if isinstance(value, int) else _plain(str(value)).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text that came with the data: on one line, and never markup."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}yaml\n{text}{fence}"


_USES = (
    "Meant for tuning a language model on instructions (supervised fine-tuning): the answers alone are to be learned. It is no"
    " test set, and no source of facts: answers were chosen for form and variety, and nobody checked what they claim."
)
_PRODUCERS = (
    "The authors of the sources named above. `key` and, where it is there, `url` lead to each text; nothing else about its"
    " author was kept."
)
