"""The table of judges: which there are, how one is loaded, and what the others need to know of it."""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from curate import config
from curate.errors import ConfigError, InputError, did_you_mean

from .. import templates
from ..spending import Purse, most_tokens
from ..templates import Template
from . import Item, Judged, api, asking, controls, local, reward, similarity

SHIPPED = Path(__file__).parent
Settings = api.Settings | local.Settings | reward.Settings | similarity.Settings | controls.Settings
KINDS: dict[str, type[Settings]] = {
    "api": api.Settings,
    "local": local.Settings,
    "reward": reward.Settings,
    "similarity": similarity.Settings,
    **dict.fromkeys(controls.NAMES, controls.Settings),
}
# The wording that a judge is given where none is named. The others are given no words.
TEMPLATES = {"api": "pairwise", "local": "choice"}


class Judge(NamedTuple):
    """A judge as loaded. `fingerprint`: 16 hex digits of all that its verdicts depend on beside the answers."""

    name: str
    settings: Settings
    template: Template | None
    is_pair: bool
    fingerprint: str

    @property
    def asks(self) -> bool:
        """It puts questions to an endpoint, which may cost something."""
        return isinstance(self.settings, api.Settings)

    @property
    def model(self) -> str:
        """The model as an endpoint or price file calls it; of other judges their name."""
        return self.settings.model if isinstance(self.settings, api.Settings) else self.name

    @property
    def sees_texts(self) -> bool:
        """It is no control."""
        return not isinstance(self.settings, controls.Settings)

    @property
    def has_order(self) -> bool:
        """Its verdict may depend on which answer it is shown first."""
        return self.settings.kind in ("api", "local", "first")

    @property
    def concurrency(self) -> int:
        """Judgements that are made at a time."""
        return self.settings.concurrency if isinstance(self.settings, api.Settings) else 1

    def template_name(self, turn: int) -> str | None:
        """The wording that an answer of this turn is judged with."""
        return None if self.template is None else asking.of_turn(self.template, turn).name


class Size(NamedTuple):
    """Of a question: bytes, and the tokens that it can have at most."""

    bytes: int
    most: int


def shipped() -> list[str]:
    """Names of the judges that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(name: str, overrides: Iterable[str] = (), template: str | None = None, *, single: bool = False) -> Judge:
    """A judge by its shipped name, or by the path of a YAML file of its settings, which then gives it its name.

    `single`: answers are scored one by one (judges with a template: its kind decides). Raises ConfigError.
    """
    is_shipped = name in shipped()
    path = SHIPPED / f"{name}.yaml" if is_shipped else Path(name)
    if not path.is_file():
        if name == "human":
            raise ConfigError(
                "--judge human: people judge in the app (streamlit run app.py), and its records are judgements"
            )
        raise ConfigError(f"--judge {name}: no such judge and no such file. {did_you_mean(name, shipped())}")
    settings = config.load(path, _kind(path), list(overrides))
    wording = template or TEMPLATES.get(settings.kind)
    if template and settings.kind not in TEMPLATES:
        raise ConfigError(f"--template {template}: a judge of kind {settings.kind} is given no words")
    found = templates.load(wording) if wording else None
    is_pair = found.head.kind == "pair" if found else not single
    if found and single and is_pair:
        raise ConfigError(
            f"--single: template {wording} compares two answers. Take one of kind single: --template NAME"
        )
    if settings.kind == "local" and found and (not is_pair or found.head.reads != "token"):
        raise ConfigError(
            f"--template {wording}: a local judge reads a verdict's first token. Take choice, or one like it"
        )
    if isinstance(settings, controls.Settings) and single:
        raise ConfigError(f"--single: the control {settings.kind} compares two answers")
    names = [] if found is None else [found.name, *([found.later.name] if found.later else [])]
    parts = [settings.kind, *_identity(settings), *names, str(is_pair)]
    fingerprint = blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
    return Judge(_title(settings) if is_shipped else path.stem, settings, found, is_pair, fingerprint)


def check(items: Iterable[Item], judge: Judge, samples: int) -> None:
    """Raise what would make the judgements wrong: ConfigError or InputError."""
    if samples > 1 and not isinstance(judge.settings, api.Settings) and judge.settings.kind != "random":
        raise ConfigError(f"--samples {samples}: {judge.name} says the same each time")
    later = max((item.turn for item in items), default=1) > 1
    if later and judge.is_pair and judge.template and judge.template.later is None:
        raise ConfigError(
            f"template {judge.template.name}: is for one turn, but answers of later turns are to be judged: take mt_bench_pair,"
            " or one with later_turns"
        )
    if isinstance(judge.settings, similarity.Settings):
        lacking = [item.key[0] for item in items if item.reference is None]
        if lacking:
            raise InputError(
                f"{len(set(lacking)):,} prompts have no reference answer (the first: {lacking[0]}), which the judge similarity"
                " needs: give a file of prompts with `reference`: --prompts FILE"
            )


def verdicts(items: list[Item], judge: Judge, purse: Purse) -> Judged:
    """What the judge says of each item, as it becomes known."""
    settings = judge.settings
    if isinstance(settings, api.Settings):
        assert judge.template
        return api.verdicts(items, settings, judge.template, purse)
    if isinstance(settings, local.Settings):
        assert judge.template
        return local.verdicts(items, settings, judge.template)
    if isinstance(settings, reward.Settings):
        return reward.verdicts(items, settings)
    if isinstance(settings, similarity.Settings):
        return similarity.verdicts(items, settings)
    return controls.verdicts(items, settings)


def request(item: Item, judge: Judge) -> tuple[Size, int]:
    """The size of an item's first question and the tokens of the longest reply to it."""
    assert judge.template
    assert isinstance(judge.settings, api.Settings)
    turns = asking.question(item, judge.template)
    size = sum(len(turn["content"].encode("utf-8", "surrogatepass")) for turn in turns)
    longest = api.reply_tokens(judge.settings, asking.of_turn(judge.template, item.turn))
    return Size(size, most_tokens(turns)), longest


def least_seconds(judge: Judge, calls: int, tokens: float) -> float:
    """The time that the endpoint's limits alone make so many calls and tokens take."""
    settings = judge.settings
    assert isinstance(settings, api.Settings)
    by_calls = calls * 60 / settings.requests_per_minute if settings.requests_per_minute else 0.0
    return max(by_calls, tokens * 60 / settings.tokens_per_minute if settings.tokens_per_minute else 0.0)


def _kind(path: Path) -> type[Settings]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # What is wrong with the file is said where it is loaded.
        data = {}
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise ConfigError(
            f"{path}: kind is {kind!r}; a judge's settings begin with its kind. {did_you_mean(str(kind), KINDS)}"
        )
    return KINDS[kind]


def _title(settings: Settings) -> str:
    if isinstance(settings, api.Settings):
        return settings.model
    return settings.model.resolve().name if isinstance(settings, local.Settings | reward.Settings) else settings.kind


def _identity(settings: Settings) -> list[str]:
    modules: dict[str, Any] = {"api": api, "local": local, "reward": reward, "similarity": similarity}
    found: list[str] = modules.get(settings.kind, controls).identity(settings)
    return found
