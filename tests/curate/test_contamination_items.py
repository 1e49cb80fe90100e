import polars as pl
import pytest

from curate import files
from curate.contamination import items
from curate.contamination.items import Form, read, registry, searched
from curate.errors import InputError
from curate.files import Unreadable


def items_of(name, *rows):
    return read(name, "file", enumerate(rows, start=1), registry()[name].forms)


def only(name, *rows):
    (row,) = items_of(name, *rows).rows()
    return row


def test_a_question_its_choices_and_the_answer_a_label_stands_for():
    row = {"question": "Why?", "choices": {"text": ["cold", "heat"], "label": ["1", "2"]}, "answerKey": "2"}
    assert only("arc_challenge", row) == ("arc_challenge/1", "arc_challenge", "Why?", ["cold", "heat"], "heat")


def test_choices_written_into_the_question_are_taken_out_of_it():
    arc = "Please choose the correct answer to the question: Why?\n\nAnswer1: cold Answer2: some heat Answer3: rain\n\nAnswer format: answer1/answer2/answer3"
    assert only("arc_easy", {"instruction": arc, "answer": "answer2"})[2:] == (
        "Why?",
        ["cold", "some heat", "rain"],
        "some heat",
    )
    mmlu = "The following are multiple choice questions (with answers) about  law.\n\nWhy?\nWhen?\nA. cold\nB. heat\nAnswer:"
    assert only("mmlu", {"input": mmlu, "output": "B"})[2:] == ("Why?\nWhen?", ["cold", "heat"], "heat")


def test_letters_and_numbers_stand_for_choices():
    hub = {"question": "Why?", "choices": ["cold", "heat"], "answer": 1}
    assert only("mmlu", hub)[4] == "heat"
    assert only("mmlu", hub | {"answer": "A"})[4] == "cold"
    assert only("hellaswag", {"ctx": "A man", "endings": ["sits", "runs"], "label": "1"})[4] == "runs"
    wino = {"sentence": "Ann saw _ run", "option1": "Bo", "option2": "Cy", "answer": "1"}
    assert only("winogrande", wino)[2:] == ("Ann saw _ run", ["Bo", "Cy"], "Bo")


def test_marks_of_a_calculator_are_no_part_of_an_answer():
    assert only("gsm8k", {"question": "How many?", "answer": "2+2 = <<2+2=4>>4\n#### 4"})[4] == "2+2 = 4\n#### 4"


def test_each_turn_of_a_question_is_an_item():
    frame = items_of("mt_bench", {"turns": ["Write a poem.", "Now rhyme."]}, {"turns": ["Sum 1 and 2."]})
    assert frame["item"].to_list() == ["mt_bench/1#1", "mt_bench/1#2", "mt_bench/2#1"]
    assert frame["question"].to_list() == ["Write a poem.", "Now rhyme.", "Sum 1 and 2."]


def test_fields_in_fields_and_fields_with_a_point_in_their_name():
    frame = read(
        "t", "file", [(7, {"a": {"b": [{"c": "deep"}]}, "x.y": "flat"})], (Form(question=("a.b.0.c",), answer="x.y"),)
    )
    assert frame.rows() == [("t/7", "t", "deep", [], "flat")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(3, {"ask": "Why?"})],
            r"^file:3: test set gsm8k: no field question or context with the question\. Known: ask\.",
        ),
        ([(3, {"questions": "Why?"})], r"Did you mean 'questions'\?$"),
        ([(2, Unreadable("not JSON"))], "^file:2: cannot be read: not JSON"),
        ([(2, {"question": {"text": "Why?"}})], "file:2: test set gsm8k: expected a text, found dict"),
        ([], "^file: test set gsm8k: there are no records in it"),
    ],
)
def test_a_test_set_is_read_whole_or_not_at_all(rows, message):
    with pytest.raises(InputError, match=message):
        read("gsm8k", "file", rows, registry()["gsm8k"].forms)


