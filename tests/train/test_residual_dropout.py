"""LIMA's dropout on the residual branches: how strong in which layer, and when."""

import pytest
import torch
import transformers
from torch import nn

from curate.errors import ConfigError
from train.residual_dropout import decoder_layers, install, ramp
from train.settings import ResidualDropout

LAYERS = 5


@pytest.fixture
def model():
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return transformers.LlamaForCausalLM(config)


def dropped(model, length=200):
    """Share of zeros in the outputs of attention and of MLP of each layer, in one forward pass in training mode."""
    shares = []

    def count(_module, _inputs, output):
        value = output if isinstance(output, torch.Tensor) else output[0]
        shares.append(float((value == 0).float().mean()))

    hooks = [
        branch.register_forward_hook(count) for layer in model.model.layers for branch in (layer.self_attn, layer.mlp)
    ]
    model(input_ids=torch.arange(length)[None] % 50, use_cache=False)
    for hook in hooks:
        hook.remove()
    return list(zip(shares[0::2], shares[1::2], strict=True))


def test_the_ramp_rises_linearly_from_nothing_at_the_bottom_to_p_at_the_top():
    assert ramp(0.3, 4) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    # LIMA's 65B model: 80 layers.
    assert (ramp(0.3, 80)[0], ramp(0.3, 80)[-1]) == (0.0, 0.3)
    assert ramp(0.3, 1) == [0.3]


def test_attention_and_mlp_of_each_layer_drop_their_share(model):
    install(model, ResidualDropout(p=0.4))
    for (attention, mlp), p in zip(dropped(model.train()), ramp(0.4, LAYERS), strict=True):
        assert attention == pytest.approx(p, abs=0.02)
        assert mlp == pytest.approx(p, abs=0.02)


def test_over_training_all_layers_rise_together(model):
    advance = install(model, ResidualDropout(p=0.4, over="training"))
    model.train()
    for progress in (0.0, 0.5, 1.0):
        advance(progress)
        for share in (share for both in dropped(model) for share in both):
            assert share == pytest.approx(0.4 * progress, abs=0.02)


def test_over_layers_progress_changes_nothing(model):
    install(model, ResidualDropout(p=0.4))(0.0)
    assert dropped(model.train())[-1][0] == pytest.approx(0.4, abs=0.02)


def test_eval_mode_drops_nothing(model):
    ids = torch.arange(9)[None]
    before = model.eval()(input_ids=ids).logits
    install(model, ResidualDropout(p=0.9))
    assert torch.equal(model(input_ids=ids).logits, before)


def test_activation_checkpointing_gives_the_same_gradients(model):
    install(model, ResidualDropout(p=0.4))
    model.train()
    ids = torch.arange(30)[None]
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model.zero_grad()
        torch.manual_seed(3)
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    assert all(torch.equal(own, other) for own, other in zip(*found, strict=True))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_it_finds_the_layers_inside_an_adapter(model):
    import peft

    wrapped = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj"]))
    assert len(decoder_layers(wrapped)) == LAYERS


def test_where_a_norm_follows_the_branch_its_output_is_dropped():
    config = transformers.Olmo2Config(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    model = transformers.Olmo2ForCausalLM(config).train()
    install(model, ResidualDropout(p=0.5))
    seen = []
    layer = model.model.layers[0]
    before = []
    layer.mlp.register_forward_hook(lambda _module, _inputs, output: before.append(int((output == 0).sum())))
    for norm in (layer.post_attention_layernorm, layer.post_feedforward_layernorm):
        norm.register_forward_hook(lambda _module, _inputs, output: seen.append(float((output == 0).float().mean())))
    model(input_ids=torch.arange(50)[None], use_cache=False)
    assert seen == pytest.approx([0.5, 0.5], abs=0.04)
    assert before == [0]


def test_a_model_without_such_layers_is_refused():
    class Odd(nn.Module):
        config = transformers.LlamaConfig(num_hidden_layers=1)

    with pytest.raises(ConfigError, match="decoder layers of Odd cannot be told"):
        install(Odd(), ResidualDropout(p=0.1))
