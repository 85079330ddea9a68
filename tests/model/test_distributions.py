"""Intra-option policies against torch.distributions."""

import math

import torch
from torch.distributions import Categorical, Independent, Normal

from option_critic.model.distributions import CategoricalActions, DiagonalGaussian, gumbel, sample_index


def test_gaussian_equals_torch():
    mean, log_std, option = torch.randn(5, 3, 2), torch.randn(5, 3, 2), torch.randint(3, (5,))
    mine = DiagonalGaussian(mean, log_std).at(option)
    rows = torch.arange(5)
    theirs = Independent(Normal(mean[rows, option], log_std[rows, option].exp()), 1)
    action = theirs.sample()
    torch.testing.assert_close(mine.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(mine.entropy(), theirs.entropy())
    assert torch.equal(mine.mode(), mean[rows, option])


def test_gaussian_samples_have_its_moments():
    pi = DiagonalGaussian(torch.full((50_000, 1), 2.0), torch.full((50_000, 1), math.log(0.5)))
    x = pi.sample(torch.randn(50_000, 1, generator=torch.Generator().manual_seed(0)))
    assert abs(x.mean().item() - 2) < 0.01 and abs(x.std().item() - 0.5) < 0.01


def test_categorical_equals_torch():
    logits, option = torch.randn(5, 3, 4), torch.randint(3, (5,))
    mine = CategoricalActions(torch.log_softmax(logits, -1)).at(option)
    theirs = Categorical(logits=logits[torch.arange(5), option])
    action = theirs.sample()
    torch.testing.assert_close(mine.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(mine.entropy(), theirs.entropy())
    assert torch.equal(mine.mode(), theirs.probs.argmax(-1))


def test_draws_follow_the_probabilities_and_never_the_impossible():
    log_probs = torch.tensor([0.2, 0.3, 0.5, 0.0]).log().clamp(min=torch.finfo(torch.float32).min)
    draws = sample_index(log_probs.expand(60_000, 4), gumbel((60_000, 4), torch.Generator().manual_seed(0)))
    share = torch.bincount(draws, minlength=4) / len(draws)
    torch.testing.assert_close(share, torch.tensor([0.2, 0.3, 0.5, 0.0]), atol=0.01, rtol=0)
    assert share[3] == 0
