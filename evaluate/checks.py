"""What is odd about a set of judgements and answers, said before anyone reads a win rate off them.

A check changes nothing. Each finding is a row: what, about which model or file, how many of how many, and in words.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from .formats import Loaded
from .record import JUDGEMENT_KEY

# `level`: a `warning` may change a result, a `note` explains one.
FINDING = pl.Schema(
    {
        "check": pl.String(),
        "level": pl.String(),
        "subject": pl.String(),
        "count": pl.Int64(),
        "total": pl.Int64(),
        "detail": pl.String(),
    }
)
# Two models that say the same to half of the prompts, or one that says one thing to half of them, are not a coincidence;
# of fewer prompts than this, short answers (a number, yes) may be.
SAME_SHARE = 0.5
SAME_PROMPTS = 5


def run(loaded: Loaded, expected: Sequence[str] | None = None) -> pl.DataFrame:
    """All findings (schema FINDING), warnings first. `expected`: ids of the prompts that every model should be judged on.

    Without it, the prompts that were loaded are expected, else those of any model, where one model has at least half.
    """
    judgements, answers, prompts, files = loaded
    outputs = outputs_of(judgements, answers)
    if expected is None and prompts.height:
        expected = prompts["prompt_id"].unique().to_list()
    found = [
        failed(judgements),
        missing(judgements, expected),
        repeated(judgements),
        same_outputs(outputs),
        one_output(outputs),
        empty_outputs(outputs),
        unequal_outputs(judgements, answers),
        file_names(files),
        model_names(judgements, answers),
    ]
    return pl.concat(found).sort("level", descending=True, maintain_order=True)


def outputs_of(judgements: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """`model`, `prompt_id`, `sample`, `turn`, `output`: what judgements (schema JUDGED) and answers hold, each once."""
    parts = [answers.select("prompt_id", "sample", "turn", "output", model="generator")]
    parts += [
        judgements.filter(pl.col(f"model_{side}").is_not_null()).select(
            "prompt_id", "sample", "turn", output=f"output_{side}", model=f"model_{side}"
        )
        for side in ("a", "b")
        # A file without outputs (votes) says nothing about empty ones.
        if judgements[f"output_{side}"].count()
    ]
    columns = ["model", "prompt_id", "sample", "turn", "output"]
    return pl.concat([part.select(columns) for part in parts]).unique(columns[:-1], keep="first", maintain_order=True)


def failed(judgements: pl.DataFrame) -> pl.DataFrame:
    """Judgements without a verdict, of each model and judge, by status: they are counted and never scored."""
    keys = ["model", "judge"]
    each = _by_model(judgements)
    is_failed = pl.col("status") != "ok"
    counts = each.group_by(keys, maintain_order=True).agg(count=is_failed.sum(), total=pl.len())
    by_status = each.filter(is_failed).group_by(*keys, "status", maintain_order=True).len("n")
    said = by_status.sort("n", descending=True, maintain_order=True).group_by(keys, maintain_order=True)
    words = said.agg(what=pl.format("{} {}", "n", "status").str.join(", "))
    found = [
        (
            "failed",
            "warning",
            model,
            n,
            total,
            f"{n:,} of {total:,} judgements by {judge} failed ({what}): counted, not scored",
        )
        for model, judge, n, total, what in counts.join(words, on=keys, maintain_order="left").iter_rows()
    ]
    return _findings(found)


def missing(judgements: pl.DataFrame, expected: Sequence[str] | None = None) -> pl.DataFrame:
    """Models that were not judged on every prompt: 803 of 805 rows; also judged on prompts that nobody expects."""
    each = _by_model(judgements).select("model", "prompt_id").unique(maintain_order=True)
    known = set(each["prompt_id"] if expected is None else expected)
    most = each.group_by("model").len()["len"].max()
    # Votes in an arena: every pair has prompts of its own, and none is missing.
    if expected is None and (not isinstance(most, int) or 2 * most < len(known)):
        return _findings([])
    found = []
    for (model,), rows in each.group_by(["model"], maintain_order=True):
        has = set(rows["prompt_id"])
        n_lacking, others = len(known - has), len(has - known)
        if n_lacking:
            detail = f"judged on {len(known) - n_lacking:,} of {len(known):,} prompts; {n_lacking:,} are missing"
            found.append(("missing", "warning", model, n_lacking, len(known), detail))
        if others:
            detail = f"judged on {others:,} prompts that are not among the {len(known):,} expected ones"
            found.append(("unexpected", "warning", model, others, len(has), detail))
    return _findings(found)


def repeated(judgements: pl.DataFrame) -> pl.DataFrame:
    """Judgements that stand twice (all that identifies them is equal), and prompts that a model was judged on repeatedly."""
    by_judge = judgements.group_by("judge", maintain_order=True).agg(
        extra=pl.len() - pl.struct(JUDGEMENT_KEY).n_unique(), again=(pl.col("sample") > 0).sum(), total=pl.len()
    )
    found = []
    for judge, extra, again, total in by_judge.iter_rows():
        if extra:
            detail = f"{extra:,} judgements stand twice: same prompt, models, order and judge; each counts again"
            found.append(("repeated", "warning", judge, extra, total, detail))
        if again:
            detail = f"{again:,} of {total:,} judgements are of a further sample, or of a prompt that stands twice"
            found.append(("samples", "note", judge, again, total, detail))
    return _findings(found)


def same_outputs(outputs: pl.DataFrame) -> pl.DataFrame:
    """Two models with the same answers (falcon-7b and falcon-40b of one leaderboard): one of the files is the other's."""
    keys = ["prompt_id", "sample", "turn"]
    said = outputs.filter(pl.col("output").str.strip_chars().str.len_chars() > 0)
    # Hashes, so that the join compares numbers and not whole answers.
    hashed = said.with_columns(pl.col("output").hash())
    pairs = hashed.join(hashed, on=[*keys, "output"], suffix="_other").filter(pl.col("model") < pl.col("model_other"))
    n = said.group_by("model").len("n")
    counts = pairs.group_by("model", "model_other").len("count").sort("model", "model_other")
    sizes = counts.join(n, on="model").join(n, left_on="model_other", right_on="model", suffix="_other")
    # Two models have at least so many prompts in common; few pairs of models are left to be looked at closely.
    common = pl.max_horizontal(pl.col("n") + pl.col("n_other") - said.select(keys).n_unique(), pl.lit(SAME_PROMPTS))
    near = sizes.filter(pl.col("count") >= SAME_SHARE * common).sort("model", "model_other")
    found = []
    for one, other, count in near.select("model", "model_other", "count").iter_rows():
        mine, theirs = (said.filter(pl.col("model") == name).select(keys) for name in (one, other))
        total = mine.join(theirs, on=keys).height
        if total >= SAME_PROMPTS and count >= SAME_SHARE * total:
            detail = f"same answer as {other} to {count:,} of {total:,} prompts; is one file the other's?"
            found.append(("same outputs", "warning", one, count, total, detail))
    return _findings(found)


