"""The stage of quality: which score becomes `quality`, what is dropped, what is measured again."""

import json

import polars as pl
import pytest
from pydantic import ValidationError

from curate import embed
from curate.errors import ConfigError
from curate.lm import api, local, models
from curate.lm import reward as rewards
from curate.quality import ifd as difficulty
from curate.record import VERDICT, examples
from curate.stages import quality
from curate.stages.quality import Grade, Ifd, Reviewer, Reward, Settings
from curate.text import content_hashes

IFD = Ifd(model="models/m")


def corpus(**columns):
    """What `decide` sees, null but for `columns`."""
    height = len(next(iter(columns.values())))
    frame = pl.DataFrame({"id": [f"{i:02}" for i in range(height)], **columns})
    absent = {name: pl.lit(None) for name in quality.NEEDS if name not in columns}
    frame = frame.with_columns(**absent)
    return frame.with_columns(pl.col(pl.Null).cast(pl.Float64))


def losses(*ratios, **more):
    return corpus(loss_given=[r if r is None else 2.0 * r for r in ratios], loss_alone=[2.0] * len(ratios), **more)


def dropped(decision):
    return decision.verdicts.select("id", "rule", "value", "limit").sort("id").rows()


def rows(n, **more):
    return examples("s", [{"key": str(i), "prompt": f"q{i}", "response": f"a{i}", **more} for i in range(n)])


def test_nothing_is_on_by_default_and_nothing_is_loaded(monkeypatch):
    for module, name in ((local, "logprobs"), (rewards, "rewards"), (api, "ask"), (embed, "column")):
        monkeypatch.setattr(module, name, None)
    measured = quality.measure(rows(3), Settings())
    assert measured.columns == ["id", *[name for name in quality.NEEDS if name in measured.columns]]
    assert measured.drop("id").null_count().row(0) == (3,) * (measured.width - 1)
    decision = quality.decide(corpus(score=[1, 2]), Settings())
    assert decision.scores["quality"].dtype == pl.Float64
    assert decision.scores.drop("id").null_count().row(0) == (2,) * (decision.scores.width - 1)
    assert decision.verdicts.schema == VERDICT
    assert decision.verdicts.is_empty()
    assert quality.measured_by(Settings()) == {}


def test_an_empty_shard_has_the_schema_of_a_full_one():
    assert quality.measure(rows(0), Settings()).schema == quality.measure(rows(3), Settings()).schema
    assert quality.decide(corpus(score=[1]).clear(), Settings()).scores.is_empty()


def test_what_the_instruction_does_not_help_is_dropped_and_the_hardest_of_the_rest_is_best():
    # data-juicer's filter keeps 1 to 100 by default: the two examples that Cherry_LLM and Superfiltering discard.
    for use in ("ifd", "superfilter"):
        decision = quality.decide(losses(0.3, 0.95, 1.0, 1.7, None), Settings(ifd=IFD, use=use))
        assert dropped(decision) == [("02", "max_ifd", 1.0, 1.0), ("03", "max_ifd", 1.7, 1.0)]
        by_quality = decision.scores.drop_nulls("quality").sort("quality", descending=True)
        assert by_quality["id"].to_list() == ["01", "00"]
    assert decision.scores["superfilter"].to_list()[0] == pytest.approx(2.718281828 ** (2.0 * (0.3 - 1)), abs=1e-4)


def test_the_limit_can_be_moved_and_taken_away_but_a_ratio_of_one_is_never_quality():
    strict, loose = (
        quality.decide(losses(0.3, 0.95, 1.7), Settings(ifd=Ifd(model="m", max_ifd=limit), use="ifd"))
        for limit in (0.9, None)
    )
    assert dropped(strict) == [("01", "max_ifd", 0.95, 0.9), ("02", "max_ifd", 1.7, 0.9)]
    assert dropped(loose) == []
    assert loose.scores["quality"].to_list() == [0.3, 0.95, None]


def test_the_two_ratios_order_differently():
    frame = corpus(loss_given=[0.1, 3.6], loss_alone=[0.2, 4.0])
    by_loss, by_perplexity = (
        quality.decide(frame, Settings(ifd=IFD, use=use)).scores["quality"].to_list() for use in ("ifd", "superfilter")
    )
    assert by_loss == [0.5, 0.9]
    assert by_perplexity == [0.9048, 0.6703]


