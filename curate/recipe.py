"""A recipe: which sources, and the settings of every stage."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from curate import config, embed, gates, stages
from curate.config import Strict
from curate.errors import ConfigError, did_you_mean
from curate.sources import Settings as SourceSettings
from curate.sources import instructions

SHIPPED = Path(__file__).parent / "recipes"

# Which stages take which of the settings that a recipe states for all of them.
SHARED = {
    "exact": ("prefer",),
    "near": ("prefer",),
    "meaning": ("prefer", "encoder"),
    "decontaminate": ("encoder",),
    "select": ("encoder",),
}


def _filled(given: Any, shared: dict[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - raw YAML
    """The settings of a stage with those of `shared` that it takes and does not give itself; what is no mapping stays."""
    own = {} if given is None else given
    return {**{name: shared[name] for name in names if name in shared}, **own} if isinstance(own, dict) else given


class Recipe(Strict):
    """All that a build depends on, apart from the bytes of its inputs."""

    name: str = Field(description="names the run folder, runs/<name>", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = Field("", description="one paragraph on what this set is for")
    shard_rows: int = Field(
        20_000, ge=1, description="examples in one shard: memory grows with it, not with the corpus"
    )
    sources: dict[str, SourceSettings | None] = Field(description="a name for each source; null leaves one out")
    trusted: instructions.Settings | None = Field(
        None, description="a set known to be good (LIMA): the report says what share of it each rule would drop"
    )
    trusted_profile: str | None = Field(
        None, description="whose limits the trusted set is held against; null: the default"
    )
    expect: dict[str, gates.Bound] = Field(
        {}, description="gates: figures of the report and what they must be, or the build exits with 1 (reports.md)"
    )
    clean: stages.clean.Settings = Field(
        stages.clean.Settings(),
        description="Cleaning: HTML becomes Markdown, and what the list of edits names is repaired; nothing is dropped.",
    )
    review: stages.review.Settings = Field(
        stages.review.Settings(),
        description="What reviewers rejected; what they kept stays whatever later rules of text and quality say.",
    )
    filters: stages.filters.Settings = Field(
        stages.filters.Settings(), description="Filtering by rules, each with a limit."
    )
    encoder: embed.Settings = Field(
        embed.Settings(), description="the model that embeds, for every stage that does not name another"
    )
    exact: stages.exact.Settings = Field(
        stages.exact.Settings(), description="Exact duplicates, once case, width and white space are folded."
    )
    quality: stages.quality.Settings = Field(
        stages.quality.Settings(), description="Scores of quality and difficulty, and limits on them."
    )
    near: stages.near.Settings = Field(
        stages.near.Settings(),
        description="Near duplicates by wording (MinHash; every candidate checked by exact Jaccard similarity).",
    )
    meaning: stages.meaning.Settings = Field(
        stages.meaning.Settings(), description="Duplicates by meaning (cosine of embeddings)."
    )
    decontaminate: stages.decontaminate.Settings = Field(
        stages.decontaminate.Settings(), description="Leaks from test sets, by words and by meaning."
    )
    select: stages.select.Settings = Field(
        stages.select.Settings(), description="Choosing: quotas, strata and an order; what finds no place leaves."
    )

    @model_validator(mode="before")
    @classmethod
    def _said_once(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML
        """What several stages share is said once: the order of the sources, which is that of preference, and the encoder."""
        sources = data.get("sources")
        shared = {}
        if isinstance(sources, dict):
            shared["prefer"] = [name for name in sources if sources[name] is not None]
        if data.get("encoder") is not None:
            shared["encoder"] = data["encoder"]
        filled = {stage: _filled(data.get(stage), shared, names) for stage, names in SHARED.items()}
        return {**data, **{stage: settings for stage, settings in filled.items() if settings is not None}}

    @field_validator("expect", mode="before")
    @classmethod
    def _gates(cls, given: Any) -> Any:  # noqa: ANN401 - raw YAML
        """Gates by their dotted names, each a condition."""
        found = gates.flat(given)
        for name, bound in found.items() if isinstance(found, dict) else ():
            gates.parse(name, bound)
        return found

    @model_validator(mode="after")
    def _names_exist(self) -> "Recipe":
        """Quotas, profiles and preferences speak of sources that the recipe has."""
        named = [("select.quotas", key.partition("/")[0]) for key in self.select.quotas]
        named += [("filters.profiles", key) for key in self.filters.profiles]
        for stage in ("exact", "near", "meaning"):
            named += [(f"{stage}.prefer", key) for key in getattr(self, stage).prefer]
        for where, name in named:
            if name not in self.sources:
                raise ValueError(
                    f"{where} names '{name}', which is not a source here. {did_you_mean(name, self.sources)}"
                )
        for name in self.expect:
            gates.refuse_unknown(name, self.sources)
        return self

    def of(self, stage: str) -> Any:  # noqa: ANN401 - each stage has its own
        """The settings that a stage of a build works with: its own section; `clean` is told whose edits it makes."""
        if stage == "clean" and self.review.decisions is not None:
            return stages.clean.Replaying(**self.clean.model_dump(), decisions=self.review.decisions)
        return getattr(self, stage)

    @property
    def active(self) -> dict[str, SourceSettings]:
        """The sources that are not null."""
        return {name: settings for name, settings in self.sources.items() if settings is not None}


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    # benchmarks.yaml beside them is the registry of test sets.
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml")) if path.stem != "benchmarks"}


def load(recipe: str = "sample", overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe in a file, or a shipped one by its name. Raises ConfigError."""
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        known = shipped()
        if recipe not in known:
            raise ConfigError(
                f"'{recipe}' is neither a recipe file nor a shipped recipe. {did_you_mean(recipe, known)}"
            )
        path = known[recipe]
    settings = config.load(path, Recipe, overrides)
    if not settings.active:
        raise ConfigError(f"{path}: every source is null: give at least one, such as -s sources.NAME.path=FILE")
    return settings
