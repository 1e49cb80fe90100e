"""Exact duplicates."""

import polars as pl

from curate.record import examples
from curate.stages import exact
from curate.stages.exact import Settings


def rows(*texts):
    return examples("s", [{"key": str(i), "prompt": p, "response": r} for i, (p, r) in enumerate(texts)])


def hashes(frame, **settings):
    return exact.measure(frame, Settings(**settings))["text_hash"].to_list()


def corpus(table):
    frame = pl.DataFrame(table, schema=["id", "source", "score", "text_hash"], orient="row")
    return frame.with_columns(response_chars=pl.lit(1), decision=pl.lit(None, pl.String))


def test_case_width_and_white_space_make_no_difference():
    one, two, other = hashes(rows(("Why  is\nit?", "Ｙes"), ("why is it?", "yes "), ("why is it?", "no")))
    assert one == two != other


def test_two_texts_that_only_meet_when_joined_are_not_equal():
    one, two = hashes(rows(("a b", "c"), ("a", "b c")), of="conversation")
    assert one != two


def test_only_the_named_text_is_compared():
    one, two = hashes(rows(("a", "same"), ("b", "same")), of="response")
    assert one == two


def test_the_best_scored_copy_stays_and_the_others_name_it():
    decision = exact.decide(
        corpus([("1", "a", 3, "h"), ("2", "a", 7, "h"), ("3", "a", None, "h"), ("4", "a", 1, "i")]), Settings()
    )
    assert decision.verdicts.select("id", "rule", "value", "limit", "other").sort("id").rows() == [
        ("1", "exact_duplicate", 3.0, 1.0, "2"),
        ("3", "exact_duplicate", 3.0, 1.0, "2"),
    ]


def test_ties_go_to_the_preferred_source_then_the_smallest_id():
    table = corpus([("1", "web", 3, "h"), ("2", "human", 3, "h"), ("3", "human", 3, "h")])
    assert exact.decide(table, Settings(prefer=("human", "web"))).verdicts["other"].unique().to_list() == ["2"]
    assert exact.decide(table, Settings()).verdicts["other"].unique().to_list() == ["1"]


def test_the_order_of_rows_changes_nothing():
    table = corpus([("1", "a", 3, "h"), ("2", "b", 3, "h"), ("3", "a", 3, "i"), ("4", "b", 9, "i")])
    one, two = (exact.decide(frame, Settings()).verdicts.sort("id") for frame in (table, table.reverse()))
    assert one.equals(two)


def test_the_longest_answer_stays_where_the_recipe_says_so():
    table = corpus([("1", "a", 3, "h"), ("2", "a", 7, "h")]).with_columns(response_chars=pl.Series([90, 10]))
    assert exact.decide(table, Settings(best="longest")).verdicts["other"].to_list() == ["1"]
