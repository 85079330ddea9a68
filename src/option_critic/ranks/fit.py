"""Whether a training can be shared by several ranks."""

from __future__ import annotations

from option_critic.envs.metaworld import tasks_of
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.settings import Settings


def check_shared(settings: Settings, source: Source, count: int) -> None:
    """Raise InputError, with what to change, unless so many ranks can share it."""
    if count == 1:
        return
    number, groups, tasks = settings.env.num_envs, settings.env.env_groups, max(1, len(tasks_of(settings.env_id)))
    if settings.learning.replays:
        raise InputError(
            f"{settings.algorithm} learns from what one process keeps, so it cannot be shared by {count} ranks; "
            "take dac or ppo_oc, or train without torchrun"
        )
    if source.own_number is not None:
        raise InputError(
            f"{source.name} is an object of this process, which {count} ranks cannot share; "
            "give a function that makes one environment, or its name"
        )
    if groups > 1:
        raise InputError(f"env_groups must be 1 with {count} ranks, which take no turns; got {groups}")
    if ":" in settings.device:
        raise InputError(f"device must be auto, cpu or cuda with {count} ranks, one GPU each; got {settings.device}")
    if number % (count * tasks):
        whose = f"{count} ranks" if tasks == 1 else f"{count} ranks with {tasks} tasks each"
        raise InputError(f"num_envs must be a multiple of {count * tasks} for {whose}, got {number}")