def one_output(outputs: pl.DataFrame) -> pl.DataFrame:
    """A model that gives one answer to most prompts, whatever was asked."""
    said = outputs.filter(pl.col("output").is_not_null())
    counts = said.group_by("model", "output", maintain_order=True).agg(count=pl.col("prompt_id").n_unique())
    totals = said.group_by("model").agg(total=pl.col("prompt_id").n_unique())
    many = counts.join(totals, on="model", maintain_order="left").filter(
        (pl.col("total") >= SAME_PROMPTS) & (pl.col("count") >= SAME_SHARE * pl.col("total"))
    )
    found = [
        (
            "one output",
            "warning",
            model,
            count,
            total,
            f"one answer to {count:,} of {total:,} prompts: {_short(output)}",
        )
        for model, output, count, total in many.select("model", "output", "count", "total").iter_rows()
    ]
    return _findings(found)


def empty_outputs(outputs: pl.DataFrame) -> pl.DataFrame:
    """Answers that are null or white space, of each model that has any."""
    is_empty = pl.col("output").is_null() | (pl.col("output").str.strip_chars().str.len_chars() == 0)
    counts = outputs.group_by("model", maintain_order=True).agg(
        count=is_empty.sum(), null=pl.col("output").null_count(), total=pl.len()
    )
    found = [
        ("empty outputs", "warning", model, count, total, f"{count:,} of {total:,} answers are empty ({null:,} null)")
        for model, count, null, total in counts.filter(pl.col("count") > 0).iter_rows()
    ]
    return _findings(found)