def test_grades_and_rewards_below_their_limits_are_dropped_and_a_missing_one_is_not():
    frame = corpus(
        grade=[5.0, 4.5, 4.0, None], grade_status=["ok", "ok", "ok", "refused"], reward=[-1.0, 0.0, 2.0, None]
    )
    settings = Settings(
        grade=Grade(model="m", scale="accuracy", min_grade=4.5), reward=Reward(model="m", min_reward=0), use="grade"
    )
    decision = quality.decide(frame, settings)
    assert dropped(decision) == [("00", "min_reward", -1.0, 0.0), ("02", "min_grade", 4.0, 4.5)]
    assert decision.scores["quality"].to_list() == [5.0, 4.5, 4.0, None]
    assert decision.scores["grade_status"].to_list() == ["ok", "ok", "ok", "refused"]
    off = quality.decide(frame, Settings(grade=Grade(model="m"), reward=Reward(model="m"), use="reward"))
    assert dropped(off) == []
    assert off.scores["quality"].to_list() == [-1.0, 0.0, 2.0, None]


def test_percentiles_count_within_the_stratum():
    frame = corpus(
        reward=[1.0, 2.0, 3.0, 10.0, 10.0, None],
        source=["a", "a", "a", "a", "a", "a"],
        stratum=["x", "x", "x", "code", "code", "code"],
    )
    settings = Settings(reward=Reward(model="m"), use="reward")
    plain, within = (
        quality.decide(frame, settings.model_copy(update={"within_strata": on})).scores for on in (False, True)
    )
    percentiles = [0.1667, 0.5, 0.8333, 0.5, 0.5, None]
    assert plain["quality_percentile"].to_list() == within["quality"].to_list() == percentiles
    assert plain["quality"].to_list() == [1.0, 2.0, 3.0, 10.0, 10.0, None]


def test_the_order_of_rows_changes_nothing():
    frame = losses(0.3, 0.95, 1.0, 1.7, None, stratum=["a", "b", "a", "b", "a"])
    one, two = (quality.decide(f, Settings(ifd=IFD, use="ifd")) for f in (frame, frame.reverse()))
    assert one.scores.equals(two.scores)
    assert one.verdicts.sort("id").equals(two.verdicts.sort("id"))


def test_a_score_that_is_off_cannot_be_used():
    for use, section in (("ifd", "ifd"), ("superfilter", "ifd"), ("grade", "grade"), ("reviewer", "reviewer")):
        with pytest.raises(ValidationError, match=f"use is {use}, but quality.{section} is null"):
            Settings(use=use)


def test_measure_asks_each_model_once_and_says_what_it_said(monkeypatch):
    def logprobs(contexts, continuations, settings):
        table = {"logprob": [-len(context) / 7 - 1 for context in contexts], "tokens": [3] * len(contexts)}
        return pl.DataFrame(table).with_columns(greedy=True, status=pl.lit("ok"))

    monkeypatch.setattr(local, "logprobs", logprobs)
    graded = api.Answer("4", "ok", "", 1, None, None)
    monkeypatch.setattr(api, "ask", lambda conversations, _: [graded] * len(conversations))
    given = pl.DataFrame({"reward": [0.123456, None], "status": ["ok", "too_long"]})
    monkeypatch.setattr(rewards, "rewards", lambda *_: given)
    settings = Settings(ifd=IFD, grade=Grade(model="m"), reward=Reward(model="m"))
    measured = quality.measure(rows(2), settings)
    assert measured["grade"].to_list() == [4.0, 4.0]
    assert measured["reward"].to_list() == [0.1235, None]
    assert measured["reward_status"].to_list() == ["ok", "too_long"]
    context = difficulty.context(
        [{"role": "user", "content": "q0"}, {"role": "assistant", "content": ""}], IFD.template
    )
    assert measured["loss_given"][0] == round((len(context) / 7 + 1) / 3, 6)
    assert measured["loss_alone"].to_list() == [0.333333] * 2
    assert measured.schema == quality.measure(rows(2), Settings()).schema


