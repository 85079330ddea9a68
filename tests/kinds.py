"""Tiny environments, one for each kind of space, for `option-critic train kinds:Kinds/<name>-v0`.

They assert that what they are given lies in their action space, array for array.
"""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

STEPS = 8
"""Of an episode."""


class Doing(gym.Env):
    """Sees which of three it is asked for and is paid by what it does: every action has a reward of its own."""

    observation_space = Box(0, 1, (3,))

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.ask(), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} lies outside of {self.action_space}"
        if not isinstance(self.action_space, Discrete):
            assert isinstance(action, np.ndarray) and action.dtype == self.action_space.dtype, repr(action)
        self.t += 1
        reward = self.pay(action)
        return self.ask(), reward, self.t == STEPS, False, {}

    def ask(self):
        self.asked = int(self.np_random.integers(3))
        return np.eye(3, dtype=np.float32)[self.asked]

    def pay(self, action):
        return float(np.tanh(np.asarray(action, np.float64).ravel() @ np.sin(np.arange(np.size(action)) + self.asked)))


class Combination(Doing):
    """Pays 1 for the one right combination of two choices, of nine; which it is follows from what is seen."""

    def __init__(self):
        super().__init__(MultiDiscrete([3, 3], start=[1, 5]))

    def pay(self, action):
        return float(tuple(action) == (1 + self.asked, 7 - self.asked))


ACTIONS = {
    "MultiDiscrete": MultiDiscrete([3, 2, 4], start=[0, -1, 5]),
    "MultiDiscreteTable": MultiDiscrete([[3, 2], [1, 4]], dtype=np.int32),
    "MultiBinary": MultiBinary(3),
    "MultiBinaryTable": MultiBinary([2, 2]),
    "Matrix": Box(np.float32([[-1, 0, -2], [-3, -1, 5]]), np.float32([[1, 5, 2], [3, 1, 6]])),
    "Scalar": Box(-2, 3, ()),
    "Whole": Box(-3, 10, (2,), np.int64),
}
for name, space in ACTIONS.items():
    if f"Kinds/{name}-v0" not in gym.registry:
        gym.register(f"Kinds/{name}-v0", Doing, kwargs={"action_space": space})
if "Kinds/Combination-v0" not in gym.registry:
    gym.register("Kinds/Combination-v0", Combination)
