"""EnvPool: native C++ environments at the limit of the machine, for training.

Its Meta-World is a port of 3.0.0 on another MuJoCo, its Gymnasium environments are ports, too (what was measured of
them: `envs/agreement.py`). So what is learned here is judged on the original packages, never here.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from option_critic.cores import usable_cores
from option_critic.envs.contract import (
    EnvStep,
    Observations,
    VectorEnvs,
    check_finite,
    check_rewards,
    diagnostics,
)
from option_critic.spaces import Spaces

ATARI_STEPS = 27_000
"""Decisions after which an Atari episode is truncated: Gymnasium's 108,000 frames, four to a decision."""


def available() -> bool:
    """Whether EnvPool can be imported here."""
    return importlib.util.find_spec("envpool") is not None


class EnvPoolEnvs(VectorEnvs):
    """Environments of EnvPool behind the contract. Those whose episodes end are reset at once, as Gymnasium's are here;
    Meta-World's, which all end together, on their next step: that row is not valid.

    An episode that terminates in the very step of its time limit counts as truncated: EnvPool tells one of the two.
    """

    AT_ONCE = True
    """Whether environments are reset in the step that ends their episode."""

    def __init__(
        self,
        pool_id: str,
        seeds: Sequence[int],
        threads: int,
        *,
        name: str,
        max_episode_steps: int,
        **options: Any,
    ) -> None:
        """`pool_id`: EnvPool's id; `name`: what errors call the environments; `options`: what `envpool.make` takes."""
        self.num_envs, self.name = len(seeds), name
        self.envs: Any = self.pool(pool_id, seeds, threads, max_episode_steps=max_episode_steps, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bounds of observations that float32 cannot hold: nothing relies on them
            observation_space, action_space = self.envs.observation_space, self.envs.action_space
        self.spaces = Spaces.of(observation_space, single_precision(action_space), name)
        self.resets_next = np.zeros(self.num_envs, dtype=np.bool_)

    def pool(self, pool_id: str, seeds: Sequence[int], threads: int, **options: Any) -> Any:
        """What simulates them."""
        return make_pool(pool_id, seeds, threads, **options)

    def reset(self) -> Observations:
        """Start every environment -> [B, D]."""
        raw, _ = self.envs.reset()
        self.resets_next[:] = False
        obs = self.spaces.flatten(raw, batched=True)
        check_finite(self.name, "observations", obs)
        return obs

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step in EnvPool's threads."""
        self.envs.send(action)

    def recv(self) -> EnvStep:
        """Wait for all environments; see `EnvStep` for what comes back."""
        raw, reward, terminated, truncated, info = self.envs.recv()
        obs = self.spaces.flatten(raw, batched=True)
        check_rewards(self.name, reward)
        check_finite(self.name, "observations", obs)
        done, act_obs = terminated | truncated, obs
        valid, is_first = np.ones(self.num_envs, dtype=np.bool_), done
        if not self.AT_ONCE:
            valid, is_first = ~self.resets_next, self.resets_next
            self.resets_next = done & valid
        elif done.any():
            fresh, told = self.envs.reset(np.flatnonzero(done))
            act_obs = obs.copy()
            act_obs[told["env_id"]] = self.spaces.flatten(fresh, batched=True)
            check_finite(self.name, "observations", act_obs)
        return EnvStep(
            next_obs=obs,
            act_obs=act_obs,
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


def make_pool(pool_id: str, seeds: Sequence[int], threads: int, **options: Any) -> Any:
    """A pool of EnvPool's, an environment per seed. `threads`; 0: one per core."""
    import envpool

    threads, before = min(threads or usable_cores(), len(seeds)), thread_ids()
    pool = envpool.make(
        pool_id,
        env_type="gymnasium",
        num_envs=len(seeds),
        num_threads=threads,
        thread_affinity_offset=0 if has_all_cores(threads) else -1,
        env_seed=list(seeds),  # its own `seed + index` would repeat goals between runs
        **options,
    )
    let_pass(thread_ids() - before)
    return pool


def make_gymnasium_id(env_id: str, seeds: Sequence[int], max_episode_steps: int, threads: int) -> EnvPoolEnvs:
    """EnvPool's environments of a Gymnasium id that `envs/agreement.py` lists, with the spaces of Gymnasium's."""
    return EnvPoolEnvs(env_id, seeds, threads, name=env_id, max_episode_steps=max_episode_steps)


@dataclass(frozen=True, kw_only=True)
class Atari:
    """How Atari's pictures are prepared: the names are EnvPool's, the defaults those of `ALE/...-v5` and of Gymnasium's
    AtariPreprocessing."""

    stack_num: int = 4
    """Pictures of one observation, the oldest first: FrameStackObservation's stack_size."""
    frame_skip: int = 4
    """Frames of a decision: AtariPreprocessing's frame_skip, where gym.make was told frameskip=1."""
    noop_max: int = 30
    """AtariPreprocessing's noop_max."""
    episodic_life: bool = False
    """AtariPreprocessing's terminal_on_life_loss. The game goes on after it: no noops, and the frames are its own."""
    reward_clip: bool = False
    """TransformReward(env, np.sign)."""
    repeat_action_probability: float = 0.25
    """gym.make's, of the same name."""
    full_action_space: bool = False
    """gym.make's, of the same name."""


def make_atari(
    env_id: str,
    seeds: Sequence[int],
    threads: int = 0,
    options: Atari | None = None,
    max_episode_steps: int = ATARI_STEPS,
) -> EnvPoolEnvs:
    """EnvPool's environments for `ALE/Pong-v5` and the like -> observations [B, stack_num * 84 * 84] of bytes.

    They show what Gymnasium's do behind AtariPreprocessing (screen_size=84, grayscale_obs=True) and
    FrameStackObservation, to the byte (a test compares them). `max_episode_steps` counts decisions.
    """
    return EnvPoolEnvs(
        env_id.removeprefix("ALE/"),
        seeds,
        threads,
        name=env_id,
        max_episode_steps=max_episode_steps,
        img_height=84,
        img_width=84,
        gray_scale=True,
        use_inter_area_resize=True,
        use_fire_reset=False,  # Gymnasium's does not press fire
        **vars(options or Atari()),
    )


def single_precision(space: Any) -> Any:
    """The actions of Gymnasium's environments: of float32, where EnvPool's of MuJoCo say float64."""
    if not isinstance(space, Box) or space.dtype == np.float32:
        return space
    return Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)


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
