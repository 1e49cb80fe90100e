import json

import pytest

from curate.errors import InputError
from evaluate.__main__ import main
from evaluate.style import style


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(path, name, *outputs):
    rows = [
        {"prompt_id": f"p{i}", "instruction": f"Question {i}?", "messages": [{"role": "user", "content": f"Question {i}?"}],
         "output": text, "generator": name}
        for i, text in enumerate(outputs)
    ]  # fmt: skip
    return write(path, rows)


LONG = "rain falls on the hills and runs down to the sea where it rises again as cloud"


@pytest.fixture
def files(tmp_path):
    data = [
        {"id": f"p{i}", "messages": [{"role": "user", "content": f"Question {i}?"}, {"role": "assistant", "content": LONG}]}
        for i in range(3)
    ]  # fmt: skip
    perplexity = [
        {"model": name, "id": f"d{i}", "status": "ok", "answer_nats": nats * 10, "answer_tokens": 10}
        for name, nats in (("plain", 1.0), ("noised", 1.5))
        for i in range(3)
    ]
    return {
        "plain": answers(
            tmp_path / "plain.jsonl", "plain", LONG, LONG, "the sea the sea the sea the sea the sea the sea"
        ),
        "noised": answers(tmp_path / "noised.jsonl", "noised", LONG + " indeed", LONG, LONG),
        "data": write(tmp_path / "dataset.jsonl", data),
        "seen": write(tmp_path / "seen.jsonl", perplexity),
    }


def test_models_are_compared_with_the_first_one(files):
    found = style([files["plain"], files["noised"]])
    assert (found["models"], found["prompts"], found["first"]) == (["plain", "noised"], 3, 17)
    gaps = {row["measure"]: row for row in found["differences"]}
    # 18, 17, 17 words against 17, 17, 12.
    assert gaps["words"]["value"] == 2
    assert found["memorised"] is None
    assert found["loss"] is None


def test_answers_to_training_prompts_are_held_against_the_training_answers(files):
    found = style([files["plain"]], trained=[files["plain"], files["noised"]], data=files["data"])["memorised"]
    means = {(row["generator"], row["measure"]): row["value"] for row in found["summary"]}
    assert found["values"]["plain"]["rouge_l"][:2] == [1.0, 1.0]
    assert means["noised", "rouge_l"] > means["plain", "rouge_l"]


def test_losses_are_nats_per_token_of_each_document(files):
    found = style([files["plain"]], seen=files["seen"])["loss"]
    assert found["sides"] == ["seen"]
    assert found["values"] == {"plain": {"seen": [1.0] * 3}, "noised": {"seen": [1.5] * 3}}


def test_the_command_writes_a_page_without_script_and_escapes_names(files, tmp_path, capsys):
    hostile = answers(tmp_path / "x.jsonl", "<script>alert(1)</script>", LONG, LONG, LONG)
    words = ["style", str(files["plain"]), str(hostile), "--trained", str(files["plain"]), "--data", str(files["data"])]
    assert (
        main([*words, "--seen", str(files["seen"]), "--unseen", str(files["seen"]), "--out", str(tmp_path / "out")])
        == 0
    )
    told = capsys.readouterr().out
    assert told.splitlines()[0].split() == ["plain", "<script>alert(1)</script>"]
    assert "repeated pairs (rep-2)" in told
    assert "ROUGE-L" in told
    assert "loss on other texts" in told
    page = (tmp_path / "out" / "style.html").read_text()
    assert "<script" not in page
    assert "Learned by heart" in page
    assert "What was seen and what was not" in page
    assert json.loads((tmp_path / "out" / "style.json").read_text())["models"][0] == "plain"


def test_trained_answers_need_the_training_set(files, capsys):
    assert main(["style", str(files["plain"]), "--trained", str(files["plain"])]) == 2
    assert "--trained and --data belong together" in capsys.readouterr().err


def test_one_model_in_two_files_is_refused(files):
    with pytest.raises(InputError, match="plain answers prompt p0 twice"):
        style([files["plain"], files["plain"]])


def test_what_holds_no_answers_is_refused_with_what_it_holds(files):
    with pytest.raises(InputError, match=r"dataset\.jsonl: holds prompts .*expected answers"):
        style([files["data"]])
