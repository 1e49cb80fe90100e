"""A finished run of many candidates, in the form that a build writes, without building it: what benchmarks/review.py opens.

    python benchmarks/review_data.py FOLDER [--candidates 100000] [--dimensions 384] [--decisions 5000] [--seed 1]

The texts are those of the instruction sets in ../shared/data, and where that is absent of the sample's own Alpaca records,
repeated with other sentences and numbers until there are enough; one in seven was HTML before cleaning, one in fifty is
Korean, one in a thousand has 20,000 characters. The rules and the selection decide with the code of a build, over lengths
that are real and other values that are drawn; twins, leaks and unit vectors (in 60 clusters) are drawn. With `--decisions`
a log of three reviewers lies in the run.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from curate import config, record, reference, runs
from curate.recipe import Recipe
from curate.record import EXAMPLE, INPUT, VERDICT
from curate.runs import StageFolder
from curate.stages import STAGES, filters, select
from curate.text import content_hashes

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared/data/instruction"
SETS = ("dolly_3k.json", "alpaca_5000.json", "evol_instruct_1k.json", "alpaca_1k_longest.json", "lima/lima.json")
SAMPLE = ROOT / "curate/recipes/sample/alpaca.json"
KOREAN = "서울에서 부산까지 기차로 가는 방법과 그 시간을 알려 주세요. 비용은 계절에 따라 다릅니다."
SHARD = 20_000
SOURCES = {"forum": 0.5, "guides": 0.3, "set": 0.2}
TOPICS = 60
REVIEWERS = ("ann", "bo", "chan")


def recipe(folder: Path) -> Recipe:
    """Three sources of which no file is read, with limits that drop one candidate in four."""
    source = {"kind": "instructions", "path": str(folder / "none.json")}
    settings = {
        "name": folder.name,
        "shard_rows": SHARD,
        "sources": dict.fromkeys(SOURCES, source),
        "filters": {
            "min_chars": 60,
            "max_chars": 4096,
            "first_person": 3,
            "sarcasm": 0.9,
            "profiles": {"forum": {"min_score": 5, "first_person": 1}, "set": {"min_chars": 40}},
        },
        "meaning": {"threshold": 0.9},
        "decontaminate": {"tests": {"mine": {"path": str(folder / "none.jsonl"), "question": "q"}}},
        "select": {"quotas": {"forum": 400, "guides": 300, "set": 300}, "temperature": 3.0},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(settings))
    loaded = config.load(path, Recipe)
    path.write_text(config.dump(loaded))
    return loaded


def records() -> tuple[list[str], list[str]]:
    """Prompts and answers to make others of."""
    found = [DATA / name for name in SETS if (DATA / name).exists()] or [SAMPLE]
    rows = pl.concat([reference.examples_of(path).select("prompt", "response") for path in found])
    rows = rows.filter((pl.col("prompt").str.len_chars() > 10) & (pl.col("response").str.len_chars() > 10))
    return rows["prompt"].to_list(), rows["response"].to_list()


def texts(candidates: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """Prompt, answer, and the answer as it was read, of each candidate."""
    rng = random.Random(seed)
    asked, said = records()
    sentences = [part for text in said for part in re.split(r"(?<=[.!?])\s+", text) if 20 < len(part) < 400]
    for number in range(candidates):
        at = rng.randrange(len(asked))
        prompt, answer = asked[at], said[at]
        if number >= len(asked):
            prompt = f"{prompt} Take case {number} into account: {rng.choice(sentences)}"
            answer = f"{answer}\n\n{' '.join(rng.choices(sentences, k=rng.randint(1, 6)))}"
        if number % 50 == 7:
            answer += f"\n\n{KOREAN}"
        if number % 1000 == 11:
            answer = (answer + "\n\n") * (20_000 // len(answer) + 1)
        yield prompt, answer, f"<p>{answer.replace('&', '&amp;')}</p>" if number % 7 == 0 else answer


def make(folder: Path, candidates: int, *, dimensions: int = 384, decisions: int = 0, seed: int = 1) -> Path:
    """Write the run into `folder`, which must not exist; the folder."""
    folder.mkdir(parents=True)
    settings, rng = recipe(folder), np.random.default_rng(seed)
    stages = {name: StageFolder(at, name, folder / f"{at}-{name}") for at, name in enumerate(("source", *STAGES))}
    for stage in stages.values():
        stage.path.mkdir()
    clean, read = _examples(candidates, rng, seed)
    runs.write_parquet(folder / "inputs.parquet", clean.select(INPUT.names()))
    _parts(stages["source"], read)
    _parts(stages["clean"], clean)
    _stage(stages["source"])
    _stage(stages["clean"])
    _parts(stages["review"], clean.select("id", content=pl.lit(None, pl.String)))
    _stage(
        stages["review"],
        scores=clean.select("id", decision=pl.lit(None, pl.String), decided_by=pl.lit(None, pl.String)),
    )
    measured = _measured(clean, rng)
    _parts(stages["filters"], measured.drop("context_chars"))
    _stage(
        stages["filters"], filters.decide(clean.select("source", "score").hstack(measured), settings.filters).verdicts
    )
    left = clean.join(pl.read_parquet(stages["filters"].verdicts), on="id", how="anti", maintain_order="left")
    for name, share in (("exact", 0.04), ("quality", 0.0), ("near", 0.08), ("meaning", 0.1), ("decontaminate", 0.002)):
        extra = {"meaning": _vectors, "decontaminate": _leaks, "quality": _reward}.get(name)
        _parts(stages[name], left.select("id") if extra is None else extra(left, rng, dimensions))
        found = (
            _twins(left, name, share, rng) if name in ("exact", "near", "meaning") else _leaked(left, name, share, rng)
        )
        scores = left.select("id", quality=pl.Series(rng.random(left.height))) if name == "quality" else None
        _stage(stages[name], found, scores)
        left = left.join(found, on="id", how="anti", maintain_order="left")
    _parts(stages["select"], left.select("id", vector=pl.lit(None)))
    lots = pl.Series("lot", [f"{lot:016x}" for lot in rng.integers(0, 2**62, left.height)])
    pool = left.select("id", "source", "group", "stratum", "score").with_columns(
        lots, response_chars=left["response"].str.len_chars(), quality=pl.Series(rng.random(left.height)), vector=None
    )
    pool = pool.with_columns(pl.lit(None, pl.String).alias(name) for name in select.NEEDS if name not in pool.columns)
    chosen = select.decide(pool, settings.select)
    _stage(stages["select"], chosen.verdicts, chosen.scores.with_columns(gain=pl.Series(rng.random(left.height))))
    ledger = pl.concat(pl.read_parquet(stage.verdicts) for stage in stages.values())
    runs.write_parquet(folder / "ledger.parquet", ledger)
    kept = candidates - ledger["id"].n_unique()
    books = {"inputs": candidates, "kept": kept, "dropped": candidates - kept}
    runs.write_json(
        folder / "manifest.json",
        {"name": folder.name, "complete": True, **books, "finished": "2026-01-01T00:00:00+00:00"},
    )
    if decisions:
        decide(folder, clean, decisions, seed)
    return folder


def decide(folder: Path, clean: pl.DataFrame, decisions: int, seed: int) -> None:
    """A log with so many decisions of REVIEWERS, one text in ten decided on twice."""
    from curate.review.log import Decision, record
    from curate.review.store import opened

    rng = random.Random(seed)
    rows = clean.select("id", content=content_hashes(clean)).sample(min(decisions, clean.height), seed=seed).rows()
    rows = (
        (rows + rows[: len(rows) // 10])[:decisions]
        if len(rows) < decisions
        else rows[: -len(rows) // 10] + rows[: len(rows) // 10]
    )
    with opened(folder / "decisions.sqlite") as log:
        record(
            log,
            (
                Decision(
                    rng.choice(REVIEWERS),
                    "made",
                    str(at),
                    content,
                    id_,
                    rng.choice(("keep", "keep", "reject", "skip", "flag")),
                )
                for at, (id_, content) in enumerate(rows)
            ),
        )


def _examples(candidates: int, rng: np.random.Generator, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """EXAMPLE frames as cleaned (with `edits`) and as read."""
    prompts, answers, before = zip(*texts(candidates, seed), strict=True)
    sources = pl.Series(rng.choice(list(SOURCES), candidates, p=list(SOURCES.values())))
    keys = pl.Series([f"{number}" for number in range(candidates)])
    frame = pl.DataFrame(
        {
            "id": record.example_ids("bench", keys),
            "source": sources,
            "key": keys,
            "license": "CC-BY-SA-4.0",
            "url": "https://example.org/" + keys,
            "group": pl.Series(rng.choice(["stem", "other"], candidates)),
            "stratum": pl.Series([f"site{number}.example.org" for number in rng.zipf(1.6, candidates).clip(1, 80)]),
            "prompt": prompts,
            "response": answers,
            "markup": "markdown",
            "score": pl.Series(rng.poisson(12, candidates)),
        }
    ).sort("source", maintain_order=True)
    raw = pl.DataFrame(
        {
            "id": record.example_ids("bench", keys),
            "response": before,
            "markup": pl.Series(before).str.starts_with("<p>"),
        }
    )
    changed = frame.drop("response", "markup").join(raw, on="id", maintain_order="left")
    edits = pl.when("markup").then(pl.lit(["html"])).otherwise(pl.lit([], pl.List(pl.String)))
    clean = record.conform(frame, EXAMPLE).with_columns(changed.select(edits=edits))
    read = changed.with_columns(markup=pl.when("markup").then(pl.lit("html")).otherwise(pl.lit("markdown")))
    return clean, record.conform(read, EXAMPLE)


def _measured(clean: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The columns of the filters: lengths are counted, flags are rarely true, all else is drawn."""
    n = clean.height
    counted = {
        "response_chars": clean["response"].str.len_chars(),
        "prompt_chars": clean["prompt"].str.len_chars(),
        "response_words": clean["response"].str.count_matches(" "),
        "response_tokens": clean["response"].str.len_chars() // 4,
        "language": pl.Series(["en"] * n),
        "word_length": pl.Series(rng.normal(4.7, 0.6, n)),
        "alpha_words": pl.Series(rng.beta(20, 2, n)),
        "self_contained_title": pl.Series(rng.random(n) > 0.02),
    }
    drawn = {
        name: pl.Series(
            rng.random(n) < 0.002
            if dtype == pl.Boolean
            else rng.poisson(0.02, n)
            if dtype == pl.UInt32
            else rng.beta(1, 12, n)
        )
        for name, dtype in filters.MEASURED.items()
        if name not in counted
    }
    columns = [(counted | drawn)[name].cast(dtype).alias(name) for name, dtype in filters.MEASURED.items()]
    return clean.select("id", "context_chars").with_columns(columns)


