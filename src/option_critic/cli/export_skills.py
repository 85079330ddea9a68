"""The verb `skills export`: options of a checkpoint, written as skills."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from option_critic.errors import InputError
from option_critic.loading import load
from option_critic.runs.figures import read_versions
from option_critic.runs.paths import RunPath
from option_critic.skills.export import skill_of
from option_critic.skills.folder import check_free, file_name, is_skill
from option_critic.skills.measured import measured_of, read_if
from option_critic.skills.record import SkillRecord


def export_skills(
    run: RunPath,
    checkpoint: RunPath,
    names: Sequence[str],
    out: Path,
    overwrite: bool,
    options_from: str | None,
) -> dict[RunPath, SkillRecord]:
    """Write the options `names` (none: all) of a checkpoint of `run` to folders in `out`. Nothing is written unless all
    can be. Raises InputError."""
    agent = load(checkpoint, options_from=options_from)
    made_with = read_if(read_versions, run / "versions.json")
    found = [
        skill_of(agent, name, measured_of(run, agent.num_timesteps, name), made_with)
        for name in dict.fromkeys(names or agent.option_names)
    ]
    folders = places(out, [skill.name for skill in found])
    for folder in folders:
        check_free(folder)
        if is_skill(folder) and not overwrite:
            raise InputError(f"{folder} is there already; --overwrite replaces it, --out names another folder")
    for folder, skill in zip(folders, found, strict=True):
        skill.save(folder)
    return {folder: skill.record for folder, skill in zip(folders, found, strict=True)}


def places(out: Path, names: Sequence[str]) -> list[RunPath]:
    """A folder for each name; names that come to the same one are numbered."""
    taken = list[str]()
    for name in map(file_name, names):
        numbers = (name if i == 1 else f"{name}-{i}" for i in range(1, len(names) + 1))
        taken.append(next(free for free in numbers if free.lower() not in map(str.lower, taken)))
    return [RunPath.of(out / name) for name in taken]
