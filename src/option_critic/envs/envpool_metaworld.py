"""Meta-World by EnvPool: what its port does otherwise than the official package is mended here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import EnvStep, Observations, env_seeds
from option_critic.envs.envpool import EnvPoolEnvs, make_pool, return_memory
from option_critic.envs.metaworld import QUATERNIONS
from option_critic.envs.settings import Reward

GOAL = slice(36, 39)
"""Where a Meta-World observation holds the goal; zeros if hidden."""
DRIFTING = ("shelf-place-v3", "hammer-v3")
"""Tasks whose goal EnvPool 1.2.5 puts elsewhere in each episode but the first: it moves by 0.8 m (shelf-place) and more
at each reset. Found by comparing the first observations of seven episodes of all fifty tasks with the official
package's. So each of their episodes is the first one of a pool."""
TURNED = {"lever-pull-v3": (0.0, 0.0, 0.34955314, 0.93691654)}
"""Task -> how the first object's own axes stand in the official package, seen from EnvPool's: a unit quaternion (x, y,
z, w). The lever's are those of its mesh, which versions of MuJoCo lay otherwise (the package's here: 3.3.0). Found by
comparing the rotations of all fifty tasks, and this one along the lever's whole way."""
FIRST = QUATERNIONS[::2]
"""Where an observation holds the rotation of the first object, now and one step ago."""


def envpool_id(task: str) -> str:
    """pick-place-v3 -> MetaWorld/PickPlace-v3."""
    name, version = task.rsplit("-", 1)
    return "MetaWorld/" + "".join(part.capitalize() for part in name.split("-")) + "-" + version


def axes_of(tasks: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Tasks [B], of each environment -> how their first object's axes are turned [B, 4]; None where none is."""
    if not any(task in TURNED for task in tasks):
        return None
    return np.array([TURNED.get(task, (0.0, 0.0, 0.0, 1.0)) for task in tasks])


def turned(obs: Observations, axes: npt.NDArray[np.float64] | None) -> Observations:
    """Observations [B, D] whose first object is told by the axes of the official package: its rotation q becomes q * a
    (Hamilton's product, x, y, z, w)."""
    if axes is None:
        return obs
    obs = obs.copy()
    for start in FIRST:
        x, y, z, w = obs[:, start : start + 4].T
        a, b, c, d = axes.T
        obs[:, start : start + 4] = np.stack(
            [w * a + x * d + y * c - z * b, w * b - x * c + y * d + z * a,
             w * c + x * b - y * a + z * d, w * d - x * a - y * b - z * c], axis=-1,
        )  # fmt: skip
    return obs


class OneEpisodePools:
    """Pools of EnvPool's in turn, each for one episode of all its environments, as if they were one pool."""

    def __init__(self, make: Callable[[Sequence[int]], Any], seeds: Sequence[int]) -> None:
        """`make`: a pool with these seeds."""
        self.make, self.seeds, self.pool = make, list(seeds), make(seeds)
        self.observation_space, self.action_space = self.pool.observation_space, self.pool.action_space
        self.episodes, self.over = 0, False

    def async_reset(self) -> None:
        """Begin an episode everywhere."""
        if self.episodes:
            self.pool.close()
            return_memory()
            self.pool = self.make(env_seeds(self.seeds[0], self.episodes, len(self.seeds)))
        self.episodes, self.over = self.episodes + 1, False
        self.pool.async_reset()

    def reset(self) -> tuple[Observations, dict[str, Any]]:
        """The same, and wait for it -> [B, D]."""
        self.async_reset()
        obs, _, _, _, info = self.pool.recv()
        return obs, info

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step; after the last of an episode, the next episode, whatever the action."""
        self.async_reset() if self.over else self.pool.send(action)

    def recv(self) -> tuple[Any, ...]:
        """Wait for all: observations, rewards, terminated, truncated, info."""
        told: tuple[Any, ...] = self.pool.recv()
        self.over = bool((told[2] | told[3]).all())
        return told

    def close(self) -> None:
        """Free the simulators."""
        self.pool.close()


def pool_of(task: str, seeds: Sequence[int], threads: int, **options: Any) -> Any:
    """What simulates a task, its goals where they belong."""

    def made(seeds: Sequence[int]) -> Any:
        return make_pool(envpool_id(task), seeds, threads, **options)

    return OneEpisodePools(made, seeds) if task in DRIFTING else made(seeds)


class MetaWorldEnvs(EnvPoolEnvs):
    """Meta-World by EnvPool, with the goals seen; its reward, or 1 for each step in success."""

    AT_ONCE = False

    def __init__(
        self, task: str, seeds: Sequence[int], max_episode_steps: int, threads: int, reward: Reward = "dense"
    ) -> None:
        self.reward, self.axes = reward, axes_of([task] * len(seeds))
        super().__init__(
            task,
            seeds,
            threads,
            name=f"Meta-World/{task}",
            max_episode_steps=max_episode_steps,
            partially_observable=False,  # EnvPool hides the goal unless told not to
        )

    def pool(self, pool_id: str, seeds: Sequence[int], threads: int, **options: Any) -> Any:
        """What simulates them; `pool_id`: the task."""
        return pool_of(pool_id, seeds, threads, **options)

    def reset(self) -> Observations:
        """Start every environment -> [B, D]."""
        obs = turned(super().reset(), self.axes)
        if not np.abs(obs[:, GOAL]).max(-1).all():
            raise RuntimeError("EnvPool hides the goal: observation entries 36 to 38 are zero")
        return obs

    def recv(self) -> EnvStep:
        """Wait for all environments; rows in which they only reset pay nothing where success alone does."""
        step = super().recv()
        if self.axes is not None:
            obs = turned(step.next_obs, self.axes)
            step = replace(step, next_obs=obs, act_obs=obs)  # the same, as they are not reset AT_ONCE
        if self.reward == "dense":
            return step
        return replace(step, reward=((step.info["success"] > 0) & step.valid).astype(np.float64))
