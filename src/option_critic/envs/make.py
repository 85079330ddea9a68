"""From an environment id to environments behind the contract."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from option_critic.envs import agreement, envpool, metaworld
from option_critic.envs.action_repeat import HeldTogether
from option_critic.envs.contract import VectorEnvs
from option_critic.envs.envpool import MetaWorldEnvs, make_gymnasium_id
from option_critic.envs.guard import Blaming, EnvError, close_env, described
from option_critic.envs.metaworld import ACTION_SPACE, HORIZON, OBSERVATION_SPACE, PREFIX, make_official, task_of
from option_critic.envs.processes import decide, make_in_processes
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import Backend, EnvSettings
from option_critic.errors import InputError, RunError
from option_critic.spaces import Spaces

NO_ENVPOOL = 'EnvPool is not installed; pip install "option-critic[metaworld]"'
NO_LIMIT = 2**31 - 1
"""What EnvPool takes for no limit of an episode."""


def check_is_id(env_id: Any) -> None:
    """Raise InputError unless it is a text, as an environment object is not."""
    if not isinstance(env_id, str):
        raise InputError(
            f"an environment is named by its id, got {described(env_id)}; register your own with gymnasium.register"
        )


def check_env_id(env_id: str, presets: Iterable[str] = ()) -> None:
    """Raise InputError, with the nearest match (also among `presets`), unless `env_id` names an environment.

    For an id that the user gives: the module of `module:EnvId-v0` is imported.
    """
    check_is_id(env_id)
    if task_of(env_id) is not None:
        return
    module, _, name = env_id.rpartition(":")
    if module:
        import_module(module)
    try:
        gym.spec(name)
    except gym.error.Error as error:
        known = [*presets, *gym.registry]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"{str(error).rstrip('.')}; `option-critic list` names presets."
        raise InputError(f"there is no {'preset or ' if presets else ''}environment {name!r}. {hint}") from error


def check_known(env_id: str) -> None:
    """The same for an id that a run folder gives: no module is imported that only a folder names."""
    if task_of(env_id) is not None:
        return
    module, _, name = env_id.rpartition(":")
    if module and module not in sys.modules:
        raise InputError(
            f"the environment {name!r} is registered by module {module!r}, and no code is imported that only a "
            f"folder names. If you trust it, say so: --env {env_id}, or `import {module}` first"
        )
    try:
        gym.spec(name)
    except gym.error.Error as error:
        raise InputError(
            f"there is no environment {name!r} ({str(error).rstrip('.')}). If a module of yours registers it, "
            f"name that: --env MODULE:{name}, or import it first"
        ) from error


def import_module(module: str) -> None:
    """Import the module of `module:EnvId-v0`, which registers it, from the current folder too. Raises InputError,
    or EnvError if it raises."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with Chance([0]), Blaming(f"module {module!r}", "while imported"):
            importlib.import_module(module)
    except EnvError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise InputError(
            f"module {module!r} cannot be imported ({error.__cause__}); install it, or put its folder on PYTHONPATH"
        ) from error
    finally:
        sys.path.remove(here)


def resolve_backend(env_id: str, settings: EnvSettings) -> Backend:
    """Which backend simulates `env_id`: envpool, official or gymnasium.

    Raises ValueError where the asked-for backend cannot.
    """
    if task_of(env_id) is not None:
        return resolve_metaworld(env_id, settings)
    if settings.backend == "official":
        raise InputError(f"backend must be auto, gymnasium or envpool for {env_id}, got official")
    if settings.backend == "gymnasium":
        return "gymnasium"
    refused = agreement.refusal(env_id, settings)
    if settings.backend == "envpool":
        if refused:
            raise InputError(f"backend cannot be envpool for {env_id}: {refused}; take gymnasium, or auto")
        if not envpool.available():
            raise InputError(NO_ENVPOOL)
        return "envpool"
    return "gymnasium" if refused or not envpool.available() or agreement.doubt(env_id) else "envpool"


def resolve_metaworld(env_id: str, settings: EnvSettings) -> Backend:
    """The same for a task of Meta-World."""
    if settings.backend == "gymnasium":
        raise InputError(f"backend must be auto, envpool or official for {env_id}, got gymnasium")
    if settings.backend == "envpool" or (settings.backend == "auto" and envpool.available()):
        if not envpool.available():
            raise InputError(NO_ENVPOOL)
        return "envpool"
    if not metaworld.available():
        raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')
    if settings.backend == "official":
        return "official"
    warnings.warn("EnvPool is not installed: training on the official Meta-World, 2 to 3 times slower.", stacklevel=1)
    return "official"


