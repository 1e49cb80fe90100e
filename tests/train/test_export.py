"""What is saved is what was trained: reloads are exact, merges are checked, quantised bases are merged into nothing."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GenerationConfig

from curate import config
from curate.errors import ConfigError, RunError
from curate.lm import rendering
from train import base, export, packed, toy
from train.settings import Settings, Sft

PLAIN = (toy.BOS, toy.EOS)


def made(folder, *, tied=False, reserved=True, dtype=torch.float32, **changes):
    """A run folder with its base and settings, an adapted model whose trained tensors were moved, its tokenizer."""
    words = toy.tokenizer(control=(*PLAIN, toy.START, toy.END) if reserved else PLAIN)
    # On a CPU, weights of 4 bits come in blocks of 64.
    toy.model(len(words), 128 if "quantize" in changes else 96, tied=tied).to(dtype).save_pretrained(folder / "base")
    words.save_pretrained(folder / "base")
    given = {"base": str(folder / "base"), "data": [{"path": "/d.jsonl"}], "optimizer": {"lr": 1e-4}}
    settings = Settings.model_validate({**given, "template": "lima", **changes})
    (folder / "config.yaml").write_text(config.dump(settings))
    words = base.tokenizer(settings)
    template = rendering.template(words, settings.template, settings.base)
    model = base.adapt(base.load(settings, words, "cpu"), settings, words)
    packed.install(model, Sft(), 5.0, packing=settings.adapter.kind in ("lora", "ia3", "full"))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.add_(torch.randn(value.shape, generator=generator), alpha=0.05)
    return settings, model, words, template


def saved(folder, model, words, template):
    epoch = folder / "epoch-01"
    export.save(model, words, epoch, template.end_ids)
    return epoch


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("reserved", [True, False])
def test_an_adapter_with_an_eot_token_reloads_without_any_difference(tmp_path, tied, reserved):
    settings, model, words, template = made(tmp_path, tied=tied, reserved=reserved)
    model.train()
    expected = export.probe(model, words)
    assert model.training
    epoch = saved(tmp_path, model, words, template)
    assert export.prove(expected, epoch, settings, "cpu") == 0.0
    # The rows that are trained, and nothing of the embedding's own size.
    stored = load_file(epoch / "adapter_model.safetensors")
    rows = {name: value.shape for name, value in stored.items() if "lora" not in name}
    assert set(rows.values()) == {(1, 96)}
    assert len(rows) == (1 if tied else 2)
    assert max(value.shape[0] for value in stored.values()) <= 256


def test_the_trained_rows_are_what_the_reload_depends_on(tmp_path):
    from safetensors.torch import save_file

    settings, model, words, template = made(tmp_path, reserved=False)
    expected = export.probe(model, words)
    epoch = saved(tmp_path, model, words, template)
    stored = load_file(epoch / "adapter_model.safetensors")
    head = next(name for name in stored if "lm_head" in name)
    save_file({**stored, head: stored[head] + 1}, epoch / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"what was saved is not what was trained: reloaded, a logit differs by \d"):
        export.prove(expected, epoch, settings, "cpu")


@pytest.mark.parametrize("kind", ["full", "ia3", "prefix", "prompt", "p-tuning"])
def test_every_kind_of_adapter_reloads_without_any_difference(tmp_path, kind):
    reserved = kind != "full"
    settings, model, words, template = made(tmp_path, adapter={"kind": kind}, reserved=reserved)
    expected = export.probe(model, words)
    epoch = saved(tmp_path, model, words, template)
    assert export.prove(expected, epoch, settings, "cpu") == 0.0


def test_a_bfloat16_base_with_a_float32_adapter_reloads_without_any_difference(tmp_path):
    settings, model, words, template = made(tmp_path, precision="bfloat16", dtype=torch.bfloat16, reserved=False)
    expected = export.probe(model, words)
    assert export.prove(expected, saved(tmp_path, model, words, template), settings, "cpu") == 0.0


def test_a_folder_answers_by_itself(tmp_path):
    _, model, words, template = made(tmp_path, reserved=False)
    epoch = saved(tmp_path, model, words, template)
    again = AutoTokenizer.from_pretrained(epoch)
    assert (again.eot_token, again.chat_template) == ("<|eot|>", words.chat_template)
    text = again.apply_chat_template([{"role": "user", "content": "Why?"}], tokenize=False)
    assert text == f"{toy.BOS}Why?<|eot|>"
    generation = GenerationConfig.from_pretrained(epoch)
    assert generation.eos_token_id == [words.eot_token_id, words.eos_token_id]
    assert sorted(path.name for path in epoch.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_a_model_that_learned_to_emit_eot_stops_there(tmp_path):
    settings, model, words, template = made(tmp_path, reserved=False)
    # The head's row of the new token, many times the others' norm along the hidden state: it wins everywhere.
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        hidden = model.get_base_model().model(input_ids=ids).last_hidden_state[0, -1]
        head = model.get_base_model().lm_head.token_adapter.trainable_tokens_delta["default"]
        head.copy_(hidden[None])
    epoch = saved(tmp_path, model, words, template)
    again = export.load(epoch, settings, "cpu")
    stops = GenerationConfig.from_pretrained(epoch)
    found = again.generate(input_ids=ids, generation_config=stops, max_new_tokens=9, do_sample=False, pad_token_id=0)
    assert found[0].tolist() == [5, 6, 7, words.eot_token_id]


def test_a_full_model_is_saved_for_those_who_generate(tmp_path):
    _, model, words, template = made(tmp_path, adapter={"kind": "full"})
    epoch = saved(tmp_path, model, words, template)
    about = json.loads((epoch / "config.json").read_text())
    assert (about["use_cache"], about["dtype"]) == (True, "float32")
    assert model.config.use_cache is False


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("adapter", [{"kind": "lora"}, {"kind": "lora", "dora": True, "rslora": True}, {"kind": "ia3"}])
def test_a_merged_model_answers_as_the_adapter_did(tmp_path, tied, adapter):
    settings, model, words, template = made(tmp_path, tied=tied, adapter=adapter, reserved=adapter["kind"] == "ia3")
    expected = export.probe(model, words)
    epoch = saved(tmp_path, model, words, template)
    found = export.merge(tmp_path, tmp_path / "merged")
    assert (found["epoch"], found["onto"], found["dtype"]) == (str(epoch), "full precision", "float32")
    assert found["merged"] <= 1e-5
    assert found["trained_on"] is None
    again = export.load(tmp_path / "merged", settings, "cpu")
    torch.testing.assert_close(export.probe(again, words), expected, atol=1e-5, rtol=0)
    assert again.generation_config.eos_token_id == [*sorted(template.end_ids), words.eos_token_id]
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").eot_token == words.eot_token


def test_a_bfloat16_base_is_merged_in_float32_and_saved_as_it_was(tmp_path):
    _, model, words, template = made(tmp_path, dtype=torch.bfloat16, precision="bfloat16")
    saved(tmp_path, model, words, template)
    found = export.merge(tmp_path, tmp_path / "merged")
    assert found["dtype"] == "bfloat16"
    assert found["merged"] <= 1e-5
    assert 1e-4 < found["saved"] < 0.2
    assert "saved in bfloat16" in found["check"]


def test_the_selected_epoch_is_merged_else_the_last(tmp_path):
    _, model, words, template = made(tmp_path)
    for name in ("epoch-01", "epoch-02"):
        export.save(model, words, tmp_path / name, template.end_ids)
    assert export.merge(tmp_path, tmp_path / "m")["epoch"] == str(tmp_path / "epoch-02")
    (tmp_path / "best").write_text("epoch-01\n")
    assert export.merge(tmp_path, tmp_path / "m")["epoch"] == str(tmp_path / "epoch-01")
    assert export.merge(tmp_path / "epoch-02", tmp_path / "m")["epoch"] == str(tmp_path / "epoch-02")


def test_what_cannot_be_merged_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no adapter to merge\. Expected a run folder or one of its epochs"):
        export.merge(tmp_path, tmp_path / "m")
    _, model, words, template = made(tmp_path, adapter={"kind": "prompt"})
    epoch = saved(tmp_path, model, words, template)
    with pytest.raises(ConfigError, match="an adapter of the kind prompt is not part of any weight"):
        export.merge(epoch, tmp_path / "m")
    whole = tmp_path / "whole"
    whole.mkdir()
    _, model, words, template = made(whole, adapter={"kind": "full"})
    saved(whole, model, words, template)
    with pytest.raises(ConfigError, match=r"whole/epoch-01 is a whole model already"):
        export.merge(whole, tmp_path / "m")


def test_dequantized_is_for_runs_on_a_quantised_base(tmp_path):
    _, model, words, template = made(tmp_path)
    epoch = saved(tmp_path, model, words, template)
    with pytest.raises(ConfigError, match="--dequantized: the base of this run was not quantised"):
        export.merge(epoch, tmp_path / "m", dequantized=True)
    (epoch.parent / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"expected the run's config\.yaml beside it"):
        export.merge(epoch, tmp_path / "m")


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_an_adapter_of_a_quantised_base_is_merged_onto_full_precision_or_what_was_dequantised(tmp_path, kind):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes of the extra quantize is not installed")
    settings, model, words, template = made(tmp_path, quantize=kind)
    expected = export.probe(model, words)
    epoch = saved(tmp_path, model, words, template)
    assert export.prove(expected, epoch, settings, "cpu") <= 1e-5
    onto = export.merge(epoch, tmp_path / "full")
    exact = export.merge(epoch, tmp_path / "dequantized", dequantized=True)
    assert (onto["onto"], exact["onto"]) == ("full precision", "dequantized")
    assert onto["merged"] <= 1e-5
    assert exact["merged"] <= 1e-5
    # What was trained is closer to the dequantised weights than to those that it never saw. Of eight bits that held for
    # eleven of twelve draws, this one among them: their products round the activations as well (Dettmers et al. 2022, section 3).
    assert exact["trained_on"] < onto["trained_on"] / (10 if kind == "nf4" else 1)
    assert "quantization_config" not in json.loads((tmp_path / "dequantized" / "config.json").read_text())
