"""From a source of environments to environments behind the contract."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import gymnasium as gym
import numpy as np

from option_critic.envs import agreement, envpool, metaworld
from option_critic.envs.action_repeat import HeldTogether
from option_critic.envs.contract import VectorEnvs
from option_critic.envs.envpool import ATARI_STEPS, Atari, make_atari, make_gymnasium_id
from option_critic.envs.envpool_metaworld import MetaWorldEnvs
from option_critic.envs.given import GivenEnvs
from option_critic.envs.guard import Blaming, EnvError, close_env
from option_critic.envs.gymnasium import GymnasiumEnvs, make_gymnasium
from option_critic.envs.lookup import given, known
from option_critic.envs.many_tasks import make_tasks, spaces_of_tasks
from option_critic.envs.metaworld import HORIZON, PREFIX, make_official, tasks_of
from option_critic.envs.processes import decide, make_in_processes
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import Backend, EnvSettings
from option_critic.envs.source import Source, bare_one, time_limit
from option_critic.errors import InputError, RunError
from option_critic.spaces import Spaces

NO_ENVPOOL = 'EnvPool is not installed; pip install "option-critic[envpool]"'
NO_LIMIT = 2**31 - 1
"""What EnvPool takes for no limit of an episode."""


def resolve_backend(env_id: str, settings: EnvSettings) -> Backend:
    """Which backend simulates `env_id`: envpool, official or gymnasium.

    Raises ValueError where the asked-for backend cannot.
    """
    if tasks_of(env_id):
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
    """The same for tasks of Meta-World."""
    refuse_arguments(env_id, settings)
    if settings.backend == "gymnasium":
        raise InputError(f"backend must be auto, envpool or official for {env_id}, got gymnasium")
    if settings.backend == "envpool" or (settings.backend == "auto" and envpool.available()):
        if not envpool.available():
            raise InputError(NO_ENVPOOL)
        return "envpool"
    if not metaworld.available():
        raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')
    if settings.backend == "auto":
        warnings.warn("EnvPool is not installed: training on the official Meta-World, 2 to 3 times slower.",
                      stacklevel=1)  # fmt: skip
    return "official"


def with_backend(env_id: str, settings: EnvSettings) -> EnvSettings:
    """The settings with the backend that `auto` means now, for what is about to be written: it must not mean another
    one when a run goes on elsewhere. On Meta-World it stays: both backends there are. Raises as `resolve_backend`."""
    backend = resolve_backend(env_id, settings)
    if settings.backend != "auto" or tasks_of(env_id):
        return settings
    return replace(settings, backend=backend)


def with_backend_of_before(env_id: str, settings: EnvSettings) -> EnvSettings:
    """The settings of a training that has begun. Where they say `auto`, they were written before that could mean
    EnvPool for Gymnasium's ids."""
    if settings.backend != "auto" or env_id.startswith(PREFIX):
        return settings
    return replace(settings, backend="gymnasium")


def refuse_arguments(env_id: str, settings: EnvSettings) -> None:
    """Raise InputError for arguments that a task of Meta-World is to be made with."""
    if settings.env_kwargs:
        raise InputError(f"env_kwargs: {env_id} takes no arguments; Meta-World's tasks are what they are")


def ready(source: Source, settings: EnvSettings) -> Source:
    """`source` looked up, as training needs it. Raises InputError for one that is not at hand, or that the asked-for
    backend cannot simulate."""
    source = known(source)
    resolve_backend(source.name, settings)
    return source


def who_steps(source: Source, settings: EnvSettings) -> str:
    """Where environments run, and why, in one line; empty where that is no question. Warns of what depends on it."""
    if resolve_backend(source.name, settings) != "gymnasium" or source.own_number is not None:
        return ""
    decision = decide(source, settings)
    if decision.warning:
        warnings.warn(decision.warning, stacklevel=2)
    return decision.reason


def episode_limit(source: Source, settings: EnvSettings) -> int | None:
    """Steps after which episodes of training are truncated; none where nothing says so without making one."""
    if settings.max_episode_steps is not None:
        return settings.max_episode_steps
    if tasks_of(source.name):
        return HORIZON
    if source.by_name:
        return gym.spec(source.name.rpartition(":")[2]).max_episode_steps
    return None if source.env is None else time_limit(source.env)


