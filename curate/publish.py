"""From finished stages to the files that others read: dataset, ledger, baselines; and the books, which must balance."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import polars as pl

from curate import chat, corpus, decisions, runs
from curate.contamination import categories, review
from curate.errors import BalanceError
from curate.recipe import Recipe
from curate.record import TURN, VERDICT
from curate.runs import StageFolder
from curate.sources import SOURCES
from curate.stages import clean, decontaminate, filters

DATASET = pl.Schema(
    {
        "id": pl.String(),
        "messages": pl.List(TURN),
        "source": pl.String(),
        "key": pl.String(),
        "group": pl.String(),
        "stratum": pl.String(),
        "score": pl.Int64(),
        "rank": pl.Int64(),
        "license": pl.String(),
        "url": pl.String(),
    }
)


def publish(run: Path) -> dict[str, int]:
    """Write ledger.parquet, dataset.jsonl, dataset.parquet and baselines/; the books: `inputs`, `kept`, `dropped`.

    Rows stand in input order. Raises BalanceError where an input is neither kept nor in the ledger, or both.
    """
    folders = runs.stage_folders(run)
    runs.write_parquet_parts(run / "ledger.parquet", VERDICT, (pl.read_parquet(folder.verdicts) for folder in folders))
    ranks = pl.read_parquet(folders[-1].scores)
    dropped = pl.scan_parquet([folder.verdicts for folder in folders]).select("id").unique().collect()
    kept = ranks.join(dropped, on="id", how="anti").select("id", "rank")
    write_dataset(run / "dataset", folders[1], kept)
    runs.write_parquet_parts(run / "dataset.parquet", DATASET, _examples(folders[1], kept))
    for name in ("random", "longest"):
        same_size = ranks.select("id", rank=pl.col(f"{name}_rank")).filter(pl.col("rank") <= kept.height)
        write_dataset(run / "baselines" / name, folders[1], same_size)
    return _balance(run, kept, dropped)


def _balance(run: Path, kept: pl.DataFrame, dropped: pl.DataFrame) -> dict[str, int]:
    inputs = pl.read_parquet(run / "inputs.parquet", columns=["id"])
    books = {"inputs": inputs.height, "kept": kept.height, "dropped": dropped.height}
    lost = inputs.join(pl.concat([kept.select("id"), dropped]), on="id", how="anti")
    if inputs["id"].n_unique() != inputs.height or lost.height or books["inputs"] != books["kept"] + books["dropped"]:
        example = f"; '{lost['id'][0]}' is in neither" if lost.height else ""
        raise BalanceError(f"the books do not balance: {books}{example}. This is a defect: please report it.")
    return books


def _examples(clean_folder: StageFolder, chosen: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The chosen rows (`id`, `rank`) as DATASET frames, one a shard."""
    for path in clean_folder.parts:
        rows = pl.read_parquet(path).join(chosen, on="id", how="inner", maintain_order="left")
        yield rows.with_columns(chat.messages()).select(DATASET.names())


def write_dataset(stem: Path, clean_folder: StageFolder, chosen: pl.DataFrame) -> None:
    """The chosen rows (`id`, `rank`) of the clean stage as `stem`.jsonl, in input order, each row as in DATASET."""
    stem.parent.mkdir(exist_ok=True)
    runs.write_atomically(stem.with_suffix(".jsonl"), _json_lines(_examples(clean_folder, chosen)))


def _json_lines(frames: Iterable[pl.DataFrame]) -> Callable[[BinaryIO], None]:
    def write(handle: BinaryIO) -> None:
        for frame in frames:
            handle.writelines(orjson.dumps(row) + b"\n" for row in frame.iter_rows(named=True))

    return write


