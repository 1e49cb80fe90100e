"""Each preset against the recipe it is named after, written down here by hand from the papers and repositories."""

import re

import pytest

from curate.errors import ConfigError
from train import settings

# (arXiv 2305.11206 s. 3; tatsu-lab/stanford_alpaca README.md; arielnlee/Platypus README.md; arXiv 2310.05914 App. A.1;
# artidoro/qlora finetune_guanaco_7b.sh; tml-epfl/long-is-more-for-alignment train_llama2_7b.sh)
# epochs, examples a step, tokens, lr, lr at the end, schedule, warm-up, weight decay, betas, clip
RECIPES = {
    "lima": (15, 32, 2048, 1e-5, 1e-6, "linear", 0, 0.1, (0.9, 0.95), 1.0),
    "lima-lora": (15, 32, 2048, 2e-4, 2e-5, "linear", 0, 0.1, (0.9, 0.95), 1.0),
    "alpaca-7b": (3, 128, 512, 2e-5, 0, "cosine", 0.03, 0, (0.9, 0.999), 1.0),
    "alpaca-13b": (5, 128, 512, 1e-5, 0, "cosine", 0.03, 0, (0.9, 0.999), 1.0),
    "platypus-13b": (1, 16, 4096, 4e-4, 0, "cosine", 100, 0, (0.9, 0.999), 1.0),
    "platypus-70b": (1, 16, 4096, 3e-4, 0, "cosine", 100, 0, (0.9, 0.999), 1.0),
    "neftune": (3, 128, 512, 5e-5, 0, "cosine", 0.03, 0, (0.9, 0.999), 1.0),
    "qlora": (3, 16, 512, 2e-4, 0, "constant", 0, 0, (0.9, 0.999), 0.3),
    "long-is-more": (15, 128, 2048, 1e-5, 0, "linear", 0, 0.1, (0.9, 0.95), 1.0),
    # Ours, for the toy.
    "first-try": (5, 8, 1024, 3e-3, 3e-4, "linear", 0.1, 0.1, (0.9, 0.95), 1.0),
}
# template, adapter (kind, r, alpha, dropout, targets), quantised, NEFTune's alpha, residual dropout
PARTS = {
    "lima": ("lima", ("full",), None, 0, (0.3, "layers")),
    "lima-lora": ("lima", ("lora", 16, 32, 0.05, "all-linear"), None, 0, (0.2, "layers")),
    "alpaca-7b": ("alpaca", ("full",), None, 0, None),
    "alpaca-13b": ("alpaca", ("full",), None, 0, None),
    "platypus-13b": ("alpaca", ("lora", 16, 16, 0.05, "mlp"), "int8", 0, None),
    "platypus-70b": ("alpaca", ("lora", 16, 16, 0.05, "mlp"), "int8", 0, None),
    "neftune": ("alpaca", ("full",), None, 5, None),
    "qlora": ("alpaca", ("lora", 64, 16, 0.1, "all-linear"), "nf4", 0, None),
    "long-is-more": ("alpaca", ("full",), None, 15, None),
    "first-try": ("chatml", ("full",), None, 0, None),
}
GIVEN = ["base=toy", "data=[{path: data.jsonl}]"]


def test_every_preset_is_written_down_here():
    assert set(settings.presets()) == set(RECIPES) == set(PARTS)


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_has_the_values_of_its_recipe(name):
    loaded = settings.load(name, GIVEN)
    own = loaded.optimizer
    rates = (own.lr, own.lr_end, own.schedule, own.warmup, own.weight_decay, own.betas, own.clip)
    assert (loaded.epochs, loaded.batch_examples, loaded.max_tokens, *rates) == RECIPES[name]
    adapter = tuple(value for key, value in loaded.adapter.model_dump().items() if key not in ("rslora", "dora"))
    dropout = loaded.residual_dropout and (loaded.residual_dropout.p, loaded.residual_dropout.over)
    assert (loaded.template, adapter, loaded.quantize, loaded.neftune_alpha, dropout) == PARTS[name]
    # All of them trim, which is why it is not our default: an answer may lose its end token.
    assert loaded.overlong == "trim"
    assert loaded.optimizer.paged == (name == "qlora")


def test_lima_answers_its_dev_prompts_as_the_paper_did():
    decoding = settings.load("lima", GIVEN).dev_decoding
    assert decoding.model_dump() == {
        "top_p": 0.9,
        "temperature": 0.7,
        "repetition_penalty": 1.2,
        "max_new_tokens": 2048,
        "max_length": None,
    }


def test_1000_examples_of_lima_are_32_steps_an_epoch_and_480_in_all():
    loaded = settings.load("lima", GIVEN)
    steps = -(-1000 // loaded.batch_examples)
    assert (steps, steps * loaded.epochs) == (32, 480)


@pytest.mark.parametrize("name", RECIPES)
def test_every_value_in_a_preset_names_its_source(name):
    for line in settings.presets()[name].read_text(encoding="utf-8").splitlines():
        is_value = re.match(r" *[a-z_]+: *[^ #]", line)
        assert not is_value or re.search(r"  # \w.{3,}", line), line
        assert len(line) <= 140, line


def test_a_preset_read_as_it_is_has_no_deviations_and_a_changed_one_lists_them():
    assert settings.deviations(settings.load("lima", [*GIVEN, "seed=3"])) == []
    changed = settings.load("lima", [*GIVEN, "optimizer.lr=2.0e-5", "adapter.kind=lora"])
    assert ("optimizer.lr", 1e-5, 2e-5) in settings.deviations(changed)
    assert ("adapter.kind", "full", "lora") in settings.deviations(changed)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match=r"--preset lma: no such preset, and no YAML file\. Did you mean 'lima'\?"):
        settings.load("lma", GIVEN)
