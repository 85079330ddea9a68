"""Gymnasium environments in worker processes, where that is worth it. A training gives the same weights either way."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.cores import usable_cores
from option_critic.envs.contract import EnvStep, Observations, VectorEnvs
from option_critic.envs.gymnasium import GymnasiumEnvs, make_gymnasium
from option_critic.envs.preprocessing import register
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.envs.workers import WorkerEnvs
from option_critic.errors import InputError
from option_critic.spaces import Spaces

PROBE_SECONDS, PROBE_STEPS = 0.25, 50
"""How long one environment is stepped to see what a step takes: whichever comes first."""
LEAST = 1e-3
"""Seconds of a step of all environments below which no processes are tried: a message costs at least some 0.1 ms."""
GAIN = 0.8
"""Workers are taken where a step takes less than this part of the time that it takes in this process."""
ROUNDS = 200
"""Messages whose cost is measured."""


@dataclass(frozen=True)
class Decision:
    """Whether environments run in worker processes."""

    workers: int
    """How many; 0: this process steps them."""
    reason: str
    """One line, for the user."""
    warning: str = ""
    """What the user should know of it."""


class Packed:
    """A function that can be sent to a worker, though pickle could not: one of the user's script, or a lambda."""

    def __init__(self, function: Callable[[], VectorEnvs], folders: Sequence[str] = ()) -> None:
        """`folders`: where modules are looked for that it needs, after all other places."""
        self.packed, self.folders = cloudpickle.dumps(function), list(folders)

    def __call__(self) -> VectorEnvs:
        """What the function returns."""
        sys.path += [folder for folder in self.folders if folder not in sys.path]
        made: VectorEnvs = cloudpickle.loads(self.packed)()
        return made


class Echo(VectorEnvs):
    """Environments that do nothing: what remains of a step is the message."""

    def __init__(self, num_envs: int, spaces: Spaces) -> None:
        self.num_envs, self.spaces = num_envs, spaces
        self.obs = np.zeros((num_envs, spaces.obs_size), np.float32)

    def reset(self) -> Observations:
        """[B, D]"""
        return self.obs

    def send(self, action: npt.NDArray[Any]) -> None:
        """Nothing."""

    def recv(self) -> EnvStep:
        """The same at each step."""
        no, yes, zero = (np.full(self.num_envs, x) for x in (False, True, 0.0))
        return EnvStep(self.obs, self.obs, no, zero, no, no, yes, {}, zero)

    def close(self) -> None:
        """Nothing."""


def make_in_processes(source: Source, settings: EnvSettings, seeds: Sequence[int]) -> VectorEnvs:
    """Environments that are not Meta-World's, one per seed: in worker processes where `decide` says so."""
    count = min(decide(source, settings).workers, len(seeds))
    if not count:
        return make_gymnasium(source, seeds, settings)
    return in_workers(source, settings, [part.tolist() for part in np.array_split(np.asarray(seeds), count)])


def in_workers(source: Source, settings: EnvSettings, parts: Sequence[Sequence[int]]) -> WorkerEnvs:
    """One worker for each part of the seeds. Raises InputError for what cannot be sent to one."""
    name = source.name.rpartition(":")[2]
    registered = gym.registry.get(name) if source.by_name else None
    own = {} if source.by_name else own_specs()

    def maker(part: Sequence[int]) -> Callable[[], VectorEnvs]:
        def make() -> GymnasiumEnvs:
            register(name)  # first: a package that is imported later says that it registers anew
            gym.registry.update({id: cloudpickle.loads(spec) for id, spec in own.items() if id not in gym.registry})
            if registered is not None:  # by a script, of which no worker knows; or not as its package does
                gym.registry[name] = registered
            return make_gymnasium(source, part, settings)

        return Packed(make, folders)

    entries = [gym.registry[id].entry_point for id in own]
    folders = folders_of(
        [source.name.rpartition(":")[0], source.function, getattr(registered, "entry_point", None), *entries]
    )
    try:
        makers = [maker(part) for part in parts]
    except Exception as error:
        raise InputError(
            f"{source.name} cannot be sent to worker processes ({type(error).__name__}: {error}); "
            "set env_workers to never, or make what it needs when it is called"
        ) from error
    return WorkerEnvs(makers, name=source.name, timeout=settings.worker_timeout)


def own_specs() -> dict[str, bytes]:
    """What was registered beside Gymnasium's own, by id: a function may make an environment of it. What cannot be sent
    is left out."""
    found = {}
    for id, spec in gym.registry.items():
        module = spec.entry_point if isinstance(spec.entry_point, str) else getattr(spec.entry_point, "__module__", "")
        if not str(module).startswith("gymnasium."):
            with contextlib.suppress(Exception):
                found[id] = cloudpickle.dumps(spec)
    return found


