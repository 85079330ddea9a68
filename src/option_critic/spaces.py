"""What an agent must know of an environment's spaces, in plain numbers that can be saved."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self, get_type_hints

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Dict, Discrete

from option_critic.errors import InputError
from option_critic.value_types import check_type, is_finite


class UnsupportedSpaceError(InputError):
    """The environment's observation or action space is none that this library handles."""


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """Sizes and bounds. Observations are flattened to [D] (Dict: entries in sorted order of their keys)."""

    obs_size: int
    """D"""
    obs_keys: tuple[str, ...] = ()
    """The keys of a Dict observation; empty for a Box."""
    obs_ndim: int = 1
    """Dimensions of one observation (of the first entry of a Dict), to tell one from a batch."""
    obs_shapes: tuple[tuple[int, ...], ...] = ()
    """The shape of an observation, or of each entry of a Dict; empty where an older checkpoint does not say."""
    discrete: bool
    """Whether actions are categorical; else they are vectors."""
    action_size: int
    """A: the length of an action vector, or the number of discrete actions."""
    action_low: tuple[float, ...] = ()
    """[A] bounds of a vector action; infinite where unbounded."""
    action_high: tuple[float, ...] = ()
    action_start: int = 0
    """The number of the first discrete action."""
    action_dtype: str = "float32"
    """What the numbers of a vector action are; older checkpoints do not say."""

    @staticmethod
    def of(observation_space: gym.Space[Any], action_space: gym.Space[Any], name: str) -> Spaces:
        """Read the spaces of one environment called `name`.

        Raises UnsupportedSpaceError: observations that are not Box or Dict of Box, or hold no number; actions
        that are not Box [A] of real numbers or Discrete, or have bounds between which nothing lies.
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
        if isinstance(action_space, Discrete):
            return Spaces(
                obs_size=size,
                obs_keys=keys,
                obs_ndim=len(shapes[0]),
                obs_shapes=shapes,
                discrete=True,
                action_size=int(action_space.n),
                action_start=int(action_space.start),
            )
        if isinstance(action_space, Box) and len(action_space.shape) == 1 and action_space.dtype.kind == "f":
            _check_bounds(action_space, name)
            return Spaces(
                obs_size=size,
                obs_keys=keys,
                obs_ndim=len(shapes[0]),
                obs_shapes=shapes,
                discrete=False,
                action_size=int(action_space.shape[0]),
                action_low=tuple(map(float, action_space.low)),
                action_high=tuple(map(float, action_space.high)),
                action_dtype=action_space.dtype.name if action_space.dtype.name in DTYPES else "float64",
            )
        raise UnsupportedSpaceError(
            f"{name}: action space {action_space} is not supported; "
            "use Discrete, or a Box of real numbers in one dimension."
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
    def bounds(self) -> list[tuple[float, float]]:
        """A lower and upper bounds of a vector action."""
        return list(zip(self.action_low, self.action_high, strict=True))

    @cached_property
    def policy_bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] lower and upper bounds of what a policy does: -1 and 1 where there are two, else the one there is."""
        low, high = np.asarray(self.action_low), np.asarray(self.action_high)
        bounded = np.isfinite(low) & np.isfinite(high)
        return np.where(bounded, -1.0, low), np.where(bounded, 1.0, high)

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

    def to_env(self, action: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A policy's action as the environment takes it: numbered from its start, or clipped to
        [-1, 1] and stretched to the bounds (where there are not two, just clipped to the one)."""
        if self.discrete:
            return np.asarray(action + self.action_start)
        center, half = self.stretch
        low, high = self.policy_bounds
        stretched = center + half * np.minimum(np.maximum(action, low), high)
        if self.action_dtype == "float64":  # a last bit beyond the bounds would not be rounded away
            stretched = np.minimum(np.maximum(stretched, self.action_low), self.action_high)
        return np.asarray(stretched, dtype=self.action_dtype)

    @cached_property
    def stretch(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] middle and half width of what the environment takes; 0 and 1 where there are not two bounds."""
        low, high = np.asarray(self.action_low), np.asarray(self.action_high)
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        return low / 2 + high / 2, high / 2 - low / 2  # no sum of two bounds overflows


NEWER = {"obs_shapes", "action_dtype"}
"""What older checkpoints do not say."""
DTYPES = ("float16", "float32", "float64")
"""Of actions; a wider one takes float64."""
SAME = 1e-6
"""Bounds that differ by less are equal: one may be rounded to float32."""


def check_fit(agent: Spaces, env: Spaces, env_id: str) -> None:
    """Raise InputError, naming what differs, unless an agent for the spaces `agent` knows those of an environment.

    The dtype of actions may differ: the same numbers mean the same.
    """
    if agent == env:
        return
    found = _other_observations(agent, env) or _other_actions(agent, env)
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


def _other_actions(agent: Spaces, env: Spaces) -> str:
    """What differs, in words; empty if nothing does."""
    now, then = (
        f"{s.action_size} choices from {s.action_start} on" if s.discrete else f"vectors of {s.action_size} numbers"
        for s in (env, agent)
    )
    if now != then:
        return f"actions are {now}, the agent was trained with {then}"
    for a, (old, new) in enumerate(zip(agent.bounds, env.bounds, strict=True)):
        if not all(math.isclose(x, y, rel_tol=SAME) for x, y in zip(old, new, strict=True)):
            (low, high), (old_low, old_high) = new, old
            return f"action {a} has bounds [{low:g}, {high:g}], the agent was trained with [{old_low:g}, {old_high:g}]"
    return ""


def _tuples(value: Any) -> Any:
    """Lists of JSON, nested or not, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def kept(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """In which dtype observations travel to the model: bytes and float32 as they are, what float32 holds exactly in it,
    all else in float64."""
    exact = np.can_cast(dtype, np.float32)
    return np.dtype(dtype if dtype == np.uint8 else np.float32 if exact else np.float64)


def _check_bounds(space: Box, name: str) -> None:
    """Raise UnsupportedSpaceError unless there are actions, and numbers between the bounds of each."""
    low, high = space.low, space.high
    if not low.size:
        raise UnsupportedSpaceError(f"{name}: action space {space} has no action: size 0.")
    bad = ~((low <= high) & (low < np.inf) & (high > -np.inf))  # NaN is bad, too
    if bad.any():
        i = int(bad.argmax())
        raise UnsupportedSpaceError(
            f"{name}: no number lies within the bounds {low[i]} and {high[i]} of action {i}; mend its action space."
        )


def _bounds(name: str, values: Any, infinity: float) -> tuple[float, ...]:
    """What JSON says of bounds, with None for `infinity`. Raises InputError unless they are numbers."""
    if not isinstance(values, tuple) or not all(x is None or is_finite(x) for x in values):
        raise InputError(f"{name} must be a list of finite numbers and nulls, got {reprlib.repr(values)}")
    return tuple(infinity if x is None else float(x) for x in values)


def _check_sizes(spaces: Spaces) -> None:
    """Raise InputError unless sizes are positive and there is a pair of bounds, in order, for each action."""
    if min(spaces.obs_size, spaces.action_size) < 1 or spaces.obs_ndim < 0:
        raise InputError(
            f"obs_size and action_size must be at least 1 and obs_ndim at least 0, "
            f"got {spaces.obs_size}, {spaces.action_size} and {spaces.obs_ndim}"
        )
    _check_shapes(spaces)
    if spaces.action_dtype not in DTYPES:
        raise InputError(f"action_dtype must be one of {', '.join(DTYPES)}, got {spaces.action_dtype!r:.40}")
    low, high = spaces.action_low, spaces.action_high
    bounds = 0 if spaces.discrete else spaces.action_size
    if len(low) != bounds or len(high) != bounds or not all(a <= b for a, b in zip(low, high, strict=True)):
        raise InputError(f"action_low and action_high must be {bounds} bounds each, none of them crossed")


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
