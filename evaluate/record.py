"""The rows that everything else is a function of: prompts, answers, judgements.

A judgement is what one judge said about one pair of answers in one order, or about one answer. What a judge failed to say is
a judgement too, with a status and without a verdict: it is counted, and never becomes a score.
"""

from collections.abc import Sequence

import polars as pl

from curate.errors import InputError

TURN = pl.Struct({"role": pl.String, "content": pl.String})

# `messages` is what the model is given for its first answer; `follow_ups` are user turns asked after that answer, one
# after the other (MT-bench). `instruction` is the prompt as one text: what an answer is joined on with other files.
PROMPT = pl.Schema(
    {
        "prompt_id": pl.String(),
        "instruction": pl.String(),
        "messages": pl.List(TURN),
        "follow_ups": pl.List(pl.String()),
        "category": pl.String(),
        "dataset": pl.String(),
        "reference": pl.List(pl.String()),
    }
)

# `output` is the answer, of several turns the last; `messages` the turns before it; null where there is no answer.
# `decoding` is a JSON object as text.
ANSWER = pl.Schema(
    {
        "prompt_id": pl.String(),
        "instruction": pl.String(),
        "messages": pl.List(TURN),
        "output": pl.String(),
        "generator": pl.String(),
        "dataset": pl.String(),
        "category": pl.String(),
        "sample": pl.Int64(),
        "turn": pl.Int64(),
        "seed": pl.Int64(),
        "finish": pl.String(),
        "tokens": pl.Int64(),
        "decoding": pl.String(),
    }
)

# One row per prompt, pair, judge, order shown (and sample and turn). `first`: which answer was shown first, null where
# that is unknown or nothing was shown. `probability`: that a is preferred; where a judge gives it, it counts, and
# `verdict` is its discrete reading. `score`: of a judge of single answers, whose `model_b` is null. `cost` in the
# currency of the price file, `category` of the prompt, `turn` the last turn that was judged (from 1).
JUDGEMENT = pl.Schema(
    {
        "prompt_id": pl.String(),
        "model_a": pl.String(),
        "model_b": pl.String(),
        "first": pl.String(),
        "verdict": pl.String(),
        "probability": pl.Float64(),
        "score": pl.Float64(),
        "status": pl.String(),
        "judge": pl.String(),
        "template": pl.String(),
        "fingerprint": pl.String(),
        "raw": pl.String(),
        "attempts": pl.Int64(),
        "tokens_in": pl.Int64(),
        "tokens_out": pl.Int64(),
        "cost": pl.Float64(),
        "sample": pl.Int64(),
        "category": pl.String(),
        "turn": pl.Int64(),
    }
)

STYLE = pl.Struct({"tokens": pl.Int64, "headers": pl.Int64, "lists": pl.Int64, "bold": pl.Int64})

# A judgement with what was judged, as files of judgements hold it or the answers beside them. `weight`: votes it counts
# for (arena-hard counts a strong verdict three times); `style_*`: counts that came with a file without texts; `extra`:
# the fields of a foreign file that have no place here, as a JSON object, so that it can be written again.
JUDGED = pl.Schema(
    {
        **JUDGEMENT,
        "instruction": pl.String(),
        "output_a": pl.String(),
        "output_b": pl.String(),
        "style_a": STYLE,
        "style_b": STYLE,
        "weight": pl.Float64(),
        "extra": pl.String(),
    }
)

STATUSES = ("ok", "parse_failed", "refused", "truncated", "api_error")
VERDICTS = ("a", "b", "tie")
FINISHES = ("stop", "length", "error")
# What identifies a judgement: two rows that share all of it are one judgement given twice.
JUDGEMENT_KEY = ("prompt_id", "model_a", "model_b", "judge", "template", "fingerprint", "first", "sample", "turn")

_DEFAULTS = {"sample": 0, "turn": 1, "weight": 1.0}
_MESSAGES = 5


def preference_a() -> pl.Expr:
    """How far a is preferred, Float64 in [0, 1]: the probability, else the verdict (a 1, tie ½, b 0); null if it failed."""
    by_verdict = pl.col("verdict").replace_strict(
        {"a": 1.0, "tie": 0.5, "b": 0.0}, default=None, return_dtype=pl.Float64
    )
    return pl.when(pl.col("status") == "ok").then(pl.coalesce("probability", by_verdict)).alias("preference_a")


