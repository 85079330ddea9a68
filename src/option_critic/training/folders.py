"""Which checkpoints there are and whether they are whole: what can be said of them without PyTorch."""

from __future__ import annotations

import hashlib
import json
import reprlib
import stat
import warnings
from pathlib import Path
from typing import Any

from option_critic.algorithms.settings import SETTINGS
from option_critic.checks import is_whole
from option_critic.errors import InputError

FORMAT_VERSION = 1
FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json")
"""Of every checkpoint; an algorithm may bring more (`files_of`)."""
MAX_JSON = 16 << 20
"""Bytes; what a run writes stays far below."""


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
    return isinstance(files, dict) and set(files) == set(files_of(folder))


def files_of(folder: Path) -> tuple[str, ...]:
    """The files that the checkpoint `folder` must hold, by the algorithm that its config.json names."""
    try:
        algorithm = read_json(folder / "config.json")["settings"]["algorithm"]
        brought = SETTINGS[algorithm].parts
    except (CheckpointError, KeyError, TypeError):
        return FILES  # what is wrong with it, its checksum or its content tells
    return (*FILES, *(f"{part}.safetensors" for part in brought))


def verify(folder: Path) -> None:
    """Raise CheckpointError, naming the file, unless every file is there and unchanged."""
    if folder.is_symlink():
        raise CheckpointError(f"{folder} is a link; give the folder itself, or copy what it leads to")
    manifest = read_json(folder / "manifest.json")
    try:
        check_format(folder / "manifest.json", manifest)
    except FormatError:
        if _version(folder / "config.json") == FORMAT_VERSION:
            raise CheckpointError(f"{folder / 'manifest.json'} is damaged: config.json has another format") from None
        raise
    files, names = manifest.get("files"), files_of(folder)
    if not isinstance(files, dict) or not all(isinstance(files.get(name), dict) for name in names):
        raise CheckpointError(f"{folder / 'manifest.json'} is damaged")
    for name in names:
        if not _matches(folder / name, files[name]):
            raise CheckpointError(f"{folder / name} is damaged: its checksum is not the one in manifest.json")


def _matches(path: Path, entry: dict[str, Any]) -> bool:
    """Whether a file is as the manifest says. Sizes come first, so that a file of another size is not read."""
    if size_of(path) != entry.get("bytes"):
        return False
    try:
        return entry == fingerprint(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def check_format(path: Path, data: dict[str, Any]) -> None:
    """Raise unless `data`, which was read from `path`, is of the format that this version reads."""
    version = data.get("format_version")
    if not is_whole(version):
        raise CheckpointError(f"{path} is damaged, or of something else: it names no format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {reprlib.repr(version)}; this option-critic reads {FORMAT_VERSION}. "
            "Use the version that wrote it (versions.json), or a newer one."
        )


def _version(path: Path) -> Any:
    try:
        return read_json(path).get("format_version")
    except CheckpointError:
        return None


def find(path: Path, checkpoint: str | int | None = None) -> Path:
    """The checkpoint folder to load from `path`: a saved agent, or a run folder.

    In a run: the last one that verifies (a damaged one is skipped with a warning), or the one named
    by its step, as `interrupted` or `saved`, or as `best` (by its training episodes). Raises CheckpointError.
    """
    if (path / "manifest.json").is_file() and checkpoint is None:
        return path
    if (path / "config.json").is_file():
        check_format(path / "config.json", read_json(path / "config.json"))
    if (path / "checkpoints").is_symlink():
        raise CheckpointError(f"{path / 'checkpoints'} is a link; put the folder that it leads to in its place")
    there = listing(path / "checkpoints")
    if checkpoint is None:
        return _last_whole(path, there)
    if checkpoint == "best":
        checkpoint = winner.name if (winner := best(there)) else "best"
    name = str(checkpoint).lstrip("0").zfill(12) if str(checkpoint).isdigit() else str(checkpoint)
    if name not in (p.name for p in there):  # one of the list, never a path
        names = ", ".join(p.name.lstrip("0") for p in there) or "none"
        raise CheckpointError(f"{path} has no checkpoint {checkpoint!s:.80}; it has: {names}")
    verify(path / "checkpoints" / name)
    return path / "checkpoints" / name


def _last_whole(path: Path, there: list[Path]) -> Path:
    found, damaged = newest_whole(there)
    if found is not None:
        for message in damaged:
            warnings.warn(f"{message}. Using the checkpoint before it.", stacklevel=3)
        return found
    if damaged:
        raise CheckpointError(f"{path} has no checkpoint that is whole: {damaged[0]}")
    raise CheckpointError(
        f"{path} is neither a saved agent nor a run folder with a checkpoint; `option-critic list` names the runs"
    )


def newest_whole(folders: list[Path]) -> tuple[Path | None, list[str]]:
    """The last that verifies, and what is wrong with those after it. Raises FormatError for another format."""
    damaged: list[str] = []
    for folder in reversed(folders):
        try:
            verify(folder)
        except FormatError:
            raise
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            return folder, damaged
    return None, damaged


def best(folders: list[Path]) -> Path | None:
    """The checkpoint with the highest score; of equals the last. None where no episode had ended at any."""
    scored = [(s, steps_of(p), p) for p in folders if (s := score(p)) is not None]
    return max(scored)[2] if scored else None


def score(checkpoint: Path) -> tuple[float, float] | None:
    """Mean success (0 where the task has no such thing) and mean return of recent training episodes."""
    try:
        episodes = read_json(checkpoint / "state.json")["episodes"]
        returns, successes = episodes["returns"], episodes["successes"]  # 0 where the task tells nothing
        return (sum(successes) / len(successes) if successes else 0.0), sum(returns) / len(returns)
    except (CheckpointError, KeyError, TypeError, ZeroDivisionError):
        return None


def listing(root: Path) -> list[Path]:
    """All checkpoints of a run, by step; `interrupted` (if there) stands where its step says."""
    if not root.is_dir():
        return []
    return sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")), key=steps_of)


def steps_of(folder: Path) -> int:
    """Environment steps of a checkpoint; -1 where it does not say."""
    if folder.name.isdecimal():
        return int(folder.name)
    try:
        steps = read_json(folder / "state.json").get("env_steps")
    except CheckpointError:
        return -1
    return steps if isinstance(steps, int) else -1


def size_of(path: Path) -> int:
    """Bytes of an ordinary file. Raises CheckpointError for none, and for a link, a folder, a pipe or a device."""
    try:
        found = path.lstat()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if stat.S_ISLNK(found.st_mode):
        raise CheckpointError(f"{path} is a link; put a copy of the file that it leads to in its place")
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is no ordinary file")
    return found.st_size


def fingerprint(path: Path) -> dict[str, str | int]:
    """What manifest.json says of a file; read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return {"sha256": digest.hexdigest(), "bytes": file.tell()}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError if it is missing, too large to be one of ours, or is none."""
    if size_of(path) > MAX_JSON:
        raise CheckpointError(f"{path} is larger than {MAX_JSON >> 20} MB, which no file of a run is; move it away")
    try:
        data = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