def unequal_outputs(judgements: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Judged outputs that are not the ones in the answers beside them, and judged prompts that the answers have not."""
    keys = ["model", "prompt_id", "sample", "turn"]
    judged = outputs_of(judgements, answers.clear())
    theirs = answers.select(*keys[1:], "output", model="generator").unique(keys, keep="last")
    both = judged.filter(pl.col("model").is_in(theirs["model"].unique().to_list())).join(
        theirs.with_columns(there=True), on=keys, how="left", suffix="_answer", maintain_order="left"
    )
    there = pl.col("there").is_not_null()
    differs = there & pl.col("output").ne_missing(pl.col("output_answer"))
    counts = both.group_by("model", maintain_order=True).agg(
        differ=differs.sum(), joined=there.sum(), absent=(~there).sum(), total=pl.len()
    )
    found = []
    for model, differ, joined, absent, total in counts.iter_rows():
        if differ:
            detail = f"{differ:,} of {joined:,} judged outputs differ from the answers' files"
            found.append(("unequal outputs", "warning", model, differ, joined, detail))
        if absent:
            detail = f"{absent:,} of {total:,} judged outputs have no answer on the same prompt in the answers' files"
            found.append(("no answer", "warning", model, absent, total, detail))
    return _findings(found)


def file_names(files: pl.DataFrame) -> pl.DataFrame:
    """AlpacaEval files whose folder is called otherwise than the system in them (folders: results/<model>/<judge>/)."""
    found = []
    for path, form, models in files.select("path", "form", "models").iter_rows():
        folders = Path(path).absolute().parts[:-1]
        place = {"AlpacaEval annotations": -2, "AlpacaEval outputs": -1}.get(form)
        if place is None or Path(path).name not in ("annotations.json", "model_outputs.json") or len(folders) < 2:
            continue
        if folders[place] not in models:
            detail = f"the folder is called {folders[place]!r}, the models in the file {', '.join(models)}"
            found.append(("file name", "note", path, 1, 1, detail))
    return _findings(found)


def model_names(judgements: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Names that differ in case or punctuation only, and models with answers that nobody judged (the nearest name beside)."""
    judged = sorted({name for side in ("model_a", "model_b") for name in judgements[side].unique().drop_nulls()})
    generators = sorted(answers["generator"].unique())
    plain: dict[str, list[str]] = {}
    for name in sorted({*judged, *generators}):
        plain.setdefault(re.sub(r"[^0-9a-z]", "", name.lower()), []).append(name)
    found = [
        (
            "model names",
            "warning",
            names[0],
            len(names),
            len(names),
            f"one model under {len(names)} names? {', '.join(names)}",
        )
        for names in plain.values()
        if len(names) > 1
    ]
    for name in generators:
        if judged and name not in judged:
            near = get_close_matches(name, judged, n=1)
            hint = f"; {near[0]} was" if near else ""
            found.append(("not judged", "warning", name, 1, 1, f"has answers, but was not judged{hint}"))
    return _findings(found)


def _by_model(judgements: pl.DataFrame) -> pl.DataFrame:
    """Each judgement once for each of its models (a model against itself: once)."""
    columns = ["prompt_id", "judge", "status"]
    a = judgements.select(*columns, model="model_a")
    is_other = pl.col("model_b").is_not_null() & (pl.col("model_b") != pl.col("model_a"))
    return pl.concat([a, judgements.filter(is_other).select(*columns, model="model_b")])


def _short(text: str) -> str:
    line = re.sub(r"\s+", " ", text)
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


def _findings(rows: list[tuple[str, str, str, int, int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FINDING, orient="row")
