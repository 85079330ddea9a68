"""Which checkpoints there are and whether they are whole: what can be said of them without PyTorch."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

from option_critic.errors import InputError

FORMAT_VERSION = 1
FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json")


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or of a format that this version does not read."""


class FormatError(CheckpointError):
    """Written in a format that this version does not read."""


def is_checkpoint(folder: Path) -> bool:
    """Whether `folder` was written by `write` (and may be damaged)."""
    try:
        files = read_json(folder / "manifest.json").get("files")
    except CheckpointError:
        return False
    return isinstance(files, dict) and set(files) == set(FILES)


def verify(folder: Path) -> None:
    """Raise CheckpointError, naming the file, unless every file is there and unchanged."""
    manifest = read_json(folder / "manifest.json")
    check_format(folder / "manifest.json", manifest)
    if not isinstance(manifest.get("files"), dict):
        raise CheckpointError(f"{folder / 'manifest.json'} is damaged")
    for name in FILES:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing")
        if manifest["files"].get(name) != fingerprint(folder / name):
            raise CheckpointError(f"{folder / name} is damaged: its checksum is not the one in manifest.json")


def check_format(path: Path, data: dict[str, Any]) -> None:
    """Raise unless `data`, which was read from `path`, is of the format that this version reads."""
    if "format_version" not in data:
        raise CheckpointError(f"{path} is damaged, or of something else: it names no format_version")
    if data["format_version"] != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {data['format_version']}; this option-critic reads {FORMAT_VERSION}. "
            "Use the version that wrote it (versions.json), or a newer one."
        )


def find(path: Path, checkpoint: str | int | None = None) -> Path:
    """The checkpoint folder to load from `path`: a saved agent, or a run folder.

    In a run: the last one that verifies (a damaged one is skipped with a warning), or the one named
    by its step or as `interrupted`. Raises CheckpointError.
    """
    if (path / "manifest.json").is_file() and checkpoint is None:
        return path
    if (path / "config.json").is_file():
        check_format(path / "config.json", read_json(path / "config.json"))
    there = listing(path / "checkpoints")
    if checkpoint is None:
        return _last_whole(path, there)
    name = f"{int(checkpoint):012d}" if str(checkpoint).isdigit() else str(checkpoint)
    if name not in (p.name for p in there):
        names = ", ".join(p.name.lstrip("0") for p in there) or "none"
        raise CheckpointError(f"{path} has no checkpoint {checkpoint}; it has: {names}")
    verify(path / "checkpoints" / name)
    return path / "checkpoints" / name


def _last_whole(path: Path, folders: list[Path]) -> Path:
    damaged: list[str] = []
    for folder in reversed(folders):
        try:
            verify(folder)
        except FormatError:
            raise
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            for message in damaged:
                warnings.warn(f"{message}. Using the checkpoint before it.", stacklevel=3)
            return folder
    if damaged:
        raise CheckpointError(f"{path} has no checkpoint that is whole: {damaged[0]}")
    raise CheckpointError(
        f"{path} is neither a saved agent nor a run folder with a checkpoint; `option-critic list` names the runs"
    )


def listing(root: Path) -> list[Path]:
    """All checkpoints of a run, by step; `interrupted` (if there) stands where its step says."""
    if not root.is_dir():
        return []
    return sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")), key=steps_of)


def steps_of(folder: Path) -> int:
    """Environment steps of a checkpoint; -1 where it does not say."""
    if folder.name.isdigit():
        return int(folder.name)
    try:
        return int(read_json(folder / "state.json")["env_steps"])
    except (CheckpointError, KeyError):
        return -1


def fingerprint(path: Path) -> dict[str, str | int]:
    """What manifest.json says of a file."""
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError if it is missing or is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data
