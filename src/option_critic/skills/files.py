"""The files of a skill: skill.json, skill.safetensors and the manifest of both. Read as what a stranger wrote."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from torch import Tensor

from option_critic.card import FILE
from option_critic.model.size import MAX_WEIGHTS
from option_critic.runs import manifest
from option_critic.runs.files import encoded, writing
from option_critic.runs.parts import check_values, compare, form, load_finite
from option_critic.runs.paths import RunPath
from option_critic.runs.tensor_files import header
from option_critic.skills.card import card_of
from option_critic.skills.folder import JSON, TENSORS, check_free, read_whole, told
from option_critic.skills.network import SkillNetwork, by_name
from option_critic.skills.record import SkillError, SkillRecord, as_json
from option_critic.spaces import Spaces


def write(folder: RunPath, record: SkillRecord, tensors: dict[str, Tensor]) -> None:
    """Write the folder; a skill that is there already is replaced. Raises InputError for anything else, and
    WriteError."""
    check_free(folder)
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with writing(folder):
        files = {JSON: encoded(as_json(record)), TENSORS: safetensors.torch.save(plain)}
        manifest.write(folder, files, lambda new: (new / FILE).create(card_of(record).text.encode()))


def read(path: str | Path | RunPath) -> tuple[SkillRecord, dict[str, Tensor]]:
    """Verify and read a skill. All that its tensors claim is compared with skill.json before anything of that size is
    allocated. Raises SkillError."""
    folder = RunPath.of(path)
    with told():
        record = read_whole(folder)
        found, _ = header(folder / TENSORS)
        compare(folder / TENSORS, found, {n: form(t) for n, t in outline(folder, record).items()}, JSON)
        tensors = load_finite(folder / TENSORS)
        check_values(folder / TENSORS, tensors)
        return record, tensors


def outline(folder: RunPath, record: SkillRecord) -> dict[str, Tensor]:
    """The tensors of a skill without their numbers. Raises SkillError for sizes that are not meant."""
    spaces = Spaces.from_dict(record.spaces)
    try:
        network = SkillNetwork(record, spaces.obs_size, spaces.action_size, by_name, "meta")
        if sum(t.numel() for t in (*network.parameters(), *network.buffers())) <= MAX_WEIGHTS:  # saved, and not
            return network.state_dict()
    except (RuntimeError, TypeError, OverflowError):
        pass  # sizes that no memory has
    raise SkillError(f"{folder / JSON} describes a far larger network than any of ours")
