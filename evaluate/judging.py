"""Judging: the plan, what it would cost, and the judgements, each in the file as soon as it is made.

A run that is ended in any way goes on where it stopped; a judgement that failed is a row with a status, asked again only
with `rerun`. Rows hold what was judged, so that a board needs no other file.
"""

import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from curate.errors import InputError
from curate.lm.api import BYTES_PER_TOKEN
from curate.progress import Progress, Watcher, silent

from . import journal, judges, spending
from .judges import Item, Outcome, catalogue
from .judges.catalogue import Judge
from .plan import Planned
from .spending import Purse, Spent

# A rerun's questions are the n-th after those of all samples: a new seed, and a new place in the cache.
ROUND = 1_000
# Where nothing was measured: what a reply takes. Only for the estimate, which says so.
ASSUMED_REPLY_TOKENS = 200
ASSUMED_SECONDS = 4.0
_KEY = ("prompt_id", "model_a", "model_b", "sample", "turn", "first", "judge", "fingerprint")
_FIELDS = (*_KEY, "status", "attempts", "tokens_out", "cost", "output_a", "output_b")


class Work(NamedTuple):
    """What a run has to do. `before`: the last row of each judgement that is asked again."""

    items: list[Item]
    before: dict[tuple[str, ...], journal.Row]
    done: list[journal.Row]


def judge(
    planned: Planned, judge: Judge, out: Path, purse: Purse, *, rerun: bool = False, watch: Watcher = silent
) -> dict[str, Any]:
    """Make the judgements that `out` lacks (with `rerun`: those that failed, anew) and say what the file then holds.

    Raises InputError where `out` holds judgements of other answers, RunError where another process writes to it,
    ConfigError as the judge does.
    """
    with journal.held(out):
        _settle(out)
        work = todo(planned, judge, made(out), rerun=rerun, where=out)
        purse.add(sum(row["cost"] or 0.0 for row in work.done))
        is_stopped = False
        try:
            with journal.appending(_aside(out) if rerun else out) as append:
                _make(work, judge, planned, purse, append, watch)
        except Spent:
            is_stopped = True
        finally:
            _settle(out)
        return summary(made(out), planned, judge, purse, is_stopped=is_stopped)


def made(out: Path) -> list[journal.Row]:
    """The judgements that a file holds; none where there is no file. Raises InputError where it is another file."""
    return journal.rows(out, _FIELDS)


def _make(work: Work, judge: Judge, planned: Planned, purse: Purse, append: journal.Append, watch: Watcher) -> None:
    watch(Progress("judge", 0, len(work.items), 0))
    last = time.monotonic()
    # Closed here and now, so that what an interrupted judge has been asked is waited for.
    with closing(_outcomes(work.items, judge, purse)) as outcomes:
        for count, (item, outcome) in enumerate(outcomes, start=1):
            now = time.monotonic()
            append([_row(item, outcome, judge, planned, work.before.get(_key(item, judge)), now - last)])
            last = now
            watch(Progress("judge", count, len(work.items), 0))


def todo(planned: Planned, judge: Judge, rows: list[journal.Row], *, rerun: bool, where: Path) -> Work:
    """The planned items that `rows` lack; with `rerun`, those whose row is a failure."""
    known = {_key_of(row): row for row in rows}
    items: list[Item] = []
    before: dict[tuple[str, ...], journal.Row] = {}
    for item in planned.items:
        key = _key(item, judge)
        row = known.get(key)
        if row is None:
            if not rerun:
                items.append(item)
            continue
        if (row["output_a"], row["output_b"]) != item.outputs:
            raise InputError(
                f"{where}: holds a judgement of another answer to prompt {row['prompt_id']} by {row['model_a']} or"
                f" {row['model_b']}. Write to another --out, or name the new answers: --answers NAME=FILE"
            )
        if rerun and row["status"] != "ok":
            before[key] = row
            items.append(item._replace(nth=item.nth + ROUND * (row.get("round", 0) + 1)))
    return Work(items, before, rows)


