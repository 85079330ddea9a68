"""The run folder: settings, versions, metrics and checkpoints of one training."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import safetensors.torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from option_critic.cores import usable_cores
from option_critic.errors import InputError, RunError
from option_critic.options.timeline import Episode, raster
from option_critic.records import Batch
from option_critic.runs import checkpoint
from option_critic.runs.files import check_writable, read_json, reason, write_json, writing
from option_critic.runs.inventory import position, prune
from option_critic.runs.logs import LineLog, forget_after
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.state import TrainState

PACKAGES = ("option-critic", "torch", "numpy", "gymnasium", "metaworld", "mujoco", "envpool")


WRITTEN = (
    "checkpoints", "metrics.jsonl", "timing.jsonl", "alarms.jsonl", "tensorboard", "evaluation.json",
    "diagnosis.json", "traces", "pictures", "videos", "report.html", "dump", "versions.json", "config.json",
)  # fmt: skip
"""What a run folder holds. Deleted in this order: what is half deleted is still a run."""
TIMING = ("time/time_elapsed", "time/fps", "time/env_seconds", "time/collect_seconds", "time/improve_seconds")
"""Metrics of the clock. They have a file of their own, so that all else is the same in every repetition."""


class RunFolderError(InputError):
    """A run folder cannot be used as asked."""


class Run:
    """A run folder that is being written, by one process at a time. Nothing is written outside of it.

    A new one is written to only when its first iteration is done: what fails at its start leaves no trace.
    """

    def __init__(
        self, folder: Path, settings: Settings, spaces: Spaces, overwrite: bool = False, after: int | None = None
    ) -> None:
        """Check `folder`; with `after`, go on in the run that is there after so many environment steps.

        Raises InputError if a run is there already and `overwrite` is not set, or if it cannot be written,
        or if another process is writing to it.
        """
        if after is None:
            check_free(folder, overwrite)
        check_writable(folder)
        self.folder, self.settings, self.spaces, self.overwrite, self.after = folder, settings, spaces, overwrite, after
        self.metrics, self.timing = LineLog(folder / "metrics.jsonl"), LineLog(folder / "timing.jsonl")
        self.alarms = LineLog(folder / "alarms.jsonl")
        self.told = False
        self.open_logs: ExitStack | None = None
        if after is not None:
            self.open_logs = self.begin()

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self.open_logs is not None

    def begin(self) -> ExitStack:
        """Take the folder for this process, create or tidy it, and open the logs. Raises RunError."""
        logs = ExitStack()
        with writing(self.folder), logs:
            self.folder.mkdir(parents=True, exist_ok=True)
            logs.enter_context(locked(self.folder))
            if self.after is None:
                self._create()
            else:
                self._tidy(self.after)
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only runs need it

            purged = None if self.after is None else self.after + 1
            try:
                board = SummaryWriter(str(self.folder / "tensorboard"), flush_secs=30, purge_step=purged)
            except RuntimeError as error:  # it writes in a thread of its own
                raise RunError(f"TensorBoard's log in {self.folder} cannot be opened: {error}; raise the limit of "
                               "processes and threads (ulimit -u), or end some others") from error  # fmt: skip
            self.board = logs.enter_context(board)
            return logs.pop_all()

    def _create(self) -> None:
        check_free(self.folder, self.overwrite)
        if (self.folder / "config.json").exists():
            clear(self.folder)
        write_json(self.folder / "versions.json", versions())
        write_json(self.folder / "config.json", checkpoint.configuration(self.settings, self.spaces))

    def _tidy(self, steps: int) -> None:
        """Back to the boundary after `steps`: later lines and what was only half written go."""
        for log in (self.metrics, self.timing, self.alarms):
            forget_after(log.path, steps)
        for rest in (self.folder / "checkpoints").glob(".*.*-*"):
            shutil.rmtree(rest, ignore_errors=True)

    def log(self, metrics: dict[str, float]) -> None:
        """A line each of metrics.jsonl and timing.jsonl, and both for TensorBoard. What is not finite becomes null.

        A disk that is full does not end a training: the lines wait, and a warning says so, once.
        """
        if self.open_logs is None:
            with writing(self.folder):
                self.open_logs = self.begin()
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.metrics.add({n: v for n, v in finite.items() if n not in TIMING})
        self.timing.add({n: finite[n] for n in ("time/total_timesteps", *TIMING)})
        with self.going_on():
            self.metrics.flush()
            self.timing.flush()
            for name, value in metrics.items():
                self.board.add_scalar(name, value, int(metrics["time/total_timesteps"]))

    def alarm(self, metrics: dict[str, float], raised: dict[str, str]) -> None:
        """A line of alarms.jsonl for each alarm that was raised."""
        for name, line in raised.items():
            self.alarms.add({"time/total_timesteps": metrics["time/total_timesteps"], "alarm": name, "says": line})
        if raised:
            with self.going_on():
                self.alarms.flush()

    def past(self) -> list[dict[str, float]]:
        """The metrics that the run holds so far."""
        path = self.metrics.path
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def checkpoint(self, state: TrainState, name: str | None = None) -> Path:
        """Write a checkpoint: under its step, as a boundary, or under `name`.

        Raises WriteError if it cannot be written; a boundary with others to come is left out, with a warning.
        """
        folder = self.folder / "checkpoints" / (name or f"{state.env_steps:012d}")
        others_come = name is None and state.env_steps < state.schedule_end
        if self.open_logs is None:
            with writing(self.folder):
                self.open_logs = self.begin()
        with self.going_on() if others_come else writing(folder):
            self.metrics.flush(durable=True)  # a boundary never outlives the lines before it
            self.timing.flush(durable=True)
            checkpoint.write(folder, state, self.settings, self.spaces)
            if name is None:
                prune(self.folder, self.settings.keep_checkpoints)
        return folder

    def picture(self, episode: Episode | None, steps: int) -> None:
        """The options of an episode as an image for TensorBoard; of a single option there is nothing to see."""
        if self.open_logs is None or episode is None or len(episode.names) == 1:
            return
        with self.going_on(), suppress(ImportError):  # without Pillow there are no images
            self.board.add_image("option/timeline", raster(episode), steps)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """What cannot be written here is told once, and the training goes on."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            if not self.told:
                self.told = True
                warnings.warn(
                    f"{self.folder} cannot be written ({reason(error)}): the training goes on, what was saved before "
                    "is intact. Free some space before it ends.",
                    stacklevel=2,
                )

    def dump(self, batch: Batch) -> Path:
        """Keep the rows on which the training broke down, to be looked at."""
        folder = self.folder / "dump"
        with writing(folder):
            self.open_logs = self.open_logs or self.begin()
            folder.mkdir(exist_ok=True)
            safetensors.torch.save_file(batch.tensors(), folder / "batch.safetensors")
        return folder

    def close(self) -> None:
        """Flush and close the logs, and let go of the folder."""
        with self.going_on():  # the last boundary was written or has said why not
            if self.open_logs is not None:
                self.open_logs.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run for this process. The system frees the lock when its holder ends, however it ends."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(
            f"{folder} is being written by another process; wait for it, stop it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise RunFolderError if `folder` holds a run that may not be replaced, or something else."""
    if not (folder / "config.json").exists():
        return
    if "format_version" not in read_json(folder / "config.json"):
        raise RunFolderError(f"{folder} holds a config.json of something else; choose another --out")
    if overwrite:
        return
    where = position(folder)
    if where is not None and where[0] < where[1]:
        raise RunFolderError(
            f"{folder} holds a run that stopped ({where[0]:,} of {where[1]:,} steps are safe): "
            f"`option-critic resume {folder}` goes on with it, --overwrite starts anew"
        )
    raise RunFolderError(f"{folder} already holds a run; choose another --out, or pass --overwrite")


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
    found = {"python": platform.python_version(), "processors": str(usable_cores())}
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
