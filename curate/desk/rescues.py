"""What the build dropped, rule by rule, and how often people brought it back: a rule with many rescues is wrong."""

from pathlib import Path

import numpy as np
import polars as pl

from curate import runs
from curate.desk.model import Desk
from curate.errors import RunError
from curate.record import INPUT

RESCUED, JUDGED = ("keep", "edit"), ("keep", "edit", "reject")


def funnel(desk: Desk, states: pl.DataFrame) -> pl.DataFrame:
    """One row a rule that dropped a candidate, in the order of the stages, then by number.

    `stage`, `rule`; `dropped` (it was the first to drop them: these add up), `failed` (all that fail it), `alone` (no other
    rule drops them); `judged` (of those that fail it, decided by a person), `rescued` (kept by a person), and `rate`, `low`,
    `high`: rescued / judged with its 95 % interval (Wilson 1927), null where none was judged.
    """
    failed = _failures(desk).select("row", "stage", "rule").unique()
    lone = pl.len().over("row") == 1
    decided = states.select("row", "decision")
    rows = (
        failed.with_columns(alone=lone)
        .join(decided, on="row", how="left")
        .group_by("stage", "rule")
        .agg(
            failed=pl.len(),
            alone=pl.col("alone").sum(),
            judged=pl.col("decision").is_in(JUDGED).sum(),
            rescued=pl.col("decision").is_in(RESCUED).sum(),
        )
    )
    first = desk.candidates.drop_nulls("rule").group_by("stage", "rule").agg(dropped=pl.len())
    found = rows.join(first, on=["stage", "rule"], how="left").with_columns(
        pl.col("dropped", "failed", "alone", "judged", "rescued").fill_null(0).cast(pl.Int64)
    )
    order = {folder.name: folder.number for folder in runs.stage_folders(desk.run)}
    place = pl.col("stage").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    rated = with_rates(found.sort(place, pl.col("dropped"), "rule", descending=[False, True, False]))
    return rated.select("stage", "rule", "dropped", "failed", "alone", "judged", "rescued", "rate", "low", "high")


def with_rates(counts: pl.DataFrame) -> pl.DataFrame:
    """`counts` (`rescued`, `judged`) with `rate`, `low`, `high`: the share and its 95 % interval (Wilson 1927)."""
    from scipy.special import ndtri

    z2 = float(ndtri(0.975)) ** 2
    n, share = pl.col("judged"), pl.col("rescued") / pl.col("judged")
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (share * (1 - share) / n + z2 / (4 * n * n)).sqrt() * z2**0.5 / (1 + z2 / n)
    bounds = {"rate": share, "low": (middle - half).clip(0, 1), "high": (middle + half).clip(0, 1)}
    return counts.with_columns(pl.when(n > 0).then(value).alias(name) for name, value in bounds.items())


def failing(desk: Desk, stage: str, rule: str, order: str = "sample", seed: int = 1) -> pl.DataFrame:
    """What fails a rule: `row`, `value`, `limit`, `other`, `other_id`, `detail`, `missed`; one line a candidate.

    `missed` is how far the value is beyond the limit. In the order of a seeded shuffle (`sample`), so that the first lines
    are a fair sample, or those that missed it by least first (`near`; without numbers last).
    """
    mine = _failures(desk).filter((pl.col("stage") == stage) & (pl.col("rule") == rule)).sort("row")
    rows = mine.unique("row", keep="first", maintain_order=True).select(
        "row", "value", "limit", "other", "other_id", "detail", missed=(pl.col("value") - pl.col("limit")).abs()
    )
    if order == "near":
        return rows.sort("missed", "row", nulls_last=True)
    return rows[np.random.default_rng(seed).permutation(rows.height)]


def rejected(run: Path) -> pl.DataFrame:
    """How many inputs never became an example, by `source` and `rule`: `inputs`; the most first. They have no text.

    Raises RunError where the run's books are not there.
    """
    counts = _read(run, _rejected(run).group_by("source", "rule").agg(inputs=pl.len().cast(pl.Int64)))
    return counts.sort("inputs", "source", "rule", descending=[True, False, False])


def rejects(run: Path, source: str, rule: str, offset: int = 0, limit: int = 50) -> pl.DataFrame:
    """Some of the inputs that a source rejected by a rule: `key`, `file`, `position`, `url`, `detail`, in input order."""
    mine = _rejected(run).filter((pl.col("source") == source) & (pl.col("rule") == rule))
    return _read(run, mine.select("key", "file", "position", "url", "detail").slice(offset, limit))


def _read(run: Path, query: pl.LazyFrame) -> pl.DataFrame:
    try:
        return query.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"{run}: inputs.parquet or ledger.parquet cannot be read ({reason}); expected what a build writes. Build it again"
        ) from error


def _failures(desk: Desk) -> pl.DataFrame:
    """Every verdict of a rule, those too that a build did not follow because a reviewer had kept the example."""
    return pl.concat([desk.verdicts, desk.overridden])


def _rejected(run: Path) -> pl.LazyFrame:
    """The rejected inputs with their verdict, in input order."""
    ledger = pl.scan_parquet(run / "ledger.parquet").filter(pl.col("stage") == "source").select("id", "rule", "detail")
    inputs = pl.scan_parquet(run / "inputs.parquet").select(INPUT.names())
    return inputs.join(ledger, on="id", how="inner", maintain_order="left_right")
