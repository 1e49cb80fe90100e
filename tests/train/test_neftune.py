"""The size of the noise, by the paper's formula, on packed and on padded documents."""

import math

import torch

from train.neftune import noise, padded_scale, scale

WIDTH = 512


def test_the_bound_counts_each_documents_own_length_however_it_is_packed():
    bound = scale(torch.tensor([0, 100, 104, 105]), 64, alpha=5.0)
    assert bound.shape == (105, 1)
    torch.testing.assert_close(bound[:100, 0], torch.full((100,), 5 / math.sqrt(100 * 64)))
    torch.testing.assert_close(bound[100:104, 0], torch.full((4,), 5 / math.sqrt(4 * 64)))
    assert float(bound[104, 0]) == 5 / 8


def test_the_bound_of_padded_documents_is_that_of_packed_ones_and_zero_on_padding():
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 1, 0]])
    bound = padded_scale(mask, 64, alpha=5.0)
    assert bound.shape == (3, 4, 1)
    torch.testing.assert_close(bound[mask.bool()], scale(torch.tensor([0, 4, 5, 7]), 64, 5.0))
    assert bound[~mask.bool()].count_nonzero() == 0


def test_noise_has_the_papers_variance_and_never_passes_its_bound():
    bound = scale(torch.tensor([0, 200, 1000]), WIDTH, alpha=5.0)
    drawn = noise(bound, WIDTH, torch.Generator().manual_seed(1))
    assert drawn.shape == (1000, WIDTH)
    assert (drawn.abs() <= bound).all()
    for own, length in ((drawn[:200], 200), (drawn[200:], 800)):
        limit = 5 / math.sqrt(length * WIDTH)
        assert own.abs().max() > 0.999 * limit
        assert abs(own.var() / (25 / (3 * length * WIDTH)) - 1) < 0.02
        # A document's whole noise has a norm of about alpha / sqrt(3).
        assert abs(own.norm() / (5 / math.sqrt(3)) - 1) < 0.01


def test_padding_has_no_noise():
    mask = torch.tensor([[1, 1, 0]])
    drawn = noise(padded_scale(mask, 8, 5.0), 8)
    assert drawn[0, 2].count_nonzero() == 0
    assert drawn[0, :2].count_nonzero() == 16
