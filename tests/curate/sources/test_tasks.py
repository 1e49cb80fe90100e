"""Natural Instructions files, and tables of tasks through templates."""

import json
from collections import Counter

import pytest

from curate.errors import ConfigError, InputError
from curate.sources.instructions.forms import Options
from curate.sources.instructions.recognise import known_forms, recognise
from curate.sources.instructions.tasks import NATURAL, TEMPLATES, fill, table_forms

TASK = {
    "definition": ["Say whether the sum is right."],
    "categories": ["Mathematics", "Other"],
    "domains": ["Numbers"],
    "url": ["https://e.org/sums"],
    "instance_license": ["MIT"],
    "positive_examples": [
        {"input": "1+1=2", "output": "yes", "explanation": "It is."},
        {"input": "1+1=3", "output": "no"},
    ],
    "instances": [{"id": f"t-{n}", "input": f"{n}+1={n + 1}", "output": ["yes", "right"]} for n in range(1, 7)],
}


def natural(task, **options):
    return [reading for _, reading in NATURAL.read(lambda: iter([(1, task)]), Options("task1.json", **options))]


def table(name, *rows, seed=0, path=TEMPLATES):
    (form,) = (form for form in table_forms(path) if form.name == name)
    return [reading for _, reading in form.read(lambda: enumerate(rows, start=1), Options("table.csv", seed=seed))]


def test_every_instance_of_a_task_is_an_example_with_the_tasks_own_facts():
    readings = natural(TASK)
    assert [reading.part for reading in readings] == ["#1", "#2", "#3", "#4", "#5", "#6"]
    columns = readings[0].columns
    assert {name: columns[name] for name in ("prompt", "response", "stratum", "group", "url", "license")} == {
        "prompt": "Say whether the sum is right.\n\n1+1=2",
        "response": "yes",
        "stratum": "Mathematics",
        "group": "Numbers",
        "url": "https://e.org/sums",
        "license": "MIT",
    }


def test_positive_examples_are_shown_before_the_input():
    assert natural(TASK, positive_examples=1)[0].columns["prompt"] == (
        "Say whether the sum is right.\n\nInput: 1+1=2\nOutput: yes\n\nInput: 1+1=2\nOutput:"
    )


def test_instances_above_the_limit_are_drawn_by_seed_and_named_as_rejects():
    readings = natural(TASK, instances_per_task=2)
    assert Counter(reading.rule for reading in readings) == {"": 2, "not_sampled": 4}
    rest = sorted((r.columns["value"], r.columns["limit"]) for r in readings if r.rule)
    assert rest == [(3.0, 2.0), (4.0, 2.0), (5.0, 2.0), (6.0, 2.0)]
    chosen = {
        seed: tuple(r.part for r in natural(TASK, instances_per_task=2, seed=seed) if not r.rule) for seed in range(9)
    }
    assert chosen[0] == tuple(r.part for r in readings if not r.rule)
    assert len(set(chosen.values())) > 1


def test_a_bad_instance_is_unreadable_and_the_others_are_not():
    task = {
        **TASK,
        "instances": [{"input": "x"}, "?", {"input": "y", "output": []}, {"input": {"a": 1}, "output": "z"}],
    }
    assert [(r.rule, r.columns.get("detail"), r.columns.get("response")) for r in natural(task)] == [
        ("unreadable", "instance 1: it has no output; found input", None),
        ("unreadable", "instance 2: it is text; expected input and output", None),
        ("", None, ""),
        ("unreadable", "instance 4: input is an object; expected text", None),
    ]


def test_a_task_without_instances_is_unreadable():
    (reading,) = natural({**TASK, "instances": []})
    assert (reading.rule, reading.columns["detail"]) == (
        "unreadable",
        "instances is empty; expected a list of {input, output}",
    )


def test_choices_are_lettered_and_the_answer_is_found_by_number_letter_text_or_label():
    row = {"question": "2 + 2?", "choices": ["3", "4"]}
    answers = [1, 1.0, "B", "b", "4"]
    readings = table("multiple_choice", *({**row, "answer": answer} for answer in answers))
    assert all("A. 3\nB. 4" in reading.columns["prompt"] for reading in readings)
    assert all(
        reading.columns["response"].rstrip(".") in ("B. 4", "The right answer is B: 4", "4", "B")
        for reading in readings
    )
    labelled = {"question": "2 + 2?", "choices": {"text": ["3", "4"], "label": ["1", "2"]}, "answer": "2"}
    assert table("multiple_choice", labelled)[0].columns["response"].rstrip(".").endswith(("4", "B"))


