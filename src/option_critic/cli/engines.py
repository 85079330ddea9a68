"""Where many trainings run: the flags that `sweep` and `tune` share, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from option_critic.runs.paths import RunPath
from option_critic.sweeps.jobs import Engine
from option_critic.sweeps.processes import Processes
from option_critic.value_types import check_range


@dataclass(kw_only=True)
class EngineArgs:
    """Flags."""

    jobs: int = 0
    """At most so many at a time; 0: one per core, of this machine or of the cluster as it is now (on Slurm: 500). On
    this machine they share its cores."""
    on: Literal["here", "ray", "slurm"] = "here"
    """here: processes of this machine. ray: tasks of a Ray cluster. slurm: jobs of a Slurm cluster. The folder must
    then be on storage that all machines share."""
    address: str = ""
    """Of the Ray cluster. Default: what RAY_ADDRESS says, or this machine."""
    partition: str = ""
    """Of the Slurm cluster."""
    minutes: int = 1440
    """That a job of Slurm's may take. What it does not finish goes on with the same command."""


def engine_of(args: EngineArgs, out: RunPath) -> Engine:
    """What was asked for. Raises InputError where what it needs is not installed, or is not there."""
    check_range("--jobs", args.jobs, 0, 1024)
    if args.on == "ray":
        from option_critic.sweeps.on_ray import RayTasks

        return RayTasks(args.address, args.jobs)
    if args.on == "slurm":
        from option_critic.sweeps.on_slurm import SlurmJobs

        check_range("--minutes", args.minutes, 1, 1_000_000)
        return SlurmJobs(out, args.minutes, args.partition, args.jobs)
    return Processes(args.jobs)
