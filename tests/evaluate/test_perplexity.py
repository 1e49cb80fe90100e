"""Perplexity of documents: the windows, the sums, the readers, the file that is gone on with, what may be ranked."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError, InputError, RunError
from evaluate import documents, journal, perplexity, reader, subjects, tokens
from evaluate.__main__ import main
from evaluate.documents import Document
from evaluate.statistics import predicted
from evaluate.subjects import Subject
from tests.curate import language_models

PASSAGE = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big,"
    " red ball. She ran to it and kicked it. The ball went up and up, and it did not come down."
)
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% if m['role'] == 'assistant' %}</s>{% endif %}"
    "{{ '\\n' }}{% endfor %}"
)
TALKS = [
    [("user", "what is a cat ?"), ("assistant", "a cat is an animal that sits on a mat .")],
    [("user", "why ?"), ("assistant", "it is !"), ("user", "the mat ?"), ("assistant", "by and by , a mat is a mat .")],
    [("user", "the cat sat on the mat . " * 12), ("assistant", "it is ! " * 9)],
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny model with a window of 64 tokens; its tokenizer has a chat template."""
    from transformers import AutoTokenizer

    folder = language_models.causal(tmp_path_factory.mktemp("base"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory):
    """The same weights under a tokenizer that joins nothing: every byte is a token."""
    folder = language_models.causal(tmp_path_factory.mktemp("bytewise"))
    path = folder / "tokenizer.json"
    whole = json.loads(path.read_text())
    whole["model"]["merges"] = []
    path.write_text(json.dumps(whole))
    return folder


def talks():
    return [
        Document(f"t{i}", [{"role": role, "content": content} for role, content in turns], None)
        for i, turns in enumerate(TALKS)
    ]


def measured(docs, *models, out=None, watch=perplexity.silent, **settings):
    named = [Subject(model.name, str(model)) for model in models]
    return perplexity.measure(docs, named, reader.Settings(**settings), out, watch)


def independent(folder, windows):
    """The sum of negative log-probabilities by transformers' own loss, of (ids, how many of them are context)."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    total = 0.0
    for ids, context in windows:
        labels = [-100] * context + ids[context:]
        with torch.inference_mode():
            loss = network(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total += float(loss) * (len(ids) - context)
    return total


def test_windows_by_hand():
    # After the lead as many tokens as the window holds; then as many after one token of context; the rest after as much
    # as still fits: 3 tokens before 2.
    assert list(perplexity.windows([99], list(range(10)), 4)) == [
        ([99], [0, 1, 2, 3]),
        ([3], [4, 5, 6, 7]),
        ([5, 6, 7], [8, 9]),
    ]
    assert list(perplexity.windows([99], [0, 1], 4)) == [([99], [0, 1])]
    assert list(perplexity.windows([99], [], 4)) == []


@given(st.integers(0, 50), st.integers(2, 9))
def test_every_token_is_predicted_once_after_the_tokens_before_it_and_all_windows_fit(length, size):
    ids = list(range(length))
    found = list(perplexity.windows([-1], ids, size))
    assert [one for _, scored in found for one in scored] == ids
    for before, scored in found:
        assert before[-1] == scored[0] - 1
        assert len(before) + len(scored) - 1 <= size
        # What a window has room for is used, but for the first, which has nothing before it.
        assert len(before) + len(scored) - 1 == size or before == [-1]


@pytest.mark.parametrize("name", ["stories260K", "babyllama_tok105"])
@pytest.mark.parametrize("times", [1, 12])
def test_real_models_perplexity_is_that_of_transformers(shared_data, name, times):
    from transformers import AutoConfig, AutoTokenizer

    folder = shared_data(f"models/{name}/hf")
    text = " ".join([PASSAGE] * times)
    ids = AutoTokenizer.from_pretrained(folder).encode(text)
    size = AutoConfig.from_pretrained(folder).max_position_embeddings
    assert ids[0] == 1  # BOS
    # Windows of the whole, cut here by hand: all start with one token of context, the last reaches back.
    windows = [(ids[: size + 1], 1)]
    for start in range(size, len(ids) - 1, size):
        end = min(start + size, len(ids) - 1)
        windows.append((ids[end - size : end + 1], start + 1 - (end - size)))
    assert (len(windows) > 1) == (times > 1 or len(ids) - 1 > size)
    expected = independent(folder, windows)
    row = measured([Document("p", None, text)], folder)[0]
    assert row["nats"] == pytest.approx(expected, rel=1e-6)
    assert row["tokens"] == len(ids) - 1
    assert row["token_perplexity"] == pytest.approx(math.exp(expected / (len(ids) - 1)), rel=1e-6)
    assert row["word_perplexity"] == pytest.approx(math.exp(expected / len(text.split())), rel=1e-6)
    assert row["bits_per_byte"] == pytest.approx(expected / math.log(2) / len(text.encode()), rel=1e-6)


def test_answers_and_the_whole_text_are_two_views_of_a_conversation(base):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = measured(talks()[:2], base)
    # The template's first token has nothing before it; each answer is closed by </s>, and the last newline follows it.
    answer, said = "a cat is an animal that sits on a mat .", ("user: ", "what is a cat ?", "\nassistant: ")
    parts = [tokenizer.encode(text, add_special_tokens=False) for text in (*said, answer, "</s>", "\n")]
    assert tokenizer.apply_chat_template(talks()[0].messages, tokenize=False) == "".join((*said, answer, "</s>", "\n"))
    ids, answer = [number for part in parts for number in part], parts[3]
    assert rows[0]["tokens"] == len(ids) - 1
    assert rows[0]["answer_tokens"] == len(answer) + 1
    assert (rows[0]["answer_words"], rows[0]["answer_bytes"]) == (11, 39)
    assert rows[0]["nats"] == pytest.approx(independent(base, [(ids, 1)]), rel=1e-5)
    end = len(ids) - 1 - len(tokenizer.encode("\n", add_special_tokens=False))
    assert rows[0]["answer_nats"] == pytest.approx(independent(base, [(ids[: end + 1], end - len(answer))]), rel=1e-5)
    assert rows[1]["answer_bytes"] == len("it is !") + len("by and by , a mat is a mat .")


def test_held_out_answers_have_the_perplexity_that_training_reports(base):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from curate.lm import rendering
    from train import packed
    from train import perplexity as training
    from train.masks import document
    from train.record import Example
    from train.settings import Sft

    tokenizer = AutoTokenizer.from_pretrained(base)
    template = rendering.template(tokenizer, None, str(base))
    examples = []
    for one in talks()[:2]:
        spans = rendering.spans(one.messages, tokenizer, template)
        size = sum(len(span.text.encode()) for span in spans if span.trained and span.content)
        examples.append(Example(one.id, "d", (document(spans),), (), trained_bytes=size))
    network = AutoModelForCausalLM.from_pretrained(base)
    packed.install(network, Sft(), neftune_alpha=None)
    theirs = training.predict(network.eval(), examples, 64)
    ours = predicted.report(measured(talks()[:2], base), "bits_per_byte")["models"][0]
    assert ours["view"] == "answers"
    assert (ours["tokens"], ours["bytes"]) == (theirs.tokens, theirs.text_bytes)
    assert ours["nats"] == pytest.approx(theirs.nats, rel=1e-6)
    assert ours["token_perplexity"] == pytest.approx(theirs.perplexity, rel=1e-6)
    assert ours["bits_per_byte"] == pytest.approx(theirs.bits_per_byte, rel=1e-6)


def test_without_a_template_an_answer_is_the_same_tokens_whatever_stands_before_it(base):
    short = Document("s", [{"role": "user", "content": "why ?"}, {"role": "assistant", "content": "it is !"}], None)
    other = Document("o", [{"role": "user", "content": "a mat"}, {"role": "assistant", "content": "it is !"}], None)
    rows = measured([short, other], base, template="none")
    assert rows[0]["answer_tokens"] == rows[1]["answer_tokens"]
    assert rows[0]["bytes"] == len("why ?\n\nit is !")
    assert rows[0]["answer_nats"] != rows[1]["answer_nats"]


def test_a_control_token_that_a_text_names_is_text(base):
    row = measured([Document("d", None, "a</s>b")], base)[0]
    assert row["tokens"] == 6


def test_a_document_has_the_same_bits_whichever_documents_it_is_measured_with(base):
    alone = measured(talks()[1:2], base)[0]
    assert measured(talks(), base)[1] == alone


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapter_is_measured_on_its_base_as_the_merged_model_is(base, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with language_models.seeded():
        network = get_peft_model(
            AutoModelForCausalLM.from_pretrained(base),
            LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False),
        )
    network.save_pretrained(tmp_path / "adapter")
    language_models.quietly(network.merge_and_unload(), tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    chosen = subjects.subjects([], [str(tmp_path / "adapter")], [], with_base=True)
    assert [one.name for one in chosen] == [base.name, "adapter"]
    rows = perplexity.measure(talks()[:1], [*chosen, Subject("merged", str(tmp_path / "merged"))], reader.Settings())
    plain, adapted, merged = (row["nats"] for row in rows)
    assert adapted == pytest.approx(merged, rel=1e-5)
    assert adapted != pytest.approx(plain, rel=1e-3)
    assert len({row["setup"] for row in rows}) == 3


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_virtual_tokens_stand_before_the_text(base, tmp_path):
    import torch
    from peft import PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with language_models.seeded():
        network = get_peft_model(
            AutoModelForCausalLM.from_pretrained(base), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
        )
    network.save_pretrained(tmp_path / "prompt")
    row = perplexity.measure(
        [Document("d", None, "a cat .")], [Subject("p", str(base), tmp_path / "prompt")], reader.Settings()
    )[0]
    ids = [0, *AutoTokenizer.from_pretrained(base).encode("a cat .", add_special_tokens=False)]
    with torch.inference_mode():
        found = network.eval()(input_ids=torch.tensor([ids])).logits[0, 4:-1].log_softmax(-1)
    assert row["nats"] == pytest.approx(-float(found.gather(-1, torch.tensor(ids[1:])[:, None]).sum()), rel=1e-5)


def test_empty_documents_are_named_and_left_out(base):
    rows = measured([Document("blank", None, ""), Document("full", None, "a cat .")], base)
    assert [(row["status"], row["nats"] is None) for row in rows] == [("empty", True), ("ok", False)]
    found = predicted.report(rows, "bits_per_byte")
    assert (found["documents"], found["empty"]) == (1, ["blank"])
    assert "documents without a token, left out: 1 (blank)" in found["notes"]


def test_a_corpus_without_any_token_is_an_error(base):
    with pytest.raises(InputError, match=r"no document was measured for all of .* empty"):
        predicted.report(measured([Document("blank", None, "")], base), "bits_per_byte")


def test_a_model_whose_probabilities_are_no_numbers_says_so(base, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        network.lm_head.weight[5] = math.inf
    language_models.quietly(network, tmp_path / "broken")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "broken")
    row = measured([Document("d", None, "a cat .")], tmp_path / "broken")[0]
    assert (row["status"], row["nats"], row["bits_per_byte"]) == ("not_finite", None, None)


def test_figures_by_hand():
    # Four tokens of probability 1/8 over two words and six bytes: 12 bits.
    found = predicted.figures(4 * math.log(8), 4, 2, 6)
    assert found == {
        "token_perplexity": pytest.approx(8),
        "word_perplexity": pytest.approx(64),
        "byte_perplexity": pytest.approx(4),
        "bits_per_byte": pytest.approx(2),
    }
    assert predicted.figures(1.0, 0, 0, 0) == dict.fromkeys(predicted.FIGURES)


@pytest.mark.parametrize(("text", "words"), [("a b", 2), (" a b ", 4), ("", 1), ("a\n\n\tb", 2)])
def test_words_are_counted_as_lm_eval_counts_them(text, words):
    assert tokens.count_words(text) == words


def row(model, name, nats, size, tokenization="same", **more):
    counts = {"tokens": size, "words": 2, "bytes": size, "nats": nats}
    answers = {f"answer_{key}": value for key, value in counts.items()}
    return {
        "model": model,
        "id": name,
        "status": "ok",
        **counts,
        **answers,
        "unknown": 0,
        "tokenization": tokenization,
        **more,
    }


def test_a_corpus_is_the_sum_of_its_documents_and_the_difference_is_paired():
    rows = [row("a", "1", 8.0, 4), row("a", "2", 2.0, 8), row("b", "1", 12.0, 4), row("b", "2", 10.0, 8)]
    found = predicted.report(rows, "bits_per_byte")
    a, b = (one for one in found["models"] if one["view"] == "whole")
    assert (a["nats"], a["bytes"], a["token_perplexity"]) == (10.0, 12, pytest.approx(math.exp(10 / 12)))
    assert a["bits_per_byte"] == pytest.approx(10 / 12 / math.log(2))
    # Both documents are 1 nat a byte worse: so is every draw of them.
    assert [b[key] for key in ("behind", "behind_low", "behind_high")] == pytest.approx([1 / math.log(2)] * 3)
    assert a["low"] < a["bits_per_byte"] < a["high"]
    assert found["ranking"] == ["a", "b"]


def test_token_perplexities_of_different_tokenizers_are_not_ranked(base, bytewise):
    rows = measured([Document("d", None, "the cat sat on the mat .")], base, bytewise, template="none")
    assert rows[0]["tokens"] < rows[1]["tokens"]
    assert rows[0]["bytes"] == rows[1]["bytes"]
    with pytest.raises(ConfigError, match=r"different tokens .*\d+.*Take --rank bits_per_byte"):
        predicted.report(rows, "token_perplexity")
    found = predicted.report(rows, "bits_per_byte")
    assert found["tokenizers_differ"]
    by = {one["model"]: one["bits_per_byte"] for one in found["models"]}
    assert found["ranking"] == sorted(by, key=by.get)


def test_token_perplexities_of_one_tokenizer_are_ranked():
    rows = [row("a", "1", 8.0, 4), row("b", "1", 4.0, 4)]
    assert predicted.report(rows, "token_perplexity")["ranking"] == ["b", "a"]


def test_whole_texts_that_templates_write_differently_are_not_ranked():
    rows = [row("a", "1", 8.0, 4), {**row("b", "1", 4.0, 4, "other"), "bytes": 6}]
    with pytest.raises(ConfigError, match="one --template"):
        predicted.report(rows, "bits_per_byte", "whole")
    found = predicted.report(rows, "bits_per_byte")
    assert found["ranking"] == ["b", "a"]
    assert [one["behind"] is None for one in found["models"]] == [False, False, True, True]
    assert any("the whole text are not compared" in note for note in found["notes"])


def test_after_an_interruption_only_what_is_missing_is_measured(base, tmp_path, monkeypatch):
    monkeypatch.setattr(perplexity, "PASSES_KEPT", 0)  # a block for each document
    whole = measured(talks(), base)
    out = tmp_path / "rows.jsonl"

    def stop(progress):
        if progress.done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(talks(), base, out=out, watch=stop)
    done = journal.rows(out)
    assert 0 < len(done) < 3
    with out.open("a") as handle:
        handle.write('{"model": "ba')  # what a kill leaves
    seen = []
    assert measured(talks(), base, out=out, watch=lambda progress: seen.append(progress.total)) == whole
    assert set(seen) == {3 - len(done)}
    assert sorted(one["id"] for one in journal.rows(out)) == ["t0", "t1", "t2"]


def test_rows_of_another_window_or_text_are_not_gone_on_with(base, tmp_path):
    out = tmp_path / "rows.jsonl"
    measured([Document("d", None, "a cat .")], base, out=out)
    with pytest.raises(InputError, match="another window"):
        measured([Document("d", None, "a cat .")], base, out=out, window=8)
    with pytest.raises(InputError, match="document d is of another text"):
        measured([Document("d", None, "a mat .")], base, out=out)


def test_a_model_without_a_first_token_is_refused(tmp_path):
    folder = language_models.causal(tmp_path / "base")
    language_models.tokenizer(folder)
    with pytest.raises(ConfigError, match="neither a BOS nor an EOS"):
        measured([Document("d", None, "a")], folder)


def lines(path, *rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_the_forms_of_documents(tmp_path):
    sharegpt = {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}
    trailing = {
        "id": "m",
        "messages": [{"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"))],
    }
    alpaca = {"instruction": "Add.", "input": "1 1", "output": "2", "history": [["hi", "hello"]]}
    path = lines(tmp_path / "d.jsonl", sharegpt, trailing, alpaca, {"text": "plain"}, {"prompt": "only asked"})
    (tmp_path / "book.txt").write_text("A book.\r\n")
    found = documents.read([path, tmp_path / "book.txt"])
    assert [(one.id, one.text) for one in found] == [
        ("d.jsonl:1", None), ("m", None), ("d.jsonl:3", None), ("d.jsonl:4", "plain"), ("d.jsonl:5", None),
        ("book.txt", "A book.\r\n"),
    ]  # fmt: skip
    said = [[(turn["role"], turn["content"]) for turn in one.messages or []] for one in found]
    assert said[0] == [("user", "Why?"), ("assistant", "So.")]
    assert said[1] == [("user", "a"), ("assistant", "b")]
    assert said[2] == [("user", "hi"), ("assistant", "hello"), ("user", "Add.\n\n1 1"), ("assistant", "2")]
    assert said[4] == [("user", "only asked")]


def test_a_folder_is_a_built_run_or_texts(tmp_path):
    for name, content in (("b.txt", "two"), ("a.txt", "one")):
        (tmp_path / name).write_text(content)
    assert [one.text for one in documents.read([tmp_path])] == ["one", "two"]
    lines(tmp_path / "dataset.jsonl", {"id": "x", "text": "built"})
    assert [one.id for one in documents.read([tmp_path])] == ["x"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"summary": "?"}, "d.jsonl:1: neither a conversation nor a text; its fields: summary"),
        ({"messages": [{"role": "wizard", "content": "a"}]}, "d.jsonl:1: turn 1 of messages has no known role"),
        ({"text": {"a": 1}}, "d.jsonl:1: text is an object; expected text"),
    ],
)
def test_a_row_that_is_no_document_is_named(tmp_path, row, said):
    with pytest.raises(InputError, match=said):
        documents.read([lines(tmp_path / "d.jsonl", row)])


def test_two_documents_with_one_id_nothing_at_all_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(InputError, match=r"d.jsonl:2: a second document with the id 7"):
        documents.read([lines(tmp_path / "d.jsonl", {"id": 7, "text": "a"}, {"id": 7, "text": "b"})])
    with pytest.raises(InputError, match="no documents"):
        documents.read([lines(tmp_path / "e.jsonl")])
    (tmp_path / "f.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8 at byte 3"):
        documents.read([tmp_path / "f.txt"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"no dataset.jsonl and no .txt"):
        documents.read([tmp_path / "folder"])


def test_models_are_called_by_as_much_of_their_path_as_tells_them_apart(tmp_path):
    for name in ("one/hf", "two/hf", "other"):
        (tmp_path / name).mkdir(parents=True)
    found = subjects.subjects(
        [*(str(tmp_path / name) for name in ("one/hf", "two/hf", "other")), "mine=org/model"], [], []
    )
    assert [one.name for one in found] == ["one/hf", "two/hf", "other", "mine"]
    assert found[3].model == "org/model"
    with pytest.raises(ConfigError, match="two models are called mine"):
        subjects.subjects(["mine=a", "mine=b"], [], [])


def test_the_epochs_of_a_run_are_adapters_or_whole_models(tmp_path):
    for epoch in (1, 2, 3):
        folder = tmp_path / "run" / f"epoch-{epoch:02d}"
        folder.mkdir(parents=True)
        if epoch < 3:
            (folder / "metrics.json").write_text("{}")
    config = tmp_path / "run/epoch-01/adapter_config.json"
    config.write_text(json.dumps({"base_model_name_or_path": "models/base"}))
    found = subjects.subjects([], [], [tmp_path / "run"], with_base=True)
    assert [(one.name, one.model) for one in found] == [
        ("base", "models/base"),
        ("epoch-01", "models/base"),
        ("epoch-02", str(tmp_path / "run/epoch-02")),
    ]
    with pytest.raises(RunError, match="no epoch-NN"):
        subjects.subjects([], [], [tmp_path])
    with pytest.raises(ConfigError, match="several are given"):
        subjects.subjects(["a", "b"], [], [tmp_path / "run"])
    with pytest.raises(InputError, match="a merged or full model is a --model"):
        subjects.subjects([], [str(tmp_path)], [])


def test_the_command_prints_a_table_or_one_json_document(base, bytewise, tmp_path, capsys):
    data = lines(tmp_path / "d.jsonl", *({"id": one.id, "messages": one.messages} for one in talks()[:2]))
    arguments = [
        "perplexity",
        "--model",
        f"joined={base}",
        "--model",
        f"bytes={bytewise}",
        "--data",
        str(data),
        "--template",
        "none",
    ]
    assert main([*arguments, "--out", str(tmp_path / "rows.jsonl")]) == 0
    text = capsys.readouterr().out
    assert "ranked by bits per byte" in text
    assert "whole text" in text
    assert "not compared" in text
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    written = {(one["model"], one["id"]): one for one in journal.rows(tmp_path / "rows.jsonl")}
    assert {(one["model"], one["id"]): one for one in found["rows"]} == written
    assert len(written) == 4
    assert {one["view"] for one in found["models"]} == {"answers", "whole"}
    assert main([*arguments, "--rank", "token_perplexity"]) == 2
    assert "Take --rank bits_per_byte" in capsys.readouterr().err
    assert main(["perplexity", "--data", str(data)]) == 2
