"""The goal of a task of Meta-World, where it can be put elsewhere while the arm moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from option_critic.envs.metaworld import OfficialTask
from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray

IN_OBSERVATION = slice(36, 39)
"""Where an observation holds the goal."""


@dataclass
class Goal:
    """Where it is, and where it may be."""

    task: OfficialTask | None
    """none: the environment is not Meta-World's"""
    low: NDArray | None = None
    """[3] m; none: this task's goal cannot be moved"""
    high: NDArray | None = None

    @staticmethod
    def of(env: Any) -> Goal:
        """Of an environment."""
        return Goal(env if isinstance(env, OfficialTask) else None)

    @property
    def arm(self) -> bool:
        """Whether there is an arm whose hand is moved by the first three components of an action."""
        return self.task is not None

    @property
    def movable(self) -> bool:
        """Whether it can be moved in this episode."""
        return self.low is not None

    @property
    def place(self) -> NDArray | None:
        """[3] m; none where there is none."""
        target = None if self.task is None else getattr(self.task.env, "_target_pos", None)
        return None if target is None else np.asarray(target, np.float64)

    def begin(self) -> None:
        """An episode has begun: the goal can be moved where it is drawn by itself, and nothing else hangs on it. A door
        is where its handle is."""
        self.low = self.high = None
        if self.task is None or self.place is None:
            return
        env = self.task.env
        drawn, space = np.asarray(env._last_rand_vec), env.goal_space
        by_itself = drawn.size == 6 and np.allclose(drawn[3:], self.place)
        if by_itself and np.allclose(env._random_reset_space.low[3:], space.low):
            self.low, self.high = np.asarray(space.low, np.float64), np.asarray(space.high, np.float64)

    def move(self, place: Any) -> None:
        """Put it there, or as near as the task allows. Raises InputError where it cannot be moved, or for no place."""
        if self.task is None or self.low is None or self.high is None:
            raise InputError("the goal of this environment cannot be moved")
        try:
            wanted = np.array(place, np.float64)
        except (TypeError, ValueError):
            wanted = np.array(np.nan)
        if wanted.shape != (3,) or not np.isfinite(wanted).all():
            raise InputError("a goal is three finite numbers, in metres")
        env, found = self.task.env, np.clip(wanted, self.low, self.high)
        env._target_pos = found  # a new array: the old one is a part of the set of goals
        env.model.site("goal").pos = found

    def seen(self, obs: Any) -> Any:
        """An observation with the goal as it is now."""
        changed = np.array(obs, copy=True)
        changed[IN_OBSERVATION] = self.place
        return changed

    def vector(self) -> NDArray:
        """What the episode began with: positions of object and goal; empty where there is none."""
        return np.zeros(0) if self.task is None else np.array(self.task.env._last_rand_vec, np.float64)
