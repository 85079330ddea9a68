"""Probe environments: so small that the optimal Q, U and switch point are known by hand.

If an agent fails on one of them, its docstring says which part is broken. Ids: `Probe/<name>-v0`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array


class Probe(gym.Env[Any, Any]):
    """A scripted episode: the observation is the step's number over the length, actions are 0 and 1."""

    length: ClassVar[int] = 1
    observation_space: gym.Space[Any] = gym.spaces.Box(0.0, 1.0, (1,), np.float64)
    action_space: gym.Space[Any] = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Back to step 0."""
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def observe(self) -> Array:
        """[1] how far the episode is."""
        return np.array([self.t / self.length])

    def reward(self, t: int, action: int) -> float:
        """Reward of `action` at step t."""
        return 1.0

    def step(self, action: npt.NDArray[Any]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step; the episode terminates after `length` of them."""
        reward = self.reward(self.t, int(action))
        self.t += 1
        return self.observe(), reward, self.t >= self.length, False, {}


class OneStep(Probe):
    """Reward 1, then the end: Q(s_0, w) = 1. Fails if the value loss is broken."""


class Delayed(Probe):
    """Two steps, reward 1 on the last: Q(s_0, w) = gamma. Fails if discounting is broken."""

    length = 2

    def reward(self, t: int, action: int) -> float:
        """1 on the last step."""
        return float(t == 1)


class Endless(Probe):
    """Reward 1 for ever, seen always alike; register it with a step limit. Q = 1 / (1 - gamma).

    Fails (with a far smaller Q) if truncation is taken for termination.
    """

    length = 1_000_000

    def observe(self) -> Array:
        """Always the same."""
        return np.zeros(1)


class Choice(Probe):
    """One step, action 1 pays 1 and action 0 nothing. Fails if policies do not learn."""

    def reward(self, t: int, action: int) -> float:
        """The action."""
        return float(action)


class Switch(Probe):
    """Eight steps: action 0 pays on the first four, action 1 on the last four.

    With option k fixed to action k, the best agent runs option 0 up to step 4, ends it there and runs
    option 1: V(s_t) = sum_{i<8-t} gamma^i, Q(s_t, w) = 1[w = right] + gamma V(s_{t+1}). Fails if the
    policy over options or the terminations do not learn.
    """

    length = 8
    switch: ClassVar[int] = 4

    def reward(self, t: int, action: int) -> float:
        """1 for the option that is right at step t."""
        return float(action == (t >= self.switch))


PROBES: dict[str, tuple[type[Probe], int | None]] = {
    "Probe/OneStep-v0": (OneStep, None),
    "Probe/Delayed-v0": (Delayed, None),
    "Probe/Endless-v0": (Endless, 3),
    "Probe/Choice-v0": (Choice, None),
    "Probe/Switch-v0": (Switch, None),
}
"""id -> (class, step limit)"""


def register() -> None:
    """Make the probes known to Gymnasium (once)."""
    for env_id, (cls, limit) in PROBES.items():
        if env_id not in gym.registry:
            gym.register(env_id, f"{cls.__module__}:{cls.__name__}", max_episode_steps=limit)
