"""How the next token is chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.lm.decoding import Decoding, drawn, penalised, room, seed_of


def test_a_token_is_drawn_where_its_uniform_number_falls_in_the_nucleus():
    import torch

    # p = 0.5, 0.3, 0.15, 0.05; the nucleus of 0.9 is the first three, with 0.95 of the mass.
    scores = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    taken = [
        drawn(scores, torch.tensor([u]).double(), 1.0, 0.9).item() for u in (0.0, 0.52, 0.53, 0.84, 0.85, 0.999999999)
    ]
    assert taken == [1, 1, 3, 3, 0, 0]
    assert drawn(scores, torch.tensor([0.99]).double(), 1.0, 0.5).item() == 1
    assert drawn(scores, torch.tensor([0.99]).double(), 1.0, 1.0).item() == 2
    # At half the temperature the probabilities are squared: .685, .247, .062, .007.
    assert drawn(scores, torch.tensor([0.69]).double(), 0.5, 1.0).item() == 3


@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(0.2, 3.0))
def test_the_nucleus_and_the_penalty_are_those_of_transformers(seed, top_p, temperature):
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor, TopPLogitsWarper

    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(1, 40, generator=generator) * 3
    ids = torch.randint(0, 40, (1, 7), generator=generator)
    seen = torch.zeros(1, 40, dtype=torch.bool).scatter(-1, ids, True)
    theirs = RepetitionPenaltyLogitsProcessor(1.2)(ids, scores.clone())
    assert torch.equal(penalised(scores, seen, 1.2), theirs)
    kept = TopPLogitsWarper(top_p)(ids, theirs / temperature).isfinite()[0]
    uniforms = torch.linspace(0, 1, 400).double().clamp(max=1 - 1e-12)
    taken = drawn(theirs.expand(400, -1), uniforms, temperature, top_p)
    assert kept[taken].all()


def test_frequencies_are_the_probabilities():
    import torch

    scores = torch.tensor([0.6, 0.25, 0.1, 0.05]).log().expand(20_000, -1)
    uniforms = torch.from_numpy(np.random.default_rng(1).random(20_000))
    counts = torch.bincount(drawn(scores, uniforms, 1.0, 1.0), minlength=4) / 20_000
    # Five standard deviations of a share of 0.6: 0.017.
    assert counts.tolist() == pytest.approx([0.6, 0.25, 0.1, 0.05], abs=0.018)


def test_the_room_for_an_answer_is_the_least_of_three_limits():
    decoding = Decoding(max_new_tokens=20, max_length=50)
    assert [room(decoding, prompt, 64) for prompt in (10, 40, 50, 60)] == [20, 10, 0, -10]
    assert room(Decoding(), 10, 64) == 54


def test_seeds_belong_to_the_answer():
    seeds = {
        seed_of(1, "p", 0, 1),
        seed_of(2, "p", 0, 1),
        seed_of(1, "q", 0, 1),
        seed_of(1, "p", 1, 1),
        seed_of(1, "p", 0, 2),
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)
