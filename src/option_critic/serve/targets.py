"""What the user names, as an environment of options."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from option_critic.agent import OptionCritic
from option_critic.envs.lookup import given, known
from option_critic.envs.make import refuse_arguments
from option_critic.envs.metaworld import HORIZON, OfficialTask, available, refuse_several, task_of
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.evaluation.metaworld_protocol import goal_set
from option_critic.loading import load
from option_critic.options import definitions
from option_critic.planning.option_env import OptionEnv
from option_critic.presets import PRESETS
from option_critic.report.headless import VideoError
from option_critic.report.replay import drawing_arguments
from option_critic.runs.paths import RunPath
from option_critic.skills.folder import is_skill
from option_critic.skills.skill import Skill


@dataclass(frozen=True)
class Where:
    """In which environment options are to be run."""

    env: str | None
    """Its id; none: that in which the agent was trained."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Empty: those of its preset, or of the agent's training."""
    goals: str = "D"
    """Of Meta-World."""
    deterministic: bool = True
    horizon: int = HORIZON
    """Steps of an episode of Meta-World."""


def served(
    targets: Sequence[str], where: Where, checkpoint: str | None, options_from: str | None
) -> tuple[OptionEnv, str]:
    """The environment of the options that `targets` name, and its name. Raises InputError."""
    options = named_options(targets, options_from)
    if options is None:
        return env_of(load(targets[0], checkpoint, options_from=options_from), where)
    if where.env is None:
        raise InputError("skills need an environment to run in; say --env ID")
    task = task_of(preset_id(where.env) or "")
    return env_of([o.at_task(task) if isinstance(o, Skill) else o for o in options], where)


def named_options(targets: Sequence[str], options_from: str | None) -> list[Any] | None:
    """Skills, folders of skills, and `module:NAME` of given options, in this order; none: a run or a saved agent."""
    if not targets:
        raise InputError("serve takes a run folder, a saved agent, or skills; `option-critic list` names the runs")
    found: list[Any] = []
    for target in targets:
        skills = [] if is_reference(target) else skill_folders(RunPath.of(target))
        if is_reference(target):
            found.extend(definitions.load(target))
        elif skills:
            found.extend(Skill.load(folder, options_from) for folder in skills)
        elif len(targets) == 1:
            return None
        else:
            raise InputError(f"{target} is no skill, and a run or a saved agent is served alone")
    return found


def is_reference(target: str) -> bool:
    """Whether it is `module:NAME`, and no folder."""
    return ":" in target and not Path(target).exists()


def skill_folders(folder: RunPath) -> list[RunPath]:
    """The skill `folder`, or those right below it."""
    if is_skill(folder) or not folder.is_folder():
        return [folder] if is_skill(folder) else []
    return [folder / name for name in sorted(folder.names()) if is_skill(folder / name)]


def env_of(options: OptionCritic | list[Any], where: Where) -> tuple[OptionEnv, str]:
    """The environment and its name; Meta-World's with a set of goals, others so that they draw pictures if they can."""
    if isinstance(options, OptionCritic) and where.env is None:
        source = known(Source(options.settings.env_id))  # no code that only a folder names
    else:
        source = given(preset_id(where.env), PRESETS)
    refuse_several(source.name, "serve")
    task = task_of(source.name)
    if task is not None:
        refuse_arguments(source.name, EnvSettings(env_kwargs=where.env_kwargs))
        if not available():
            raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')
        official = OfficialTask(task, where.horizon, goal_set(task, where.goals).vectors)
        source = Source(source.name, env=official)
        return OptionEnv(source, options, deterministic=where.deterministic), source.name
    kwargs = own_arguments(options, where)
    with suppress(VideoError):  # then there are no pictures
        kwargs = drawing_arguments(source) | kwargs
    return OptionEnv(source, options, env_kwargs=kwargs, deterministic=where.deterministic), source.name


def own_arguments(options: OptionCritic | list[Any], where: Where) -> dict[str, Any]:
    """What the environment is made with: as was said, or as its preset or the agent's training has it."""
    if where.env_kwargs:
        return where.env_kwargs
    if where.env in PRESETS:
        return PRESETS[where.env].env.env_kwargs
    agent = options if isinstance(options, OptionCritic) else None
    its_own = agent is not None and where.env in (None, agent.settings.env_id)
    return agent.settings.env.env_kwargs if agent is not None and its_own else {}


def preset_id(env: str | None) -> str | None:
    """The id of the environment that a preset's name means."""
    return PRESETS[env].env_id if env in PRESETS else env
