"""Everything that a page of the review reads: a run's candidates, opened once and shared by all threads and sessions.

prepare(run), open_desk(run)        make the files below RUN/review and load them
texts(desk, rows)                   conversations, as cleaned and as read
search_words, search_meaning        candidates by words and by meaning
neighbours, cluster                 what is near to a candidate, what gave way to it
why, test_items                     every rule that was asked about it, the test items that it leaks
states, counts                      what reviewers decided, from the log
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import embed
from curate.desk import prepare as preparing
from curate.desk.neighbours import Neighbour, neighbours
from curate.desk.prepare import prepare
from curate.desk.search import search_meaning, search_words
from curate.desk.texts import Text, texts
from curate.desk.why import Reason, cluster, test_items, why
from curate.errors import RunError
from curate.progress import Watcher, silent
from curate.recipe import Recipe
from curate.review import exchange
from curate.review import log as decided

__all__ = [
    "Desk",
    "Neighbour",
    "Reason",
    "Text",
    "cluster",
    "counts",
    "neighbours",
    "open_desk",
    "prepare",
    "search_meaning",
    "search_words",
    "stamp",
    "states",
    "test_items",
    "texts",
    "why",
]

_STATE = {
    "content": pl.String,
    "decision": pl.String,
    "reviewer": pl.String,
    "time": pl.String,
    "reviewers": pl.Int64,
    "disagree": pl.Boolean,
}


@dataclass(frozen=True, eq=False)
class Desk:
    """A run as reviewers see it. Never changed after it was opened, so that threads may share it.

    `candidates`: a row for each input that became an example, in input order; its number is its `row`. Of each: `id`,
    `content` (what decisions are kept by), `source`, `group`, `stratum`, `key`, `license`, `url`, `title` (the prompt's first
    160 characters as one line), `prompt_chars`, `response_chars`, `turns`, `score` (votes), `language`, `quality`, `rank`,
    `gain`; `fate` (kept, or why not: `curate.report.fates`), and the first rule that dropped it:
    `stage`, `rule`, `value`, `limit`; `margin`, its distance to a limit as a share of that limit, negative where dropped,
    and which: `nearest` (rule), `nearest_value`, `nearest_limit`; `cluster` (Int64, the same for all that gave way to one
    another, null where alone); `topic`, `x`, `y` (in [0, 1]) and `vector_row`, null without vector.
    `verdicts`: `row`, `stage`, `rule`, `value`, `limit`, `other` (row), `other_id`, `detail`, in the order of rows and rules;
    `overridden`: the same of those that do not count because a reviewer kept the row.
    `measured`: a row a candidate, in the same order: every column that a rule of the filters or of quality compares.
    `topics`: the words that name each topic. `vectors`: (n, d) float32, unit rows, on disk; `rows_of_vectors` (n,): whose.
    """

    run: Path
    candidates: pl.DataFrame
    verdicts: pl.DataFrame
    overridden: pl.DataFrame
    measured: pl.DataFrame
    topics: list[str]
    recipe: dict[str, Any]
    manifest: dict[str, Any]
    settings: Recipe
    fingerprint: str
    vectors: np.ndarray | None
    rows_of_vectors: np.ndarray
    encoder: embed.Settings | None
    remark: str

    @property
    def kept(self) -> int:
        """How many candidates the build kept."""
        return int(self.manifest["kept"])


def open_desk(run: Path, watch: Watcher = silent) -> Desk:
    """The desk of a finished run, prepared first where that has to be. Raises RunError as `prepare`."""
    prepare(run, watch)
    found, folder, about = preparing.finished(run), run / "review", preparing.done(run)
    try:
        candidates = pl.read_parquet(folder / preparing.CANDIDATES)
        verdicts, overridden = (pl.read_parquet(folder / name) for name in (preparing.VERDICTS, preparing.OVERRIDDEN))
        measured = pl.read_parquet(folder / preparing.MEASURED)
        vectors = np.asarray(np.load(folder / preparing.VECTORS, mmap_mode="r")) if about.get("vectors") else None
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{folder}: cannot be read ({reason}). Delete the folder, and open the run again.") from error
    if about.get("fingerprint") != found.fingerprint or preparing.done(run) != about:
        raise preparing.built_again(run)
    owners = candidates.filter(pl.col("vector_row").is_not_null()).sort("vector_row")["row"].to_numpy()
    return Desk(
        run=run,
        candidates=candidates,
        verdicts=verdicts,
        overridden=overridden,
        measured=measured,
        topics=about["topics"],
        recipe=found.recipe.model_dump(mode="json"),
        manifest=found.manifest,
        settings=found.recipe,
        fingerprint=about["fingerprint"],
        vectors=vectors,
        rows_of_vectors=owners,
        encoder=embed.Settings(**about["vectors"]["encoder"]) if about["vectors"] else None,
        remark=about["remark"],
    )


def stamp(run: Path) -> str:
    """What changes when the run is built anew: who keeps an open desk opens it again then. Raises RunError as `prepare`."""
    return preparing.finished(run).fingerprint


def states(desk: Desk, log: sqlite3.Connection) -> pl.DataFrame:
    """What reviewers decided on every candidate: `row`, `decision`, `reviewer`, `time`, `reviewers`, `disagree`.

    `decision` is the one that counts (`curate.review.log.counting`), null where there is none. `reviewers` is the number of
    those who decided (keep, edit, reject), `disagree` (Boolean) whether some of them would have it in the set and others
    not. Candidates of the same content share their decisions.
    """
    opinions = decided.opinions(log)
    said: dict[str, list[bool]] = {}
    for opinion in opinions:
        if opinion.decision in decided.DECISIVE:
            said.setdefault(opinion.content, []).append(opinion.decision == "reject")
    rows = [
        (content, found.decision, found.reviewer, found.time, len(own := said.get(content, [])), len({*own}) > 1)
        for content, found in decided.weightiest(opinions).items()
    ]
    known = pl.DataFrame(rows, schema=_STATE, orient="row")
    return (
        desk.candidates.select("row", "content")
        .join(known, on="content", how="left", maintain_order="left")
        .drop("content")
        .with_columns(pl.col("reviewers").fill_null(0), pl.col("disagree").fill_null(value=False))
    )


def counts(desk: Desk, log: sqlite3.Connection) -> dict[str, int]:
    """`candidates`, and how many of them are `decided` (`kept`, `edited` or `rejected`), `flagged` and `skipped`, by `states`;
    `stale`: decisions on a text that an example does not have any more (`exchange.stale`).
    """
    found = Counter(states(desk, log)["decision"].drop_nulls())
    return {
        "candidates": desk.candidates.height,
        "decided": sum(found[name] for name in decided.DECISIVE),
        "kept": found["keep"],
        "rejected": found["reject"],
        "flagged": found["flag"],
        "skipped": found["skip"],
        "edited": found["edit"],
        "stale": len(stale(desk, log)),
    }


def stale(desk: Desk, log: sqlite3.Connection) -> list[exchange.Stale]:
    """The decisions on a text that an example of the desk does not have any more (`exchange.stale`)."""
    rows = log.execute("SELECT content, edited, example FROM current").fetchall()
    said = pl.DataFrame(rows, schema=dict.fromkeys(("content", "edited", "id"), pl.String), orient="row")
    own = desk.candidates.select("id", "content")
    if said.join(own, on="content", how="anti").is_empty():
        return []
    # All else of the corpus has nothing to do with what was decided.
    contents = pl.concat([said["content"], said["edited"]]).implode()
    near = own.filter(pl.col("id").is_in(said["id"].implode()) | pl.col("content").is_in(contents))
    return exchange.stale(log, dict(near.iter_rows()))
