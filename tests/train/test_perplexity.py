"""Held-out perplexity against each document by itself."""

import math

import pytest
import torch

from curate.lm import rendering
from tests.train import reference
from tests.train.conftest import CONVERSATIONS
from train import base, data, packed, perplexity
from train.perplexity import Predicted
from train.settings import Sft


@pytest.fixture(scope="module")
def measured(make_settings):
    """A model that takes our batches, and examples."""
    settings = make_settings(adapter={"kind": "full"})
    words = base.tokenizer(settings)
    examples = data.read(settings, words, rendering.template(words, settings.template, settings.base)).stages[0]
    model = base.load(settings, words, "cpu")
    packed.install(model, Sft(), neftune_alpha=5.0)
    return model, examples


@pytest.mark.parametrize("pass_tokens", [50, 4096])
def test_perplexity_is_that_of_each_document_by_itself(measured, pass_tokens):
    model, own = measured
    found = perplexity.predict(model, own, pass_tokens)
    model.eval()
    expected = [reference.sequence_logprob(model, example.documents[0]) for example in own]
    assert found.nats == pytest.approx(-sum(expected), rel=1e-6)
    assert found.tokens == sum(example.documents[0].trained for example in own)
    shares = [perplexity.predict(model, own, pass_tokens, (rank, 3)) for rank in range(3)]
    assert [sum(column) for column in zip(*shares, strict=True)] == pytest.approx(list(found), rel=1e-6)


def test_log_probabilities_come_by_example_and_document(measured):
    model, own = measured
    pairs = [own[0]._replace(documents=own[0].documents + own[1].documents), own[2]]
    found = perplexity.logprobs(model, pairs, 70)
    model.eval()
    expected = [reference.sequence_logprob(model, example.documents[0]) for example in own[:3]]
    assert list(found[0]) == pytest.approx(expected[:2], rel=1e-5)
    assert list(found[1]) == pytest.approx(expected[2:], rel=1e-5)


def test_measuring_leaves_the_random_numbers_and_the_mode_of_training_alone(measured):
    model, own = measured
    model.train()
    before = torch.get_rng_state()
    perplexity.predict(model, own, 200)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training


def test_perplexity_and_bits_per_byte_by_hand():
    # Four tokens of probability 1/8 each: 4 · 3 bits over 6 bytes.
    found = Predicted(nats=4 * math.log(8), tokens=4, text_bytes=6)
    assert found.perplexity == pytest.approx(8)
    assert found.bits_per_byte == pytest.approx(2)


def test_the_bytes_are_those_of_the_answers_alone(measured):
    found = perplexity.predict(*measured, 4096)
    assert found.text_bytes == sum(len(answer.encode()) for _, answer in CONVERSATIONS)
