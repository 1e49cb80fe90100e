"""The numbers of a finished run (report.json): queries over the run folder, each in a module of its own."""

from pathlib import Path
from typing import Any

import polars as pl

from curate import config, runs
from curate.diversity import verbs
from curate.errors import RunError
from curate.recipe import Recipe
from curate.report import diversity, flow, leaks, lengths, mix, reviewed, rules, space, twins
from curate.report import samples as examples
from curate.report.fates import RULES

__all__ = ["RULES", "samples", "summarise"]

# Prompts of the set whose verbs are looked at: the first ranks, which are a fair set of their kind.
VERBS = 5_000


def summarise(run: Path, trusted: dict[str, Any] | None = None) -> dict[str, Any]:
    """All numbers of the report. Raises RunError where the run is not finished."""
    manifest = runs.open_run(run)
    recipe = config.load(run / "recipe.yaml", Recipe)
    ledger = pl.read_parquet(run / "ledger.parquet", columns=["id", "stage", "rule", "value", "limit", "other"])
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id", "source", "license"])
    dataset = pl.read_parquet(run / "dataset.parquet", columns=["id", "source", "license", "url", "rank"])
    sources = flow.sources(inputs, ledger, dataset)
    keys = ("name", "complete", "limit", "inputs", "kept", "dropped", "forms", "seconds", "peak_memory_mb", "versions")
    return {
        **{key: manifest[key] for key in keys},
        "about": recipe.about,
        "funnel": flow.funnel(manifest["inputs"], ledger),
        "paths": flow.paths(inputs, ledger),
        "rules": rules.rules(ledger, trusted, rules.margins(run, recipe, ledger)),
        "trusted": trusted,
        "sources": sources,
        "lengths": lengths.lengths(run, recipe, dataset),
        "quotas": mix.quotas(run, recipe),
        "beside_lima": mix.beside_lima(sources, recipe),
        "chosen": _beside_baselines(run),
        "diversity": diversity.measured(run),
        **_space(run, dataset),
        "verbs": _verbs(run, dataset),
        "duplicates": twins.clusters(ledger),
        "meaning_recall": _meaning_recall(run),
        "contamination": manifest["contamination"],
        "review": _review(run, recipe, manifest, dataset),
        "leaks": leaks.leaks(run, recipe),
        "edits": _edits(run),
        "licenses": _counts(dataset, "license"),
        "attribution": mix.licences(dataset),
        "seeds": manifest["seeds"],
        "engine": manifest["engine"],
        "workers": manifest["workers"],
        "files": manifest["files"],
    }


def samples(run: Path) -> dict[str, Any]:
    """What the page shows beside the numbers: examples (see `samples.samples`), `questions` (of the test items that they leak,
    by item) and `recipe`, the text of recipe.yaml.
    """
    recipe = config.load(run / "recipe.yaml", Recipe)
    ledger = pl.read_parquet(run / "ledger.parquet")
    pairs = (leaks.leaks(run, recipe) or {"pairs": []})["pairs"]
    shown = examples.samples(run, ledger, rules.margins(run, recipe, ledger), pairs)
    text = (run / "recipe.yaml").read_text(encoding="utf-8")
    return {**shown, "questions": leaks.questions(recipe, pairs), "recipe": text}


def _beside_baselines(run: Path) -> list[dict[str, Any]]:
    """The chosen set, and a random and a longest set of the same size from the same pool."""
    folders = runs.stage_folders(run)
    ranks = pl.read_parquet(folders[-1].scores)
    dropped = pl.read_parquet(folders[-1].verdicts, columns=["id"])
    size = ranks.height - dropped["id"].n_unique()
    filters = next(folder for folder in folders if folder.name == "filters")
    lengths_ = pl.scan_parquet(filters.parts).select("id", "response_chars").collect()
    facts = pl.scan_parquet(folders[1].parts).select("id", "source", "stratum", "score").collect()
    pool = ranks.join(lengths_, on="id").join(facts, on="id")
    rows = []
    for name, rank in (("chosen", "rank"), ("random", "random_rank"), ("longest", "longest_rank")):
        chosen = pool.filter(pl.col(rank) <= size)
        rows.append(
            {
                "set": name,
                "examples": chosen.height,
                "sources": chosen["source"].n_unique(),
                "strata": chosen.select("source", "stratum").n_unique() if chosen.height else 0,
                "median_response_chars": chosen["response_chars"].median(),
                "median_score": chosen["score"].median(),
            }
        )
    return rows


def _space(run: Path, dataset: pl.DataFrame) -> dict[str, Any]:
    """`map` (None without vectors) and `topics`."""
    found = space.vectors(run)
    pool = pl.read_parquet(runs.stage_folders(run)[-1].scores, columns=["id", "random_rank"])
    return {
        "map": None if found is None else space.map_of(*found, dataset),
        "topics": space.topics(run, pool, dataset, found),
    }


def _verbs(run: Path, dataset: pl.DataFrame) -> dict[str, Any]:
    """What the set's prompts ask for: `prompts` looked at, `with_pair` of them, and the commonest `pairs` of verb and object."""
    first = dataset.filter(pl.col("rank") <= VERBS).select("id")
    parts = runs.stage_folders(run)[1].parts
    prompts = [pl.read_parquet(path, columns=["id", "prompt"]).join(first, on="id", how="semi") for path in parts]
    found = verbs.pairs(pl.concat(prompts)["prompt"])
    return {
        "prompts": found.height,
        "with_pair": found.drop_nulls().height,
        "pairs": verbs.sunburst(found).to_dicts(),
    }


def _review(run: Path, recipe: Recipe, manifest: dict[str, Any], dataset: pl.DataFrame) -> dict[str, Any] | None:
    """`replayed` (see `publish.reviewed`), `by_hand` (see `reviewed.by_hand`), `unreadable` (why the log could not be read;
    the dataset does not need it, so that is no reason to fail); None where there is none of them.
    """
    by_hand, unreadable = None, None
    try:
        by_hand = reviewed.by_hand(run, recipe, dataset)
    except RunError as error:
        unreadable = str(error)
    found = {"replayed": manifest.get("review"), "by_hand": by_hand, "unreadable": unreadable}
    return found if any(found.values()) else None


def _meaning_recall(run: Path) -> float | None:
    """The share of a sample's pairs that the search for duplicates by meaning found; None where it was off."""
    meaning = next(folder for folder in runs.stage_folders(run) if folder.name == "meaning")
    stated = pl.read_parquet(meaning.scores, columns=["meaning_recall"])["meaning_recall"]
    return stated[0] if stated.len() else None


def _edits(run: Path) -> list[dict[str, Any]]:
    clean = runs.stage_folders(run)[1]
    edits = pl.scan_parquet(clean.parts).select(edit=pl.col("edits").explode()).drop_nulls().collect()
    return _counts(edits, "edit")


def _counts(frame: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    counts = frame.group_by(column).agg(examples=pl.len())
    return counts.sort(["examples", column], descending=[True, False], nulls_last=True).to_dicts()
