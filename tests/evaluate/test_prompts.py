"""Prompt sets of any form, with ids that stay."""

import json

import pytest

from curate.errors import InputError
from evaluate import prompts

WHY = "Why is the sky blue?"
# printf "Why is the sky blue?" | b2sum -l 64
WHY_ID = "7e39a1d6e6eda91b"


def written(tmp_path, rows, name="prompts.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": WHY},
        {"prompt": WHY},
        {"conversations": [WHY]},
        {"messages": [{"role": "user", "content": WHY}]},
        {"instruction": WHY, "output": "It scatters.", "generator": "m"},
    ],
)
def test_the_same_question_has_the_same_id_in_every_form(tmp_path, row):
    found = prompts.read(written(tmp_path, [row])).to_dicts()
    assert [one["prompt_id"] for one in found] == [WHY_ID]
    assert found[0]["messages"] == [{"role": "user", "content": WHY}]
    assert found[0]["follow_ups"] == []


def test_a_files_own_id_and_its_follow_ups_are_kept(tmp_path):
    rows = [{"question_id": 81, "turns": ["Write.", "Again, shorter."], "category": "writing", "reference": ["r"]}]
    (found,) = prompts.read(written(tmp_path, rows)).to_dicts()
    assert (found["prompt_id"], found["category"], found["follow_ups"]) == ("81", "writing", ["Again, shorter."])
    assert found["reference"] == ["r"]


def test_a_prompt_given_twice_is_one_and_an_id_given_twice_is_an_error(tmp_path):
    twice = written(tmp_path, [{"instruction": WHY, "output": "a"}, {"instruction": WHY, "output": "b"}], "twice.jsonl")
    assert prompts.read(twice)["prompt_id"].to_list() == [WHY_ID]
    with pytest.raises(InputError, match="one prompt_id for different prompts"):
        prompts.read(written(tmp_path, [{"id": 7, "prompt": "a"}, {"id": 7, "prompt": "b"}]))
    with pytest.raises(InputError, match="two prompts with other follow-ups have the id 7"):
        prompts.read(
            written(tmp_path, [{"question_id": 7, "turns": ["a", "b"]}, {"question_id": 7, "turns": ["a", "c"]}])
        )


def test_a_limit_takes_the_first(tmp_path):
    path = written(tmp_path, [{"prompt": text} for text in ("a", "b\u2028c", "d")])
    assert prompts.read(path, 2)["instruction"].to_list() == ["a", "b\u2028c"]


def test_judgements_are_no_prompts(tmp_path):
    path = written(tmp_path, [{"prompt_id": "1", "model_a": "m", "judge": "j", "status": "ok"}])
    with pytest.raises(InputError, match="holds judgements"):
        prompts.read(path)


@pytest.mark.parametrize(
    ("path", "count", "with_follow_ups", "with_reference"),
    [
        ("instruction/lima/lima_test.jsonl", 300, 0, 0),
        ("evaluation/alpaca_eval/alpaca-7b/model_outputs.json", 805, 0, 0),
        ("evaluation/fastchat_mtbench/vicuna_bench/question.jsonl", 80, 0, 0),
        ("evaluation/fastchat_mtbench/mt_bench/question.jsonl", 80, 80, 39),
        ("evaluation/faireval/question.jsonl", 80, 0, 0),
    ],
)
def test_the_published_prompt_sets_are_read_whole(shared_data, path, count, with_follow_ups, with_reference):
    found = prompts.read(shared_data(path))
    assert found.height == count
    assert found["prompt_id"].n_unique() == count
    assert (found["follow_ups"].list.len() > 0).sum() == with_follow_ups
    assert (found["reference"].list.len() > 0).sum() == with_reference
