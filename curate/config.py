"""Settings: frozen, strict, and read from YAML with the place of every mistake.

A recipe is one YAML mapping validated by a pydantic model. Values can be overridden by `key.path=value`. Every mistake is
reported at once, each on a line of its own: file:line:column, the key, what was expected, the nearest known key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import ConfigError, did_you_mean

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """Base of all settings: unknown keys are refused, values cannot be changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load(path: Path, model: type[M], overrides: Sequence[str] = ()) -> M:
    """The settings in a YAML file, with overrides (`key.path=value`, the value read as YAML) laid over them.

    Relative paths count from the recipe's folder; those in overrides from the current folder. Raises ConfigError
    naming every mistake with file:line:column (or the override it stands in).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not valid YAML: {error.problem}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1:1: a recipe is a mapping of settings, but this is {type(data).__name__}")
    repeated = [f"{_place(path, key)}: {key.value} is given twice" for key in _repeated_keys(root)]
    if repeated:
        raise ConfigError("\n".join(repeated))
    places = [_override(data, text) for text in overrides]
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(path, root, model, found, places) for found in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    absolute: M = _absolute(settings, (), path.absolute().parent, places)
    return absolute


def dump(settings: BaseModel) -> str:
    """All settings as YAML, defaults included; `load` reads it back to equal settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def paths(value: Any) -> Iterator[Path]:  # noqa: ANN401 - walks settings of any type
    """Every path that the settings name, in their order."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        yield from (path for name in type(value).model_fields for path in paths(getattr(value, name)))
    elif isinstance(value, dict):
        yield from (path for item in value.values() for path in paths(item))
    elif isinstance(value, tuple):
        yield from (path for item in value for path in paths(item))


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _override(data: dict[str, Any], text: str) -> Loc:
    """Put one `key.path=value` into `data`; its place."""
    dotted, equals, value = text.partition("=")
    loc = tuple(dotted.strip().split("."))
    if not equals or not all(loc):
        raise ConfigError(f"-s {text}: expected key.path=value, such as -s filters.min_chars=800")
    target: Any = data
    for depth, key in enumerate(loc[:-1], start=1):
        if target.get(key) is None:
            target[key] = {}
        target = target[key]
        if not isinstance(target, dict):
            raise ConfigError(f"-s {text}: {'.'.join(loc[:depth])} is a single value and has no {loc[depth]}")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"-s {text}: the value is not valid YAML (quote it?)") from error
    target[loc[-1]] = parsed
    return loc


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _find(root: yaml.Node | None, loc: Loc) -> tuple[yaml.Node | None, Loc]:
    """The node at `loc`, or the nearest one above it, and the part of `loc` that is really in the file.

    Parts of `loc` that the file does not have are skipped: pydantic puts the tag of a union there.
    """
    node, found = root, []
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair:
                node = pair[1] if part != loc[-1] else pair[0]
                found.append(part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            found.append(part)
    return node, tuple(found)


def _explain(path: Path, root: yaml.Node | None, model: type[BaseModel], found: Any, places: Sequence[Loc]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    loc: Loc = tuple(found["loc"])
    node, in_file = _find(root, loc)
    overridden = next((place for place in places if _within(loc, place)), None)
    key = ".".join(map(str, overridden or in_file or loc)) or "the recipe"
    if found["type"] == "missing":
        key = ".".join(map(str, (*in_file, loc[-1])))
    where = f"-s {key}" if overridden else f"{_place(path, node) if node else path}: {key}"
    if found["type"] == "extra_forbidden":
        return f"{where} is not a setting. {did_you_mean(str(loc[-1]), _known(model, loc[:-1]))}"
    if found["type"] == "missing":
        return f"{where} is required: write it there, or give it with -s {key}=…"
    if found["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tags = found["ctx"].get("expected_tags", "").replace("'", "")
        given = found["ctx"].get("tag")
        hint = did_you_mean(str(given), tags.split(", ")) if given else ""
        return f"{where}.kind says which reader to use, but is {given or 'missing'}. {hint}".rstrip()
    got = found["input"]
    shown = "" if isinstance(got, dict | list) or found["type"] == "value_error" else f", got {got!r}"
    return f"{where}: {found['msg'].removeprefix('Value error, ')}{shown}"


def _within(loc: Loc, place: Loc) -> bool:
    """Whether an override at `place` set what `loc` complains of; `loc` may hold tags that `place` lacks."""
    longer, shorter = (loc, place) if len(loc) >= len(place) else (place, loc)
    rest = iter(map(str, longer))
    return bool(loc) and all(any(part == other for other in rest) for part in map(str, shorter))


def _known(model: Any, loc: Loc) -> list[str]:  # noqa: ANN401 - an annotation can be anything
    """The settings that exist at `loc`."""
    if get_origin(model) is Annotated:
        return _known(get_args(model)[0], loc)
    if get_origin(model) in (Union, UnionType):
        members = [member for member in get_args(model) if member is not type(None)]
        tagged = [member for member in members if loc and loc[0] in _tags(member)]
        if tagged:
            return _known(tagged[0], loc[1:])
        return sorted({name for member in members for name in _known(member, loc)})
    if get_origin(model) is dict:
        return _known(get_args(model)[1], loc[1:])
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    if not loc:
        return list(model.model_fields)
    field = model.model_fields.get(str(loc[0]))
    return _known(field.annotation, loc[1:]) if field else []


def _tags(member: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation can be anything
    if get_origin(member) is Annotated:
        return _tags(get_args(member)[0])
    if isinstance(member, type) and issubclass(member, BaseModel) and "kind" in member.model_fields:
        return get_args(member.model_fields["kind"].annotation)
    return ()


def _absolute(value: Any, loc: Loc, folder: Path, places: Sequence[Loc]) -> Any:  # noqa: ANN401 - walks settings of any type
    """`value` with every relative path made absolute: from the current folder where an override gave it, else `folder`."""
    if isinstance(value, Path) and not value.is_absolute():
        base = Path.cwd() if any(loc[: len(place)] == place for place in places) else folder
        return base / value.expanduser()
    if isinstance(value, BaseModel):
        found = {
            name: _absolute(getattr(value, name), (*loc, name), folder, places) for name in type(value).model_fields
        }
        # Only what really changed: a copied field counts as one that was given.
        changed = {name: item for name, item in found.items() if item is not getattr(value, name)}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        items = {key: _absolute(item, (*loc, str(key)), folder, places) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in value) else value
    if isinstance(value, tuple):
        members = tuple(_absolute(item, (*loc, i), folder, places) for i, item in enumerate(value))
        return members if any(new is not old for new, old in zip(members, value, strict=True)) else value
    return value
