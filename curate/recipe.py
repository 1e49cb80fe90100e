"""A recipe: which sources, and the settings of every stage."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from curate import config, embed, gates
from curate.config import Strict
from curate.errors import ConfigError, did_you_mean
from curate.sources import instructions, reddit, stackexchange, wikihow
from curate.stages.clean import Replaying
from curate.stages.clean import Settings as Clean
from curate.stages.decontaminate import Settings as Decontaminate
from curate.stages.exact import Settings as Exact
from curate.stages.filters import Settings as Filters
from curate.stages.meaning import Settings as Meaning
from curate.stages.near import Settings as Near
from curate.stages.quality import Settings as Quality
from curate.stages.review import Settings as Review
from curate.stages.select import Settings as Select

SHIPPED = Path(__file__).parent / "recipes"

SourceSettings = Annotated[
    stackexchange.Settings | wikihow.Settings | reddit.Settings | instructions.Settings, Field(discriminator="kind")
]


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
    clean: Clean = Field(Clean(), description="cleaning: what is repaired in the text")
    review: Review = Field(Review(), description="decisions of reviewers, replayed")
    filters: Filters = Field(Filters(), description="the rules and their limits")
    encoder: embed.Settings = Field(
        embed.Settings(), description="the model that embeds, for every stage that does not name another"
    )
    exact: Exact = Field(Exact(), description="exact duplicates")
    quality: Quality = Field(Quality(), description="scores of quality and difficulty")
    near: Near = Field(Near(), description="near duplicates, by wording")
    meaning: Meaning = Field(Meaning(), description="near duplicates, by meaning")
    decontaminate: Decontaminate = Field(Decontaminate(), description="leaks from test sets")
    select: Select = Field(Select(), description="how many, from where")

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
            return Replaying(**self.clean.model_dump(), decisions=self.review.decisions)
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
