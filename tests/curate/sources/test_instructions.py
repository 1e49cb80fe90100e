"""The instruction-set source: places, files, keys, batches, coverage."""

import gzip
import json
from collections import Counter

import polars as pl
import pytest
import zstandard
from pydantic import ValidationError

from curate import record
from curate.errors import InputError
from curate.sources import RULES, instructions
from curate.sources.instructions import Settings, form_of, load, sniff, units
from tests.curate.sources import reading

ROWS = [{"instruction": f"Question {n}?", "input": "", "output": f"Answer {n}."} for n in range(1, 4)]


def read(path, name="set", **settings):
    """Examples and rejects of every unit, as rows."""
    batch = reading.read(name, kind="instructions", path=path, **settings)
    return batch.examples.to_dicts(), batch.rejects.to_dicts()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_json(path):
    path.write_text(json.dumps(ROWS))


def as_lines(path):
    path.write_text(lines(ROWS))


def as_gzip(path):
    path.write_bytes(gzip.compress(lines(ROWS).encode()))


def as_zstd(path):
    path.write_bytes(zstandard.compress(json.dumps(ROWS).encode()))


def as_csv(path):
    pl.DataFrame(ROWS).write_csv(path)


def as_parquet(path):
    pl.DataFrame(ROWS).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.json", as_json),
        ("a.jsonl", as_lines),
        ("a.json", as_lines),
        ("a.jsonl.gz", as_gzip),
        ("a.json.zst", as_zstd),
        ("a.csv", as_csv),
        ("a.parquet", as_parquet),
    ],
)
def test_every_kind_of_file_gives_the_same_examples(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    examples, rejects = read(path)
    assert [(e["key"], e["position"], e["prompt"], e["response"]) for e in examples] == [
        (f"{name}:1", 1, "Question 1?", "Answer 1."),
        (f"{name}:2", 2, "Question 2?", "Answer 2."),
        (f"{name}:3", 3, "Question 3?", "Answer 3."),
    ]
    assert rejects == []
    first = examples[0]
    assert (first["id"], first["source"], first["file"]) == (record.example_id("set", f"{name}:1"), "set", name)
    assert (first["group"], first["stratum"], first["markup"], first["history"]) == ("set", "a", "plain", [])


def test_settings_give_licence_and_markup_where_rows_do_not(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(lines([{**ROWS[0], "license": "MIT", "category": "cooking"}, ROWS[1]]))
    examples, _ = read(path, license="CC-BY-4.0", markup="markdown")
    assert [(e["license"], e["stratum"], e["markup"]) for e in examples] == [
        ("MIT", "cooking", "markdown"),
        ("CC-BY-4.0", "a", "markdown"),
    ]


def test_a_folder_is_read_file_by_file_in_order_each_in_its_own_form(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "chat.jsonl").write_text(lines([{"conversations": ["Why?", "Because."]}]))
    (tmp_path / "a.json").write_text(json.dumps(ROWS[:1]))
    (tmp_path / "dataset_info.json").write_text('{"a": {"file_name": "a.json"}}')
    (tmp_path / "README.md").write_text("A set.")
    examples, _ = read(tmp_path)
    assert [(e["key"], e["prompt"]) for e in examples] == [("a.json:1", "Question 1?"), ("b/chat.jsonl:1", "Why?")]


def test_a_bad_line_is_unreadable_with_its_place_and_the_rest_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(ROWS[0])}\n{{broken\n[1]\n{json.dumps(ROWS[1])}\n" + '{"instruction": "x"}\n')
    examples, rejects = read(path)
    assert [e["position"] for e in examples] == [1, 4]
    assert [(r["key"], r["rule"], r["position"]) for r in rejects] == [
        ("a.jsonl:2", "unreadable", 2),
        ("a.jsonl:3", "unreadable", 3),
        ("a.jsonl:5", "unreadable", 5),
    ]
    assert "not JSON" in rejects[0]["detail"]
    assert "the row has no output|response; found instruction" in rejects[2]["detail"]


def test_coverage_is_counted_and_shown(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(lines([*ROWS, {"instruction": "x"}]))
    found = form_of((path,), Settings(path=path))
    assert (found.form.name, found.rows, found.covered) == ("alpaca", 4, 3)
    assert found.remark == "1 of 4 rows cannot be read; row 4: the row has no output|response; found instruction"
    assert sniff(path) == ("instructions", "alpaca", 4, 3, found.remark)


def test_only_the_first_200_rows_decide(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(lines(ROWS[:1] * 200 + [{"query": "q", "response": "r"}] * 300))
    assert form_of((path,), Settings(path=path))[1:3] == (200, 200)
    examples, rejects = read(path)
    assert (len(examples), len(rejects)) == (200, 300)


def test_files_of_other_sources_are_not_ours(tmp_path):
    (tmp_path / "Posts.xml").write_text("<posts/>")
    (tmp_path / "wiki.csv").write_text("title,headline\na,b\n")
    (tmp_path / "RC.zst").write_bytes(zstandard.compress(b'{"body": "x", "link_id": "t3_1"}\n'))
    assert [sniff(path) for path in sorted(tmp_path.iterdir())] == [None, None, None]


def test_columns_can_be_renamed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,Ask Me,reply\n1,Why?,Because.\n")
    with pytest.raises(InputError, match=r"fit no known form. Columns found: id, ask_me, reply"):
        read(path)
    (example,), _ = read(path, columns={"prompt": "Ask Me", "response": "reply"})
    assert (example["prompt"], example["response"]) == ("Why?", "Because.")
    with pytest.raises(
        InputError, match=r"prompt is to come from 'ask', which is no column there. Did you mean 'ask_me'"
    ):
        read(path, columns={"prompt": "ask", "response": "reply"})


def test_a_plain_table_goes_through_a_named_template(tmp_path):
    path = tmp_path / "piqa.jsonl"
    path.write_text(lines([{"query": "How to open it?", "choices": ["Pull.", "Sing."], "gold": 0}]))
    names = {"question": "query", "answer": "gold"}
    (example,), _ = read(path, form="multiple_choice", columns=names)
    assert "How to open it?" in example["prompt"]
    assert "A. Pull.\nB. Sing." in example["prompt"]


def test_a_task_file_and_a_tree_have_keys_with_parts(tmp_path):
    task = {"Definition": ["Add."], "Categories": ["Maths"], "Instances": [{"input": "1+1", "output": ["2"]}] * 2}
    (tmp_path / "task1.json").write_text(json.dumps(task, indent=2))
    tree = {
        "message_tree_id": "q",
        "prompt": {
            "message_id": "q", "role": "prompter", "text": "Why?", "replies": [
                {"message_id": "a", "role": "assistant", "text": "Because.", "rank": 0},
                {"message_id": "b", "role": "assistant", "text": "No.", "rank": 1},
            ],
        },
    }  # fmt: skip
    (tmp_path / "trees.jsonl").write_text(lines([tree]))
    examples, rejects = read(tmp_path)
    assert [(e["key"], e["stratum"]) for e in examples] == [
        ("task1.json:1#1", "Maths"),
        ("task1.json:1#2", "Maths"),
        ("trees.jsonl:1", "trees"),
    ]
    (reject,) = rejects
    assert (reject["key"], reject["rule"], reject["other"]) == ("trees.jsonl:1#b", "not_best_path", examples[2]["id"])


def test_flat_messages_are_read_with_places_of_their_own_rows(tmp_path):
    rows = [
        {"message_id": "q", "parent_id": None, "role": "prompter", "text": "Why?"},
        {"message_id": "b", "parent_id": "q", "role": "assistant", "text": "No.", "rank": 1},
        {"message_id": "a", "parent_id": "q", "role": "assistant", "text": "Because.", "rank": 0},
    ]
    path = tmp_path / "messages.jsonl"
    path.write_text(lines(rows))
    (example,), (reject,) = read(path)
    assert (example["key"], example["position"], example["response"]) == ("messages.jsonl:3", 3, "Because.")
    assert (reject["key"], reject["rule"], reject["other"]) == ("messages.jsonl:2", "not_best_path", example["id"])


def test_batches_are_bounded_and_stopping_early_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "BATCH_ROWS", 2)
    path = tmp_path / "a.jsonl"
    path.write_text(lines(ROWS))
    settings = Settings(path=path)
    batches = load("set", (path,), settings, tmp_path)
    assert next(batches).examples.height == 2
    batches.close()
    assert [batch.examples.height for batch in load("set", (path,), settings, tmp_path)] == [2, 1]


def test_a_truncated_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS)[:-30])
    with pytest.raises(InputError, match=r"a.json: truncated"):
        read(path)


@pytest.mark.parametrize(("name", "content"), [("a.json", "[]"), ("a.jsonl", ""), ("a.csv", "instruction,output\n")])
def test_an_empty_file_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}: there are no rows in it"):
        units(Settings(path=tmp_path / name))


def test_a_missing_path_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no such file or folder"):
        units(Settings(path=tmp_path / "gone"))
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match=r"only files that describe data"):
        units(Settings(path=tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "neither path nor hub is given; expected exactly one of them"),
        ({"path": "a", "hub": "b/c"}, "both path and hub are given"),
        ({"path": "a", "config": "main"}, "config and revision belong to hub"),
        ({"path": "a", "form": "sharegtp"}, "form 'sharegtp' is not known. Did you mean 'sharegpt'"),
        ({"path": "a", "instances_per_task": 0}, "greater than or equal to 1"),
        ({"path": "a", "colums": {}}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**settings)


def test_a_templates_file_belongs_to_the_unit_and_names_a_form(tmp_path):
    data, templates = tmp_path / "a.jsonl", tmp_path / "mine.yaml"
    data.write_text(lines([{"dish": "soup", "steps": "Boil."}]))
    templates.write_text(
        "tasks: {cook: {columns: [dish, steps], wordings: [{prompt: 'Cook {dish}.', response: '{steps}'}]}}"
    )
    settings = Settings(path=data, templates=templates, form="cook")
    assert units(settings) == [(data, templates)]
    (example,), _ = read(data, templates=templates)
    assert (example["prompt"], example["response"]) == ("Cook soup.", "Boil.")


def test_a_saved_data_set_is_read_split_by_split(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    splits = {"train": ROWS[:2], "test": ROWS[2:]}
    data = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()})
    data.save_to_disk(str(tmp_path / "saved"))
    examples, _ = read(tmp_path / "saved")
    assert [(e["key"], e["prompt"]) for e in examples] == [
        ("test:1", "Question 3?"),
        ("train:1", "Question 1?"),
        ("train:2", "Question 2?"),
    ]
    examples, _ = read(tmp_path / "saved", split="train")
    assert [e["key"] for e in examples] == ["train:1", "train:2"]
    with pytest.raises(InputError, match=r"no split 'trian'. Did you mean 'train'?"):
        read(tmp_path / "saved", split="trian")
    assert sniff(tmp_path / "saved")[:4] == ("instructions", "alpaca", 1, 1)
    next((tmp_path / "saved" / "train").glob("*.arrow")).write_bytes(b"broken")
    with pytest.raises(InputError, match=r"not readable as a saved data set"):
        read(tmp_path / "saved", split="train")


