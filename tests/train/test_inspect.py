import json

import pytest

from curate.lm import rendering
from tests.curate import tokens
from tests.train.conftest import any_settings
from train import data, inspect, masks


@pytest.fixture
def base(monkeypatch):
    """The base is a byte-level tokenizer of which the test knows every token."""
    from train import base

    tokenizer = tokens.byte_level(unk_token="<unk>", control=("<unk>", *tokens.CHATML))
    monkeypatch.setattr(base, "tokenizer", lambda _: tokenizer)
    return tokenizer


def chat(question, answer, **more):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def look(tmp_path, *rows, limit=3, **settings):
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    given = any_settings(**{"data": [{"path": path, **settings.pop("dataset", {})}], "template": "chatml", **settings})
    return inspect.inspect(given, limit)


def test_figures_count_tokens_and_what_of_them_is_trained(base, tmp_path):
    found = look(tmp_path, chat("xyz", "qq"), chat("x", "qqqq", id="second"))
    (file,) = found["files"]
    template = rendering.template(base, "chatml", "nowhere")
    first, second = (masks.render(chat(*texts)["messages"], base, template) for texts in (("xyz", "qq"), ("x", "qqqq")))
    assert (file["examples"], file["tokens"]) == (2, len(first.ids) + len(second.ids))
    # Each answer's letters, and its end token.
    assert file["trained"] == (2 + 1) + (4 + 1)
    assert (file["lengths"]["shortest"], file["lengths"]["longest"]) == (len(first.ids), len(second.ids))
    assert (file["unknown"], file["problem"], found["end_tokens"]) == (0, None, ["<|im_end|>"])
    assert json.loads(json.dumps(found)) == found


def test_lengths_are_counted_in_forty_equal_ranges():
    found = inspect._lengths([1, 2, 3, 40, 41, 80], longest=90)
    assert (found["shortest"], found["median"], found["nine_tenths"], found["longest"]) == (1, 3, 80, 90)
    assert {i: n for i, n in enumerate(found["histogram"]) if n} == {0: 2, 1: 1, 19: 1, 20: 1, 39: 1}


def test_without_colour_what_is_trained_stands_in_brackets(base, tmp_path):
    text = inspect.page(look(tmp_path, chat("Why </s>?", "Because.")), colour=False)
    assert "‹<s>›‹<|im_start|>›user\nWhy </s>?‹<|im_end|>›\n‹<|im_start|>›assistant\n⟦Because.‹<|im_end|>›⟧\n" in text
    assert "\x1b" not in text


def test_on_a_terminal_what_is_trained_is_green_unless_no_color_is_set(base, tmp_path, monkeypatch):
    found = look(tmp_path, chat("Why?", "Because."))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = inspect.page(found)
    assert "\x1b[32mBecause.\x1b[0m\x1b[32m\x1b[7m<|im_end|>\x1b[0m" in text
    assert "⟦" not in text
    monkeypatch.setenv("NO_COLOR", "1")
    assert inspect.page(found) == inspect.page(found, colour=False)


def test_a_file_that_could_not_be_trained_on_is_shown_with_its_problem(base, tmp_path):
    found = look(tmp_path, chat("x", "q"), chat("x", "q" * 90, id="long"), max_tokens=60)
    assert "are longer than max_tokens, 60" in found["files"][0]["problem"]
    text = inspect.page(found, colour=False)
    assert "too long  1 of more than max_tokens 60: the run would stop" in text
    assert "── long: " in text


def test_what_is_trimmed_dropped_unknown_or_empty_is_said(base, tmp_path):
    rows = chat("x", ""), chat("x", "q" * 90)
    assert "1 of more than max_tokens 60: trimmed, 1 inside an answer" in inspect.page(
        look(tmp_path, *rows, max_tokens=60, overlong="trim"), colour=False
    )
    text = inspect.page(look(tmp_path, *rows, max_tokens=60, overlong="drop"), colour=False)
    assert "set.jsonl: 1 of 2 rows as examples" in text
    assert "1 of more than max_tokens 60: left out" in text
    assert "1 answers without text" in text


def test_rival_answers_are_shown_one_below_the_other_with_their_scores(base, tmp_path):
    row = {
        "prompt": "Why?",
        "id": "r",
        "answers": [{"content": "No.", "score": 0.5}, {"content": "Because.", "score": 2}],
    }
    found = look(tmp_path, row, dataset={"form": "preferences"}, objective={"kind": "rrhf"})
    text = inspect.page(found, colour=False)
    assert "1 of 1 rows as examples, 2 documents" in text
    assert (
        text.index("r, answer 1 of 2, score 2:") < text.index("⟦Because.") < text.index("r, answer 2 of 2, score 0.5:")
    )


def test_examples_are_taken_from_all_over_the_file_as_many_as_asked_for(base, tmp_path):
    rows = [chat("x", "q", id=str(i)) for i in range(10)]
    assert [shown["id"] for shown in look(tmp_path, *rows, limit=2)["files"][0]["shown"]] == ["0", "5"]
    assert [shown["id"] for shown in look(tmp_path, *rows[:2], limit=5)["files"][0]["shown"]] == ["0", "1"]
    assert look(tmp_path, *rows, limit=0)["files"][0]["shown"] == []


def test_a_long_text_is_printed_without_its_middle(base, tmp_path):
    found = look(tmp_path, chat("x", "q" * 1000 + "end"))
    text = inspect.page(found, colour=False)
    assert " [… 303 characters …] " in text
    assert "qend‹<|im_end|>›⟧" in text


def test_data_cannot_steer_the_terminal(base, tmp_path):
    text = inspect.page(look(tmp_path, chat("x", "a\x1b[2J\tb\r")), colour=False)
    assert r"⟦a\x1b[2J" + "\tb" + r"\r‹" in text


def test_a_text_that_the_tokenizer_cannot_write_shows_as_unknown(monkeypatch, tmp_path):
    from train import base

    tokenizer = tokens.sentence_piece("first")
    monkeypatch.setattr(base, "tokenizer", lambda _: tokenizer)
    found = look(tmp_path, chat("a cat", "at 漢"))
    assert found["files"][0]["unknown"] == 1
    text = inspect.page(found, colour=False)
    assert "⟦at <unk>‹<|im_end|>›⟧" in text
    assert "of the tokens: this tokenizer cannot write their text" in text


def test_what_is_shown_is_what_is_read(base, tmp_path):
    rows = [chat("x", "q"), chat("y", "r")]
    found = look(tmp_path, *rows)
    given = any_settings(data=[{"path": tmp_path / "set.jsonl"}], template="chatml")
    template = rendering.template(base, given.template, given.base)
    examples = data.read(given, base, template).stages[0]
    shown = ["".join(piece["text"] for piece in one["documents"][0]["pieces"]) for one in found["files"][0]["shown"]]
    assert shown == [base.decode(example.documents[0].ids) for example in examples]
