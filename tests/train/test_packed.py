"""Packed documents against each document by itself: logits, loss and gradients, on tiny random and two real models."""

import copy
import inspect
import math

import peft
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from curate.errors import ConfigError
from tests.train import reference
from train import packed
from train.plan import collate
from train.record import Document, Example
from train.settings import Dpo, Rrhf, Sft, Slic

SIZES = {
    "vocab_size": 89,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    # Wide enough that a token's neighbours matter.
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


# peft asks transformers in a way that transformers is about to drop.
PEFT_IS_LATE = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def causal(kind="Llama", **more):
    """A tiny random model of a family, attention as transformers gives it by default."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **more})
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def documents(*lengths, seed=0):
    """Random documents of these lengths; about the last half of each is trained."""
    draw = torch.Generator().manual_seed(seed)
    ids = [torch.randint(3, 89, (length,), generator=draw).tolist() for length in lengths]
    return [Document(own, [-100] * max(1, len(own) // 2) + own[max(1, len(own) // 2) :]) for own in ids]


def batch_of(found, **more):
    return collate([Example(str(i), "a", (document,)) for i, document in enumerate(found)], 1, 0, **more)


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_like_documents_alone(plain, ours, found, **tolerance):
    """Loss and gradients of a packed pass equal the sum over documents passed one by one."""
    plain.train().zero_grad()
    ours.train().zero_grad()
    expected = sum(reference.document_loss(plain, document) for document in found)
    expected.backward()
    loss = ours(**batch_of(found))["loss"]
    loss.backward()
    torch.testing.assert_close(loss, expected, **tolerance)
    theirs, own = gradients(plain), gradients(ours)
    assert own.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(
            own[name], gradient, **{"rtol": 1e-4, "atol": 1e-5 * float(gradient.abs().max() + 1), **tolerance}
        )


@pytest.fixture(scope="module")
def pair():
    """(the plain model, a copy with packed documents); grouped heads, tied embeddings."""
    plain = causal(tie_word_embeddings=True)
    ours = copy.deepcopy(plain)
    packed.install(ours, Sft())
    return plain, ours


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_packing_equals_separate_documents_in_loss_and_gradients(pair, lengths, seed):
    # One document has something to train, whatever the others are.
    assert_like_documents_alone(*pair, documents(*lengths, 4, seed=seed))


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6))
@settings(max_examples=25)
def test_packing_equals_separate_documents_in_logits(pair, lengths):
    plain, ours = pair
    ours.eval()
    found = documents(*lengths)
    with torch.no_grad():
        inputs, _ = packed._inputs(ours, batch_of(found), 0.0)
        logits = type(ours).forward(ours, **inputs).logits[0].split(lengths)
        for own, document in zip(logits, found, strict=True):
            torch.testing.assert_close(
                own, plain(input_ids=torch.tensor([document.ids])).logits[0], rtol=1e-4, atol=1e-4
            )


def test_packing_equals_a_padded_batch(pair):
    plain, ours = pair
    found = documents(9, 1, 4, 12)
    expected = reference.padded_loss(plain.train(), found)
    torch.testing.assert_close(ours.train()(**batch_of(found))["loss"], expected)


@pytest.mark.parametrize("leak", [{"attention_mask": torch.ones(1, 11)}, {"use_cache": True}])
def test_without_this_attention_a_mask_or_a_cache_leaks_from_one_document_to_the_next(pair, leak):
    plain, _ = pair
    first, second = documents(6, 5)
    batch = batch_of([first, second])
    inputs = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"], "use_cache": False, **leak}
    with torch.no_grad():
        leaked = plain.eval()(**inputs).logits[0, 6:]
        alone = plain(input_ids=torch.tensor([second.ids])).logits[0]
    assert (leaked - alone).abs().max() > 0.1


@pytest.mark.parametrize("name", ["stories260K", "babyllama_tok105"])
def test_packing_equals_separate_documents_on_a_real_model(shared_data, name):
    folder = shared_data(f"models/{name}/hf")
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ours = copy.deepcopy(plain)
    packed.install(ours, Sft())
    assert_like_documents_alone(plain, ours, documents(30, 1, 9, 17))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Mistral", {"sliding_window": 4}),
        ("Granite", {"logits_scaling": 8.0}),
        ("Cohere", {"logit_scale": 0.1}),
        ("Gemma3", {"final_logit_softcapping": 2.0, "sliding_window": 4}),
        ("GPTNeoX", {"rotary_pct": 1.0}),
        ("Phi", {}),
    ],
)
def test_other_families_keep_their_windows_scales_caps_and_biases(kind, more):
    own = {"GPTNeoX": ("num_key_value_heads", "head_dim"), "Phi": ("head_dim",)}.get(kind, ())
    sizes = {name: value for name, value in SIZES.items() if name not in own}
    torch.manual_seed(1)
    name = f"{kind}ForCausalLM"
    config = getattr(transformers, "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config")(**{**sizes, **more})
    plain = getattr(transformers, name)(config).eval()
    ours = copy.deepcopy(plain)
    packed.install(ours, Sft())
    # Phi's and GPT-NeoX's dropouts are random: off.
    for module in [*plain.modules(), *ours.modules()]:
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert_like_documents_alone(plain, ours, documents(11, 1, 7))


def test_attention_that_caps_its_scores_is_refused():
    with pytest.raises(ConfigError, match="softcap cannot be packed"):
        packed.install(causal("Gemma2", attn_implementation="eager"), Sft())


def test_layers_that_carry_a_state_from_token_to_token_are_refused():
    torch.manual_seed(1)
    config = transformers.MambaConfig(vocab_size=89, hidden_size=16, num_hidden_layers=1, state_size=4)
    with pytest.raises(ConfigError, match="MambaForCausalLM: "):
        packed.install(transformers.MambaForCausalLM(config), Sft())


def test_a_model_that_looks_at_the_neighbour_by_another_way_is_refused():
    model = causal()
    # As a short convolution over tokens does.
    model.model.layers[0].register_forward_hook(lambda _module, _inputs, output: output + 0.1 * output.roll(1, 1))
    with pytest.raises(ConfigError, match="documents packed into one pass do not stay apart"):
        packed.install(model, Sft())


def test_calls_that_are_not_ours_are_the_models_own(pair):
    plain, ours = pair
    ids = torch.tensor([[5, 6, 7, 8], [0, 0, 9, 3]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    plain.eval(), ours.eval()
    with torch.no_grad():
        assert torch.equal(
            plain(input_ids=ids, attention_mask=mask).logits, ours(input_ids=ids, attention_mask=mask).logits
        )
    # Generation reads there what it may pass on.
    assert inspect.signature(ours.forward) == inspect.signature(plain.forward)
    options = {"attention_mask": mask, "max_new_tokens": 6, "do_sample": False}
    assert torch.equal(plain.generate(ids, **options), ours.generate(ids, **options))


def test_document_logprobs_are_sums_of_log_softmax_and_leave_the_mode_as_it_was(pair):
    plain, ours = pair
    found = documents(9, 1, 4)
    ours.train()
    values = packed.document_logprobs(ours, batch_of(found))
    assert ours.training
    assert values.dtype == torch.float32
    assert values.tolist() == pytest.approx([reference.sequence_logprob(plain.eval(), one) for one in found], abs=1e-4)


def test_any_split_of_a_step_has_the_same_loss_and_gradients(pair):
    _, ours = pair
    found = documents(9, 3, 5, 2, 7)
    results = []
    for split in ([0, 1, 2, 3, 4],), ([0], [1, 2], [3, 4]), ([3], [4], [0], [2], [1]):
        ours.train().zero_grad()
        passes = [ours(**batch_of([found[i] for i in one]))["loss"] for one in split]
        sum(passes).backward()
        results.append((float(sum(passes).detach()), gradients(ours)))
    for loss, grads in results[1:]:
        assert loss == pytest.approx(results[0][0])
        for name, gradient in grads.items():
            torch.testing.assert_close(gradient, results[0][1][name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", [Sft(), Dpo(), Slic(), Rrhf()])
def test_a_filler_adds_nothing_but_reaches_every_parameter(objective):
    model = causal(tie_word_embeddings=False)
    packed.install(model, objective)
    batch = collate([], 1, 0)
    loss = model.train()(**batch)["loss"]
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert {name: float(gradient.abs().sum()) for name, gradient in gradients(model).items()} == {
        name: 0.0 for name, _ in model.named_parameters()
    }
    assert packed.document_logprobs(model, batch).tolist() == [0.0]


def adapted(plain, **more):
    torch.manual_seed(2)
    config = peft.LoraConfig(r=4, lora_alpha=8, **{"target_modules": ["q_proj", "up_proj"], **more})
    return peft.get_peft_model(copy.deepcopy(plain), config)


def after_some_training(model):
    """What an adapter adds is nothing at first: move every trained tensor."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.1 * torch.randn(parameter.shape))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"trainable_token_indices": {"embed_tokens": [7, 8], "lm_head": [7, 8]}},
        {"modules_to_save": ["lm_head", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"]},
    ],
    ids=["linear", "trainable tokens", "modules to save", "adapter on the head"],
)
@pytest.mark.filterwarnings("ignore")  # peft warns of what is tested here: tied rows, both of them saved
def test_the_head_of_an_adapter_is_the_effective_one_and_its_rows_are_trained(more, tied):
    plain = causal(tie_word_embeddings=tied)
    theirs, ours = adapted(plain, **more), adapted(plain, **more)
    packed.install(ours, Sft())
    after_some_training(theirs)
    after_some_training(ours)
    found = [Document([5, 7, 8, 7, 4], [-100, -100, 8, 7, 4]), *documents(6)]
    assert_like_documents_alone(theirs, ours, found)
    rows = [name for name, _ in ours.named_parameters() if "trainable_tokens_delta" in name]
    assert all(gradients(ours)[name].abs().sum() > 0 for name in rows)
    assert bool(rows) == ("trainable_token_indices" in more)


@pytest.mark.parametrize(
    "config",
    [
        peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        peft.PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=8),
    ],
    ids=["prefix", "prompt", "p-tuning"],
)
@PEFT_IS_LATE
def test_virtual_tokens_stand_before_the_one_document_of_a_pass(config):
    torch.manual_seed(2)
    model = peft.get_peft_model(causal(), config).train()
    document = documents(7)[0]
    expected = model(input_ids=torch.tensor([document.ids]), labels=torch.tensor([document.labels])).loss
    expected.backward()
    theirs = gradients(model)
    model.zero_grad()
    packed.install(model, Sft(), packing=False)
    loss = model(**batch_of([document], packing=False))["loss"]
    (loss / document.trained).backward()
    torch.testing.assert_close(loss / document.trained, expected)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, theirs[name])