def with_backend(env_id: str, settings: EnvSettings) -> EnvSettings:
    """The settings with the backend that `auto` means now, for what is about to be written: it must not mean another
    one when a run goes on elsewhere. On Meta-World it stays: both backends there are. Raises as `resolve_backend`."""
    backend = resolve_backend(env_id, settings)
    if settings.backend != "auto" or task_of(env_id) is not None:
        return settings
    return replace(settings, backend=backend)


def with_backend_of_before(env_id: str, settings: EnvSettings) -> EnvSettings:
    """The settings of a training that has begun. Where they say `auto`, they were written before that could mean
    EnvPool for Gymnasium's ids."""
    if settings.backend != "auto" or env_id.startswith(PREFIX):
        return settings
    return replace(settings, backend="gymnasium")


def who_steps(env_id: str, settings: EnvSettings) -> str:
    """Where environments run, and why, in one line; empty where that is no question. Warns of what depends on it."""
    if resolve_backend(env_id, settings) != "gymnasium":
        return ""
    decision = decide(env_id, settings)
    if decision.warning:
        warnings.warn(decision.warning, stacklevel=2)
    return decision.reason


def episode_limit(env_id: str, settings: EnvSettings) -> int | None:
    """Steps after which episodes of training are truncated; none where nothing says so."""
    if settings.max_episode_steps is not None:
        return settings.max_episode_steps
    return HORIZON if task_of(env_id) is not None else gym.spec(env_id.rpartition(":")[2]).max_episode_steps


def make_groups(env_id: str, settings: EnvSettings, seeds: Sequence[int]) -> list[VectorEnvs]:
    """Training environments, one per seed, in `env_groups` groups that take turns."""
    groups: list[VectorEnvs] = []
    try:
        for group in np.array_split(np.array(seeds), settings.env_groups):
            groups.append(make_envs(env_id, settings, group.tolist()))
    except BaseException:
        abandon(groups)
        raise
    return groups


@contextmanager
def in_their_chance(groups: Sequence[VectorEnvs]) -> Iterator[None]:
    """While the environments are stepped: see `VectorEnvs.chance`."""
    with ExitStack() as stack:
        for envs in groups:
            stack.enter_context(envs.chance)
        yield


def close(groups: list[VectorEnvs]) -> None:
    """Free the environments; `groups` is empty afterwards. Raises EnvError."""
    while groups:
        groups.pop().close()


def abandon(groups: list[VectorEnvs]) -> None:
    """The same where something went wrong already: what goes wrong now is only told in a warning."""
    while groups:
        try:
            groups.pop().close()
        except RunError as error:
            warnings.warn(str(error), stacklevel=2)


def make_envs(env_id: str, settings: EnvSettings, seeds: Sequence[int]) -> VectorEnvs:
    """One group of environments for a Gymnasium id or `Meta-World/<task>-v3`, one per seed."""
    backend = resolve_backend(env_id, settings)
    task, limit, count = task_of(env_id), settings.max_episode_steps, settings.action_repeat
    if task is None and backend == "envpool":
        steps = limit or episode_limit(env_id, settings) or NO_LIMIT
        return make_gymnasium_id(env_id, seeds, steps, settings.env_threads)
    if task is None:
        return make_in_processes(env_id, settings, seeds)
    if backend == "envpool":
        envs = MetaWorldEnvs(task, seeds, limit or HORIZON, settings.env_threads)
        return envs if count == 1 else HeldTogether(envs, count)
    return make_official(task, seeds, limit or HORIZON, workers=settings.env_threads,
                         timeout=settings.worker_timeout, action_repeat=count)  # fmt: skip


def spaces_of(env_id: str) -> Spaces:
    """The spaces of an environment. Raises ValueError for an unknown one or unsupported spaces."""
    check_env_id(env_id)
    if task_of(env_id) is not None:
        return Spaces.of(OBSERVATION_SPACE, ACTION_SPACE, env_id)
    chance = Chance([0])
    try:
        with chance, Blaming(env_id, "in construction"):
            env = gym.make(env_id)
    except EnvError as error:
        if not isinstance(error.__cause__, gym.error.Error | ImportError):
            raise
        raise InputError(f"{env_id} cannot be made: {error.__cause__}") from error
    try:
        with Blaming(env_id, "in construction"):
            return Spaces.of(env.observation_space, env.action_space, env_id)
    finally:
        with chance:
            close_env(env, env_id)
