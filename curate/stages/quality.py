"""Quality: how hard an example is for a model, what a reward model, a grader or the reviewer would say of it.

All of it is off by default. `use` names the score that later stages order by, as the column `quality`: higher is better.
"""

from hashlib import sha256
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from curate import embed
from curate.chat import to_messages
from curate.config import Strict
from curate.lm import api, models, reward
from curate.quality import grade, ifd, reviewer
from curate.record import Decision, verdicts
from curate.rules.table import TABLE
from curate.text import content_hashes, conversation

# What the reviewer's score is learned from, beside the text: every value that a rule compares, if it was measured.
VALUES = tuple(dict.fromkeys(rule.column for rule in TABLE if rule.comparison != "one of"))
_NUMBERS = {
    "loss_given": pl.Float64,
    "loss_alone": pl.Float64,
    "loss_tokens": pl.UInt32,
    "ifd_status": pl.String,
    "reward": pl.Float64,
    "reward_status": pl.String,
    "grade": pl.Float64,
    "grade_status": pl.String,
    "content": pl.String,
}
NEEDS = ("source", "stratum", *VALUES, *_NUMBERS, "quality_vector")

RULES = {
    "max_ifd": (
        "The instruction does not make the answer any likelier: the answer's mean loss given the instruction is this many"
        " times that of the answer alone, or more (Cherry_LLM and Superfiltering keep ratios below 1)."
    ),
    "min_reward": "The reward model gives the answer less than this (MoDS keeps rewards above a limit).",
    "min_grade": "The grader gives the answer less than this (AlpaGasus keeps 4.5 and above of 5).",
    "min_keep": (
        "The reviewer has not decided on this example, and by the decisions on others would keep it with less than this"
        " probability (this project)."
    ),
}

Score = Literal["ifd", "superfilter", "reward", "grade", "reviewer"]


class Ifd(models.Settings):
    """Instruction-following difficulty under a causal model: ratio of losses (ifd) and of perplexities (superfilter)."""

    template: ifd.Template = Field(ifd.Template(), description="how the conversation is written for the model")
    max_ifd: float | None = Field(1.0, gt=0, description="the ratio of losses is below this; null: no limit")


class Reward(models.Settings):
    """A reward model: sequence classification with one output."""

    min_reward: float | None = Field(None, description="the reward is at least this; null: no limit")


class Grade(api.Settings):
    """A language model that grades, behind an endpoint."""

    scale: grade.Scale = Field("helpfulness", description="helpfulness: 1 to 6 (LIMA); accuracy: 0 to 5 (AlpaGasus)")
    min_grade: float | None = Field(None, description="the grade is at least this (AlpaGasus: 4.5); null: no limit")


class Reviewer(Strict):
    """A logistic regression on the reviewer's own decisions."""

    decisions: Path = Field(description="JSON Lines with `content` (hash) and `decision` (keep or reject)")
    encoder: embed.Settings = Field(embed.Settings(), description="what turns the texts into vectors")
    min_keep: float | None = Field(
        None, ge=0, le=1, description="the probability of a keep is at least this; null: no limit"
    )