def test_virtual_tokens_with_a_preference_objective_are_refused():
    with pytest.raises(ConfigError, match=r"objective dpo: .* virtual tokens cannot be packed"):
        packed.install(causal(), Dpo(), packing=False)


@pytest.mark.parametrize("objective", [Dpo(beta=0.5), Slic(), Rrhf()])
def test_preference_objectives_reach_the_weights_through_packed_log_probabilities(objective):
    from train.losses import pass_loss

    plain = causal()
    ours = copy.deepcopy(plain)
    packed.install(ours, objective)
    found = documents(9, 6, 5, 8)
    rivals = [
        Example("a", "a", tuple(found[:2]), scores=(1.0, 0.0), reference=(-20.0, -9.0)),
        Example("b", "a", tuple(found[2:]), scores=(0.0, 1.0), reference=(-9.0, -20.0)),
    ]
    batch = collate(rivals, 2, 0)
    output = ours.train()(**batch)
    output["loss"].backward()
    alone = torch.stack([-reference.document_loss(plain.train(), document) for document in found])
    expected = pass_loss(alone, batch, objective)
    expected.backward()
    torch.testing.assert_close(output["loss"], expected)
    torch.testing.assert_close(output["logprobs"], alone.detach())
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(gradients(ours)[name], gradient, rtol=1e-3, atol=1e-3)


