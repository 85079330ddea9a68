"""Trackers of experiments: metrics by their names as they are, and the page at the end.

Each writes on this machine, where it usually does, unless the user has told the tracker itself to do otherwise
(TRACKIO_SPACE_ID, WANDB_MODE=online, MLFLOW_TRACKING_URI). A tracker that fails ends no training.
"""

from __future__ import annotations

import io
import math
import os
import re
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from option_critic.callbacks import Callback
from option_critic.errors import InputError, RunError

Kind = Literal["trackio", "wandb", "mlflow"]
STEPS = "time/total_timesteps"
MOST_PARAMS = 100
"""That MLflow takes at once."""


class Tracker(Protocol):
    """What is needed of a tracker. One of your own that has these can be handed to `Tracked`."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Finite metrics by their names, after so many environment steps."""

    def attach(self, page: Path) -> None:
        """Keep a page (HTML) with the run, where that can be."""

    def finish(self) -> None:
        """Nothing more will come."""


class Trackio:
    """https://huggingface.co/docs/trackio: a local database (TRACKIO_DIR), seen with `trackio show`."""

    def __init__(self, project: str, name: str, settings: Mapping[str, Any]) -> None:
        trackio: Any = import_module("trackio")

        quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
        with redirect_stdout(io.StringIO()):
            self.run = trackio.init(project=project, name=name, config=dict(settings), resume="allow", **quiet)
        self.end = trackio.finish

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """A row."""
        self.run.log(dict(metrics), step=step)

    def attach(self, page: Path) -> None:
        """As an artifact; older versions have none."""
        if hasattr(self.run, "log_artifact"):
            with redirect_stdout(io.StringIO()):
                self.run.log_artifact(str(page), name="page")

    def finish(self) -> None:
        """Write what waits."""
        with redirect_stdout(io.StringIO()):
            self.end()


class WeightsAndBiases:
    """https://docs.wandb.ai: offline, in `wandb/` here, unless WANDB_MODE says otherwise; `wandb sync` uploads."""

    def __init__(self, project: str, name: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is loaded
        wandb: Any = import_module("wandb")

        self.html, mode = wandb.Html, os.environ.get("WANDB_MODE", "offline")
        quiet = wandb.Settings(silent=True, console="off")
        self.run = wandb.init(project=project, name=name, config=dict(settings), mode=mode, settings=quiet)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """A row."""
        self.run.log(dict(metrics), step=step)

    def attach(self, page: Path) -> None:
        """As a panel."""
        self.run.log({"page": self.html(str(page), inject=False)})

    def finish(self) -> None:
        """Write what waits."""
        self.run.finish()


class MLflow:
    """https://mlflow.org/docs: in `mlflow.db` and `mlruns/` here, unless MLFLOW_TRACKING_URI says otherwise."""

    def __init__(self, project: str, name: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is loaded
        mlflow: Any = import_module("mlflow")
        self.client, self.metric = mlflow.MlflowClient(), mlflow.entities.Metric
        there = self.client.get_experiment_by_name(project)
        experiment = self.client.create_experiment(project) if there is None else there.experiment_id
        self.id = self.client.create_run(experiment, run_name=name).info.run_id
        params = [mlflow.entities.Param(key, str(value)[:500]) for key, value in settings.items()]
        for i in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.id, params=params[i : i + MOST_PARAMS])

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """A row. In names MLflow takes letters, digits and a few signs; others become _."""
        names = {re.sub(r"[^\w./ -]", "_", name): value for name, value in metrics.items()}
        self.client.log_batch(self.id, metrics=[self.metric(name, x, 0, step) for name, x in names.items()])

    def attach(self, page: Path) -> None:
        """As an artifact."""
        self.client.log_artifact(self.id, str(page))

    def finish(self) -> None:
        """Say that it is done."""
        self.client.set_terminated(self.id)


TRACKERS: dict[Kind, type] = {"trackio": Trackio, "wandb": WeightsAndBiases, "mlflow": MLflow}


def check_installed(kind: Kind) -> None:
    """Raise InputError, before any work, where a tracker is not."""
    try:
        __import__(kind)
    except ImportError as error:
        raise InputError(f'--track {kind} needs {error.name}: pip install "option-critic[{kind}]"') from error


def begun(kind: Kind, project: str, name: str, settings: Mapping[str, Any]) -> Tracker:
    """A tracker's run `name` in a project. `settings`: what is told of it, nested or not. Raises RunError."""
    try:
        tracker: Tracker = TRACKERS[kind](re.sub(r"[^\w.-]", "-", project), name, flat(settings))
    except Exception as error:  # whatever a tracker raises
        raise RunError(f"{kind} cannot begin a run: {type(error).__name__}: {error}") from error
    return tracker


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their bare names, which are unique."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= value if isinstance(value, dict) and name != "env_kwargs" else {name: value}
    return found


class Tracked(Callback):
    """A callback that hands a tracker the metrics of each iteration. What fails is said once; the training goes on."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker: Tracker | None = tracker

    def on_iteration(self, agent: Any, metrics: dict[str, float]) -> None:
        """Those that are finite."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        self._ask("log", finite, int(metrics[STEPS]))

    def close(self, page: Path | None = None) -> None:
        """Attach the page, if there is one, and finish."""
        if page is not None:
            self._ask("attach", page)
        self._ask("finish")

    def _ask(self, what: str, *arguments: Any) -> None:
        if self.tracker is None:
            return
        try:
            getattr(self.tracker, what)(*arguments)
        except Exception as error:  # whatever a tracker raises
            name, self.tracker = type(self.tracker).__name__, None
            warnings.warn(f"{name} failed, and is told nothing more: {type(error).__name__}: {error}", stacklevel=3)
