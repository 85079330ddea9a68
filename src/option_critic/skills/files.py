"""The folder of a skill: skill.json, skill.safetensors and the manifest of both. Read as what a stranger wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.model.option_model import MAX_WEIGHTS
from option_critic.runs import manifest
from option_critic.runs.files import encoded, read_as, writing
from option_critic.runs.parts import check_values, compare, form, load_finite
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.tensor_files import header
from option_critic.skills.network import SkillNetwork, by_name
from option_critic.skills.record import SkillError, SkillRecord, as_json, check
from option_critic.spaces import Spaces

JSON, TENSORS = "skill.json", "skill.safetensors"
FILES = (JSON, TENSORS)


def is_skill(folder: RunPath) -> bool:
    """Whether `folder` was written by `write` (and may be damaged)."""
    return folder.is_folder() and (folder / JSON).kind() != "none" and (folder / "manifest.json").kind() != "none"


def check_free(folder: RunPath) -> None:
    """Raise InputError unless a skill can be written there: where nothing is, or a skill, or an empty folder."""
    link = not folder.parts and folder.base.is_symlink()
    empty = folder.is_folder() and not folder.names()
    if not folder.name or link or not (folder.is_free() or empty or is_skill(folder)):
        raise InputError(f"{folder} exists and is no skill; choose another name")


def write(folder: RunPath, record: SkillRecord, tensors: dict[str, Tensor]) -> None:
    """Write the folder; a skill that is there already is replaced. Raises InputError for anything else, and
    WriteError."""
    check_free(folder)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with writing(folder):
        manifest.write(folder, {JSON: encoded(as_json(record)), TENSORS: safetensors.torch.save(plain)})


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


def read(path: str | Path | RunPath) -> tuple[SkillRecord, dict[str, Tensor]]:
    """Verify and read a skill. All that its tensors claim is compared with skill.json before anything of that size is
    allocated. Raises SkillError."""
    folder = RunPath.of(path)
    with told():
        record = read_record(folder)
        manifest.verify(folder, FILES)
        found, _ = header(folder / TENSORS)
        compare(folder / TENSORS, found, {n: form(t) for n, t in outline(folder, record).items()}, JSON)
        tensors = load_finite(folder / TENSORS)
        check_values(folder / TENSORS, tensors)
        return record, tensors


def outline(folder: RunPath, record: SkillRecord) -> dict[str, Tensor]:
    """The tensors of a skill without their numbers. Raises SkillError for sizes that are not meant."""
    spaces = Spaces.from_dict(record.spaces)
    try:
        tensors = SkillNetwork(record, spaces.obs_size, spaces.action_size, by_name, "meta").state_dict()
        if sum(t.numel() for t in tensors.values()) <= MAX_WEIGHTS:
            return tensors
    except (RuntimeError, TypeError, OverflowError):
        pass  # sizes that no memory has
    raise SkillError(f"{folder / JSON} describes a far larger network than any of ours")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What is wrong with a file of a skill, as a SkillError."""
    try:
        yield
    except SkillError:
        raise
    except CheckpointError as error:
        raise SkillError(str(error).replace("use another checkpoint", "use another copy")) from error
