"""Checkpoints: a folder of safetensors and JSON with a checksum manifest. Never pickle.

    config.json              settings and spaces: enough to rebuild the agent anywhere
    model.safetensors        weights and normalisers
    optimizer.safetensors    Adam's moments and the random generators
    state.json               counters, schedule, recent episodes
    manifest.json            format version, SHA-256 and size of each file

Written beside its final name, flushed to the disk and renamed, so a checkpoint is there in full or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.state import WINDOW, Episodes, TrainState

FORMAT_VERSION = 1
FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json")


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or of a format that this version does not read."""


class FormatError(CheckpointError):
    """Written in a format that this version does not read."""


def write(folder: Path, state: TrainState, settings: Settings, spaces: Spaces) -> None:
    """Write the checkpoint `folder`; one that is there already is replaced once the new one is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{folder.name}.new-{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        config = {"format_version": FORMAT_VERSION, "settings": settings.to_dict(), "spaces": spaces.to_dict()}
        write_json(new / "config.json", config)
        write_json(new / "state.json", _counters(state))
        safetensors.torch.save_file(_plain(state.model.state_dict()), new / "model.safetensors")
        safetensors.torch.save_file(_plain(_learning_tensors(state)), new / "optimizer.safetensors")
        files = {name: fingerprint(new / name) for name in FILES}
        write_json(new / "manifest.json", {"format_version": FORMAT_VERSION, "files": files})
        for path in [*new.iterdir(), new]:
            _flush(path)
        _swap(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


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


def read(folder: Path, device: str | None = None) -> tuple[TrainState, Settings, Spaces]:
    """Verify and load one checkpoint, onto `device` if given. Raises CheckpointError."""
    verify(folder)
    config, counters = read_json(folder / "config.json"), read_json(folder / "state.json")
    settings, spaces = Settings.from_dict(config["settings"]), Spaces.from_dict(config["spaces"])
    if device is None and settings.device == "cuda" and not torch.cuda.is_available():
        device = "cpu"  # trained elsewhere
    if device is not None:
        settings = settings.override(device=device)
    state = TrainState.fresh(settings, spaces)
    try:
        state.model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
        _restore_learning(state, safetensors.torch.load_file(folder / "optimizer.safetensors"))
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{folder} does not fit its own config.json: {error}") from error
    _restore_counters(state, counters)
    return state, settings, spaces


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


def _counters(state: TrainState) -> dict[str, Any]:
    e = state.episodes
    return {
        "format_version": FORMAT_VERSION,
        "env_steps": state.env_steps,
        "iteration": state.iteration,
        "schedule_start": state.schedule_start,
        "schedule_end": state.schedule_end,
        "elapsed": state.elapsed,
        "episodes": {
            "returns": list(e.returns),
            "lengths": list(e.lengths),
            "successes": list(e.successes),
        },
    }


def _restore_counters(state: TrainState, data: dict[str, Any]) -> None:
    for name in ("env_steps", "iteration", "schedule_start", "schedule_end", "elapsed"):
        setattr(state, name, data[name])
    e = data["episodes"]
    windows: dict[str, Any] = {name: deque(e[name], maxlen=WINDOW) for name in ("returns", "lengths", "successes")}
    state.episodes = Episodes(**windows)


def _learning_tensors(state: TrainState) -> dict[str, Tensor]:
    """Adam's state by parameter name, and the generators' states."""
    names = {id(p): name for name, p in state.model.named_parameters()}
    tensors = {
        f"adam/{names[id(p)]}/{key}": value
        for p, slots in state.optimizer.state.items()
        for key, value in slots.items()
    }
    return tensors | {f"generator/{name}": getattr(state.generators, name).get_state() for name in GENERATORS}


GENERATORS = ("option", "action", "batch")


def _restore_learning(state: TrainState, tensors: dict[str, Tensor]) -> None:
    params = dict(state.model.named_parameters())
    for name, value in tensors.items():
        if name.startswith("adam/"):
            param = params[name.split("/")[1]]
            key = name.split("/")[2]  # the fused Adam keeps its step count on the device as well
            state.optimizer.state[param][key] = value.to(param.device)
    for name in GENERATORS:
        generator: torch.Generator = getattr(state.generators, name)
        saved = tensors[f"generator/{name}"]
        if saved.shape == generator.get_state().shape:  # a generator of another device starts anew
            generator.set_state(saved)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}


def _swap(new: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fingerprint(path: Path) -> dict[str, str | int]:
    """What manifest.json says of a file."""
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def write_json(path: Path, data: Any) -> None:
    """Write JSON for people, indented and strictly standard; the file is there in full or as it was."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError if it is missing or is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data
