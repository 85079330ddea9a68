"""Where environments come from, and one of them: made, and held to its contract."""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import load_env_creator
from gymnasium.wrappers import TimeLimit

from option_critic.envs.action_repeat import HeldAction
from option_critic.envs.arguments import check_arguments
from option_critic.envs.guard import Blaming, Checked, EnvError, described
from option_critic.envs.preprocessing import arguments, chosen, preprocess
from option_critic.envs.settings import EnvSettings
from option_critic.envs.unstable import CutUnstable, shows_warnings
from option_critic.errors import InputError

OBJECT = "object:"
"""How names of objects begin."""
OF_MAKE = ("id", "max_episode_steps", "disable_env_checker")
"""What `gymnasium.make` takes itself."""


@dataclass(frozen=True)
class Source:
    """Where environments come from: an id that Gymnasium knows or, beside its name, what makes them or is one."""

    name: str
    """In settings and messages: an id, `module:function`, `object:Class`."""
    function: Callable[..., Any] | None = field(default=None, hash=False)  # an object of the user's need not have one
    """makes one environment"""
    env: gym.Env[Any, Any] | None = field(default=None, hash=False)
    """is one, the user's: it is never closed"""
    vector: gym.vector.VectorEnv[Any, Any, Any] | None = field(default=None, hash=False)
    """is several, the user's: never closed"""

    @property
    def by_name(self) -> bool:
        """Whether there is nothing but its name: an id, or what was not looked up yet."""
        return self.function is None and self.env is None and self.vector is None

    @property
    def own_number(self) -> int | None:
        """How many environments it is; none where as many are made as are wanted."""
        if self.vector is not None:
            return int(self.vector.num_envs)
        return None if self.env is None else 1


class Lent(gym.Wrapper[Any, Any, Any, Any]):
    """An environment of the user's, who closes it."""

    def close(self) -> None:
        """Nothing."""


def make_one(source: Source, settings: EnvSettings) -> gym.Env[Any, Any]:
    """One environment, held to its contract, cut at `max_episode_steps`, its actions held for `action_repeat` steps.

    Raises InputError for arguments that it does not take, EnvError where it cannot be made.
    """
    return guarded(bare_one(source, settings), source.name, settings.action_repeat)


def bare_one(source: Source, settings: EnvSettings, **more: Any) -> gym.Env[Any, Any]:
    """The same as its maker gives it, but for `max_episode_steps`. `more`: arguments beside `env_kwargs`."""
    kwargs, limit = copy.deepcopy(settings.env_kwargs) | more, settings.max_episode_steps
    how = chosen(source.name, settings.preprocessing)
    if source.env is not None:
        return limited_to(preprocess(Lent(source.env), how, source.name), limit)
    if source.vector is not None:
        raise InputError(f"{source.name} is several environments in one; pass a function that makes a single one")
    check_kwargs(source, kwargs)
    with Blaming(source.name, "in construction"):
        if source.function is None:
            around = how != "none"  # then steps are counted outside of it, as agents count them
            only = {} if limit is None or around else {"max_episode_steps": limit}
            env: Any = gym.make(source.name, disable_env_checker=True, **only, **kwargs | arguments(how))
            return limited_to(preprocess(env, how, source.name), limit) if around else env
        env = source.function(**kwargs)
        check_made(source.name, env)
        return limited_to(preprocess(env, how, source.name), limit)


def check_kwargs(source: Source, kwargs: Mapping[str, Any]) -> None:
    """Raise InputError, with the nearest match, for arguments that its maker does not take, or lacks."""
    if source.function is not None:
        return check_arguments(source.name, source.function, kwargs, {})
    for name in OF_MAKE:
        if name in kwargs:
            way_out = f"; {name} is a setting of its own" if name == "max_episode_steps" else ""
            raise InputError(f"env_kwargs: {source.name} takes no argument {name!r}{way_out}")
    if not kwargs:
        return None
    with Blaming(source.name, "in construction"):
        spec = gym.spec(source.name)
        maker = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    return None if maker is None else check_arguments(source.name, maker, kwargs, spec.kwargs)


