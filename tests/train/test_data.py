import json

import pytest

from curate.errors import ConfigError, InputError
from curate.lm import rendering
from tests.curate import tokens
from tests.train.conftest import any_settings
from train import data, masks
from train.record import UNTRAINED


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.byte_level()


@pytest.fixture(scope="module")
def template(tokenizer):
    return rendering.template(tokenizer, "chatml", "nowhere")


def chat(question, answer, **more):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def wrote(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def given(path, objective="sft", form="chat", **more):
    return any_settings(data=[{"path": path, "form": form}], objective={"kind": objective}, **more)


def trained(document):
    return [number for number, label in zip(document.ids, document.labels, strict=True) if label != UNTRAINED]


def test_examples_stand_in_the_order_of_rows_with_their_ids_and_bytes(tokenizer, template, tmp_path):
    path = wrote(tmp_path / "set.jsonl", chat("a", "é!", id="first"), chat("b", "cat"))
    (stage,), (file,) = data.read(given(path), tokenizer, template)
    assert [(e.id, e.dataset, e.trained_bytes) for e in stage] == [
        ("first", str(path), 3),
        ("set.jsonl:2", str(path), 3),
    ]
    assert stage[1].documents == (masks.render(chat("b", "cat")["messages"], tokenizer, template),)
    assert (file.rows, file.too_long, file.tied, file.blank) == (2, [], 0, 0)


def test_each_stage_holds_the_examples_of_its_files(tokenizer, template, tmp_path):
    names = ["late", "early", "early too"]
    sets = [
        {"path": wrote(tmp_path / name, chat("a", "b", id=name)), "stage": 3 if name == "late" else 1} for name in names
    ]
    stages, _ = data.read(any_settings(data=sets), tokenizer, template)
    assert [[example.id for example in stage] for stage in stages] == [["early", "early too"], ["late"]]


def test_a_file_stands_once_in_a_stage(tokenizer, template, tmp_path):
    twice = [{"path": tmp_path / "set.jsonl"}] * 2
    with pytest.raises(ConfigError, match=r"set.jsonl is given twice in stage 1; expected once"):
        data.read(any_settings(data=twice), tokenizer, template)


def test_the_folder_of_a_curate_run_stands_for_its_data_set(tokenizer, template, tmp_path):
    import polars as pl

    rows = [chat("a", "b", id="x")]
    wrote(tmp_path / "dataset.jsonl", *rows)
    lines = data.read(given(tmp_path), tokenizer, template).stages
    (tmp_path / "dataset.jsonl").unlink()
    pl.DataFrame(rows).write_parquet(tmp_path / "dataset.parquet")
    assert data.read(given(tmp_path), tokenizer, template).stages == lines
    (tmp_path / "dataset.parquet").unlink()
    with pytest.raises(InputError, match=r"no dataset.jsonl in this folder"):
        data.read(given(tmp_path), tokenizer, template)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"messages": []}', r"set.jsonl:2: the conversation of 0 turns has no assistant turn"),
        ("{broken", r"set.jsonl:2: "),
        (
            json.dumps(chat("a", "b") | {"messages": [{"role": "nobody", "content": "x"}]}),
            r"set.jsonl:2: .*no known role",
        ),
        ('{"foo": 1}', r"set.jsonl:2: the row has no conversation; its fields: foo"),
    ],
)
def test_a_bad_row_ends_the_run_with_file_and_line(lines, message, tokenizer, template, tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(chat("a", "b")) + "\n" + lines + "\n")
    with pytest.raises(InputError, match=message):
        data.read(given(path), tokenizer, template)


def test_an_empty_file_is_refused(tokenizer, template, tmp_path):
    with pytest.raises(InputError, match=r"nothing in it; expected rows with messages"):
        data.read(given(wrote(tmp_path / "set.jsonl")), tokenizer, template)


def lengthy(tmp_path):
    return wrote(tmp_path / "set.jsonl", chat("a", "b", id="short"), chat("a", "x" * 60, id="long"))


def test_an_example_that_is_too_long_ends_the_run_with_counts_and_ids(tokenizer, template, tmp_path):
    with pytest.raises(InputError, match=r"1 of 2 examples are longer than max_tokens, 50 .*: long. Set overlong=trim"):
        data.read(given(lengthy(tmp_path), max_tokens=50), tokenizer, template)


def test_an_example_that_is_too_long_can_be_dropped(tokenizer, template, tmp_path):
    (stage,), (file,) = data.read(given(lengthy(tmp_path), max_tokens=50, overlong="drop"), tokenizer, template)
    assert [example.id for example in stage] == ["short"]
    assert file.too_long == ["long"]


def test_an_example_that_is_too_long_can_be_trimmed_and_loses_its_end_token(tokenizer, template, tmp_path):
    (stage,), (file,) = data.read(given(lengthy(tmp_path), max_tokens=50, overlong="trim"), tokenizer, template)
    whole = masks.render(chat("a", "x" * 60)["messages"], tokenizer, template)
    (document,) = stage[1].documents
    assert (document.ids, document.labels) == (whole.ids[:50], whole.labels[:50])
    assert file.longest == len(whole.ids)
    assert (file.cut, stage[1].trained_bytes) == (1, document.trained)
    assert set(tokenizer.decode(trained(document))) == {"x"}


