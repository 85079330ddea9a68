"""An environment of somebody else's, held to what Gymnasium asks of it: its faults are named, with its name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Dict

from option_critic.errors import InputError, RunError


class EnvError(RunError):
    """An environment raised, or returned what Gymnasium does not allow."""


@contextlib.contextmanager
def blaming(name: str, doing: str) -> Iterator[None]:
    """What is raised here becomes an EnvError that names the environment; the original is its cause."""
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:  # it is somebody else's code: anything can come
        raise EnvError(f"{name} failed in {doing}: {type(error).__name__}: {error}") from error


class Checked(gym.Wrapper[Any, Any, Any, Any]):
    """Raises EnvError where `reset` or `step` fail or break their contract. In place of Gymnasium's own
    checker, which looks at the first step only."""

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self.name = name
        space = env.observation_space
        self.shapes = {k: s.shape for k, s in space.spaces.items()} if isinstance(space, Dict) else {"": space.shape}
        self.is_dict = isinstance(space, Dict)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, and check."""
        with blaming(self.name, "reset"):
            result: Any = self.env.reset(seed=seed, options=options)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise EnvError(f"{self.name}: reset must return a pair (observation, info dict), got {described(result)}")
        self.check(result[0], "reset")
        return result[0], result[1]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and check."""
        try:
            result: Any = self.env.step(action)
        except Exception as error:
            raise EnvError(f"{self.name} failed in step: {type(error).__name__}: {error}") from error
        if not (isinstance(result, tuple) and len(result) == 5):
            raise EnvError(
                f"{self.name}: step must return (observation, reward, terminated, truncated, info), "
                f"got {described(result)}"
            )
        self.check(result[0], "step")
        if type(result[1]) is not float and (np.ndim(result[1]) or np.asarray(result[1]).dtype.kind not in "fiub"):
            raise EnvError(f"{self.name}: step must return one number as reward, got {described(result[1])}")
        obs, reward, terminated, truncated, info = result
        return obs, reward, terminated, truncated, info

    def check(self, obs: Any, method: str) -> None:
        """Raise EnvError unless `obs` has the shape of the observation space, and holds numbers."""
        if self.is_dict and not (isinstance(obs, dict) and obs.keys() == self.shapes.keys()):
            raise EnvError(
                f"{self.name}: {method} must return a dict of {', '.join(self.shapes)} as observation, "
                f"got {described(obs)}"
            )
        for key, shape in self.shapes.items():
            part = obs[key] if self.is_dict else obs
            if type(part) is not np.ndarray or part.shape != shape or part.dtype.kind not in "fiub":
                if np.shape(part) == shape and np.asarray(part).dtype.kind in "fiub":
                    continue  # a list or a number where an array would be usual
                entry = f" {key!r}" if key else ""
                raise EnvError(
                    f"{self.name}: {method} must return observations{entry} of numbers of shape {shape}, "
                    f"as its observation space says, got {described(part)}"
                )


def described(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(str, value)) or 'nothing'}"
    return f"{value!r:.40} ({type(value).__name__})"
