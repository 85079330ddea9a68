"""Gymnasium environments, in any of the three autoreset modes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from option_critic.envs.action_repeat import STEPS
from option_critic.envs.contract import (
    EnvStep,
    Mask,
    Observations,
    VectorEnvs,
    check_finite,
    check_rewards,
    diagnostics,
)
from option_critic.envs.guard import Blaming
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source, make_one
from option_critic.spaces import Spaces


class GymnasiumEnvs(VectorEnvs):
    """A Gymnasium vector environment behind the contract, whatever its autoreset mode."""

    def __init__(
        self,
        envs: gym.vector.VectorEnv[Any, Any, Any],
        seeds: Sequence[int],
        name: str,
        chance: Chance | None = None,
    ) -> None:
        """`chance`: that in which `envs` were made."""
        self.envs, self.num_envs, self.name = envs, envs.num_envs, name
        self.seeds: Any = list(seeds)
        self.chance: Chance = chance or Chance(seeds)
        self.mode = envs.metadata.get("autoreset_mode")
        self.spaces = Spaces.of(envs.single_observation_space, envs.single_action_space, name)
        self.resets_next = np.zeros(self.num_envs, dtype=np.bool_)

    def reset(self) -> Observations:
        """Start every environment from its own seed -> [B, D]."""
        with self.chance:
            obs, _ = self.envs.reset(seed=self.seeds)
        self.resets_next[:] = False
        flat = self.spaces.flatten(obs, batched=True)
        self._check_numbers(flat)
        return flat

    def send(self, action: npt.NDArray[Any]) -> None:
        """Keep the actions, a copy, as environments may change theirs: they step in this process, when asked for
        the result."""
        self.action = action.copy()

    def recv(self) -> EnvStep:
        """Step all environments; see `EnvStep` for what comes back."""
        with self.chance:
            return self._step()

    def _step(self) -> EnvStep:
        raw, reward, terminated, truncated, info = self.envs.step(self.action)
        obs = self.spaces.flatten(raw, batched=True)
        done, next_obs, act_obs = terminated | truncated, obs, obs
        valid, is_first = np.ones(self.num_envs, dtype=np.bool_), done
        if self.mode == AutoresetMode.NEXT_STEP:
            valid, is_first = ~self.resets_next, self.resets_next
            self.resets_next = done
        elif self.mode == AutoresetMode.SAME_STEP:
            next_obs, info = self._before_reset(obs, done, info)
        elif done.any():
            fresh, _ = self.envs.reset(options={"reset_mask": done.copy()})
            act_obs = np.where(done[:, None], self.spaces.flatten(fresh, batched=True), obs)
        check_rewards(self.name, reward)
        self._check_numbers(next_obs)
        if act_obs is not next_obs:
            self._check_numbers(act_obs)
        told = diagnostics(info, self.num_envs)
        return EnvStep(
            next_obs=next_obs,
            act_obs=act_obs,
            is_first=is_first,
            reward=np.array(reward, dtype=np.float64),
            terminated=np.array(terminated),
            truncated=np.array(truncated),
            valid=valid,
            steps=told.pop(STEPS, np.ones(self.num_envs)),
            info=told,
        )

    def _check_numbers(self, obs: Observations) -> None:
        """Raise NonFiniteError unless all numbers are finite, which bytes are."""
        if self.spaces.row.packed:
            obs = self.spaces.row.numbers(obs, self.spaces.row.images)
        check_finite(self.name, "observations", obs)

    def _before_reset(self, obs: Observations, done: Mask, info: dict[str, Any]) -> tuple[Observations, dict[str, Any]]:
        """The final observations and infos that a same-step reset hands over apart."""
        if not done.any():
            return obs, info
        next_obs, merged = obs.copy(), dict(info)
        for i in np.flatnonzero(done):
            next_obs[i] = self.spaces.flatten(info["final_obs"][i], batched=False)
        for key, value in info.get("final_info", {}).items():
            if np.shape(value) == (self.num_envs,) and not key.startswith("_"):
                merged[key] = np.where(done, value, merged.get(key, np.zeros(self.num_envs)))
        return next_obs, merged

    def close(self) -> None:
        """Close all environments and their processes. Raises EnvError."""
        try:
            with self.chance:
                self.envs.close()
        except BaseException:
            self.envs.closed = True  # else it is tried again when memory is freed, with nobody to tell
            raise


PLAIN = EnvSettings()


def make_gymnasium(source: Source | str, seeds: Sequence[int], settings: EnvSettings = PLAIN) -> GymnasiumEnvs:
    """Environments of one source (a text is an id), one per seed, stepped in this process, reset in the same step."""
    source = Source(source) if isinstance(source, str) else source
    chance = Chance(seeds)
    with chance, Blaming(source.name, "in construction"):
        makers = [partial(make_one, source, settings)] * len(seeds)
        envs = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)  # `flatten` copies
    return GymnasiumEnvs(envs, seeds, source.name, chance)
