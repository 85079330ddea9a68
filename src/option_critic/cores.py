"""Processor cores that this process may use: a container or an affinity gives fewer than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

CORES = "OPTION_CRITIC_CORES"
"""Environment variable: cores that a scheduler has given this process without tying it to any."""


def usable_cores(system: Path = Path("/")) -> int:
    """Cores of the affinity (taskset, cpusets), or of the quota (`docker --cpus`) or OPTION_CRITIC_CORES if that is
    less; 1 at least."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get(CORES, "")
    given = int(told) if told.isdigit() else math.inf
    return max(1, math.ceil(min(allowed, quota(system), given)))


def share_of(cores: Sequence[int], i: int, count: int) -> Sequence[int]:
    """The cores of the i-th of so many processes: they share them where there are fewer."""
    return cores[i::count] or cores[i % len(cores) : i % len(cores) + 1] if cores else cores


def take_share(i: int, count: int) -> None:
    """Tie this process to its share of the cores, as the i-th of so many on this machine."""
    usable = usable_cores()
    if hasattr(os, "sched_getaffinity"):
        os.sched_setaffinity(0, share_of(sorted(os.sched_getaffinity(0)), i, count))
    os.environ[CORES] = str(max(1, usable // count))  # a quota is shared, too


@cache
def quota(system: Path) -> float:
    """Cores' worth of time that Linux's control groups give this process; infinite where they set no limit.

    A group has no more than those around it, so all from its own up to the root are read. In a container its
    path may be that of the machine outside; then the root is its own.
    """
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return math.inf
    limits = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = system / "sys/fs/cgroup" / ("cpu" if controllers else "")  # version 1 has a tree per controller
        group = root / path.lstrip("/")
        limits += [limit(g) for g in (group, *group.parents) if g.is_relative_to(root)]
    return min(limits)


def limit(group: Path) -> float:
    """Cores of one control group, version 2 or 1; infinite where it sets none or says nothing."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            time, period = " ".join((group / name).read_text() for name in names).split()
            return float(time) / float(period) if float(time) > 0 else math.inf
        except (OSError, ValueError, ZeroDivisionError):  # "max 100000": no limit
            continue
    return math.inf
