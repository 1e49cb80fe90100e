"""A person's ballot on a blind plan: what comes next, votes and undone votes on disk, the pace, and the reveal at the end.

    FOLDER/votes/kim-0f1e.jsonl           the votes that stand, as judgements of slots
    FOLDER/votes/kim-0f1e.undone.jsonl    those taken back
    FOLDER/votes/kim-0f1e.jsonl.revealed  there once the names were shown: the ballot is closed
    FOLDER.judgements/kim-0f1e.jsonl      the votes under the models' names, for leaderboard and agreement

Each person writes only files of their own. A vote is on disk before `cast` returns; the same vote sent twice counts once.
"""

import re
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from curate import runs
from curate.errors import InputError

from . import blinding, journal
from .blinding import Plan
from .judges import Item, human

# Why an answer is better, as far as a person cares to say; the key that says it.
REASONS = {
    "3": "correctness",
    "4": "completeness",
    "5": "relevance",
    "6": "clarity",
    "7": "style",
    "8": "safety",
}
CHOICES: tuple[human.Choice, ...] = ("first", "second", "neither")
# How many pairs are given ahead; only a pair among these can be voted on.
AHEAD = 12
# Milliseconds: nobody has read a pair in less. A key held down or struck twice is no vote.
DWELL = 300
# Milliseconds: who takes longer is away.
_AWAY = 300_000
# Streamlit serves all its sessions from one process; between processes `journal.held` keeps two writers apart.
_WRITING = threading.Lock()


class Showing(NamedTuple):
    """A pair as a person is shown it. `id` says nothing of what it is, nor whether it was shown before."""

    id: str
    item: Item


class Ballot(NamedTuple):
    """Where a person stands: what is `open` in their order, `votes` in theirs, of `total`; no more votes once `revealed`."""

    open: list[Showing]
    votes: list[journal.Row]
    total: int
    is_revealed: bool

    @property
    def done(self) -> int:
        """How many showings are decided."""
        return self.total - len(self.open)


class Pace(NamedTuple):
    """`per_hour` pairs while at it, `seconds_left` at that pace, `median_seconds` a pair; null before the first vote."""

    per_hour: float | None
    seconds_left: float | None
    median_seconds: float | None


def schedule(plan: Plan, person: str) -> list[Showing]:
    """All that a person is shown, in their order: every pair, and some again with the sides swapped."""
    shown = human.with_repeats(human.blind(plan.items, person, plan.salt), person, plan.salt)
    return [Showing(_id(plan, person, item), item) for item in shown]


def ballot(plan: Plan, person: str, shown: Sequence[Showing]) -> Ballot:
    """Where a person stands now, from the disk. `shown`: their `schedule`. Raises InputError where their file is broken."""
    path = votes_of(plan, person)
    votes, _, _ = _read(plan, path)
    done = {row["shown"] for row in votes}
    return Ballot([one for one in shown if one.id not in done], votes, len(shown), _revealed(path).exists())


