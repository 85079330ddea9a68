"""Each action held for several steps: fewer decisions, and fewer rows to learn from, for the same time simulated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array, EnvStep, VectorEnvs


class HeldActions(VectorEnvs):
    """B environments that take each action `count` times, as one step; fewer where one of them ends."""

    def __init__(self, envs: VectorEnvs, count: int) -> None:
        self.envs, self.count = envs, count
        self.num_envs, self.spaces = envs.num_envs, envs.spaces

    def reset(self) -> Array:
        """Start an episode everywhere -> [B, D]."""
        return self.envs.reset()

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin the first of the steps."""
        self.action = action
        self.envs.send(action)

    def recv(self) -> EnvStep:
        """The steps as one: the last one's successor, the sum of their rewards, success at any of them."""
        step = self.envs.recv()
        for _ in range(self.count - 1):
            if (step.done | ~step.valid).any():  # those that go on only decide earlier than they would
                break
            step = joined(step, self.envs.step(self.action))
        return step

    def close(self) -> None:
        """Free them."""
        self.envs.close()


def joined(before: EnvStep, after: EnvStep) -> EnvStep:
    """Two steps in a row, of which the first ended no episode, as one."""
    info = dict(after.info)
    for name in ("success", "unstable"):
        if name in info and name in before.info:
            info[name] = np.maximum(before.info[name], info[name])
    return replace(after, reward=before.reward + after.reward, info=info, steps=before.steps + after.steps)
