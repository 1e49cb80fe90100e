"""Sets that a build is compared with."""

import json

import pytest

from curate import record
from curate.errors import InputError
from curate.reference import examples_of, stamp


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def dataset_row(id_, prompt, response):
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return {"id": id_, "messages": messages, "source": "s", "key": "1", "group": "g", "stratum": "t", "rank": 1}


def test_any_instruction_form_can_be_compared_with(tmp_path):
    (tmp_path / "alpaca.json").write_text(json.dumps([{"instruction": "Why?", "input": "", "output": "Because."}]))
    found = examples_of(tmp_path / "alpaca.json")
    assert found.schema == record.EXAMPLE
    assert found.select("source", "key", "prompt", "response").rows() == [
        ("reference", "alpaca.json:1", "Why?", "Because.")
    ]


def test_the_rows_of_a_run_are_known_by_their_ids(tmp_path):
    lines(tmp_path / "dataset.jsonl", [dataset_row("aa", "Q1", "A1"), dataset_row("bb", "Q2", "A2")])
    (tmp_path / "recipe.yaml").write_text("name: old\n")
    (tmp_path / "report.json").write_text('{"kept": 2}')
    by_file, by_folder = examples_of(tmp_path / "dataset.jsonl"), examples_of(tmp_path)
    assert by_file["key"].to_list() == by_folder["key"].to_list() == ["aa", "bb"]
    assert by_file["id"].n_unique() == 2
    assert by_file["prompt"].to_list() == ["Q1", "Q2"]


def test_rows_of_other_sets_keep_their_place_as_key_though_they_have_an_id(tmp_path):
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    assert examples_of(lines(tmp_path / "x.jsonl", [{"id": "7", "messages": turns}]))["key"].to_list() == ["x.jsonl:1"]


def test_a_folder_is_all_its_files(tmp_path):
    for name in ("a", "b"):
        lines(tmp_path / f"{name}.jsonl", [{"instruction": name, "output": "A"}])
    assert examples_of(tmp_path)["prompt"].to_list() == ["a", "b"]


def test_a_stamp_changes_with_the_file_and_only_then(tmp_path):
    path = lines(tmp_path / "x.jsonl", [{"instruction": "Q", "output": "A"}])
    before = stamp(path)
    assert stamp(path) == before == json.loads(json.dumps(before))
    lines(path, [{"instruction": "Q", "output": "Another"}])
    assert stamp(path) != before


def test_a_missing_file_is_one_line(tmp_path):
    for read in (examples_of, stamp):
        with pytest.raises(InputError, match=r"nowhere\.json.*(no such|does not exist)"):
            read(tmp_path / "nowhere.json")


def test_a_set_without_one_example_is_one_line(tmp_path):
    path = lines(tmp_path / "x.jsonl", [{"messages": [{"role": "user", "content": "Q"}]}])
    with pytest.raises(InputError, match=r"x\.jsonl: not one of its rows is an example"):
        examples_of(path)


def test_lima_can_be_compared_with(shared_data):
    assert examples_of(shared_data("instruction/lima/lima.json")).height == 1029
