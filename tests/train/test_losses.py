"""Losses against sums worked out by hand, and the published formulas written out."""

import math

import pytest
import torch

from train.losses import document_sums, dpo, pass_loss, rrhf, sft, slic, step_items
from train.plan import Step
from train.settings import BestOf, Dpo, Rrhf, Sft, Slic

PAIRS = torch.tensor([0, 0, 1, 1])


def test_sums_of_token_losses_go_to_their_documents():
    batch = {
        "shift_labels": torch.tensor([[4, 5, -100, -100, 6, 7, -100]]),
        "cu_seq_lens": torch.tensor([0, 3, 4, 7]),
    }
    found = document_sums(torch.tensor([1.0, 2.0, 0.5, 0.25]), batch)
    assert found.tolist() == [-3.0, 0.0, -0.75]


def test_cross_entropy_is_the_sum_over_all_tokens():
    assert float(sft(torch.tensor([-3.0, 0.0, -0.75]))) == 3.75


def test_dpo_is_the_papers_equation_worked_out():
    logprobs, reference = torch.tensor([-10.0, -12.0, -5.0, -4.0]), torch.tensor([-11.0, -11.0, -5.0, -5.0])
    # Margins: (1) - (-1) = 2 and (0) - (1) = -1; times beta 0.5: 1 and -0.5.
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(0.5))
    assert float(dpo(logprobs, reference, PAIRS, beta=0.5)) == pytest.approx(expected)


def test_dpo_of_an_untrained_model_is_ln_2_a_pair_and_its_gradient_pushes_the_pair_apart():
    logprobs = torch.tensor([-10.0, -12.0, -5.0, -4.0], requires_grad=True)
    loss = dpo(logprobs, logprobs.detach(), PAIRS, beta=0.1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2 * math.log(2))
    # Equation after (7): beta * sigma(0) = 0.05, up for the preferred and down for the other.
    torch.testing.assert_close(logprobs.grad, torch.tensor([-0.05, 0.05, -0.05, 0.05]))


def test_rrhf_ranks_by_log_probability_per_token_and_trains_the_best_answer():
    logprobs, tokens = torch.tensor([-2.0, -3.0, -8.0]), torch.tensor([2, 1, 4])
    # p: -1, -3, -2. Scores say 1 < 2 < 3: p must rise, but -1 > -3 (by 2), -1 > -2 (by 1); -3 < -2 is right.
    scores, groups = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 0])
    assert float(rrhf(logprobs, tokens, scores, groups, weight=1.0)) == pytest.approx(3.0 + 8.0)
    assert float(rrhf(logprobs, tokens, scores, groups, weight=0.5)) == pytest.approx(1.5 + 8.0)


def test_rrhf_compares_nothing_across_prompts_and_nothing_between_equal_scores():
    logprobs, tokens = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([1, 1, 1])
    scores = torch.tensor([1.0, 1.0, 5.0])
    assert float(rrhf(logprobs, tokens, scores, torch.tensor([0, 0, 1]), 1.0)) == pytest.approx(1.0 + 3.0)


def test_rrhf_equals_the_authors_matrix_form():
    torch.manual_seed(1)
    logprobs, tokens, rewards = -torch.rand(6) * 9, torch.randint(1, 9, (6,)), torch.randn(6)
    scores = logprobs / tokens
    # train.py of github.com/GanjinZero/RRHF: differences of scores where the rewards order them the other way.
    difference = scores[None] - scores[:, None]
    wrong = (rewards[None] - rewards[:, None] > 0) & (difference < 0)
    expected = -difference[wrong].sum() - logprobs[rewards.argmax()]
    torch.testing.assert_close(rrhf(logprobs, tokens, rewards, torch.zeros(6).long(), 1.0), expected)


def test_slic_is_a_hinge_on_the_margin_plus_cross_entropy_of_the_preferred():
    logprobs = torch.tensor([-10.0, -12.0, -5.0, -4.5])
    # Hinges: 1 + 10 - 12 = -1 → 0, and 1 + 5 - 4.5 = 1.5. Cross-entropy: 15.
    assert float(slic(logprobs, PAIRS, margin=1.0, weight=0.1)) == pytest.approx(1.5 + 1.5)


def test_a_filler_takes_no_part():
    groups = torch.tensor([0, 0, -1])
    values = torch.tensor([-1.0, -2.0, 0.0])
    assert float(slic(values, groups, 1.0, 0.0)) == 0.0
    assert float(dpo(values, values, groups, 0.1)) == pytest.approx(math.log(2))
    assert float(rrhf(values, torch.tensor([1, 1, 0]), torch.tensor([0.0, 1.0, 0.0]), groups, 1.0)) == pytest.approx(
        3.0
    )


@pytest.mark.parametrize("objective", [Dpo(), Slic(), Rrhf(), Sft()])
def test_any_split_of_a_step_sums_to_the_same_loss(objective):
    torch.manual_seed(1)
    logprobs, reference, scores = -torch.rand(6) * 9, -torch.rand(6) * 9, torch.rand(6)

    def loss(start, stop):
        batch = {
            "shift_labels": torch.full((1, 3 * (stop - start)), 5),
            "cu_seq_lens": torch.arange(0, 3 * (stop - start) + 1, 3),
            "groups": torch.arange(stop - start) // 2,
            "reference": reference[start:stop],
            "scores": scores[start:stop],
        }
        return pass_loss(logprobs[start:stop], batch, objective)

    whole = loss(0, 6)
    torch.testing.assert_close(loss(0, 2) + loss(2, 6), whole)
    torch.testing.assert_close(loss(0, 2) + loss(2, 4) + loss(4, 6), whole)


def test_steps_are_divided_by_tokens_or_by_examples():
    step = Step(1, ((0, 1),), examples=2, documents=4, tokens=50, trained=30)
    assert [step_items(step, objective) for objective in (Sft(), BestOf(), Dpo(), Rrhf(), Slic())] == [30, 30, 2, 2, 2]