def test_a_record_without_the_written_choices_of_its_form_is_an_error():
    with pytest.raises(InputError, match="does not have the form"):
        items_of("mmlu", {"input": "Why?", "output": "A"})


def test_a_short_question_is_searched_for_with_its_choices_and_without():
    frame = items_of("mmlu", {"question": "What is true?", "choices": ["sea", "sky"], "answer": 0})
    assert searched(frame, ("question",)).rows() == [
        ("mmlu/1", "question", "What is true?"),
        ("mmlu/1", "question", "What is true?\nsea\nsky"),
    ]


def test_a_question_that_is_asked_of_several_lists_is_nothing_without_its_choices():
    same = {"question": "Which of these sentences is not true of a river?", "answer": 0}
    frame = items_of("mmlu", same | {"choices": ["a", "b"]}, same | {"choices": ["c", "d"]})
    assert searched(frame, ("question",))["text"].str.slice(-3).to_list() == ["a\nb", "c\nd"]
    twice = items_of("mmlu", same | {"choices": ["a", "b"]}, same | {"choices": ["a", "b"]})
    assert searched(twice, ("question",))["text"].to_list() == [same["question"]] * 2


def test_parts_that_are_absent_or_blank_are_not_searched_for():
    frame = pl.DataFrame(
        [("t/1", "t", "Who made the very first of all the steam engines?", [], None), ("t/2", "t", " \n", [], "yes")],
        schema=items.ITEM,
        orient="row",
    )
    found = searched(frame, ("question", "answer", "question_and_answer"))
    assert found.select("item", "part").rows() == [
        ("t/1", "question"),
        ("t/2", "answer"),
        ("t/2", "question_and_answer"),
    ]


KNOWN = {
    "arc_challenge": ("benchmarks/arc/arc_challenge_test.json", 1172, 4.0),
    "arc_easy": ("benchmarks/gauntlet/arc_easy.jsonl", 2376, 4.0),
    "mmlu": ("benchmarks/mmlu_val/zero_shot_mmlu_val.json", 1531, 4.0),
    "truthfulqa": ("benchmarks/truthfulqa/TruthfulQA.csv", 790, 0.0),
    "gsm8k": ("benchmarks/gsm8k/test.jsonl", 1319, 0.0),
    "human_eval": ("benchmarks/human_eval/HumanEval.jsonl.gz", 164, 0.0),
    "piqa": ("benchmarks/gauntlet/piqa.jsonl", 1838, 2.0),
    "winogrande": ("benchmarks/gauntlet/winogrande.jsonl", 1267, 0.0),
    "lambada": ("benchmarks/gauntlet/lambada_openai.jsonl", 5153, 0.0),
    "mt_bench": ("evaluation/fastchat_mtbench/mt_bench/question.jsonl", 160, 0.0),
    "alpaca_eval": ("evaluation/alpaca_eval/gpt4_1106_preview/model_outputs.json", 805, 0.0),
    "lima_test": ("instruction/lima/lima_test.jsonl", 300, 0.0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_registry_reads_the_published_file(name, shared_data):
    path, n, n_choices = KNOWN[name]
    frame = read(name, path, files.rows(shared_data(path)), registry()[name].forms)
    assert frame.height == n
    assert frame["choices"].list.len().median() == n_choices
    if n_choices:
        assert not frame["question"].str.contains(r"Answer\d:|\nA\. |^Question:|Please choose the correct").any()
    assert frame["question"].str.contains(r"\S").all()


def test_every_entry_of_the_registry_says_where_it_is():
    assert {
        "arc_challenge",
        "hellaswag",
        "mmlu",
        "truthfulqa",
        "gsm8k",
        "human_eval",
        "mt_bench",
        "alpaca_eval",
        "lima_test",
    } <= set(registry())
    assert all((entry.hub is None) != (entry.file is None) for entry in registry().values())


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ValueError, match="is no regular expression"):
        Form(question=("q",), separate="(")
