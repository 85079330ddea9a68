"""Jobs on this machine: a process each, on cores of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from option_critic.cores import share_of, usable_cores
from option_critic.envs.orphans import safe_path, when_parent_dies
from option_critic.sweeps.jobs import Job, Outcome, performed
from option_critic.terminal import open_terminal

SPAWN = multiprocessing.get_context("spawn")
KILLED = "its process was killed (signal {}), as the system does where memory runs out; start the command again"


class Processes:
    """As many at a time as share the cores that this process may use."""

    def __init__(self, jobs: int = 0) -> None:
        """`jobs`: how many at a time; 0: one per core. Trainings side by side on a core each take no longer than one
        after the other on all of them."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.places = jobs or usable_cores()
        self.free: list[Sequence[int]] = [share_of(cores, i, self.places) for i in range(self.places)]
        self.at_work: dict[Job, tuple[Any, Connection, Sequence[int]]] = {}
        self.stopped: list[tuple[Job, Outcome]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Tell all that run to stop, and wait until they have saved. Who is interrupted here again kills them."""
        for process, *_ in self.at_work.values():
            process.terminate()
        try:
            for process, *_ in self.at_work.values():
                process.join()
        except BaseException:
            for process, *_ in self.at_work.values():
                process.kill()
            raise
        self.stopped = [self._outcome(job) for job in list(self.at_work)]

    def running(self) -> list[Job]:
        """What runs now."""
        return list(self.at_work)

    def start(self, job: Job) -> None:
        """Start a process for it."""
        cores, (reading, writing) = self.free.pop(0), SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=in_process, args=(job, cores, writing, os.getpid()))
        with safe_path():
            process.start()
        writing.close()
        self.at_work[job] = process, reading, cores

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Those whose process is gone."""
        wait([process.sentinel for process, *_ in self.at_work.values()], timeout=seconds)
        return [self._outcome(job) for job, (process, *_) in list(self.at_work.items()) if not process.is_alive()]

    def _outcome(self, job: Job) -> tuple[Job, Outcome]:
        process, reading, cores = self.at_work.pop(job)
        process.join()
        self.free.append(cores)
        with reading, suppress(EOFError, OSError):
            if reading.poll():
                return job, reading.recv()
        code = process.exitcode or 0
        if -code in (signal.SIGTERM, signal.SIGINT):  # before it could do anything
            return job, Outcome("interrupted")
        return job, Outcome("failed", KILLED.format(-code) if code < 0 else f"its process ended with exit code {code}")


def in_process(job: Job, cores: Sequence[int], writing: Connection, parent: int) -> None:
    """Do a job in a process that was started for it."""
    os.setpgrp()  # Ctrl-C goes to who started it, which tells it once: a second signal would end the saving
    when_parent_dies(signal.SIGTERM)
    if os.getppid() != parent:
        return
    if cores:
        os.sched_setaffinity(0, cores)
    open_terminal()
    outcome = performed(job)
    with writing, suppress(BrokenPipeError):  # who started it may be gone
        writing.send(outcome)
