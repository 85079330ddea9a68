"""Whatever way a backend resets, the same script gives the same advantages."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from option_critic.algorithms.ppo import advantages
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.model.act import Generators
from option_critic.records import Carry
from option_critic.training.collect import Live, collect, evaluate_rollout
from option_critic.training.state import TrainState

ENDS = [(5, True, False), (3, False, True), (4, True, True), (1, True, False)]
"""Length of each episode in turn, terminated, truncated."""


class Script(gym.Env):
    """Observations and rewards depend on the episode and the step alone."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gym.spaces.Discrete(2)
    episode = -1

    def reset(self, *, seed=None, options=None):
        self.episode, self.t = self.episode + 1, 0
        return self.observe(), {}

    def observe(self):
        return np.sin(np.array([1 + self.episode, 10 * self.episode + self.t], np.float32))

    def step(self, action):
        self.t += 1
        length, terminated, truncated = ENDS[self.episode % len(ENDS)]
        done = self.t == length
        return self.observe(), float(self.observe()[1]), done and terminated, done and truncated, {}


def rows(small, mode):
    """(reward, advantage, target) of the valid rows of one environment, in order."""
    settings = small(num_options=1, normalize_reward=False)
    envs = GymnasiumEnvs(SyncVectorEnv([Script, Script], autoreset_mode=mode), [0, 1], "Script")
    model = TrainState.fresh(settings, envs.spaces).model
    start = Live(envs.reset(), Carry.start(2))
    rollout, _ = collect([envs], model, [start], 40, settings.options, Generators.seeded(0))
    targets = advantages(rollout, evaluate_rollout(model, rollout, settings.options), settings.learning)
    valid = rollout.valid[:, 0]
    assert bool(valid.all()) == (mode != AutoresetMode.NEXT_STEP)
    return torch.stack([x[:, 0][valid] for x in (rollout.reward, targets.adv_action, targets.q_target)], -1)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_advantages_do_not_depend_on_the_way_of_resetting(small, mode):
    whole = 2 * sum(length for length, _, _ in ENDS)  # two rounds of whole episodes, in every mode
    expected = rows(small, AutoresetMode.SAME_STEP)[:whole]
    assert torch.allclose(rows(small, mode)[:whole], expected, rtol=0, atol=1e-6)
    assert expected[:, 1].abs().min() > 1e-4  # and they say something
