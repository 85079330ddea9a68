"""What an agent must know of an environment's spaces, in plain numbers that can be saved."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, get_type_hints

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Dict

from option_critic.action_space import ActionSpace, check_actions, other_actions, read_action_space
from option_critic.errors import InputError, UnsupportedSpaceError
from option_critic.value_types import check_type, is_finite


@dataclass(frozen=True, kw_only=True)
class Spaces(ActionSpace):
    """Observations and actions. Observations are flattened to [D] (Dict: entries in sorted order of their keys)."""

    obs_size: int
    """D"""
    obs_keys: tuple[str, ...] = ()
    """The keys of a Dict observation; empty for a Box."""
    obs_ndim: int = 1
    """Dimensions of one observation (of the first entry of a Dict), to tell one from a batch."""
    obs_shapes: tuple[tuple[int, ...], ...] = ()
    """The shape of an observation, or of each entry of a Dict; empty where an older checkpoint does not say."""

    @staticmethod
    def of(observation_space: gym.Space[Any], action_space: gym.Space[Any], name: str) -> Spaces:
        """Read the spaces of one environment called `name`.

        Raises UnsupportedSpaceError: observations that are not Box or Dict of Box, or hold no number; actions as
        `read_action_space` says.
        """
        if isinstance(observation_space, Box):
            boxes: dict[str, Any] = {"": observation_space}
        elif isinstance(observation_space, Dict):
            boxes = dict(observation_space.spaces)
        else:
            boxes = {}
        if not boxes or not all(isinstance(s, Box) for s in boxes.values()):
            raise UnsupportedSpaceError(
                f"{name}: observation space {observation_space} is not supported; use Box, or a Dict of Box."
            )
        keys = () if isinstance(observation_space, Box) else tuple(sorted(boxes))
        size = sum(int(np.prod(s.shape)) for s in boxes.values())
        if size == 0:
            raise UnsupportedSpaceError(f"{name}: observation space {observation_space} holds no number: size 0.")
        shapes = tuple(tuple(map(int, boxes[k].shape)) for k in keys or ("",))
        return Spaces(
            obs_size=size,
            obs_keys=keys,
            obs_ndim=len(shapes[0]),
            obs_shapes=shapes,
            **asdict(read_action_space(action_space, name)),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: None where unbounded."""
        finite = {n: [x if np.isfinite(x) else None for x in getattr(self, n)] for n in ("action_low", "action_high")}
        return asdict(self) | finite

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises InputError for what no environment has."""
        hints = get_type_hints(cls)
        if not isinstance(data, dict) or data.keys() | NEWER != hints.keys():
            raise InputError(f"spaces must be an object of {', '.join(hints)}")
        values: dict[str, Any] = {name: _tuples(value) for name, value in data.items()}
        for name, infinity in (("action_low", -np.inf), ("action_high", np.inf)):
            values[name] = _bounds(name, values[name], infinity)
        for name, value in values.items():
            check_type(name, hints[name], value)
        spaces = cls(**values)
        _check_sizes(spaces)
        return spaces

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each part of an observation; empty where they are not known."""
        plain = not self.obs_keys and self.obs_ndim == 1
        return self.obs_shapes or (((self.obs_size,),) if plain else ())

    def flatten(self, obs: Any, batched: bool) -> npt.NDArray[Any]:
        """An observation of the environment as numbers [D], or [B, D] if `batched`, of the dtype that `kept` names."""
        parts = [obs[k] for k in self.obs_keys] if isinstance(obs, Mapping) else [obs]
        arrays = [np.asarray(p) for p in parts]
        dtype = kept(np.result_type(*arrays))
        lead = arrays[0].shape[:1] if batched else ()
        flat = np.concatenate([a.reshape(*lead, -1) for a in arrays], axis=-1, dtype=dtype)
        if flat.shape[-1] != self.obs_size:
            given = " and ".join(str(a.shape) for a in arrays)
            raise ValueError(
                f"observations of shape {given} do not fit: expected [{self.obs_size}] or [B, {self.obs_size}]"
            )
        return flat


NEWER = {"obs_shapes", "action_dtype", "action_shape", "action_factors", "action_starts"}
"""What older checkpoints do not say."""


def check_fit(agent: Spaces, env: Spaces, env_id: str) -> None:
    """Raise InputError, naming what differs, unless an agent for the spaces `agent` knows those of an environment."""
    if agent == env:
        return
    found = _other_observations(agent, env) or other_actions(agent, env)
    if found:
        raise InputError(f"{env_id} does not fit this agent: {found}; make a new agent, or mend the environment")


def _other_observations(agent: Spaces, env: Spaces) -> str:
    """What differs, in words; empty if nothing does."""
    if agent.obs_keys != env.obs_keys:
        now, then = (f"a dict of {', '.join(s.obs_keys)}" if s.obs_keys else "an array" for s in (env, agent))
        return f"observations are {now}, the agent was trained with {then}"
    if agent.shapes and env.shapes:
        for key, then_shape, now_shape in zip(agent.obs_keys or ("",), agent.shapes, env.shapes, strict=True):
            if then_shape != now_shape:
                entry = f" {key!r}" if key else ""
                return f"observations{entry} have the shape {now_shape}, the agent was trained with {then_shape}"
    elif agent.obs_size != env.obs_size:
        return f"observations are {env.obs_size} numbers, the agent was trained with {agent.obs_size}"
    return ""


def _tuples(value: Any) -> Any:
    """Lists of JSON, nested or not, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def kept(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """In which dtype observations travel to the model: bytes and float32 as they are, what float32 holds exactly in it,
    all else in float64."""
    exact = np.can_cast(dtype, np.float32)
    return np.dtype(dtype if dtype == np.uint8 else np.float32 if exact else np.float64)


def _bounds(name: str, values: Any, infinity: float) -> tuple[float, ...]:
    """What JSON says of bounds, with None for `infinity`. Raises InputError unless they are numbers."""
    if not isinstance(values, tuple) or not all(x is None or is_finite(x) for x in values):
        raise InputError(f"{name} must be a list of finite numbers and nulls, got {reprlib.repr(values)}")
    return tuple(infinity if x is None else float(x) for x in values)


def _check_sizes(spaces: Spaces) -> None:
    """Raise InputError unless sizes are positive, and all numbers agree with each other."""
    if min(spaces.obs_size, spaces.action_size) < 1 or spaces.obs_ndim < 0:
        raise InputError(
            f"obs_size and action_size must be at least 1 and obs_ndim at least 0, "
            f"got {spaces.obs_size}, {spaces.action_size} and {spaces.obs_ndim}"
        )
    _check_shapes(spaces)
    check_actions(spaces)


def _check_shapes(spaces: Spaces) -> None:
    """Raise InputError unless shapes, where they are known, agree with the sizes."""
    shapes = spaces.obs_shapes
    sound = not shapes or (
        len(shapes) == max(1, len(spaces.obs_keys))
        and len(shapes[0]) == spaces.obs_ndim
        and all(n > 0 for shape in shapes for n in shape)
        and sum(map(math.prod, shapes)) == spaces.obs_size
    )
    if not sound:
        raise InputError(f"obs_shapes must agree with obs_keys, obs_ndim and obs_size, got {reprlib.repr(shapes)}")