def judgements(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """`frame` as judgements: schema JUDGEMENT, or JUDGED where it has one of that schema's further columns.

    Columns it lacks are null, `sample` 0, `turn` 1; `verdict` is filled in from `probability` (above ½ a, below b, ½
    tie). Raises InputError beginning with `where` and naming the first row (from 1) that breaks a rule, how many more do, the rule and the value.
    """
    schema = JUDGED if set(frame.columns) & (set(JUDGED) - set(JUDGEMENT)) else JUDGEMENT
    reading = (
        pl.when(pl.col("probability") > 0.5)
        .then(pl.lit("a"))
        .when(pl.col("probability") < 0.5)
        .then(pl.lit("b"))
        .when(pl.col("probability") == 0.5)
        .then(pl.lit("tie"))
    )
    typed = _typed(frame, schema, where, required=("prompt_id", "model_a", "judge", "status"))
    # A probability beside a failure is refused below, so it must not look like a verdict first.
    filled = pl.when(pl.col("status") == "ok").then(pl.coalesce("verdict", reading)).otherwise("verdict")
    complete = typed.with_columns(verdict=filled)
    _check(complete, _JUDGEMENT_RULES, where)
    return complete


def answers(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """`frame` as answers (schema ANSWER): columns it lacks are null, `sample` 0, `turn` 1. Errors as in `judgements`."""
    typed = _typed(frame, ANSWER, where, required=("prompt_id", "generator"))
    _check(typed, _ANSWER_RULES, where)
    return typed


def prompts(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """`frame` as prompts (schema PROMPT); lists it lacks are empty. Errors as in `judgements`."""
    typed = _typed(frame, PROMPT, where, required=("prompt_id", "messages"))
    _check(typed, _PROMPT_RULES, where)
    return typed


def _absent(*names: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_null() for name in names)


def _outside(name: str, allowed: Sequence[str]) -> pl.Expr:
    return pl.col(name).is_not_null() & ~pl.col(name).is_in(list(allowed))


_SAID = pl.any_horizontal(pl.col(name).is_not_null() for name in ("verdict", "probability", "score"))
_IS_OK = pl.col("status") == "ok"
_IS_PAIR = pl.col("model_b").is_not_null()

# (rows that break the rule, the rule, the column to show)
_Rule = tuple[pl.Expr, str, str]
_JUDGEMENT_RULES: list[_Rule] = [
    (_absent("prompt_id"), "prompt_id is missing", "prompt_id"),
    (_absent("model_a"), "model_a is missing", "model_a"),
    (_absent("judge"), "judge is missing", "judge"),
    (_absent("status"), "status is missing", "status"),
    (_outside("status", STATUSES), f"status must be one of {', '.join(STATUSES)}", "status"),
    (_outside("verdict", VERDICTS), f"verdict must be one of {', '.join(VERDICTS)} or null", "verdict"),
    (_outside("first", ("a", "b")), "first must be a, b or null", "first"),
    (~pl.col("probability").is_between(0, 1), "probability must lie between 0 and 1", "probability"),
    (pl.col("score").is_finite().not_(), "score must be a number", "score"),
    (pl.col("sample") < 0, "sample counts from 0", "sample"),
    (pl.col("turn") < 1, "turn counts from 1", "turn"),
    (~_IS_OK & _SAID, "a judgement that failed has no verdict, probability or score", "status"),
    (_IS_OK & _IS_PAIR & _absent("verdict"), "a pair judged ok needs a verdict or a probability", "verdict"),
    (_IS_OK & ~_IS_PAIR & _absent("score"), "one answer (model_b null) judged ok needs a score", "score"),
    (~_IS_PAIR & pl.col("verdict").is_not_null(), "a verdict needs two models, but model_b is null", "verdict"),
]
_ANSWER_RULES: list[_Rule] = [
    (_absent("prompt_id"), "prompt_id is missing", "prompt_id"),
    (_absent("generator"), "generator is missing", "generator"),
    (_outside("finish", FINISHES), f"finish must be one of {', '.join(FINISHES)} or null", "finish"),
    (pl.col("sample") < 0, "sample counts from 0", "sample"),
]
_PROMPT_RULES: list[_Rule] = [
    (_absent("prompt_id"), "prompt_id is missing", "prompt_id"),
    (pl.col("messages").list.len() == 0, "a prompt needs at least one turn", "messages"),
    (pl.col("instruction").n_unique().over("prompt_id") > 1, "one prompt_id for different prompts", "prompt_id"),
]


def _typed(frame: pl.DataFrame, schema: pl.Schema, where: str, required: Sequence[str]) -> pl.DataFrame:
    if frame.is_empty():
        return pl.DataFrame(schema=schema)
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise InputError(f"{where}: no field {', '.join(missing)}; it has {', '.join(frame.columns)}")
    columns = []
    for name, dtype in schema.items():
        column = pl.col(name) if name in frame.columns else pl.lit(None, dtype).alias(name)
        if name in _DEFAULTS:
            column = column.fill_null(_DEFAULTS[name])
        columns.append(column.cast(dtype).fill_null([]) if isinstance(dtype, pl.List) else column.cast(dtype))
    try:
        return frame.select(columns)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.SchemaError) as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"{where}: a field is not of its type: {problem}") from error


def _check(frame: pl.DataFrame, rules: list[_Rule], where: str) -> None:
    broken = []
    for condition, rule, shown in rules:
        rows = frame.with_row_index("row", 1).filter(condition)
        if rows.height:
            more = f" and {rows.height - 1:,} more" if rows.height > 1 else ""
            broken.append(f"{where}: row {rows['row'][0]}{more}: {rule}; {shown} is {rows[shown][0]!r}")
    if broken:
        raise InputError("\n".join(broken[:_MESSAGES]))
