"""K = 1 equals plain PPO bit for bit over several updates, whatever the option settings say."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from plain_ppo import EPOCHS, GAMMA, LAM, LR, PlainPPO, iteration

from option_critic.algorithms.table import ALGORITHMS
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.model.layers import stream_seed
from option_critic.records import Carry
from option_critic.training.collect import Live
from option_critic.training.state import TrainState
from option_critic.training.train import iterate

WIDTH, ENVS, LENGTH, MINIBATCH, UPDATES = 16, 4, 32, 50, 4


class Drift(gym.Env):
    """A point pushed about: terminates outside of [-1.5, 1.5], is truncated after 12 steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = self.np_random.normal(size=3) * 0.5, 0
        return self.x.copy(), {}

    def step(self, action):
        self.x += 0.2 * np.append(action, action.sum()) + 0.1 * self.np_random.normal(size=3)
        self.t += 1
        over = bool(np.abs(self.x).max() > 1.5)
        return self.x.copy(), float(1 - np.square(self.x).sum()), over, self.t >= 12, {}


def environments():
    return SyncVectorEnv([Drift] * ENVS, autoreset_mode=AutoresetMode.SAME_STEP)


SEEDS = [3, 5, 7, 11]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("options", [{}, {"deliberation_cost": 0.5, "max_option_length": 3, "min_option_length": 2}])
def test_bit_equal(small, options, algorithm):
    settings = small(
        algorithm=algorithm, num_options=1,
        gamma=GAMMA, lam=LAM, lr_option=LR, lr_critic=LR, epochs=EPOCHS, minibatch_size=MINIBATCH,
        rollout_length=LENGTH, num_envs=ENVS, hidden_dim=WIDTH, target_kl=0.0, normalize_observation=False,
        normalize_reward=False, total_timesteps=UPDATES * LENGTH * ENVS, **options,
    )  # fmt: skip
    envs = GymnasiumEnvs(environments(), SEEDS, "Drift")
    state = TrainState.fresh(settings, envs.spaces)
    model = state.model

    plain = PlainPPO(3, 2, WIDTH)
    pairs = [(plain.policy, model.policy_trunk), (plain.critic, model.critic_trunk), (plain.mean, model.pi_head),
             (plain.value, model.q_head)]  # fmt: skip
    for mine, theirs in pairs:
        mine.load_state_dict(theirs.state_dict())
    optimizer = torch.optim.Adam(plain.parameters(), lr=LR, eps=1e-5, fused=True)
    noise = torch.Generator().manual_seed(stream_seed(settings.seed, "actions"))
    shuffle = torch.Generator().manual_seed(stream_seed(settings.seed, "minibatches"))
    plain_envs = environments()
    obs, _ = plain_envs.reset(seed=SEEDS)

    live = [Live(envs.reset(), Carry.start(ENVS))]
    start = model.pi_head.weight.detach().clone()
    for update in range(UPDATES):
        rate = LR * (1 - update / UPDATES)
        obs = iteration(plain, optimizer, plain_envs, obs, LENGTH, noise, shuffle, MINIBATCH, rate)
        _, live = iterate(state, settings, [envs], live)
        assert np.array_equal(live[0].obs, obs)
        assert torch.equal(plain.log_std, model.log_std[0])
        for mine, theirs in pairs:
            for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
                assert torch.equal(a, b), update
    assert not torch.equal(start, model.pi_head.weight)
