"""The boundaries of a run: scheduled checkpoints, from which a training can go on as if it had never stopped.

Only these count here: `interrupted` and `saved` hold weights to look at, between two boundaries.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from option_critic.training.folders import (
    CheckpointError,
    FormatError,
    check_format,
    listing,
    read_json,
    steps_of,
    verify,
)

Score = tuple[float, float]
"""Mean success and mean return of recent training episodes; success is 0 where the task has no such thing."""


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
    for folder in reversed(boundaries(run)):
        try:
            verify(folder)
        except FormatError:
            raise
        except CheckpointError as error:
            warnings.warn(f"{error}. Using the checkpoint before it.", stacklevel=3)
        else:
            return folder
    return None


def best(run: Path) -> Path | None:
    """The boundary with the highest score; of equals the last. None where no episode had ended at any."""
    scored = [(s, steps_of(p), p) for p in boundaries(run) if (s := score(p)) is not None]
    return max(scored)[2] if scored else None


def score(checkpoint: Path) -> Score | None:
    """How good the agent was, by its training episodes; None where it does not say."""
    try:
        episodes = read_json(checkpoint / "state.json")["episodes"]
        returns, successes = episodes["returns"], episodes["successes"]
        return (sum(successes) / len(successes) if successes else 0.0), sum(returns) / len(returns)
    except (CheckpointError, KeyError, TypeError, ZeroDivisionError):
        return None


def prune(run: Path, keep: int) -> None:
    """Delete boundaries but for the last `keep` and the best; 0 keeps all."""
    spared = {best(run)}
    for folder in boundaries(run)[:-keep] if keep else []:
        if folder not in spared:
            shutil.rmtree(folder, ignore_errors=True)


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
