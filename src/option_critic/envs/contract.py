"""The one contract that every environment backend is turned into.

Three ways of resetting exist: on the next step (Gymnasium's default and EnvPool: a row that ignored
the action), in the same step (Meta-World's vector environments) or by hand. An adapter turns each
into the same `EnvStep`, so nothing behind it knows which backend runs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from option_critic.errors import NonFiniteError
from option_critic.spaces import Spaces

Array = npt.NDArray[np.float64]
Observations = npt.NDArray[Any]
"""In the dtype that `spaces.kept` names: the model normalises before it computes in float32."""
Mask = npt.NDArray[np.bool_]

SUCCESS = ("success", "is_success")
"""Names under which a step tells whether the task is solved; where a step tells neither, it is not."""
INFO_KEYS = {
    "success": "success",
    "is_success": "success",
    "near_object": "near_object",
    "grasp_success": "grasp_success",
    "obj_to_target": "obj_to_target",
    "object_height": "object_height",
    "initial_height": "initial_height",
    "cell": "cell",
    "unstable": "unstable",
    "held_steps": "held_steps",
    "success_last": "success_last",
}
"""Names in a backend's info -> ours. Kept for diagnosis; nothing learns from them, but for success where it is the
only reward (`EnvSettings.reward`)."""


@dataclass(frozen=True)
class EnvStep:
    """One step of B environments, the same whatever way the backend resets (numpy)."""

    next_obs: Observations
    """[B, D] the true successor s' of the action, even where the episode ended here."""
    act_obs: Observations
    """[B, D] what to act on next; differs from `next_obs` after a reset."""
    is_first: Mask
    """[B] `act_obs` is the first observation of an episode."""
    reward: Array
    """[B]"""
    terminated: Mask
    """[B] the task ended: nothing to bootstrap."""
    truncated: Mask
    """[B] cut by a limit: bootstrap from `next_obs`."""
    valid: Mask
    """[B] False on rows in which a backend only reset and ignored the action."""
    info: dict[str, Array]
    """name -> [B]; for diagnosis only (success, near_object, ...). Where actions are held, success is that of any of
    the steps, `success_last` that of the last."""
    steps: Array
    """[B] the environment's own steps in it: more than one where actions are held."""

    @property
    def done(self) -> Mask:
        """[B] the episode ended here, either way."""
        return self.terminated | self.truncated


class VectorEnvs(Protocol):
    """B environments behind the contract."""

    num_envs: int
    spaces: Spaces
    chance: AbstractContextManager[object] = nullcontext()
    """Where they share global random generators with the rest of the process: what switches those to theirs and back.
    Each call does so by itself; around a rollout it is done once."""

    def reset(self) -> Observations:
        """Start an episode everywhere -> observations [B, D]. Called once."""
        ...

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step with actions [B, ...] in the environment's own units, as `Spaces.to_env` makes them."""
        ...

    def recv(self) -> EnvStep:
        """Wait for the step that `send` began."""
        ...

    def step(self, action: npt.NDArray[Any]) -> EnvStep:
        """Both at once."""
        self.send(action)
        return self.recv()

    def close(self) -> None:
        """Free simulators and worker processes."""
        ...


def env_seeds(run_seed: int, iteration: int, num_envs: int) -> list[int]:
    """One seed per environment, by a hash of (run seed, iteration): neighbours share no stream."""
    words = np.random.SeedSequence([run_seed, iteration]).generate_state(num_envs, np.uint32)
    return [int(w >> 1) for w in words]


LARGEST = 1e38
"""The networks compute in float32, differences of observations too."""
MAX_REWARD = 1e12
"""Returns of so much still have squares in float32."""


def check_finite(name: str, what: str, x: npt.NDArray[Any]) -> None:
    """Raise NonFiniteError unless all of `x` [B, ...] are numbers that float32 holds, as bytes are."""
    if x.dtype == np.uint8 or not x.size:
        return
    if not np.abs(x).max() <= LARGEST:
        bad = int(np.flatnonzero(~(np.abs(x.reshape(len(x), -1)) <= LARGEST).all(1))[0])
        raise NonFiniteError(
            f"{name} returned {what} that are NaN or infinite in float32, or beyond {LARGEST:g} "
            f"(environment {bad} of {len(x)}); mend the environment"
        )


def check_rewards(name: str, reward: npt.NDArray[Any]) -> None:
    """Raise NonFiniteError unless all rewards [B] are numbers from which something can be learned."""
    if not np.abs(reward).max() <= MAX_REWARD:
        bad = int(np.flatnonzero(~(np.abs(reward) <= MAX_REWARD))[0])
        raise NonFiniteError(
            f"{name} returned a reward of {reward[bad]:g} (environment {bad} of {len(reward)}), but rewards must lie "
            f"in [-{MAX_REWARD:g}, {MAX_REWARD:g}]; measure them in another unit"
        )


def diagnostics(info: dict[str, Any], num_envs: int) -> dict[str, Array]:
    """The entries of a backend's info that diagnosis reads, as float64 [B]."""
    return {
        ours: np.array(info[theirs], dtype=np.float64)
        for theirs, ours in INFO_KEYS.items()
        if theirs in info and np.shape(info[theirs]) == (num_envs,)
    }