def estimate(planned: Planned, judge: Judge, rows: list[journal.Row], work: Work, purse: Purse) -> dict[str, Any]:
    """What `judge` would do: calls, tokens, price and seconds, expected and at most, with what they rest on.

    Tokens of questions: their bytes / 4. Of replies, and seconds a call: the mean of the judgements in the file, else an
    assumption. At most: a token a byte and the longest reply, without asking again after a failure.
    """
    asked = [item for item in work.items if not _is_same(item)]
    own = [row for row in rows if row["fingerprint"] == judge.fingerprint and row["attempts"]]
    replies = [row["tokens_out"] for row in own if row["tokens_out"] is not None]
    seconds = [row["seconds"] for row in own if row.get("seconds") is not None]
    found: dict[str, Any] = {
        "judgements": len(planned.items),
        "already_made": len(planned.items) - len(work.items),
        "without_asking": len(work.items) - len(asked),
        "calls": len(asked) if judge.asks else 0,
        "notes": planned.notes,
    }
    if not judge.asks:
        return {**found, "seconds": sum(seconds) / len(seconds) * len(asked) if seconds else None}
    sizes = [catalogue.request(item, judge) for item in asked]
    longest = sum(reply for _, reply in sizes)
    reply = sum(replies) / len(replies) if replies else float(ASSUMED_REPLY_TOKENS)
    tokens_in = sum(size.bytes for size, _ in sizes) / BYTES_PER_TOKEN
    tokens_out = min(reply * len(asked), float(longest))
    each = sum(seconds) / len(seconds) if seconds else ASSUMED_SECONDS / judge.concurrency
    found |= {"tokens_in": round(tokens_in), "tokens_out": round(tokens_out), "tokens_out_at_most": longest}
    price = purse.price
    if price is not None:
        found["price"] = spending.cost(price, tokens_in, tokens_out)
        found["price_at_most"] = spending.cost(price, sum(size.most for size, _ in sizes), longest)
    by_limits = catalogue.least_seconds(judge, len(asked), tokens_in + longest)
    found["seconds"] = max(each * len(asked), by_limits)
    found["rests_on"] = f"{len(own):,} judgements in the file" if own else "assumptions: nothing judged yet"
    return found


def summary(
    rows: list[journal.Row], planned: Planned, judge: Judge, purse: Purse, *, is_stopped: bool
) -> dict[str, Any]:
    """Counts by status of the planned judgements, what they cost, and what is left."""
    wanted = {_key(item, judge) for item in planned.items}
    own = [row for row in rows if _key_of(row) in wanted]
    status: dict[str, int] = {}
    for row in own:
        status[row["status"]] = status.get(row["status"], 0) + 1
    return {
        "judge": judge.name,
        "judgements": len(planned.items),
        "made": len(own),
        "left": len(planned.items) - len(own),
        "status": status,
        "cost": sum(row["cost"] for row in own if row["cost"] is not None) if purse.price else None,
        "stopped": "budget" if is_stopped else None,
        "notes": planned.notes,
    }


def _outcomes(items: list[Item], judge: Judge, purse: Purse) -> Generator[tuple[Item, Outcome]]:
    """A tie for equal answers, without asking (as AlpacaEval has it), and the judge's verdicts on the others."""
    same = [item for item in items if judge.sees_texts and _is_same(item)]
    yield from ((item, Outcome("ok", "tie", 0.5)) for item in same)
    left = {id(item) for item in same}
    yield from catalogue.verdicts([item for item in items if id(item) not in left], judge, purse)


def _is_same(item: Item) -> bool:
    return item.b is not None and item.a == item.b


def _row(
    item: Item, outcome: Outcome, judge: Judge, planned: Planned, before: journal.Row | None, seconds: float
) -> journal.Row:
    found = judges.row(
        item, outcome, judge.name, judge.template_name(item.turn), judge.fingerprint, planned.category[item.key[0]]
    )
    if before is not None:
        found["attempts"] += before["attempts"]
        if before["cost"] is not None:
            found["cost"] = before["cost"] + (found["cost"] or 0.0)
    return {**found, "seconds": round(seconds, 3), "round": item.nth // ROUND}


def _key(item: Item, judge: Judge) -> tuple[str, ...]:
    prompt_id, model_a, model_b, sample, turn = item.key
    return (prompt_id, model_a, model_b, sample, turn, str(item.first), judge.name, judge.fingerprint)


def _key_of(row: journal.Row) -> tuple[str, ...]:
    return tuple("" if name == "model_b" and row[name] is None else str(row[name]) for name in _KEY)


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.rerun")


def _settle(out: Path) -> None:
    """Put the rows of a rerun, finished or not, in the place of those that they replace."""
    anew = {_key_of(row): row for row in made(_aside(out))}
    if anew:
        journal.write(out, [anew.get(_key_of(row), row) for row in made(out)])
    _aside(out).unlink(missing_ok=True)
