"""Environments that differ in what they show: registered as `Seen/<name>-v0`; and encoders of a user's own."""

import copy

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from option_critic import Option

BYTES = np.uint8
SPACES = {
    "choice": Discrete(7, start=3),
    "choices": MultiDiscrete([[3, 4], [2, 5]], start=[[1, 0], [0, 2]]),
    "bits": MultiBinary([2, 3]),
    "tuple": Tuple((Discrete(4), Discrete(3), Box(0, 1, (2,)))),
    "nested": Dict(a=Dict(b=Tuple((Box(-1, 1, (2, 2), np.float64), Discrete(3))), c=MultiBinary(4)), z=Box(0, 9, ())),
    "image": Box(0, 255, (40, 40, 3), BYTES),
    "both": Dict(image=Box(0, 255, (4, 36, 38), BYTES), vector=Box(-1, 1, (5,), np.float64)),
    "grid": Dict(direction=Discrete(4), image=Box(0, 255, (7, 7, 3), BYTES)),
    "grid and numbers": Dict(image=Box(0, 255, (5, 5), BYTES), numbers=Box(-1, 1, (3,))),
    "an empty entry": Dict(a=Box(0, 1, (0,)), b=Box(-1, 1, (2,))),
    "empty entries of all kinds": Tuple(
        (Box(0, 1, (2, 0), np.float64), Box(0, 255, (0, 4), BYTES), Box(0, 255, (5, 5), BYTES), MultiDiscrete([]))
    ),
    "colour frames": Box(0, 255, (2, 40, 36, 3), BYTES),
    "frames of channels": Box(0, 255, (2, 3, 40, 36), BYTES),
}


class Seen(gym.Env):
    """Five steps of what its space samples; action 1 pays."""

    def __init__(self, space):
        # of its own: one that is shared would give what the others left, and so depend on who shares a process
        self.observation_space, self.action_space = copy.deepcopy(space), Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        return self.observation_space.sample(), float(action == 1), self.t == 5, False, {}


def env_id(name):
    return f"Seen/{name.replace(' ', '-')}-v0"


for kind, observed in SPACES.items():
    gym.register(env_id(kind), entry_point=lambda observed=observed: Seen(observed))


def average(shape):
    """An encoder: the mean of each channel, and a layer of eight."""
    pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return torch.nn.Sequential(pool, torch.nn.Linear(shape[0], 8))


HELD = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
        torch.bool)  # fmt: skip


def holding(shape):
    """An encoder that holds numbers of all kinds, which are not learned, and counts batches."""
    network = torch.nn.Sequential(*average(shape), torch.nn.BatchNorm1d(8))
    for i, dtype in enumerate(HELD):
        network.register_buffer(f"held_{i}", torch.arange(4).to(dtype))
    return network


def two_faced(shape):
    """An encoder of layers that do something else in training."""
    return torch.nn.Sequential(*average(shape), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))


def no_vectors(shape):
    return torch.nn.Conv2d(shape[0], 2, 3)


no_function = 3
LOW = (Option(name="low", interest=lambda obs: (obs[..., 0] < 0.3) * 0.9 + 0.1),)
"""A set of options, of one that wants to start somewhere."""