def test_a_set_in_the_layout_of_the_hub_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "train.jsonl").write_text(lines(ROWS))
    settings = Settings(hub=str(tmp_path / "hub"))
    assert units(settings) == [()]
    (batch,) = load("set", (), settings, tmp_path)
    assert batch.examples["key"].to_list() == [f"{tmp_path}/hub/train:{n}" for n in (1, 2, 3)]
    assert batch.examples["response"].to_list() == ["Answer 1.", "Answer 2.", "Answer 3."]
    with pytest.raises(
        InputError, match=r"split dev: could not be read: Bad split: dev.* Check name, config and split"
    ):
        list(load("set", (), Settings(hub=str(tmp_path / "hub"), split="dev"), tmp_path))


def test_a_hub_that_cannot_be_reached_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    import datasets

    def unreachable(*_args, **_settings):
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        InputError,
        match=r"hub: a/b, config default, split train: could not be read: Couldn't reach the Hub.*give their folder as `path`",
    ):
        list(load("set", (), Settings(hub="a/b"), tmp_path))


REAL = {
    "instruction/alpaca_5000.json": ("alpaca", {"": 5000}),
    "instruction/alpaca_1k_longest.json": ("sharegpt", {"": 1000}),
    "instruction/code_alpaca_2k.json": ("alpaca", {"": 2017}),
    "instruction/dolly_3k.json": ("dolly", {"": 2996}),
    "instruction/evol_instruct_1k.json": ("sharegpt", {"": 1000}),
    "instruction/gpteacher/toolformer-dedupe-only-dataset.json": ("alpaca", {"": 7673}),
    "instruction/gpteacher/toolformer-similarity-0.8-dataset.json": ("alpaca", {"": 4709}),
    "instruction/lima/lima.json": ("alpaca", {"": 1029}),
    "instruction/lima/lima_test.jsonl": ("lima", {"no_answer": 300}),
    "instruction/llamafactory_demo/alpaca_en_demo.json": ("alpaca", {"": 999}),
    "instruction/llamafactory_demo/dpo_en_demo.json": ("preference", {"": 300}),
    "instruction/llamafactory_demo/glaive_toolcall_en_demo.json": ("sharegpt", {"": 300}),
    "instruction/llamafactory_demo/kto_en_demo.json": ("kto", {"": 150, "not_preferred": 150}),
    "instruction/oasst/en_100_tree.jsonl": ("oasst_trees", {"": 100, "not_best_path": 651, "no_answer": 226}),
    "instruction/platypus_sources/theoremqa_test.json": ("question_answer", {"": 747, "unreadable": 53}),
    "instruction/platypus_sources/thermo_sol.json": ("scibench", {"": 17}),
    "instruction/seed_tasks.jsonl": ("seed_tasks", {"": 175}),
    "instruction/user_oriented_instructions.jsonl": ("seed_tasks", {"": 252}),
    "benchmarks/gsm8k/test.jsonl": ("question_answer", {"": 1319}),
    "benchmarks/mmlu_val/zero_shot_mmlu_val.json": ("input_output", {"": 1531}),
    "benchmarks/truthfulqa/TruthfulQA.csv": ("question_answer", {"": 790}),
}


@pytest.mark.parametrize("file", REAL)
def test_real_sets_are_recognised_and_every_row_is_accounted_for(shared_data, file):
    path = shared_data(file)
    examples, rejects = read(path)
    found = Counter({"": len(examples), **Counter(reject["rule"] for reject in rejects)})
    assert (sniff(path).form, {rule: n for rule, n in found.items() if n}) == REAL[file]
    assert set(found) <= {"", *RULES}
    keys = [row["key"] for row in [*examples, *rejects]]
    assert len(keys) == len(set(keys))


def test_lima_has_29_conversations_of_several_turns(shared_data):
    examples, _ = read(shared_data("instruction/lima/lima.json"))
    assert sum(bool(example["history"]) for example in examples) == 29
