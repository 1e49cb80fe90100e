"""How answers are worded: their length, how much they repeat themselves, how many different words they have.

Repetition and log-diversity are NEFTune's (Jain et al. 2023, arXiv 2310.05914, section 5.2 and table 4), MTLD McCarthy and
Jarvis's (2010). All of them depend on length, so repetition looks at the same number of words of every answer.
"""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from curate import lexical
from curate.errors import InputError

from . import intervals
from .intervals import Interval

# NEFTune's numbers of words, by data set: of them the longest that at least half of all answers reach.
FIRST = (150, 100, 50)
FEWEST = 10
# Where a text never repeats itself the logarithm has no bound: the floor of the published code.
FLOOR = math.exp(-20)
MEASURES = ("characters", "words", "rep_2", "rep_3", "rep_4", "log_diversity", "log_diversity_published", "mtld")
# Of these a text must have `first` words to have any.
OF_FIRST = MEASURES[2:7]


def repetition(words: Sequence[str], n: int) -> float:
    """1 - different / all n-grams of these words, in [0, 1]; nan where there are fewer than n words."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else math.nan


def log_diversity(repetitions: Sequence[float], scale: float = 1.0) -> float:
    """-ln(1 - prod(1 - rep_n / scale)) over n = 2, 3, 4: high where little is repeated, at most 20.

    With `scale` 1 as it is defined; NEFTune's published code divides the shares by 100 as if they were percentages
    (`scale` 100), which leaves values of about 3 to 10 that hardly differ. nan where a repetition is nan.
    """
    kept = math.prod(1 - rep / scale for rep in repetitions)
    return math.nan if math.isnan(kept) else -math.log(max(1 - kept, FLOOR))


def first_words(outputs: pl.Series) -> int:
    """How many words of each answer repetition should look at: 150, 100 or 50, which at least half of them must have.

    Raises InputError where not even 10 do: then half of the answers' own median, and less than that, says nothing.
    """
    lengths = np.asarray([len(text.split()) for text in outputs], dtype=np.int64)
    median = int(np.median(lengths)) if len(lengths) else 0
    found = next((first for first in FIRST if median >= first), median)
    if found < FEWEST:
        raise InputError(
            f"half of the answers have fewer than {FEWEST} words (the median is {median}): too short to look for repetition"
        )
    return found


def measured(answers: pl.DataFrame, first: int) -> pl.DataFrame:
    """`answers` (generator, prompt_id, output; a missing output is left out) with MEASURES as Float64 columns.

    Words are what stands between white space, as NEFTune counts them. Of repetition and log-diversity the first `first` words
    count; an answer with fewer has none of them (null). MTLD is of lower-cased words and null below 50 of them.
    """
    rows = answers.filter(pl.col("output").is_not_null()).select("generator", "prompt_id", "output")
    tokens = lexical.tokens(rows["output"])
    found = [_of(text, words, first) for text, words in zip(rows["output"], tokens, strict=True)]
    schema = dict.fromkeys(MEASURES, pl.Float64)
    return rows.drop("output").hstack(pl.DataFrame(found, schema=schema, orient="row").fill_nan(None))


def _of(text: str, tokens: Sequence[str], first: int) -> tuple[float, ...]:
    words = text.split()
    enough = len(words) >= first
    repetitions = [repetition(words[:first], n) if enough else math.nan for n in (2, 3, 4)]
    diversity = (log_diversity(repetitions), log_diversity(repetitions, 100.0))
    varied = lexical.mtld(tokens) if len(tokens) >= lexical.MTLD_WORDS else math.nan
    return (float(len(text)), float(len(words)), *repetitions, *diversity, varied)


def summary(rows: pl.DataFrame, measures: Sequence[str] = MEASURES) -> list[dict[str, object]]:
    """Of each generator and measure: generator, measure, `value` (mean), `low`, `high` (95 %, prompts as clusters), `answers`.

    No measure is ever negative, so an interval that would reach below 0 ends there: it holds as often.
    """
    found: list[dict[str, object]] = []
    for (generator,), mine in rows.group_by("generator", maintain_order=True):
        for measure in measures:
            known = mine.drop_nulls(measure)
            told = _told(known[measure], known["prompt_id"])
            low = told["low"] if told["low"] is None else max(0.0, told["low"])
            found.append({"generator": generator, "measure": measure, **told, "low": low, "answers": known.height})
    return found


def differences(rows: pl.DataFrame, measures: Sequence[str] = MEASURES) -> list[dict[str, object]]:
    """Every generator against the first, on the prompts that both have: generator, against, measure, `value` (the mean of the
    paired differences), `low`, `high`, `prompts`.
    """
    names = rows["generator"].unique(maintain_order=True).to_list()
    # Samples of one prompt are averaged first: the prompt is what is drawn.
    means = rows.group_by("generator", "prompt_id").agg(pl.col(measure).mean() for measure in measures)
    first = means.filter(pl.col("generator") == names[0]) if names else means
    found: list[dict[str, object]] = []
    for name in names[1:]:
        pairs = means.filter(pl.col("generator") == name).join(first, on="prompt_id", suffix="_first").sort("prompt_id")
        for measure in measures:
            gap = pairs.select("prompt_id", gap=pl.col(measure) - pl.col(f"{measure}_first")).drop_nulls("gap")
            told = _told(gap["gap"], gap["prompt_id"])
            found.append({"generator": name, "against": names[0], "measure": measure, **told, "prompts": gap.height})
    return found


def _told(values: pl.Series, clusters: pl.Series) -> dict[str, float | None]:
    if not values.len():
        return {"value": None, "low": None, "high": None}
    mean: Interval = intervals.clustered_mean(values.to_numpy(), clusters.to_numpy())
    return {name: None if math.isnan(value) else value for name, value in mean._asdict().items()}
