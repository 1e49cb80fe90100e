"""What a dry run says, against the real model: sizes equal to the byte, activations within a tenth."""

import json

import psutil
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from curate.errors import ConfigError
from train import base, estimate, memory, packed, residual_dropout, toy
from train.memory import Pass
from train.plan import collate
from train.record import UNTRAINED, Document, Example
from train.settings import Settings

CPU = torch.device("cpu")
LENGTHS = (300, 140, 60, 12)


def settings(**changes):
    given = {"base": "toy", "data": [{"path": "d.jsonl"}], "optimizer": {"lr": 1e-4}}
    return Settings.model_validate({**given, **changes})


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return str(folder / "base"), base.place(settings(), folder)


def real(placed, **changes):
    """The model that a run would train, and a pass of four documents through it."""
    chosen = settings(**changes).model_copy(update={"base": placed[0]})
    words = base.tokenizer(chosen)
    model = base.adapt(base.load(chosen, words, CPU), chosen, words)
    packing = chosen.adapter.kind in ("full", "lora", "ia3")
    packed.install(model, chosen.objective, chosen.neftune_alpha, packing=packing)
    if chosen.residual_dropout:
        residual_dropout.install(model, chosen.residual_dropout)(1.0)
    ids = [[5 + i % 1000 for i in range(length)] for length in (LENGTHS if packing else (sum(LENGTHS),))]
    documents = [Document(row, [UNTRAINED] * (len(row) // 2) + row[len(row) // 2 :]) for row in ids]
    examples = [Example(str(i), "d", (document,)) for i, document in enumerate(documents)]
    batch = collate(examples, 1, 0, packing=packing)
    return chosen, words, model.train(), batch, Pass(sum(LENGTHS), sum(document.trained for document in documents))


def kept(model, batch, *, bfloat16):
    """Bytes that autograd holds after a forward pass, parameters not counted."""
    own = {value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())}
    held = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        loss = model(**batch)["loss"]
    return sum(storage.nbytes() for storage in held.values()), loss


KINDS = {
    "full": {"adapter": {"kind": "full"}},
    "lora": {},
    "attention": {"adapter": {"kind": "lora", "targets": "attention", "dropout": 0}},
    "eot": {"template": "lima"},
    "dora": {"adapter": {"kind": "lora", "dora": True}},
    "ia3": {"adapter": {"kind": "ia3"}},
    "prompt": {"adapter": {"kind": "prompt"}},
    "prefix": {"adapter": {"kind": "prefix"}},
    "p-tuning": {"adapter": {"kind": "p-tuning"}},
    "lima": {"adapter": {"kind": "full"}, "template": "lima", "residual_dropout": {"p": 0.3}, "neftune_alpha": 5},
    "bfloat16": {"precision": "bfloat16"},
    "full bfloat16": {"adapter": {"kind": "full"}, "precision": "bfloat16"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_is_what_the_model_then_needs(placed, kind):
    chosen, words, model, batch, largest = real(placed, **KINDS[kind])
    counted = memory.count(chosen, words, largest, CPU)
    tensors = [*model.parameters(), *model.buffers()]
    trained = [value for value in model.parameters() if value.requires_grad]
    assert counted.parameters == sum(value.numel() for value in model.parameters())
    assert counted.trained == sum(value.numel() for value in trained)
    assert counted.memory.weights == sum(value.numel() * value.element_size() for value in tensors)
    bfloat16 = chosen.precision == "bfloat16"
    activations, loss = kept(model, batch, bfloat16=bfloat16)
    assert counted.memory.activations == pytest.approx(activations, rel=0.1)
    loss.backward()
    assert counted.memory.gradients == sum(value.grad.numel() * value.grad.element_size() for value in trained)
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    assert counted.memory.optimizer == sum(value.numel() * value.element_size() for value in states)


def test_an_adapter_has_r_times_in_plus_out_parameters_a_matrix():
    # Llama of width 96, keys and values of 48, MLP of 256; two layers.
    counted = memory.count(settings(adapter={"kind": "lora", "r": 8}), toy.tokenizer(), Pass(64, 32), CPU)
    attention = (96 + 96) + (96 + 48) + (96 + 48) + (96 + 96)
    mlp = (96 + 256) + (96 + 256) + (256 + 96)
    assert counted.trained == 2 * 8 * (attention + mlp)


def test_checkpointing_keeps_the_layers_inputs_and_one_layer():
    plain = memory.count(settings(), toy.tokenizer(), Pass(512, 200), CPU).memory.activations
    kept_few = memory.count(settings(activation_checkpointing=True), toy.tokenizer(), Pass(512, 200), CPU).memory
    # Nearly all is in the two layers: half of it, and two inputs of 512 x 96 float32.
    assert kept_few.activations == pytest.approx(plain / 2 + 2 * 512 * 96 * 4, rel=0.1)


def test_activations_grow_with_the_tokens_of_a_pass_and_nothing_else_does():
    one, two = (memory.count(settings(), toy.tokenizer(), Pass(n, 100), CPU).memory for n in (256, 512))
    assert two.activations == pytest.approx(2 * one.activations, rel=0.01)
    assert one._replace(activations=0) == two._replace(activations=0)


def test_the_head_keeps_its_gradients_and_a_chunk_of_logits():
    full = settings(adapter={"kind": "full"})
    head = memory.count(full, toy.tokenizer(), Pass(512, 200), CPU).memory.head
    # 200 rows of 96; chunks of 2^ceil(log2(200 / 11)) / 2 = 16 rows of 1,024 logits; the gradient of the whole head.
    assert head == 200 * 96 * 4 + 16 * 1024 * 4 + 1024 * 96 * 4
    assert memory.count(settings(), toy.tokenizer(), Pass(512, 200), CPU).memory.head == 200 * 96 * 4 + 16 * 1024 * 4


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_quantised_base_is_counted_as_bitsandbytes_packs_it(placed, kind):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes of the extra quantize is not installed")
    chosen = settings(quantize=kind).model_copy(update={"base": placed[0]})
    words = base.tokenizer(chosen)
    model = base.adapt(base.load(chosen, words, CPU), chosen, words)
    size = sum(value.numel() * value.element_size() for value in (*model.parameters(), *model.buffers()))
    for weight in model.parameters():
        if (state := getattr(weight, "quant_state", None)) is not None:
            nested = (state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code)
            size += sum(tensor.numel() * tensor.element_size() for tensor in nested)
        if (scale := getattr(weight, "SCB", None)) is not None:
            size += scale.numel() * scale.element_size()
    counted = memory.count(chosen, words, Pass(64, 32), CPU).memory.weights
    assert counted == size


def test_seven_billion_parameters_are_counted_in_seconds_and_without_memory(tmp_path):
    from transformers import LlamaConfig

    # LLaMA-7B (Touvron et al. 2023, table 2): 6,738,415,616 parameters.
    LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
    ).save_pretrained(tmp_path)
    before = psutil.Process().memory_info().rss
    chosen = settings(
        base=str(tmp_path), adapter={"kind": "lora", "r": 16}, precision="bfloat16", activation_checkpointing=True
    )
    counted = memory.count(chosen, toy.tokenizer(), Pass(16_384, 8_192), CPU)
    assert psutil.Process().memory_info().rss - before < 500e6
    frozen = counted.parameters - counted.trained
    # r (in + out): 4 square matrices and 3 of the MLP in each of 32 layers.
    assert (frozen, counted.trained) == (6_738_415_616, 32 * 16 * (4 * 8192 + 3 * 15104))
    assert counted.memory.weights == pytest.approx(2 * frozen + 4 * counted.trained, rel=1e-6)
    assert counted.memory.gradients + counted.memory.optimizer == pytest.approx(12 * counted.trained, rel=1e-4)
    # 32 layers' inputs, 16,384 x 4,096 in bfloat16, are 4.3 GB.
    assert 4.3e9 < counted.memory.activations < 12e9


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "d.jsonl"
    rows = [
        [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because. " * n}]
        for n in (1, 2, 3, 4, 5)
    ]
    path.write_text("".join(json.dumps({"id": str(i), "messages": row}) + "\n" for i, row in enumerate(rows)))
    return path


def test_a_dry_run_tells_the_plan_the_memory_and_the_time(dataset):
    chosen = settings(data=[{"path": str(dataset)}], batch_examples=2, epochs=2)
    found = estimate.estimate(chosen)
    assert (found["steps"], found["epochs"], found["examples"], found["fits"]) == (6, 2, 10, True)
    assert found["knobs"] == {}
    assert found["memory"]["total"] == sum(size for name, size in found["memory"].items() if name != "total")
    # LoRA: 4 operations a weight; of the head for trained tokens only.
    body = found["parameters"] - 2 * 1024 * 96 - 5 * 96
    assert found["operations"] == 4 * (found["tokens"] * body + found["trained_tokens"] * 1024 * 96)
    assert found["seconds"] == found["operations"] / found["operations_per_second"] > 0
    text = estimate.table(found)
    assert "fits: " in text
    assert "plan         6 steps, 2 epochs, 10 examples" in text
    assert json.loads(json.dumps(found)) == found


def test_what_does_not_fit_is_said_with_what_each_knob_would_give(dataset, monkeypatch):
    monkeypatch.setattr(estimate, "available", lambda _: 1_000_000)
    found = estimate.estimate(settings(data=[{"path": str(dataset)}], adapter={"kind": "full"}, max_tokens=64))
    assert not found["fits"]
    assert set(found["knobs"]) == {"activation_checkpointing=true", "adapter.kind=lora", "pass_tokens=64"}
    assert all(total < found["memory"]["total"] for total in found["knobs"].values())
    text = estimate.table(found)
    assert "DOES NOT FIT: 1.00 MB are free on cpu" in text
    assert "  with adapter.kind=lora: " in text


def test_what_a_run_would_refuse_a_dry_run_refuses(dataset):
    with pytest.raises(ConfigError, match=r"adapter\.targets: q_prj is no linear layer"):
        estimate.estimate(settings(data=[{"path": str(dataset)}], adapter={"kind": "lora", "targets": ["q_prj"]}))
