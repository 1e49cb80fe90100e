"""What people decided about the examples of a run: how many, what, why, and how far they agree.

From the log in the run folder (decisions.sqlite), where the review app wrote it; without one from the file that the recipe
replays. Reviewers are numbered by when they first decided: who they are stands in the log, and is nobody else's business.
"""

from collections import Counter
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import polars as pl

from curate import decisions, runs
from curate.recipe import Recipe
from curate.review import agreement
from curate.review import log as review_log
from curate.review.agreement import Agreement
from curate.review.store import reading
from curate.text import content_hashes

KINDS = ("keep", "reject", "edit", "flag", "skip")


class Said(NamedTuple):
    """One reviewer's decision on one text; `alone`: decided by looking at that text, not as one of a bulk act."""

    content: str
    reviewer: str
    decision: str
    reasons: tuple[str, ...]
    time: str
    shown_ms: int | None
    alone: bool


class Read(NamedTuple):
    """All that was said, in the order of time; by text whether it is to be kept; and how far reviewers agree."""

    file: str
    said: list[Said]
    keep: dict[str, bool]
    between: Agreement
    within: Agreement | None


def by_hand(run: Path, recipe: Recipe, dataset: pl.DataFrame) -> dict[str, Any] | None:
    """The figures of the review, or None where nobody decided anything.

    `file`: where they are from; `reviewers`, `texts` (with a decision), and of the decisions that count, one for each text
    and reviewer, how many are `keep`, `reject`, `edit`, `flag`, `skip`; `reasons`: rows `reason`, `decisions`, of rejects; `people`:
    rows `reviewer`, `decisions`, `keep`, `reject`, `edit`, `flag`, `first` and `last` (days), `seconds` (median time on the screen);
    `per_text`: decisions a text, on average; `bulk`: decisions made for many texts at once; `between`, `within`: agreement
    of reviewers with one another and with themselves, None where it cannot be told; `seen` and `share` of the examples in
    `dataset` (`id`) that somebody decided on; `rejected_since`: how many of those are to be rejected, by what counts now.
    """
    found = _of_log(run / "decisions.sqlite") or _of_file(recipe.review.decisions)
    if found is None:
        return None
    decided = [one for one in found.said if one.decision in review_log.DECISIVE]
    texts = len({one.content for one in decided})
    kinds = Counter(one.decision for one in found.said)
    reasons = Counter(reason for one in decided if one.decision == "reject" for reason in one.reasons)
    in_set = [found.keep[content] for content in _contents(run, dataset) if content in found.keep]
    return {
        "file": found.file,
        "reviewers": len({one.reviewer for one in found.said}),
        "texts": texts,
        **{kind: kinds[kind] for kind in KINDS},
        "reasons": [
            {"reason": name, "decisions": n} for name, n in sorted(reasons.items(), key=lambda row: (-row[1], row[0]))
        ],
        "people": _people(found.said),
        "per_text": round(len(decided) / texts, 3) if texts else 0.0,
        "bulk": sum(not one.alone for one in decided),
        "between": _figures(found.between),
        "within": _figures(found.within),
        "seen": len(in_set),
        "share": round(len(in_set) / dataset.height, 4) if dataset.height else 0.0,
        "rejected_since": in_set.count(False),
    }


def _of_log(path: Path) -> Read | None:
    if not path.is_file():
        return None
    with reading(path) as log:
        events = sorted(review_log.current(log), key=lambda event: (event.time, event.id))
        said = [
            Said(
                str(event.content),
                event.reviewer,
                event.decision,
                event.reasons,
                event.time,
                event.shown_ms,
                event.act is None,
            )
            for event in events
        ]
        counts = review_log.counting(log)
        keep = {
            content: one.decision == "keep" for content, one in counts.items() if one.decision in ("keep", "reject")
        }
        return Read(path.name, said, keep, agreement.between(log), agreement.within(log)) if said else None


def _of_file(path: Path | None) -> Read | None:
    # A report that is written again may be far from the file that was replayed.
    if path is None or not path.is_file():
        return None
    found = decisions.read(path)
    lines = sorted(found.lines, key=lambda line: (line.time, line.number))
    said = [
        Said(
            line.content,
            line.reviewer,
            "edit" if line.messages else line.decision,
            line.reasons,
            line.time,
            None,
            alone=True,
        )
        for line in lines
    ]
    keep = {content: line.decision == "keep" for content, line in found.latest.items()}
    own = [(line.content, line.reviewer, line.decision) for line in lines if line.role is None]
    return Read(path.name, said, keep, agreement.among(own), None) if said else None


def _contents(run: Path, dataset: pl.DataFrame) -> list[str]:
    """The hash of each text of the set."""
    kept = dataset.select("id")
    parts = (pl.read_parquet(path).join(kept, on="id", how="semi") for path in runs.stage_folders(run)[1].parts)
    return [content for part in parts for content in content_hashes(part)]


def _people(said: Sequence[Said]) -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(dict.fromkeys(one.reviewer for one in said), start=1):
        mine = [one for one in said if one.reviewer == name]
        kinds = Counter(one.decision for one in mine)
        shown = [one.shown_ms / 1000 for one in mine if one.shown_ms is not None and one.alone]
        rows.append(
            {
                "reviewer": f"reviewer {number}",
                "decisions": sum(kinds[kind] for kind in review_log.DECISIVE),
                **{kind: kinds[kind] for kind in ("keep", "reject", "edit", "flag")},
                "first": mine[0].time[:10],
                "last": mine[-1].time[:10],
                "seconds": round(median(shown), 1) if shown else None,
            }
        )
    return rows


def _figures(found: Agreement | None) -> dict[str, Any] | None:
    """The figures of an agreement, those that are not determined None; None where no text has two decisions."""
    if found is None or not found.texts:
        return None
    return {
        name: None if isinstance(value, float) and isnan(value) else round(value, 4)
        for name, value in found._asdict().items()
    }
