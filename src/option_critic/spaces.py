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

from option_critic.action_space import ActionSpace, check_actions, other_actions, read_action_space
from option_critic.errors import InputError, UnsupportedSpaceError
from option_critic.observation_space import Part, Path, Row, kept, parts_of
from option_critic.value_types import check_name, check_type, is_finite, shown


@dataclass(frozen=True, kw_only=True)
class Spaces(ActionSpace):
    """Observations and actions. Observations are flattened to [D] (Dict: its entries in their order)."""

    obs_size: int
    """D: the numbers of an observation"""
    obs_keys: tuple[str, ...] = ()
    """The keys of a Dict of plain arrays; else empty."""
    obs_ndim: int = 1
    """Dimensions of one observation (of the first entry of a Dict), to tell one from a batch."""
    obs_shapes: tuple[tuple[int, ...], ...] = ()
    """The shape of an observation, or of each entry of a Dict; empty where an older checkpoint does not say."""
    obs_parts: tuple[Part, ...] = ()
    """What observations are made of, where they are more than an array of numbers, or a Dict of such."""
    tasks: tuple[str, ...] = ()
    """Names of the tasks that are trained at once, where they are several: the last so many numbers of an observation
    are the one-hot of its task, in this order."""

    @staticmethod
    def of(observation_space: gym.Space[Any], action_space: gym.Space[Any], name: str) -> Spaces:
        """Read the spaces of one environment called `name`.

        Raises UnsupportedSpaceError: observations of which nobody knows how many numbers they are, or that hold none;
        actions as `read_action_space` says.
        """
        return Spaces(**_observations(observation_space, name), **asdict(read_action_space(action_space, name)))

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
        parts = data.get("obs_parts", [])
        if not isinstance(parts, list | tuple):
            raise InputError(f"obs_parts must be a list of parts, got {reprlib.repr(parts)}")
        values: dict[str, Any] = {name: _tuples(value) for name, value in data.items()}
        values["obs_parts"] = tuple(map(Part.from_dict, parts))
        for name, infinity in (("action_low", -np.inf), ("action_high", np.inf)):
            values[name] = _bounds(name, values[name], infinity)
        for name, value in values.items():
            check_type(name, hints[name], value)
        spaces = cls(**values)
        _check_sizes(spaces)
        return spaces

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What an observation is made of; empty where an older checkpoint does not say."""
        if self.obs_parts:
            return self.obs_parts
        shapes = self.obs_shapes or (((self.obs_size,),) if not self.obs_keys and self.obs_ndim == 1 else ())
        paths: list[Path] = [(key,) for key in self.obs_keys] or [()]
        return tuple(Part(path=p, shape=s) for p, s in zip(paths, shapes, strict=True)) if shapes else ()

    @cached_property
    def row(self) -> Row:
        """How an observation lies in a row of numbers."""
        return Row(self.parts or (Part(shape=(self.obs_size,)),))

    def flatten(self, obs: Any, batched: bool) -> npt.NDArray[Any]:
        """An observation of the environment as a row [W], or [B, W] if `batched`; W = D numbers, of the dtype that
        `kept` names, or bytes that hold them (`Row.packed`)."""
        if self.obs_parts:
            rows = len(np.asarray(self.obs_parts[0].of(obs))) if batched else 1
            written = self.row.write(obs, rows)
            return written if batched else written[0]
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


NEWER = {"obs_shapes", "obs_parts", "tasks", "action_dtype", "action_shape", "action_factors", "action_starts"}
"""What older checkpoints do not say."""


def check_fit(agent: Spaces, env: Spaces, env_id: str) -> None:
    """Raise InputError, naming what differs, unless an agent for the spaces `agent` knows those of an environment."""
    if agent == env:
        return
    found = _other_tasks(agent, env) or _other_observations(agent, env) or other_actions(agent, env)
    if found:
        raise InputError(f"{env_id} does not fit this agent: {found}; make a new agent, or mend the environment")


def _other_tasks(agent: Spaces, env: Spaces) -> str:
    """What differs among several tasks, in words; empty if nothing does, or if either knows of one alone."""
    if not agent.tasks or not env.tasks or agent.tasks == env.tasks:
        return ""
    return f"its tasks are {shown(', '.join(env.tasks))}, the agent was trained with {shown(', '.join(agent.tasks))}"


def _other_observations(agent: Spaces, env: Spaces) -> str:
    """What differs, in words; empty if nothing does."""
    if not agent.parts or not env.parts:
        if agent.obs_keys != env.obs_keys:
            return _other_makeup([(k,) for k in agent.obs_keys], [p.path for p in env.parts])
        known = f"observations are {env.obs_size} numbers, the agent was trained with {agent.obs_size}"
        return known if agent.obs_size != env.obs_size else ""
    if [p.path for p in agent.parts] != [p.path for p in env.parts]:
        return _other_makeup([p.path for p in agent.parts], [p.path for p in env.parts])
    for then, now in zip(agent.parts, env.parts, strict=True):
        entry = f" {then.path[0]!r}" if len(then.path) == 1 else then.name
        if then.shape != now.shape:
            return f"observations{entry} have the shape {now.shape}, the agent was trained with {then.shape}"
        if (then.kind, then.counts, then.starts) != (now.kind, now.counts, now.starts):
            return f"observations{entry} are {now.described}, the agent was trained with {then.described}"
        if then.is_image != now.is_image and (agent.obs_parts and env.obs_parts):
            return f"observations{entry} are {now.dtype}, the agent was trained with {then.dtype}"
    return ""


def _other_makeup(then: list[Path], now: list[Path]) -> str:
    """Of which entries observations consist, in words."""

    def said(paths: list[Path]) -> str:
        entries = ", ".join(str(p[0]) if len(p) == 1 else Part(path=p).name for p in paths)
        return f"a dict of {entries}" if any(paths) else "an array"

    order = ", in this order" if set(then) == set(now) else ""
    return f"observations are {said(now)}, the agent was trained with {said(then)}{order}"


def _tuples(value: Any) -> Any:
    """Lists of JSON, nested or not, as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _observations(space: gym.Space[Any], name: str) -> dict[str, Any]:
    """What `Spaces` says of an observation space. Raises UnsupportedSpaceError."""
    parts = parts_of(space, name)
    size = sum(p.size for p in parts)
    if size == 0:
        raise UnsupportedSpaceError(f"{name}: observation space {space} holds no number: size 0.")
    plain = all(p.kind == "box" and not p.is_image and len(p.path) < 2 for p in parts)
    if not plain or (parts[0].path and not isinstance(parts[0].path[0], str)):
        return {"obs_size": size, "obs_ndim": len(parts[0].shape), "obs_parts": parts}
    shapes = tuple(p.shape for p in parts)
    keys = tuple(str(p.path[0]) for p in parts if p.path)
    return {"obs_size": size, "obs_keys": keys, "obs_ndim": len(shapes[0]), "obs_shapes": shapes}


