"""Answers of local models and endpoints: the decoding, the independence of each answer, the file that is gone on with."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from curate.errors import ConfigError, InputError, RunError
from curate.lm import generation
from curate.lm.decoding import Decoding
from evaluate import answer, formats, journal, loading, prompts
from evaluate.__main__ import main
from tests import faults
from tests.curate import language_models
from tests.faults import completion, failure, said

TEMPLATE = "{% for m in messages %}{{ m['role'][0] }}: {{ m['content'] }}\n{% endfor %}a:"
QUESTIONS = ["what is a cat ?", "the cat sat .", "a mat ?", "it is !", "what is that on the mat ?", "why ?"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny causal model with a chat template; its own generation settings are a trap: none of them may apply."""
    from transformers import AutoTokenizer, GenerationConfig

    folder = language_models.causal(tmp_path_factory.mktemp("base"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    habits = {"do_sample": True, "top_k": 1, "repetition_penalty": 9.0, "min_new_tokens": 30, "temperature": 0.01}
    GenerationConfig(bos_token_id=0, eos_token_id=1, **habits).save_pretrained(folder)
    return folder


def asked(tmp_path, questions=QUESTIONS, **more):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": text, **more}) + "\n" for text in questions))
    return prompts.read(path)


def settings(*overrides, preset="lima"):
    return answer.load(preset, ["decoding.max_new_tokens=12", *overrides])


def outputs(path):
    return {(row["prompt_id"], row["sample"], row["turn"]): row["output"] for row in journal.rows(path)}


def test_the_presets_are_the_papers():
    lima, neftune = answer.load("lima").decoding, answer.load("neftune").decoding
    assert lima == Decoding(top_p=0.9, temperature=0.7, repetition_penalty=1.2, max_new_tokens=2048)
    assert neftune == Decoding(top_p=1, temperature=0, repetition_penalty=1.2, max_length=2048, max_new_tokens=None)
    assert answer.Settings().decoding == lima
    with pytest.raises(ConfigError, match="Did you mean 'neftune'"):
        answer.load("neftun")


@pytest.mark.parametrize("preset", ["lima", "neftune"])
def test_an_answer_is_the_same_alone_with_others_and_after_a_stop(base, tmp_path, preset):
    choice = settings("samples=2", preset=preset)
    whole = tmp_path / "whole.jsonl"
    found = answer.answer(asked(tmp_path), str(base), choice, whole)
    assert (found["answers"], found["left"]) == (12, 0)
    alone = tmp_path / "alone.jsonl"
    answer.answer(asked(tmp_path, QUESTIONS[4:5]), str(base), choice, alone)
    assert outputs(alone).items() <= outputs(whole).items()
    # What a kill leaves: whole rows, and half a row.
    cut = tmp_path / "cut.jsonl"
    lines = whole.read_bytes().split(b"\n")
    cut.write_bytes(b"\n".join(lines[2:7]) + b"\n" + lines[8][:40])
    answer.answer(asked(tmp_path), str(base), choice, cut)
    assert outputs(cut) == outputs(whole)
    assert len(journal.rows(cut)) == 12


def test_two_samples_differ_and_another_seed_gives_others(base, tmp_path):
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    answer.answer(asked(tmp_path), str(base), settings("samples=2"), one)
    answer.answer(asked(tmp_path), str(base), settings("samples=2", "seed=2"), two)
    assert sum(outputs(one)[key] != outputs(two)[key] for key in outputs(one)) > 6
    samples = [[value for key, value in outputs(one).items() if key[1] == n] for n in (0, 1)]
    assert samples[0] != samples[1]


def test_greedy_answers_are_those_of_transformers_one_prompt_at_a_time(base, tmp_path):
    """Left padding, fixed shapes and the trap in the base's generation settings change nothing."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    out = tmp_path / "a.jsonl"
    answer.answer(asked(tmp_path), str(base), settings(preset="neftune"), out)
    network, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    network.generation_config = GenerationConfig()
    greedy = GenerationConfig(
        do_sample=False, repetition_penalty=1.2, max_new_tokens=12, eos_token_id=1, pad_token_id=1
    )
    for row in journal.rows(out):
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        new = network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)[0, ids.shape[1] :]
        assert row["output"] == tokenizer.decode(new, skip_special_tokens=True)
        assert row["finish"] == ("stop" if new[-1] == 1 else "length")
        assert row["tokens"] == len(new)


def test_rows_are_answers_of_the_record(base, tmp_path):
    out = tmp_path / "a.jsonl"
    found = answer.answer(asked(tmp_path, category="c"), str(base), settings(), out, name="mine")
    rows = formats.own.answers(out)
    assert found["generator"] == "mine"
    assert set(rows["generator"]) == {"mine"}
    assert set(rows["category"]) == {"c"}
    assert formats.sniff(out).kind == "answers"
    decoding = json.loads(rows["decoding"][0])
    assert decoding | {"max_length": None} == {
        "temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.2, "max_new_tokens": 12, "max_length": None,
        "batch": 8, "precision": "float32",
    }  # fmt: skip


def test_a_prompt_that_leaves_no_room_is_an_error_and_no_empty_answer(base, tmp_path):
    out = tmp_path / "a.jsonl"
    found = answer.answer(asked(tmp_path, ["cat " * 70, "a mat ?"]), str(base), settings(), out)
    assert found["finish"]["error"] == 1
    long = next(row for row in journal.rows(out) if row["finish"] == "error")
    assert (long["output"], long["tokens"]) == (None, 0)


def test_a_follow_up_is_answered_after_the_models_own_answer(base, tmp_path):
    path = tmp_path / "mt.jsonl"
    path.write_text(json.dumps({"question_id": 81, "turns": ["a mat ?", "why ?"], "category": "writing"}) + "\n")
    out = tmp_path / "a.jsonl"
    answer.answer(prompts.read(path), str(base), settings(), out)
    first, second = journal.rows(out)
    assert [turn["content"] for turn in second["messages"]] == ["a mat ?", first["output"], "why ?"]
    assert (first["turn"], second["turn"], second["prompt_id"]) == (1, 2, "81")
    out.write_bytes(out.read_bytes().split(b"\n")[0] + b"\n")
    answer.answer(prompts.read(path), str(base), settings(), out)
    assert journal.rows(out)[1] == second


def test_answers_of_another_model_or_decoding_are_not_mixed(base, tmp_path):
    out = tmp_path / "a.jsonl"
    answer.answer(asked(tmp_path, QUESTIONS[:2]), str(base), settings(), out, name="x")
    with pytest.raises(InputError, match='whose generator is "x"; these would have "y"'):
        answer.answer(asked(tmp_path), str(base), settings(), out, name="y")
    with pytest.raises(InputError, match=r"whose decoding is .*0\.7.*; these would have .*0\.1"):
        answer.answer(asked(tmp_path), str(base), settings("decoding.temperature=0.1"), out, name="x")


def test_a_full_memory_is_one_line_with_the_knob(base, tmp_path, monkeypatch):
    import torch

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")
        yield

    monkeypatch.setattr(generation, "generate", full)
    with pytest.raises(RunError, match="out of memory with 8 prompts at a time: answer fewer: --batch 4"):
        answer.answer(asked(tmp_path), str(base), settings(), tmp_path / "a.jsonl")


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapter_answers_with_its_own_tokenizer_and_end_token(base, tmp_path):
    """The folder that training leaves: adapter, tokenizer with a token more than the base, generation config."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    folder = tmp_path / "epoch-03"
    tokenizer = AutoTokenizer.from_pretrained(base)
    # As many tokens as make the new one the first that the base has no row for.
    tokenizer.add_tokens([f"<{n}>" for n in range(300 - len(tokenizer))])
    tokenizer.add_tokens(["<|eot|>"], special_tokens=True)
    tokenizer.chat_template = "{{ messages[0]['content'] }}<|eot|>"
    network = AutoModelForCausalLM.from_pretrained(base)
    network.resize_token_embeddings(301, mean_resizing=False)
    config = peft.LoraConfig(
        r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, trainable_token_indices=[300]
    )
    with language_models.seeded():
        tuned = peft.get_peft_model(network, config)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    tokenizer.save_pretrained(folder)
    GenerationConfig(eos_token_id=[300, 1], pad_token_id=300).save_pretrained(folder)
    model = loading.load(str(base), folder, None, "auto", None)
    assert model.ends == (300, 1)
    ids = generation.prompt_ids([{"role": "user", "content": "a mat ?"}], model)
    assert ids[-1] == 300
    tuned.eval()
    with torch.inference_mode():
        expected, found = (one(torch.tensor([ids])).logits for one in (tuned, model.network))
    # The base stored no row for the new token; the adapter brings its own, in the embedding.
    torch.testing.assert_close(found[..., :300], expected[..., :300])
    command = ["answer", "--adapter", str(folder), "--model", str(base), "--prompts", str(tmp_path / "p.jsonl")]
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "a mat ?"}) + "\n")
    assert main([*command, "--out", str(tmp_path / "a.jsonl"), "-s", "decoding.max_new_tokens=5"]) == 0
    assert journal.rows(tmp_path / "a.jsonl")[0]["generator"] == "epoch-03"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "empty"}, "no tokenizer can be loaded"),
        ({"chat_template": "missing.jinja"}, "expected a Jinja file, or none"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(base, tmp_path, change, message):
    (tmp_path / "empty").mkdir()
    choice = settings(*[f"chat_template={change['chat_template']}"] if "chat_template" in change else [])
    with pytest.raises(ConfigError, match=message):
        answer.answer(asked(tmp_path), str(tmp_path / change.get("model", base)), choice, tmp_path / "a.jsonl")


def test_a_base_without_a_chat_template_is_asked_how_it_wants_its_prompts(tmp_path, tmp_path_factory):
    plain = language_models.causal(tmp_path_factory.mktemp("plain"))
    with pytest.raises(ConfigError, match=r"has no chat template. Give one: -s chat_template="):
        answer.answer(asked(tmp_path), str(plain), settings(), tmp_path / "a.jsonl")
    found = answer.answer(asked(tmp_path), str(plain), settings("chat_template=none"), tmp_path / "a.jsonl")
    assert found["left"] == 0


def remote(endpoint, *overrides):
    given = [f"endpoint.base_url={endpoint.url}", "endpoint.model=m", "endpoint.key_env=null", "endpoint.retries=0"]
    return answer.load("lima", [*given, *overrides])


def test_an_endpoint_is_asked_with_the_decoding_and_the_answers_own_seed(tmp_path):
    with faults.serving() as serve:
        endpoint = serve(
            lambda request, n: completion(said(request).upper(), "length" if "why" in said(request) else "stop")
        )
        out = tmp_path / "a.jsonl"
        found = answer.answer(asked(tmp_path), "m", remote(endpoint, "samples=2"), out)
    assert found["finish"] == {"stop": 10, "length": 2}
    assert "repetition penalty of 1.2 was not sent" in found["notes"][0]
    rows = journal.rows(out)
    assert {row["output"] for row in rows} == {text.upper() for text in QUESTIONS}
    assert rows[0]["decoding"] == {"temperature": 0.7, "top_p": 0.9, "max_tokens": 2048}
    assert {request["seed"] for request in endpoint.requests} == {row["seed"] for row in rows}
    assert len({row["seed"] for row in rows}) == 12


def test_what_an_endpoint_failed_to_answer_is_left_and_asked_again(tmp_path, capsys):
    down = True

    def script(request, _):
        if said(request) == "why ?" and down:
            return failure(503)
        if said(request) == "it is !":
            return completion(None, refusal="No.")
        return completion("Yes.")

    with faults.serving() as serve:
        endpoint = serve(script)
        command = ["answer", "--api", endpoint.url, "--model", "m", "--prompts", str(tmp_path / "prompts.jsonl")]
        command += [
            "--out",
            str(tmp_path / "a.jsonl"),
            "-s",
            "endpoint.key_env=null",
            "-s",
            "endpoint.retries=0",
            "--json",
        ]
        asked(tmp_path)
        assert main(command) == 1
        found = json.loads(capsys.readouterr().out)
        assert (found["answers"], found["left"], found["failed"]) == (5, 1, 1)
        assert found["finish"] == {"stop": 4, "error": 1}
        down = False
        assert main(command) == 0
        assert len(endpoint.requests) == 7
    assert len(journal.rows(tmp_path / "a.jsonl")) == 6


@pytest.mark.slow
def test_a_killed_process_loses_at_most_its_batch(base, tmp_path):
    path, out = tmp_path / "prompts.jsonl", tmp_path / "a.jsonl"
    questions = [f"{text} {n} {'mat ' * (n % 3)}" for n, text in enumerate(QUESTIONS * 2)]
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in questions))
    command = [
        sys.executable,
        "-m",
        "evaluate",
        "answer",
        "--model",
        str(base),
        "--prompts",
        str(path),
        "--out",
        str(out),
    ]
    command += ["--batch", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not journal.rows(out) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = journal.rows(out)
    assert before
    choice = answer.load("lima", ["batch=2"])
    answer.answer(prompts.read(path), str(base), choice, out)
    assert journal.rows(out)[: len(before)] == before
    whole = tmp_path / "whole.jsonl"
    answer.answer(prompts.read(path), str(base), choice, whole)
    assert outputs(out) == outputs(whole)


@contextlib.contextmanager
def transformers_serve(folder, tmp_path):
    """`transformers serve` on a free port, as a user starts it."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "serve.log").open("wb")
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        stdout=log,
        stderr=log,
        env=environment,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "serve.log").read_text()[-2000:]
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.mark.slow
def test_a_real_server_answers_and_judges(tmp_path, shared_data, capsys):
    """`transformers serve` on a small real model, given a chat template in a copy."""
    pytest.importorskip("fastapi", reason="the extra transformers[serving] is not installed")
    pytest.importorskip("uvicorn", reason="the extra transformers[serving] is not installed")
    import shutil

    folder = tmp_path / "stories"
    shutil.copytree(shared_data("models/stories260K/hf"), folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    (folder / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[-1]['content'][:200] }}")
    asked(tmp_path, ["Once upon a time", "Lily had a cat."])
    with transformers_serve(folder, tmp_path) as url:
        command = ["answer", "--api", url, "--model", str(folder), "--prompts", str(tmp_path / "prompts.jsonl")]
        command += ["-s", "endpoint.key_env=null", "--json"]
        for name, tokens in (("x", 20), ("y", 12)):
            more = ["--name", name, "--out", str(tmp_path / f"{name}.jsonl"), "-s", f"decoding.max_new_tokens={tokens}"]
            assert main([*command, *more]) == 0
            found = json.loads(capsys.readouterr().out)
            assert (found["answers"], found["finish"]) == (2, {"length": 2})
        rows = journal.rows(tmp_path / "x.jsonl")
        assert all(row["tokens"] == 20 and row["output"].strip() for row in rows)
        judge = ["judge", "--answers", str(tmp_path / "x.jsonl"), str(tmp_path / "y.jsonl"), "--judge", "api"]
        judge += ["-s", f"model={folder}", "-s", f"base_url={url}", "-s", "key_env=null", "-s", "max_tokens=16"]
        assert main([*judge, "--out", str(tmp_path / "r.jsonl"), "--json"]) == 0
    # A model that tells stories gives no verdict, and none is made up for it.
    status = json.loads(capsys.readouterr().out)["status"]
    assert sum(status.values()) == 4
    assert set(status) <= {"truncated", "parse_failed"}
    assert all(row["verdict"] is None and row["raw"] for row in journal.rows(tmp_path / "r.jsonl"))