def cast(plan: Plan, person: str, shown: Sequence[Showing], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write what a person did, in its order; the ids of votes that were refused.

    An event is {"act": "vote", "id", "choice", "reasons", "both_bad", "shown_ms", "token"} or {"act": "undo", "id"}.
    Refused are votes on a pair that was not given yet, looked at for less than DWELL, or that mean nothing. A vote that
    stands already, or was taken back, is neither refused nor counted again. Raises RunError where nothing can be written.
    """
    path = votes_of(plan, person)
    refused: list[str] = []
    with _writing(path):
        votes, taken_back = _settled(plan, path)
        if _revealed(path).exists():
            return [str(event.get("id")) for event in events if event.get("act") == "vote"]
        standing = {row["shown"]: row for row in votes}
        by_id = {one.id: one.item for one in shown}
        given = {one.id for one in [one for one in shown if one.id not in standing][:AHEAD]}
        new: dict[str, journal.Row] = {}
        for event in events:
            name = str(event.get("id"))
            if event.get("act") == "undo":
                if name in new:
                    _append(_undone(path), [new.pop(name)])
                elif name in standing:
                    _append(_undone(path), [standing.pop(name)])
                    journal.write(path, list(standing.values()))
                    given.add(name)
            elif name in standing or name in new or event.get("token") in taken_back:
                continue
            elif name in given and _means_something(event):
                new[name] = _row(plan, person, by_id[name], event)
            else:
                refused.append(name)
        if new:
            _append(path, list(new.values()))
    return refused


def pace(votes: Sequence[journal.Row], left: int) -> Pace:
    """How fast a person is, from how long the pairs stood on the screen; longer than five minutes counts as five."""
    if not votes:
        return Pace(None, None, None)
    seconds = [min(row["shown_ms"], _AWAY) / 1000 for row in votes]
    mean = statistics.fmean(seconds)
    return Pace(3600 / mean, mean * left, statistics.median(seconds))


def reveal(plan: Plan, person: str, key: Path) -> Path:
    """Close a person's ballot for good, and write their votes under the models' names; the file.

    Raises InputError where the key is not this plan's, and for a person without votes; then nothing is closed.
    """
    names = blinding.models(plan, key)
    path = votes_of(plan, person)
    with _writing(path):
        votes, _ = _settled(plan, path)
        if not votes:
            raise InputError(f"{person} has not judged a pair: there is nothing to reveal")
        written = _write_named(plan, path.name, votes, names)
        _revealed(path).touch()
        return written


def reveal_all(plan: Plan, key: Path, out: Path | None = None) -> list[Path]:
    """Write everyone's votes so far under the models' names; the files. Closes no ballot. Errors as in `reveal`."""
    names = blinding.models(plan, key)
    found = {path: _read(plan, path)[0] for path in _vote_files(plan)}
    written = [_write_named(plan, path.name, rows, names, out) for path, rows in found.items() if rows]
    if not written:
        raise InputError(f"{plan.folder}: nobody has judged a pair yet")
    return written


def revealed(plan: Plan) -> list[Path]:
    """The files of named judgements of those who have revealed."""
    folder = named_folder(plan)
    paths = [folder / path.name for path in _vote_files(plan) if _revealed(path).exists()]
    return [path for path in paths if path.exists()]


def votes_of(plan: Plan, person: str) -> Path:
    """A person's file: what can be read of the name, and a hash that tells apart what looks the same."""
    readable = re.sub(r"[^\w-]+", "-", person, flags=re.ASCII).strip("-")[:40]
    return plan.folder / "votes" / f"{readable}-{blake2b(person.encode(), digest_size=4).hexdigest()}.jsonl".lstrip("-")


def named_folder(plan: Plan) -> Path:
    """Where the judgements under the models' names lie: beside the plan, not in it."""
    return plan.folder.absolute().with_name(f"{plan.folder.absolute().name}.judgements")


def _row(plan: Plan, person: str, item: Item, event: Mapping[str, Any]) -> journal.Row:
    row = human.decided(item, event["choice"], person, plan.category[item.key[0]])
    # The plan holds the texts; `blinding.named` puts them back.
    for name in ("instruction", "output_a", "output_b"):
        del row[name]
    return {
        **row,
        "plan": plan.id,
        "shown": event["id"],
        "token": event["token"],
        "reasons": [name for name in REASONS.values() if name in event["reasons"]],
        "both_bad": event["both_bad"],
        "shown_ms": int(event["shown_ms"]),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _means_something(event: Mapping[str, Any]) -> bool:
    shown_ms = event.get("shown_ms")
    return (
        event.get("choice") in CHOICES
        and isinstance(event.get("reasons"), list)
        and isinstance(event.get("both_bad"), bool)
        and isinstance(event.get("token"), str)
        and isinstance(shown_ms, int | float)
        and not isinstance(shown_ms, bool)
        and DWELL <= shown_ms < float("inf")
    )


def _read(plan: Plan, path: Path) -> tuple[list[journal.Row], set[str], bool]:
    """The votes that stand, the tokens of those taken back, and whether the file holds any of these.

    A vote is taken back when it is in the other file, whatever a crash left in this one.
    """
    taken_back = {row["token"] for row in journal.rows(_undone(path), ("token",))}
    rows = journal.rows(path, ("shown", "token", "shown_ms", "plan", "judge"))
    if any(row["plan"] != plan.id for row in rows):
        raise InputError(f"{path}: holds votes on another plan; move the file away")
    votes = [row for row in rows if row["token"] not in taken_back]
    return votes, taken_back, len(votes) < len(rows)


def _settled(plan: Plan, path: Path) -> tuple[list[journal.Row], set[str]]:
    """The votes that stand, and only they in the file; the tokens of those taken back."""
    votes, taken_back, is_unsettled = _read(plan, path)
    if is_unsettled:
        journal.write(path, votes)
    return votes, taken_back


def _append(path: Path, rows: Sequence[journal.Row]) -> None:
    with journal.appending(path) as append:
        append(rows)


def _write_named(
    plan: Plan, name: str, rows: Sequence[journal.Row], names: Mapping[str, str], out: Path | None = None
) -> Path:
    folder = out or named_folder(plan)
    with runs.clear_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    journal.write(folder / name, blinding.named(plan, rows, names))
    return folder / name


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    with _WRITING, journal.held(path):
        yield


def _vote_files(plan: Plan) -> list[Path]:
    return [path for path in sorted((plan.folder / "votes").glob("*.jsonl")) if not path.name.endswith(".undone.jsonl")]


def _undone(path: Path) -> Path:
    return path.with_suffix(".undone.jsonl")


def _revealed(path: Path) -> Path:
    return path.with_name(f"{path.name}.revealed")


def _id(plan: Plan, person: str, item: Item) -> str:
    parts = "\0".join((person, *item.key, str(item.first)))
    return blake2b(parts.encode(), key=plan.salt.encode(), digest_size=8).hexdigest()
