"""The boundaries of a run: scheduled checkpoints, from which a training can go on as if it had never stopped.

Only these count here: `interrupted` and `saved` hold weights to look at, between two boundaries.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from option_critic.training.folders import (
    CheckpointError,
    best,
    check_format,
    listing,
    newest_whole,
    read_json,
)


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
    except (CheckpointError, KeyError, TypeError, ValueError):
        return None
    return 0, total
