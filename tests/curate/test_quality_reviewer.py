"""The score that is learned from the reviewer's decisions."""

import json

import numpy as np
import polars as pl
import pytest

from curate.decisions import hashes
from curate.errors import ConfigError, InputError
from curate.quality import reviewer
from curate.quality.reviewer import auc, learn

RULES, DIMENSIONS = 12, 64


def corpus(n, seed=0):
    """Rule values, vectors and contents of n rows without any structure."""
    random = np.random.default_rng(seed)
    contents = pl.Series([f"{i:032x}" for i in range(n)])
    return random.normal(size=(n, RULES)), random.normal(size=(n, DIMENSIONS)), contents


def log(contents, keep):
    return pl.DataFrame({"content": list(contents), "keep": [bool(one) for one in keep]})


def test_a_planted_rule_on_a_value_is_learned():
    values, vectors, contents = corpus(300)
    keep = values[:, 3] > 0.2
    learned = learn(values, vectors, contents, log(contents[:150], keep[:150]))
    assert learned.auc.value > 0.9
    assert learned.auc.low > 0.8
    assert learned.decisions == 150
    assert auc(learned.scores[150:], keep[150:].astype(int)).value > 0.9


def test_a_direction_of_the_vectors_is_learned():
    values, vectors, contents = corpus(300)
    vectors[:, :8] += 1.5 * np.sign(vectors[:, :1])
    learned = learn(values, vectors, contents, log(contents, vectors[:, 0] > 0))
    assert learned.auc.value > 0.9


def test_coin_flips_are_not_learned():
    values, vectors, contents = corpus(200)
    keep = np.random.default_rng(1).integers(0, 2, 200)
    learned = learn(values, vectors, contents, log(contents, keep))
    assert 0.35 < learned.auc.value < 0.65
    assert learned.auc.low < 0.5 < learned.auc.high


def test_fewer_than_thirty_decisions_are_refused_and_thirty_are_not():
    values, vectors, contents = corpus(60)
    keep = np.arange(60) % 2
    with pytest.raises(
        ConfigError, match=r"29 of 29 decisions .* 14 to keep and 15 to reject; a score is learned from 30"
    ):
        learn(values, vectors, contents, log(contents[:29], keep[:29]))
    assert learn(values, vectors, contents, log(contents[:30], keep[:30])).decisions == 30


def test_decisions_on_other_examples_do_not_count():
    values, vectors, contents = corpus(40)
    strangers = log([f"x{i}" for i in range(40)], np.arange(40) % 2)
    mixed = pl.concat([strangers, log(contents[:20], np.arange(20) % 2)])
    with pytest.raises(ConfigError, match="20 of 60 decisions speak of examples that reach this stage"):
        learn(values, vectors, contents, mixed)


@pytest.mark.parametrize("kept", [0, 1, 39, 40])
def test_decisions_of_one_kind_alone_are_refused(kept):
    values, vectors, contents = corpus(40)
    with pytest.raises(ConfigError, match=f"{kept} to keep and {40 - kept} to reject"):
        learn(values, vectors, contents, log(contents, np.arange(40) < kept))


def test_the_order_of_decisions_changes_nothing():
    values, vectors, contents = corpus(80)
    decided = log(contents, values[:, 0] > 0)
    one, two = learn(values, vectors, contents, decided), learn(values, vectors, contents, decided.reverse())
    assert one.auc == two.auc
    assert (one.scores == two.scores).all()


def test_copies_of_a_text_are_one_decision():
    values, vectors, contents = corpus(40)
    decided = log(contents, np.arange(40) % 2)
    twice = [np.concatenate([part, part]) for part in (values, vectors)]
    assert learn(*twice, pl.concat([contents, contents]), decided).decisions == 40


def test_missing_and_constant_values_do_no_harm():
    values, vectors, contents = corpus(60)
    keep = values[:, 0] > 0
    values[::7, 0] = np.nan
    values[:, 1], values[:, 2] = np.nan, 0.1 + 0.2
    learned = learn(values, vectors, contents, log(contents, keep))
    assert np.isfinite(learned.scores).all()
    assert learned.auc.value > 0.7


def test_the_area_is_the_share_of_pairs_in_order():
    # Pairs (positive, negative): 3>1, 3>2, 1.5>1, 1.5<2: three of four.
    assert auc(np.array([3, 1.5, 1, 2]), np.array([1, 1, 0, 0])).value == 0.75
    assert auc(np.array([1, 1, 1, 1]), np.array([1, 1, 0, 0])).value == 0.5


@pytest.mark.parametrize("area_of", [0.0, 0.5, 0.9, 1.0])
def test_the_interval_holds_the_areas_that_a_grid_search_finds(area_of):
    n = 20
    predicted = np.concatenate([np.arange(n) + (2 * area_of - 1) * n + 0.5 * (area_of not in (0, 1)), np.arange(n)])
    found = auc(predicted, np.repeat([1, 0], n))
    areas = np.linspace(0.0005, 0.9995, 2000)
    half = n - 1
    variance = areas * (1 - areas) * (1 + half * (1 - areas) / (2 - areas) + half * areas / (1 + areas)) / n**2
    inside = areas[np.abs(found.value - areas) <= 1.96 * np.sqrt(variance)]
    assert found.low == pytest.approx(inside.min(), abs=1e-3)
    assert found.high == pytest.approx(inside.max(), abs=1e-3)
    assert 0 <= found.low < found.high <= 1


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_of_several_decisions_on_a_text_the_last_counts(tmp_path):
    path = lines(
        tmp_path / "decisions.jsonl",
        {"content": "a", "decision": "keep", "by": "me"},
        {"content": "b", "decision": "reject"},
        {"content": "a", "decision": "reject"},
    )
    assert reviewer.decisions(path).rows() == [("a", False), ("b", False)]


def test_an_edit_keeps_the_text_that_it_makes_unless_that_was_decided_on_itself(tmp_path):
    one, two = (
        [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}] for text in ("So.", "Not so.")
    )
    path = lines(
        tmp_path / "decisions.jsonl",
        {"content": "a", "decision": "keep", "messages": one},
        {"content": "b", "decision": "keep", "messages": two},
        {"content": hashes([two])[0], "decision": "reject"},
    )
    told = dict(reviewer.decisions(path).rows())
    assert told == {"a": True, "b": True, hashes([one])[0]: True, hashes([two])[0]: False}
    broken = lines(tmp_path / "broken.jsonl", {"content": "a", "decision": "keep", "messages": one[:1]})
    with pytest.raises(InputError, match=r"broken\.jsonl: the messages of an edit: the conversation has no question"):
        reviewer.decisions(broken)


def test_a_log_that_is_none_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no such file; expected the reviewer's decisions"):
        reviewer.decisions(tmp_path / "absent.jsonl")
    good = {"content": "a", "decision": "keep"}
    with pytest.raises(InputError, match=r"jsonl:2: content 'b', decision 'maybe'; expected a hash and 'keep' or"):
        reviewer.decisions(lines(tmp_path / "a.jsonl", good, {"content": "b", "decision": "maybe"}))
    (tmp_path / "b.jsonl").write_text('{"content": "a", "decision": "keep"}\n{"conte\n')
    with pytest.raises(InputError, match=r"b\.jsonl"):
        reviewer.decisions(tmp_path / "b.jsonl")