def test_an_answer_that_is_no_choice_is_unreadable():
    (reading,) = table("multiple_choice", {"question": "2 + 2?", "choices": ["3", "4"], "answer": "5"})
    assert reading.rule == "unreadable"
    assert (
        reading.columns["detail"]
        == "answer '5' is none of the 2 choices; expected a number from 0, a letter or the text"
    )


def test_an_empty_answer_is_kept_and_an_empty_question_is_unreadable():
    empty, nothing = table(
        "reading_comprehension",
        {"passage": "A.", "question": "Who?", "answer": None},
        {"passage": "A.", "question": "", "answer": "B"},
    )
    assert (empty.rule, empty.columns["response"]) == ("", "")
    assert (nothing.rule, nothing.columns["detail"]) == ("unreadable", "question is empty, so there is nothing to ask")


def test_the_wording_depends_on_seed_and_key_alone():
    rows = [{"document": f"Text {n}.", "summary": "Short."} for n in range(40)]
    first = [reading.columns["prompt"] for reading in table("summarization", *rows)]
    assert first == [reading.columns["prompt"] for reading in table("summarization", *rows)]
    assert first != [reading.columns["prompt"] for reading in table("summarization", *rows, seed=1)]
    shapes = {prompt.replace(f"Text {n}.", "…") for n, prompt in enumerate(first)}
    assert len(shapes) == 4


def test_text_from_data_is_never_a_template():
    assert fill("{{a}} {a}", {"a": "{b} {{c}} {a.__class__}"}) == "{a} {b} {{c}} {a.__class__}"


def test_every_shipped_kind_has_three_wordings_or_more_that_use_each_column(subtests):
    for form in table_forms():
        with subtests.test(form.name):
            columns = [group[0] for group in form.needs]
            row = {column: f"<{column}>" for column in columns}
            if "choices" in columns:
                row |= {"choices": ["<choices>", "<answer>"], "answer": 1}
            prompts = {r.columns["prompt"] for r in table(form.name, *[row] * 60)}
            assert len(prompts) >= 3
            for reading in table(form.name, *[row] * 60):
                assert not reading.rule
                assert reading.columns["prompt"].strip()
                assert reading.columns["response"].strip()


def test_a_file_of_ones_own_adds_a_kind_with_names_for_its_labels(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "tasks:\n  mood:\n    columns: [text, label]\n    names: {label: [sad, glad]}\n"
        "    wordings:\n      - {prompt: 'Mood of: {text}', response: '{label}', system: 'One word.'}\n"
    )
    readings = table(
        "mood", {"text": "Hooray", "label": 1}, {"text": "Alas", "label": "0"}, {"text": "?", "label": 7}, path=path
    )
    assert [(r.columns.get("system"), r.columns.get("prompt"), r.columns.get("response")) for r in readings[:2]] == [
        ("One word.", "Mood of: Hooray", "glad"),
        ("One word.", "Mood of: Alas", "sad"),
    ]
    assert readings[2].columns["detail"] == "label is 7; expected a number from 0 to 1"


def test_a_placeholder_for_no_column_is_refused_with_its_place(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("tasks:\n  mood:\n    columns: [text]\n    wordings:\n      - {prompt: '{txt}', response: x}\n")
    with pytest.raises(
        ConfigError, match=r"mine.yaml:2:3: tasks.mood: \{txt\} stands for no column. Did you mean 'text'?"
    ):
        table_forms(path)


def test_a_table_is_recognised_by_its_columns():
    def form(row):
        return recognise("t", [(1, row)], known_forms(), Options()).form.name

    assert form({"question": "2 + 2?", "choices": ["3", "4"], "answer": 1}) == "multiple_choice"
    assert form({"question": "2 + 2?", "answer": 4}) == "question_answer"
    assert form({"context": "Once upon", "continuation": "a time"}) == "completion"
    assert form({"premise": "a", "hypothesis": "b", "label": "neutral"}) == "entailment"
    assert form(TASK) == "natural_instructions"
    with pytest.raises(InputError, match="fit no known form"):
        form({"text": "raw text"})


def test_real_multiple_choice_questions_load_by_renamed_columns(shared_data):
    lines = shared_data("benchmarks/gauntlet/piqa.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    renamed = [{"question": r["query"], "choices": r["choices"], "answer": r["gold"]} for r in rows]
    readings = table("multiple_choice", *renamed)
    assert Counter(reading.rule for reading in readings) == {"": 1838}
