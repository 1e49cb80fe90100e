"""Which models a command means: folders and Hub names, adapters on their bases, the epochs of a run of train."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from curate.errors import ConfigError, InputError, RunError


class Subject(NamedTuple):
    """A model to be measured: a folder or Hub name, with a peft adapter or without."""

    name: str
    model: str
    adapter: Path | None = None


def subjects(
    bases: Sequence[str], adapters: Sequence[str], runs: Sequence[Path], *, with_base: bool = False
) -> list[Subject]:
    """The models that `--model`, `--adapter` and `--run` name, each once and each with a name of its own.

    Without adapters, each base is a model. An adapter stands on the one base given, else on the one that it was trained on;
    `with_base`: that base is a model too. Of a run, every finished epoch. `NAME=…` names a model; else it has its folder's
    name, with as much of the path before it as tells it from the others. Raises ConfigError where nothing or two bases are
    given, InputError where an adapter is none, RunError where a run has no epochs.
    """
    if not (bases or adapters or runs):
        raise ConfigError("no model: give --model, --adapter or --run")
    if (adapters or runs) and len(bases) > 1:
        raise ConfigError(
            "--adapter and --run stand on one --model, or on the one they were trained on; several are given"
        )
    base = bases[0] if bases else None
    lead = [] if base is not None and (adapters or runs) else [_plain(*_named(one)) for one in bases]
    tuned = [_adapted(*_named(one), base) for one in adapters]
    tuned += [_epoch(path, base) for run in runs for path in _epochs(run)]
    if with_base and tuned:
        lead = [_plain(None, name) for name in dict.fromkeys(one.model for _, one in tuned if one.adapter is not None)]
    return _unique([*lead, *tuned])


def _named(given: str) -> tuple[str | None, str]:
    name, mark, path = given.partition("=")
    return (name, path) if mark and name and "/" not in name else (None, given)


def _plain(name: str | None, model: str) -> tuple[bool, Subject]:
    return name is not None, Subject(name or model, model)


def _adapted(name: str | None, path: str, base: str | None) -> tuple[bool, Subject]:
    config = Path(path) / "adapter_config.json"
    if not config.is_file():
        raise InputError(f"--adapter {path}: no adapter_config.json there; a merged or full model is a --model")
    trained_on = json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path")
    model = _named(base)[1] if base is not None else trained_on
    if not model:
        raise ConfigError(f"--adapter {path}: it does not say which model it was trained on; give it as --model")
    return name is not None, Subject(name or path, model, Path(path))


def _epochs(run: Path) -> list[Path]:
    found = sorted(path.parent for path in run.glob("epoch-*/metrics.json"))
    if not found:
        raise RunError(f"--run {run}: no epoch-NN/metrics.json: expected the folder of a run of python -m train")
    return found


def _epoch(path: Path, base: str | None) -> tuple[bool, Subject]:
    if (path / "adapter_config.json").is_file():
        return _adapted(None, str(path), base)
    return _plain(None, str(path))


def _unique(given: Sequence[tuple[bool, Subject]]) -> list[Subject]:
    """Models that have no name of their own get the shortest end of their path that no other has."""
    paths = [(one.name,) if own else Path(one.name).resolve().parts for own, one in given]
    ends = [1] * len(paths)
    for length in range(1, max(map(len, paths)) + 1):
        ends = [length if _shared(i, paths, ends) and length <= len(paths[i]) else ends[i] for i in range(len(paths))]
    names = ["/".join(path[-end:]).lstrip("/") for path, end in zip(paths, ends, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two models are called {twice}: give each once, or a name: NAME=FOLDER")
    return [one._replace(name=name) for name, (_, one) in zip(names, given, strict=True)]


def _shared(place: int, paths: Sequence[tuple[str, ...]], ends: Sequence[int]) -> bool:
    own = paths[place][-ends[place] :]
    return any(path[-len(own) :] == own for other, path in enumerate(paths) if other != place)
