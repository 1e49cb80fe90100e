"""A plan to judge blind: the pairs of answers under names that say nothing, and apart from it the key that gives the names.

    FOLDER/blind.json      what the plan is: its number, its title, the hash of the pairs
    FOLDER/pairs.jsonl     the pairs: prompt, two answers, two slots (`blind-3f9c12ab-2`) in place of models
    FOLDER/votes/          what people decided (`people`), one file a person
    FOLDER.key.json        slot to model; whoever judges needs it at the end only

Slots are shuffled and numbers drawn from the system's random source, so that nothing in the folder gives a name away but what
an answer says itself.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from curate import runs
from curate.errors import ConfigError, InputError

from . import journal
from .judges import Item
from .plan import Planned

HEAD = "blind.json"
PAIRS = "pairs.jsonl"
# A name this short stands in many words.
_SHORTEST_NAME = 3
_HEAD_FIELDS = ("plan", "title", "salt", "pairs", "blake2b")
_PAIR_FIELDS = ("prompt_id", "model_a", "model_b", "sample", "turn", "category", "instruction", "a", "b")


class Plan(NamedTuple):
    """What people judge. `items` name slots where a judge's have models; `salt` keys every draw; `id` names the plan."""

    folder: Path
    id: str
    title: str
    salt: str
    items: list[Item]
    category: dict[str, str | None]


def write(planned: Planned, files: Sequence[str], out: Path, key: Path, title: str = "") -> dict[str, Any]:
    """Write the plan's folder and its key; what they hold, as figures for a person.

    `files`: where the answers came from, for the key. Raises ConfigError where a plan is there already,
    the key would lie in it, or the title says a model's name.
    """
    if (out / HEAD).exists() or key.exists():
        there = out if (out / HEAD).exists() else key
        raise ConfigError(f"{there}: there is a plan already, and votes may belong to it. Take another --out")
    if key.absolute().is_relative_to(out.absolute()):
        raise ConfigError(f"--key {key}: lies in the plan's own folder; keep it elsewhere, or leave --key out")
    names = list(dict.fromkeys(name for item in planned.items for name in item.key[1:3]))
    if told := [name for name in names if name.casefold() in title.casefold()]:
        raise ConfigError(f"--title {title}: says {told[0]}, which the people who judge must not know")
    number, salt = secrets.token_hex(4), secrets.token_hex(16)
    places = secrets.SystemRandom().sample(range(1, len(names) + 1), len(names))
    slots = {name: f"blind-{number}-{place}" for name, place in zip(names, places, strict=True)}
    rows = [_pair(item, slots, planned.category) for item in planned.items]
    # In an order of their own: the files' order would group the models.
    rows.sort(key=lambda row: blake2b(f"{salt}{row['prompt_id']}{row['model_a']}{row['model_b']}".encode()).digest())
    pairs = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    head = {"plan": number, "title": title, "salt": salt, "pairs": len(rows), "blake2b": _hash(pairs)}
    secret = {"plan": number, "models": {slot: name for name, slot in slots.items()}, "files": list(files)}
    with runs.clear_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        key.parent.mkdir(parents=True, exist_ok=True)
    # The head last: a folder with one is whole.
    for path, content in ((key, _json(secret)), (out / PAIRS, pairs), (out / HEAD, _json(head))):
        _put(path, content)
    return {
        "plan": number,
        "models": len(names),
        "pairs": len(rows),
        "prompts": len({row["prompt_id"] for row in rows}),
        "notes": [*planned.notes, *_notes(planned.items, names)],
    }


def read(folder: Path) -> Plan:
    """The plan in a folder. Raises InputError where it is broken or was changed after votes could be given on it."""
    head = _head(folder)
    try:
        pairs = (folder / PAIRS).read_bytes()
    except OSError as error:
        raise InputError(f"{folder / PAIRS}: cannot be read ({error.strerror}); the plan is not whole") from error
    if _hash(pairs) != head["blake2b"]:
        raise InputError(f"{folder / PAIRS}: is not what the plan was made with; make a new one with evaluate blind")
    rows = journal.rows(folder / PAIRS, _PAIR_FIELDS)
    if not rows:
        raise InputError(f"{folder / PAIRS}: no pairs; make the plan again with evaluate blind")
    category = {row["prompt_id"]: row["category"] for row in rows}
    return Plan(folder, head["plan"], head["title"], head["salt"], [_item(row) for row in rows], category)


def find(folders: Iterable[Path]) -> dict[str, Path]:
    """The plans in these folders and up to two levels below, by number, in the order of the folders."""
    found: dict[str, Path] = {}
    for folder in folders:
        for pattern in (HEAD, f"*/{HEAD}", f"*/*/{HEAD}"):
            for path in sorted(folder.glob(pattern)):
                found.setdefault(_number(path), path.parent)
    return found


