import json

import polars as pl
import pytest

from evaluate import checks, formats, record


def judgements(*rows):
    given = {"model_a": "base", "model_b": "mine", "judge": "j", "status": "ok"}
    whole = [{"prompt_id": f"p{i}", **given, **row} for i, row in enumerate(rows)]
    whole = [
        {"verdict": "a" if row["status"] == "ok" else None, "output_a": None, "output_b": None, **row} for row in whole
    ]
    texts = dict.fromkeys(("verdict", "output_a", "output_b"), pl.String)
    return record.judgements(pl.DataFrame(whole, schema_overrides=texts, infer_schema_length=None), "here")


def answers(**outputs):
    rows = [
        {"prompt_id": f"p{i}", "generator": model.replace("_", "-"), "output": output}
        for model, texts in outputs.items()
        for i, output in enumerate(texts)
    ]
    return record.answers(pl.DataFrame(rows, schema={"prompt_id": str, "generator": str, "output": str}), "here")


def said(findings):
    assert findings.schema == checks.FINDING
    return [(row["check"], row["subject"], row["count"], row["total"]) for row in findings.to_dicts()]


def test_failures_are_told_by_model_and_status():
    frame = judgements({}, {"status": "parse_failed"}, {"status": "api_error"}, {"status": "parse_failed"})
    found = checks.failed(frame)
    assert said(found) == [("failed", "base", 3, 4), ("failed", "mine", 3, 4)]
    assert found["detail"][0] == "3 of 4 judgements by j failed (2 parse_failed, 1 api_error): counted, not scored"


def test_803_of_805_rows_are_said():
    full = [{"model_b": "full", "prompt_id": f"p{i}"} for i in range(805)]
    short = [{"model_b": "short", "prompt_id": f"p{i}"} for i in range(2, 805)]
    found = checks.missing(judgements(*full, *short))
    assert said(found) == [("missing", "short", 2, 805)]
    assert found["detail"][0] == "judged on 803 of 805 prompts; 2 are missing"


def test_prompts_that_are_expected_or_not_are_said():
    found = checks.missing(judgements({}, {"prompt_id": "other"}), ["p0", "p1", "p2"])
    assert said(found) == [
        ("missing", "base", 2, 3), ("unexpected", "base", 1, 2), ("missing", "mine", 2, 3), ("unexpected", "mine", 1, 2),
    ]  # fmt: skip


def test_nothing_is_missing_from_an_arena():
    pairs = ["ab", "bc", "cd", "de", "ea"]
    assert checks.missing(judgements(*[{"model_a": a, "model_b": b} for a, b in pairs])).is_empty()


def test_a_judgement_given_twice_and_further_samples_are_told_apart():
    same = {"prompt_id": "p", "first": "a"}
    assert said(checks.repeated(judgements(same, same, {**same, "first": "b"}))) == [("repeated", "j", 1, 3)]
    assert said(checks.repeated(judgements(same, {**same, "sample": 1}))) == [("samples", "j", 1, 2)]


def test_two_models_with_the_same_answers_are_found():
    texts = ["one", "two", "three", "four", "five", "six"]
    frame = answers(falcon_7b=texts, falcon_40b=[*texts[:3], "4", "5", "6"], other=["x", "y", *texts[2:4], "z", " "])
    outputs = checks.outputs_of(judgements({}).clear(), frame)
    found = checks.same_outputs(outputs)
    assert said(found) == [("same outputs", "falcon-40b", 3, 6)]
    assert "same answer as falcon-7b to 3 of 6 prompts" in found["detail"][0]


def test_few_prompts_prove_nothing_and_empty_answers_are_not_the_same():
    few = checks.outputs_of(judgements({}).clear(), answers(x=["yes"] * 4, y=["yes"] * 4))
    assert checks.same_outputs(few).is_empty()
    assert checks.one_output(few).is_empty()
    assert checks.same_outputs(checks.outputs_of(judgements({}).clear(), answers(x=[""] * 6, y=[""] * 6))).is_empty()


