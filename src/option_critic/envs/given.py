"""A vector environment object of the user's, behind the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from option_critic.envs.contract import EnvStep, Observations
from option_critic.envs.guard import Blaming, EnvError
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.errors import InputError


class GivenEnvs(GymnasiumEnvs):
    """In its own autoreset mode. What it raises is named; it is never closed."""

    def __init__(
        self, envs: gym.vector.VectorEnv[Any, Any, Any], seeds: Sequence[int], name: str, limit: int | None = None
    ) -> None:
        """`limit`: steps that no episode may exceed; it can't be cut from outside. Raises InputError."""
        with Blaming(name, "when looked at"):
            try:
                mode = AutoresetMode(envs.metadata.get("autoreset_mode"))
            except ValueError as error:
                raise InputError(
                    f"{name} does not say how it resets: set metadata['autoreset_mode'] to one of "
                    f"{', '.join(map(str, AutoresetMode))}"
                ) from error
            super().__init__(envs, seeds, name)
            if not isinstance(envs.unwrapped, SyncVectorEnv | AsyncVectorEnv):
                self.seeds = self.seeds[0]  # others take one number
        self.mode, self.limit = mode, limit
        self.lengths = np.zeros(self.num_envs, dtype=np.int64)

    def reset(self) -> Observations:
        """Start every environment, from the seeds -> [B, D]."""
        self.lengths[:] = 0
        with Blaming(self.name, "in reset"):
            return super().reset()

    def _step(self) -> EnvStep:
        with Blaming(self.name, "in step"):
            step = super()._step()
        self._check(step)
        self.lengths += step.valid
        if self.limit is not None and (self.lengths > self.limit).any():
            raise EnvError(
                f"an episode of {self.name} took more than {self.limit:,} steps, and a vector environment of your own "
                "cannot be cut: put gymnasium.wrappers.TimeLimit around its environments, or raise max_episode_steps"
            )
        self.lengths[step.done] = 0
        return step

    def _check(self, step: EnvStep) -> None:
        """Raise EnvError unless there is one reward and one pair of flags for each environment."""
        for what, array, kinds in (("rewards", step.reward, "f"), ("terminated", step.terminated, "b"),
                                   ("truncated", step.truncated, "b")):  # fmt: skip
            if array.shape != (self.num_envs,) or array.dtype.kind not in kinds:
                raise EnvError(
                    f"{self.name}: step must return {what} as an array of {'numbers' if kinds == 'f' else 'bool'} of "
                    f"shape ({self.num_envs},), got {array.dtype} of shape {array.shape}"
                )

    def close(self) -> None:
        """Nothing: it is the user's."""
