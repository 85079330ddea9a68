"""Several tasks of Meta-World at once: as many environments of each, side by side, the task as a one-hot at the end of
every observation.

EnvPool simulates them, a pool for each task; all are sent their actions before any is waited for, so that every core is
busy, however few environments a task has.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.envs.action_repeat import HeldTogether
from option_critic.envs.contract import INFO_KEYS, EnvStep, Observations, VectorEnvs
from option_critic.envs.envpool_metaworld import MetaWorldEnvs, axes_of, pool_of
from option_critic.envs.metaworld import ACTION_SPACE, HORIZON, OBSERVATION_SPACE, make_official
from option_critic.envs.settings import Backend, EnvSettings
from option_critic.spaces import Spaces

NUMBERS = OBSERVATION_SPACE.shape[0]
"""Of an observation of one task: what stands behind them is the one-hot."""


def spaces_of_tasks(tasks: Sequence[str], name: str) -> Spaces:
    """Those of one task or of several: 39 numbers and, for several, one for each task."""
    several = len(tasks) > 1
    size = NUMBERS + (len(tasks) if several else 0)
    spaces = Spaces.of(gym.spaces.Box(-np.inf, np.inf, (size,), np.float64), ACTION_SPACE, name)
    return replace(spaces, tasks=tuple(tasks)) if several else spaces


class Pools:
    """Pools of EnvPool's as if they were one: what they say is put together."""

    def __init__(self, pools: Sequence[Any], sizes: Sequence[int]) -> None:
        self.pools, self.splits = list(pools), np.cumsum(sizes)[:-1]
        self.observation_space, self.action_space = pools[0].observation_space, pools[0].action_space

    def reset(self) -> tuple[Observations, dict[str, Any]]:
        """Start every environment -> [B, D]."""
        for pool in self.pools:
            pool.async_reset()
        told = [pool.recv() for pool in self.pools]
        return np.concatenate([obs for obs, *_ in told]), {}

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step of all pools."""
        for pool, part in zip(self.pools, np.split(action, self.splits), strict=True):
            pool.send(part)

    def recv(self) -> tuple[Any, ...]:
        """Wait for all: observations, rewards, terminated, truncated, info."""
        *columns, infos = zip(*(pool.recv() for pool in self.pools), strict=True)
        info = {name: np.concatenate([i[name] for i in infos]) for name in INFO_KEYS if all(name in i for i in infos)}
        return *map(np.concatenate, columns), info

    def close(self) -> None:
        """Free the simulators."""
        for pool in self.pools:
            pool.close()


class PooledTasks(MetaWorldEnvs):
    """Several tasks by EnvPool: `tasks` [B], of each environment; those of one stand together."""

    def __init__(self, tasks: Sequence[str], seeds: Sequence[int], settings: EnvSettings) -> None:
        self.tasks = list(tasks)
        limit = settings.max_episode_steps or HORIZON
        super().__init__("+".join(dict.fromkeys(tasks)), seeds, limit, settings.env_threads, settings.reward)
        self.axes = axes_of(tasks)

    def pool(self, pool_id: str, seeds: Sequence[int], threads: int, **options: Any) -> Pools:
        """One pool for each task."""
        names = list(dict.fromkeys(self.tasks))
        each = [[seed for seed, task in zip(seeds, self.tasks, strict=True) if task == name] for name in names]
        made = [pool_of(name, own, threads, **options) for name, own in zip(names, each, strict=True)]
        return Pools(made, [len(own) for own in each])


class Told(VectorEnvs):
    """Environments whose observations end with the one-hot of their task: `task` [B], its number among `tasks`."""

    def __init__(self, envs: VectorEnvs, task: Sequence[int], tasks: Sequence[str], name: str) -> None:
        self.envs, self.num_envs, self.spaces = envs, envs.num_envs, spaces_of_tasks(tasks, name)
        self.chance: AbstractContextManager[object] = getattr(envs, "chance", nullcontext())
        self.one_hot = np.eye(len(tasks))[list(task)]

    def reset(self) -> Observations:
        """Start an episode everywhere -> [B, D + N]."""
        return self.told(self.envs.reset())

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step."""
        self.envs.send(action)

    def recv(self) -> EnvStep:
        """Wait for it."""
        step = self.envs.recv()
        next_obs = self.told(step.next_obs)
        act_obs = next_obs if step.act_obs is step.next_obs else self.told(step.act_obs)
        return replace(step, next_obs=next_obs, act_obs=act_obs)

    def told(self, obs: Observations) -> Observations:
        """[B, D] -> [B, D + N]."""
        return np.concatenate([obs, self.one_hot], axis=-1)

    def close(self) -> None:
        """Free them."""
        self.envs.close()


def make_tasks(name: str, tasks: Sequence[str], settings: EnvSettings, seeds: Sequence[int], backend: Backend) -> Told:
    """Environments of several tasks, one per seed, as many of each task.

    `name`: what errors call them; `backend`: envpool, or official.
    """
    each = [task for task in tasks for _ in range(len(seeds) // len(tasks))]
    numbers = [tasks.index(task) for task in each]
    if backend == "envpool":
        envs = PooledTasks(each, seeds, settings)
        held = envs if settings.action_repeat == 1 else HeldTogether(envs, settings.action_repeat)
        return Told(held, numbers, tasks, name)
    official = make_official(each, seeds, settings.max_episode_steps or HORIZON, workers=settings.env_threads,
                             timeout=settings.worker_timeout, action_repeat=settings.action_repeat,
                             reward=settings.reward)  # fmt: skip
    return Told(official, numbers, tasks, name)
