"""Each action held for several steps: fewer decisions, and fewer rows to learn from, for the same time simulated.

Every environment holds its own actions, in training as in judging: where one ends in mid-hold, only its own row is
shorter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import SUCCESS, EnvStep, Observations, VectorEnvs

STEPS, LAST = "held_steps", "success_last"
"""Added to `info`: how many steps an action was held, and the success that the last of them told."""


class HeldAction(gym.Wrapper[Any, Any, Any, Any]):
    """One environment that takes each action `count` times, as one step; fewer where its episode ends."""

    def __init__(self, env: gym.Env[Any, Any], count: int) -> None:
        super().__init__(env)
        self.count = count

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """The steps as one: the last one's observation, the sum of their rewards, success at any of them."""
        total: Any = 0.0
        held, ended = 0, False
        told: dict[str, Any] = {}
        while held < self.count and not ended:
            held += 1
            again = action.copy() if isinstance(action, np.ndarray) else action  # it may change what it is given
            obs, reward, terminated, truncated, info = self.env.step(again)
            total = total + reward
            for name in (*SUCCESS, "unstable"):
                if name in info:
                    told[name] = max(told.get(name, 0.0), info[name])
            ended = terminated or truncated
        last = max((info[name] for name in SUCCESS if name in info), default=0.0)
        if any(name in told for name in SUCCESS):
            told[LAST] = last
        return obs, total, terminated, truncated, {**info, **told, STEPS: held}


class HeldTogether(VectorEnvs):
    """The same for environments that step, and end, all at once (EnvPool's): one hold for all."""

    def __init__(self, envs: VectorEnvs, count: int) -> None:
        self.envs, self.count = envs, count
        self.num_envs, self.spaces, self.chance = envs.num_envs, envs.spaces, envs.chance

    def reset(self) -> Observations:
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
            if (step.done | ~step.valid).any():  # of all: they have one limit and no other end
                break
            step = joined(step, self.envs.step(self.action))
        return step

    def close(self) -> None:
        """Free them."""
        self.envs.close()


def joined(before: EnvStep, after: EnvStep) -> EnvStep:
    """Two steps in a row, of which the first ended no episode, as one."""
    info = before.info | after.info
    if "success" in info:
        nothing = np.zeros_like(after.reward)
        last = after.info.get("success", nothing)
        info |= {LAST: last, "success": np.maximum(before.info.get("success", nothing), last)}
    return replace(after, reward=before.reward + after.reward, info=info, steps=before.steps + after.steps)
