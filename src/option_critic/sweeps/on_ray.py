"""Jobs on a Ray cluster: a task each, wherever there is room. Its machines must share the storage of their folders."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from types import TracebackType
from typing import Any, Self

from option_critic.cores import CORES
from option_critic.errors import InputError
from option_critic.sweeps.jobs import Job, Outcome, performed

PATIENCE = 120.0
"""Seconds in which what was stopped has to save, and what went down with its machine has to let go of its lock."""
DEATHS = 20
"""Processes that a job may lose before it counts as failed: a machine is to blame for one, the job for many."""


def in_task(job: Job, path: list[str], patience: float) -> Outcome:
    """Do a job in a process of Ray's, which is there for it alone. `path`: where modules are found."""
    os.environ[CORES] = "1"
    return performed(job, patience, path)


class RayTasks:
    """A core for each. A task whose machine dies is started again on another, and goes on from its last boundary."""

    def __init__(self, address: str = "", jobs: int = 0) -> None:
        """`address`: of a cluster; empty: what RAY_ADDRESS says, or this machine. `jobs`: at a time; 0: one per core
        that the cluster has. Raises InputError."""
        try:
            import ray
        except ImportError as error:
            raise InputError('--on ray needs Ray: pip install "option-critic[ray]"') from error
        try:
            ray.init(
                address=address or None, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"there is no Ray cluster at {address or 'this machine'}: {error!s:.200}") from error
        self.ray: Any = ray
        self.jobs = jobs
        # it is started again here and not by Ray, which does so at once, and where a job kills its process for ever
        self.task = ray.remote(num_cpus=1, max_retries=0, max_calls=1)(in_task)
        self.at_work: dict[Job, Any] = {}
        self.deaths: Counter[Job] = Counter()
        self.stopped: list[tuple[Job, Outcome]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Tell all that run to stop, and wait until they have saved."""
        for ref in self.at_work.values():
            self.ray.cancel(ref)
        if self.at_work:
            self.ray.wait(list(self.at_work.values()), num_returns=len(self.at_work), timeout=PATIENCE)
        self.stopped = [(job, Outcome("interrupted")) for job in self.at_work]
        self.at_work.clear()

    @property
    def places(self) -> int:
        """So many as were asked for, or the cores of the cluster as it is now."""
        return self.jobs or max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def running(self) -> list[Job]:
        """What was handed to Ray."""
        return list(self.at_work)

    def start(self, job: Job) -> None:
        """Hand it to Ray."""
        self.at_work[job] = self.task.remote(job, sys.path, PATIENCE if self.deaths[job] else 0.0)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Those of which Ray has an answer."""
        jobs = {ref: job for job, ref in self.at_work.items()}
        ready, _ = self.ray.wait(list(jobs), num_returns=1, timeout=seconds)
        found = []
        for ref in ready:
            job = jobs[ref]
            del self.at_work[job]
            outcome = self._outcome(job, ref)
            if outcome is None:
                self.start(job)
            else:
                found.append((job, outcome))
        return found

    def _outcome(self, job: Job, ref: Any) -> Outcome | None:
        """What a task answered; None: it is to be started again, its process is gone and most likely its machine."""
        errors = self.ray.exceptions
        try:
            outcome: Outcome = self.ray.get(ref)
        except errors.TaskCancelledError:
            return Outcome("interrupted")
        except errors.RayTaskError as error:
            return Outcome("failed", f"Ray could not run it: {str(error).splitlines()[-1]:.200}")
        except errors.RayError as error:
            self.deaths[job] += 1
            reason = str(error).splitlines()[0]
            return (
                Outcome("failed", f"{DEATHS} processes died of it: {reason:.200}")
                if self.deaths[job] >= DEATHS
                else None
            )
        return outcome
