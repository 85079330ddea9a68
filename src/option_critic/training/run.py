"""The run folder: settings, versions, metrics and checkpoints of one training."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

from option_critic.disk import check_writable, write_json, writing
from option_critic.errors import InputError
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training import checkpoint
from option_critic.training.folders import FORMAT_VERSION, read_json
from option_critic.training.state import TrainState

PACKAGES = ("option-critic", "torch", "numpy", "gymnasium", "metaworld", "mujoco", "envpool")


WRITTEN = ("config.json", "versions.json", "metrics.jsonl", "tensorboard", "checkpoints", "evaluation.json", "traces")
"""What a run folder holds."""


class RunFolderError(InputError):
    """A run folder cannot be used as asked."""


class Run:
    """A run folder that is being written. Nothing is written outside it, and nothing at all before the first
    iteration is done: what fails at its start leaves no trace."""

    def __init__(self, folder: Path, settings: Settings, spaces: Spaces, overwrite: bool = False) -> None:
        """Check `folder`. Raises InputError if a run is there already and `overwrite` is not set, or if it
        cannot be written."""
        check_free(folder, overwrite)
        check_writable(folder)
        self.folder, self.settings, self.spaces, self.overwrite = folder, settings, spaces, overwrite
        self.open_logs: ExitStack | None = None

    def begin(self) -> ExitStack:
        """Create the folder and open the logs."""
        check_free(self.folder, self.overwrite)
        if (self.folder / "config.json").exists():
            clear(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "format_version": FORMAT_VERSION,
            "settings": self.settings.to_dict(),
            "spaces": self.spaces.to_dict(),
        }
        write_json(self.folder / "config.json", config)
        write_json(self.folder / "versions.json", versions())
        from torch.utils.tensorboard import SummaryWriter  # slow to import, and only runs need it

        logs = ExitStack()
        self.metrics = logs.enter_context((self.folder / "metrics.jsonl").open("a", buffering=1))
        self.board = logs.enter_context(SummaryWriter(str(self.folder / "tensorboard"), flush_secs=30))
        return logs

    def log(self, metrics: dict[str, float]) -> None:
        """One line of metrics.jsonl, and the same for TensorBoard. What is not finite becomes null."""
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        step = int(metrics["time/total_timesteps"])
        with writing(self.folder):
            self.open_logs = self.open_logs or self.begin()
            self.metrics.write(json.dumps(finite) + "\n")
            for name, value in metrics.items():
                self.board.add_scalar(name, value, step)

    def checkpoint(self, state: TrainState, name: str | None = None) -> Path:
        """Write a checkpoint, under its step or under `name`."""
        folder = self.folder / "checkpoints" / (name or f"{state.env_steps:012d}")
        with writing(folder):
            self.open_logs = self.open_logs or self.begin()
            checkpoint.write(folder, state, self.settings, self.spaces)
        return folder

    def close(self) -> None:
        """Flush and close the logs."""
        with writing(self.folder):
            if self.open_logs is not None:
                self.open_logs.close()


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise RunFolderError if `folder` holds a run that may not be replaced, or something else."""
    if not (folder / "config.json").exists():
        return
    if not overwrite:
        raise RunFolderError(f"{folder} already holds a run; choose another --out, or pass --overwrite")
    if "format_version" not in read_json(folder / "config.json"):
        raise RunFolderError(f"{folder} holds a config.json of something else; choose another --out")


def clear(folder: Path) -> None:
    """Delete what a run writes, and nothing else."""
    for name in WRITTEN:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """What this run was made with."""
    found = {"python": platform.python_version(), "processors": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"commit": commit()}


def commit() -> str:
    """The commit of the checkout that this package runs from; `unknown` outside of one."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
