"""Chance that environments share with the rest of the process: global random generators, and those of spaces.

An environment should draw from its own `np_random`. Some draw from numpy's, Python's or PyTorch's global
generators, or from their spaces. They repeat under one seed all the same, and the user's generators stay as they were.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

States = tuple[Any, Any, Any]
"""Of numpy, Python and PyTorch; none of the last where it is not imported: that would take over a second."""


class Chance:
    """The global generators as some environments see them: inside of `with chance:` they go on where they were
    at the end of the last such block, and after it they are what they were before.

    A switch takes 0.1 ms, so it is done around a rollout; blocks inside of blocks do nothing.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        """The streams are a hash of the environments' seeds."""
        numpy_seed, python_seed, torch_seed = np.random.SeedSequence(list(seeds)).generate_state(3).tolist()
        torch = sys.modules.get("torch")
        self.inside: States = (
            np.random.RandomState(numpy_seed).get_state(legacy=False),
            random.Random(python_seed).getstate(),
            torch and torch.Generator("cpu").manual_seed(torch_seed).get_state(),
        )
        self.outside, self.depth = self.inside, 0

    def __enter__(self) -> None:
        self.depth += 1
        if self.depth == 1:
            self.outside = states()
            restore(self.inside)

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.inside = states()
            restore(self.outside)


def states() -> States:
    """What the global generators are now."""
    torch = sys.modules.get("torch")
    return np.random.get_state(legacy=False), random.getstate(), torch and torch.get_rng_state()


def restore(saved: States) -> None:
    """Make them that again."""
    for_numpy, for_python, for_torch = saved
    np.random.set_state(for_numpy)
    random.setstate(for_python)
    if for_torch is not None:
        sys.modules["torch"].set_rng_state(for_torch)


def seed_spaces(env: gym.Env[Any, Any], seed: int) -> None:
    """Seed the spaces of an environment and of all that it wraps."""
    action_seed, observation_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    layer: Any = env
    while layer is not None:
        layer.action_space.seed(action_seed)
        layer.observation_space.seed(observation_seed)
        layer = layer.env if isinstance(layer, gym.Wrapper) else None