def own_limit(source: Source, settings: EnvSettings) -> int | None:
    """Steps after which an environment that is not Meta-World's truncates its episodes itself, whatever training
    says; none where nothing says so."""
    own = replace(settings, max_episode_steps=None)
    if source.function is None:
        return None if source.vector is not None else episode_limit(source, own)
    chance = Chance([0])
    with chance:
        env = bare_one(source, own)
        limit = time_limit(env)
        close_env(env, source.name)
    return limit


def make_groups(source: Source, settings: EnvSettings, seeds: Sequence[int]) -> list[VectorEnvs]:
    """Training environments, one per seed, in `env_groups` groups that take turns."""
    groups: list[VectorEnvs] = []
    try:
        for group in np.array_split(np.array(seeds), settings.env_groups):
            groups.append(make_envs(source, settings, group.tolist()))
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
        with warned():
            groups.pop().close()


@contextmanager
def warned() -> Iterator[None]:
    """Let an error of a run in this block be no more than a warning."""
    try:
        yield
    except RunError as error:
        warnings.warn(str(error), stacklevel=4)


def make_envs(source: Source | str, settings: EnvSettings, seeds: Sequence[int]) -> VectorEnvs:
    """One group of environments of a source (a text is an id, Meta-World's too), one per seed."""
    source = Source(source) if isinstance(source, str) else source
    backend = resolve_backend(source.name, settings)
    tasks, limit, count = tasks_of(source.name), settings.max_episode_steps, settings.action_repeat
    if len(tasks) > 1:
        return make_tasks(source.name, tasks, settings, seeds, backend)
    if not tasks and backend == "envpool":
        return make_pooled(source, settings, seeds)
    if not tasks:
        return make_plain(source, settings, seeds) if source.own_number else make_in_processes(source, settings, seeds)
    if backend == "envpool":
        envs = MetaWorldEnvs(tasks[0], seeds, limit or HORIZON, settings.env_threads, settings.reward)
        return envs if count == 1 else HeldTogether(envs, count)
    return make_official(tasks[0], seeds, limit or HORIZON, workers=settings.env_threads,
                         timeout=settings.worker_timeout, action_repeat=count, reward=settings.reward)  # fmt: skip


def make_pooled(source: Source, settings: EnvSettings, seeds: Sequence[int]) -> VectorEnvs:
    """EnvPool's environments of one of Gymnasium's ids, one per seed."""
    limit = settings.max_episode_steps
    if source.name.startswith(agreement.ATARI):
        options = Atari(**settings.env_kwargs)
        return make_atari(source.name, seeds, settings.env_threads, options, limit or ATARI_STEPS)
    return make_gymnasium_id(
        source.name, seeds, limit or episode_limit(source, settings) or NO_LIMIT, settings.env_threads
    )


def make_plain(
    source: Source, settings: EnvSettings, seeds: Sequence[int], longest: int | None = None
) -> GymnasiumEnvs:
    """Environments that are not Meta-World's, one per seed. `longest`: steps that no episode of a vector environment
    of the user's may exceed."""
    if source.vector is not None:
        return GivenEnvs(source.vector, seeds, source.name, longest)
    return make_gymnasium(source, seeds, settings)


def spaces_of(source: Source | str, settings: EnvSettings | None = None) -> Spaces:
    """The spaces of an environment. Raises ValueError for an unknown one, for arguments that it does not take, or
    unsupported spaces."""
    source, settings = given(source), settings or EnvSettings()
    name = source.name
    if tasks := tasks_of(name):
        refuse_arguments(name, settings)
        return spaces_of_tasks(tasks, name)
    if source.vector is not None:
        return GivenEnvs(source.vector, [0], name).spaces
    chance = Chance([0])
    try:
        with chance:
            env = bare_one(source, settings)
    except EnvError as error:
        if not isinstance(error.__cause__, gym.error.Error | ImportError):
            raise
        raise InputError(f"{name} cannot be made: {error.__cause__}") from error
    try:
        with Blaming(name, "in construction"):
            return Spaces.of(env.observation_space, env.action_space, name)
    finally:
        with chance:
            close_env(env, name)
