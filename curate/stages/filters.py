"""Filters: one comparison a rule, over columns that `measure` takes of each row by itself.

The rules stand in `curate.rules.table`, what they measure in `curate.rules`. A rule's limit is the setting of its name;
`profiles` changes single limits for one source. Moving a limit needs no new measurement.
"""

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_serializer

from curate.config import Strict
from curate.errors import ConfigError
from curate.record import Decision, verdicts
from curate.rules import alpaca, flags, length, masks, repetition, sarcasm, voice
from curate.rules.table import BY_NAME, TABLE, Limit, Rule
from curate.text import conversation

RULES = {rule.name: f"{rule.sentence} ({rule.source})" for rule in TABLE}

# Columns of the EXAMPLE frame that rules compare as they are; all other columns of the table are measured here.
GIVEN = ("score", "context_chars")
_DTYPES = {
    **dict.fromkeys(("response_chars", "response_words", "response_tokens", "prompt_chars"), pl.UInt32),
    **dict.fromkeys(("first_person", "refers_to_others", "nsfw"), pl.UInt32),
    **{rule.column: pl.Boolean for rule in TABLE if rule.comparison in ("never", "always")},
    "language": pl.String,
}
MEASURED = {
    **{rule.column: _DTYPES.get(rule.column, pl.Float64) for rule in TABLE if rule.column not in GIVEN},
    "language_confidence": pl.Float64,
}
NEEDS = ("source", *GIVEN, *MEASURED)
# A detector that wavers between languages has seen a list of names: no reason to drop a row.
MIN_CONFIDENCE = 0.9
# Measured on the text as it is; everything else needs the masks.
_LENGTHS = {"response_chars", "response_words", "response_tokens", "prompt_chars"}
# Measured for every row or for none; the others are null for rows that their rule does not judge.
_COMPLETE = {"response_tokens", "sarcasm", "first_person", "refers_to_others", "response_words", "nsfw"}


def _limit(name: str) -> Any:  # noqa: ANN401 - pydantic's own signature for Field
    rule = BY_NAME[name]
    numeric = rule.comparison in ("at least", "at most") and rule.column not in GIVEN
    return Field(rule.default, description=rule.sentence, ge=0 if numeric else None)


class Defaults(Strict):
    """The limit of each rule; None switches the rule off."""

    min_chars: int | None = _limit("min_chars")
    max_chars: int | None = _limit("max_chars")
    min_words: int | None = _limit("min_words")
    max_words: int | None = _limit("max_words")
    min_tokens: int | None = _limit("min_tokens")
    max_tokens: int | None = _limit("max_tokens")
    min_prompt_chars: int | None = _limit("min_prompt_chars")
    max_prompt_chars: int | None = _limit("max_prompt_chars")
    max_context_chars: int | None = _limit("max_context_chars")
    min_score: int | None = _limit("min_score")
    self_contained_title: bool | None = _limit("self_contained_title")
    first_person: int | None = _limit("first_person")
    refers_to_others: int | None = _limit("refers_to_others")
    sarcasm: float | None = _limit("sarcasm")
    languages: tuple[str, ...] = Field(("en",), description="languages that answers may be in (ISO 639-1); empty: any")
    refusal: bool | None = _limit("refusal")
    hallucinated_input: bool | None = _limit("hallucinated_input")
    merged_instructions: bool | None = _limit("merged_instructions")
    empty_output: bool | None = _limit("empty_output")
    empty_code: bool | None = _limit("empty_code")
    asks_for_image: bool | None = _limit("asks_for_image")
    not_applicable: bool | None = _limit("not_applicable")
    no_input_marker: bool | None = _limit("no_input_marker")
    wrong_arithmetic: bool | None = _limit("wrong_arithmetic")
    unclear_prompt: bool | None = _limit("unclear_prompt")
    stray_escapes: bool | None = _limit("stray_escapes")
    deleted: bool | None = _limit("deleted")
    bot: bool | None = _limit("bot")
    over_18: bool | None = _limit("over_18")
    stickied: bool | None = _limit("stickied")
    nsfw: int | None = _limit("nsfw")
    duplicate_lines: float | None = _limit("duplicate_lines")
    duplicate_paragraphs: float | None = _limit("duplicate_paragraphs")
    top_ngrams: float | None = _limit("top_ngrams")
    duplicate_ngrams: float | None = _limit("duplicate_ngrams")
    symbol_ratio: float | None = _limit("symbol_ratio")
    word_length: tuple[float, float] | None = _limit("word_length")
    alpha_words: float | None = _limit("alpha_words")
    bullet_lines: float | None = _limit("bullet_lines")
    ellipsis_lines: float | None = _limit("ellipsis_lines")