def test_a_model_that_says_one_thing_to_everything_is_found():
    outputs = checks.outputs_of(judgements({}).clear(), answers(null_model=["Pick me."] * 6, other=list("abcdef")))
    found = checks.one_output(outputs)
    assert said(found) == [("one output", "null-model", 6, 6)]
    assert found["detail"][0] == "one answer to 6 of 6 prompts: 'Pick me.'"


def test_empty_answers_are_counted():
    outputs = checks.outputs_of(judgements({}).clear(), answers(x=["a", None, " \n"], y=["b", "c", "d"]))
    found = checks.empty_outputs(outputs)
    assert said(found) == [("empty outputs", "x", 2, 3)]
    assert found["detail"][0] == "2 of 3 answers are empty (1 null)"


def test_votes_without_outputs_are_not_empty_answers():
    assert checks.empty_outputs(checks.outputs_of(judgements({}), answers())).is_empty()


def test_judged_outputs_that_the_answers_do_not_hold_are_counted():
    frame = judgements({"output_b": "a"}, {"output_b": "b"}, {"output_b": "c"})
    found = checks.unequal_outputs(frame, answers(mine=["a", "B"]))
    assert said(found) == [("unequal outputs", "mine", 1, 2), ("no answer", "mine", 1, 3)]


def test_a_name_that_is_nearly_another_is_said():
    frame = judgements({"model_b": "alpaca-7b"}, {"model_b": "Alpaca_7B"})
    found = checks.model_names(frame, answers(alpaca_7c=["x"], base=["y"]))
    assert said(found) == [("model names", "Alpaca_7B", 2, 2), ("not judged", "alpaca-7c", 1, 1)]
    assert found["detail"].to_list() == [
        "one model under 2 names? Alpaca_7B, alpaca-7b",
        "has answers, but was not judged; alpaca-7b was",
    ]


def test_a_folder_called_otherwise_than_its_system_is_said(tmp_path):
    row = {"instruction": "Hi", "generator_1": "base", "generator_2": "example", "preference": 1, "annotator": "j"}
    for folder in ("NullModel", "example"):
        path = tmp_path / folder / "judge" / "annotations.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps([{**row, "output_1": "a", "output_2": "b"}]))
    loaded = formats.load(sorted(tmp_path.glob("*/*/annotations.json")))
    found = checks.file_names(loaded.files)
    assert [subject.split("/")[-3] for subject in found["subject"]] == ["NullModel"]
    assert "the folder is called 'NullModel', the models in the file base, example" in found["detail"][0]


def test_good_files_give_no_findings_and_warnings_stand_first():
    frame = judgements(*[{"output_a": f"a{i}", "output_b": f"b{i}"} for i in range(6)])
    none = formats.Loaded(frame, answers(), pl.DataFrame(schema=record.PROMPT), pl.DataFrame(schema=formats.FILE))
    assert checks.run(none).is_empty()
    more = pl.concat([frame, frame.with_columns(sample=pl.lit(1, pl.Int64), prompt_id=pl.lit("p0"))])
    found = checks.run(none._replace(judgements=more), ["p0", "p1"])
    assert found["level"].to_list() == sorted(found["level"], reverse=True)
    assert {"samples", "unexpected"} <= set(found["check"])


def test_the_real_systems_show_the_one_that_games_the_judge(shared_data):
    folder = shared_data("evaluation/alpaca_eval")
    paths = [*sorted(folder.glob("*/*/annotations.json")), *sorted(folder.glob("*/model_outputs.json"))]
    found = checks.run(formats.load(paths))
    assert found.select("check", "subject", "count").row(0) == ("one output", "example", 805)
    assert found["check"].to_list() == ["one output", "file name", "file name"]


@pytest.mark.parametrize("check", ["failed", "repeated", "missing"])
def test_no_judgements_give_no_findings(check):
    assert getattr(checks, check)(judgements({}).clear()).is_empty()
