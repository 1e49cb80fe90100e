"""Bases: precision, the end-of-turn token and its rows, adapters and their refusals."""

import pytest
import torch

from curate.errors import ConfigError
from train import base, toy
from train.settings import Settings

NEW = (toy.BOS, toy.EOS)


def settings(folder, **changes):
    return Settings.model_validate(
        {"base": str(folder), "data": [{"path": "data.jsonl"}], "optimizer": {"lr": 1e-4}, **changes}
    )


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Toy bases by (tied, whether a token is set aside for turns)."""
    made = {}
    for tied in (False, True):
        for reserved in (True, False):
            folder = made[tied, reserved] = tmp_path_factory.mktemp("base")
            words = toy.tokenizer(control=(*NEW, toy.START, toy.END) if reserved else NEW)
            toy.model(len(words), tied=tied).save_pretrained(folder)
            words.save_pretrained(folder)
    return made


def adapted(folder, **changes):
    chosen = settings(folder, **changes)
    words = base.tokenizer(chosen)
    return base.adapt(base.load(chosen, words, "cpu"), chosen, words), words


def trained(model):
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def test_the_toy_is_the_same_every_time_and_leaves_torchs_random_numbers_alone():
    state = torch.get_rng_state()
    one, other = toy.model(seed=5).state_dict(), toy.model(seed=5).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert toy.tokenizer().get_vocab() == toy.tokenizer().get_vocab()


def test_the_toys_tokenizer_keeps_any_text_and_never_pads_with_the_end_token():
    words = toy.tokenizer()
    text = "Soak the stone.\n\n  Zwölf Käuze — 数学 🙂\t"
    assert words.decode(words(text, add_special_tokens=False).input_ids) == text
    assert words.pad_token is None
    assert len(words) == toy.VOCABULARY


def test_a_toy_is_placed_in_the_run_folder_and_another_base_is_left_alone(tmp_path):
    placed = base.place(settings("toy", seed=3), tmp_path)
    assert placed.base == str(tmp_path / "base")
    before = (tmp_path / "base" / "model.safetensors").read_bytes()
    assert base.place(settings("toy", seed=4), tmp_path) == placed.model_copy(update={"seed": 4})
    assert (tmp_path / "base" / "model.safetensors").read_bytes() == before
    assert base.place(settings("elsewhere"), tmp_path).base == "elsewhere"


def test_full_fine_tuning_has_float32_weights_whatever_the_checkpoint_has(tmp_path):
    toy.model().to(torch.bfloat16).save_pretrained(tmp_path)
    toy.tokenizer().save_pretrained(tmp_path)
    model, _ = adapted(tmp_path, adapter={"kind": "full"}, precision="bfloat16")
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert all(value.requires_grad for value in model.parameters())
    assert model.config.use_cache is False


def test_a_frozen_base_has_the_precision_of_the_products_and_its_adapter_float32(bases):
    model, _ = adapted(bases[False, True], precision="bfloat16", template="lima")
    frozen = {value.dtype for value in model.parameters() if not value.requires_grad}
    assert frozen == {torch.bfloat16}
    assert {value.dtype for value in trained(model).values()} == {torch.float32}


def test_a_template_without_eot_token_changes_nothing(bases):
    words = base.tokenizer(settings(bases[False, False], template="alpaca"))
    assert len(words) == toy.VOCABULARY
    assert "eot_token" not in words.special_tokens_map


def test_a_reserved_token_that_is_not_eos_closes_turns(bases):
    words = base.tokenizer(settings(bases[False, True], template="lima"))
    assert (words.eot_token, len(words)) == (toy.END, toy.VOCABULARY)
    assert words.eot_token != words.eos_token


def test_without_a_reserved_token_a_new_one_is_added(bases):
    words = base.tokenizer(settings(bases[False, False], template="lima"))
    assert (words.eot_token, words.eot_token_id) == ("<|eot|>", toy.VOCABULARY)
    assert words("a<|eot|>b", add_special_tokens=False).input_ids.count(toy.VOCABULARY) == 1


def test_a_named_token_is_taken_and_eos_is_refused(bases):
    assert base.tokenizer(settings(bases[False, True], template="lima", eot=toy.START)).eot_token == toy.START
    with pytest.raises(ConfigError, match=r"eot <\|eos\|> is the tokenizer's EOS, and must be another token \(LIMA"):
        base.tokenizer(settings(bases[False, True], template="lima", eot=toy.EOS))
    with pytest.raises(ConfigError, match=r"eot <\|x\|>: the chat template does not name eot_token\. Expected .*lima"):
        base.tokenizer(settings(bases[False, True], template="chatml", eot="<|x|>"))


def test_reserved_slots_are_found_where_no_token_has_a_name_for_turns(tmp_path):
    slots = (*NEW, "<|reserved_special_token_7|>", "<unused3>")
    toy.tokenizer(control=slots).save_pretrained(tmp_path)
    assert base.tokenizer(settings(tmp_path, template="lima")).eot_token == "<|reserved_special_token_7|>"


def test_a_token_set_aside_for_turns_that_is_already_eos_is_not_taken(tmp_path):
    # As Qwen's chat models have it.
    words = toy.tokenizer()
    words.eos_token = toy.END
    words.save_pretrained(tmp_path)
    assert base.tokenizer(settings(tmp_path, template="lima")).eot_token == "<|eot|>"


def test_the_tokenizer_of_the_toy_has_an_eot_token_before_anything_is_written():
    assert base.tokenizer(settings("toy", template="lima")).eot_token == toy.END


@pytest.mark.parametrize("tied", [False, True])
def test_the_rows_of_a_new_token_are_the_mean_of_the_others(bases, tied):
    chosen = settings(bases[tied, False], template="lima", adapter={"kind": "full"})
    model = base.load(chosen, base.tokenizer(chosen), "cpu")
    old = toy.model(tied=tied)
    for ours, before in (
        (model.get_input_embeddings().weight, old.get_input_embeddings().weight),
        (model.get_output_embeddings().weight, old.get_output_embeddings().weight),
    ):
        assert ours.shape == (toy.VOCABULARY + 1, 96)
        assert torch.equal(ours[:-1], before)
        torch.testing.assert_close(ours[-1], before.mean(0))


@pytest.mark.parametrize("reserved", [True, False])
def test_lora_trains_the_rows_of_the_eot_token_and_no_others(bases, reserved):
    model, _ = adapted(bases[False, reserved], template="lima", adapter={"kind": "lora", "targets": "attention"})
    rows = {name: value for name, value in trained(model).items() if "lora" not in name}
    assert {tuple(value.shape) for value in rows.values()} == {(1, 96)}
    assert sorted(".".join(name.split(".")[2:]).split(".token")[0] for name in rows) == [
        "lm_head",
        "model.embed_tokens",
    ]
    tied, _ = adapted(bases[True, reserved], template="lima", adapter={"kind": "lora", "targets": "attention"})
    assert [tuple(value.shape) for name, value in trained(tied).items() if "lora" not in name] == [(1, 96)]


def test_the_presets_of_targets_name_llamas_projections(bases):
    for targets, count in (("attention", 4), ("mlp", 3), ("all-linear", 7), (["q_proj", "v_proj"], 2)):
        model, _ = adapted(bases[False, True], adapter={"kind": "lora", "targets": targets, "r": 4})
        # Two layers, two matrices each; none on the head.
        assert len(trained(model)) == 2 * 2 * count
        assert not any("lm_head" in name for name in trained(model))


def test_targets_that_the_model_has_not_are_refused_with_those_it_has(bases, tmp_path):
    with pytest.raises(ConfigError, match=r"adapter\.targets: q_prj is no linear layer .* Did you mean 'q_proj'\?"):
        adapted(bases[False, True], adapter={"kind": "lora", "targets": ["q_prj"]})
    with pytest.raises(ConfigError, match=r"adapter\.targets: lm_head is no linear layer that can be adapted"):
        adapted(bases[False, True], adapter={"kind": "lora", "targets": ["lm_head"]})
    from transformers import GPT2Config, GPT2LMHeadModel

    words = toy.tokenizer()
    words.save_pretrained(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(words), n_embd=32, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"attention means q_proj, .* but gpt2 has c_attn, c_fc, c_proj\. Name those"):
        adapted(tmp_path, adapter={"kind": "lora", "targets": "attention"})


def test_rank_stabilised_and_weight_decomposed_adapters(bases):
    stable, _ = adapted(bases[False, True], adapter={"kind": "lora", "r": 16, "alpha": 32, "rslora": True})
    layer = stable.base_model.model.model.layers[0].self_attn.q_proj
    # Kalajdzievski 2023: alpha / sqrt(r).
    assert layer.scaling["default"] == 32 / 4
    dora, _ = adapted(bases[False, True], adapter={"kind": "lora", "dora": True, "targets": "attention"})
    assert sum("magnitude" in name for name in trained(dora)) == 2 * 4


def test_ia3_rescales_keys_values_and_mlp_activations(bases):
    model, _ = adapted(bases[False, True], adapter={"kind": "ia3"})
    # Two layers: 48 keys and values (2 heads of 24), 256 MLP activations.
    assert sum(value.numel() for value in trained(model).values()) == 2 * (48 + 48 + 256)


@pytest.mark.parametrize(("kind", "count"), [("prefix", 5 * 2 * 2 * 48), ("prompt", 5 * 96)])
def test_virtual_tokens_are_all_that_is_trained(bases, kind, count):
    model, _ = adapted(bases[False, True], adapter={"kind": kind, "tokens": 5})
    assert sum(value.numel() for value in trained(model).values()) == count
    model(input_ids=torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()
    assert all(value.grad is not None for value in trained(model).values())


def test_p_tuning_trains_an_encoder_of_virtual_tokens(bases):
    model, _ = adapted(bases[False, True], adapter={"kind": "p-tuning", "tokens": 5})
    assert all("prompt_encoder" in name for name in trained(model))
    assert model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape == (1, 5 + 3, toy.VOCABULARY)


def test_combinations_that_cannot_work_are_refused(bases):
    with pytest.raises(ConfigError, match=r"adapter prefix works through the cache .* activation_checkpointing=false"):
        adapted(bases[False, True], adapter={"kind": "prefix"}, activation_checkpointing=True)
    with pytest.raises(ConfigError, match="adapter full trains all weights, and those of a base in nf4 cannot"):
        adapted(bases[False, True], adapter={"kind": "full"}, quantize="nf4")
    with pytest.raises(ConfigError, match=r"adapter ia3 cannot train the row of a new token, <\|eot\|>\. Set adapter"):
        adapted(bases[False, False], adapter={"kind": "ia3"}, template="lima")


def test_a_quantised_checkpoint_is_neither_quantised_again_nor_fully_trained(tmp_path):
    import json

    toy.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"quantize nf4: .* is quantised already \(gptq\)\. Leave quantize out"):
        adapted(tmp_path, quantize="nf4")
    with pytest.raises(ConfigError, match="adapter full trains all weights, and those of a base in gptq cannot"):
        adapted(tmp_path, adapter={"kind": "full"})
    # Without its package transformers refuses; in one line.
    with pytest.raises(ConfigError, match=r"its model cannot be loaded\. .*[Gg][Pp][Tt][Qq]"):
        adapted(tmp_path)


def test_quantising_needs_bitsandbytes(bases, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"quantize int8 needs bitsandbytes: pip install 'lapidary\[quantize\]'"):
        adapted(bases[False, True], quantize="int8")


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_quantised_base_is_frozen_and_its_adapter_learns(bases, kind):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes of the extra quantize is not installed")
    model, _ = adapted(
        bases[False, True], quantize=kind, template="lima", adapter={"kind": "lora", "dora": kind == "nf4"}
    )
    layer = model.base_model.model.model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == {"int8": "Linear8bitLt", "nf4": "Linear4bit"}[kind]
    ids = torch.tensor([[5, 6, 7, 8]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert {value.dtype for value in trained(model).values()} == {torch.float32}
    assert all(torch.isfinite(value.grad).all() for value in trained(model).values())


def test_a_base_that_does_not_fit_is_not_called_broken(bases, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", full)
    with pytest.raises(torch.OutOfMemoryError):
        adapted(bases[False, True])


def test_bases_that_cannot_be_loaded_are_one_line(tmp_path, bases):
    with pytest.raises(
        ConfigError, match=r"base \S+/none: its tokenizer cannot be loaded\. Expected a folder as"
    ) as found:
        base.tokenizer(settings(tmp_path / "none"))
    assert "\n" not in str(found.value)
    words = toy.tokenizer()
    words.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="its model cannot be loaded"):
        base.load(settings(tmp_path), words, "cpu")
    toy.model().config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="its model cannot be loaded"):
        base.load(settings(tmp_path), words, "cpu")


def test_a_base_without_a_head_is_no_language_model(tmp_path):
    from safetensors.torch import load_file, save_file

    toy.save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"is no trained causal language model: it lacks the weights lm_head\.weight"):
        base.load(settings(tmp_path), toy.tokenizer(), "cpu")


def test_an_adapter_is_no_base(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"is an adapter\. Merge it first: python -m train merge"):
        base.load(settings(tmp_path), toy.tokenizer(), "cpu")
