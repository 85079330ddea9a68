"""Jobs that know nothing of each other, and the loop that hands them to whoever has room."""

from __future__ import annotations

import os
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from option_critic.errors import InputError, RunError
from option_critic.runs.locks import RunFolderError, locked
from option_critic.runs.paths import RunPath
from option_critic.terminal import say

Became = Literal["done", "failed", "interrupted", "elsewhere"]
"""elsewhere: another command is at it."""


@dataclass(frozen=True)
class Job:
    """Something to be done in a process of its own, which may be on another machine."""

    place: RunPath
    """What it writes; its lock and its log lie beside it, as `.<name>.lock` and `<name>.log`."""
    work: Callable[[], int]
    """Does it, or what is left of it; an exit code. Can be pickled. Called by one process at a time."""

    @property
    def log(self) -> RunPath:
        """What it prints."""
        return self.place.parent / f"{self.place.name}.log"


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    became: Became
    reason: str = ""
    """of a failure, in a sentence"""


class Engine(Protocol):
    """Where jobs run. Used as a context: who leaves it has stopped what still ran, and that has saved."""

    stopped: list[tuple[Job, Outcome]]
    """What was stopped so."""

    @property
    def places(self) -> int:
        """How many jobs there is room for at a time, as things are now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def start(self, job: Job) -> None:
        """Start one."""
        ...

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """What ended since; waits for so long where nothing has."""
        ...

    def running(self) -> list[Job]:
        """What was started and has not ended."""
        ...


def work_through(jobs: Sequence[Job], engine: Engine, seconds: float = 0.5) -> Iterator[list[tuple[Job, Outcome]]]:
    """Do all jobs in their order; about every so many seconds, what ended meanwhile."""
    waiting = deque(jobs)
    while waiting or engine.running():
        while waiting and len(engine.running()) < engine.places:
            engine.start(waiting.popleft())
        yield engine.ended(seconds)


def performed(job: Job, patience: float = 0.0, path: Sequence[str] = ()) -> Outcome:
    """Do a job in this process, which is there for it alone: what it prints goes to its log. `patience`: seconds in
    which another process that is at it may end; `path`: where modules are found, by who handed it over."""
    sys.path += [entry for entry in path if entry not in sys.path]
    with ExitStack() as held:
        try:
            job.place.parent.make()
            held.enter_context(locked(job.place.parent, f".{job.place.name}.lock", patience))
        except RunFolderError:
            return Outcome("elsewhere")
        except OSError as error:
            return Outcome("failed", f"{job.place} cannot be written: {error}")
        with suppress(OSError), job.log.appending() as handle:
            os.dup2(handle, 1)
            os.dup2(handle, 2)
        return outcome_of(job)


def outcome_of(job: Job) -> Outcome:
    """What becomes of it; nothing that it raises passes."""
    try:
        code = job.work()
    except KeyboardInterrupt:
        return Outcome("interrupted")
    except (InputError, RunError) as error:
        say(error, error=True)
        return Outcome("failed", str(error))
    except Exception as error:  # a fault of ours, or of the user's code: one run's, not the sweep's
        say(*traceback.format_exc().splitlines(), error=True)
        return Outcome("failed", f"{type(error).__name__}: {error}")
    return Outcome("interrupted" if code >= 128 else "done" if code == 0 else "failed")
