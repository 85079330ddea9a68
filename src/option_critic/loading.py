"""Saved agents, and runs that go on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from option_critic.agent import OptionCritic
from option_critic.envs.lookup import given, means
from option_critic.envs.make import ready, with_backend_of_before
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.model.option_model import OWN
from option_critic.options.definitions import load_each as import_definitions
from option_critic.options.entries import Entry
from option_critic.ranks.ranks import ALONE, Ranks
from option_critic.runs import checkpoint as checkpoints
from option_critic.runs import inventory, replay_files
from option_critic.runs.files import WriteError, writing
from option_critic.runs.inventory import config_or_copy, last_whole, read_config
from option_critic.runs.locks import locked
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import Run
from option_critic.settings import Settings
from option_critic.skills.lookup import references as references_of
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces
from option_critic.training.callbacks import Callbacks, as_one
from option_critic.training.follow import follow
from option_critic.training.train import check_alike
from option_critic.value_types import plain


def load(
    path: str | Path | RunPath,
    checkpoint: str | int | None = None,
    device: str | torch.device | None = None,
    options_from: str | None = None,
    env: Any = None,
    **settings: Any,
) -> OptionCritic:
    """Load an agent saved by `save`, or from a run folder (default: its last verified checkpoint).

    `settings`: what to go on with in the place of what it was trained with (`lr_option=1e-4, num_envs=64`).
    `env`: the environment to go on in, whatever `OptionCritic` takes; by default the one that it was trained in, which
    loading needs not, nor EnvPool. No code from the folder is run, and no module imported that it
    names: where the options are defined in one of your own, import it first or say `options_from="module:NAME"`.
    Raises CheckpointError, or InputError where those definitions are not at hand, for an environment that does not
    fit, and for settings that cannot act on an agent that has learned (`hidden_dim`).
    """
    if options_from is not None:
        import_definitions(options_from)
    if device is not None:
        settings["device"] = device
    agent = _loaded(inventory.find(path, plain(int, checkpoint)), **settings)
    check_named(options_from, agent.settings)
    if env is not None:
        source, own = given(env), agent.settings.env_id
        agent._move(source, agent.settings)
        if not means(own, source.name):
            agent._forget_episodes()
    return agent


def _loaded(checkpoint: RunPath, **settings: Any) -> OptionCritic:
    state, found, spaces = checkpoints.read(checkpoint, with_skills, **settings)
    if state.env_steps and "backend" not in settings:
        found = as_begun(found)
    agent = OptionCritic.__new__(OptionCritic)
    agent._restore(found, Source(found.env_id), spaces, state)
    return agent


def with_skills(folder: RunPath, settings: Settings) -> Settings:
    """`settings` with the skills among the options, which lie in `folder` (of a run, or a checkpoint)."""
    count = sum(Entry.read(text).kept for text in settings.options.options)
    skills = tuple(Skill.load(folder / checkpoints.SKILLS / str(k)) for k in range(count))
    return replace(settings, options=replace(settings.options, skills=skills)) if skills else settings


def as_begun(settings: Settings) -> Settings:
    """The settings of a training that has begun; see `with_backend_of_before`."""
    return replace(settings, env=with_backend_of_before(settings.env_id, settings.env))


def resume(
    path: str | Path | RunPath,
    callback: Callbacks | None = None,
    *,
    progress: bool = False,
    options_from: str | None = None,
    env: Any = None,
    ranks: Ranks = ALONE,
) -> OptionCritic:
    """Go on with the training in the run folder `path`, which was stopped, killed or crashed.

    It starts at the last boundary (scheduled checkpoint) that is whole and leads bit for bit to the weights,
    metrics and checkpoints of a training that never stopped: on the same machine, with the same versions and
    numbers of threads. A finished run is returned as it is. `options_from` as in `load`. `env`: the run's
    environment, where its name alone does not lead there: an object, a lambda, a function or an id of a module that
    is not imported. `ranks` as in `learn`; their number may be another one than before, which a warning tells. Raises
    InputError if `path` is no run or if another process is writing to it.
    """
    if options_from is not None:
        import_definitions(options_from)
    folder, heard = RunPath.of(path), as_one(callback)
    config_or_copy(folder)  # before anything is written: is it a run?
    with ExitStack() as lock:
        held = holding(folder, lock) if ranks.is_first else None
        agent = at_boundary(folder)  # under the lock: nobody adds one
        check_named(options_from, agent.settings)
        if agent.state.env_steps < agent.state.schedule_end:
            if held is not None:
                raise held
            if env is not None:
                give_back(agent, given(env))
            agent.source = ready(agent.source, agent.settings.env)
            agent._meet(agent.source, agent.settings.env)
            check_alike(agent.state, ranks)  # all have read: now the first one may write
            if not ranks.is_first:
                follow(agent.state, agent.settings, agent._running, agent.source, ranks, bounded=True)
                return agent
            judge = agent._judge(heard)
            replay_files.restore(folder, agent.state, agent.spaces)
            run = Run(folder, agent.settings, agent.spaces, lock=lock, after=agent.num_timesteps)
            agent._learn(run, heard, progress, judge, ranks)
    return agent


def give_back(agent: OptionCritic, source: Source) -> None:
    """Let an agent go on in its own environment, which is given again. Raises InputError if it is another one."""
    own, number = agent.settings.env_id, agent.settings.env.num_envs
    if not means(own, source.name):
        raise InputError(f"env must be the run's own environment, {own}, not {source.name}; "
                         "load() and set_env take an agent to another one")  # fmt: skip
    if source.own_number not in (None, number):
        raise InputError(f"the run has {number} environments, and {source.name} is {source.own_number}; give what "
                         "it was trained with, or a function that makes one environment")  # fmt: skip
    agent.source = source


def holding(folder: RunPath, lock: ExitStack) -> WriteError | None:
    """Hold the run in `lock`. What is said if it is to be written all the same, where it cannot be."""
    try:
        with writing(folder):
            lock.enter_context(locked(folder))
    except WriteError as error:
        return error
    return None


def check_named(options_from: str | None, settings: Settings) -> None:
    """Raise InputError if definitions were named that the agent does not have: they would do nothing."""
    own = references(settings)
    known = {*own, *(text.partition("@")[0] for text in own)}
    for named in [] if options_from is None else options_from.split(","):
        if named.strip() not in known:
            where = f"defined in {', '.join(map(repr, own))}" if own else "not defined by anything"
            raise InputError(f"the options of this agent are {where}: options_from {named!r} would do nothing")


def references(settings: Settings) -> list[str]:
    """Where the options of an agent, and the skills among them, are defined, and the interests that it sees."""
    options, watched = settings.options, settings.model.observe_interest
    found = [options.options_from, "" if watched == OWN else watched]
    found += [Entry.read(text).reference for text in options.options]
    found += [text for skill in options.skills for text in references_of(skill.record)]
    return list(dict.fromkeys(filter(None, found)))


def at_boundary(folder: RunPath) -> OptionCritic:
    """The agent of a run as it was at the last boundary that is whole; before the first one, untrained."""
    config = read_config(folder)
    boundary = last_whole(folder)
    if boundary is not None:
        return _loaded(boundary)
    agent = OptionCritic.__new__(OptionCritic)
    settings = with_skills(folder, as_begun(Settings.from_dict(config["settings"])))
    agent._restore(settings, Source(settings.env_id), Spaces.from_dict(config["spaces"]))
    return agent
