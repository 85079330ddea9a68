"""The run folder: settings, versions, metrics and checkpoints of one training."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import safetensors.torch

from option_critic.card import FILE as CARD
from option_critic.card import MARK, MAX_CARD
from option_critic.cores import usable_cores
from option_critic.errors import RunError
from option_critic.options.timeline import Episode, raster
from option_critic.records import Batch
from option_critic.runs import checkpoint, replay_files
from option_critic.runs.files import check_writable, read_json, write_json, writing
from option_critic.runs.handles import reason
from option_critic.runs.inventory import BEST, config_or_copy, is_better, position, prune
from option_critic.runs.locks import RunFolderError, figures, locked
from option_critic.runs.logs import LineLog, forget_after, read_log
from option_critic.runs.manifest import standing
from option_critic.runs.paths import BESIDE, CheckpointError, RunPath
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.state import TrainState
from option_critic.transitions import Transitions

PACKAGES = ("option-critic", "torch", "numpy", "gymnasium", "metaworld", "mujoco", "envpool")


WRITTEN = (
    "checkpoints", "replay", "metrics.jsonl", "timing.jsonl", "alarms.jsonl", "tensorboard", "evaluation.json",
    "diagnosis.json", "skills", "traces", "played", "pictures", "videos", "report.html", "dump",
    "versions.json", "config.json",
)  # fmt: skip
"""What a run folder holds. Deleted in this order: what is half deleted is still a run."""
LOGS = ("metrics.jsonl", "timing.jsonl", "alarms.jsonl")
TIMING = (
    "time/time_elapsed", "time/fps", "time/env_seconds", "time/collect_seconds", "time/improve_seconds",
    "time/evaluate_seconds", "time/peak_memory",
)  # fmt: skip
"""Metrics of the clock. They have a file of their own, so that all else is the same in every repetition."""


class Run:
    """A run folder that is being written, by one process at a time. Nothing is written outside of it.

    A new one is written to only when its first iteration is done: what fails at its start leaves no trace.
    """

    def __init__(
        self,
        folder: str | Path | RunPath,
        settings: Settings,
        spaces: Spaces,
        overwrite: bool = False,
        lock: ExitStack | None = None,
        after: int = 0,
    ) -> None:
        """Check `folder`, for a new run; or go on, after so many environment steps, with the one that `lock` holds.

        Raises InputError if a run is there already and `overwrite` is not set, or if it cannot be written,
        or if another process is writing to it.
        """
        self.folder, self.settings, self.spaces, self.overwrite = RunPath.of(folder), settings, spaces, overwrite
        if lock is None:
            check_free(self.folder, overwrite)
        check_writable(self.folder.base)
        self.logs = [LineLog(self.folder / name) for name in LOGS]
        self.metrics, self.timing, self.alarms = self.logs
        self.told = False
        self.goes_on = lock is not None
        self.held: ExitStack | None = None
        if lock is not None:
            with writing(self.folder):
                self.held = self.begin(lock, after)

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self.held is not None

    def begin(self, lock: ExitStack | None = None, after: int = 0) -> ExitStack:
        """Create the folder, or tidy it, for this process alone, and open the logs. Raises RunError."""
        with writing(self.folder), ExitStack() as held:
            if lock is None:
                self.folder.make()
                held.enter_context(locked(self.folder))
                self._create()
            else:
                held.push(lock.pop_all())
                self._tidy(after)
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only runs need it

            board = self.folder / "tensorboard"
            board.make()
            name, purged = held.enter_context(board.held()), after + 1 if self.goes_on else None
            try:
                writer = SummaryWriter(name, flush_secs=30, purge_step=purged)
            except RuntimeError as error:  # it writes in a thread of its own
                raise RunError(f"TensorBoard's log in {self.folder} cannot be opened: {error}; raise the limit of "
                               "processes and threads (ulimit -u), or end some others") from error  # fmt: skip
            self.board = held.enter_context(writer)
            return held.pop_all()

    def _create(self) -> None:
        check_free(self.folder, self.overwrite)
        if (self.folder / "config.json").kind() != "none":
            clear(self.folder)
        self._sweep()
        for log in self.logs:
            with log.path.appending():  # what stands in its way is told before anything is trained
                pass
        write_json(self.folder / "versions.json", versions())
        checkpoint.save_skills(self.folder, self.settings)
        write_json(self.folder / "config.json", checkpoint.configuration(self.settings, self.spaces))

    def _tidy(self, steps: int) -> None:
        """Back to the boundary after `steps`: later lines and what was only half written go, what is damaged is said
        and mended from the copies."""
        damaged = {log.path.name: forget_after(log.path, steps) for log in self.logs}
        for name, count in damaged.items():
            if count:
                warnings.warn(f"{self.folder / name} had {count} damaged lines; they were dropped", stacklevel=4)
        self._sweep()
        _, damage = config_or_copy(self.folder)
        if damage:
            write_json(self.folder / "config.json", checkpoint.configuration(self.settings, self.spaces))

    def _sweep(self) -> None:
        """What a kill left half written in the run goes; the page may be being written at this moment."""
        folder = self.folder / "checkpoints"
        with figures(self.folder):
            here = {name: m["name"] for name in self.folder.names() if (m := BESIDE.fullmatch(name))}
            mine = [self.folder / name for name, meant in here.items() if meant in WRITTEN and meant != "report.html"]
            for left in [*mine, *(folder / name for name in folder.names() if BESIDE.fullmatch(name))]:
                self._settle(left)

    @staticmethod
    def _settle(left: RunPath) -> None:
        """What a kill left between two renames gets its name back, the rest goes."""
        found = BESIDE.fullmatch(left.name)
        assert found is not None
        meant = left.parent / found["name"]
        if found["what"] != "gone" and not found["name"].isdigit() and standing(meant) == left:
            left.rename(meant.name)
        else:
            left.remove()

    def log(self, metrics: dict[str, float]) -> None:
        """A line each of metrics.jsonl and timing.jsonl, and both for TensorBoard. What is not finite becomes null.

        A disk that is full does not end a training: the lines wait, and a warning says so, once.
        """
        self._open()
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self.metrics.add({n: v for n, v in finite.items() if n not in TIMING})
        self.timing.add({n: finite[n] for n in ("time/total_timesteps", *TIMING) if n in finite})
        for log in self.logs:  # also alarms that a full disk refused
            with self.going_on():
                log.flush()
        with self.going_on():
            for name, value in metrics.items():
                self.board.add_scalar(name, value, int(metrics["time/total_timesteps"]))

    def alarm(self, metrics: dict[str, float], raised: dict[str, str]) -> None:
        """A line of alarms.jsonl for each alarm that was raised."""
        for name, line in raised.items():
            self.alarms.add({"time/total_timesteps": metrics["time/total_timesteps"], "alarm": name, "says": line})
        if raised:
            with self.going_on():
                self.alarms.flush()

    def _open(self) -> None:
        if self.held is None:
            with writing(self.folder):
                self.held = self.begin()

    def past(self) -> list[dict[str, float]]:
        """The metrics that the run holds so far."""
        path = self.metrics.path
        rows = [] if path.kind() == "none" else read_log(path)[0]
        return [{name: x if isinstance(x, float) else math.nan for name, x in row.items()} for row in rows]

    def checkpoint(self, state: TrainState, name: str | None = None) -> RunPath:
        """Write a checkpoint: under its step, as a boundary, or under `name`.

        Raises WriteError if it cannot be written; a boundary with others to come is left out, with a warning, and so
        is one that nothing can go on from (`saved`, `best`).
        """
        folder = self.folder / "checkpoints" / (name or f"{state.env_steps:012d}")
        optional = name in ("saved", BEST) or (name is None and state.env_steps < state.schedule_end)
        self._open()
        with self.going_on() if optional else writing(folder):
            for log in self.logs:
                log.flush(durable=True)  # a boundary never outlives the lines before it
            if name is None and state.replay is not None:
                replay_files.keep(self.folder, state.replay)
            checkpoint.write(folder, state, self.settings, self.spaces)
            if name is None:
                prune(self.folder, self.settings.keep_checkpoints)
                replay_files.tidy(self.folder)
        return folder

    def keep_best(self, state: TrainState) -> None:
        """Write the checkpoint `best` where no evaluation of this run before was better. It stays until one is.

        What counts is in the checkpoint itself. So a run that goes on from an earlier boundary, and judges the same
        weights again, ends with the same one.
        """
        if is_better(state.evaluation, self.folder / "checkpoints" / BEST):
            self.checkpoint(state, BEST)

    def picture(self, episode: Episode | None, steps: int) -> None:
        """The options of an episode as an image for TensorBoard; of a single option there is nothing to see."""
        if self.held is None or episode is None or len(episode.names) == 1:
            return
        with self.going_on(), suppress(ImportError):  # without Pillow there are no images
            self.board.add_image("option/timeline", raster(episode), steps)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """What cannot be written here is told once, and the training goes on."""
        try:
            yield
        except (OSError, CheckpointError) as error:
            if not self.told:
                self.told = True
                warnings.warn(
                    f"{self.folder} cannot be written ({reason(error)}): the training goes on, what was saved before "
                    "is intact. Free some space before it ends.",
                    stacklevel=2,
                )

    def dump(self, batch: Batch | Transitions) -> RunPath:
        """Keep the rows on which the training broke down, to be looked at."""
        folder = self.folder / "dump"
        with writing(folder):
            self._open()
            (folder / "batch.safetensors").write(safetensors.torch.save(batch.tensors()))
        return folder

    def close(self) -> None:
        """Flush and close the logs, and let go of the folder."""
        with self.going_on():  # the last boundary was written or has said why not
            if self.held is not None:
                self.held.close()


def check_free(folder: RunPath, overwrite: bool) -> None:
    """Raise RunFolderError if `folder` holds a run that may not be replaced, or something else."""
    if (folder / "config.json").kind() == "none":
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


def clear(folder: RunPath) -> None:
    """Delete what a run writes, the card of what it held, and nothing else."""
    card = folder / CARD
    if card.kind() == "file" and MARK in card.read(MAX_CARD).decode(errors="replace"):
        card.remove()
    for name in WRITTEN:
        (folder / name).remove()


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