def test_trimming_after_an_answer_cuts_none(tokenizer, template, tmp_path):
    turns = chat("a", "b")["messages"] + chat("x" * 60, "c")["messages"]
    path = wrote(tmp_path / "set.jsonl", {"messages": turns})
    (stage,), (file,) = data.read(given(path, max_tokens=50, overlong="trim"), tokenizer, template)
    assert (file.cut, len(file.too_long)) == (0, 1)
    assert tokenizer.decode(trained(stage[0].documents[0])) == "b<|im_end|>"


def test_trimming_that_leaves_nothing_to_train_ends_the_run(tokenizer, template, tmp_path):
    path = wrote(tmp_path / "set.jsonl", chat("x" * 60, "b", id="all prompt"), chat("a", "b"))
    with pytest.raises(
        InputError, match=r"1 of 2 examples have no trained token: .*: all prompt. Take them out, raise"
    ):
        data.read(given(path, max_tokens=50, overlong="trim"), tokenizer, template)


def test_dropping_everything_ends_the_run(tokenizer, template, tmp_path):
    path = wrote(tmp_path / "set.jsonl", chat("x" * 60, "b"))
    with pytest.raises(InputError, match="none of 1 examples is left: 1 are too long"):
        data.read(given(path, max_tokens=50, overlong="drop"), tokenizer, template)


def test_answers_without_text_are_counted(tokenizer, template, tmp_path):
    path = wrote(tmp_path / "set.jsonl", chat("a", ""), chat("a", " \n"), chat("", "b"))
    assert data.read(given(path), tokenizer, template).files[0].blank == 2


def test_text_is_cut_into_documents_all_of_which_is_trained(tokenizer, template, tmp_path):
    text = "Once </s> upon a time there was a cat. " * 3
    path = wrote(tmp_path / "set.jsonl", {"text": text, "id": "tale"}, {"text": "The end."})
    (stage,), _ = data.read(given(path, form="text", max_tokens=50), tokenizer, template)
    bos, eos = tokenizer.convert_tokens_to_ids(["<s>", "</s>"])
    documents = [example.documents[0] for example in stage]
    assert [example.id for example in stage[:2] + stage[-1:]] == ["tale#1", "tale#2", "set.jsonl:2"]
    assert all(document.ids[0] == bos and document.labels == [UNTRAINED, *document.ids[1:]] for document in documents)
    assert [len(document.ids) for document in documents[:-2]] == [50] * (len(documents) - 2)
    # What is trained of the pieces is the text, whole, and one EOS; "</s>" in the text is none.
    joined = [number for document in documents[:-1] for number in trained(document)]
    assert tokenizer.decode(joined) == text + "</s>"
    assert [document.ids.count(eos) for document in documents] == [0] * (len(documents) - 2) + [1, 1]
    assert sum(example.trained_bytes for example in stage[:-1]) == len(text)


def ranked(*answers):
    return {"prompt": "Why?", "id": "r", "answers": [{"content": text, "score": score} for text, score in answers]}


@pytest.mark.parametrize(
    ("objective", "answers", "scores"),
    [
        ("best-of-n", ["good"], ()),
        ("dpo", ["good", "bad"], ()),
        ("slic", ["good", "bad"], ()),
        ("rrhf", ["good", "so so", "bad"], (7.0, 3.5, -1.0)),
    ],
)
def test_an_objective_takes_the_answers_that_it_compares(objective, answers, scores, tokenizer, template, tmp_path):
    path = wrote(tmp_path / "set.jsonl", ranked(("so so", 3.5), ("bad", -1), ("good", 7)))
    (stage,), _ = data.read(given(path, objective, "preferences"), tokenizer, template)
    (example,) = stage
    assert [tokenizer.decode(trained(document)) for document in example.documents] == [
        f"{a}<|im_end|>" for a in answers
    ]
    assert example.scores == scores


def test_only_the_compared_answer_of_a_long_prompt_is_trained(tokenizer, template, tmp_path):
    turns = [*chat("a", "earlier")["messages"], {"role": "user", "content": "b"}]
    path = wrote(tmp_path / "set.jsonl", {"messages": turns, "chosen": "good", "rejected": "bad"})
    (stage,), _ = data.read(given(path, "dpo", "preferences"), tokenizer, template)
    assert [tokenizer.decode(trained(d)) for d in stage[0].documents] == ["good<|im_end|>", "bad<|im_end|>"]


def test_answers_of_which_none_is_preferred_are_left_out_and_counted(tokenizer, template, tmp_path):
    rows = (
        ranked(("a", 1), ("b", 1)),
        ranked(("same", 1), ("same", 0)),
        ranked(("alone", 1)),
        ranked(("a", 1), ("b", 2)),
    )
    path = wrote(tmp_path / "set.jsonl", *rows)
    (stage,), (file,) = data.read(given(path, "dpo", "preferences"), tokenizer, template)
    assert (len(stage), file.tied, file.rows) == (1, 3, 4)
    (stage,), (file,) = data.read(given(path, "best-of-n", "preferences"), tokenizer, template)
    assert (len(stage), file.tied) == (4, 0)


@pytest.mark.parametrize(
    ("objective", "form", "message"),
    [
        ("dpo", "chat", "objective dpo compares answers, and the form is chat; expected preferences"),
        ("sft", "preferences", "the form is preferences; expected objective.kind best-of-n, dpo, rrhf or slic"),
    ],
)
def test_a_form_that_the_objective_has_no_loss_for_is_refused(objective, form, message, tokenizer, template, tmp_path):
    with pytest.raises(ConfigError, match=message):
        data.read(given(tmp_path / "any.jsonl", objective, form), tokenizer, template)