def title(folder: Path) -> str:
    """What people see the plan called; empty where it has no title, or is broken."""
    try:
        return str(_head(folder)["title"])
    except InputError:
        return ""


def key_of(folder: Path) -> Path:
    """Where the key of a plan lies if nobody said otherwise: beside its folder."""
    return folder.absolute().with_name(f"{folder.absolute().name}.key.json")


def models(plan: Plan, key: Path) -> dict[str, str]:
    """Slot to model, in the order in which the models were given. Raises InputError where `key` is no key, or another plan's."""
    given = _object(key, ("plan", "models"))
    if given["plan"] != plan.id:
        raise InputError(f"{key}: is the key of plan {given['plan']}, not of {plan.id}")
    slots = {slot for item in plan.items for slot in item.key[1:3]}
    if lacking := sorted(slots - set(given["models"])):
        raise InputError(f"{key}: does not name {lacking[0]}; the key is not whole")
    return {slot: str(name) for slot, name in given["models"].items()}


def named(plan: Plan, rows: Sequence[journal.Row], names: Mapping[str, str]) -> list[journal.Row]:
    """Votes as judgements under the models' names, with the texts that were judged.

    Of two models the one that was given first is a, as `plan.pairs` has it for a model's judgements of the same answers.
    """
    items = {item.key: item for item in plan.items}
    order = list(names)
    other = {"a": "b", "b": "a", "tie": "tie"}
    found = []
    for row in rows:
        key = (row["prompt_id"], row["model_a"], row["model_b"], str(row["sample"]), str(row["turn"]))
        sides = list(zip(key[1:3], items[key].outputs, strict=True))
        fields = {"first": row["first"], "verdict": row["verdict"], "instruction": items[key].instruction}
        if order.index(key[1]) > order.index(key[2]):
            sides.reverse()
            fields |= {name: other[row[name]] for name in ("first", "verdict")}
        for side, (slot, output) in zip("ab", sides, strict=True):
            fields |= {f"model_{side}": names[slot], f"output_{side}": output}
        found.append({**row, **fields})
    return found


def _pair(item: Item, slots: Mapping[str, str], category: Mapping[str, str | None]) -> dict[str, Any]:
    prompt_id, model_a, model_b, sample, turn = item.key
    assert item.b is not None
    sides = sorted([(slots[model_a], item.a), (slots[model_b], item.b)], key=lambda side: side[0])
    (slot_a, a), (slot_b, b) = sides
    return {
        "prompt_id": prompt_id,
        "model_a": slot_a,
        "model_b": slot_b,
        "sample": int(sample),
        "turn": int(turn),
        "category": category.get(prompt_id),
        "instruction": item.instruction,
        "a": list(a),
        "b": list(b),
    }


def _item(row: journal.Row) -> Item:
    key = (row["prompt_id"], row["model_a"], row["model_b"], str(row["sample"]), str(row["turn"]))
    return Item(key, row["instruction"], tuple(row["a"]), tuple(row["b"]), None, row["turn"], None)


def _notes(items: Sequence[Item], names: Sequence[str]) -> list[str]:
    """What blinding cannot hide: answers that say a model's name, and answers that are equal."""
    wanted = [name.casefold() for name in names if len(name) >= _SHORTEST_NAME]
    answers = {(item.key[0], text) for item in items for text in item.outputs if text is not None}
    telling = sum(any(name in text.casefold() for name in wanted) for _, text in answers)
    same = sum(item.a == item.b for item in items)
    notes = []
    if telling:
        notes.append(f"{telling:,} answers say the name of a model themselves, which no plan can hide")
    if same:
        notes.append(f"{same:,} pairs hold the same answer twice; people are shown them like any other")
    return notes


def _head(folder: Path) -> dict[str, Any]:
    return _object(folder / HEAD, _HEAD_FIELDS)


def _number(path: Path) -> str:
    """A plan's number, of a broken one its folder's hash: it must be seen to be broken, without its name."""
    try:
        return str(_object(path, ("plan",))["plan"])
    except InputError:
        return blake2b(str(path).encode(), digest_size=4).hexdigest()


def _object(path: Path, fields: Sequence[str]) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    lacking = [name for name in fields if name not in found] if isinstance(found, dict) else list(fields)
    if lacking:
        raise InputError(f"{path}: no {', '.join(lacking)}; evaluate blind writes such files")
    return dict(found)


def _json(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"


def _put(path: Path, content: bytes) -> None:
    runs.write_atomically(path, lambda handle: handle.write(content))


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