def contamination(run: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Write contamination.jsonl, the gray pairs of examples and test items for a person to decide; None without tests.

    What the recipe's `decontaminate.review` decided stands in it again, stale decisions too. `gray`: pairs in it, `decided`:
    of them with a decision, `stale`: decisions on a text or a pair that this build does not have, each with its reason;
    `kept`: how many examples of the dataset are leaks of each category, by their strongest pair.
    """
    settings = recipe.decontaminate
    if not settings.tests:
        return None
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == "decontaminate")
    found = decontaminate.reviewed(corpus.read(run, folder, decontaminate.NEEDS), settings)
    runs.write_atomically(run / "contamination.jsonl", lambda handle: handle.write(review.lines(found)))
    decided = found.rows["decision"].count() - found.stale.height
    strongest = pl.read_parquet(folder.scores, columns=["id", "leak_category"])
    inside = strongest.join(pl.read_parquet(run / "dataset.parquet", columns=["id"]), on="id", how="semi")
    kept = dict(inside.group_by("leak_category").len().iter_rows())
    return {
        "gray": found.rows.height - found.stale.height,
        "decided": decided,
        "stale": found.stale.to_dicts(),
        "kept": {category: kept.get(category, 0) for category in categories.ORDER},
    }


def reviewed(run: Path, recipe: Recipe) -> dict[str, Any] | None:
    """What became of the decisions of reviewers that the recipe replays, or None where it replays none.

    `file`: its name, with its `bytes` and `sha256`; `decisions`: lines in it; of the examples of this build `kept`, `rejected` and `edited` are how many a
    decision speaks of; `overridden`: rows `stage`, `rule`, `examples`: kept although this rule would drop them;
    `not_kept`: the same of verdicts that no keep holds against, copies of what is kept left out; `stale`: rows `key`, `example`, `content` (that was decided
    on), `now` (what the text is since), `decision`, `time`; `absent`: lines on neither a text nor an example of this corpus.
    """
    if recipe.review.decisions is None:
        return None
    folders = runs.stage_folders(run)
    folder = next(folder for folder in folders if folder.name == "review")
    decided = decisions.read(recipe.review.decisions)
    contents = dict(pl.scan_parquet(folder.parts).select("id", "content").collect().iter_rows())
    stale = decided.stale(contents)
    inputs = pl.scan_parquet(run / "inputs.parquet").select("id", "key")
    keys = dict(inputs.filter(pl.col("id").is_in([line.example for line, _ in stale])).collect().iter_rows())
    scores = pl.read_parquet(folder.scores, columns=["id", "decision"])
    kept = scores.filter(pl.col("decision") == "keep").select("id")
    edited = pl.scan_parquet(folders[1].parts).filter(pl.col("edits").list.contains("reviewer"))
    overridden = [pl.read_parquet(folder.overridden) for folder in folders if folder.overridden.exists()]
    ledger = pl.read_parquet(run / "ledger.parquet", columns=["id", "stage", "rule", "other"])
    in_spite = ledger.join(kept, on="id", how="semi")
    # Of copies that are all kept one is in the set: that was granted.
    in_spite = in_spite.join(
        kept.with_columns(rule=pl.lit("exact_duplicate")),
        left_on=["other", "rule"],
        right_on=["id", "rule"],
        how="anti",
    )
    return {
        "file": recipe.review.decisions.name,
        "bytes": recipe.review.decisions.stat().st_size,
        "sha256": _sha256(recipe.review.decisions),
        "decisions": len(decided.lines),
        "kept": kept.height,
        "rejected": scores.filter(pl.col("decision") == "reject").height,
        "edited": edited.select(pl.len()).collect().item(),
        "overridden": _by_rule(pl.concat(overridden)),
        "not_kept": _by_rule(in_spite),
        "stale": [
            {
                "key": keys[line.example],
                **{name: getattr(line, name) for name in ("example", "content", "decision", "time")},
                "now": now,
            }
            for line, now in stale
        ],
        "absent": len(decided.absent(contents)),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _by_rule(verdicts: pl.DataFrame) -> list[dict[str, Any]]:
    counts = verdicts.group_by("stage", "rule").agg(examples=pl.col("id").n_unique())
    return counts.sort(["examples", "stage", "rule"], descending=[True, False, False]).to_dicts()


def trusted(recipe: Recipe) -> dict[str, Any] | None:
    """What share of the recipe's trusted set each rule would drop (curation notes: the false-drop check), or None.

    `examples`: how many there are; `rules`: rows `rule`, `dropped`, `share`; the last rule, `any`, is all of them together.
    """
    settings = recipe.trusted
    if settings is None:
        return None
    source = SOURCES[settings.kind]
    with tempfile.TemporaryDirectory() as scratch:
        units = source.units(settings)
        batches = [batch for unit in units for batch in source.load("trusted", unit, settings, Path(scratch))]
    frame = clean.measure(pl.concat([batch.examples for batch in batches]), recipe.clean)
    rates = filters.kill_rates(frame, recipe.filters, recipe.trusted_profile)
    return {"examples": frame.height, "rules": rates.to_dicts()}