def folders_of(makers: Sequence[Any]) -> list[str]:
    """Where the modules of the user's lie, already imported here, in which environments are made (texts are modules'
    names): workers do not look into the working directory, unless this process does."""
    names = [
        maker.partition(":")[0] if isinstance(maker, str) else getattr(maker, "__module__", "") for maker in makers
    ]
    found = [os.getcwd()] if "" in sys.path else []  # a notebook's
    for name in names:
        top = sys.modules.get((name or "").partition(".")[0])
        # A package lies in the folders of its path; one without an __init__.py has no file.
        places = list(getattr(top, "__path__", [])) or [getattr(top, "__file__", None)]
        found += [str(Path(place).resolve().parent) for place in places if place]
    return list(dict.fromkeys(found))


@lru_cache(maxsize=32)
def decide(source: Source, settings: EnvSettings) -> Decision:
    """Whether worker processes step environments that are not Meta-World's, and why; measured once for equal ones."""
    most = min(settings.env_threads or usable_cores(), settings.num_envs)
    if settings.env_workers == "never":
        return Decision(0, "environments run in this process: env_workers is never")
    if settings.env_workers == "auto" and most == 1:
        return Decision(0, "environments run in this process: there is one, or one core for them")
    always = settings.env_workers == "always"
    try:
        step, shares = probe(source, settings)
        if not shares and not always:
            each = -(-settings.num_envs // settings.env_groups)
            decision = weigh(step, most, each, lambda: message_cost(source, settings, most))
            differ = "" if not decision.workers else differences(source, settings)
            return Decision(0, f"environments run in this process: {differ}") if differ else decision
    except Exception as error:  # whoever makes them to train tells what is wrong
        if not always:
            return Decision(0, f"environments run in this process: a trial failed ({type(error).__name__})")
        shares = False
    draws = f"{source.name} draws from global random generators"
    if always:
        warning = f"{draws}: its episodes depend on the number of workers" if shares else ""
        return Decision(most, f"environments run in {most} worker processes: env_workers is always", warning)
    return Decision(0, f"environments run in this process: {draws}")


def differences(source: Source, settings: EnvSettings) -> str:
    """Why workers should not step these environments, where two of them begin otherwise in two workers than they do
    here; empty where they do not."""
    try:
        theirs = beginning(in_workers(source, settings, [[0], [1]]))
    except Exception as error:
        return f"workers cannot make them ({type(error).__name__}: {' '.join(str(error).split()):.100})"
    if same(beginning(make_gymnasium(source, [0, 1], settings)), theirs):
        return ""
    return "they begin otherwise in workers, so they share something, or do not heed their seed (env_workers: always)"


def beginning(envs: VectorEnvs) -> tuple[Any, ...]:
    """What two environments tell first: observations, and those of a step with its rewards."""
    try:
        first = envs.reset().copy()
        draw = np.random.Generator(np.random.PCG64(0))
        step = envs.step(envs.spaces.to_env(envs.spaces.random_actions(draw, (2,))))
        return first, step.next_obs, step.reward
    finally:
        envs.close()


def weigh(step: float, workers: int, num_envs: int, message: Callable[[], float]) -> Decision:
    """Decide by the seconds of a `step` of one environment and of a `message` to all workers, asked for if need be."""
    alone = step * num_envs
    if alone < LEAST:
        return Decision(0, f"environments run in this process: a step of {num_envs} takes {alone * 1e3:.2g} ms")
    cost = message()
    shared = step * -(-num_envs // workers) + cost
    told = f"a step of {num_envs} takes {alone * 1e3:.2g} ms here, {shared * 1e3:.2g} ms in {workers} processes"
    if shared < GAIN * alone:
        return Decision(workers, f"environments run in {workers} worker processes: {told}")
    return Decision(0, f"environments run in this process: {told}")


def probe(source: Source, settings: EnvSettings) -> tuple[float, bool]:
    """(seconds of a step of one environment of its own, whether it draws from the global random generators)."""
    untouched = Chance([0]).inside
    envs = make_gymnasium(source, [0], settings)
    try:
        with envs.chance:
            envs.reset()
            draw = np.random.Generator(np.random.PCG64(0))
            took: list[float] = []
            began = time.perf_counter()
            while len(took) < PROBE_STEPS and time.perf_counter() - began < PROBE_SECONDS:
                action = envs.spaces.to_env(envs.spaces.random_actions(draw, (1,)))
                asked = time.perf_counter()
                envs.step(action)
                took.append(time.perf_counter() - asked)
        return float(np.median(took)), not same(untouched, envs.chance.inside)
    finally:
        envs.close()


def same(one: Any, other: Any) -> bool:
    """Whether two states of generators are equal, arrays and tensors within them, too."""
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return all(map(same, one, other))
    return bool(np.array_equal(one, other))


def message_cost(source: Source, settings: EnvSettings, workers: int) -> float:
    """Seconds of a step of workers whose environments do nothing."""
    spaces = Spaces(obs_size=1, discrete=True, action_size=2)
    echo = WorkerEnvs([Packed(lambda: Echo(1, spaces))] * workers, name=source.name, timeout=settings.worker_timeout)
    try:
        echo.reset()
        action = np.zeros(workers, np.int64)
        echo.step(action)
        began = time.perf_counter()
        for _ in range(ROUNDS):
            echo.step(action)
        return (time.perf_counter() - began) / ROUNDS
    finally:
        echo.close()
