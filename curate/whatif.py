"""What would change if a setting were another: decided again from what a run has measured, in memory, writing nothing to it.

The first stage whose settings differ decides again, and every stage after it. A stage that now sees rows which it never saw (a
limit was lowered, so more came through) measures just those, as a build would; where that takes a model of `quality`, or
embeddings of more than MOST_EMBEDDED rows, the answer is a build. Settings that change what is measured of every row, or what
is read, are refused.
"""

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curate import config, runs
from curate.diff import settings_changed
from curate.errors import ConfigError
from curate.recipe import Recipe
from curate.record import VERDICT
from curate.runs import StageFolder
from curate.stages import STAGES, decontaminate, filters, meaning, near, overruled, select

# Rows of one stage that are embedded here; more of them are a matter of minutes, not of seconds.
MOST_EMBEDDED = 2_000
# Parts of a recipe that decide about nothing.
SAYINGS = ("name", "about", "expect", "trusted", "trusted_profile")


class Layer(NamedTuple):
    """A stage as it would be: measured rows beyond those in its folder, its scores (None: those of its folder), verdicts."""

    folder: StageFolder
    new: pl.DataFrame | None
    scores: pl.DataFrame | None
    verdicts: pl.DataFrame


def whatif(run: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What a build with these overrides (`key=value`) would decide otherwise than the run did.

    `settings`: rows `key`, `a` (of the run), `b`; `notes`: what of them does not reach every source; `decided`: the stages that decided again; `measured`: of how many rows a stage
    had to measure something, by stage; `kept`: `before`, `after`; `rules`: rows `stage`, `rule`, `before`, `after` of every rule
    whose number of verdicts differs; `added` and `removed`: rows `id`, `key`, `source`, `why` (for `added` the verdicts that
    fell away, for `removed` the new ones). Raises ConfigError for a setting that cannot be tried without a build, and RunError
    where the run is not finished.
    """
    runs.open_run(run)
    before = config.load(run / "recipe.yaml", Recipe)
    after = config.load(run / "recipe.yaml", Recipe, overrides)
    first = _first_changed(before, after, run)
    folders = runs.stage_folders(run)
    layers = [Layer(folder, None, None, pl.read_parquet(folder.verdicts)) for folder in folders[:first]]
    for folder in folders[first:]:
        layers.append(_decided(folder, layers, after.of(folder.name)))
    old = pl.concat([pl.read_parquet(folder.verdicts) for folder in folders])
    new = pl.concat([layer.verdicts for layer in layers])
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id", "key", "source"])
    kept_before, kept_after = (inputs.join(verdicts, on="id", how="anti") for verdicts in (old, new))
    changed = settings_changed(before, after)
    return {
        "run": str(run),
        "settings": changed,
        "notes": _kept_by_profiles([row["key"] for row in changed], after),
        "decided": [folder.name for folder in folders[first:]],
        "measured": {layer.folder.name: layer.new.height for layer in layers if layer.new is not None},
        "kept": {"before": kept_before.height, "after": kept_after.height},
        "rules": _rules(old, new),
        "added": _rows(kept_after.join(kept_before, on="id", how="anti"), old),
        "removed": _rows(kept_before.join(kept_after, on="id", how="anti"), new),
    }


def _kept_by_profiles(keys: list[str], after: Recipe) -> list[str]:
    """A sentence for each changed limit of all sources that some sources do not follow, since their profiles set their own."""
    own = {source: profile.given() for source, profile in after.filters.profiles.items()}
    notes = []
    for key in keys:
        stage, _, rule = key.partition(".")
        apart = [source for source, given in own.items() if rule in given]
        if stage == "filters" and apart:
            notes.append(
                f"{key} does not reach {', '.join(apart)}, which set their own: try -s filters.profiles.{apart[0]}.{rule}=…"
            )
    return notes


def _first_changed(before: Recipe, after: Recipe, run: Path) -> int:
    """The number of the first stage whose settings differ. Raises ConfigError where that cannot be tried."""
    names = [name for name in Recipe.model_fields if getattr(before, name) != getattr(after, name)]
    build = f"python -m curate build {run / 'recipe.yaml'} -s … --out <another folder>"
    for name in names:
        if name not in (*STAGES, *SAYINGS):
            raise ConfigError(f"{name} changes what is read or measured, so it takes a build: {build}")
        old, new = getattr(before, name), getattr(after, name)
        if name == "review" and STAGES["clean"].measured_by(before.of("clean")) != STAGES["clean"].measured_by(
            after.of("clean")
        ):
            raise ConfigError(f"review.decisions changes texts, so it takes a build: {build}")
        if name in STAGES and _asks_for_more(name, old, new):
            keys = ", ".join(row["key"] for row in settings_changed(before, after) if row["key"].startswith(f"{name}."))
            raise ConfigError(f"{keys} changes what stage {name} measures of every row, so it takes a build: {build}")
    changed = [number for number, name in enumerate(STAGES, start=1) if name in names]
    if not changed:
        told = f"{', '.join(names)} decides about no example" if names else "these are the settings of the run already"
        raise ConfigError(f"nothing to try: {told}")
    return changed[0]


def _asks_for_more(name: str, old: Any, new: Any) -> bool:  # noqa: ANN401 - each stage has its own
    """Whether a stage's new settings need something of every row that was not measured. What is switched off needs nothing."""
    before: Any
    after: Any
    before, after = (STAGES[name].measured_by(settings) for settings in (old, new))
    if before == after:
        return False
    if isinstance(new, filters.Settings):
        (columns_before, tokenizer_before), (columns, tokenizer) = before, after
        return tokenizer != tokenizer_before or not set(columns) <= set(columns_before)
    if isinstance(new, select.Settings):
        return new.seed != old.seed or new.diversity or new.order not in select.ORDERS
    if isinstance(new, near.Settings):
        return new.threshold is not None or bool(old.against) or (new.novelty is not None and old.novelty is None)
    return not isinstance(new, meaning.Settings) or new.threshold is not None


def _decided(folder: StageFolder, layers: list[Layer], settings: Any) -> Layer:  # noqa: ANN401 - each stage has its own
    """The stage with new settings, after `layers`."""
    stage = STAGES[folder.name]
    gone = pl.concat([layer.verdicts.select("id") for layer in layers])
    text = (layers[1] if len(layers) > 1 else layers[0]).folder
    reached = pl.scan_parquet(text.parts).select("id").collect().join(gone, on="id", how="anti")
    stored = pl.scan_parquet(folder.parts).select("id").collect()
    unseen = reached.join(stored, on="id", how="anti")
    new = None
    if unseen.height:
        _refuse_models(folder.name, settings, unseen.height)
        rows = pl.concat([pl.read_parquet(part).join(unseen, on="id", how="semi") for part in text.parts])
        new = stage.measure(rows, settings)
    rows = _corpus(layers, folder, new, reached, stage.NEEDS)
    decision = stage.decide(rows, settings)
    standing, _ = overruled(decision.verdicts, _kept_by_reviewers(layers))
    return Layer(folder, new, decision.scores, standing.select(VERDICT.names()))


def _kept_by_reviewers(layers: list[Layer]) -> pl.DataFrame:
    """The `id` of every row that a reviewer kept, as far as these stages know."""
    review = [_scores(layer) for layer in layers if layer.folder.name == "review"]
    found = [scores.filter(pl.col("decision") == "keep").select("id").collect() for scores in review]
    return found[0] if found else pl.DataFrame(schema={"id": pl.String})


def _refuse_models(name: str, settings: Any, rows: int) -> None:  # noqa: ANN401 - each stage has its own
    many = rows > 1
    told = f"{rows:,} more example{'s' if many else ''} would reach stage {name}"
    build = "so it takes a build: python -m curate build … --out <another folder>"
    if name == "quality" and any(getattr(settings, part) for part in ("ifd", "reward", "grade", "reviewer")):
        raise ConfigError(f"{told}, whose model has not seen {'them' if many else 'it'}, {build}")
    embeds = (
        (isinstance(settings, meaning.Settings) and settings.threshold is not None)
        or (isinstance(settings, decontaminate.Settings) and bool(settings.tests) and settings.encoder is not None)
        or (isinstance(settings, select.Settings) and (settings.diversity or settings.order not in select.ORDERS))
    )
    if embeds and rows > MOST_EMBEDDED:
        raise ConfigError(f"{told}, which would have to be embedded, {build}")


def _corpus(
    layers: list[Layer], folder: StageFolder, new: pl.DataFrame | None, reached: pl.DataFrame, needs: tuple[str, ...]
) -> pl.DataFrame:
    """As `corpus.read`: `id` and `needs` of the rows that reached the stage, sorted by id; a column comes from the latest
    stage that has it, scores before measurements.
    """
    found = reached.sort("id")
    own = Layer(folder, new, pl.DataFrame({"id": []}, schema={"id": pl.String}), pl.DataFrame(schema=VERDICT))
    for layer in (own, *reversed(layers)):
        for frame in (_scores(layer), _measured(layer)):
            missing = [name for name in needs if name not in found.columns and name in frame.collect_schema()]
            if missing:
                found = found.join(frame.select("id", *missing).collect(), on="id", how="left", maintain_order="left")
    return found.select("id", *needs)


def _scores(layer: Layer) -> pl.LazyFrame:
    if layer.scores is not None:
        return layer.scores.lazy()
    return pl.scan_parquet(layer.folder.scores) if layer.folder.scores.exists() else pl.LazyFrame({"id": []})


def _measured(layer: Layer) -> pl.LazyFrame:
    stored = pl.scan_parquet(layer.folder.parts)
    return stored if layer.new is None else pl.concat([stored, layer.new.lazy()], how="vertical_relaxed")


def _rules(old: pl.DataFrame, new: pl.DataFrame) -> list[dict[str, Any]]:
    counts = [
        frame.group_by("stage", "rule").agg(pl.len().alias(name)) for name, frame in (("before", old), ("after", new))
    ]
    both = counts[0].join(counts[1], on=["stage", "rule"], how="full", coalesce=True).fill_null(0)
    differing = both.filter(pl.col("before") != pl.col("after"))
    order = {stage: number for number, stage in enumerate(("source", *STAGES))}
    return sorted(differing.to_dicts(), key=lambda row: (order[row["stage"]], row["rule"]))


def _rows(rows: pl.DataFrame, verdicts: pl.DataFrame) -> list[dict[str, Any]]:
    why: dict[str, list[dict[str, Any]]] = {}
    for verdict in verdicts.join(rows, on="id", how="semi").to_dicts():
        why.setdefault(verdict.pop("id"), []).append(verdict)
    return [{**row, "why": why[row["id"]]} for row in rows.sort("id").to_dicts()]
