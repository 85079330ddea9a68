"""Environments whose observations say what was achieved and what is desired, and which reward any pair of these gives.

The interface of goal environments [Plappert+18, 1802.09464]: observations are a dict of `observation`, `achieved_goal`
and `desired_goal`, and `compute_reward(achieved_goal, desired_goal, info)` takes arrays of many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from option_critic.envs.guard import Blaming, close_env
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source, bare_one
from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.spaces import Spaces

ACHIEVED, DESIRED = "achieved_goal", "desired_goal"


@dataclass(frozen=True)
class Goals:
    """Where goals stand in an observation, and what they are paid."""

    name: str
    """of the environment"""
    achieved: slice
    desired: slice
    """in a row [D]"""
    compute: Callable[[Any, Any, Any], Any]
    """the environment's own `compute_reward`"""
    env: gym.Env[Any, Any]

    def reward(self, achieved: NDArray, desired: NDArray) -> NDArray:
        """What each of N steps is paid that achieved [N, G] where [N, G] was desired: [N] float32.

        Raises EnvError where the environment cannot say so of many at once.
        """
        with Blaming(self.name, "in compute_reward"):
            paid = np.asarray(self.compute(achieved, desired, {}), dtype=np.float32)
            if paid.shape != (len(achieved),) or not np.isfinite(paid).all():
                raise ValueError(
                    f"compute_reward must give {len(achieved)} finite rewards for as many goals, got {paid.shape}"
                )
        return paid

    def check(self, next_obs: NDArray, reward: NDArray) -> None:
        """Raise InputError where the environment is paid otherwise: next_obs [N, D], reward [N] as they came."""
        if len(reward) and not np.allclose(self.reward(next_obs[:, self.achieved], next_obs[:, self.desired]), reward):
            raise InputError(
                f"hindsight does not fit {self.name}: its steps are paid something else than its compute_reward says "
                "of the goals in their observations; set hindsight to 0"
            )

    def close(self) -> None:
        """Free the environment that was asked."""
        with Chance([0]):
            close_env(self.env, self.name)


def goals_of(source: Source, settings: EnvSettings, spaces: Spaces) -> Goals:
    """The goals of an environment. Raises InputError where hindsight cannot be had there."""
    places = {p.path: place for p, place in zip(spaces.row.parts, spaces.row.places, strict=True)}
    if (ACHIEVED,) not in places or (DESIRED,) not in places or spaces.row.packed:
        raise InputError(
            f"hindsight needs observations with an {ACHIEVED} and a {DESIRED}, which {source.name} does not show; "
            "set hindsight to 0"
        )
    if settings.action_repeat != 1 or source.vector is not None:
        what = "actions that are held" if settings.action_repeat != 1 else "a vector environment of your own"
        raise InputError(f"hindsight cannot say what {what} would have been paid; set hindsight to 0")
    with Chance([0]):
        env = bare_one(source, settings)
    compute = getattr(env.unwrapped, "compute_reward", None)
    if not callable(compute):
        with Chance([0]):
            close_env(env, source.name)
        raise InputError(f"hindsight needs an environment with compute_reward, and {source.name} has none")
    return Goals(source.name, places[ACHIEVED,], places[DESIRED,], compute, env)
