"""Jobs on a Slurm cluster, by submitit: one of the scheduler's for each. Its folders are on shared storage."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.sweeps.jobs import Job, Outcome, performed

MOST = 500
"""Jobs that wait in the scheduler's queue at a time, where nothing is said."""


class SlurmJobs:
    """A core for each, and as many at a time as the scheduler lets run."""

    def __init__(
        self, out: RunPath, minutes: int = 1440, partition: str = "", jobs: int = 0, cluster: str = "slurm"
    ) -> None:
        """What submitit keeps lies in `out`/slurm. `minutes`: a job may take; `jobs`: that wait or run at a time;
        `cluster`: submitit's word for where. Raises InputError."""
        try:
            import submitit
        except ImportError as error:
            raise InputError('--on slurm needs submitit: pip install "option-critic[slurm]"') from error
        try:
            executor = submitit.AutoExecutor(folder=str(out.path.absolute() / "slurm"), cluster=cluster)
        except RuntimeError as error:
            raise InputError(f"there is no Slurm here ({error!s:.200}); give the command where sbatch is") from error
        more = {"slurm_partition": partition} if partition else {}
        executor.update_parameters(timeout_min=minutes, cpus_per_task=1, name="option-critic", **more)
        self.executor, self.places = executor, jobs or MOST
        self.at_work: dict[Job, Any] = {}
        self.stopped: list[tuple[Job, Outcome]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Take back what waits or runs: the scheduler sends SIGTERM, at which trainings save."""
        for job, handle in self.at_work.items():
            with suppress(Exception):  # it may have ended at this moment
                handle.cancel()
            self.stopped.append((job, Outcome("interrupted")))
        self.at_work.clear()

    def running(self) -> list[Job]:
        """What was handed to the scheduler."""
        return list(self.at_work)

    def start(self, job: Job) -> None:
        """Hand it to the scheduler."""
        self.at_work[job] = self.executor.submit(performed, job, 0.0, list(sys.path))

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Those of which the scheduler has an answer."""
        time.sleep(seconds)
        found = [(job, outcome_of(handle)) for job, handle in self.at_work.items() if handle.done()]
        for job, _ in found:
            del self.at_work[job]
        return found


def outcome_of(handle: Any) -> Outcome:
    """What a job of the scheduler's answered."""
    try:
        outcome: Outcome = handle.result()
    except Exception as error:  # submitit's own, of many kinds: it was killed, its machine died, it took too long
        return Outcome("failed", f"the scheduler ended it: {str(error).splitlines()[0]:.200}")
    return outcome