class Settings(Strict):
    """Which scores are taken, and which of them is the quality that later stages order by."""

    ifd: Ifd | None = Field(None, description="difficulty for a local language model; null: off")
    reward: Reward | None = Field(None, description="a local reward model; null: off")
    grade: Grade | None = Field(None, description="grades by a language model behind an endpoint; null: off")
    reviewer: Reviewer | None = Field(None, description="a score learned from the reviewer's decisions; null: off")
    use: Score | None = Field(None, description="the score that becomes `quality`; null: none")
    within_strata: bool = Field(
        False, description="quality is the percentile within the example's stratum (code and prose differ in loss)"
    )

    @model_validator(mode="after")
    def _used_is_on(self) -> "Settings":
        section = "ifd" if self.use == "superfilter" else self.use
        if section and getattr(self, section) is None:
            raise ValueError(
                f"quality.use is {self.use}, but quality.{section} is null: give its settings, or use null"
            )
        return self


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: models, template, question and encoder."""
    parts: dict[str, object] = {}
    if settings.ifd:
        template = settings.ifd.template.model_dump()
        parts["ifd"] = [*_model(settings.ifd), template]
    if settings.reward:
        parts["reward"] = _model(settings.reward)
    if settings.grade:
        parts["grade"] = grade.identity(settings.grade.scale, settings.grade)
    if settings.reviewer:
        # Read now, so that a build does not end after hours at decisions that cannot be read.
        reviewer.decisions(settings.reviewer.decisions)
        parts["reviewer"] = embed.fingerprint(settings.reviewer.encoder)
    return parts


def _model(settings: models.Settings) -> list[object]:
    return [models.fingerprint(settings.model), settings.precision, settings.window]


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id`, what each score is made of, and for each model's score a status; null columns for what is off.

    `loss_given`, `loss_alone`, `loss_tokens`, `ifd_status`: see `curate.quality.ifd.losses`; `reward` and `grade` with
    their statuses: see `curate.lm.reward` and `curate.quality.grade`; `content` and `quality_vector` (Array(Float32, d))
    for the reviewer's score. Raises ConfigError where a model is missing or an endpoint cannot be used.
    """
    columns = [shard.select("id")]
    if settings.ifd:
        columns.append(
            ifd.losses(shard, settings.ifd, settings.ifd.template).with_columns(pl.selectors.float().round(6))
        )
    if settings.reward:
        rows = shard.select("system", "history", "prompt", "prompt_role", "response").to_dicts()
        given = reward.rewards([to_messages(row) for row in rows], settings.reward)
        columns.append(given.select(pl.col("reward").round(4), reward_status="status"))
    if settings.grade:
        columns.append(grade.grades(shard, settings.grade.scale, settings.grade))
    vector = pl.Series("quality_vector", [None] * shard.height, dtype=pl.Array(pl.Float32, 1))
    if settings.reviewer:
        texts = shard.select(text=conversation())["text"]
        vector = embed.column(texts, settings.reviewer.encoder).alias("quality_vector")
        columns.append(pl.DataFrame(content_hashes(shard)))
    measured = pl.concat(columns, how="horizontal")
    absent = {name: pl.lit(None) for name in _NUMBERS if name not in measured.columns}
    return measured.with_columns(**absent).select(
        "id", *(pl.col(name).cast(dtype) for name, dtype in _NUMBERS.items()), vector
    )


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for each limit that a row does not hold; rows without a score pass. For all rows the scores:

    `quality` (Float64, higher is better: the score that `use` names; null where there is none, and where a ratio of 1 or
    more says that the instruction is no help), `quality_percentile` (in (0, 1), within source and stratum), `ifd`,
    `superfilter`, `ifd_template` (which template, as 8 hex digits), `reviewer` (probability of a keep) with `reviewer_auc`,
    its 95 % interval `reviewer_auc_low` and `reviewer_auc_high`, and `reviewer_decisions`; the statuses. Raises ConfigError where
    there are too few decisions to learn from.
    """
    rows = corpus.sort("id").with_columns(ifd=ifd.IFD.round(4), superfilter=ifd.SUPERFILTER.round(4))
    rows = _with_reviewer(rows, settings.reviewer)
    chosen = {"ifd": _below_one("ifd"), "superfilter": _below_one("superfilter"), None: pl.lit(None)}
    score = chosen.get(settings.use, pl.col(str(settings.use))).cast(pl.Float64)
    place = pl.col("quality").rank("average").over("source", "stratum")
    count = pl.col("quality").count().over("source", "stratum")
    rows = rows.with_columns(quality=score).with_columns(quality_percentile=((place - 0.5) / count).round(4))
    if settings.within_strata:
        rows = rows.with_columns(quality=pl.col("quality_percentile"))
    template = sha256(settings.ifd.template.model_dump_json().encode()).hexdigest()[:8] if settings.ifd else None
    scores = rows.select(
        "id",
        "quality",
        "quality_percentile",
        "ifd",
        "superfilter",
        "ifd_status",
        pl.lit(template, pl.String).alias("ifd_template"),
        "reward_status",
        "grade_status",
        "reviewer",
        "reviewer_auc",
        "reviewer_auc_low",
        "reviewer_auc_high",
        "reviewer_decisions",
    )
    return Decision(_failing(rows, settings), scores)


def _below_one(column: str) -> pl.Expr:
    return pl.when(pl.col(column) < 1).then(pl.col(column))


def _with_reviewer(rows: pl.DataFrame, settings: Reviewer | None) -> pl.DataFrame:
    """`rows`, in the order of ids, with the reviewer's score and the AUC it holds by; nulls where it is off."""
    names = ("reviewer", "reviewer_auc", "reviewer_auc_low", "reviewer_auc_high")
    if settings is None:
        off = {name: pl.lit(None, pl.Float64) for name in names}
        return rows.with_columns(**off, reviewer_decisions=pl.lit(None, pl.UInt32))
    decided = reviewer.decisions(settings.decisions)
    values = rows.select(pl.col(name).cast(pl.Float64) for name in VALUES).to_numpy()
    learned = reviewer.learn(values, embed.matrix(rows["quality_vector"]), rows["content"], decided)
    return rows.with_columns(
        pl.Series("reviewer", learned.scores).round(4),
        *(pl.lit(round(value, 4)).alias(name) for name, value in zip(names[1:], learned.auc, strict=True)),
        reviewer_decisions=pl.lit(learned.decisions, pl.UInt32),
    )


def _failing(rows: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The verdicts, in the order of RULES."""
    limits = {
        "max_ifd": ("ifd", settings.ifd.max_ifd if settings.ifd else None),
        "min_reward": ("reward", settings.reward.min_reward if settings.reward else None),
        "min_grade": ("grade", settings.grade.min_grade if settings.grade else None),
        "min_keep": ("reviewer", settings.reviewer.min_keep if settings.reviewer else None),
    }
    found = [verdicts("quality", "max_ifd", rows.select("id").clear())]
    for rule, (column, limit) in limits.items():
        if limit is not None:
            failing = rows.filter(pl.col(column) >= limit if rule == "max_ifd" else pl.col(column) < limit)
            if rule == "min_keep" and settings.reviewer:
                # The reviewer's own word stands, whatever the model makes of it.
                failing = failing.join(reviewer.decisions(settings.reviewer.decisions), on="content", how="anti")
            detail = _how_sure() if rule == "min_keep" else pl.lit(None, pl.String)
            held = failing.select("id", value=column, limit=pl.lit(limit, pl.Float64), detail=detail)
            found.append(verdicts("quality", rule, held))
    return pl.concat(found)


def _how_sure() -> pl.Expr:
    columns = ("reviewer_auc", "reviewer_auc_low", "reviewer_auc_high", "reviewer_decisions")
    return pl.format("AUC {} ({} to {}) out of fold, from {} decisions", *columns)
