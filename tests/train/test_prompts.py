"""Prompt files in every form, and what is said of a record that asks nothing."""

import pytest

from curate.chat import prompt_id
from curate.errors import InputError
from tests.train.conftest import write_rows
from train import prompts


def test_every_form_of_prompt_file_is_read(tmp_path):
    rows = [
        {"instruction": "a", "dataset": "koala"},
        {"question_id": 81, "turns": ["b"], "category": "writing"},
        {"prompt": "c", "id": "third"},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "d"}]},
        {"conversations": ["e"], "source": "manual"},
    ]
    found = prompts.read(write_rows(tmp_path / "dev.jsonl", rows))
    assert [one.instruction for one in found] == ["a", "b", "c", "d", "e"]
    assert [one.dataset for one in found] == ["koala", None, None, None, None]
    assert [one.category for one in found] == [None, "writing", None, None, None]
    assert found[1].id == "81"
    assert found[2].id == "third"
    assert found[3].messages[0] == {"role": "system", "content": "s"}


def test_a_prompt_without_an_id_is_named_by_its_text(tmp_path):
    (found,) = prompts.read(write_rows(tmp_path / "dev.jsonl", [{"prompt": "Name a gem."}]))
    assert found.id == prompt_id([{"role": "user", "content": "Name a gem."}])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "a"}, "dev.jsonl:2: no question; expected one of the keys messages, instruction, prompt"),
        ({"turns": ["a", "b"]}, "dev.jsonl:2: turns holds 2 turns; a dev prompt has one"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "dev.jsonl:2: messages is not a question"),
        ({"instruction": ["a"]}, "dev.jsonl:2: instruction is not a question"),
        ({"instruction": "a", "id": "x"}, "dev.jsonl: prompt x stands there twice"),
    ],
)
def test_a_record_that_asks_nothing_is_named_by_its_line(tmp_path, row, said):
    path = write_rows(tmp_path / "dev.jsonl", [{"instruction": "first", "id": "x"}, row])
    with pytest.raises(InputError, match=said):
        prompts.read(path)


def test_limas_test_prompts_are_read(shared_data):
    found = prompts.read(shared_data("instruction/lima/lima_test.jsonl"))
    assert len(found) == 300
    assert found[0].instruction.startswith("I'm writing a NeurIPS paper about a new model architecture")
