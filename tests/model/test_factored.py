"""Several choices at once, against torch.distributions and against numpy."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical

from option_critic.functional.arrays import log_softmax
from option_critic.model.act import Generators, Noise, act
from option_critic.model.acting import snapshot
from option_critic.model.distributions import IMPOSSIBLE, FactoredCategorical, Factors, gumbel
from option_critic.model.joint import JointChoices
from option_critic.model.option_model import OptionModel
from option_critic.model.policies import intra_option_policies
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry
from option_critic.spaces import Spaces

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)
COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
B, K = 5, 3


def tensors(counts):
    found = Factors.of(counts)
    return Factors(torch.from_numpy(found.index), torch.from_numpy(found.exists))


def policies(logits, counts):
    return intra_option_policies(logits.flatten(-2), torch.zeros(logits.shape[-2:]), True, tensors(counts))


def drawn(counts, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(B, K, sum(counts), generator=generator, dtype=dtype)
    return logits, torch.randint(K, (B,), generator=generator)


def theirs(logits, counts):
    """Categoricals of PyTorch's, factor by factor."""
    return [Categorical(logits=part) for part in logits.split(tuple(counts), -1)]


@few
@given(COUNTS, st.integers(0, 99))
def test_it_equals_torch(counts, seed):
    logits, option = drawn(counts, seed)
    mine, own = policies(logits, counts), logits[torch.arange(B), option]
    picked, parts = mine.at(option), theirs(own, counts)
    action = torch.stack([p.sample() for p in parts], -1)
    torch.testing.assert_close(
        picked.log_prob(action), sum(p.log_prob(a) for p, a in zip(parts, action.T, strict=True))
    )
    torch.testing.assert_close(picked.entropy(), sum(p.entropy() for p in parts))
    torch.testing.assert_close(mine.entropy(), sum(p.entropy() for p in theirs(logits, counts)))
    assert torch.equal(picked.mode(), torch.stack([p.probs.argmax(-1) for p in parts], -1))


@few
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 99))
def test_its_distance_is_that_of_the_joint_distribution(counts, seed):
    logits, option = drawn(counts, seed)
    joint = torch.ones(B, K, 1, dtype=logits.dtype)
    for p in theirs(logits, counts):
        joint = (joint.unsqueeze(-1) * p.probs.unsqueeze(-2)).flatten(-2)
    own = joint[torch.arange(B), option].unsqueeze(-2)
    by_hand = (0.5 * (joint.sqrt() - own.sqrt()).square().sum(-1)).sqrt()
    torch.testing.assert_close(policies(logits, counts).distance(option), by_hand, atol=1e-7, rtol=1e-6)


@few
@given(COUNTS, st.integers(0, 99))
def test_numpy_says_the_same(counts, seed):
    logits, option = drawn(counts, seed, torch.float32)
    noise = gumbel((B, sum(counts)), torch.Generator().manual_seed(seed))
    factors = Factors.of(counts)
    mine = FactoredCategorical(log_softmax(factors.apart(logits.numpy(), IMPOSSIBLE)))
    torches, picked = policies(logits, counts).at(option), mine.at(option.numpy())
    np.testing.assert_allclose(picked.log_probs, torches.log_probs.numpy(), rtol=1e-5, atol=1e-6)
    action = picked.sample(factors.apart(noise.numpy(), -np.inf))
    assert picked.log_probs.dtype == np.float32 and action.shape == (B, len(counts))
    assert action.tolist() == torches.sample(tensors(counts).apart(noise, -torch.inf)).tolist()
    assert picked.mode().tolist() == torches.mode().tolist()


def test_its_gradients_are_those_of_differences():
    counts = (3, 1, 2)
    logits, option = drawn(counts, 0)
    action = torch.tensor([[0, 0, 1], [2, 0, 0], [1, 0, 1], [0, 0, 0], [2, 0, 1]])
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: policies(x, counts).at(option).log_prob(action), logits)
    assert torch.autograd.gradcheck(lambda x: policies(x, counts).at(option).entropy(), logits)


def test_no_draw_is_a_choice_that_there_is_not():
    """Gumbel noise is minus infinity once in a while, and then so it may be for all choices of a factor."""
    factors, rows = Factors.of((1, 3)), 2000
    noise = np.where(np.random.default_rng(0).random((rows, 4)) < 0.7, -np.inf, 0).astype(np.float32)
    logits = np.random.default_rng(1).normal(size=(rows, 4)).astype(np.float32) * 50
    pi = FactoredCategorical(log_softmax(factors.apart(logits, IMPOSSIBLE)))
    action = pi.sample(factors.apart(noise, -np.inf))
    assert (action[:, 0] == 0).all() and set(action[:, 1]) == {0, 1, 2}


def test_draws_follow_the_probabilities_of_each_factor():
    counts, rows = (2, 3), 40_000
    probs = torch.tensor([0.2, 0.8, 0.5, 0.3, 0.2])
    pi = policies(probs.log().expand(rows, 1, 5), counts).at(torch.zeros(rows, dtype=torch.long))
    noise = gumbel((rows, 5), torch.Generator().manual_seed(0))
    action = pi.sample(tensors(counts).apart(noise, -torch.inf))
    shares = [torch.bincount(x, minlength=n) / rows for x, n in zip(action.T, counts, strict=True)]
    torch.testing.assert_close(torch.cat(shares), probs, atol=0.01, rtol=0)


def test_acting_and_learning_read_the_same_policies():
    spaces = Spaces(obs_size=4, discrete=True, action_size=9, action_factors=(2, 3, 4), action_starts=(0, 0, 0))
    model = OptionModel(spaces, K, ModelSettings(hidden_dim=8), seed=0)
    with torch.no_grad():
        model.pi_head.weight.mul_(100)
    obs = torch.randn(B, 4, generator=torch.Generator().manual_seed(0))
    network, rules = snapshot(model), OptionSettings(num_options=K)
    noise = Noise.draw((B,), network, Generators.seeded(0))
    assert np.isneginf(noise.action).sum((-2, -1)).tolist() == [2 + 1 + 0] * B  # what two and three lack of four
    choice, pi, *_ = act(network, obs.numpy(), Carry.start(B), rules, noise)
    heads = model(obs).pi.at(torch.from_numpy(choice.option))
    torch.testing.assert_close(torch.from_numpy(pi.log_probs), heads.log_probs.detach(), rtol=1e-4, atol=1e-5)
    assert choice.action.shape == (B, 3) and (choice.action < (2, 3, 4)).all()
    assert not any("factor" in name for name in model.state_dict())


@few
@given(COUNTS, st.integers(0, 99))
def test_choices_at_once_are_one_choice_of_all_that_they_can_be(counts, seed):
    """Of every combination: its number, and the product of its probabilities."""
    joint, (logits, option) = JointChoices(counts, "cpu"), drawn(counts, seed)
    pi = policies(logits, counts).at(option)
    log_probs = joint.policy(pi).log_probs
    assert log_probs.shape == (B, joint.size)
    for number, action in enumerate(np.ndindex(*counts)):
        action = torch.tensor(action).expand(B, -1)
        assert (joint.number(action) == number).all()
        torch.testing.assert_close(log_probs[:, number], pi.log_prob(action))
    torch.testing.assert_close(joint.policy(pi).entropy(), pi.entropy())
