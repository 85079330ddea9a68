"""The folder of a skill, without its weights: what can be said of it without PyTorch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from option_critic.card import FILE as CARD
from option_critic.errors import InputError
from option_critic.runs import manifest
from option_critic.runs.files import read_as, read_json
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.skills.record import SkillError, SkillRecord, check

JSON, TENSORS = "skill.json", "skill.safetensors"
FILES = (JSON, TENSORS)


def is_skill(folder: RunPath) -> bool:
    """Whether `folder` was written by `write` (and may be damaged)."""
    return folder.is_folder() and (folder / JSON).kind() != "none" and (folder / "manifest.json").kind() != "none"


def check_free(folder: RunPath) -> None:
    """Raise InputError unless a skill can be written there: where nothing is, or an empty folder, or a skill and
    nothing besides."""
    link = not folder.parts and folder.base.is_symlink()
    empty = folder.is_folder() and not folder.names()
    if not folder.name or link or not (folder.is_free() or empty or is_nothing_else(folder)):
        what = "holds more than a skill" if not link and is_skill(folder) else "is no skill"
        raise InputError(f"{folder} exists and {what}; choose another name")


def is_nothing_else(folder: RunPath) -> bool:
    """Whether a skill (which may be damaged) is all that `folder` holds."""
    if not is_skill(folder) or set(folder.names()) - {*FILES, "manifest.json", CARD}:
        return False
    try:
        files = read_json(folder / "manifest.json").get("files")
    except CheckpointError:
        return True
    return isinstance(files, dict) and set(files) == set(FILES)


def read_record(folder: RunPath) -> SkillRecord:
    """What skill.json says, checked; its tensors are not looked at. Raises SkillError."""
    with told():
        if not folder.is_folder() or (folder / JSON).kind() == "none":
            raise SkillError(
                f"{folder} is no skill: it has no {JSON}; `option-critic skills list` names those of a folder"
            )
        record: SkillRecord = read_as(folder / JSON, SkillRecord)
        try:
            check(record)
        except InputError as error:
            raise SkillError(f"{folder / JSON} is not usable: {error}") from error
        return record


def read_whole(folder: RunPath) -> SkillRecord:
    """The same of a folder whose files are unchanged. Raises SkillError."""
    with told():
        record = read_record(folder)
        manifest.verify(folder, FILES)
        return record


def skills_in(path: Path) -> dict[str, SkillRecord | str]:
    """The skills in a folder, or the folder itself where it is one: name of the folder -> what it says, or what is
    wrong with it. What is no skill is left out."""
    root = RunPath.of(path)
    folders = [root] if is_skill(root) else [inner for inner in (root / n for n in root.names()) if is_skill(inner)]
    found = dict[str, SkillRecord | str]()
    for folder in folders:
        try:
            found[folder.name] = read_whole(folder)
        except SkillError as error:
            found[folder.name] = str(error)
    return found


def file_name(name: str) -> str:
    """What a skill's folder is called: its name, in characters that every system takes."""
    plain = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip(".-")
    return plain or "skill"


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What is wrong with a file of a skill, as a SkillError."""
    try:
        yield
    except SkillError:
        raise
    except CheckpointError as error:
        raise SkillError(str(error).replace("use another checkpoint", "use another copy")) from error
