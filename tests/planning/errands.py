"""A corridor with four shops that must be visited in one order, and the options that walk to them."""

from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import TimeLimit

import option_critic as oc

CELLS, SHOPS, ORDER = 9, (0, 3, 5, 8), (2, 0, 3, 1)
LIMIT = 60


class Errands(gym.Env):
    """Observation: where one is, and how many of the errands are done, one-hot [36]. Action 1: a step to the right,
    0: to the left. Each errand pays 1, each step costs 0.01; the last one terminates."""

    observation_space = gym.spaces.Box(0.0, 1.0, (CELLS * len(SHOPS),), np.float32)
    action_space = gym.spaces.Discrete(2)
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 7}

    def __init__(self, render_mode=None, slip=0.0):
        self.render_mode, self.slip, self.closed = render_mode, slip, False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.done = (options or {}).get("cell", 4), 0
        return self.observe(), {"came": "from reset"}

    def observe(self):
        obs = np.zeros(self.observation_space.shape, np.float32)
        obs[self.cell * len(SHOPS) + min(self.done, len(SHOPS) - 1)] = 1
        return obs

    def step(self, action):
        if self.np_random.random() >= self.slip:
            self.cell = min(max(self.cell + 2 * int(action) - 1, 0), CELLS - 1)
        right = self.cell == SHOPS[ORDER[self.done]]
        self.done += right
        end = self.done == len(SHOPS)
        return self.observe(), float(right) - 0.01, end, False, {"success": float(right), "cell": self.cell}

    def render(self):
        return np.full((2, 2, 3), self.cell, np.uint8)

    def close(self):
        self.closed = True


def make(render_mode=None, slip=0.0):
    return TimeLimit(Errands(render_mode, slip), LIMIT)


def cell(obs):
    """[..., 36] -> [...] where one is."""
    return obs.argmax(-1) // len(SHOPS)


class Walk:
    """What an option that walks to a cell is made of; of a class, so that it can be pickled."""

    def __init__(self, to):
        self.to = to

    def action(self, obs):
        return 1 * (cell(obs) < self.to)

    def there(self, obs):
        return cell(obs) == self.to

    def elsewhere(self, obs):
        return cell(obs) != self.to


def walk(to, **more):
    """The option."""
    w = Walk(to)
    given = {"policy": w.action, "end": w.there, "ends": "given", "interest": w.elsewhere, "arrays": True}
    return oc.Option(name=f"to-{to}", **given | more)


WALKS = [walk(to) for to in SHOPS]
