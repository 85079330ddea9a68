"""Which runs and checkpoints there are, and whether they are whole: what can be said of them without PyTorch.

The boundaries of a run are its scheduled checkpoints, from which a training can go on as if it had never stopped.
`interrupted` and `saved` hold weights to look at, between two boundaries.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from option_critic.algorithms.settings import SETTINGS
from option_critic.runs.files import (
    FORMAT_VERSION,
    CheckpointError,
    FormatError,
    check_format,
    fingerprint,
    read_json,
    size_of,
)
from option_critic.value_types import shown

FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json")
"""Of every checkpoint; an algorithm may bring more (`files_of`)."""


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
    if not isinstance(checkpoint, str) and abs(checkpoint) >= 10**18:
        checkpoint = shown(checkpoint)  # Python writes no number of any length
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
    except (CheckpointError, KeyError, TypeError, ZeroDivisionError, OverflowError):
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


def read_config(run: Path) -> dict[str, Any]:
    """config.json of a run folder. Raises CheckpointError where there is none, or of another format."""
    path = run / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{run} is no run folder; `option-critic list` names the runs")
    config = read_json(path)
    check_format(path, config)
    return config


def runs_in(path: Path) -> list[Path]:
    """The run folder `path`, or the run folders in it. Raises CheckpointError where there is none."""
    if (path / "config.json").is_file():
        return [path]
    found = sorted(p.parent for p in path.glob("*/config.json"))
    if not found:
        raise CheckpointError(f"{path} is no run folder and holds none; `option-critic list` names the runs")
    return found


def boundaries(run: Path) -> list[Path]:
    """The scheduled checkpoints of a run folder, by step; whole or not."""
    return [p for p in listing(run / "checkpoints") if p.name.isdigit()]


def last_whole(run: Path) -> Path | None:
    """The last boundary that verifies; those that do not are named in a warning. None where there is none.

    Raises FormatError for a boundary of a format that this version does not read.
    """
    found, damaged = newest_whole(boundaries(run))
    instead = "Using the checkpoint before it" if found else "Starting from the beginning"
    for message in damaged:
        warnings.warn(f"{message}. {instead}.", stacklevel=3)
    return found


def prune(run: Path, keep: int) -> None:
    """Delete boundaries but for the last `keep` and the best; 0 keeps all.

    They lose their names first: what is killed while it deletes leaves no half of a boundary behind.
    """
    spared = {best(boundaries(run))}
    for folder in boundaries(run)[:-keep] if keep else []:
        if folder not in spared:
            gone = folder.with_name(f".{folder.name}.gone-{os.getpid()}")
            with contextlib.suppress(OSError):
                folder.rename(gone)
                shutil.rmtree(gone)


def position(run: Path) -> tuple[int, int] | None:
    """(steps at the last boundary, steps at the end of the training); None where `run` is no run.

    What state.json and config.json say, unverified: for messages and lists.
    """
    try:
        total = int(read_json(run / "config.json")["settings"]["total_timesteps"])
        for folder in reversed(boundaries(run)):
            state = read_json(folder / "state.json")
            return int(state["env_steps"]), int(state["schedule_end"])
    except (CheckpointError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return 0, total
