"""One process at a time: who trains holds a run to its end, who adds figures to it only while they are written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from option_critic.errors import InputError
from option_critic.runs.handles import reason
from option_critic.runs.paths import RunPath

TRAINING, FIGURES = ".lock", ".figures.lock"
PATIENCE = 60.0
"""Seconds to wait for another process that writes figures; it takes less than one."""


class RunFolderError(InputError):
    """A run folder cannot be used as asked."""


@contextmanager
def locked(folder: RunPath, name: str = TRAINING, patience: float = 0.0) -> Iterator[None]:
    """Hold the run for this process. The system frees the lock when its holder ends, however it ends.

    Raises RunFolderError where another one holds it, and OSError where there can be no lock.
    """
    lock = FileLock(folder.base.joinpath(*folder.parts, name))  # opened without following a link
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise RunFolderError(
            f"{folder} is being written by another process; wait for it, stop it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def figures(folder: RunPath) -> Iterator[None]:
    """While figures of a run (evaluation, diagnosis, pictures, page) are read, changed and written.

    Where nothing can be written, on a read-only disk, there is nobody to wait for either.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder, FIGURES, PATIENCE))
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise RunFolderError(f"{folder} cannot be locked: {reason(error)}") from error
        yield
