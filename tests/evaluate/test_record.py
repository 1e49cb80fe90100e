import polars as pl
import pytest

from curate.errors import InputError
from evaluate import record

GOOD = {"prompt_id": "p1", "model_a": "x", "model_b": "y", "judge": "j", "status": "ok", "verdict": "a"}


def judged(*rows):
    return record.judgements(pl.DataFrame([{**GOOD, **row} for row in rows]), "here")


def test_what_a_judgement_lacks_is_null_and_counts_from_the_usual_place():
    frame = judged({})
    assert frame.schema == record.JUDGEMENT
    row = frame.row(0, named=True)
    assert (row["sample"], row["turn"], row["first"], row["cost"]) == (0, 1, None, None)


def test_a_column_of_what_was_judged_gives_the_wider_schema_with_one_vote_each():
    frame = judged({"output_a": "Yes."})
    assert frame.schema == record.JUDGED
    assert frame["weight"].to_list() == [1.0]


def test_a_probability_is_read_as_a_verdict_where_none_is_given():
    rows = [{"verdict": None, "probability": p} for p in (0.9, 0.5, 0.2)]
    assert judged(*rows)["verdict"].to_list() == ["a", "tie", "b"]


def test_the_probability_counts_then_the_verdict_and_a_failure_never():
    frame = judged(
        {"probability": 0.25},
        {},
        {"verdict": "tie"},
        {"verdict": "b"},
        {"verdict": None, "status": "truncated"},
    )
    assert frame.select(record.preference_a())["preference_a"].to_list() == [0.25, 1.0, 0.5, 0.0, None]


def test_a_failure_has_no_preference_whatever_stands_beside_it():
    frame = pl.DataFrame({"status": ["refused"], "verdict": ["a"], "probability": [0.9]})
    assert frame.select(record.preference_a())["preference_a"].to_list() == [None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "fine"}, "status must be one of ok, parse_failed, refused, truncated, api_error; status is 'fine'"),
        ({"verdict": "A"}, "verdict must be one of a, b, tie or null; verdict is 'A'"),
        ({"first": "left"}, "first must be a, b or null; first is 'left'"),
        ({"probability": 1.5}, "probability must lie between 0 and 1; probability is 1.5"),
        ({"probability": float("nan")}, "probability must lie between 0 and 1; probability is nan"),
        ({"score": float("inf")}, "score must be a number; score is inf"),
        ({"judge": None}, "judge is missing"),
        ({"sample": -1}, "sample counts from 0; sample is -1"),
        ({"turn": 0}, "turn counts from 1; turn is 0"),
        ({"status": "api_error"}, "a judgement that failed has no verdict, probability or score"),
        ({"verdict": None}, "a pair judged ok needs a verdict or a probability"),
        ({"model_b": None, "verdict": None}, "one answer (model_b null) judged ok needs a score"),
        ({"model_b": None, "score": 7.0}, "a verdict needs two models, but model_b is null"),
    ],
)
def test_a_judgement_that_breaks_a_rule_is_refused_with_row_and_value(change, message):
    with pytest.raises(InputError) as error:
        judged({}, change)
    assert str(error.value).startswith(f"here: row 2: {message}")


def test_a_broken_rule_is_said_once_with_the_number_of_its_rows():
    with pytest.raises(InputError, match=r"^here: row 1 and 2 more: turn counts from 1; turn is 0$"):
        judged({"turn": 0}, {"turn": 0}, {"turn": -1})


def test_a_missing_field_is_named_beside_those_that_are_there():
    with pytest.raises(InputError, match="here: no field judge, status; it has prompt_id, model_a"):
        record.judgements(pl.DataFrame({"prompt_id": ["1"], "model_a": ["x"]}), "here")


def test_a_field_of_another_type_is_refused():
    with pytest.raises(InputError, match="here: a field is not of its type"):
        judged({"turn": "first"})


def test_no_judgements_are_judgements_too():
    assert record.judgements(pl.DataFrame(), "here").schema == record.JUDGEMENT


def test_an_answer_may_be_null_but_not_end_in_an_unknown_way():
    answer = {"prompt_id": "p", "generator": "x", "output": None, "finish": "error"}
    frame = record.answers(pl.DataFrame([answer]), "here")
    assert frame.schema == record.ANSWER
    assert frame["messages"].to_list() == [[]]
    with pytest.raises(InputError, match="finish must be one of stop, length, error or null; finish is 'eos'"):
        record.answers(pl.DataFrame([{**answer, "finish": "eos"}]), "here")


def test_one_id_is_one_prompt_but_a_prompt_may_stand_twice():
    hello = {"prompt_id": "p", "messages": [{"role": "user", "content": "Hello"}], "instruction": "Hello"}
    assert record.prompts(pl.DataFrame([hello, hello]), "here").height == 2
    other = {**hello, "instruction": "Bye"}
    with pytest.raises(InputError, match="here: row 1 and 1 more: one prompt_id for different prompts"):
        record.prompts(pl.DataFrame([hello, other]), "here")