MADE: weakref.WeakValueDictionary[int, gym.Env[Any, Any]] = weakref.WeakValueDictionary()
"""Environments that functions made, as long as there are any: one that comes again is no new one."""


def check_made(name: str, env: Any) -> None:
    """Raise EnvError unless a function made a new environment."""
    if not isinstance(env, gym.Env):
        several = isinstance(env, gym.vector.VectorEnv)
        way_out = "; pass the vector environment itself" if several else ""
        raise EnvError(f"{name} must return a gymnasium.Env, got {described(env)}{way_out}")
    core = env.unwrapped
    if MADE.get(id(core)) is core:
        raise EnvError(
            f"{name} returned the very same environment twice: let it make a new one at each call, "
            "or pass the environment itself, to be trained as the one that it is"
        )
    MADE[id(core)] = core


def limited_to(env: gym.Env[Any, Any], limit: int | None) -> gym.Env[Any, Any]:
    """Truncated after `limit` steps."""
    return env if limit is None else TimeLimit(env, limit)


def time_limit(env: gym.Env[Any, Any]) -> int | None:
    """Steps after which an environment truncates its episodes, where one of its wrappers says so."""
    found, layer = [], env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, TimeLimit):
            found.append(int(layer._max_episode_steps))
        layer = layer.env
    return min(found, default=None)


class ArrayAction(gym.ActionWrapper[Any, Any, Any]):
    """Actions of no dimension as arrays, as their spaces have them: Gymnasium hands out bare numbers."""

    def action(self, action: Any) -> npt.NDArray[Any]:
        """The same as an array of shape ()."""
        return np.asarray(action)


def guarded(env: gym.Env[Any, Any], name: str, action_repeat: int = 1) -> gym.Wrapper[Any, Any, Any, Any]:
    """An environment, held to its contract and, if MuJoCo simulates it, watched."""
    bare = env.action_space.shape == () and not isinstance(env.action_space, gym.spaces.Discrete)
    checked = Checked(ArrayAction(env) if bare else env, name)
    watched = CutUnstable(checked) if shows_warnings(env) else checked
    return watched if action_repeat == 1 else HeldAction(watched, action_repeat)


def check_told(source: Source, told: Mapping[str, Any]) -> None:
    """Raise InputError for settings, by name, that cannot act on an object."""
    number = source.own_number
    if number is None:
        return
    if told.get("env_kwargs"):
        raise InputError(f"env_kwargs cannot reach {source.name}, which is made already; pass a function, or an id")
    if told.get("num_envs", number) != number:
        raise InputError(f"num_envs of {source.name} is {number}, got {told['num_envs']!r:.40}; pass a function "
                         "that makes one environment to have as many as you want")  # fmt: skip


def fitted(source: Source, settings: EnvSettings) -> EnvSettings:
    """The settings as an object allows them: its own number of environments, in one group, made already.

    Warns where one environment takes the place of several. Raises InputError for what can't be done to a vector
    environment from outside.
    """
    number = source.own_number
    if number is None:
        return settings
    if source.vector is not None:
        for name, neutral, way_out in WITHIN:
            if getattr(settings, name) != neutral:
                raise InputError(f"{name} cannot act on {source.name}, a vector environment of your own: {way_out}")
    elif settings.num_envs != 1:
        warnings.warn(
            f"{source.name} is one environment and is trained as one (num_envs = 1, not {settings.num_envs}); "
            "pass a function that makes environments to train several side by side",
            stacklevel=4,
        )
    return replace(settings, num_envs=number, env_groups=1, env_kwargs={})


WITHIN = (
    ("max_episode_steps", None, "put gymnasium.wrappers.TimeLimit around its environments"),
    ("action_repeat", 1, "let its environments hold actions themselves"),
)
"""Settings that act within each environment, what they are where they do nothing, and the way out."""
