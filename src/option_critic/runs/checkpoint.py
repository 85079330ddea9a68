"""Checkpoints: a folder of safetensors and JSON with a checksum manifest. Never pickle.

    config.json              settings and spaces: enough to rebuild the agent anywhere
    model.safetensors        weights and normalisers
    optimizer.safetensors    Adam's moments and the random generators
    skills/<number>/         skills among its options, where there are such (`skills/files.py`)
    <part>.safetensors       what an algorithm brings besides, if it does (`parts.py`)
    state.json               counters, schedule, recent episodes
    manifest.json            format version, SHA-256 and size of each file

Written beside its final name, flushed to the disk and renamed, so a checkpoint is there in full or
not at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.model.act import Generators
from option_critic.options.definitions import describe
from option_critic.runs import manifest
from option_critic.runs.files import FORMAT_VERSION, check_format, encoded, read_json
from option_critic.runs.parts import check_parts, check_values, load_finite, parts_of
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.state_file import read_counters
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.state import Episodes, TrainState, nearest_device

SKILLS = "skills"
Bring = Callable[[RunPath, Settings], Settings]
"""(folder, settings) -> the settings with the skills that lie in the folder."""


def write(
    folder: RunPath, state: TrainState, settings: Settings, spaces: Spaces, beside: Mapping[str, bytes] | None = None
) -> None:
    """Write the checkpoint `folder`; one that is there already is replaced once the new one is complete. `beside`:
    files that nobody needs to read it."""
    files = {
        "config.json": encoded(configuration(settings, spaces)),
        "state.json": encoded(_counters(state)),
    }
    for part in parts_of(settings.algorithm):
        files[part.file] = safetensors.torch.save(_plain(part.tensors(state)))

    def others(new: RunPath) -> None:
        save_skills(new, settings)
        for name, data in (beside or {}).items():
            (new / name).create(data)

    manifest.write(folder, files, others)


@torch.inference_mode(False)  # what is loaded within that mode could never be trained
def read(folder: RunPath, bring: Bring, **changes: Any) -> tuple[TrainState, Settings, Spaces]:
    """Verify and load one checkpoint, with settings to go on with; `bring` loads the skills that lie in it. Raises
    CheckpointError, or InputError for settings that cannot act any more.

    All that the files claim is compared with their config.json before anything of that size is allocated.
    """
    manifest.verify(folder)
    saved, spaces = _configuration(folder / "config.json")
    saved = bring(folder, saved)
    settings = saved.going_on(**{"device": nearest_device(saved.device)} | changes)
    counters = read_counters(folder / "state.json")
    check_parts(folder, saved, spaces)
    parts = [(part, load_finite(folder / part.file)) for part in parts_of(saved.algorithm)]
    for part, tensors in parts:
        check_values(folder / part.file, tensors)
    state = TrainState.fresh(settings, spaces)
    try:
        for part, tensors in parts:
            part.restore(state, tensors)
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{folder} does not fit its own config.json: {error}") from error
    if settings.seed != saved.seed:
        state.generators = Generators.seeded(settings.seed)
    _restore_counters(state, counters)
    if settings.env.reward != saved.env.reward:
        state.model.reward_norm.forget()
        state.episodes = Episodes.of(len(spaces.tasks))
    return state, settings, spaces


def save_skills(folder: RunPath, settings: Settings) -> None:
    """Write the skills among an agent's options below `folder`, called by their numbers."""
    for k, skill in enumerate(settings.options.skills):
        (folder / SKILLS).make()
        skill.save(folder / SKILLS / str(k))


def configuration(settings: Settings, spaces: Spaces) -> dict[str, Any]:
    """What config.json holds. The definitions of the options are there to be read; no code is run from it."""
    config = {"format_version": FORMAT_VERSION, "settings": settings.to_dict(), "spaces": spaces.to_dict()}
    told = definitions(settings)
    return config | {"definitions": told, "kinds": settings.options.kinds} if told else config


def definitions(settings: Settings) -> list[str] | dict[str, list[str]]:
    """The source of the set that all options are of, as lines; of several sets, each by its name; empty: of none."""
    sources = {reference: describe(reference).splitlines() for reference in settings.options.references}
    return sources[settings.options.options_from] if settings.options.options_from else sources


def _configuration(path: RunPath) -> tuple[Settings, Spaces]:
    config = read_json(path)
    check_format(path, config)
    try:
        settings, spaces = Settings.from_dict(config.get("settings", {})), Spaces.from_dict(config.get("spaces", {}))
    except InputError as error:
        raise CheckpointError(f"{path} is not usable: {error}") from error
    for reference in changed(settings, config.get("definitions")):
        warnings.warn(
            f"{reference} has changed since this agent was trained; {path} holds the options as they were", stacklevel=2
        )
    return settings, spaces


def changed(settings: Settings, told: Any) -> list[str]:
    """The sets whose source is not what config.json tells (of options one by one, older versions told none)."""
    now = definitions(settings)
    if isinstance(now, list):
        return [settings.options.options_from] if now and now != told else []
    return [reference for reference, lines in now.items() if isinstance(told, dict) and told.get(reference) != lines]


def _counters(state: TrainState) -> dict[str, Any]:
    e = state.episodes
    return {
        "format_version": FORMAT_VERSION,
        "env_steps": state.env_steps,
        "iteration": state.iteration,
        "schedule_start": state.schedule_start,
        "schedule_end": state.schedule_end,
        "elapsed": state.elapsed,
        "skipped_in_row": state.skipped_in_row,
        **({"ranks": state.ranks} if state.ranks > 1 else {}),
        **({"evaluation": state.evaluation} if state.evaluation else {}),
        "episodes": {
            "returns": list(e.returns),
            "lengths": list(e.lengths),
            "successes": list(e.successes),
            "last_successes": list(e.last_successes),
            "tells_success": e.tells_success,
            **({"tasks": list(e.tasks)} if e.tasks else {}),
        },
    }


def _restore_counters(state: TrainState, data: dict[str, Any]) -> None:
    for name in ("env_steps", "iteration", "schedule_start", "schedule_end", "elapsed"):
        setattr(state, name, data[name])
    state.skipped_in_row = data.get("skipped_in_row", 0)  # older checkpoints do not say
    state.ranks = data.get("ranks", 1)
    e = data["episodes"]
    # older checkpoints hold successes only where the task told of them, and none of last steps
    state.episodes = Episodes.of(len(state.spaces.tasks))
    state.episodes.tells_success = e.get("tells_success", bool(e["successes"]))
    for name in ("returns", "lengths", "successes", "last_successes", "tasks"):
        getattr(state.episodes, name).extend(e.get(name, []))


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
