"""Stages that do only one of both: measure, or decide."""

from types import SimpleNamespace

import polars as pl

from curate.record import VERDICT, Decision, verdicts
from curate.stages import STAGES, only_decides

SHARD = pl.DataFrame({"id": ["a", "b"], "score": [1, 5]})


def decide(corpus, settings):
    return Decision(verdicts("low", "low_score", corpus.filter(pl.col("score") < settings)))


def test_a_stage_that_only_decides_measures_nothing_and_no_setting_asks_for_it_again():
    low = only_decides(SimpleNamespace(NEEDS=("score",), RULES={"low_score": "Few votes."}, decide=decide))
    assert low.measure(SHARD, 3).equals(SHARD.select("id"))
    assert low.measured_by(3) == low.measured_by(4)
    assert (low.NEEDS, low.RULES) == (("score",), {"low_score": "Few votes."})
    found = low.decide(SHARD, 3)
    assert found.verdicts["id"].to_list() == ["a"]
    assert found.scores.schema == {"id": pl.String}
    assert found.scores.is_empty()


def test_a_stage_that_only_measures_drops_nothing():
    found = STAGES["clean"].decide(SHARD, None)
    assert (found.verdicts.schema, found.verdicts.height, found.scores.height) == (VERDICT, 0, 0)