def _bounds(name: str, values: Any, infinity: float) -> tuple[float, ...]:
    """What JSON says of bounds, with None for `infinity`. Raises InputError unless they are numbers."""
    if not isinstance(values, tuple) or not all(x is None or is_finite(x) for x in values):
        raise InputError(f"{name} must be a list of finite numbers and nulls, got {reprlib.repr(values)}")
    return tuple(infinity if x is None else float(x) for x in values)


def _check_sizes(spaces: Spaces) -> None:
    """Raise InputError unless sizes are positive (one entry of several may be empty), and all numbers agree."""
    if min(spaces.obs_size, spaces.action_size) < 1 or spaces.obs_ndim < 0:
        raise InputError(
            f"obs_size and action_size must be at least 1 and obs_ndim at least 0, "
            f"got {spaces.obs_size}, {spaces.action_size} and {spaces.obs_ndim}"
        )
    _check_shapes(spaces)
    _check_tasks(spaces)
    check_actions(spaces)


def _check_tasks(spaces: Spaces) -> None:
    """Raise InputError unless names of tasks are such, and observations have room for their one-hot."""
    tasks = spaces.tasks
    if not tasks:
        return
    if not 1 < len(tasks) < spaces.obs_size or len(set(tasks)) < len(tasks) or spaces.obs_keys or spaces.obs_parts:
        raise InputError(f"tasks must be several different names, fewer than obs_size, got {shown(tasks)}")
    for task in tasks:
        check_name("each of tasks", task)


def _check_shapes(spaces: Spaces) -> None:
    """Raise InputError unless shapes, where they are known, agree with the sizes."""
    shapes, parts = spaces.obs_shapes, spaces.obs_parts
    if parts and (spaces.obs_keys or shapes or sum(p.size for p in parts) != spaces.obs_size):
        raise InputError(f"obs_parts must come to obs_size, {spaces.obs_size}, and stand alone")
    sound = not shapes or (
        len(shapes) == max(1, len(spaces.obs_keys))
        and len(shapes[0]) == spaces.obs_ndim
        and all(n >= 0 for shape in shapes for n in shape)
        and sum(map(math.prod, shapes)) == spaces.obs_size
    )
    if not sound:
        raise InputError(f"obs_shapes must agree with obs_keys, obs_ndim and obs_size, got {reprlib.repr(shapes)}")