def _vectors(left: pl.DataFrame, rng: np.random.Generator, dimensions: int) -> pl.DataFrame:
    middles = rng.normal(size=(TOPICS, dimensions)).astype(np.float32)
    found = middles[rng.integers(0, TOPICS, left.height)]
    found += 1.2 * rng.normal(size=found.shape).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return left.select("id", vector=pl.Series(found, dtype=pl.Array(pl.Float32, dimensions)))


def _reward(left: pl.DataFrame, *_: object) -> pl.DataFrame:
    return left.select("id", reward=pl.lit(None, pl.Float64), grade=pl.lit(None, pl.Float64))


def _leaks(left: pl.DataFrame, *_: object) -> pl.DataFrame:
    from curate.contamination.schema import LEAKS

    return left.select("id", leaks=pl.lit([], LEAKS), content=content_hashes(left))


def _twins(left: pl.DataFrame, stage: str, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Verdicts on a share of the rows, each of which names one of those that stay."""
    order = rng.permutation(left.height)
    n = int(share * left.height)
    if n == 0:
        return VERDICT.to_frame()
    gone, stay = order[:n], order[n:]
    rule = {"exact": "exact_duplicate", "near": "near_duplicate", "meaning": "same_meaning"}[stage]
    limit = {"exact": 1.0, "near": 0.8, "meaning": 0.9}[stage]
    value = [2.0] * n if stage == "exact" else rng.uniform(limit, 1, n)
    other = left["id"].gather(stay[rng.integers(0, len(stay), n)])
    frame = pl.DataFrame({"id": left["id"].gather(gone), "value": value, "limit": limit, "other": other})
    return record.verdicts(stage, rule, frame)


def _leaked(left: pl.DataFrame, stage: str, share: float, rng: np.random.Generator) -> pl.DataFrame:
    rows = left.select("id").filter(pl.Series(rng.random(left.height) < share))
    held = rows.with_columns(value=pl.lit(0.95), limit=pl.lit(0.75), detail=pl.lit("mine/1: coverage 0.95, run 12"))
    return record.verdicts(stage, "leak_duplicate", held)


def _parts(folder: StageFolder, frame: pl.DataFrame) -> None:
    # A stage has a part for every shard of the source, however many of its rows are left.
    for number, start in enumerate(range(0, max(frame.height, 1), SHARD)):
        runs.write_parquet(folder.path / f"part-0000-{number:05}.parquet", frame[start : start + SHARD])


def _stage(folder: StageFolder, found: pl.DataFrame | None = None, scores: pl.DataFrame | None = None) -> None:
    runs.write_parquet(folder.verdicts, VERDICT.to_frame() if found is None else found.sort("id", "rule"))
    runs.write_parquet(folder.overridden, VERDICT.to_frame())
    runs.write_parquet(folder.scores, pl.DataFrame(schema={"id": pl.String}) if scores is None else scores.sort("id"))
    runs.finish(folder, runs.fingerprint(folder.name, str(folder.path)))


def main() -> None:
    """Make a run as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--decisions", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.folder.exists():
        sys.exit(f"{given.folder}: is there already; name a folder that is not")
    started = time.perf_counter()
    make(given.folder, given.candidates, dimensions=given.dimensions, decisions=given.decisions, seed=given.seed)
    print(f"{given.folder}: {given.candidates:,} candidates in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
