"""Agents learn the known values, and the known switch point."""

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.functional.options import arrival_probs

pytestmark = pytest.mark.filterwarnings("ignore::option_critic.training.alarms.OptionWarning")  # tiny, and meant to

QUICK = {"num_envs": 8, "rollout_length": 32, "minibatch_size": 64, "hidden_dim": 32, "gamma": 0.9, "torch_threads": 1,
         "normalize_reward": False, "normalize_observation": False, "lr_critic": 1e-2, "lr_option": 1e-2,
         "lr_master": 1e-2, "lr_termination": 1e-2, "target_kl": 0.0, "checkpoint_every": 10**9}  # fmt: skip


def learned(env_id, steps, **settings):
    return oc.OptionCritic(env_id, **{**QUICK, **settings}).learn(steps)


def q(agent, *observations):
    with torch.no_grad():
        return agent.state.model(torch.tensor(observations, dtype=torch.float32).unsqueeze(-1)).q.numpy()


@pytest.mark.parametrize(
    ("env_id", "values"),
    [
        ("Probe/OneStep-v0", {0.0: 1.0}),
        ("Probe/Delayed-v0", {0.0: 0.9, 0.5: 1.0}),
        ("Probe/Endless-v0", {0.0: 10.0}),  # 1 / (1 - .9), across truncations after 3 steps; 2.71 without bootstrap
    ],
)
def test_known_values(env_id, values):
    agent = learned(env_id, 8_000, lr_option=0.0, lr_master=0.0)  # random options, so that every Q is visited
    expected = np.repeat([[v] for v in values.values()], 2, axis=1)
    np.testing.assert_allclose(q(agent, *values), expected, atol=0.1)


def test_choice():
    agent = learned("Probe/Choice-v0", 6_000)
    action, _ = agent.predict(np.array([0.0]), deterministic=True)
    assert action == 1
    assert q(agent, 0.0).max() > 0.9


def test_options_switch_where_they_should():
    """Option k always plays action k, so only the policy over options and the terminations can learn."""
    agent = oc.OptionCritic("Probe/Switch-v0", **{**QUICK, "lr_option": 0.0, "entropy_master": 0.001})
    with torch.no_grad():
        agent.state.model.pi_head.weight.zero_()
        agent.state.model.pi_head.bias.copy_(torch.tensor([20.0, 0.0, 0.0, 20.0]))
    agent.learn(16_000)
    options, state = [], None
    for t in range(8):
        _, state = agent.predict(np.array([t / 8]), state, deterministic=True)
        options.append(state.option)
    assert options == [0, 0, 0, 0, 1, 1, 1, 1]
    v = [sum(0.9**i for i in range(n)) for n in range(8, -1, -1)]
    right = np.array([v[t] for t in range(8)])  # Q of the right option: 1 + gamma V
    found = q(agent, *[t / 8 for t in range(8)])
    np.testing.assert_allclose(found[np.arange(8), [0] * 4 + [1] * 4], right, atol=0.1)
    with torch.no_grad():
        heads = agent.state.model(torch.arange(8.0).unsqueeze(-1) / 8)
        mu, beta = heads.mu_logits.softmax(-1), heads.beta_logits.sigmoid()
    kept = [arrival_probs(torch.full((8,), w), beta[:, w], mu)[:, w] for w in range(2)]
    # ended or not, an option goes on where it is right (ending and choosing it again is the same), and not beyond
    assert (kept[0][1:4] > 0.5).all() and kept[0][4] < 0.5 and beta[4, 0] > 0.5
    assert (kept[1][5:] > 0.5).all()
