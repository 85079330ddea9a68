"""K = 1 equals plain soft actor-critic bit for bit over many updates, whatever the option settings say."""

import numpy as np
import pytest
import torch
from plain_sac import BATCH, GAMMA, LR, START, TAU, PlainSAC, iteration
from test_one_option_is_ppo import ENVS, SEEDS, environments

from option_critic.algorithms.soft_update import SoftUpdates
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.model.layers import stream_seed
from option_critic.records import Carry
from option_critic.settings import Settings
from option_critic.training.collect import Live
from option_critic.training.off_policy import iterate
from option_critic.training.state import TrainState

WIDTH, LENGTH = 16, 12


def as_plain(model):
    """A plain agent with the weights of a model."""
    plain = PlainSAC(3, 2, WIDTH)
    layers = [model.policy_trunk[0], model.policy_trunk[2], model.pi_head]
    for mine, theirs in zip(plain.actor[::2], layers, strict=True):
        mine.load_state_dict(theirs.state_dict())
    for mine, theirs in ((plain.critic, model.soft.critics), (plain.target, model.soft.targets)):
        for i, pair in enumerate(zip(theirs.weights, theirs.biases, strict=True)):
            for j in range(2):
                mine[2 * i + j].data.copy_(pair[j])
    return plain


def weights(model):
    """In the order of a plain agent."""
    layers = [model.policy_trunk[0], model.policy_trunk[2], model.pi_head]
    actor = [p for layer in layers for p in (layer.weight, layer.bias)]
    twins = [p for c in (model.soft.critics, model.soft.targets) for pair in zip(c.weights, c.biases, strict=True)
             for p in pair]  # fmt: skip
    return [*actor, *twins, model.soft.log_alpha]


@pytest.mark.parametrize("options", [
    {"replayed_option": "stored"},
    {"deliberation_cost": 0.5, "max_option_length": 3, "min_option_length": 2, "temperature_master": 0.7},
])  # fmt: skip
def test_bit_equal(options):
    settings = Settings(env_id="Drift-v0").override(
        algorithm="sac_oc", num_options=1, gamma=GAMMA, tau=TAU, lr_option=LR, lr_critic=LR, lr_temperature=LR,
        minibatch_size=BATCH, learning_starts=START, rollout_length=LENGTH, num_envs=ENVS, hidden_dim=WIDTH,
        activation="relu", normalize_observation=False, normalize_reward=False, torch_threads=1, **options,
    )  # fmt: skip
    envs = GymnasiumEnvs(environments(), SEEDS, "Drift")
    state = TrainState.fresh(settings, envs.spaces)
    plain, start = as_plain(state.model), [x.detach().clone() for x in weights(state.model)]
    noise, generator = (
        torch.Generator().manual_seed(stream_seed(settings.seed, n)) for n in ("actions", "minibatches")
    )
    plain_envs = environments()
    obs, _ = plain_envs.reset(seed=SEEDS)
    updates = SoftUpdates(state.model, state.optimizer, settings.learning, settings.options)
    live = [Live(envs.reset(), Carry.start(ENVS))]
    for _ in range(4):
        obs = iteration(plain, plain_envs, obs, LENGTH, noise, generator)
        metrics, live = iterate(state, settings, [envs], live, updates)
        assert np.array_equal(live[0].obs, obs)
        own = [*plain.actor.parameters(), *plain.critic, *plain.target, plain.log_alpha]
        for mine, theirs in zip(own, weights(state.model), strict=True):
            assert torch.equal(mine, theirs)
    assert metrics["train/n_updates"] == 4 * LENGTH * ENVS - START
    assert all(not torch.equal(a, b) for a, b in zip(start, weights(state.model), strict=True))
