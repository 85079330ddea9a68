"""Meta-World by EnvPool: native C++ environments at the physics limit of the machine, for training.

A port of Meta-World 3.0.0 on another MuJoCo, so what is learned here is judged on the official
package (`envs/metaworld.py`), never here.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.cores import usable_cores
from option_critic.envs.contract import EnvStep, Observations, VectorEnvs, diagnostics
from option_critic.spaces import Spaces

GOAL = slice(36, 39)
"""Where a Meta-World observation holds the goal; zeros if hidden."""


def available() -> bool:
    """Whether EnvPool can be imported here."""
    return importlib.util.find_spec("envpool") is not None


def envpool_id(task: str) -> str:
    """pick-place-v3 -> MetaWorld/PickPlace-v3."""
    name, version = task.rsplit("-", 1)
    return "MetaWorld/" + "".join(part.capitalize() for part in name.split("-")) + "-" + version


class EnvPoolEnvs(VectorEnvs):
    """EnvPool's Meta-World behind the contract. It resets on the next step: that row is not valid."""

    def __init__(self, task: str, seeds: Sequence[int], max_episode_steps: int, threads: int) -> None:
        import envpool

        self.num_envs, threads = len(seeds), min(threads or usable_cores(), len(seeds))
        before = thread_ids()
        self.envs: Any = envpool.make(
            envpool_id(task),
            env_type="gymnasium",
            num_envs=self.num_envs,
            num_threads=threads,
            thread_affinity_offset=0 if has_all_cores(threads) else -1,
            max_episode_steps=max_episode_steps,
            partially_observable=False,  # EnvPool hides the goal unless told not to
            env_seed=list(seeds),  # its own `seed + index` would repeat goals between runs
        )
        let_pass(thread_ids() - before)
        self.spaces = Spaces.of(self.envs.observation_space, self.envs.action_space, f"Meta-World/{task}")
        self.resets_next = np.zeros(self.num_envs, dtype=np.bool_)

    def reset(self) -> Observations:
        """Start every environment -> [B, D]."""
        obs, _ = self.envs.reset()
        if not np.abs(obs[:, GOAL]).max(-1).all():
            raise RuntimeError("EnvPool hides the goal: observation entries 36 to 38 are zero")
        self.resets_next[:] = False
        return np.array(obs, dtype=np.float64)

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step in EnvPool's threads."""
        self.envs.send(action)

    def recv(self) -> EnvStep:
        """Wait for all environments; see `EnvStep` for what comes back."""
        raw, reward, terminated, truncated, info = self.envs.recv()
        obs = np.array(raw, dtype=np.float64)
        valid, is_first = ~self.resets_next, self.resets_next
        self.resets_next = (terminated | truncated) & valid
        return EnvStep(
            next_obs=obs,
            act_obs=obs,
            is_first=is_first,
            reward=np.array(reward, dtype=np.float64),
            terminated=np.array(terminated),
            truncated=np.array(truncated),
            valid=valid,
            info=diagnostics(info, self.num_envs),  # never `unstable`: EnvPool does not show MuJoCo's counters
            steps=np.ones(self.num_envs),
        )

    def close(self) -> None:
        """Free the simulators (64 of them hold over a gigabyte)."""
        self.envs.close()
        self.envs = None
        return_memory()


def has_all_cores(threads: int) -> bool:
    """Whether there is a thread for each core of the machine, and all cores are ours.

    Each thread then gets a core of its own. Left to the scheduler they crowd on one core behind the thread
    that acts: stepping took up to a third longer (measured, 2 cores).
    """
    cores = os.cpu_count() or 1
    return threads == cores and hasattr(os, "sched_getaffinity") and os.sched_getaffinity(0) == set(range(cores))


def thread_ids() -> set[int]:
    """The threads of this process, where the system lists them (Linux)."""
    with contextlib.suppress(OSError):
        return {int(name) for name in os.listdir("/proc/self/task")}
    return set()


def let_pass(threads: set[int]) -> None:
    """Keep simulator threads from pushing the thread that acts off its core while it still hands out actions.

    As batch work they get the same share of the processor, but do not preempt (measured, 2 cores: sending
    takes 0.06 to 0.1 instead of 0.13 to 0.7 ms).
    """
    for thread in threads:
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))


def return_memory() -> None:
    """Hand freed memory back to the system, where the C library can: else each rebuild adds to the peak."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