def test_what_is_measured_depends_on_models_and_wording_and_not_on_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "fingerprint", lambda folder: f"weights of {folder}")
    base = quality.measured_by(Settings(ifd=IFD, grade=Grade(model="m"), reward=Reward(model="r")))
    json.dumps(base)

    def changed(**sections):
        settings = {"ifd": IFD, "grade": Grade(model="m"), "reward": Reward(model="r"), **sections}
        return quality.measured_by(Settings(**settings)) != base

    assert not changed(ifd=Ifd(model="models/m", max_ifd=0.8), use="ifd", within_strata=True)
    assert not changed(grade=Grade(model="m", min_grade=4, concurrency=1, retries=1, timeout_seconds=3, key_env=None))
    assert not changed(reward=Reward(model="r", min_reward=1))
    assert changed(ifd=Ifd(model="models/other"))
    assert changed(ifd=Ifd(model="models/m", template=difficulty.Template(opening="")))
    assert changed(ifd=Ifd(model="models/m", window=64))
    assert changed(grade=Grade(model="m", scale="accuracy"))
    assert changed(grade=Grade(model="m", seed=7))
    assert changed(reward=Reward(model="r", precision="bfloat16"))
    assert changed(reward=None)


@pytest.fixture
def reviewed(tmp_path, monkeypatch):
    """Forty examples, the first 36 decided on: the longer answers kept, and what `decide` sees of them."""
    frame = rows(40)
    lengths = [100 * (i % 10) for i in range(40)]
    path = tmp_path / "decisions.jsonl"
    log = zip(content_hashes(frame)[:36], lengths, strict=False)
    decisions = [{"content": content, "decision": "keep" if length > 400 else "reject"} for content, length in log]
    path.write_text("".join(json.dumps(row) + "\n" for row in decisions))
    monkeypatch.setattr(embed, "fingerprint", lambda settings: f"encoder {settings.model}")
    vectors = pl.Series("text", [[1.0, 0.0]] * 40, dtype=pl.Array(pl.Float32, 2))
    monkeypatch.setattr(embed, "column", lambda texts, _: vectors.head(len(texts)))
    settings = Settings(reviewer=Reviewer(decisions=path), use="reviewer")
    measured = quality.measure(frame, settings)
    others = corpus(response_chars=lengths).drop(measured.columns)
    return settings, others.hstack(measured).select("id", *quality.NEEDS)


def test_the_reviewers_score_follows_the_reviewer_and_says_how_well(reviewed):
    settings, frame = reviewed
    decision = quality.decide(frame, settings)
    both = decision.scores.join(frame, on="id").sort("response_chars")
    assert both["quality"].is_sorted()
    assert both["reviewer_decisions"].unique().to_list() == [36]
    assert both["reviewer_auc"][0] == 1.0
    assert 0.8 < both["reviewer_auc_low"][0] < 1.0 == both["reviewer_auc_high"][0]
    assert quality.decide(frame.reverse(), settings).scores.equals(decision.scores)


def test_only_what_the_reviewer_has_not_decided_on_can_fall_by_the_score(reviewed):
    settings, frame = reviewed
    strict = settings.model_copy(update={"reviewer": settings.reviewer.model_copy(update={"min_keep": 1.0})})
    verdicts = quality.decide(frame, strict).verdicts
    undecided = set(content_hashes(rows(40))[36:])
    assert set(frame.filter(pl.col("id").is_in(verdicts["id"].to_list()))["content"]) == undecided
    assert set(verdicts["rule"]) == {"min_keep"}
    assert verdicts["detail"][0].startswith("AUC 1.0 (0.")
    assert verdicts["detail"][0].endswith("from 36 decisions")
    assert quality.decide(frame, settings).verdicts.is_empty()


def test_another_encoder_is_measured_again_a_new_decision_is_not_and_a_missing_log_is_one_line(reviewed, tmp_path):
    settings, frame = reviewed
    before = quality.measured_by(settings)
    other = settings.reviewer.model_copy(update={"encoder": embed.Settings(model="other")})
    assert quality.measured_by(settings.model_copy(update={"reviewer": other})) != before
    log = settings.reviewer.decisions
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-7]))
    # Decisions are for `decide`; the driver stamps their file.
    assert quality.measured_by(settings) == before
    with pytest.raises(ConfigError, match="29 of 29 decisions"):
        quality.decide(frame, settings)
    log.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        quality.measured_by(settings)