def embedded(model, batch):
    """What the first layer is given in one forward pass."""
    seen = []
    hook = model.model.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    model(**batch)
    hook.remove()
    return seen[0][0]


def test_noise_is_added_once_by_each_documents_length_and_only_in_training():
    model = causal()
    packed.install(model, Sft(), neftune_alpha=5.0)
    batch = batch_of(documents(64, 4))
    clean = model.model.embed_tokens(batch["input_ids"])[0].detach()
    assert torch.equal(embedded(model.eval(), batch), clean)
    noise = embedded(model.train(), batch) - clean
    for own, length in ((noise[:64], 64), (noise[64:], 4)):
        bound = 5 / math.sqrt(length * 32)
        assert 0.9 * bound < own.abs().max() <= 1.0001 * bound
        assert own.var() == pytest.approx(bound**2 / 3, rel=0.3)
    # Generation goes through the model's own forward, in training mode as well.
    ids = batch["input_ids"][:, :4]
    assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_noise_of_zero_is_no_noise_bit_by_bit_and_draws_nothing():
    model, silent = causal(), causal()
    packed.install(model, Sft(), neftune_alpha=0.0)
    packed.install(silent, Sft())
    batch = batch_of(documents(9, 5))
    state = torch.get_rng_state()
    loss = model.train()(**batch)["loss"]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(loss, silent.train()(**batch)["loss"])


def test_bfloat16_under_autocast_keeps_sums_in_float32():
    plain = causal()
    ours = copy.deepcopy(plain)
    packed.install(ours, Sft())
    found = documents(*[40] * 60)
    exact = float(ours.train()(**batch_of(found))["loss"].detach())
    with torch.autocast("cpu", torch.bfloat16):
        loss = ours(**batch_of(found))["loss"]
        logprobs = packed.document_logprobs(ours, batch_of(found))
    loss.backward()
    assert loss.dtype == logprobs.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(exact, rel=0.01)
    assert -float(logprobs.sum()) == pytest.approx(exact, rel=0.01)


def test_activation_checkpointing_changes_no_gradient(pair):
    _, ours = pair
    found = documents(9, 5)
    ours.train().zero_grad()
    ours(**batch_of(found))["loss"].backward()
    expected = gradients(ours)
    ours.zero_grad()
    ours.activation_checkpointing_enable({"use_reentrant": False})
    ours(**batch_of(found))["loss"].backward()
    ours.activation_checkpointing_disable()
    for name, gradient in gradients(ours).items():
        assert torch.equal(gradient, expected[name])
