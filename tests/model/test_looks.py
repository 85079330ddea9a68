"""Options that see different things."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from observation_kinds import env_id

import option_critic as oc
from option_critic.errors import InputError
from option_critic.model.acting import snapshot
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.feature import Feature
from option_critic.options.option import Option
from option_critic.spaces import Spaces

SPACES = Spaces(obs_size=5, discrete=False, action_size=2, action_low=(-1, -1), action_high=(1, 1))
NEAR, FAR = Feature("hand - object", (0, 1), (2, 3)), Feature("goal", (4,))
OPTIONS = (Option(name="a", sees=(NEAR,)), Option(name="b", sees=(NEAR, FAR)), Option(name="c"))


def model(options=OPTIONS, **others):
    net = OptionModel(SPACES, len(options), ModelSettings(hidden_dim=8, **others), 0, options)
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(generator=torch.Generator().manual_seed(p.numel()))
    net.update_view(torch.randn(50, 5, generator=torch.Generator().manual_seed(1)) * 3)
    return net


@torch.no_grad()
def said(net, obs):
    heads = net(obs)
    return heads.pi.mean, heads.beta_logits, heads.mu_logits, heads.q


def test_an_option_sees_its_features_and_nothing_else():
    net, obs = model(), torch.randn(7, 5, generator=torch.Generator().manual_seed(2))
    moved, goal, odd = (obs.clone() for _ in range(3))
    moved[:, :4] += 1.5  # hand and object together
    goal[:, 4] += 1.0
    odd[:, 0] += 1.0
    at = said(net, obs)
    for other, same in ((moved, [0, 1]), (goal, [0]), (odd, [])):
        there = said(net, other)
        for here, now in zip(at[:2], there[:2], strict=True):  # policies and terminations
            equal = [k for k in range(3) if torch.allclose(here[:, k], now[:, k], atol=1e-5)]
            assert equal == same
        for here, now in zip(at[2:], there[2:], strict=True):  # policy over options and critic see all
            assert not torch.isclose(here, now, atol=1e-5).any()


def test_acting_and_learning_say_the_same():
    net = model(activation="relu", option_layers=2)
    obs = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))
    mean, beta_logits, mu_logits, _ = (x.numpy() for x in said(net, obs))
    network, option = snapshot(net), np.array([2, 0, 1, 1])
    seen = network.see(obs.numpy())
    mu, beta = network.choice_heads(network.looking.choice(seen, option))
    pi = network.policy(seen, option, None)
    rows = np.arange(4)
    for ours, theirs in (
        (pi.mean, mean[rows, option]),
        (mu, mu_logits),
        (beta[rows, option], beta_logits[rows, option]),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert net(obs.reshape(2, 2, 5)).pi.mean.shape == (2, 2, 3, 2)
    *_, beta_logits = net.values(obs.reshape(2, 2, 5))
    np.testing.assert_allclose(beta_logits.detach().flatten(0, 1), said(net, obs)[1], atol=1e-5)


def test_gradients_of_one_option_come_from_what_it_sees():
    net, obs = model(), torch.randn(6, 5)
    net(obs).pi.mean[:, 0].sum().backward()
    seen = net.policy_trunk[0].weight.grad.abs().sum(0) > 0
    assert seen.tolist() == [False] * 5 + [True, True, False]  # the observation, hand - object, the goal
    assert net.pi_head.weight.grad.abs().sum(1).gt(0).tolist() == [True, True, False, False, False, False]


def test_without_views_nothing_is_added():
    plain, named = (model((Option(name="a"), Option(name="b"))), OptionModel(SPACES, 2, ModelSettings(hidden_dim=8), 0))
    assert plain.state_dict().keys() == named.state_dict().keys() and plain.looks is None


@pytest.mark.parametrize("algorithm", ["dac", "sac_oc"])
def test_options_of_which_one_has_an_interest_see_images(algorithm, tmp_path):
    """All of them see the numbers and the image; the interests only the policy over options and the critic see."""
    agent = oc.OptionCritic(
        env_id("both"), options=["observation_kinds:LOW:low", "new:b"], algorithm=algorithm, encoder_dim=7,
        hidden_dim=8, conv_layers=(8, 8, 4), num_envs=2, torch_threads=1,
        **({"rollout_length": 8, "minibatch_size": 8} if algorithm == "dac" else {"learning_starts": 8}),
    )  # fmt: skip
    agent.learn(32).save(tmp_path / "agent")
    net, spaces = agent.state.model, agent.spaces
    assert net.look[:, 0].tolist() == [[1.0] * 5 + [0.0] * 2 + [1.0] * 7] * 2
    space = gym.make(env_id("both")).observation_space
    samples = [space.sample() for _ in range(4)]
    obs, fast = np.stack([spaces.flatten(sample, batched=False) for sample in samples]), snapshot(net)
    seen, option = fast.see(obs), np.array([1, 0, 1, 0])
    slow = net.network(torch.from_numpy(obs))
    mu, beta = fast.choice_heads(fast.looking.choice(seen, option))
    pi = fast.policy(seen, option, None).log_probs
    for ours, theirs in ((mu, slow[1]), (beta[range(4), option], slow[2][range(4), option]),
                         (pi, slow[0].log_probs[range(4), option])):  # fmt: skip
        np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
    loaded = oc.load(tmp_path / "agent")
    for sample in samples:
        assert loaded.predict(sample, deterministic=True)[0] == agent.predict(sample, deterministic=True)[0]


@pytest.mark.parametrize(
    ("sees", "others", "word"),
    [
        ((Feature("x", (5,)),), {}, "component 5"),
        ((Feature("x", (0,)),), {"shared_trunk": True}, "shared_trunk"),
    ],
)
def test_what_is_not_there_cannot_be_seen(sees, others, word):
    with pytest.raises(InputError, match=word):
        model((Option(name="a", sees=sees), Option(name="b")), **others)


@pytest.mark.parametrize("features", ["hand", (), ("hand",), (Feature("x", (0,)), Feature("x", (1,)))])
def test_sees_must_be_features(features):
    with pytest.raises(InputError, match="sees of option a"):
        Option(name="a", sees=features)


@pytest.mark.parametrize(("plus", "minus"), [((), ()), ((0, 1), (2,)), ((-1,), ()), ((0,), (10**7,)), (("a",), ())])
def test_a_feature_is_made_of_components(plus, minus):
    with pytest.raises(InputError, match="feature x"):
        Feature("x", plus, minus)