class Limits(Defaults):
    """Limits of one source: what is not given here is as for all sources; an explicit null switches a rule off."""

    def given(self) -> dict[str, Any]:
        """The limits that this profile sets, null included."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Settings(Defaults):
    """Limits for all sources, and changes to them for single sources."""

    tokenizer: Path | None = Field(
        None,
        description="a tokenizer.json, or a folder with one, that counts tokens; null: all-MiniLM-L6-v2's WordPiece",
    )
    profiles: dict[str, Limits] = Field({}, description="limits of single sources, by the source's name in the recipe")

    @field_serializer("profiles")
    def _only_what_is_given(self, profiles: dict[str, Limits]) -> dict[str, dict[str, Any]]:
        # Written out in full, a profile would read as one that sets every limit.
        return {
            source: profile.model_dump(mode="json", include=set(profile.given()))
            for source, profile in profiles.items()
        }


def limits(rule: Rule, settings: Settings) -> tuple[Limit, dict[str, Limit]]:
    """The limit of a rule for all sources, and for each source whose profile sets another; None where it is off.

    For flags the limit is the number that the flag, as 0 or 1, is compared with.
    """
    setting = "languages" if rule.name == "language" else rule.name

    def active(limit: Limit) -> Limit:
        if limit is None or limit is False or limit == ():
            return None
        return {"never": 0, "always": 1}.get(rule.comparison, limit)

    own = {source: profile.given() for source, profile in settings.profiles.items()}
    by_source = {source: active(given[setting]) for source, given in own.items() if setting in given}
    return active(getattr(settings, setting)), by_source


def is_on(rule: Rule, settings: Settings) -> bool:
    """Whether the rule has a limit for any source."""
    general, by_source = limits(rule, settings)
    return general is not None or any(limit is not None for limit in by_source.values())


def _wanted(settings: Settings) -> set[str]:
    """The columns that some limit asks for; the length is always of interest."""
    return {rule.column for rule in TABLE if is_on(rule, settings)} | {"response_chars"}


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: the columns that some limit asks for, and the tokenizer. Not the limits."""
    return [sorted(_wanted(settings)), str(settings.tokenizer)]


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id` and the columns in MEASURED of a frame with the EXAMPLE columns; null where no limit asks for a column.

    The prompt's measures read `prompt`; those of length read `response`; all others read what the assistant says in all
    turns, without code. Raises ConfigError where the tokenizer is missing.
    """
    from curate.rules import scan  # numba

    wanted = _wanted(settings)
    frame = shard
    if wanted - _LENGTHS:
        prose = shard.lazy().with_columns(prose=masks.prose(conversation(responses_only=True)))
        frame = prose.with_columns(voice=masks.voice(pl.col("prose"))).collect()
    expressions = {
        **length.EXPRESSIONS,
        **voice.EXPRESSIONS,
        **alpaca.EXPRESSIONS,
        **flags.EXPRESSIONS,
        "refers_to_others": voice.refers_to_others(pl.col("voice")),
        "refusal": voice.refusal(pl.col("voice")),
        "stray_escapes": alpaca.stray_escapes(pl.col("voice")),
        "sarcasm": sarcasm.score(),
    }
    if wanted & repetition.EXPRESSIONS.keys():
        frame = frame.hstack(scan.words(frame["prose"]))
        expressions |= repetition.EXPRESSIONS
    measured = frame.select(
        "id", **{name: expressions[name] for name in MEASURED if name in wanted & expressions.keys()}
    )
    for name, few, expression in (
        ("first_person", voice.may_be_first_person, voice.first_person(pl.col("voice"))),
        ("hallucinated_input", alpaca.may_hallucinate_input, alpaca.hallucinated_input),
    ):
        if name in wanted:
            zero = pl.repeat(0, pl.len(), dtype=pl.UInt32).cast(MEASURED[name])
            measured = measured.with_columns(masks.where(frame, few, expression, otherwise=zero).alias(name))
    if "response_words" in wanted:
        measured = measured.with_columns(response_words=scan.words(frame["response"], ngrams=False)["words"])
    if "response_tokens" in wanted:
        measured = measured.with_columns(length.tokens(frame["response"], settings.tokenizer))
    if "wrong_arithmetic" in wanted:
        measured = measured.with_columns(alpaca.wrong_arithmetic(frame["prompt"], frame["response"]))
    if "language" in wanted:
        from curate.rules import language

        measured = measured.hstack(language.detect(masks.opening(frame)).select("language", "language_confidence"))
    absent = {name: pl.lit(None) for name in MEASURED if name not in measured.columns}
    return measured.with_columns(**absent).select("id", *(pl.col(name).cast(dtype) for name, dtype in MEASURED.items()))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for every rule that a row fails: its value and the limit it was held against; no scores.

    Reads `id` and NEEDS. Verdicts come in the order of the table, then of the corpus. For `language` the value is the
    confidence and the detail the language found. Raises ConfigError where a limit is set on a column that was not measured.
    """
    found = []
    for rule in TABLE:
        if not is_on(rule, settings):
            continue
        if rule.column in _COMPLETE and corpus.height and corpus[rule.column].null_count() == corpus.height:
            raise ConfigError(
                f"filters.{rule.name}: {rule.column} was not measured in this run; build again with this limit set"
            )
        found.append(verdicts("filters", rule.name, _failing(corpus, rule, settings)))
    return Decision(pl.concat(found) if found else verdicts("filters", "", corpus.select("id").clear()))


def _failing(corpus: pl.DataFrame, rule: Rule, settings: Settings) -> pl.DataFrame:
    """The rows that fail a rule: `id`, `value`, `limit`, and `detail` for the rule of language."""
    general, by_source = limits(rule, settings)
    if rule.comparison == "one of":
        kept = _by_source(general, by_source, lambda allowed: pl.col(rule.column).is_in([*allowed, "und"]), pl.Boolean)
        foreign = corpus.filter(~kept & (pl.col("language_confidence") >= MIN_CONFIDENCE))
        return foreign.select("id", value="language_confidence", limit=pl.lit(MIN_CONFIDENCE), detail=rule.column)
    value = pl.col(rule.column).cast(pl.Float64)
    if rule.comparison == "within":
        low = _by_source(general, by_source, lambda pair: pl.lit(float(pair[0])), pl.Float64)
        high = _by_source(general, by_source, lambda pair: pl.lit(float(pair[1])), pl.Float64)
        limit = pl.when(value < low).then(low).when(value > high).then(high)
        return corpus.select("id", value=value, limit=limit).drop_nulls("limit")
    held = corpus.select(
        "id", value=value, limit=_by_source(general, by_source, lambda number: pl.lit(float(number)), pl.Float64)
    )
    if rule.comparison in ("at least", "always"):
        return held.filter(pl.col("value") < pl.col("limit"))
    return held.filter(pl.col("value") > pl.col("limit"))


def _by_source(general: Limit, by_source: dict[str, Limit], make: Any, dtype: Any) -> pl.Expr:  # noqa: ANN401
    """`make(limit)` with the limit of each row's source; null where the rule is off."""

    def made(limit: Limit) -> pl.Expr:
        return pl.lit(None, dtype) if limit is None else make(limit)

    chain: pl.Expr = made(general)
    for source, limit in by_source.items():
        chain = pl.when(pl.col("source") == source).then(made(limit)).otherwise(chain)
    return chain


def kill_rates(frame: pl.DataFrame, settings: Settings, profile: str | None) -> pl.DataFrame:
    """What each rule would drop of a set that is known to be good: rows `rule`, `dropped` (UInt32), `share` (in [0, 1]).

    `frame` is a cleaned EXAMPLE frame; it is held against the limits of the source `profile`, or of no source in
    particular. One row for each rule with a limit there, in the order of the table, and a last row `any`.
    """
    corpus = frame.with_columns(source=pl.lit(profile, pl.String))
    found = decide(corpus.select("source", *GIVEN).hstack(measure(corpus, settings)), settings).verdicts
    per_rule = dict(found.group_by("rule").len().iter_rows())
    own = [
        rule.name
        for rule in TABLE
        if limits(rule, settings)[1].get(profile or "", limits(rule, settings)[0]) is not None
    ]
    dropped = [*(per_rule.get(name, 0) for name in own), found["id"].n_unique()]
    rates = pl.DataFrame({"rule": [*own, "any"], "dropped": dropped}, schema_overrides={"dropped": pl.UInt32})
    return rates.with_columns(share=pl.col("dropped") / max(frame.height, 1))
